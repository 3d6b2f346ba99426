//! What a mailbox there holds, and what happened to it since it was last looked at.
//!
//! Three ways, the cheapest first: QRESYNC tells what changed and what vanished; CONDSTORE what changed, and a search what
//! is left; else all UIDs and flags are asked for. Whatever the way, the result must agree with the number of messages
//! that the server names, or the next way is gone. Messages count as vanished only if the server's answers
//! are whole: an answer that leaves messages out must never remove any.

use std::collections::{BTreeMap, BTreeSet};

use postrider_imap_proto::client::command::{SetLimits, ranges_of_uids, split_into_sets};
use postrider_imap_proto::client::{Fetch, Response, ResponseCode};
use postrider_imap_proto::command::{
    CommandBody, Fetch as FetchCommand, FetchAttribute, Numbering, Qresync, Search, SearchKey, Section, SectionText,
    Select,
};
use postrider_imap_proto::encode::Code;
use postrider_imap_proto::set::{Bound, SequenceSet};
use postrider_store::{Uid, UidSet};
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::ImapConnection;
use super::error::ImapError;
use super::flags::{FlagSet, Permitted};
use super::labels::Labels;
use super::mailboxes::RemoteMailbox;
use super::memory::Memory;
use super::message_id::message_id_hash;

/// What a server says of a mailbox when it is selected.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selected {
    pub(crate) exists: u32,
    /// 0 if it has none, or if its UIDs do not last.
    pub(crate) uid_validity: u32,
    /// 0 if it has no mod-sequences.
    pub(crate) modseq: u64,
    pub(crate) mailbox_id: String,
    /// 0 if it is not told.
    pub(crate) uid_next: u32,
    /// The flags that can be set.
    pub(crate) permitted: Permitted,
    /// Whether nothing can be changed in it.
    pub(crate) is_read_only: bool,
    /// Whether the server has fewer UIDs, or older changes, than it had: it was set back to an earlier state, and gives out
    /// UIDs a second time.
    pub(crate) is_set_back: bool,
    /// Of a resynchronisation: flags that changed.
    changed: BTreeMap<u32, FlagSet>,
    /// Of a resynchronisation: UIDs that vanished.
    vanished: Vec<(u32, u32)>,
    is_resynchronised: bool,
}

/// What is there, compared with what is noted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Flags of messages, at least of those that changed.
    pub(crate) flags: BTreeMap<u32, FlagSet>,
    /// UIDs that are not noted.
    pub(crate) new: Vec<u32>,
    /// Noted UIDs that are not there.
    pub(crate) vanished: Vec<u32>,
    /// Whether the server's answers were whole.
    pub(crate) is_whole: bool,
}

/// A message as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) uid: u32,
    /// `None` if it was not told.
    pub(crate) told_bytes: Option<u64>,
    pub(crate) received: Option<i64>,
    pub(crate) flags: FlagSet,
    /// The hash of the Message-ID where it was asked for; 0 if it has none.
    pub(crate) message_id: u64,
}

/// What a mailbox is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// EXAMINE
    Read,
    /// SELECT
    Write,
}

