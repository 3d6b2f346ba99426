//! Messages that were under way when a connection broke, so that the one that breaks it is found and left out.
//!
//! There are messages at which a server breaks off, in every run, because it cannot read them itself. Nothing tells which one
//! it is: what was asked for together is suspect as a whole. So it is asked for again in smaller groups, by itself in the end,
//! and with nothing else under way. The first message that is missing goes alone at once, as most servers answer in order
//! and without a buffer. One that breaks the connection alone, twice, is left out of the run; it may be the line after all, so
//! nothing is noted for good, and the next run asks again.
//!
//! It belongs to a run, over all of its connections, and knows mailboxes by the place of their notes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    connection::ImapConnection,
    error::ImapError,
    listing::{Describe, Described},
    memory::Place,
};

/// Times that a message breaks the connection when it is asked for alone before it is left out.
const BREAKS_ALONE_MAX: u32 = 2;
/// Messages of a run that are left out before finding more of them no longer counts as progress: then it is rather the server
/// that is broken.
const LEFT_OUT_MAX: u32 = 20;

/// What is suspected of the messages of one server.
#[derive(Debug, Default)]
pub(crate) struct Suspects(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    messages: BTreeMap<(Step, Place, u32), Suspicion>,
    left_out: u32,
    has_narrowed: bool,
}

/// What is asked of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// Its size and date, for which servers have to read it, too.
    Describe,
    /// Its content.
    Fetch,
    /// That the server takes it.
    Append,
}

/// Whether other messages were under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    /// This message, and nothing else.
    Alone,
    /// Others, too, even if they had come.
    Others,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Suspicion {
    /// With how many messages, itself counted, it may be asked for.
    group_messages_max: u32,
    /// How often the connection broke when it alone was asked for.
    breaks_alone: u32,
}

impl Suspects {
    /// The connection broke while these messages, in the order in which they were asked for by one command, had not come.
    pub(crate) fn broke(
        &self,
        step: Step,
        place: &Place,
        company: Company,
        missing: impl ExactSizeIterator<Item = u32>,
    ) {
        let mut state = self.lock();
        let count = u32::try_from(missing.len()).unwrap_or(u32::MAX);
        for (position, uid) in missing.enumerate() {
            let fresh = Suspicion { group_messages_max: u32::MAX, breaks_alone: 0 };
            let suspicion = state.messages.entry((step, place.clone(), uid)).or_insert(fresh);
            let max = if position == 0 { 1 } else { count / 2 };
            suspicion.group_messages_max = suspicion.group_messages_max.min(max.max(1));
            if company == Company::Alone {
                suspicion.breaks_alone += 1;
                let is_left_out = suspicion.breaks_alone == BREAKS_ALONE_MAX;
                state.left_out += u32::from(is_left_out);
            }
        }
        state.has_narrowed |= count > 0 && state.left_out <= LEFT_OUT_MAX;
    }

    /// With how many messages, itself counted, a message may be asked for; `None` if it is under no suspicion.
    pub(crate) fn group_messages_max(&self, step: Step, place: &Place, uid: u32) -> Option<u32> {
        self.lock().messages.get(&(step, place.clone(), uid)).map(|suspicion| suspicion.group_messages_max)
    }

