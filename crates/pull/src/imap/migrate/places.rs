//! Where a mailbox of the old server goes at the new one: pure.
//!
//! Both servers' names are compared as they would be called here, so that prefixes and separators of either do not matter.

use std::collections::BTreeSet;

use postrider_store::{INBOX, SpecialUse};

use super::journal::Journal;
use crate::imap::mailboxes::{Directory, RemoteMailbox};

/// A mailbox and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    /// The mailbox at the old server.
    pub(crate) source: RemoteMailbox,
    /// The name at the new server.
    pub(crate) target: String,
    /// The mailbox there, if it exists.
    pub(crate) existing: Option<RemoteMailbox>,
    /// The use that it is to be given when it is made.
    pub(crate) special_use: Option<SpecialUse>,
}

/// Finds the place of each mailbox: the one of an earlier run, else that of the same use, else that of the same name,
/// else a new name.
pub(crate) fn destinations(old: &Directory, new: &Directory, journal: &Journal) -> Vec<Destination> {
    let uses: BTreeSet<SpecialUse> = new.mailboxes.iter().filter_map(|mailbox| mailbox.special_use).collect();
    let mut taken: BTreeSet<String> =
        old.mailboxes.iter().filter_map(|source| Some(journal.mailbox(&source.name)?.target.clone())).collect();
    let mut found = Vec::with_capacity(old.mailboxes.len());
    for source in &old.mailboxes {
        let existing = existing(source, new, journal, &taken).cloned();
        let target = match (&existing, journal.mailbox(&source.name)) {
            (Some(existing), _) => existing.name.clone(),
            (None, Some(earlier)) => earlier.target.clone(),
            (None, None) => free_name(&source.local, new, &taken),
        };
        taken.insert(target.clone());
        let special_use = source.special_use.filter(|kind| existing.is_none() && !uses.contains(kind));
        found.push(Destination { source: source.clone(), target, existing, special_use });
    }
    found
}

fn existing<'a>(
    source: &RemoteMailbox,
    new: &'a Directory,
    journal: &Journal,
    taken: &BTreeSet<String>,
) -> Option<&'a RemoteMailbox> {
    if let Some(earlier) = journal.mailbox(&source.name) {
        return new.mailboxes.iter().find(|mailbox| mailbox.name == earlier.target);
    }
    if source.name == INBOX {
        return new.mailboxes.iter().find(|mailbox| mailbox.name == INBOX);
    }
    let is_free = |mailbox: &&RemoteMailbox| !taken.contains(&mailbox.name) && mailbox.name != INBOX;
    let of_use = |mailbox: &&RemoteMailbox| source.special_use.is_some() && mailbox.special_use == source.special_use;
    let mut free = new.mailboxes.iter().filter(is_free);
    let by_use = free.clone().find(of_use);
    by_use.or_else(|| free.find(|mailbox| mailbox.local == source.local))
}

/// A name that no mailbox there has; a number is put behind one that is in use.
fn free_name(local: &str, new: &Directory, taken: &BTreeSet<String>) -> String {
    let is_free = |name: &String| !taken.contains(name) && !new.mailboxes.iter().any(|there| there.name == *name);
    let plain = new.name_there(local);
    if is_free(&plain) {
        return plain;
    }
    let numbered = (2..1000).map(|number| new.name_there(&format!("{local} ({number})")));
    numbered.into_iter().find(is_free).unwrap_or(plain)
}

/// A name that servers take which refuse the given one: letters of ASCII, digits, and what stands between levels.
pub(crate) fn plain_name(name: &str, separator: Option<char>) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_') || Some(c) == separator;
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let levels: Vec<&str> = match separator {
        Some(separator) => plain.split(separator).map(str::trim).collect(),
        None => vec![plain.trim()],
    };
    levels.join(&separator.map_or_else(String::new, String::from))
}

#[cfg(test)]
mod tests {
    use postrider_imap_proto::client::ReceivedMailbox;

    use super::*;

    fn mailbox(name: &str, local: &str, special_use: Option<SpecialUse>) -> RemoteMailbox {
        let raw = ReceivedMailbox(name.as_bytes().to_vec().into());
        RemoteMailbox { raw, name: name.to_owned(), local: local.to_owned(), special_use }
    }

    #[test]
    fn names_are_mapped_by_use_then_by_name_then_made() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path(), "a", "b").unwrap();
        journal.begin("Renamed", 1, "INBOX.Was chosen", 2);
        let old = Directory {
            mailboxes: vec![
                mailbox("INBOX", "INBOX", None),
                mailbox("Gesendet", "Gesendet", Some(SpecialUse::Sent)),
                mailbox("Junk", "Junk", Some(SpecialUse::Junk)),
                mailbox("Renamed", "Renamed", None),
                mailbox("Sent", "Sent", None),
                mailbox("Work/a.b", "Work/a.b", None),
            ],
            ..Directory::default()
        };
        let new = Directory {
            mailboxes: vec![
                mailbox("INBOX", "INBOX", None),
                mailbox("INBOX.Sent", "Sent", Some(SpecialUse::Sent)),
                mailbox("INBOX.Was chosen", "Was chosen", None),
            ],
            prefix: Some("INBOX.".to_owned()),
            separator: Some('.'),
            ..Directory::default()
        };
        let found = destinations(&old, &new, &journal);
        let shown: Vec<(&str, bool, Option<SpecialUse>)> =
            found.iter().map(|found| (found.target.as_str(), found.existing.is_some(), found.special_use)).collect();
        assert_eq!(
            shown,
            [
                ("INBOX", true, None),
                ("INBOX.Sent", true, None),
                ("INBOX.Junk", false, Some(SpecialUse::Junk)),
                ("INBOX.Was chosen", true, None),
                ("INBOX.Sent (2)", false, None),
                ("INBOX.Work.a_b", false, None),
            ]
        );
    }

    #[test]
    fn a_plain_name_keeps_its_levels() {
        assert_eq!(plain_name("INBOX.Entwürfe & mehr*.ü", Some('.')), "INBOX.Entw_rfe _ mehr_._");
        assert_eq!(plain_name("a/b", None), "a_b");
    }
}
