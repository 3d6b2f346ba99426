//! Messages come over: asked for in groups, a few groups ahead, and handed on as they come.
//!
//! The wire is kept busy while a group is made durable, and no more than about one group's bytes are held: when
//! more have come than the server had announced, they are handed on early. A message that the server leaves out of
//! its answer is asked for once more by itself. When the connection breaks, what came whole is handed on all the same, so that
//! a line that never carries a whole group brings it to its end; and what had not come is suspect ([`Suspects`]).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

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
use super::memory::Place;
use super::options::ImapPullOptions;
use super::suspects::{Company, Step, Suspects};

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
    /// Of which mailbox.
    pub(crate) place: Place,
    pub(crate) keep: Keep,
    pub(crate) taker: &'a mut T,
    /// What came and was not handed on yet.
    pub(crate) held: Vec<Arrived>,
}

/// Messages to be asked for in one command.
#[derive(Debug, Default)]
struct Portion {
    messages: Vec<Described>,
    /// Whether one of them may break the connection: then nothing else is under way with it.
    is_suspect: bool,
}

/// Messages asked for in one command, still to come.
struct Group {
    tag: String,
    /// How many messages it asks for.
    messages: usize,
    missing: BTreeMap<u32, Described>,
    is_suspect: bool,
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
        let suspects = Arc::clone(&self.connection.suspects);
        let (left_out, mut wanted): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|message| suspects.is_left_out(&self.place, message.uid));
        let mut group_messages_max = self.options.group_messages_max;
        loop {
            let suspicion = |uid| suspects.group_messages_max(Step::Fetch, &self.place, uid);
            let portions = portions(&wanted, group_messages_max, self.options.group_bytes_max, suspicion);
            let mut round = self.round(portions, &suspects).await?;
            if round.missing.is_empty() {
                return Ok(left_out);
            }
            match round.patience {
                Some(status) => {
                    self.connection.be_patient("FETCH", &status, &mut retries).await?;
                }
                // One message may spoil the answer for all that were asked for with it.
                _ if group_messages_max > 1 => group_messages_max = 1,
                _ => {
                    round.missing.extend(left_out);
                    return Ok(round.missing);
                }
            }
            wanted = round.missing;
        }
    }

    /// Asks for portions, and sees to what came when the connection breaks.
    async fn round(&mut self, portions: Vec<Portion>, suspects: &Suspects) -> Result<Round, ImapError> {
        let mut asked = VecDeque::new();
        let outcome = self.exchange(portions, &mut asked).await;
        if let Err(error) = &outcome
            && error.is_of_connection()
        {
            let stopped_at = asked.iter().find(|group| !group.missing.is_empty());
            if let Some(group) = stopped_at.filter(|_| error.may_be_of_a_message()) {
                let company = if asked.len() == 1 && group.messages == 1 { Company::Alone } else { Company::Others };
                suspects.broke(Step::Fetch, &self.place, company, group.missing.keys().copied());
            }
            // What came whole need not come again.
            self.hand_on().await?;
        }
        outcome
    }

    async fn exchange(&mut self, portions: Vec<Portion>, asked: &mut VecDeque<Group>) -> Result<Round, ImapError> {
        let mut round = Round::default();
        let mut waiting = portions.into_iter().peekable();
        loop {
            while asked.len() < self.options.groups_ahead_max.max(1)
                && round.patience.is_none()
                && let Some(portion) = waiting
                    .next_if(|next| !next.is_suspect && !asked.iter().any(|group| group.is_suspect) || asked.is_empty())
            {
                asked.push_back(self.ask(portion).await?);
            }
            if asked.is_empty() {
                round.missing.extend(waiting.flat_map(|portion| portion.messages));
                return Ok(round);
            }
            let received = self.connection.receive(self.keep).await?;
            match received.response {
                Response::Fetch(fetch) => self.arrived(&fetch, received.contents, asked).await?,
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

    async fn ask(&mut self, portion: Portion) -> Result<Group, ImapError> {
        let Portion { messages, is_suspect } = portion;
        let uids = ranges_of_uids(messages.iter().map(|message| message.uid));
        let limits = SetLimits { set_bytes_max: usize::MAX, ..SetLimits::default() };
        let set = split_into_sets(&uids, limits).pop().ok_or(postrider_imap_proto::client::EncodeError::Empty)?;
        let section = Section { part: Vec::new(), text: SectionText::All };
        let attributes = vec![FetchAttribute::Uid, FetchAttribute::Section { section, partial: None, peek: true }];
        let fetch = FetchCommand { numbering: Numbering::Uid, set, attributes, changed_since: None, vanished: false };
        let tag = self.connection.send(&ClientCommand::Plain(CommandBody::Fetch(fetch))).await?;
        let count = messages.len();
        let missing: BTreeMap<_, _> = messages.into_iter().map(|message| (message.uid, message)).collect();
        Ok(Group { tag, messages: count, missing, is_suspect })
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

/// Messages in portions within the bounds; what is larger than a group may be stands alone. `suspicion` tells with how many
/// messages a suspect may be asked for.
fn portions(
    wanted: &[Described],
    messages_max: u32,
    bytes_max: u64,
    suspicion: impl Fn(u32) -> Option<u32>,
) -> Vec<Portion> {
    let mut portions: Vec<Portion> = Vec::new();
    let mut bytes = 0u64;
    let mut set_bytes = 0usize;
    let mut count_max = u32::MAX;
    for message in wanted {
        let size = message.told_bytes.unwrap_or(0);
        let suspect = suspicion(message.uid);
        let own_max = suspect.unwrap_or(u32::MAX).min(messages_max).max(1);
        let last = portions.last().and_then(|portion| portion.messages.last());
        // A UID has at most ten digits and a comma, unless it goes on a range.
        let follows = last.is_some_and(|last| last.uid.checked_add(1) == Some(message.uid));
        let written = if follows { 0 } else { 22 };
        let fits = portions.last().is_some_and(|portion| {
            (portion.messages.len() as u64) < u64::from(count_max.min(own_max))
                && portion.is_suspect == suspect.is_some()
                && bytes.saturating_add(size) <= bytes_max
                && set_bytes + written <= SET_BYTES_MAX
        });
        match portions.last_mut().filter(|_| fits) {
            Some(portion) => {
                portion.messages.push(message.clone());
                bytes = bytes.saturating_add(size);
                set_bytes += written;
                count_max = count_max.min(own_max);
            }
            None => {
                portions.push(Portion { messages: vec![message.clone()], is_suspect: suspect.is_some() });
                (bytes, set_bytes, count_max) = (size, 22, own_max);
            }
        }
    }
    portions
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

    fn uids(portions: &[Portion]) -> Vec<Vec<u32>> {
        portions.iter().map(|portion| portion.messages.iter().map(|message| message.uid).collect()).collect()
    }

    #[test]
    fn portions_keep_order_and_bounds() {
        let sizes = [10, 20, 500, 30, 40, 50, 60];
        let wanted: Vec<Described> = (1..).zip(sizes).map(|(uid, bytes)| described(uid, bytes)).collect();
        assert_eq!(uids(&portions(&wanted, 3, 120, |_| None)), [vec![1, 2], vec![3], vec![4, 5, 6], vec![7]]);
        let scattered: Vec<Described> = (1..1000).map(|uid| described(uid * 2, 1)).collect();
        let portions = portions(&scattered, u32::MAX, u64::MAX, |_| None);
        assert!(portions.iter().all(|portion| portion.messages.len() <= SET_BYTES_MAX / 22));
        assert_eq!(portions.into_iter().flat_map(|portion| portion.messages).collect::<Vec<_>>(), scattered);
    }

    #[test]
    fn suspects_go_in_portions_of_their_own() {
        let wanted: Vec<Described> = (1..=9).map(|uid| described(uid, 1)).collect();
        let suspicion = |uid| match uid {
            3 => Some(1),
            4..8 => Some(2),
            _ => None,
        };
        let portions = portions(&wanted, 5, 100, suspicion);
        assert_eq!(uids(&portions), [vec![1, 2], vec![3], vec![4, 5], vec![6, 7], vec![8, 9]]);
        let suspect: Vec<bool> = portions.iter().map(|portion| portion.is_suspect).collect();
        assert_eq!(suspect, [false, true, true, true, false]);
    }
}
