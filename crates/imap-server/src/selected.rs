//! The selected mailbox as the client knows it, and the news it has to be told.

use std::sync::Arc;

use postrider_imap_proto::{
    command::{Flag, Numbering},
    encode::{self, FetchWriter, NewKeywords, Vanished},
    set::SequenceSet,
};
use postrider_store::{
    Difference, Entry, FlagBits, KEYWORDS_MAX, KeywordTable, Mailbox, MailboxId, ModSeq, Snapshot, Uid, UidSet,
    difference, merge_without_expunges,
};

use crate::{answer::Failure, facts::Tells, known::Known};

/// What the client has enabled; it changes how news are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Enabled {
    /// IMAP4rev2 (RFC 9051): no RECENT, ESEARCH for SEARCH, names in UTF-8.
    pub(crate) rev2: bool,
    /// CONDSTORE (RFC 7162 §3.1): mod-sequences with every change of flags.
    pub(crate) condstore: bool,
    /// QRESYNC (RFC 7162 §3.2): VANISHED instead of EXPUNGE.
    pub(crate) qresync: bool,
    /// UTF8=ACCEPT (RFC 9755)
    pub(crate) utf8: bool,
}

/// What a session may do to the selected mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    ReadWrite,
}

/// The selected mailbox as the client knows it.
pub(crate) struct Selected {
    pub(crate) id: MailboxId,
    pub(crate) access: Access,
    /// What the client was told of: its sequence numbers are positions in here.
    pub(crate) known: Known,
    /// The keywords the client was told of.
    pub(crate) keywords: KeywordTable,
    /// UIDs in these are `\Recent` for this session.
    recent: UidSet,
    /// What `$` stands for (RFC 5182).
    pub(crate) saved: UidSet,
    /// Up to here the client was told of every change.
    in_step: ModSeq,
    /// Whether it waits to be told of expunged messages.
    expunges_wait: bool,
}

impl Selected {
    /// The mailbox as it is now becomes what the client knows.
    pub(crate) fn new(mailbox: &Arc<Mailbox>, access: Access) -> Self {
        let known = Known::published(mailbox);
        let keywords = mailbox.record.keywords.clone();
        let mut selected = Self {
            id: mailbox.id,
            access,
            known,
            keywords,
            recent: UidSet::new(),
            saved: UidSet::new(),
            in_step: mailbox.record.highest_modseq,
            expunges_wait: false,
        };
        selected.take_recent(mailbox);
        selected
    }

    /// Messages that no session was shown are recent here; EXAMINE only looks and takes nothing (RFC 3501 §6.3.2).
    fn take_recent(&mut self, mailbox: &Mailbox) {
        let from = match self.access {
            Access::ReadWrite => mailbox.claim_recent(),
            Access::ReadOnly => mailbox.recent_from(),
        };
        let end = mailbox.record.uid_next.0;
        if from.0 < end {
            self.recent = self.recent.union(&UidSet::from_ranges(vec![(from.0, end - 1)]));
        }
    }

    pub(crate) fn is_recent(&self, uid: Uid) -> bool {
        self.recent.contains(uid)
    }

    /// How many of the known messages are recent here.
    pub(crate) fn recent_count(&self) -> u32 {
        self.positions(self.recent.ranges()).iter().map(|(low, high)| high - low + 1).sum()
    }

    /// The messages that a command names, as ascending ranges of sequence numbers of messages the client knows.
    ///
    /// # Errors
    /// As for [`Selected::resolve`].
    pub(crate) fn resolve_positions(
        &self,
        set: &SequenceSet,
        numbering: Numbering,
    ) -> Result<Vec<(u32, u32)>, Failure> {
        match (set, numbering) {
            (SequenceSet::Saved, _) => Ok(self.positions(self.saved.ranges())),
            (SequenceSet::Ranges(_), Numbering::Uid) => {
                let last_uid = self.known.last().map_or(0, |entry| entry.uid.0);
                Ok(self.positions(&set.resolve(last_uid).unwrap_or_default()))
            }
            (SequenceSet::Ranges(_), Numbering::Sequence) => self.existing_numbers(set),
        }
    }

    /// Where the messages of ascending ranges of UIDs stand.
    fn positions(&self, uids: &[(u32, u32)]) -> Vec<(u32, u32)> {
        let mut positions: Vec<(u32, u32)> = Vec::new();
        for &(low, high) in uids {
            let first = self.known.sequence_at_or_after(Uid(low));
            let after = match high.checked_add(1) {
                Some(next) => self.known.sequence_at_or_after(Uid(next)),
                None => self.known.len() + 1,
            };
            match positions.last_mut() {
                _ if first >= after => {}
                Some(before) if before.1 + 1 == first => before.1 = after - 1,
                _ => positions.push((first, after - 1)),
            }
        }
        positions
    }

