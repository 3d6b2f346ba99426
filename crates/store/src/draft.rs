//! The next state of an account, while a group of changes is being put together.
//!
//! Changes run one after the other on a draft: each sees what those before it did, though nothing of it is durable yet.
//! What the draft touches it keeps in maps of its own, and [`Draft::finish`] turns them into one batch, in
//! which every record stands once however often it changed. A change checks all it needs before it alters the draft; if a
//! read from the engine fails half-way the draft is spoiled and the whole group fails.

mod digests;
mod expunged;
mod unique_id;

pub(crate) use expunged::due_through;
pub(crate) use unique_id::{text as unique_id_text, uid as unique_id_uid};

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::ControlFlow,
    sync::Arc,
};

use bytes::Bytes;
use postrider_engine::{Batch, Engine};

use crate::{
    change::note::Note,
    chunk::CHUNK_ROWS,
    directory::{self, Directory},
    error::StoreError,
    expunged::{ExpungedKey, ExpungedRecord},
    flags::FlagBits,
    identifier::{BlobHash, BlobId, EmailId, MailboxId, ModSeq, ThreadId, Uid, UidValidity},
    keys,
    message::{DerivedValues, NewMessage},
    options::StoreOptions,
    pages::{PageRecords, pages_complete},
    record::{self, BlobRecord, ChangeKind, ChangeRecord, EmailRecord, GoneMailbox, MailboxChange},
    rows::{self, Outline},
    snapshot::{Entry, Snapshot},
    state::{AccountState, Mailbox},
    uid_set::UidSet,
};

/// A record as the draft knows it: `None` where it is not, or no longer, there.
type Known<K, V> = HashMap<K, Slot<V>>;

#[derive(Debug)]
struct Slot<V> {
    value: Option<V>,
    changed: bool,
}

impl<V> Slot<V> {
    fn read(value: Option<V>) -> Self {
        Self { value, changed: false }
    }

    fn set(value: Option<V>) -> Self {
        Self { value, changed: true }
    }
}

/// The next state of an account.
pub(crate) struct Draft {
    engine: Arc<dyn Engine>,
    pub(crate) options: Arc<StoreOptions>,
    pub(crate) state: AccountState,
    /// Wall-clock time of the group, seconds since 1970 (UTC).
    pub(crate) now: i64,
    previous_record: Option<Vec<u8>>,
    /// The messages of mailboxes as they are stored, of those whose messages are known.
    stored: BTreeMap<MailboxId, Snapshot>,
    /// Mailboxes that have other messages, or other flags, than are stored.
    rows_changed: BTreeSet<MailboxId>,
    /// Messages added to mailboxes of which the stored ones are not known.
    added: BTreeMap<MailboxId, Vec<Entry>>,
    mailboxes: BTreeSet<MailboxId>,
    subscriptions: BTreeMap<String, bool>,
    emails: Known<EmailId, EmailRecord>,
    blobs: Known<BlobId, BlobRecord>,
    hashes: Known<BlobHash, BlobId>,
    threads: Known<[u8; 16], ThreadId>,
    gone: Known<UidValidity, GoneMailbox>,
    expunged: Known<ExpungedKey, ExpungedRecord>,
    unique_ids: Known<(MailboxId, Uid), String>,
    unique_names: Known<(MailboxId, String), Uid>,
    derived: BTreeMap<BlobId, Option<DerivedValues>>,
    bodies: BTreeMap<BlobId, Option<Bytes>>,
    changes: BTreeMap<ModSeq, ChangeRecord>,
    notes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    trim_through: Option<ModSeq>,
    /// The account's own counters changed, if nothing else did.
    counters_changed: bool,
    /// Pages of digests that were complete before.
    pages_complete: u64,
    /// Pages to be written, `None` those that no blob is left of.
    pages: BTreeMap<u64, Option<PageRecords>>,
    spoiled: Option<StoreError>,
}

