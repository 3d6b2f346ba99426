//! What is kept beside the messages in mailboxes: expunged ones, unique-ids, what mailboxes that are gone had.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Check;
use crate::{
    draft::{unique_id_text, unique_id_uid},
    error::StoreError,
    expunged::{ExpungedKey, ExpungedRecord},
    identifier::{BlobId, EmailId, MailboxId, Uid, UidValidity},
    keys,
    load::{malformed, scan_records},
    record::{BlobRecord, EmailRecord, GoneMailbox},
    state::AccountState,
    unique_id::is_possible,
};

impl Check<'_> {
    /// Reads what can be brought back; a record that cannot be read is a fault, and the others are looked at all the same.
    pub(super) async fn load_expunged(&mut self) -> Result<Vec<(ExpungedKey, ExpungedRecord)>, StoreError> {
        let (mut found, mut faults) = (Vec::new(), Vec::new());
        scan_records(self.read, &keys::all_expunged(self.id), |key, value| {
            match keys::split_expunged(key).ok_or_else(|| malformed("kept message")) {
                Ok(key) => match ExpungedRecord::decode(value) {
                    Ok(record) => found.push((key, record)),
                    Err(error) => faults.push(error.to_string()),
                },
                Err(error) => faults.push(error.to_string()),
            }
            Ok(())
        })
        .await?;
        faults.into_iter().for_each(|fault| self.fault(fault));
        Ok(found)
    }

    /// Expunged messages against emails, blobs and the messages in mailboxes. Their places are added to `places`, and how their
    /// blobs end to `endings`.
    pub(super) fn check_expunged(
        &mut self,
        expunged: &[(ExpungedKey, ExpungedRecord)],
        emails: &BTreeMap<EmailId, EmailRecord>,
        blobs: &BTreeMap<BlobId, BlobRecord>,
        places: &mut BTreeSet<(MailboxId, Uid)>,
        endings: &mut HashMap<BlobId, bool>,
    ) {
        for (key, record) in expunged {
            let name = &record.name;
            let keywords = record.keywords.names().len();
            for row in &record.rows {
                let uid = row.uid;
                if !places.insert((key.mailbox, uid)) {
                    self.fault(format!("{name}: UID {uid} was expunged twice, or is still there"));
                }
                if row.flags.keyword_positions().any(|position| position >= keywords) {
                    self.fault(format!("{name}: the expunged UID {uid} has a keyword without a name"));
                }
                let agrees = |email: &EmailRecord| {
                    email.places.contains(&(key.mailbox, uid))
                        && email.blob == row.blob
                        && email.received == row.received
                };
                if !emails.get(&row.email).is_some_and(agrees) {
                    self.fault(format!("{name}: the expunged UID {uid} does not agree with its email {}", row.email));
                }
                let same_ending = *endings.entry(row.blob).or_insert(row.ends_with_crlf) == row.ends_with_crlf;
                if !same_ending || blobs.get(&row.blob).is_none_or(|blob| blob.size != row.size) {
                    self.fault(format!("{name}: the expunged UID {uid} does not agree with its blob {}", row.blob));
                }
            }
            self.result.expunged += record.rows.len() as u64;
        }
    }

    /// Each unique-id is one message's, both ways, and counted.
    pub(super) async fn check_unique_ids(
        &mut self,
        state: &AccountState,
        live: &BTreeSet<(MailboxId, Uid)>,
    ) -> Result<(), StoreError> {
        let mut by_uid: BTreeMap<(MailboxId, Uid), String> = BTreeMap::new();
        let mut by_name: BTreeMap<(MailboxId, String), Uid> = BTreeMap::new();
        scan_records(self.read, &keys::all_unique_ids(self.id), |key, value| {
            match keys::split_unique_id(key).ok_or_else(|| malformed("unique-id"))? {
                (mailbox, Ok(uid)) => drop(by_uid.insert((mailbox, uid), unique_id_text(value)?)),
                (mailbox, Err(name)) => drop(by_name.insert((mailbox, unique_id_text(name)?), unique_id_uid(value)?)),
            }
            Ok(())
        })
        .await?;
        let mut counts: HashMap<MailboxId, u32> = HashMap::new();
        for ((mailbox, uid), name) in by_uid {
            *counts.entry(mailbox).or_default() += 1;
            let possible =
                state.mailbox(mailbox).is_some_and(|mailbox| is_possible(&name, self.id, mailbox.record.uid_validity));
            let is_whole = by_name.remove(&(mailbox, name)) == Some(uid);
            if !possible || !is_whole || !live.contains(&(mailbox, uid)) {
                self.fault(format!("mailbox {mailbox}: the unique-id of UID {uid} is wrong"));
            }
        }
        for ((mailbox, name), _) in by_name {
            self.fault(format!("mailbox {mailbox}: the unique-id {name} is no message's"));
        }
        for mailbox in state.mailboxes() {
            if counts.get(&mailbox.id).copied().unwrap_or(0) != mailbox.record.unique_ids {
                self.fault(format!("{}: its unique-ids are counted wrongly", mailbox.record.name));
            }
        }
        Ok(())
    }

    /// No UIDVALIDITY is two mailboxes', and what is remembered of those that are gone is not of one that is there.
    pub(super) async fn check_uid_validities(&mut self, state: &AccountState) -> Result<(), StoreError> {
        let mut taken: BTreeSet<UidValidity> = BTreeSet::new();
        for mailbox in state.mailboxes.values() {
            let (name, uid_validity) = (&mailbox.record.name, mailbox.record.uid_validity);
            if !taken.insert(uid_validity) {
                self.fault(format!("{name}: another mailbox has its UIDVALIDITY"));
            }
            if uid_validity.0 > state.record.uid_validity_last {
                self.fault(format!("{name}: its UIDVALIDITY was not given out yet"));
            }
        }
        let mut faults = Vec::new();
        scan_records(self.read, &keys::gone_mailboxes(self.id), |key, value| {
            let uid_validity = keys::split_gone(key).ok_or_else(|| malformed("gone mailbox"))?;
            let gone = GoneMailbox::decode(value)?;
            if taken.contains(&uid_validity) || state.mailbox(gone.mailbox).is_some() {
                faults.push(format!("mailbox {} is gone, and yet is there", gone.mailbox));
            }
            Ok(())
        })
        .await?;
        faults.into_iter().for_each(|fault| self.fault(fault));
        Ok(())
    }
}
