//! A search as a tree of tests, each of which answers yes, no or "show me more of the message".

use postrider_imap_proto::{
    command::{Flag, Numbering, SearchKey},
    set::SequenceSet,
};
use postrider_message::{DerivedView, Needle, Structure};
use postrider_store::{Entry, FlagBits, ModSeq, ThreadId, Uid, UidSet};

use crate::{
    answer::Failure,
    command::fetch::{email_id, thread_id},
    selected::Selected,
};

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// What the keys of a search refer to.
pub(super) struct Setting<'a> {
    pub(super) selected: &'a Selected,
    /// The present time, seconds since 1970 (UTC).
    pub(super) now: i64,
    /// Decodes a text from the charset of the command.
    pub(super) text: &'a (dyn Fn(&[u8]) -> Result<String, Failure> + Sync),
}

/// What is known of a message so far.
pub(super) struct Known<'a> {
    sequence: u32,
    entry: &'a Entry,
    recent: bool,
    view: Option<&'a DerivedView<'a>>,
    thread: Option<ThreadId>,
    header: Option<&'a [u8]>,
    raw: Option<(&'a [u8], &'a Structure)>,
}

impl<'a> Known<'a> {
    pub(super) fn row(sequence: u32, entry: &'a Entry, recent: bool) -> Self {
        Self { sequence, entry, recent, view: None, thread: None, header: None, raw: None }
    }

    pub(super) fn with(
        self,
        view: &'a DerivedView<'a>,
        thread: Option<ThreadId>,
        header: Option<&'a [u8]>,
        raw: Option<(&'a [u8], &'a Structure)>,
    ) -> Self {
        Self { view: Some(view), thread, header, raw, ..self }
    }
}

/// A search, understood.
pub(super) struct Program {
    tests: Vec<Test>,
    threads: bool,
}

enum Test {
    Always(bool),
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Sequence(UidSet),
    Uid(UidSet),
    Flags(FlagBits),
    Recent,
    Larger(u64),
    Smaller(u64),
    /// INTERNALDATE from (inclusive) and to (exclusive), seconds.
    Received(i64, i64),
    /// The same for the time it came into the mailbox.
    Saved(i64, i64),
    /// The day of the Date field, from and to (exclusive).
    Sent(i64, i64),
    ModSeq(ModSeq),
    EmailId(String),
    ThreadId(String),
    Header(String, Needle),
    Body(Needle),
    Text(Needle),
}

impl Program {
    /// # Errors
    /// A set with numbers that no message has, a text that is not in the charset.
    pub(super) fn new(keys: &[SearchKey], setting: &Setting<'_>) -> Result<Self, Failure> {
        let tests: Vec<Test> = keys.iter().map(|key| compile(key, setting)).collect::<Result<_, _>>()?;
        let threads = tests.iter().any(Test::needs_thread);
        Ok(Self { tests, threads })
    }

    pub(super) fn needs_threads(&self) -> bool {
        self.threads
    }

    /// Whether a message matches; `None` if that depends on what is not known of it yet.
    pub(super) fn test(&self, known: &Known<'_>) -> Option<bool> {
        all(&self.tests, known)
    }
}

fn compile(key: &SearchKey, setting: &Setting<'_>) -> Result<Test, Failure> {
    let needle = |text: &[u8]| (setting.text)(text).map(|text| Needle::new(&text));
    let day = |date: postrider_imap_proto::command::Date| date.unix_days.saturating_mul(DAY_SECONDS);
    Ok(match key {
        SearchKey::All | SearchKey::SaveDateSupported => Test::Always(true),
        SearchKey::And(keys) => Test::All(keys.iter().map(|key| compile(key, setting)).collect::<Result<_, _>>()?),
        SearchKey::Or(a, b) => Test::Any(vec![compile(a, setting)?, compile(b, setting)?]),
        SearchKey::Not(key) => Test::Not(Box::new(compile(key, setting)?)),
        SearchKey::Sequence(SequenceSet::Saved) => Test::Uid(setting.selected.saved.clone()),
        SearchKey::Sequence(set) => {
            // Validated as for every other command, then kept as numbers: no message needs to be looked up.
            setting.selected.resolve(set, Numbering::Sequence)?;
            Test::Sequence(UidSet::from_ranges(set.resolve(setting.selected.known.len()).unwrap_or_default()))
        }
        SearchKey::Uid(set) => Test::Uid(setting.selected.resolve(set, Numbering::Uid)?),
        SearchKey::Flag(flag) => flag_test(flag, setting),
        SearchKey::NotFlag(flag) => Test::Not(Box::new(flag_test(flag, setting))),
        SearchKey::New => Test::All(vec![Test::Recent, Test::Not(Box::new(Test::Flags(FlagBits::SEEN)))]),
        SearchKey::Old => Test::Not(Box::new(Test::Recent)),
        SearchKey::Header { field, text } => Test::Header(field.clone(), needle(text)?),
        SearchKey::Body(text) => Test::Body(needle(text)?),
        SearchKey::Text(text) => Test::Text(needle(text)?),
        SearchKey::Larger(bytes) => Test::Larger(*bytes),
        SearchKey::Smaller(bytes) => Test::Smaller(*bytes),
        SearchKey::Before(date) => Test::Received(i64::MIN, day(*date)),
        SearchKey::On(date) => Test::Received(day(*date), day(*date).saturating_add(DAY_SECONDS)),
        SearchKey::Since(date) => Test::Received(day(*date), i64::MAX),
        SearchKey::SavedBefore(date) => Test::Saved(i64::MIN, day(*date)),
        SearchKey::SavedOn(date) => Test::Saved(day(*date), day(*date).saturating_add(DAY_SECONDS)),
        SearchKey::SavedSince(date) => Test::Saved(day(*date), i64::MAX),
        SearchKey::SentBefore(date) => Test::Sent(i64::MIN, date.unix_days),
        SearchKey::SentOn(date) => Test::Sent(date.unix_days, date.unix_days.saturating_add(1)),
        SearchKey::SentSince(date) => Test::Sent(date.unix_days, i64::MAX),
        // RFC 5032 §2: YOUNGER is within the interval, OLDER is not.
        SearchKey::Older(seconds) => Test::Received(i64::MIN, (setting.now - i64::from(*seconds)).saturating_add(1)),
        SearchKey::Younger(seconds) => Test::Received(setting.now - i64::from(*seconds), i64::MAX),
        SearchKey::ModSeq(modseq) => Test::ModSeq(ModSeq(*modseq)),
        SearchKey::EmailId(id) => Test::EmailId(id.clone()),
        SearchKey::ThreadId(id) => Test::ThreadId(id.clone()),
    })
}