/// Whether Message-IDs are asked for as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Describe {
    /// Flags, date and size.
    Plainly,
    /// Message-ID, too.
    WithMessageId,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ImapConnection<S> {
    /// Selects a mailbox for reading, telling the server what is known of it where that helps.
    pub(crate) async fn examine(&mut self, mailbox: &RemoteMailbox, memory: &Memory) -> Result<Selected, ImapError> {
        self.open_mailbox(mailbox, memory, Access::Read).await
    }

    /// Selects a mailbox, telling the server what is known of it where that helps.
    pub(crate) async fn open_mailbox(
        &mut self,
        mailbox: &RemoteMailbox,
        memory: &Memory,
        access: Access,
    ) -> Result<Selected, ImapError> {
        self.labels.select(mailbox);
        let known = memory.mailbox.as_ref().filter(|note| note.modseq > 0 && note.uid_validity > 0);
        let qresync = known.filter(|_| self.has_enabled("QRESYNC")).map(|note| Qresync {
            uid_validity: note.uid_validity,
            modseq: note.modseq,
            known_uids: None,
            sequence_match: None,
        });
        let condstore = qresync.is_none() && self.capabilities.has("CONDSTORE");
        let is_resynchronised = qresync.is_some();
        let select = Select { mailbox: mailbox.raw.to_argument(), condstore, qresync };
        let mut selected = Selected::default();
        let messages_max = self.options.mailbox_messages_max;
        let (name, command) = match access {
            Access::Read => ("EXAMINE", CommandBody::Examine(select)),
            Access::Write => ("SELECT", CommandBody::Select(select)),
        };
        let status = self.command(name, command, |response| selected.take(response, messages_max)).await?;
        selected.take_code(status.code.as_ref());
        let same = known.is_some_and(|note| note.uid_validity == selected.uid_validity);
        selected.is_set_back = same_numbers_went_back(&selected, memory);
        selected.is_resynchronised = is_resynchronised && same && selected.modseq > 0 && !selected.is_set_back;
        Ok(selected)
    }

    /// What changed since it was noted. The mailbox is selected, under the UIDVALIDITY that is noted.
    pub(crate) async fn changes(&mut self, selected: &Selected, memory: &Memory) -> Result<Changes, ImapError> {
        let known: BTreeSet<u32> =
            memory.messages.iter().filter(|(_, note)| !note.is_gone).map(|(&uid, _)| uid).collect();
        if selected.exists == 0 {
            return Ok(Changes::of(&known, BTreeSet::new(), BTreeMap::new(), true));
        }
        if self.labels.are_read() {
            return self.changes_with_labels(selected, &known).await;
        }
        if selected.is_resynchronised
            && let Some(changes) = selected.resynchronised(&known)
        {
            return Ok(changes);
        }
        let noted = memory.mailbox.as_ref().map_or(0, |note| note.modseq);
        if noted > 0 && selected.modseq > 0 {
            let changed = match selected.modseq == noted {
                true => BTreeMap::new(),
                false => self.flags_of_all(Some(noted)).await?,
            };
            let present: BTreeSet<u32> = known.iter().chain(changed.keys()).copied().collect();
            if present.len() as u64 == u64::from(selected.exists) {
                return Ok(Changes::of(&known, present, changed, true));
            }
            let present = self.search_all().await?;
            let is_whole = present.len() as u64 >= u64::from(selected.exists);
            return Ok(Changes::of(&known, present, changed, is_whole));
        }
        let flags = self.flags_of_all(None).await?;
        let mut present: BTreeSet<u32> = flags.keys().copied().collect();
        if (present.len() as u64) < u64::from(selected.exists) {
            present.extend(self.search_all().await?);
        }
        let is_whole = present.len() as u64 >= u64::from(selected.exists);
        Ok(Changes::of(&known, present, flags, is_whole))
    }

    /// The same where labels tell which messages come with this mailbox.
    async fn changes_with_labels(&mut self, selected: &Selected, known: &BTreeSet<u32>) -> Result<Changes, ImapError> {
        let flags = self.flags_of_all(None).await?;
        let present: BTreeSet<u32> = flags.keys().copied().collect();
        let is_whole = present.len() as u64 + self.labels.left_out_count() >= u64::from(selected.exists);
        Ok(Changes::of(known, present, flags, is_whole))
    }

    /// UIDs and flags of all messages, or of those that changed; without those that come with another mailbox.
    pub(crate) async fn flags_of_all(
        &mut self,
        changed_since: Option<u64>,
    ) -> Result<BTreeMap<u32, FlagSet>, ImapError> {
        let fetch = FetchCommand {
            numbering: Numbering::Uid,
            set: SequenceSet::Ranges(vec![(Bound::Number(std::num::NonZeroU32::MIN), Bound::Last)]),
            attributes: vec![FetchAttribute::Uid, FetchAttribute::Flags],
            changed_since,
            vanished: false,
        };
        let mut flags = BTreeMap::new();
        let messages_max = self.options.mailbox_messages_max;
        let mut labels = std::mem::take(&mut self.labels);
        let asked = self
            .command("FETCH", labels.asking_flags(fetch), |response| {
                if let Response::Fetch(fetch) = response
                    && let (Some(uid), Some(told)) = (fetch.uid(), labels.flags(&fetch))
                    && flags.len() < messages_max
                {
                    flags.insert(uid, told);
                }
            })
            .await;
        self.labels = labels;
        asked.map(|_| flags)
    }

    /// The UIDs of messages that come with this mailbox, and how many come with another one.
    pub(crate) async fn search_own(&mut self) -> Result<(Vec<u32>, u64), ImapError> {
        let own: BTreeSet<u32> = match self.labels.are_read() {
            true => self.flags_of_all(None).await?.into_keys().collect(),
            false => self.search_all().await?,
        };
        Ok((own.into_iter().collect(), self.labels.left_out_count()))
    }

    pub(crate) async fn search_all(&mut self) -> Result<BTreeSet<u32>, ImapError> {
        let search = Search { numbering: Numbering::Uid, returns: None, charset: None, keys: vec![SearchKey::All] };
        let mut found = BTreeSet::new();
        let messages_max = self.options.mailbox_messages_max;
        self.command("SEARCH", CommandBody::Search(search), |response| match response {
            Response::Search(numbers) => found.extend(numbers.numbers.into_iter().take(messages_max)),
            Response::Esearch(search) => {
                let ranges = search.all.unwrap_or_default();
                found.extend(ranges.into_iter().flat_map(|(low, high)| low..=high).take(messages_max));
            }
            _ => {}
        })
        .await?;
        Ok(found)
    }

    /// Sizes, dates and flags of messages. Those that the server does not answer for are missing.
    pub(crate) async fn describe(
        &mut self,
        uids: &[u32],
        describe: Describe,
    ) -> Result<BTreeMap<u32, Described>, ImapError> {
        let mut described = BTreeMap::new();
        self.describe_into(uids, describe, &mut described).await?;
        Ok(described)
    }

    /// The same; what was told before the connection broke is told.
    pub(crate) async fn describe_into(
        &mut self,
        uids: &[u32],
        describe: Describe,
        told: &mut BTreeMap<u32, Described>,
    ) -> Result<(), ImapError> {
        let mut described = BTreeMap::new();
        let outcome = self.ask_for_descriptions(uids, describe, &mut described).await;
        described.retain(|uid, _| uids.binary_search(uid).is_ok());
        told.append(&mut described);
        outcome
    }

    async fn ask_for_descriptions(
        &mut self,
        uids: &[u32],
        describe: Describe,
        described: &mut BTreeMap<u32, Described>,
    ) -> Result<(), ImapError> {
        for set in split_into_sets(&ranges_of_uids(uids.iter().copied()), SetLimits::default()) {
            let mut attributes = vec![
                FetchAttribute::Uid,
                FetchAttribute::Flags,
                FetchAttribute::InternalDate,
                FetchAttribute::Rfc822Size,
            ];
            if describe == Describe::WithMessageId {
                let text = SectionText::HeaderFields(vec![b"Message-ID".to_vec()]);
                let section = Section { part: Vec::new(), text };
                attributes.push(FetchAttribute::Section { section, partial: None, peek: true });
            }
            let fetch =
                FetchCommand { numbering: Numbering::Uid, set, attributes, changed_since: None, vanished: false };
            let mut labels = std::mem::take(&mut self.labels);
            let asked = self
                .command("FETCH", labels.asking_description(fetch), |response| {
                    if let Response::Fetch(fetch) = response
                        && let Some(told) = Described::of(&fetch, &mut labels)
                    {
                        described.insert(told.uid, told);
                    }
                })
                .await;
            self.labels = labels;
            asked?;
        }
        Ok(())
    }
}