    fn existing_numbers(&self, set: &SequenceSet) -> Result<Vec<(u32, u32)>, Failure> {
        let ranges = set.resolve(self.known.len()).unwrap_or_default();
        match ranges.last() {
            Some(&(_, high)) if high > self.known.len() => Err(Failure::bad("There is no message with such a number")),
            _ => Ok(ranges),
        }
    }

    /// The messages that a command names, as ascending UIDs of messages the client knows.
    ///
    /// # Errors
    /// A sequence number beyond the last is the client's mistake (RFC 9051 §9, `seq-number`).
    pub(crate) fn resolve(&self, set: &SequenceSet, numbering: Numbering) -> Result<UidSet, Failure> {
        let last_uid = self.known.last().map_or(0, |entry| entry.uid.0);
        match (set, numbering) {
            (SequenceSet::Saved, _) => Ok(self.known.existing(&self.saved)),
            (SequenceSet::Ranges(_), Numbering::Uid) => {
                let wanted = UidSet::from_ranges(set.resolve(last_uid).unwrap_or_default());
                Ok(self.known.existing(&wanted))
            }
            (SequenceSet::Ranges(_), Numbering::Sequence) => {
                let ranges = self.existing_numbers(set)?;
                Ok(ranges
                    .iter()
                    .flat_map(|&(low, high)| self.known.range(low, high))
                    .map(|(_, entry)| entry.uid)
                    .collect())
            }
        }
    }

    /// UIDs as the numbers the client used: themselves, or sequence numbers.
    pub(crate) fn numbers(&self, uids: &UidSet, numbering: Numbering) -> Vec<(u32, u32)> {
        match numbering {
            Numbering::Uid => uids.ranges().to_vec(),
            Numbering::Sequence => {
                let sequences: UidSet = self.known.select(uids).map(|(sequence, _)| Uid(sequence)).collect();
                sequences.ranges().to_vec()
            }
        }
    }

    /// Tells what is new in `mailbox`, as far as `tells` allows.
    pub(crate) fn report(&mut self, mailbox: &Arc<Mailbox>, enabled: Enabled, tells: Tells, out: &mut Vec<u8>) {
        let Some(newest) = mailbox.messages() else { return };
        // A version that was published once never changes.
        if tells == Tells::Nothing || (self.known.is(mailbox) && !self.expunges_wait) {
            return;
        }
        let found = difference(&self.known, newest);
        self.report_keywords(mailbox, out);
        if found.is_empty() {
            self.known = Known::published(mailbox);
            self.in_step = mailbox.record.highest_modseq;
            return;
        }
        if tells == Tells::NoExpunge && !found.expunged.is_empty() {
            // Numbers must not shift, so neither EXPUNGE nor what would come behind it is told; flags can be.
            let merged = merge_without_expunges(&self.known, newest);
            let changed = difference(&self.known, &merged).changed;
            self.known = Known::own(merged);
            self.report_flags(&changed, enabled, out);
            self.expunges_wait = true;
            self.report_in_step(enabled, out);
            return;
        }
        self.report_expunged(&found, enabled, out);
        self.known = Known::published(mailbox);
        if found.added > 0 {
            encode::encode_exists(out, self.known.len());
            self.take_recent(mailbox);
            if !enabled.rev2 {
                encode::encode_recent(out, self.recent_count());
            }
        }
        self.report_flags(&found.changed, enabled, out);
        self.in_step = mailbox.record.highest_modseq;
        if std::mem::take(&mut self.expunges_wait) {
            self.report_in_step(enabled, out);
        }
    }

    /// While VANISHED waits, a client that resynchronises must not take a later mod-sequence for the one up to which it
    /// knows everything (RFC 7162 §3.2 and §6).
    fn report_in_step(&self, enabled: Enabled, out: &mut Vec<u8>) {
        if enabled.qresync {
            let code = encode::Code::HighestModseq(self.in_step.0);
            encode::encode_status(out, None, encode::Status::Ok, Some(&code), "Up to here every change was told");
        }
    }

    /// Flags that are in use for the first time are announced before any message has them (RFC 9051 §7.3.5).
    pub(crate) fn report_keywords(&mut self, mailbox: &Mailbox, out: &mut Vec<u8>) {
        if self.keywords != mailbox.record.keywords {
            self.keywords = mailbox.record.keywords.clone();
            encode_flag_lists(&self.keywords, self.access, out);
        }
    }

    fn report_expunged(&self, found: &Difference, enabled: Enabled, out: &mut Vec<u8>) {
        if enabled.qresync {
            let uids: UidSet = found.expunged.iter().map(|&(_, uid)| uid).collect();
            encode::encode_vanished(out, Vanished::Now, uids.ranges());
            return;
        }
        // Each EXPUNGE shifts the numbers behind it (RFC 9051 §7.5.1).
        for (already, &(sequence, _)) in (0..).zip(&found.expunged) {
            encode::encode_expunge(out, sequence - already);
        }
    }