fn flag_test(flag: &Flag, setting: &Setting<'_>) -> Test {
    let stored = match flag {
        Flag::Recent => return Test::Recent,
        Flag::Answered => postrider_store::Flag::Answered,
        Flag::Flagged => postrider_store::Flag::Flagged,
        Flag::Deleted => postrider_store::Flag::Deleted,
        Flag::Seen => postrider_store::Flag::Seen,
        Flag::Draft => postrider_store::Flag::Draft,
        Flag::Keyword(name) => postrider_store::Flag::Keyword(name.clone()),
        Flag::Extension(_) => return Test::Always(false),
    };
    // A keyword the mailbox never saw is on no message.
    setting.selected.keywords.bits(&stored).map_or(Test::Always(false), Test::Flags)
}

impl Test {
    fn needs_thread(&self) -> bool {
        match self {
            Self::ThreadId(_) => true,
            Self::All(tests) | Self::Any(tests) => tests.iter().any(Self::needs_thread),
            Self::Not(test) => test.needs_thread(),
            _ => false,
        }
    }

    fn ask(&self, known: &Known<'_>) -> Option<bool> {
        let entry = known.entry;
        match self {
            Self::Always(answer) => Some(*answer),
            Self::All(tests) => all(tests, known),
            Self::Any(tests) => any(tests, known),
            Self::Not(test) => test.ask(known).map(|answer| !answer),
            Self::Sequence(set) => Some(set.contains(Uid(known.sequence))),
            Self::Uid(set) => Some(set.contains(entry.uid)),
            Self::Flags(bits) => Some(entry.flags.contains(*bits)),
            Self::Recent => Some(known.recent),
            Self::Larger(bytes) => Some(u64::from(entry.size) > *bytes),
            Self::Smaller(bytes) => Some(u64::from(entry.size) < *bytes),
            Self::Received(from, to) => Some((*from..*to).contains(&entry.received)),
            Self::Saved(from, to) => Some((*from..*to).contains(&entry.saved)),
            // A message without a readable Date counts by its arrival, as RFC 5256 §2.2 has it for sorting.
            Self::Sent(from, to) => known.view.map(|view| {
                let day = view.sent_day().unwrap_or_else(|| entry.received.div_euclid(DAY_SECONDS));
                (*from..*to).contains(&day)
            }),
            Self::ModSeq(modseq) => Some(entry.modseq >= *modseq),
            Self::EmailId(id) => Some(email_id(entry) == *id),
            Self::ThreadId(id) => known.view.map(|_| known.thread.is_some_and(|thread| thread_id(thread) == *id)),
            Self::Header(field, needle) => known.header.map(|header| needle.matches_header_field(header, field)),
            Self::Body(needle) => known.raw.map(|(raw, structure)| needle.matches_body(raw, structure)),
            Self::Text(needle) => known.raw.map(|(raw, structure)| needle.matches_text(raw, structure)),
        }
    }
}

/// One no is a no, whatever is not known yet. Cheap tests are asked as they stand: those that read more answer `None`.
fn all(tests: &[Test], known: &Known<'_>) -> Option<bool> {
    let mut answer = Some(true);
    for test in tests {
        match test.ask(known) {
            Some(false) => return Some(false),
            Some(true) => {}
            None => answer = None,
        }
    }
    answer
}

/// One yes is a yes.
fn any(tests: &[Test], known: &Known<'_>) -> Option<bool> {
    let mut answer = Some(false);
    for test in tests {
        match test.ask(known) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => answer = None,
        }
    }
    answer
}
