//! A mailbox: made if it is not there, and filled with what it lacks.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use postrider_store::{
    Account, AccountId, BlobHash, Mailbox, MailboxId, MailboxOrigin, NewMessage, SpecialUses, StoreError, Uid,
    UidValidity, UidValidityWish, own_unique_id,
};
use rustic_core::repofile::Node;

use super::{AccountRestore, RestorePlace, RestoreSelection, Restoring, account};
use crate::{
    error::{BackupError, Place},
    manifest::MessageLine,
    reader::{AccountFolder, MailboxFolder, Range, RangeFolder, join},
};

/// The mailbox that is filled.
struct Target {
    id: MailboxId,
    uid_validity: UidValidity,
    /// Whether it is the one that was saved: then UIDs mean the same.
    is_same: bool,
    there: There,
}

/// What is in a mailbox already.
#[derive(Debug, Default)]
struct There {
    by_uid: BTreeMap<Uid, BlobHash>,
    /// How many messages have a content, those that were found by their UID not counted.
    by_content: HashMap<BlobHash, u32>,
}

impl There {
    fn new(rows: Vec<(Uid, BlobHash)>) -> Self {
        let mut there = Self::default();
        for (uid, hash) in rows {
            *there.by_content.entry(hash).or_default() += 1;
            there.by_uid.insert(uid, hash);
        }
        there
    }

    /// Takes those out of the count that are the very messages that were saved.
    fn match_uids(&mut self, lines: &[MessageLine]) {
        for line in lines {
            if self.by_uid.get(&line.uid()) == Some(&line.blake3) {
                self.take(&line.blake3);
            }
        }
    }

    /// Whether one of this content is left, which is taken then.
    fn take(&mut self, hash: &BlobHash) -> bool {
        match self.by_content.get_mut(hash) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }
}

/// A message that is to be added.
struct Wanted {
    line: MessageLine,
    node: Node,
    path: String,
}