impl Draft {
    /// A draft that begins as `state`. `previous` is the account's record as it is stored, which must still be
    /// so when the batch is written: another writer, on another node, makes the commit fail and the group run again.
    pub(crate) fn new(
        engine: Arc<dyn Engine>,
        options: Arc<StoreOptions>,
        state: AccountState,
        previous: Option<Vec<u8>>,
        now: i64,
    ) -> Self {
        let pages_complete = pages_complete(state.record.blob_next);
        Self {
            engine,
            options,
            state,
            now,
            previous_record: previous,
            stored: BTreeMap::new(),
            rows_changed: BTreeSet::new(),
            added: BTreeMap::new(),
            mailboxes: BTreeSet::new(),
            subscriptions: BTreeMap::new(),
            emails: HashMap::new(),
            blobs: HashMap::new(),
            hashes: HashMap::new(),
            threads: HashMap::new(),
            gone: HashMap::new(),
            expunged: HashMap::new(),
            unique_ids: HashMap::new(),
            unique_names: HashMap::new(),
            derived: BTreeMap::new(),
            bodies: BTreeMap::new(),
            changes: BTreeMap::new(),
            notes: BTreeMap::new(),
            trim_through: None,
            counters_changed: false,
            pages_complete,
            pages: BTreeMap::new(),
            spoiled: None,
        }
    }

    /// The state to publish and the batch that makes it durable.
    pub(crate) async fn finish(mut self) -> Result<(AccountState, Batch), StoreError> {
        if let Some(error) = self.spoiled.take() {
            return Err(error);
        }
        self.trim_changes();
        let account = self.state.id;
        let mut batch = Batch::new();
        self.write_rows(&mut batch).await?;
        self.write_pages(&mut batch).await?;
        for (name, subscribed) in &self.subscriptions {
            match subscribed {
                true => batch.put(keys::subscription(account, name), []),
                false => batch.delete(keys::subscription(account, name)),
            }
        }
        for id in &self.mailboxes {
            match self.state.mailbox(*id) {
                Some(mailbox) => {
                    let record = record::MailboxRecord { recent_from: mailbox.recent_from(), ..mailbox.record.clone() };
                    batch.put(keys::mailbox(account, *id), record.encode());
                }
                None => batch.delete(keys::mailbox(account, *id)),
            }
        }
        for (id, slot) in changed(self.emails) {
            write(&mut batch, keys::email(account, id), slot.map(|email| email.encode()));
        }
        for (id, slot) in changed(self.blobs) {
            write(&mut batch, keys::blob(account, id), slot.map(|blob| blob.encode()));
        }
        for (hash, slot) in changed(self.hashes) {
            write(&mut batch, keys::blob_by_hash(account, &hash), slot.map(|blob| blob.0.to_be_bytes().to_vec()));
        }
        for (digest, slot) in changed(self.threads) {
            write(&mut batch, keys::thread(account, digest), slot.map(|thread| thread.0.to_be_bytes().to_vec()));
        }
        for (uid_validity, slot) in changed(self.gone) {
            write(&mut batch, keys::gone_mailbox(account, uid_validity), slot.map(GoneMailbox::encode));
        }
        for (key, slot) in changed(self.expunged) {
            write(&mut batch, keys::expunged(account, &key), slot.map(|record| record.encode()));
        }
        for ((mailbox, uid), slot) in changed(self.unique_ids) {
            write(&mut batch, keys::unique_id(account, mailbox, uid), slot.map(String::into_bytes));
        }
        for ((mailbox, name), slot) in changed(self.unique_names) {
            let key = keys::message_by_unique_id(account, mailbox, &name);
            write(&mut batch, key, slot.map(|uid| uid.0.to_be_bytes().to_vec()));
        }
        for (blob, derived) in self.derived {
            let (answers, header) = derived.map(|derived| (derived.answers, derived.header)).unzip();
            write(&mut batch, keys::derived(account, blob), answers.map(Vec::from));
            write(&mut batch, keys::header(account, blob), header.map(Vec::from));
        }
        for (blob, body) in self.bodies {
            match body {
                Some(body) => batch.put_body(keys::blob(account, blob), body),
                None => batch.delete_body(keys::blob(account, blob)),
            }
        }
        for (key, value) in self.notes {
            write(&mut batch, keys::note(account, &key), value);
        }
        if let Some(through) = self.trim_through {
            batch.delete_range(keys::changes_through(account, through));
        }
        // A group of more changes than the log keeps does not write those that are too many.
        let kept = self.changes.iter().filter(|(modseq, _)| self.trim_through.is_none_or(|through| **modseq > through));
        for (modseq, change) in kept {
            batch.put(keys::change(account, *modseq), change.encode());
        }
        if self.counters_changed || !batch.is_empty() {
            batch.expect(keys::account(account), self.previous_record);
            batch.put(keys::account(account), self.state.record.encode());
        }
        Ok((self.state, batch))
    }