impl Described {
    fn of(fetch: &Fetch, labels: &mut Labels) -> Option<Self> {
        use postrider_imap_proto::client::Content;
        let header = fetch.contents().find_map(|(_, _, content)| match content {
            Content::Inline(octets) => Some(octets.clone()),
            _ => None,
        });
        // A change of flags that is told by the way has neither, and is no description.
        if fetch.size().is_none() && fetch.internal_date().is_none() {
            return None;
        }
        Some(Self {
            uid: fetch.uid()?,
            told_bytes: fetch.size(),
            received: fetch.internal_date().map(|date| date.unix_seconds),
            flags: labels.flags(fetch).unwrap_or_default(),
            message_id: header.map_or(0, |header| message_id_hash(&header)),
        })
    }
}

/// A server that was restored from a backup may keep the UIDVALIDITY, against RFC 9051 §2.3.1.1.
fn same_numbers_went_back(selected: &Selected, memory: &Memory) -> bool {
    let noted = memory.mailbox.as_ref().map_or(0, |note| note.modseq);
    let last = memory.messages.keys().next_back().copied().unwrap_or(0);
    (selected.uid_next > 0 && last >= selected.uid_next) || (selected.modseq > 0 && noted > selected.modseq)
}

impl Selected {
    fn take(&mut self, response: Response, messages_max: usize) {
        match response {
            Response::Exists(messages) => self.exists = messages,
            Response::Expunge(_) => self.exists = self.exists.saturating_sub(1),
            Response::Vanished { uids, .. } => self.vanished.extend(uids),
            Response::Fetch(fetch) => {
                if let (Some(uid), Some(flags)) = (fetch.uid(), fetch.flags())
                    && self.changed.len() < messages_max
                {
                    self.changed.insert(uid, FlagSet::from_wire(flags));
                }
            }
            Response::Status(status) => self.take_code(status.code.as_ref()),
            _ => {}
        }
    }

