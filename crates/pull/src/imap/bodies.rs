//! Messages come over: asked for in groups, a few groups ahead, and handed on as they come.
//!
//! The wire is kept busy while a group is made durable, and no more than about one group's bytes are held: when
//! more have come than the server had announced, they are handed on early. A message that the server leaves out of
//! its answer is asked for once more by itself.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use postrider_imap_proto::client::command::{SetLimits, ranges_of_uids, split_into_sets};
use postrider_imap_proto::client::{ClientCommand, FailureKind, Fetch, Response, StatusResponse};
use postrider_imap_proto::command::{
    CommandBody, Fetch as FetchCommand, FetchAttribute, Numbering, Section, SectionText,
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::{Body, Contents, Keep};
use super::connection::ImapConnection;
use super::error::ImapError;
use super::listing::Described;
use super::options::ImapPullOptions;

/// A message that came.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub(crate) described: Described,
    pub(crate) body: Body,
}

impl Arrived {
    fn bytes(&self) -> u64 {
        match &self.body {
            Body::Whole(octets) => octets.len() as u64,
            Body::Hashed { .. } | Body::TooLarge { .. } | Body::Nil => 0,
        }
    }

    /// The message, if it came whole.
    pub(crate) fn octets(&self) -> Option<&Bytes> {
        match &self.body {
            Body::Whole(octets) => Some(octets),
            _ => None,
        }
    }
}

/// Takes messages as they come.
pub(crate) trait Take: Send {
    /// Takes some messages, in the order of their UIDs.
    fn take(&mut self, messages: Vec<Arrived>) -> impl Future<Output = Result<(), ImapError>> + Send;
}

/// A fetch of many messages.
pub(crate) struct Fetching<'a, S, T> {
    pub(crate) connection: &'a mut ImapConnection<S>,
    pub(crate) options: &'a ImapPullOptions,
    pub(crate) keep: Keep,
    pub(crate) taker: &'a mut T,
    /// What came and was not handed on yet.
    pub(crate) held: Vec<Arrived>,
}

/// Messages asked for in one command, still to come.
struct Group {
    tag: String,
    missing: BTreeMap<u32, Described>,
}

/// What became of one round.
#[derive(Default)]
struct Round {
    /// Messages that did not come.
    missing: Vec<Described>,
    /// The refusal that asks for patience, if there was one: then nothing more was asked for.
    patience: Option<StatusResponse>,
    /// Other refusals.
    refusals: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send, T: Take> Fetching<'_, S, T> {
    /// Fetches messages, in the order of their UIDs. Answers those that the server does not give.
    pub(crate) async fn fetch(&mut self, wanted: Vec<Described>) -> Result<Vec<Described>, ImapError> {
        let mut retries = 0;
        let mut wanted = wanted;
        let mut group_messages_max = self.options.group_messages_max;
        loop {
            let groups = groups(&wanted, group_messages_max, self.options.group_bytes_max);
            let round = self.round(groups).await?;
            if round.missing.is_empty() {
                return Ok(Vec::new());
            }
            match round.patience {
                Some(status) => {
                    self.connection.be_patient("FETCH", &status, &mut retries).await?;
                }
                // One message may spoil the answer for all that were asked for with it.
                _ if group_messages_max > 1 => group_messages_max = 1,
                _ => return Ok(round.missing),
            }
            wanted = round.missing;
        }
    }

    async fn round(&mut self, groups: Vec<Vec<Described>>) -> Result<Round, ImapError> {
        let mut round = Round::default();
        let mut waiting = groups.into_iter();
        let mut asked: VecDeque<Group> = VecDeque::new();
        loop {
            while asked.len() < self.options.groups_ahead_max.max(1) && round.patience.is_none() {
                let Some(group) = waiting.next() else { break };
                asked.push_back(self.ask(group).await?);
            }
            if asked.is_empty() {
                round.missing.extend(waiting.flatten());
                return Ok(round);
            }
            let received = self.connection.receive(self.keep).await?;
            match received.response {
                Response::Fetch(fetch) => self.arrived(&fetch, received.contents, &mut asked).await?,
                Response::Tagged { tag, status } => {
                    let Some(position) = asked.iter().position(|group| group.tag == tag) else { continue };
                    let missing = asked.remove(position).map(|group| group.missing).unwrap_or_default();
                    self.hand_on().await?;
                    if is_passing(&status) {
                        round.patience.get_or_insert(status);
                    } else if status.failure().is_some() {
                        round.refusals += 1;
                        if round.refusals > self.options.refusals_max {
                            return Err(ImapError::refused("FETCH", &status));
                        }
                    }
                    round.missing.extend(missing.into_values());
                }
                _ => {}
            }
        }
    }