    /// Writes the rows of messages that are not as they are stored.
    async fn write_rows(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        let account = self.state.id;
        for id in std::mem::take(&mut self.rows_changed) {
            let Some(mailbox) = self.state.mailbox_mut(id) else {
                batch.delete_range(keys::rows(account, id));
                continue;
            };
            if let Some(messages) = &mut mailbox.messages {
                messages.seal();
                mailbox.record.rows_open = messages.open_rows() as u32;
                let stored = self.stored.remove(&id).unwrap_or_default();
                let directory = std::mem::replace(&mut mailbox.directory, Directory::Whole);
                rows::write_rows(account, id, &stored, messages, directory, batch)?;
                continue;
            }
            let added = self.added.remove(&id).unwrap_or_default();
            let open = mailbox.record.rows_open as usize + added.len();
            if open < CHUNK_ROWS {
                mailbox.record.rows_open = open as u32;
                rows::write_open_rows(account, id, &added, batch);
                continue;
            }
            let count = mailbox.record.counts.messages.saturating_sub(added.len() as u32);
            let Outline { messages: before, directory } = rows::load_outline(&self.engine, account, id, count).await?;
            let mut after = before.clone();
            added.into_iter().for_each(|row| after.push(row));
            after.seal();
            mailbox.record.rows_open = after.open_rows() as u32;
            rows::write_rows(account, id, &before, &after, directory, batch)?;
        }
        Ok(())
    }

    /// The log keeps a bounded number of changes; what is older goes, many at a time.
    fn trim_changes(&mut self) {
        let record = &mut self.state.record;
        let kept_max = self.options.changes_kept_max;
        let kept = record.modseq.0 - record.changes_trimmed.0;
        if kept > kept_max + kept_max / 8 {
            let through = ModSeq(record.modseq.0 - kept_max);
            record.changes_trimmed = through;
            self.trim_through = Some(through);
        }
    }

    /// The mod-sequence that [`Self::next_modseq`] will answer.
    pub(crate) fn modseq_to_come(&self) -> ModSeq {
        ModSeq(self.state.record.modseq.0 + 1)
    }

    /// Begins a change: the mod-sequence that all it does will carry.
    pub(crate) fn next_modseq(&mut self) -> ModSeq {
        self.state.record.modseq = self.modseq_to_come();
        self.state.record.modseq
    }

    /// Sees to it that no later change has a mod-sequence up to `floor`. Who knew the account at one that is skipped is told all
    /// that it could ask for, as the log says nothing of it.
    pub(crate) fn raise_modseq(&mut self, floor: ModSeq) {
        let record = &mut self.state.record;
        if floor > record.modseq {
            (record.modseq, record.changes_trimmed) = (floor, floor);
            self.trim_through = Some(floor);
        }
    }

    /// Has the account's record written, whatever else there is to write.
    pub(crate) fn counters_changed(&mut self) {
        self.counters_changed = true;
    }

    /// Notes in the log what a change did, and brings the mailbox's HIGHESTMODSEQ up to it.
    pub(crate) fn log(&mut self, modseq: ModSeq, mailbox: MailboxId, kind: ChangeKind, uids: UidSet) {
        if let Some(mailbox) = self.state.mailbox_mut(mailbox) {
            mailbox.record.highest_modseq = modseq;
        }
        self.mailboxes.insert(mailbox);
        let when = self.now;
        self.changes
            .entry(modseq)
            .or_insert_with(|| ChangeRecord { when, changes: Vec::new() })
            .changes
            .push(MailboxChange { mailbox, kind, uids });
    }

