//! An account in use: what sessions hold.

use std::{collections::BTreeMap, sync::Arc};

use postrider_engine::{Engine, ValueVisitor};
use tokio::sync::watch;

use crate::{
    change::{
        append::{Append, Appended},
        copy::{Copied, CopyMessages, Transfer},
        expunge::{Expunge, ExpungeOnly},
        load::Load,
        mailbox::{CreateMailbox, DeleteMailbox, RenameMailbox},
        note::{Note, WriteNotes},
        origin::{CreateMailboxFrom, CreatedMailbox, MailboxOrigin},
        raise::{Floors, Raise},
        rebuild::{Recount, ReplaceDerived, WriteDirectory},
        store_flags::{StoreFlags, StoredFlags},
        subscribe::Subscribe,
        sweep::Sweep,
        undelete::Undelete,
    },
    digest::DigestBudget,
    directory::Directory,
    draft::read_records,
    error::StoreError,
    expunged::{ExpungedKey, ExpungedMessages, ExpungedSelection, Swept, UndeleteInto, Undeleted},
    identifier::{AccountId, BlobHash, BlobId, EmailId, MailboxId, ModSeq, Uid},
    keys,
    load::scan_records,
    message::{DerivedValues, NewMessage},
    options::StoreOptions,
    read::Records,
    record::{AccountRecord, ChangeKind, ChangeRecord, EmailRecord},
    rows::read_rest,
    special_use::SpecialUses,
    state::{AccountState, Mailbox},
    text_order::TextOrders,
    uid_set::UidSet,
    writer::{Published, WriterHandle},
};

/// An account in use. Reading looks at the published state; every change is durable and published when its call returns.
///
/// A call that is given up half-way (its future dropped) may still take effect: once handed in, a change is the
/// writer's.
pub struct Account {
    pub(crate) id: AccountId,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) options: Arc<StoreOptions>,
    pub(crate) published: Arc<Published>,
    pub(crate) writer: WriterHandle,
    pub(crate) digests: Arc<DigestBudget>,
    pub(crate) orders: TextOrders,
}

impl Account {
    /// Which account.
    pub fn id(&self) -> AccountId {
        self.id
    }

    /// The newest published state.
    pub fn state(&self) -> Arc<AccountState> {
        self.published.state.load_full()
    }

    /// A receiver that is marked changed whenever a newer state was published.
    pub fn subscribe_changes(&self) -> watch::Receiver<u64> {
        self.published.modseq.subscribe()
    }

    /// A mailbox with its messages, as of now.
    pub async fn mailbox(&self, id: MailboxId) -> Result<Arc<Mailbox>, StoreError> {
        let mailbox = self.mailbox_outline(id).await?;
        if let Some(messages) = &mailbox.messages {
            read_rest(&*self.engine, self.id, id, messages).await?;
        }
        Ok(mailbox)
    }

    /// A mailbox with its messages, as of now, of which those that nobody looked at so far are read when that happens. It takes
    /// as long for a large mailbox as for a small one. Who answers of it asks [`crate::Snapshot::failure`] before the end.
    pub async fn mailbox_outline(&self, id: MailboxId) -> Result<Arc<Mailbox>, StoreError> {
        let mut is_new = false;
        loop {
            let state = self.state();
            let mailbox = state.mailbox(id).ok_or(StoreError::NoMailbox)?;
            if let Some(messages) = &mailbox.messages {
                if let Some(failure) = messages.failure() {
                    return Err(failure.clone());
                }
                if is_new && mailbox.directory == Directory::Missing {
                    self.write_missing_directory(id);
                }
                return Ok(Arc::clone(mailbox));
            }
            self.writer.submit(Load { mailbox: id }).await?;
            is_new = true;
        }
    }

    /// Has the directory of a mailbox written while nobody waits for it.
    fn write_missing_directory(&self, mailbox: MailboxId) {
        let (writer, account) = (self.writer.clone(), self.id);
        tokio::spawn(async move {
            if let Err(error) = writer.submit(WriteDirectory { mailbox }).await {
                tracing::debug!(account = account.0, %error, "a directory could not be written");
            }
        });
    }

    /// Hashes and parses a message so that it can be appended.
    pub async fn prepare(&self, raw: bytes::Bytes, flags: Vec<crate::Flag>, received: i64) -> NewMessage {
        NewMessage::prepare(raw, flags, received, &self.options.mime).await
    }

    /// Adds messages to a mailbox: all of them or none.
    pub async fn append(&self, mailbox: MailboxId, messages: Vec<NewMessage>) -> Result<Appended, StoreError> {
        self.append_noting(mailbox, messages, Vec::new()).await
    }