impl Restoring<'_> {
    /// Makes a mailbox if need be and adds what it lacks. Answers which mailbox it is.
    pub(super) fn restore_mailbox(
        &mut self,
        account: &Arc<Account>,
        wish: &AccountRestore,
        saved: &AccountFolder,
        mailbox: &MailboxFolder,
        name: &str,
    ) -> Result<Option<(MailboxId, UidValidity)>, BackupError> {
        let place = Place::mailbox(&wish.address, &mailbox.file.name);
        let mut target = match self.open_target(account, wish, mailbox, name) {
            Ok(target) => target,
            Err(BackupError::Store(error @ (StoreError::BadName(_) | StoreError::Limit(_)))) => {
                self.problem(place, error);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let uids = match &wish.selection {
            RestoreSelection::Messages { uids, .. } => Some(uids),
            _ => None,
        };
        let ranges: Vec<&RangeFolder> =
            mailbox.ranges.iter().filter(|range| uids.is_none_or(|uids| range.may_hold(uids))).collect();
        if target.is_same && !target.there.by_uid.is_empty() {
            // All of them first: a message that is there under its UID must not be taken for the copy of another.
            for range in &ranges {
                if let Ok(range) = self.reader.range(range) {
                    target.there.match_uids(&range.lines);
                }
            }
        }
        for range in ranges {
            self.go_on()?;
            let content = match self.reader.range(range) {
                Ok(content) => content,
                Err(error) => {
                    self.problem(place.clone(), error);
                    continue;
                }
            };
            let is_chosen = |line: &MessageLine| uids.is_none_or(|uids| uids.contains(line.uid()));
            let wanted = self.choose(&mut target, content, range, &place, is_chosen);
            self.add(account, saved, &mailbox.file.uid_validity, &target, wanted, &place)?;
            self.tell();
        }
        if self.does() && mailbox.file.subscribed && !account.state().is_subscribed(name) {
            self.handle.block_on(account.subscribe(name, true))?;
        }
        Ok(Some((target.id, target.uid_validity)))
    }

    fn open_target(
        &mut self,
        account: &Arc<Account>,
        wish: &AccountRestore,
        saved: &MailboxFolder,
        name: &str,
    ) -> Result<Target, BackupError> {
        let uid_validity = UidValidity(saved.file.uid_validity);
        let returns = wish.place == RestorePlace::Same;
        let state = account.state();
        let found = state.find(name);
        // A fresh account's mailboxes are there, but are not the ones that were saved.
        let replaced =
            found.filter(|found| returns && account::is_untouched(found) && found.record.uid_validity != uid_validity);
        if let Some(found) = found.filter(|_| replaced.is_none()) {
            let is_same = returns && found.record.uid_validity == uid_validity;
            let there = self.list(account, found)?;
            return Ok(Target { id: found.id, uid_validity: found.record.uid_validity, is_same, there });
        }
        self.report.mailboxes_made += 1;
        if !self.does() {
            self.report.uid_validities_kept += u64::from(returns);
            return Ok(Target { id: MailboxId(0), uid_validity, is_same: returns, there: There::default() });
        }
        let origin = MailboxOrigin {
            uid_validity: returns.then_some(UidValidityWish::Returning(uid_validity)),
            uid_floor: returns.then(|| account::floor(saved.file.uid_next, self.options.uid_margin)),
        };
        let uses = if account::is_inbox(name) || !returns { SpecialUses::NONE } else { saved.file.special_uses() };
        if returns {
            self.make_way(account, name, uses, uid_validity)?;
        }
        let made = self.handle.block_on(account.create_mailbox_from(name, uses, origin));
        let made = match made {
            // Another mailbox has got the use since; the mail matters more.
            Err(StoreError::SpecialUseTaken) => {
                self.handle.block_on(account.create_mailbox_from(name, SpecialUses::NONE, origin))
            }
            other => other,
        }?;
        self.report.uid_validities_kept += u64::from(made.uid_validity_kept);
        let (id, uid_validity) = (made.id, made.uid_validity);
        Ok(Target { id, uid_validity, is_same: made.uid_validity_kept, there: There::default() })
    }

    /// A fresh account begins with folders for sent, thrown-away and other messages. Those that nothing was ever in make way
    /// where the saved ones had other names.
    fn make_way(
        &self,
        account: &Arc<Account>,
        name: &str,
        uses: SpecialUses,
        uid_validity: UidValidity,
    ) -> Result<(), BackupError> {
        let state = account.state();
        let others = state.mailboxes().filter(|mailbox| {
            let record = &mailbox.record;
            account::is_untouched(mailbox) && record.name != name && !account::is_inbox(&record.name)
        });
        for mailbox in others {
            let record = &mailbox.record;
            if record.special_use.overlaps(uses) || record.uid_validity == uid_validity {
                self.handle.block_on(account.delete_mailbox(mailbox.id))?;
                self.handle.block_on(account.subscribe(&record.name, false))?;
            }
        }
        Ok(())
    }

    fn list(&self, account: &Arc<Account>, mailbox: &Mailbox) -> Result<There, BackupError> {
        let mailbox = self.handle.block_on(account.mailbox(mailbox.id))?;
        let entries: Vec<_> = mailbox.messages().into_iter().flat_map(|messages| messages.iter().copied()).collect();
        let mut rows = Vec::with_capacity(entries.len());
        for group in entries.chunks(1000) {
            let blobs: Vec<_> = group.iter().map(|entry| entry.blob).collect();
            let hashes = self.handle.block_on(account.hashes(&blobs))?;
            rows.extend(group.iter().zip(hashes).filter_map(|(entry, hash)| Some((entry.uid, hash?))));
        }
        Ok(There::new(rows))
    }

    /// The messages of a range that the mailbox lacks.
    fn choose(
        &mut self,
        target: &mut Target,
        content: Range,
        range: &RangeFolder,
        place: &Place,
        is_chosen: impl Fn(&MessageLine) -> bool,
    ) -> Vec<Wanted> {
        let mut files = content.files;
        let mut wanted = Vec::new();
        for line in content.lines.into_iter().filter(is_chosen) {
            let is_there_by_uid = target.is_same && target.there.by_uid.get(&line.uid()) == Some(&line.blake3);
            if is_there_by_uid || target.there.take(&line.blake3) {
                self.report.messages_there += 1;
                continue;
            }
            match files.remove(&line.uid()) {
                Some(node) => {
                    let path = join(&range.path, &node.name);
                    wanted.push(Wanted { line, node, path });
                }
                None => {
                    let place = Place { uid: Some(line.uid()), ..place.clone() };
                    self.problem(place, "the message is listed in the snapshot and not there");
                }
            }
        }
        wanted
    }

    fn add(
        &mut self,
        account: &Arc<Account>,
        saved: &AccountFolder,
        uid_validity: &u32,
        target: &Target,
        wanted: Vec<Wanted>,
        place: &Place,
    ) -> Result<(), BackupError> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for wanted in wanted {
            self.go_on()?;
            if !self.does() {
                self.report.messages += 1;
                self.report.bytes += u64::from(wanted.line.size);
                self.report.uids_kept += u64::from(target.is_same && target.there.by_uid.is_empty());
                continue;
            }
            let place = Place { uid: Some(wanted.line.uid()), ..place.clone() };
            let raw = match self.read(&wanted) {
                Ok(raw) => raw,
                Err(reason) => {
                    self.problem(place, reason);
                    continue;
                }
            };
            let is_full = bytes + raw.len() > self.options.batch_bytes_max;
            if !batch.is_empty() && (is_full || batch.len() >= self.options.batch_messages_max) {
                self.append(account, target, std::mem::take(&mut batch))?;
                bytes = 0;
            }
            bytes += raw.len();
            batch.push(self.prepare(account, saved, *uid_validity, target, &wanted.line, raw));
        }
        if batch.is_empty() { Ok(()) } else { self.append(account, target, batch) }
    }

    /// A message's bytes, if they are what they should be and the store takes so many.
    fn read(&self, wanted: &Wanted) -> Result<Vec<u8>, String> {
        let bytes_max = self.store.options().message_bytes_max;
        if u64::from(wanted.line.size) > bytes_max {
            return Err(format!("it is larger than {bytes_max} bytes, the most that a message may have here"));
        }
        let raw = self.reader.bytes(&wanted.node, &wanted.path).map_err(|error| error.to_string())?;
        match BlobHash::of(&raw) == wanted.line.blake3 {
            true => Ok(raw),
            false => Err(String::from("in the backup it is not what its BLAKE3 hash says")),
        }
    }

    fn prepare(
        &self,
        account: &Arc<Account>,
        saved: &AccountFolder,
        uid_validity: u32,
        target: &Target,
        line: &MessageLine,
        raw: Vec<u8>,
    ) -> NewMessage {
        let mut message = self.handle.block_on(account.prepare(Bytes::from(raw), line.flags(), line.received));
        message.saved = Some(line.saved);
        message.uid = target.is_same.then(|| line.uid());
        // POP3's own unique-ids name account, UIDVALIDITY and UID; where one of them is another now, it is kept as if it were brought.
        let own = || own_unique_id(AccountId(saved.file.account), UidValidity(uid_validity), line.uid());
        message.unique_id = line.pop3.clone().or_else(|| Some(own()));
        message
    }

    fn append(&mut self, account: &Arc<Account>, target: &Target, batch: Vec<NewMessage>) -> Result<(), BackupError> {
        let count = batch.len() as u64;
        let bytes: u64 = batch.iter().map(|message| message.raw.len() as u64).sum();
        let appended = self.handle.block_on(account.append(target.id, batch))?;
        self.report.messages += count;
        self.report.bytes += bytes;
        self.report.uids_kept += u64::from(appended.uids_kept);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(uid: u32, content: &[u8]) -> MessageLine {
        let json = format!(
            r#"{{"uid":{uid},"size":{},"blake3":"{}","received":0,"saved":0,"flags":[],"modseq":1,"email":1}}"#,
            content.len(),
            BlobHash::of(content)
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn a_message_under_its_uid_is_not_taken_for_a_copy_that_was_expunged() {
        let x = BlobHash::of(b"x");
        let mut there = There::new(vec![(Uid(7), x)]);
        there.match_uids(&[line(5, b"x"), line(7, b"x")]);
        assert!(!there.take(&x), "UID 7 is itself, so UID 5 is missing");
    }

    #[test]
    fn as_many_copies_are_there_as_there_are() {
        let x = BlobHash::of(b"x");
        let mut there = There::new(vec![(Uid(100), x), (Uid(101), x)]);
        there.match_uids(&[line(5, b"x")]);
        assert_eq!([there.take(&x), there.take(&x), there.take(&x)], [true, true, false]);
    }
}