    /// Writes notes beside the mail.
    pub(crate) fn write_notes(&mut self, notes: &[Note]) {
        self.notes.extend(notes.iter().map(|note| (note.key.clone(), note.value.clone())));
    }

    /// A mailbox of the draft.
    pub(crate) fn mailbox(&self, id: MailboxId) -> Result<&Arc<Mailbox>, StoreError> {
        self.state.mailbox(id).ok_or(StoreError::NoMailbox)
    }

    /// A mailbox of the draft, to alter; it will be written.
    pub(crate) fn mailbox_mut(&mut self, id: MailboxId) -> Result<&mut Mailbox, StoreError> {
        self.mailboxes.insert(id);
        self.state.mailbox_mut(id).ok_or(StoreError::NoMailbox)
    }

    /// Takes a mailbox that has no messages any more out of the state, so that its record goes too.
    pub(crate) fn remove_mailbox(&mut self, id: MailboxId) {
        let Some(mailbox) = self.state.mailbox(id) else { return };
        let record = &mailbox.record;
        let gone = GoneMailbox { mailbox: id, uid_next: record.uid_next.max(record.uid_floor) };
        self.gone.insert(record.uid_validity, Slot::set(Some(gone)));
        self.state.remove(id);
        self.mailboxes.insert(id);
        self.rows_changed.insert(id);
    }

    /// The mailbox with a UIDVALIDITY, if it is gone.
    pub(crate) async fn gone_mailbox(&mut self, uid_validity: UidValidity) -> Result<Option<GoneMailbox>, StoreError> {
        let account = self.state.id;
        let ids = unknown(&self.gone, [uid_validity].into_iter());
        let found = self.read(&ids, |id| keys::gone_mailbox(account, *id), GoneMailbox::decode).await?;
        self.gone.extend(ids.into_iter().zip(found.into_iter().map(Slot::read)));
        Ok(self.gone.get(&uid_validity).and_then(|slot| slot.value))
    }

    /// A mailbox that was gone has come back.
    pub(crate) fn mailbox_returned(&mut self, uid_validity: UidValidity) {
        self.gone.insert(uid_validity, Slot::set(None));
    }

    /// Sets or clears a subscription.
    pub(crate) fn subscribe(&mut self, name: &str, subscribed: bool) {
        let names = Arc::make_mut(&mut self.state.subscriptions);
        match subscribed {
            true => names.insert(name.to_owned()),
            false => names.remove(name),
        };
        self.subscriptions.insert(name.to_owned(), subscribed);
    }

    /// The messages of a mailbox, read from the engine if nobody asked for them before.
    pub(crate) async fn messages(&mut self, id: MailboxId) -> Result<Snapshot, StoreError> {
        if let Some(messages) = &self.mailbox(id)?.messages {
            return Ok(messages.clone());
        }
        // Messages that came in this very group are not in the engine yet.
        let added = self.added.remove(&id).unwrap_or_default();
        let count = self.mailbox(id)?.record.counts.messages.saturating_sub(added.len() as u32);
        let loaded = rows::load_outline(&self.engine, self.state.id, id, count).await;
        let Outline { messages: stored, directory } = self.spoil_on_error(loaded)?;
        let mut messages = stored.clone();
        self.stored.insert(id, stored);
        added.into_iter().for_each(|row| messages.push(row));
        if let Some(mailbox) = self.state.mailbox_mut(id) {
            mailbox.messages = Some(messages.clone());
            mailbox.directory = directory;
        }
        Ok(messages)
    }

    /// Has a mailbox's directory written anew if it is not what its rows say, all of which are read for that. Answers whether
    /// it was not.
    pub(crate) async fn write_directory(&mut self, id: MailboxId) -> Result<bool, StoreError> {
        self.messages(id).await?;
        let account = self.state.id;
        let rows = rows::load_rows(&*self.engine, account, id).await;
        let rows = self.spoil_on_error(rows)?;
        let stored = rows::load_directory(&*self.engine, account, id).await;
        let differs = self.spoil_on_error(stored)? != directory::pages(&rows);
        if differs {
            // What came of a wrong directory is not gone on with; what this group changed before is written as it is.
            let unchanged = !self.rows_changed.contains(&id);
            if unchanged {
                self.stored.insert(id, rows.clone());
            }
            self.rows_changed.insert(id);
            if let Some(mailbox) = self.state.mailbox_mut(id) {
                mailbox.directory = Directory::Missing;
                if unchanged {
                    mailbox.messages = Some(rows);
                }
            }
        }
        Ok(differs)
    }

