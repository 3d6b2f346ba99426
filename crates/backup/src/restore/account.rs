//! An account: its mailboxes one after the other, then what is not in a mailbox.

use std::{collections::HashSet, sync::Arc};

use postrider_store::{Account, Floors, INBOX, MailboxId, ModSeq, Note, SEPARATOR, StoreError, Uid, UidValidity};

use super::{AccountRestore, MailboxIds, RestorePlace, RestoreSelection, Restoring};
use crate::{
    error::{BackupError, Place},
    reader::{AccountFolder, MailboxFolder},
};

/// How many notes are written at once.
const NOTES_AT_ONCE: usize = 1000;

impl Restoring<'_> {
    pub(super) fn restore_account(&mut self, wish: &AccountRestore) -> Result<(), BackupError> {
        let saved = self.reader.account(&wish.address)?;
        let account = self.handle.block_on(self.store.account(wish.into))?;
        let mut ids = MailboxIds::default();
        for mailbox in self.chosen(&saved, &wish.selection)? {
            self.go_on()?;
            let name = new_name(&mailbox.file.name, &wish.place);
            let restored = self.restore_mailbox(&account, wish, &saved, &mailbox, &name)?;
            if let Some((id, uid_validity)) = restored {
                ids.0.insert(MailboxId(mailbox.file.mailbox), (id, uid_validity));
            }
        }
        let is_whole = wish.selection == RestoreSelection::Account && wish.place == RestorePlace::Same;
        if is_whole && self.does() {
            self.raise_counters(&account, &saved)?;
            self.restore_subscriptions(&account, &saved, &wish.address)?;
        }
        if is_whole {
            self.restore_notes(&account, &saved, &ids)?;
        }
        Ok(())
    }

    fn chosen(
        &mut self,
        saved: &AccountFolder,
        selection: &RestoreSelection,
    ) -> Result<Vec<MailboxFolder>, BackupError> {
        let wanted: &[String] = match selection {
            RestoreSelection::Messages { mailbox, .. } => return Ok(vec![self.reader.mailbox(saved, mailbox)?]),
            RestoreSelection::Mailboxes(names) => names,
            RestoreSelection::Account => &[],
        };
        let place = Place::account(&saved.file.address);
        let mut chosen = Vec::new();
        let reader = self.reader;
        reader.walk(saved, &mut |mailbox| {
            match mailbox {
                Ok(mailbox) if selection.takes(&mailbox.file.name) => chosen.push(mailbox),
                Ok(_) => {}
                Err(error) => self.problem(place.clone(), error),
            }
            Ok(())
        })?;
        for name in wanted {
            if !chosen.iter().any(|mailbox| mailbox.file.name == *name) {
                // It may only be the way to others; then these are meant.
                let below = format!("{name}{SEPARATOR}");
                if !chosen.iter().any(|mailbox| mailbox.file.name.starts_with(&below)) {
                    self.reader.mailbox(saved, name)?;
                }
            }
        }
        // The inbox of a fresh account gives way to the saved one before its UIDVALIDITY is in the way of others. Superiors come before
        // what is below them: they are made on the way to others otherwise, without what they had.
        chosen.sort_by_cached_key(|mailbox| (!is_inbox(&mailbox.file.name), mailbox.file.name.clone()));
        Ok(chosen)
    }

    /// Nothing that the account may have given out after the backup is given out again.
    fn raise_counters(&self, account: &Account, saved: &AccountFolder) -> Result<(), BackupError> {
        let margin = self.options.modseq_margin;
        let narrow = u32::try_from(margin).unwrap_or(u32::MAX).min(10_000);
        let floors = Floors {
            modseq: ModSeq(saved.file.modseq.saturating_add(margin)),
            email_next: saved.file.email_next.saturating_add(margin),
            mailbox_next: saved.file.mailbox_next.saturating_add(narrow),
            uid_validity_last: UidValidity(saved.file.uid_validity_last),
            uid_next: Vec::new(),
        };
        // A second run finds counters where the first one put them, and leaves them there.
        Ok(self.handle.block_on(account.raise(floors))?)
    }

    fn restore_subscriptions(
        &mut self,
        account: &Account,
        saved: &AccountFolder,
        address: &str,
    ) -> Result<(), BackupError> {
        for name in &saved.file.subscriptions {
            if !account.state().is_subscribed(name) {
                match self.handle.block_on(account.subscribe(name, true)) {
                    Ok(()) => {}
                    Err(error @ (StoreError::BadName(_) | StoreError::Limit(_))) => {
                        self.problem(Place::mailbox(address, name), error);
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Notes that are not there come back: the account does not fetch again what it has.
    fn restore_notes(
        &mut self,
        account: &Arc<Account>,
        saved: &AccountFolder,
        ids: &MailboxIds,
    ) -> Result<(), BackupError> {
        let place = Place::account(&saved.file.address);
        let notes = match self.reader.notes(saved) {
            Ok(notes) => notes,
            Err(error) => {
                self.problem(place, error);
                return Ok(());
            }
        };
        let mut there = HashSet::new();
        self.handle.block_on(account.notes(&[], |key, _| {
            there.insert(key.to_vec());
        }))?;
        let missing = notes.into_iter().filter(|(key, _)| !there.contains(key));
        let translated = missing.filter_map(|(key, value)| {
            let value = match &self.options.notes {
                Some(translate) => translate(&key, &value, ids)?,
                None => value,
            };
            Some(Note { key, value: Some(value) })
        });
        let notes: Vec<Note> = translated.collect();
        for group in notes.chunks(NOTES_AT_ONCE) {
            self.go_on()?;
            if self.does() {
                self.handle.block_on(account.write_notes(group.to_vec()))?;
            }
            self.report.notes += group.len() as u64;
        }
        Ok(())
    }
}

/// The name that a mailbox gets.
fn new_name(name: &str, place: &RestorePlace) -> String {
    match place {
        RestorePlace::Same | RestorePlace::OtherAccount => name.to_owned(),
        RestorePlace::Below(folder) => format!("{}{SEPARATOR}{name}", folder.trim_end_matches(SEPARATOR)),
    }
}

/// UIDNEXT with a margin, as a floor for messages that bring no UID.
pub(super) fn floor(uid_next: u32, margin: u32) -> Uid {
    Uid(uid_next.saturating_add(margin))
}

/// Whether a mailbox may be replaced by the one that was saved: nobody can have seen a message in it.
pub(super) fn is_untouched(mailbox: &postrider_store::Mailbox) -> bool {
    mailbox.record.counts.messages == 0 && mailbox.record.uid_next == Uid(1)
}

/// Whether a name is the inbox's, which is always there.
pub(super) fn is_inbox(name: &str) -> bool {
    name.eq_ignore_ascii_case(INBOX)
}
