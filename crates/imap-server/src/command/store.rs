//! STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3).

use postrider_imap_proto::{
    command::{Numbering, Store, StoreMode},
    encode::{Code, FetchWriter},
};
use postrider_store::{Entry, FlagBits, FlagMode, Mailbox, ModSeq, StoreFlags, UidSet};

use crate::{
    answer::{Answer, Failure},
    selected::{newest, stored_flags},
    session::{Session, Stream},
};

/// Messages that are told of before it is looked whether the output should be sent.
const GROUP_ROWS: usize = 256;

impl<S: Stream> Session<S> {
    pub(crate) async fn store(&mut self, store: Store) -> Result<Answer, Failure> {
        let selected = self.writable()?;
        let uids = selected.resolve(&store.set, store.numbering)?;
        let mailbox = selected.id;
        let flags = stored_flags(&store.flags)?;
        let account = self.account()?;
        if store.unchanged_since.is_some() {
            self.enable_condstore().await?;
        }
        let wish = StoreFlags {
            mailbox,
            uids: uids.clone(),
            mode: match store.mode {
                StoreMode::Replace => FlagMode::Replace,
                StoreMode::Add => FlagMode::Add,
                StoreMode::Remove => FlagMode::Remove,
            },
            flags: flags.clone(),
            unchanged_since: store.unchanged_since.map(ModSeq),
        };
        let stored = account.store_flags(wish).await?;
        let now = newest(&account, mailbox).await?;
        // What another session expunged has no flags any more.
        let there = now.messages().map(|messages| messages.existing(&uids)).unwrap_or_default();
        let asked_for = there.difference(&stored.conflicting);
        if store.silent {
            self.report_silently(&now, &asked_for, store.mode, &flags);
        } else {
            self.report_stored(&now, &asked_for).await?;
        }
        if stored.conflicting.is_empty() {
            // RFC 2180 §4.2: a client that counts on an answer for each message must know why some have none. A UID
            // command passes over what is not there (RFC 9051 §6.4.9).
            if there != uids && !store.silent && store.numbering == Numbering::Sequence {
                return Err(Failure::no(Code::ExpungeIssued, "Some of the messages were expunged by another session"));
            }
            return Ok(Answer::ok("Stored"));
        }
        let numbers = self.selected()?.numbers(&stored.conflicting, store.numbering);
        Ok(Answer::ok_with(Code::Modified(numbers), "Some messages had been changed by others and were left alone"))
    }

    /// Every message that was asked for is told of, changed or not, as if its flags had been fetched (RFC 9051 §6.4.6).
    async fn report_stored(&mut self, now: &Mailbox, uids: &UidSet) -> Result<(), Failure> {
        let (Some(selected), Some(messages)) = (&mut self.selected, now.messages()) else { return Ok(()) };
        selected.report_keywords(now, &mut self.out);
        selected.adopt(messages, uids);
        let (known, enabled) = (selected.known.clone(), self.enabled);
        let mut rows = known.select(uids).peekable();
        while rows.peek().is_some() {
            if let Some(selected) = &self.selected {
                let group = rows.by_ref().take(GROUP_ROWS);
                group.for_each(|(sequence, entry)| selected.report_entry(sequence, entry, enabled, &mut self.out));
            }
            self.flush_if_large().await?;
        }
        Ok(())
    }

    /// `.SILENT`: messages whose flags are what the client must expect are not told of, but for their new mod-sequence
    /// (RFC 7162 §3.1.3). Where somebody else had a hand in it the flags are told with the other news.
    fn report_silently(&mut self, now: &Mailbox, uids: &UidSet, mode: StoreMode, flags: &[postrider_store::Flag]) {
        let (Some(selected), Some(messages)) = (&mut self.selected, now.messages()) else { return };
        let keywords = &now.record.keywords;
        let wanted = flags.iter().filter_map(|flag| keywords.bits(flag)).fold(FlagBits::NONE, FlagBits::union);
        let expected: UidSet = selected
            .known
            .select(uids)
            .filter(|(_, entry)| {
                let after = expected_flags(entry, mode, wanted);
                messages.find(entry.uid).is_some_and(|(_, new)| new.flags == after)
            })
            .map(|(_, entry)| entry.uid)
            .collect();
        let before = selected.known.clone();
        selected.report_keywords(now, &mut self.out);
        selected.adopt(messages, &expected);
        if !self.enabled.condstore {
            return;
        }
        for ((sequence, entry), (_, old)) in selected.known.select(&expected).zip(before.select(&expected)) {
            if entry.modseq != old.modseq {
                let mut writer = FetchWriter::begin(&mut self.out, sequence);
                writer.uid(entry.uid.0).modseq(entry.modseq.0);
                writer.end();
            }
        }
    }
}

fn expected_flags(entry: &Entry, mode: StoreMode, wanted: FlagBits) -> FlagBits {
    match mode {
        StoreMode::Replace => wanted,
        StoreMode::Add => entry.flags.union(wanted),
        StoreMode::Remove => entry.flags.without(wanted),
    }
}