    /// A mailbox of the draft whose rows change; they will be written.
    fn rows_mut(&mut self, id: MailboxId) -> Result<&mut Mailbox, StoreError> {
        self.remember_stored(id)?;
        self.rows_changed.insert(id);
        self.mailbox_mut(id)
    }

    /// Keeps a mailbox's messages as they are stored, before the first change to them.
    fn remember_stored(&mut self, id: MailboxId) -> Result<(), StoreError> {
        let unchanged = !self.rows_changed.contains(&id) && !self.stored.contains_key(&id);
        if unchanged && let Some(messages) = &self.mailbox(id)?.messages {
            let messages = messages.clone();
            self.stored.insert(id, messages);
        }
        Ok(())
    }

    /// Adds rows to the end of a mailbox; their UIDs ascend from its next one on.
    pub(crate) fn add_entries(&mut self, id: MailboxId, added: &[Entry]) -> Result<(), StoreError> {
        let mailbox = self.rows_mut(id)?;
        added.iter().for_each(|entry| mailbox.record.counts.add(entry));
        if let Some(last) = added.last() {
            mailbox.record.uid_next = Uid(last.uid.0.saturating_add(1));
        }
        match &mut mailbox.messages {
            Some(messages) => added.iter().for_each(|entry| messages.push(*entry)),
            None => self.added.entry(id).or_default().extend_from_slice(added),
        }
        Ok(())
    }

    /// Changes the flags of messages of a mailbox, whose messages must have been asked for: `change` gets each row of
    /// `uids` and answers its new flags, if they change. Answers which messages changed; they have `modseq` then.
    pub(crate) fn update_flags(
        &mut self,
        id: MailboxId,
        uids: &UidSet,
        modseq: ModSeq,
        mut change: impl FnMut(&Entry) -> Option<FlagBits>,
    ) -> Result<UidSet, StoreError> {
        self.remember_stored(id)?;
        let mailbox = self.state.mailbox_mut(id).ok_or(StoreError::NoMailbox)?;
        let mut changed = UidSet::new();
        let counts = &mut mailbox.record.counts;
        if let Some(messages) = &mut mailbox.messages {
            messages.update(uids, |entry| {
                let after = Entry { flags: change(entry)?, modseq, ..*entry };
                counts.subtract(entry);
                counts.add(&after);
                changed.push(entry.uid);
                Some(after)
            });
        }
        if !changed.is_empty() {
            self.rows_mut(id)?;
        }
        Ok(changed)
    }

    /// Removes rows of a mailbox, whose messages must have been asked for, and whatever no other mailbox holds then.
    pub(crate) async fn remove_entries(&mut self, id: MailboxId, removed: &[Entry]) -> Result<(), StoreError> {
        self.take_rows(id, removed).await?;
        self.release(id, removed).await
    }

    /// Takes rows out of a mailbox; their emails still have them as places.
    async fn take_rows(&mut self, id: MailboxId, removed: &[Entry]) -> Result<(), StoreError> {
        self.remove_unique_ids(id, removed.iter().map(|entry| entry.uid)).await?;
        let uids: UidSet = removed.iter().map(|entry| entry.uid).collect();
        let mailbox = self.rows_mut(id)?;
        for entry in removed {
            mailbox.record.counts.subtract(entry);
        }
        if let Some(messages) = &mut mailbox.messages {
            messages.remove(&uids);
        }
        Ok(())
    }

    /// Emails lose their places in a mailbox, and what no other place holds goes.
    async fn release(&mut self, id: MailboxId, removed: &[Entry]) -> Result<(), StoreError> {
        self.read_emails(removed.iter().map(|entry| entry.email)).await?;
        self.read_blobs(removed.iter().map(|entry| entry.blob)).await?;
        for entry in removed {
            self.leave_place(entry, id);
        }
        Ok(())
    }