    fn take_code(&mut self, code: Option<&ResponseCode>) {
        let Some(ResponseCode::Known(code)) = code else { return };
        match code {
            // What came before was of the mailbox that was selected before (RFC 7162 §3.2.11).
            Code::Closed => *self = Self::default(),
            Code::UidValidity(value) => self.uid_validity = *value,
            Code::UidNotSticky => self.uid_validity = 0,
            Code::UidNext(uid) => self.uid_next = *uid,
            Code::HighestModseq(modseq) => self.modseq = *modseq,
            Code::NoModseq => self.modseq = 0,
            Code::PermanentFlags { flags, new_keywords } => {
                self.permitted = Permitted::from_wire(flags, *new_keywords);
            }
            Code::ReadOnly => self.is_read_only = true,
            Code::MailboxId(id) => self.mailbox_id.clone_from(id),
            _ => {}
        }
    }

    /// What a resynchronisation told, if it agrees with the number of messages.
    fn resynchronised(&self, known: &BTreeSet<u32>) -> Option<Changes> {
        let vanished = UidSet::from_ranges(self.vanished.clone());
        let mut present: BTreeSet<u32> = known.iter().copied().filter(|&uid| !vanished.contains(Uid(uid))).collect();
        present.extend(self.changed.keys());
        (present.len() as u64 == u64::from(self.exists))
            .then(|| Changes::of(known, present, self.changed.clone(), true))
    }
}

impl Changes {
    fn of(known: &BTreeSet<u32>, present: BTreeSet<u32>, flags: BTreeMap<u32, FlagSet>, is_whole: bool) -> Self {
        let vanished = match is_whole {
            true => known.difference(&present).copied().collect(),
            false => Vec::new(),
        };
        Self { flags, new: present.difference(known).copied().collect(), vanished, is_whole }
    }
}
