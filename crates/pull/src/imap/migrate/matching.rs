//! Messages that are at the new server already, and are not remembered: an earlier run was killed before it could, lost
//! its memory, or the mail came another way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use postrider_store::BlobHash;
use tokio::io::{AsyncRead, AsyncWrite};

use super::copying::no_flags;
use super::places::Destination;
use super::{Failure, MigratedMailbox, Migration, place_of_source, place_of_target};
use crate::counted::{agreeing, counted};
use crate::imap::bodies::{Arrived, Fetching, Take};
use crate::imap::body::{Body, Keep};
use crate::imap::connection::ImapConnection;
use crate::imap::error::ImapError;
use crate::imap::listing::{Describe, Described, Selected};
use crate::imap::memory::Place;
use crate::imap::options::ImapPullOptions;
use crate::imap::report::Remark;

/// Size, date and Message-ID.
type Likeness = (u64, i64, u64);

/// What two copies of a message have in common in any case: the Message-ID, or without one the date.
type Kinship = (u64, i64);

fn likeness(message: &Described) -> Option<Likeness> {
    (message.message_id != 0).then_some((message.told_bytes?, message.received?, message.message_id))
}

fn kinship(message: &Described) -> Kinship {
    match message.message_id {
        0 => (0, message.received.unwrap_or(0)),
        id => (id, 0),
    }
}

impl<S, T> Migration<'_, S, T>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// Recognises messages of the old server in those of the new one that are nobody's copy yet. Answers the others.
    pub(super) async fn recognise(
        &mut self,
        destination: &Destination,
        new: Vec<u32>,
        to: &Selected,
        report: &mut MigratedMailbox,
    ) -> Result<Vec<u32>, Failure> {
        if new.is_empty() || to.exists == 0 {
            return Ok(new);
        }
        let matched = self.matches(destination, &new).await?;
        report.recognised += matched.len() as u64;
        if self.is_real() {
            for (&source, &target) in &matched {
                // Its flags are added next, as changes of the old server's.
                self.journal.copied(source, target, &no_flags());
            }
            self.journal.flush()?;
        }
        Ok(new.into_iter().filter(|uid| !matched.contains_key(uid)).collect())
    }

    /// Finds the copies of messages whose UIDs the new server did not tell.
    pub(super) async fn find_sent(
        &mut self,
        destination: &Destination,
        report: &mut MigratedMailbox,
    ) -> Result<(), Failure> {
        let remembered = self.journal.mailbox(&destination.source.name);
        let messages = remembered.into_iter().flat_map(|mailbox| &mailbox.messages);
        let unknown: Vec<u32> = messages.filter(|(_, copied)| copied.target == 0).map(|(&uid, _)| uid).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let noop = postrider_imap_proto::command::CommandBody::Noop;
        self.new.command("NOOP", noop, drop).await.map_err(Failure::New)?;
        let matched = self.matches(destination, &unknown).await?;
        for (&source, &target) in &matched {
            let remembered = self.journal.mailbox(&destination.source.name);
            let flags = remembered.and_then(|mailbox| mailbox.messages.get(&source)).map(|copied| copied.flags.clone());
            self.journal.copied(source, target, &flags.unwrap_or_default());
        }
        self.journal.flush()?;
        let lost = unknown.len() - matched.len();
        if lost > 0 {
            report.remarks.push(Remark::notice(format!(
                "{} {} by the new server, which tells no UIDs, and cannot be found there as {}: it alters messages, or \
                 somebody moved {}",
                counted(lost, "message"),
                agreeing(lost, "was taken", "were taken"),
                agreeing(lost, "it was", "they were"),
                agreeing(lost, "it", "them")
            )));
        }
        Ok(())
    }

    /// UIDs at the old server, and those at the new one of the same messages.
    async fn matches(&mut self, destination: &Destination, wanted: &[u32]) -> Result<BTreeMap<u32, u32>, Failure> {
        let remembered = self.journal.mailbox(&destination.source.name);
        let claimed: BTreeSet<u32> =
            remembered.into_iter().flat_map(|mailbox| mailbox.messages.values().map(|copied| copied.target)).collect();
        let present = self.new.search_all().await.map_err(Failure::New)?;
        let free: Vec<u32> = present.difference(&claimed).copied().collect();
        if free.is_empty() {
            return Ok(BTreeMap::new());
        }
        let chunk = self.options.fetching.described_messages_max.max(1) as usize;
        let (place, target_place) = (place_of_source(&destination.source.name), place_of_target(&destination.target));
        let mut there = Vec::new();
        for uids in free.chunks(chunk) {
            let told = self.new.describe_with_care(uids, Describe::WithMessageId, &target_place).await;
            let told = told.map_err(Failure::New)?;
            there.extend(told.into_values());
        }
        let kin: BTreeSet<Kinship> = there.iter().map(kinship).collect();
        let mut here = Vec::new();
        for uids in wanted.chunks(chunk) {
            let told = self.old.describe_with_care(uids, Describe::WithMessageId, &place).await;
            let told = told.map_err(Failure::Old)?;
            here.extend(told.into_values().filter(|message| kin.contains(&kinship(message))));
        }
        let mut matched = by_likeness(&here, &there);
        self.by_content(&here, &there, (&place, &target_place), &mut matched).await?;
        Ok(matched)
    }

    /// Where the outside leaves doubt, the content tells.
    async fn by_content(
        &mut self,
        here: &[Described],
        there: &[Described],
        (place, target_place): (&Place, &Place),
        matched: &mut BTreeMap<u32, u32>,
    ) -> Result<(), Failure> {
        let taken: BTreeSet<u32> = matched.values().copied().collect();
        let left_there: Vec<&Described> = there.iter().filter(|message| !taken.contains(&message.uid)).collect();
        let kin_there: BTreeSet<Kinship> = left_there.iter().map(|message| kinship(message)).collect();
        let is_left =
            |message: &&Described| !matched.contains_key(&message.uid) && kin_there.contains(&kinship(message));
        let left_here: Vec<&Described> = here.iter().filter(is_left).collect();
        if left_here.is_empty() {
            return Ok(());
        }
        let kin_here: BTreeSet<Kinship> = left_here.iter().map(|message| kinship(message)).collect();
        let options = self.options.of_source();
        let wanted = left_there.into_iter().filter(|message| kin_here.contains(&kinship(message))).cloned().collect();
        let (hashes_there, _) = text_hashes(self.new, &options, target_place, wanted).await.map_err(Failure::New)?;
        let wanted = left_here.into_iter().cloned().collect();
        let (hashes_here, _) = text_hashes(self.old, &options, place, wanted).await.map_err(Failure::Old)?;
        let mut by_hash: BTreeMap<[u8; 32], VecDeque<u32>> = BTreeMap::new();
        hashes_there.into_iter().for_each(|(uid, hash)| by_hash.entry(hash.0).or_default().push_back(uid));
        for (uid, hash) in hashes_here {
            if let Some(target) = by_hash.get_mut(&hash.0).and_then(VecDeque::pop_front) {
                matched.insert(uid, target);
            }
        }
        Ok(())
    }
}

