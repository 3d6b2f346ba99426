//! The side of an import that reads files: it makes messages ready for the store and hands them on in groups.

use postrider_archive::{ArchiveError, Entry, Item, PassedOver, PassedOverReason, Position, Reader};
use postrider_store::{Account, NewMessage, Uid};
use serde::{Deserialize, Serialize};
use tokio::{runtime::Handle, sync::mpsc};

use super::{
    GroupLimits,
    ledger::{Tally, kind},
    stored_flag,
};

/// Something to be told of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Where it lies.
    pub place: String,
    /// What it is, for programs.
    pub kind: String,
    /// What it is, for people.
    pub text: String,
    /// Whether the message was imported.
    pub imported: bool,
}

/// Entries of one folder, one after the other.
pub(super) struct Group {
    /// The folder's place among the reader's.
    pub folder: usize,
    /// Its messages, with the UIDs and unique-ids that they had.
    pub messages: Vec<NewMessage>,
    /// What was counted of what is no message, and of what is odd.
    pub tally: Tally,
    pub told: Vec<Told>,
    /// Where reading goes on after it.
    pub position: Position,
    /// How many bytes of the files were read by then.
    pub bytes_done: u64,
    bytes: u64,
    entries: usize,
}

/// Reads to the end and hands on; blocks. Ends early when nobody takes what it hands on.
pub(super) struct Feed<'a> {
    pub account: &'a Account,
    pub runtime: Handle,
    /// When messages were received of which nothing is known.
    pub now: i64,
    /// The largest message that the store takes, in bytes.
    pub message_bytes_max: u64,
    pub limits: GroupLimits,
    pub out: mpsc::Sender<Result<Group, ArchiveError>>,
}

impl Feed<'_> {
    pub fn run(&self, mut reader: Reader) {
        let mut group: Option<Group> = None;
        loop {
            let entry = match reader.next_entry() {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(error) => {
                    // What came before it is in order.
                    if self.hand_on(&mut group) {
                        let _ = self.out.blocking_send(Err(error));
                    }
                    return;
                }
            };
            let (folder, position, bytes) = match &entry {
                Entry::Message(item) => {
                    (item.folder, item.position.clone(), u64::try_from(item.raw.len()).unwrap_or(0))
                }
                Entry::PassedOver(passed) => (passed.folder, passed.position.clone(), 0),
            };
            if group.as_ref().is_some_and(|group| !self.has_room(group, folder, bytes)) && !self.hand_on(&mut group) {
                return;
            }
            let group = group.get_or_insert_with(|| Group::new(folder, position.clone()));
            group.position = position;
            group.bytes_done = reader.bytes_done();
            group.entries += 1;
            match entry {
                Entry::Message(item) if bytes > self.message_bytes_max => {
                    group.pass_over(item.place, &PassedOverReason::TooLarge(bytes));
                }
                Entry::Message(item) => self.take(group, item, bytes),
                Entry::PassedOver(PassedOver { place, reason, .. }) => group.pass_over(place, &reason),
            }
        }
        self.hand_on(&mut group);
    }

    fn has_room(&self, group: &Group, folder: usize, bytes: u64) -> bool {
        group.folder == folder
            && group.entries < self.limits.messages_max
            && group.bytes.saturating_add(bytes) <= self.limits.bytes_max
    }

    /// Hands on the group; whether there is still somebody who takes it.
    fn hand_on(&self, group: &mut Option<Group>) -> bool {
        group.take().is_none_or(|group| self.out.blocking_send(Ok(group)).is_ok())
    }

    /// Hashing and parsing is most of the work; here it is done beside the commit of the group before.
    fn take(&self, group: &mut Group, item: Item, bytes: u64) {
        for finding in &item.findings {
            group.tally.find(finding);
            group.told.push(Told {
                place: item.place.clone(),
                kind: kind(finding).to_owned(),
                text: finding.to_string(),
                imported: true,
            });
        }
        let flags = item.flags.into_iter().map(stored_flag).collect();
        let received = item.received.unwrap_or(self.now);
        let mut message = self.runtime.block_on(self.account.prepare(item.raw, flags, received));
        message.uid = item.uid.map(Uid);
        message.unique_id = item.pop3_uidl;
        group.messages.push(message);
        group.bytes += bytes;
    }
}

impl Group {
    fn new(folder: usize, position: Position) -> Self {
        let (messages, told) = (Vec::new(), Vec::new());
        Self { folder, messages, tally: Tally::default(), told, position, bytes_done: 0, bytes: 0, entries: 0 }
    }

    fn pass_over(&mut self, place: String, reason: &PassedOverReason) {
        self.tally.pass_over(reason);
        let kind = match reason {
            // Nobody misses these; they are counted.
            PassedOverReason::Expunged | PassedOverReason::FolderInternalData => return,
            PassedOverReason::TooLarge(_) => "too_large",
            PassedOverReason::Unreadable(_) => "unreadable",
        };
        self.told.push(Told { place, kind: kind.to_owned(), text: reason.to_string(), imported: false });
    }
}