    /// Adds messages to a mailbox and writes notes beside them: all of it or nothing.
    pub async fn append_noting(
        &self,
        mailbox: MailboxId,
        messages: Vec<NewMessage>,
        notes: Vec<Note>,
    ) -> Result<Appended, StoreError> {
        self.writer.submit(Append { mailbox, messages, notes }).await
    }

    /// Writes notes: all of them or none.
    pub async fn write_notes(&self, notes: Vec<Note>) -> Result<(), StoreError> {
        self.writer.submit(WriteNotes { notes }).await
    }

    /// Reads the notes whose keys begin with `prefix`, in the order of their keys, all as of one moment.
    pub async fn notes(&self, prefix: &[u8], visit: impl FnMut(&[u8], &[u8]) + Send) -> Result<(), StoreError> {
        self.records().notes(prefix, visit).await
    }

    /// Changes flags.
    pub async fn store_flags(&self, wish: StoreFlags) -> Result<StoredFlags, StoreError> {
        self.writer.submit(wish).await
    }

    /// Removes messages: those of `uids` (`None`: all) that `only` allows. Answers which went. They can be brought back for
    /// [`StoreOptions::expunged_kept_seconds`].
    pub async fn expunge(
        &self,
        mailbox: MailboxId,
        uids: Option<UidSet>,
        only: ExpungeOnly,
    ) -> Result<UidSet, StoreError> {
        self.writer.submit(Expunge { mailbox, uids, only }).await
    }

    /// What was expunged and can be brought back, in the order in which it was expunged: of at most `keys_max` keys, those after
    /// `after`. With the last key of one answer the next one goes on, so that any number is read in bounded memory.
    pub async fn expunged(
        &self,
        after: Option<&ExpungedKey>,
        keys_max: usize,
    ) -> Result<Vec<ExpungedMessages>, StoreError> {
        self.records().expunged(after, keys_max).await
    }

    /// Brings expunged messages back, all of them at once; they get new UIDs. Those that are not kept any more are passed over.
    pub async fn undelete(
        &self,
        selection: ExpungedSelection,
        into: UndeleteInto,
    ) -> Result<Vec<Undeleted>, StoreError> {
        self.writer.submit(Undelete { selection, into }).await
    }

    /// Lets go some of what was expunged and kept for long enough, the oldest first.
    pub async fn sweep_expunged(&self) -> Result<Swept, StoreError> {
        self.writer.submit(Sweep).await
    }

    /// Copies or moves messages: all of them or none. Those that are not there are passed over.
    pub async fn transfer(
        &self,
        from: MailboxId,
        uids: UidSet,
        to: MailboxId,
        transfer: Transfer,
    ) -> Result<Copied, StoreError> {
        self.writer.submit(CopyMessages { from, uids, to, transfer }).await
    }

    /// Makes a mailbox, and those above it that are missing.
    pub async fn create_mailbox(&self, name: &str, special_use: SpecialUses) -> Result<MailboxId, StoreError> {
        self.writer.submit(CreateMailbox { name: name.to_owned(), special_use, subscribe: false }).await
    }

    /// Makes a mailbox that comes from elsewhere, and those above it that are missing; in the place of an empty one if there is
    /// one of its name, INBOX too. The caller is told whether it keeps its UIDVALIDITY.
    ///
    /// # Errors
    /// [`StoreError::MailboxExists`] if there is one of that name with messages.
    pub async fn create_mailbox_from(
        &self,
        name: &str,
        special_use: SpecialUses,
        origin: MailboxOrigin,
    ) -> Result<CreatedMailbox, StoreError> {
        self.writer.submit(CreateMailboxFrom { name: name.to_owned(), special_use, origin }).await
    }

    /// Raises counters, so that nothing is given out that somebody may have seen elsewhere.
    pub async fn raise(&self, floors: Floors) -> Result<(), StoreError> {
        self.writer.submit(Raise { floors }).await
    }

    /// Removes a mailbox and its messages; mailboxes below it stay.
    pub async fn delete_mailbox(&self, mailbox: MailboxId) -> Result<(), StoreError> {
        self.writer.submit(DeleteMailbox { mailbox }).await
    }

    /// Renames a mailbox and those below it; INBOX is emptied into a new one instead (RFC 9051 §6.3.6).
    pub async fn rename_mailbox(&self, mailbox: MailboxId, name: &str) -> Result<(), StoreError> {
        self.writer.submit(RenameMailbox { mailbox, name: name.to_owned() }).await
    }

    /// Sets or clears a subscription; the mailbox need not exist.
    pub async fn subscribe(&self, name: &str, subscribed: bool) -> Result<(), StoreError> {
        self.writer.submit(Subscribe { name: name.to_owned(), subscribed }).await
    }