/// Messages that are alike from outside, and no others are like them on either side.
fn by_likeness(here: &[Described], there: &[Described]) -> BTreeMap<u32, u32> {
    let mut sides: BTreeMap<Likeness, (Vec<u32>, Vec<u32>)> = BTreeMap::new();
    for message in here {
        if let Some(likeness) = likeness(message) {
            sides.entry(likeness).or_default().0.push(message.uid);
        }
    }
    for message in there {
        if let Some((_, uids)) = likeness(message).and_then(|likeness| sides.get_mut(&likeness)) {
            uids.push(message.uid);
        }
    }
    let only = |sides: (Vec<u32>, Vec<u32>)| match (sides.0.as_slice(), sides.1.as_slice()) {
        ([here], [there]) => Some((*here, *there)),
        _ => None,
    };
    sides.into_values().filter_map(only).collect()
}

/// Hashes of messages without regard to line ends; and those that the server did not give.
pub(super) async fn text_hashes<S: AsyncRead + AsyncWrite + Unpin + Send>(
    connection: &mut ImapConnection<S>,
    options: &ImapPullOptions,
    place: &Place,
    mut wanted: Vec<Described>,
) -> Result<(BTreeMap<u32, BlobHash>, Vec<Described>), ImapError> {
    wanted.sort_by_key(|message| message.uid);
    let mut hashes = Hashes(BTreeMap::new());
    let mut fetching = Fetching {
        connection,
        options,
        place: place.clone(),
        keep: Keep::TextHash,
        taker: &mut hashes,
        held: Vec::new(),
    };
    let missing = fetching.fetch(wanted).await?;
    Ok((hashes.0, missing))
}

struct Hashes(BTreeMap<u32, BlobHash>);

impl Take for Hashes {
    async fn take(&mut self, messages: Vec<Arrived>) -> Result<(), ImapError> {
        for message in messages {
            if let Body::Hashed { hash, .. } = message.body {
                self.0.insert(message.described.uid, hash);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::flags::FlagSet;

    fn message(uid: u32, message_id: u64, bytes: u64) -> Described {
        let flags = FlagSet::default();
        Described { uid, told_bytes: Some(bytes), received: Some(5), flags, message_id }
    }

    #[test]
    fn only_what_leaves_no_doubt_is_recognised_from_outside() {
        let here = [message(1, 7, 10), message(2, 8, 10), message(3, 8, 10), message(4, 9, 10), message(5, 0, 10)];
        let there = [message(11, 7, 10), message(12, 8, 10), message(14, 9, 11), message(15, 0, 10)];
        assert_eq!(by_likeness(&here, &there), BTreeMap::from([(1, 11)]));
        assert_eq!(by_likeness(&there, &here), BTreeMap::from([(11, 1)]));
    }
}
