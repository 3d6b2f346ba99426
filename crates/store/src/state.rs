//! What everybody may look at: an account at one moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{
    directory::Directory,
    identifier::{AccountId, MailboxId, Uid},
    record::{AccountRecord, MailboxRecord},
    snapshot::Snapshot,
    special_use::SpecialUse,
};

/// The name of the mailbox that every account has.
pub const INBOX: &str = "INBOX";

/// What stands between the levels of a mailbox name.
pub const SEPARATOR: char = '/';

/// A mailbox at one moment.
#[derive(Debug, Clone)]
pub struct Mailbox {
    /// Which one; stays through renaming.
    pub id: MailboxId,
    /// Its name and counters.
    pub record: MailboxRecord,
    /// Its messages, once somebody asked for them.
    pub(crate) messages: Option<Snapshot>,
    /// What is stored of the directory of its chunks, if its messages are known.
    pub(crate) directory: Directory,
    /// Shared by all versions: messages from this UID on were shown to no session.
    pub(crate) recent: Arc<AtomicU32>,
}

impl Mailbox {
    pub(crate) fn new(id: MailboxId, record: MailboxRecord) -> Self {
        let recent = Arc::new(AtomicU32::new(record.recent_from.0));
        Self { id, record, messages: None, directory: Directory::Whole, recent }
    }

    /// Its messages. [`crate::Account::mailbox`] gives a mailbox that has them; one looked up in a state may be empty-handed, or
    /// have them as [`crate::Account::mailbox_outline`] gives them.
    pub fn messages(&self) -> Option<&Snapshot> {
        self.messages.as_ref()
    }

    /// How many messages no session was shown yet.
    pub fn recent_count(&self) -> u32 {
        let from = self.recent_from();
        match &self.messages {
            Some(messages) => messages.len() + 1 - messages.sequence_at_or_after(from),
            None => self.record.uid_next.0.saturating_sub(from.0).min(self.record.counts.messages),
        }
    }

    /// The first UID that no session was shown.
    pub fn recent_from(&self) -> Uid {
        Uid(self.recent.load(Ordering::Relaxed))
    }

    /// UIDs below `floor` are not given out any more. What was recent stays so, and nothing else becomes it.
    pub(crate) fn raise_uid_next(&mut self, floor: Uid) {
        if self.recent_from() >= self.record.uid_next {
            self.recent.fetch_max(floor.0, Ordering::Relaxed);
            self.record.recent_from = floor;
        }
        self.record.uid_next = floor;
    }

    /// Takes the messages that are recent for the caller, so that they are for nobody else (RFC 3501 §2.3.2).
    /// Answers the first UID among them; none is recent if that is the next UID.
    pub fn claim_recent(&self) -> Uid {
        Uid(self.recent.fetch_max(self.record.uid_next.0, Ordering::Relaxed))
    }
}

/// An account at one moment: its mailboxes and counters. Cheap to clone, never changes.
#[derive(Debug, Clone)]
pub struct AccountState {
    /// Which account.
    pub id: AccountId,
    /// Its counters.
    pub record: AccountRecord,
    pub(crate) mailboxes: Arc<BTreeMap<MailboxId, Arc<Mailbox>>>,
    pub(crate) names: Arc<BTreeMap<String, MailboxId>>,
    pub(crate) subscriptions: Arc<BTreeSet<String>>,
}

impl AccountState {
    pub(crate) fn new(id: AccountId, record: AccountRecord) -> Self {
        Self { id, record, mailboxes: Arc::default(), names: Arc::default(), subscriptions: Arc::default() }
    }

    /// All mailboxes, in the order of their names.
    pub fn mailboxes(&self) -> impl Iterator<Item = &Arc<Mailbox>> + '_ {
        self.names.values().filter_map(|id| self.mailboxes.get(id))
    }

    /// The sizes of all messages in all mailboxes together, in bytes: what counts against a quota.
    pub fn bytes_used(&self) -> u64 {
        self.mailboxes.values().map(|mailbox| mailbox.record.counts.bytes).sum()
    }

    /// The mailbox with an id.
    pub fn mailbox(&self, id: MailboxId) -> Option<&Arc<Mailbox>> {
        self.mailboxes.get(&id)
    }

    /// The mailbox of a name; `INBOX` in any letter case (RFC 9051 §5.1).
    pub fn find(&self, name: &str) -> Option<&Arc<Mailbox>> {
        let name = if name.eq_ignore_ascii_case(INBOX) { INBOX } else { name };
        self.mailboxes.get(self.names.get(name)?)
    }

    /// The mailbox with a special use.
    pub fn find_special(&self, kind: SpecialUse) -> Option<&Arc<Mailbox>> {
        self.mailboxes.values().find(|mailbox| mailbox.record.special_use.contains(kind))
    }

    /// Names that are subscribed, in order; some may be of mailboxes that are gone (RFC 9051 §6.3.7).
    pub fn subscriptions(&self) -> impl Iterator<Item = &str> + '_ {
        self.subscriptions.iter().map(String::as_str)
    }

    /// Whether a name is subscribed.
    pub fn is_subscribed(&self, name: &str) -> bool {
        self.subscriptions.contains(name)
    }

    /// Whether there are mailboxes below `name`.
    pub fn has_children(&self, name: &str) -> bool {
        let prefix = format!("{name}{SEPARATOR}");
        self.names.range(prefix.clone()..).next().is_some_and(|(below, _)| below.starts_with(&prefix))
    }

    pub(crate) fn insert(&mut self, mailbox: Mailbox) {
        Arc::make_mut(&mut self.names).insert(mailbox.record.name.clone(), mailbox.id);
        Arc::make_mut(&mut self.mailboxes).insert(mailbox.id, Arc::new(mailbox));
    }

    pub(crate) fn remove(&mut self, id: MailboxId) {
        if let Some(mailbox) = Arc::make_mut(&mut self.mailboxes).remove(&id) {
            Arc::make_mut(&mut self.names).remove(&mailbox.record.name);
        }
    }

    pub(crate) fn mailbox_mut(&mut self, id: MailboxId) -> Option<&mut Mailbox> {
        Arc::make_mut(&mut self.mailboxes).get_mut(&id).map(Arc::make_mut)
    }

    /// Takes over what sessions have claimed, and go on claiming, in an earlier version that is not this one's ancestor.
    pub(crate) fn share_recent(&mut self, earlier: &Self) {
        for (id, mailbox) in Arc::make_mut(&mut self.mailboxes) {
            if let Some(before) = earlier.mailbox(*id) {
                before.recent.fetch_max(mailbox.recent_from().0, Ordering::Relaxed);
                Arc::make_mut(mailbox).recent = Arc::clone(&before.recent);
            }
        }
    }

    pub(crate) fn rename(&mut self, id: MailboxId, name: &str) {
        let Some(mailbox) = self.mailbox_mut(id) else { return };
        let before = std::mem::replace(&mut mailbox.record.name, name.to_owned());
        let names = Arc::make_mut(&mut self.names);
        names.remove(&before);
        names.insert(name.to_owned(), id);
    }
}