    /// Reads the derived answers of blobs; `visit` gets the position in `blobs` and the bytes of a
    /// [`postrider_message::DerivedView`], or `None` for a blob that is gone.
    pub async fn derived(&self, blobs: &[BlobId], visit: &mut ValueVisitor<'_>) -> Result<(), StoreError> {
        self.records().beside(keys::derived, blobs, visit).await
    }

    /// Reads the headers of blobs; `visit` gets the position in `blobs` and the bytes of a
    /// [`postrider_message::IndexedHeader`], or `None` for a blob that is gone.
    pub async fn headers(&self, blobs: &[BlobId], visit: &mut ValueVisitor<'_>) -> Result<(), StoreError> {
        self.records().beside(keys::header, blobs, visit).await
    }

    /// The newest committed records.
    fn records(&self) -> Records<'_, dyn Engine> {
        Records { read: &*self.engine, account: self.id }
    }

    /// Reads pieces of blobs, as `(blob, offset, length)`; `visit` gets the position in `pieces` and the bytes, or `None` for
    /// a blob that is gone. Many pieces in one call cost one look-up.
    pub async fn pieces(&self, pieces: &[(BlobId, u64, u64)], visit: &mut ValueVisitor<'_>) -> Result<(), StoreError> {
        self.records().pieces(pieces, visit).await
    }

    /// A copy of a whole blob; `None` if it is gone.
    pub async fn body(&self, blob: BlobId) -> Result<Option<Vec<u8>>, StoreError> {
        self.records().body(blob).await
    }

    /// Reads email records, `None` where there is none.
    pub async fn emails(&self, ids: &[EmailId]) -> Result<Vec<Option<EmailRecord>>, StoreError> {
        self.records().emails(ids).await
    }

    /// The unique-ids that a mailbox's messages brought from other POP3 servers, by UID. The others have
    /// [`crate::own_unique_id`].
    pub async fn unique_ids(&self, mailbox: &Mailbox) -> Result<BTreeMap<Uid, String>, StoreError> {
        match mailbox.record.unique_ids {
            0 => Ok(BTreeMap::new()),
            _ => self.records().unique_ids(mailbox.id).await,
        }
    }

    /// The names of blobs' contents, `None` where there is no blob.
    pub async fn hashes(&self, blobs: &[BlobId]) -> Result<Vec<Option<BlobHash>>, StoreError> {
        self.records().hashes(blobs).await
    }

    /// UIDs that went from a mailbox after `since` (RFC 7162 §3.2.5.1).
    ///
    /// `known` narrows the answer to UIDs that the client has; without it all UIDs count. Where the log does not reach back
    /// far enough, every UID that is known and not there is in the answer: longer, but not wrong.
    pub async fn vanished(
        &self,
        mailbox: &Mailbox,
        since: ModSeq,
        known: Option<&UidSet>,
    ) -> Result<UidSet, StoreError> {
        let messages = mailbox.messages().ok_or(StoreError::NoMailbox)?;
        let everything = UidSet::from_ranges(vec![(1, mailbox.record.uid_next.0.saturating_sub(1))]);
        let known = known.map_or_else(|| everything.clone(), |known| known.intersection(&everything));
        // One committed state for both: the log must not be trimmed between the look at its beginning and the walk.
        let snapshot = self.engine.snapshot().await?;
        let record = read_records(&*snapshot, &[keys::account(self.id)], AccountRecord::decode).await?;
        let record = record.into_iter().flatten().next().ok_or(StoreError::NoAccount(self.id))?;
        if since < record.changes_trimmed {
            return Ok(known.difference(&messages.uids()));
        }
        let mut gone = Vec::new();
        scan_records(&*snapshot, &keys::changes_after(self.id, since), |_, value| {
            let record = ChangeRecord::decode(value)?;
            let here = record
                .changes
                .iter()
                .filter(|change| change.mailbox == mailbox.id && change.kind == ChangeKind::Expunged);
            here.for_each(|change| gone.extend_from_slice(change.uids.ranges()));
            Ok(())
        })
        .await?;
        // The log may have grown past the caller's version of the mailbox: what is still there in it has not gone yet.
        Ok(UidSet::from_ranges(gone).intersection(&known).difference(&messages.uids()))
    }

    pub(crate) async fn replace_derived(&self, derived: Vec<(BlobId, DerivedValues)>) -> Result<(), StoreError> {
        self.writer.submit(ReplaceDerived { derived }).await
    }

    pub(crate) async fn recount(&self, mailbox: MailboxId) -> Result<bool, StoreError> {
        self.writer.submit(Recount { mailbox }).await
    }
}