    /// Gives emails another place each, in addition to those they have.
    pub(crate) async fn add_places(&mut self, id: MailboxId, added: &[Entry]) -> Result<(), StoreError> {
        self.read_emails(added.iter().map(|entry| entry.email)).await?;
        for entry in added {
            if let Some(slot) = self.emails.get_mut(&entry.email)
                && let Some(email) = &mut slot.value
            {
                email.places.push((id, entry.uid));
                slot.changed = true;
            }
        }
        Ok(())
    }

    /// An email leaves a mailbox; with its last place it goes, and its blob with the last email.
    fn leave_place(&mut self, entry: &Entry, mailbox: MailboxId) {
        let Some(slot) = self.emails.get_mut(&entry.email) else { return };
        slot.changed = true;
        let Some(email) = &mut slot.value else { return };
        email.places.retain(|place| *place != (mailbox, entry.uid));
        if !email.places.is_empty() {
            return;
        }
        let blob_id = email.blob;
        slot.value = None;
        let Some(slot) = self.blobs.get_mut(&blob_id) else { return };
        slot.changed = true;
        let Some(blob) = &mut slot.value else { return };
        blob.emails = blob.emails.saturating_sub(1);
        if blob.emails == 0 {
            self.hashes.insert(blob.hash, Slot::set(None));
            slot.value = None;
            self.derived.insert(blob_id, None);
            self.bodies.insert(blob_id, None);
        }
    }

    /// Stores a message's content and makes an email of it, at one place.
    pub(crate) fn add_email(&mut self, message: &NewMessage, mailbox: MailboxId, uid: Uid) -> (EmailId, BlobId) {
        let blob = self.add_blob(message);
        let email = EmailId(self.state.record.email_next);
        self.state.record.email_next += 1;
        let thread = self.thread_of(message, email);
        let record = EmailRecord { blob, received: message.received, thread, places: vec![(mailbox, uid)] };
        self.emails.insert(email, Slot::set(Some(record)));
        (email, blob)
    }

    fn add_blob(&mut self, message: &NewMessage) -> BlobId {
        let present = self.hashes.get(&message.hash).and_then(|slot| slot.value);
        if let Some(id) = present
            && let Some(Slot { value: Some(blob), changed }) = self.blobs.get_mut(&id)
        {
            blob.emails += 1;
            *changed = true;
            return id;
        }
        let id = BlobId(self.state.record.blob_next);
        self.state.record.blob_next += 1;
        let blob = BlobRecord { hash: message.hash, size: message.raw.len() as u32, emails: 1 };
        self.hashes.insert(message.hash, Slot::set(Some(id)));
        self.blobs.insert(id, Slot::set(Some(blob)));
        self.derived.insert(id, Some(message.derived.clone()));
        self.bodies.insert(id, Some(message.raw.clone()));
        id
    }

    /// A message joins the thread of any message it names, or that named it, under the same base subject.
    fn thread_of(&mut self, message: &NewMessage, email: EmailId) -> ThreadId {
        let known = message.thread_keys.iter().find_map(|key| self.threads.get(key).and_then(|slot| slot.value));
        let thread = known.unwrap_or(ThreadId(email.0));
        for key in &message.thread_keys {
            let slot = self.threads.entry(*key).or_insert_with(|| Slot::read(None));
            if slot.value.is_none() {
                *slot = Slot::set(Some(thread));
            }
        }
        thread
    }

    /// Reads all that adding `messages` will ask for, in a few calls.
    pub(crate) async fn read_for_adding(&mut self, messages: &[NewMessage]) -> Result<(), StoreError> {
        let account = self.state.id;
        let hashes = unknown(&self.hashes, messages.iter().map(|message| message.hash));
        let found = self.read(&hashes, |hash| keys::blob_by_hash(account, hash), number).await?;
        let blobs: Vec<BlobId> = found.iter().flatten().map(|id| BlobId(*id)).collect();
        self.hashes.extend(hashes.into_iter().zip(found.into_iter().map(|id| Slot::read(id.map(BlobId)))));
        let present = messages.iter().filter_map(|message| self.hashes.get(&message.hash).and_then(|slot| slot.value));
        let blobs: Vec<BlobId> = blobs.into_iter().chain(present.collect::<Vec<_>>()).collect();
        self.read_blobs(blobs.into_iter()).await?;
        let threads = unknown(&self.threads, messages.iter().flat_map(|message| message.thread_keys.iter().copied()));
        let found = self.read(&threads, |key| keys::thread(account, *key), number).await?;
        self.threads.extend(threads.into_iter().zip(found.into_iter().map(|id| Slot::read(id.map(ThreadId)))));
        Ok(())
    }