    fn report_flags(&self, sequences: &[u32], enabled: Enabled, out: &mut Vec<u8>) {
        for &sequence in sequences {
            if let Some(entry) = self.known.get(sequence) {
                self.report_entry(sequence, entry, enabled, out);
            }
        }
    }

    /// A FETCH response with a message's flags. The UID is always told: UID commands need it, RFC 9051 §7.5.2 asks
    /// for it, and no client minds.
    pub(crate) fn report_entry(&self, sequence: u32, entry: &Entry, enabled: Enabled, out: &mut Vec<u8>) {
        let mut writer = FetchWriter::begin(out, sequence);
        writer.uid(entry.uid.0).flag_list(b"");
        encode_flag_bits(writer.buffer(), &self.keywords, entry.flags, self.is_recent(entry.uid) && !enabled.rev2);
        if enabled.condstore {
            writer.modseq(entry.modseq.0);
        }
        writer.end();
    }

    /// Takes over the newest rows of some messages without telling of them: the caller does.
    pub(crate) fn adopt(&mut self, newest: &Snapshot, uids: &UidSet) {
        self.known.adopt(newest, uids);
    }
}

/// The untagged FLAGS and the PERMANENTFLAGS code.
pub(crate) fn encode_flag_lists(keywords: &KeywordTable, access: Access, out: &mut Vec<u8>) {
    let mut all = vec![Flag::Answered, Flag::Flagged, Flag::Deleted, Flag::Seen, Flag::Draft];
    all.extend(keywords.names().iter().map(|name| Flag::Keyword(name.clone())));
    encode::encode_flags(out, &all);
    let (flags, new_keywords, text) = match access {
        Access::ReadOnly => (Vec::new(), NewKeywords::Refused, "No changes can be made"),
        Access::ReadWrite if keywords.names().len() < KEYWORDS_MAX => {
            (all, NewKeywords::Allowed, "Flags can be changed")
        }
        Access::ReadWrite => (all, NewKeywords::Refused, "Flags can be changed; there is no room for new keywords"),
    };
    let code = encode::Code::PermanentFlags { flags, new_keywords };
    encode::encode_status(out, None, encode::Status::Ok, Some(&code), text);
}

/// The system flags, each with the space behind it.
const SYSTEM_FLAGS: [(FlagBits, &[u8]); 5] = [
    (FlagBits::ANSWERED, b"\\Answered "),
    (FlagBits::FLAGGED, b"\\Flagged "),
    (FlagBits::DELETED, b"\\Deleted "),
    (FlagBits::SEEN, b"\\Seen "),
    (FlagBits::DRAFT, b"\\Draft "),
];

/// Appends a message's flags as the protocol names them, in parentheses.
pub(crate) fn encode_flag_bits(out: &mut Vec<u8>, keywords: &KeywordTable, bits: FlagBits, recent: bool) {
    out.push(b'(');
    let start = out.len();
    if recent {
        out.extend_from_slice(b"\\Recent ");
    }
    let mut rest = bits;
    for (flag, name) in SYSTEM_FLAGS {
        if bits.contains(flag) {
            out.extend_from_slice(name);
            rest = rest.without(flag);
        }
    }
    if !rest.is_empty() {
        for name in rest.keyword_positions().filter_map(|position| keywords.names().get(position)) {
            out.extend_from_slice(name.as_bytes());
            out.push(b' ');
        }
    }
    if out.len() > start {
        out.pop();
    }
    out.push(b')');
}

/// Flags as the store names them. `\Recent` is not a client's to set and is passed over (RFC 3501 §2.3.2).
///
/// # Errors
/// A flag with a backslash that no document defines (RFC 9051 §2.3.2).
pub(crate) fn stored_flags(flags: &[Flag]) -> Result<Vec<postrider_store::Flag>, Failure> {
    flags
        .iter()
        .filter(|flag| **flag != Flag::Recent)
        .map(|flag| match flag {
            Flag::Answered => Ok(postrider_store::Flag::Answered),
            Flag::Flagged => Ok(postrider_store::Flag::Flagged),
            Flag::Deleted => Ok(postrider_store::Flag::Deleted),
            Flag::Seen => Ok(postrider_store::Flag::Seen),
            Flag::Draft => Ok(postrider_store::Flag::Draft),
            Flag::Keyword(name) => Ok(postrider_store::Flag::Keyword(name.clone())),
            Flag::Extension(name) => Err(Failure::bad(format!("There is no flag \\{name}"))),
            Flag::Recent => Err(Failure::bad("\\Recent cannot be set")),
        })
        .collect()
}

/// What the newest mailbox shows, or the end of the session if it was deleted under it.
pub(crate) async fn newest(account: &postrider_store::Account, id: MailboxId) -> Result<Arc<Mailbox>, Failure> {
    match account.mailbox_outline(id).await {
        Err(postrider_store::StoreError::NoMailbox) => Err(Failure::Bye("The selected mailbox was deleted".to_owned())),
        other => Ok(other?),
    }
}