    async fn ask(&mut self, group: Vec<Described>) -> Result<Group, ImapError> {
        let uids = ranges_of_uids(group.iter().map(|message| message.uid));
        let limits = SetLimits { set_bytes_max: usize::MAX, ..SetLimits::default() };
        let set = split_into_sets(&uids, limits).pop().ok_or(postrider_imap_proto::client::EncodeError::Empty)?;
        let section = Section { part: Vec::new(), text: SectionText::All };
        let attributes = vec![FetchAttribute::Uid, FetchAttribute::Section { section, partial: None, peek: true }];
        let fetch = FetchCommand { numbering: Numbering::Uid, set, attributes, changed_since: None, vanished: false };
        let tag = self.connection.send(&ClientCommand::Plain(CommandBody::Fetch(fetch))).await?;
        Ok(Group { tag, missing: group.into_iter().map(|message| (message.uid, message)).collect() })
    }

    async fn arrived(
        &mut self,
        fetch: &Fetch,
        contents: Contents,
        asked: &mut VecDeque<Group>,
    ) -> Result<(), ImapError> {
        let (Some(uid), Some(body)) = (fetch.uid(), contents.message(fetch)) else { return Ok(()) };
        let Some(group) = asked.iter_mut().find(|group| group.missing.contains_key(&uid)) else { return Ok(()) };
        let is_empty = match &body {
            Body::Nil => true,
            Body::Whole(octets) => octets.is_empty(),
            Body::Hashed { bytes, .. } => *bytes == 0,
            Body::TooLarge { .. } => false,
        };
        // Servers have been seen to answer so for a message that is just being expunged.
        if is_empty && group.missing.get(&uid).is_some_and(|message| message.told_bytes != Some(0)) {
            return Ok(());
        }
        let Some(described) = group.missing.remove(&uid) else { return Ok(()) };
        self.held.push(Arrived { described, body });
        let bytes: u64 = self.held.iter().map(Arrived::bytes).sum();
        match bytes > self.options.group_bytes_max {
            true => self.hand_on().await,
            false => Ok(()),
        }
    }

    async fn hand_on(&mut self) -> Result<(), ImapError> {
        let mut messages = std::mem::take(&mut self.held);
        if messages.is_empty() {
            return Ok(());
        }
        messages.sort_by_key(|message| message.described.uid);
        self.taker.take(messages).await
    }
}

fn is_passing(status: &StatusResponse) -> bool {
    matches!(status.failure(), Some(FailureKind::Throttled | FailureKind::Temporary))
}

/// Messages in groups within the bounds; what is larger than a group may be stands alone.
fn groups(wanted: &[Described], messages_max: u32, bytes_max: u64) -> Vec<Vec<Described>> {
    let mut groups: Vec<Vec<Described>> = Vec::new();
    let mut bytes = 0u64;
    let mut set_bytes = 0usize;
    for message in wanted {
        let size = message.told_bytes.unwrap_or(0);
        // A UID has at most ten digits and a comma, unless it goes on a range.
        let follows = groups
            .last()
            .and_then(|group| group.last())
            .is_some_and(|last| last.uid.checked_add(1) == Some(message.uid));
        let written = if follows { 0 } else { 22 };
        let fits = groups.last().is_some_and(|group| {
            (group.len() as u64) < u64::from(messages_max.max(1))
                && bytes.saturating_add(size) <= bytes_max
                && set_bytes + written <= SET_BYTES_MAX
        });
        match groups.last_mut().filter(|_| fits) {
            Some(group) => {
                group.push(message.clone());
                bytes = bytes.saturating_add(size);
                set_bytes += written;
            }
            None => {
                groups.push(vec![message.clone()]);
                bytes = size;
                set_bytes = 22;
            }
        }
    }
    groups
}

/// Octets of a set in one command (RFC 2683 §3.2.1.5 advises to stay below 1000 with the whole command).
const SET_BYTES_MAX: usize = 900;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::flags::FlagSet;

    fn described(uid: u32, bytes: u64) -> Described {
        Described { uid, told_bytes: Some(bytes), received: None, flags: FlagSet::default(), message_id: 0 }
    }

    #[test]
    fn groups_keep_order_and_bounds() {
        let sizes = [10, 20, 500, 30, 40, 50, 60];
        let wanted: Vec<Described> = (1..).zip(sizes).map(|(uid, bytes)| described(uid, bytes)).collect();
        let uids: Vec<Vec<u32>> =
            groups(&wanted, 3, 120).iter().map(|group| group.iter().map(|message| message.uid).collect()).collect();
        assert_eq!(uids, [vec![1, 2], vec![3], vec![4, 5, 6], vec![7]]);
        let scattered: Vec<Described> = (1..1000).map(|uid| described(uid * 2, 1)).collect();
        let grouped = groups(&scattered, u32::MAX, u64::MAX);
        assert!(grouped.iter().all(|group| group.len() <= SET_BYTES_MAX / 22));
        assert_eq!(grouped.into_iter().flatten().collect::<Vec<_>>(), scattered);
    }
}