    async fn read_emails(&mut self, ids: impl Iterator<Item = EmailId>) -> Result<(), StoreError> {
        let account = self.state.id;
        let ids = unknown(&self.emails, ids);
        let found = self.read(&ids, |id| keys::email(account, *id), EmailRecord::decode).await?;
        self.emails.extend(ids.into_iter().zip(found.into_iter().map(Slot::read)));
        Ok(())
    }

    async fn read_blobs(&mut self, ids: impl Iterator<Item = BlobId>) -> Result<(), StoreError> {
        let account = self.state.id;
        let ids = unknown(&self.blobs, ids);
        let found = self.read(&ids, |id| keys::blob(account, *id), BlobRecord::decode).await?;
        self.blobs.extend(ids.into_iter().zip(found.into_iter().map(Slot::read)));
        Ok(())
    }

    /// Sets the derived answers of blobs anew, of those that are still there.
    pub(crate) async fn replace_derived(&mut self, derived: &[(BlobId, DerivedValues)]) -> Result<(), StoreError> {
        self.read_blobs(derived.iter().map(|(id, _)| *id)).await?;
        for (id, derived) in derived {
            if self.blobs.get(id).is_some_and(|slot| slot.value.is_some()) {
                self.derived.insert(*id, Some(derived.clone()));
            }
        }
        Ok(())
    }

    async fn read<K, V: Send>(
        &mut self,
        ids: &[K],
        key: impl Fn(&K) -> Vec<u8>,
        decode: fn(&[u8]) -> Result<V, StoreError>,
    ) -> Result<Vec<Option<V>>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<Vec<u8>> = ids.iter().map(key).collect();
        let engine = Arc::clone(&self.engine);
        let found = read_records(&*engine, &keys, decode).await;
        self.spoil_on_error(found)
    }

    fn spoil_on_error<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result {
            self.spoiled = Some(error.clone());
        }
        result
    }
}

fn write(batch: &mut Batch, key: Vec<u8>, value: Option<Vec<u8>>) {
    match value {
        Some(value) => batch.put(key, value),
        None => batch.delete(key),
    }
}

fn changed<K, V>(known: Known<K, V>) -> impl Iterator<Item = (K, Option<V>)> {
    known.into_iter().filter(|(_, slot)| slot.changed).map(|(id, slot)| (id, slot.value))
}

/// Those of `ids` that the draft has not read, each once.
fn unknown<K: Copy + Eq + Ord + std::hash::Hash, V>(known: &Known<K, V>, ids: impl Iterator<Item = K>) -> Vec<K> {
    ids.filter(|id| !known.contains_key(id)).collect::<BTreeSet<K>>().into_iter().collect()
}

fn number(bytes: &[u8]) -> Result<u64, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::Damaged("an index record is not a number".to_owned()))?;
    Ok(u64::from_be_bytes(bytes))
}

/// Reads and decodes many records.
pub(crate) async fn read_records<V: Send>(
    engine: &(impl postrider_engine::Read + ?Sized),
    keys: &[Vec<u8>],
    decode: impl Fn(&[u8]) -> Result<V, StoreError> + Send + Sync,
) -> Result<Vec<Option<V>>, StoreError> {
    let mut found = Vec::with_capacity(keys.len());
    let mut failure = None;
    engine
        .get(keys, &mut |_, value| match value.map(&decode).transpose() {
            Ok(value) => {
                found.push(value);
                ControlFlow::Continue(())
            }
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        })
        .await?;
    failure.map_or(Ok(found), Err)
}