    /// Messages in the groups in which they may be asked for, without those that are left out.
    pub(crate) fn groups(&self, step: Step, place: &Place, uids: &[u32]) -> Vec<Vec<u32>> {
        let mut groups: Vec<(usize, Vec<u32>)> = Vec::new();
        for &uid in uids.iter().filter(|uid| !self.is_left_out(place, **uid)) {
            let own_max = self.group_messages_max(step, place, uid).unwrap_or(u32::MAX) as usize;
            match groups.last_mut().filter(|(max, group)| group.len() < own_max.min(*max)) {
                Some((max, group)) => {
                    *max = own_max.min(*max);
                    group.push(uid);
                }
                None => groups.push((own_max, vec![uid])),
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// Whether a message is not asked for any more in this run.
    pub(crate) fn is_left_out(&self, place: &Place, uid: u32) -> bool {
        let state = self.lock();
        [Step::Describe, Step::Fetch, Step::Append].into_iter().any(|step| {
            let suspicion = state.messages.get(&(step, place.clone(), uid));
            suspicion.is_some_and(|suspicion| suspicion.breaks_alone >= BREAKS_ALONE_MAX)
        })
    }

    /// Whether a break has told something since this was last asked.
    pub(crate) fn take_narrowed(&self) -> bool {
        std::mem::take(&mut self.lock().has_narrowed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ImapConnection<S> {
    /// Describes messages of a mailbox, as far as that does not break the connection: those that are left out are missing.
    pub(crate) async fn describe_with_care(
        &mut self,
        uids: &[u32],
        describe: Describe,
        place: &Place,
    ) -> Result<BTreeMap<u32, Described>, ImapError> {
        let suspects = Arc::clone(&self.suspects);
        let mut described = BTreeMap::new();
        for group in suspects.groups(Step::Describe, place, uids) {
            let outcome = self.describe_into(&group, describe, &mut described).await;
            if outcome.as_ref().is_err_and(ImapError::may_be_of_a_message) {
                let company = if group.len() == 1 { Company::Alone } else { Company::Others };
                let missing: Vec<u32> = group.into_iter().filter(|uid| !described.contains_key(uid)).collect();
                suspects.broke(Step::Describe, place, company, missing.into_iter());
            }
            outcome?;
        }
        Ok(described)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::memory::RemoteKey;

    /// How often a connection breaks until all messages but the bad ones have come, at a server that gives all of a group
    /// before a bad one, or none of it.
    fn breaks(messages: u32, bad: &[u32], gives_those_before: bool) -> usize {
        let (suspects, place) = (Suspects::default(), RemoteKey::new("h", 1, "u").place("INBOX"));
        let mut wanted: Vec<u32> = (1..=messages).collect();
        let mut count = 0;
        loop {
            wanted.retain(|uid| !suspects.is_left_out(&place, *uid));
            let Some(first) = wanted.first() else { return count };
            let limit = |uid: &u32| suspects.group_messages_max(Step::Fetch, &place, *uid).unwrap_or(u32::MAX);
            let mut group_max = limit(first) as usize;
            let mut group = 0;
            while let Some(uid) = wanted.get(group) {
                group_max = group_max.min(limit(uid) as usize);
                if group >= group_max.max(1) {
                    break;
                }
                group += 1;
            }
            match wanted[..group].iter().position(|uid| bad.contains(uid)) {
                None => drop(wanted.drain(..group)),
                Some(position) => {
                    let come = if gives_those_before { position } else { 0 };
                    let company = if group == 1 { Company::Alone } else { Company::Others };
                    suspects.broke(Step::Fetch, &place, company, wanted[come..group].iter().copied());
                    wanted.drain(..come);
                    count += 1;
                    assert!(suspects.take_narrowed() && count < 200, "it does not end");
                }
            }
        }
    }

    #[test]
    fn a_bad_message_is_found_after_few_breaks() {
        assert_eq!(breaks(200, &[], true), 0);
        assert_eq!(breaks(1, &[1], true), 2);
        for bad in [1, 2, 20, 199, 200] {
            assert!(breaks(200, &[bad], true) <= 3, "{bad}");
            assert!(breaks(200, &[bad], false) <= 12, "{bad}: {}", breaks(200, &[bad], false));
        }
        assert!(breaks(200, &[7, 8, 9, 150], true) <= 12);
    }

    #[test]
    fn a_server_that_breaks_at_everything_is_given_up_in_the_end() {
        let (suspects, place) = (Suspects::default(), RemoteKey::new("h", 1, "u").place("INBOX"));
        let told = (1..1000).take_while(|uid| {
            suspects.broke(Step::Fetch, &place, Company::Alone, [*uid].into_iter());
            suspects.broke(Step::Fetch, &place, Company::Alone, [*uid].into_iter());
            suspects.take_narrowed()
        });
        assert_eq!(told.count(), LEFT_OUT_MAX as usize + 1);
    }
}
