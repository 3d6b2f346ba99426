//! A search as a tree of tests. A test answers for many messages at once, or for one of which more is known.

use postrider_imap_proto::{
    command::{Flag, Numbering, SearchKey},
    set::SequenceSet,
};
use postrider_message::{Needle, SearchScope};
use postrider_store::{Entry, FlagBits, ModSeq, Uid, UidSet};

use super::{
    question::{HeaderQuestion, Question},
    rows::{Group, Rows, Verdict},
};
use crate::{answer::Failure, command::fetch::email_id, selected::Selected};

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// What the keys of a search refer to.
pub(super) struct Setting<'a> {
    pub(super) selected: &'a Selected,
    /// The present time, seconds since 1970 (UTC).
    pub(super) now: i64,
    /// Decodes a text from the charset of the command.
    pub(super) text: &'a (dyn Fn(&[u8]) -> Result<String, Failure> + Sync),
}

/// Answers to the questions of a program about one message, by their numbers; `None` is not known yet.
pub(super) type Answers = Vec<Option<bool>>;

/// A search, understood.
pub(super) struct Program {
    test: Test,
    questions: Vec<Question>,
}

#[cfg_attr(test, derive(Debug, Clone))]
enum Test {
    Always(bool),
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Row(RowTest),
    /// The question of that number.
    Ask(usize),
}

/// A test that the snapshot answers.
#[cfg_attr(test, derive(Debug, Clone))]
enum RowTest {
    Sequence(UidSet),
    Uid(UidSet),
    Flags(FlagBits),
    Larger(u64),
    Smaller(u64),
    /// INTERNALDATE from (inclusive) and to (exclusive), seconds.
    Received(i64, i64),
    /// The same for the time it came into the mailbox.
    Saved(i64, i64),
    ModSeq(ModSeq),
    EmailId(String),
}

impl Program {
    /// # Errors
    /// A set with numbers that no message has, a text that is not in the charset.
    pub(super) fn new(keys: &[SearchKey], setting: &Setting<'_>) -> Result<Self, Failure> {
        let mut compiler = Compiler { setting, questions: Vec::new() };
        let test = compiler.all(keys)?;
        Ok(Self { test, questions: compiler.questions })
    }

    pub(super) fn questions(&self) -> &[Question] {
        &self.questions
    }

    pub(super) fn needs_threads(&self) -> bool {
        self.questions.iter().any(|question| matches!(question, Question::ThreadId(_)))
    }

    /// Whether digests decide any of it.
    pub(super) fn is_digested(&self) -> bool {
        self.questions.iter().any(Question::is_digested)
    }

    /// What the text of a message is read for; `None` where it is not.
    pub(super) fn scope(&self) -> Option<SearchScope> {
        let scopes = self.questions.iter().filter_map(|question| match question {
            Question::Text(scope, _) => Some(*scope),
            _ => None,
        });
        scopes.reduce(|a, b| if a == SearchScope::Text { a } else { b })
    }

    /// Tests the messages of a group, as far as snapshot and digest tell.
    pub(super) fn test(&self, group: &Group<'_>) -> Verdict {
        self.test.test(&self.questions, group, Rows::first(group.rows.len()))
    }

    /// Whether a message matches; `None` if that depends on questions that are not answered yet.
    pub(super) fn decide(&self, sequence: u32, entry: &Entry, answers: &[Option<bool>]) -> Option<bool> {
        self.test.decide(sequence, entry, answers)
    }
}

struct Compiler<'a> {
    setting: &'a Setting<'a>,
    questions: Vec<Question>,
}

impl Compiler<'_> {
    fn all(&mut self, keys: &[SearchKey]) -> Result<Test, Failure> {
        let mut tests: Vec<Test> = keys.iter().map(|key| self.compile(key)).collect::<Result<_, _>>()?;
        tests.sort_by_key(Test::cost);
        Ok(Test::All(tests))
    }

    fn ask(&mut self, question: Question) -> Test {
        self.questions.push(question);
        Test::Ask(self.questions.len() - 1)
    }

    fn compile(&mut self, key: &SearchKey) -> Result<Test, Failure> {
        let setting = self.setting;
        let needle = |text: &[u8]| (setting.text)(text).map(|text| Needle::new(&text));
        let day = |date: postrider_imap_proto::command::Date| date.unix_days.saturating_mul(DAY_SECONDS);
        Ok(Test::Row(match key {
            SearchKey::All | SearchKey::SaveDateSupported => return Ok(Test::Always(true)),
            SearchKey::And(keys) => return self.all(keys),
            SearchKey::Or(a, b) => {
                let mut tests = vec![self.compile(a)?, self.compile(b)?];
                tests.sort_by_key(Test::cost);
                return Ok(Test::Any(tests));
            }
            SearchKey::Not(key) => return Ok(Test::Not(Box::new(self.compile(key)?))),
            SearchKey::Sequence(SequenceSet::Saved) => RowTest::Uid(setting.selected.saved.clone()),
            SearchKey::Sequence(set) => {
                // Validated as for every other command, then kept as numbers: no message needs to be looked up.
                setting.selected.resolve(set, Numbering::Sequence)?;
                RowTest::Sequence(UidSet::from_ranges(set.resolve(setting.selected.known.len()).unwrap_or_default()))
            }
            SearchKey::Uid(set) => RowTest::Uid(setting.selected.resolve(set, Numbering::Uid)?),
            SearchKey::Flag(flag) => return Ok(flag_test(flag, setting)),
            SearchKey::NotFlag(flag) => return Ok(Test::Not(Box::new(flag_test(flag, setting)))),
            SearchKey::New => {
                let seen = Test::Row(RowTest::Flags(FlagBits::SEEN));
                return Ok(Test::All(vec![recent(setting), Test::Not(Box::new(seen))]));
            }
            SearchKey::Old => return Ok(Test::Not(Box::new(recent(setting)))),
            SearchKey::Header { field, text } => {
                return Ok(self.ask(Question::Header(HeaderQuestion::new(field, needle(text)?))));
            }
            SearchKey::Body(text) => return Ok(self.ask(Question::Text(SearchScope::Body, needle(text)?))),
            SearchKey::Text(text) => return Ok(self.ask(Question::Text(SearchScope::Text, needle(text)?))),
            SearchKey::Larger(bytes) => RowTest::Larger(*bytes),
            SearchKey::Smaller(bytes) => RowTest::Smaller(*bytes),
            SearchKey::Before(date) => RowTest::Received(i64::MIN, day(*date)),
            SearchKey::On(date) => RowTest::Received(day(*date), day(*date).saturating_add(DAY_SECONDS)),
            SearchKey::Since(date) => RowTest::Received(day(*date), i64::MAX),
            SearchKey::SavedBefore(date) => RowTest::Saved(i64::MIN, day(*date)),
            SearchKey::SavedOn(date) => RowTest::Saved(day(*date), day(*date).saturating_add(DAY_SECONDS)),
            SearchKey::SavedSince(date) => RowTest::Saved(day(*date), i64::MAX),
            SearchKey::SentBefore(date) => return Ok(self.ask(Question::Sent(i64::MIN, date.unix_days))),
            SearchKey::SentOn(date) => {
                return Ok(self.ask(Question::Sent(date.unix_days, date.unix_days.saturating_add(1))));
            }
            SearchKey::SentSince(date) => return Ok(self.ask(Question::Sent(date.unix_days, i64::MAX))),
            // RFC 5032 §2: YOUNGER is within the interval, OLDER is not.
            SearchKey::Older(seconds) => {
                RowTest::Received(i64::MIN, (setting.now - i64::from(*seconds)).saturating_add(1))
            }
            SearchKey::Younger(seconds) => RowTest::Received(setting.now - i64::from(*seconds), i64::MAX),
            SearchKey::ModSeq(modseq) => RowTest::ModSeq(ModSeq(*modseq)),
            SearchKey::EmailId(id) => RowTest::EmailId(id.clone()),
            SearchKey::ThreadId(id) => return Ok(self.ask(Question::ThreadId(id.clone()))),
        }))
    }
}

fn flag_test(flag: &Flag, setting: &Setting<'_>) -> Test {
    let stored = match flag {
        Flag::Recent => return recent(setting),
        Flag::Answered => postrider_store::Flag::Answered,
        Flag::Flagged => postrider_store::Flag::Flagged,
        Flag::Deleted => postrider_store::Flag::Deleted,
        Flag::Seen => postrider_store::Flag::Seen,
        Flag::Draft => postrider_store::Flag::Draft,
        Flag::Keyword(name) => postrider_store::Flag::Keyword(name.clone()),
        Flag::Extension(_) => return Test::Always(false),
    };
    // A keyword the mailbox never saw is on no message.
    let bits = setting.selected.keywords.bits(&stored);
    bits.map_or(Test::Always(false), |bits| Test::Row(RowTest::Flags(bits)))
}

fn recent(setting: &Setting<'_>) -> Test {
    let selected = setting.selected;
    let recent = selected.known.iter().map(|entry| entry.uid).filter(|uid| selected.is_recent(*uid));
    Test::Row(RowTest::Uid(recent.collect()))
}

impl Test {
    /// The order in which tests are asked: those that decide without reading come first.
    fn cost(&self) -> u32 {
        match self {
            Self::Always(_) | Self::Row(_) => 0,
            Self::Ask(_) => 1,
            Self::All(tests) | Self::Any(tests) => tests.iter().map(Self::cost).max().unwrap_or(0),
            Self::Not(test) => test.cost(),
        }
    }

    /// Tests those of `among`; the verdict says nothing of others.
    fn test(&self, questions: &[Question], group: &Group<'_>, among: Rows) -> Verdict {
        match self {
            Self::Always(true) => Verdict::known(among),
            Self::Always(false) => Verdict::known(Rows::NONE),
            Self::All(tests) => {
                // One no is a no, whatever is not known yet.
                let (mut left, mut open) = (among, Rows::NONE);
                for test in tests {
                    let verdict = test.test(questions, group, left);
                    left = verdict.yes.or(verdict.open);
                    open = open.or(verdict.open);
                    if left.is_empty() {
                        break;
                    }
                }
                Verdict { yes: left.without(open), open: left.and(open) }
            }
            Self::Any(tests) => {
                // One yes is a yes.
                let (mut left, mut open) = (among, Rows::NONE);
                for test in tests {
                    let verdict = test.test(questions, group, left);
                    left = left.without(verdict.yes);
                    open = open.or(verdict.open);
                }
                Verdict { yes: among.without(left), open: left.and(open) }
            }
            Self::Not(test) => {
                let Verdict { yes, open } = test.test(questions, group, among);
                Verdict { yes: among.without(yes).without(open), open }
            }
            Self::Row(test) => Verdict::known(test.select(group, among)),
            Self::Ask(number) => {
                questions.get(*number).map_or(Verdict::open(among), |question| question.in_digest(group, among))
            }
        }
    }

    fn decide(&self, sequence: u32, entry: &Entry, answers: &[Option<bool>]) -> Option<bool> {
        let decided = |test: &Self| test.decide(sequence, entry, answers);
        match self {
            Self::Always(answer) => Some(*answer),
            Self::All(tests) => joined(tests.iter().map(decided), false),
            Self::Any(tests) => joined(tests.iter().map(decided), true),
            Self::Not(test) => decided(test).map(|answer| !answer),
            Self::Row(test) => Some(test.is_met(sequence, entry)),
            Self::Ask(number) => answers.get(*number).copied().flatten(),
        }
    }
}

/// One answer that is `decisive` decides; without it all have to be known.
fn joined(answers: impl Iterator<Item = Option<bool>>, decisive: bool) -> Option<bool> {
    let mut joined = Some(!decisive);
    for answer in answers {
        match answer {
            Some(answer) if answer == decisive => return Some(decisive),
            Some(_) => {}
            None => joined = None,
        }
    }
    joined
}

impl RowTest {
    fn select(&self, group: &Group<'_>, among: Rows) -> Rows {
        // The commonest ones have loops of their own.
        match self {
            Self::Flags(bits) => group.select(among, |_, entry| entry.flags.contains(*bits)),
            Self::Larger(bytes) => group.select(among, |_, entry| u64::from(entry.size) > *bytes),
            Self::Received(from, to) => group.select(among, |_, entry| (*from..*to).contains(&entry.received)),
            test => group.select(among, |sequence, entry| test.is_met(sequence, entry)),
        }
    }

    fn is_met(&self, sequence: u32, entry: &Entry) -> bool {
        match self {
            Self::Sequence(set) => set.contains(Uid(sequence)),
            Self::Uid(set) => set.contains(entry.uid),
            Self::Flags(bits) => entry.flags.contains(*bits),
            Self::Larger(bytes) => u64::from(entry.size) > *bytes,
            Self::Smaller(bytes) => u64::from(entry.size) < *bytes,
            Self::Received(from, to) => (*from..*to).contains(&entry.received),
            Self::Saved(from, to) => (*from..*to).contains(&entry.saved),
            Self::ModSeq(modseq) => entry.modseq >= *modseq,
            Self::EmailId(id) => email_id(entry) == *id,
        }
    }
}

#[cfg(test)]
mod tests {
    use postrider_store::{BlobId, EmailId};
    use proptest::prelude::*;

    use super::*;

    fn entry(uid: u32) -> Entry {
        Entry {
            uid: Uid(uid),
            size: uid % 7,
            flags: if uid.is_multiple_of(3) { FlagBits::SEEN } else { FlagBits::default() },
            modseq: ModSeq(uid.into()),
            email: EmailId(uid.into()),
            blob: BlobId(uid.into()),
            received: i64::from(uid % 11),
            saved: 0,
            ends_with_crlf: true,
        }
    }

    fn tree() -> impl Strategy<Value = Test> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Test::Always),
            (0usize..3).prop_map(Test::Ask),
            (1u32..300, 0u32..100)
                .prop_map(|(low, length)| Test::Row(RowTest::Sequence(UidSet::from_ranges(vec![(low, low + length)])))),
            (0u64..7).prop_map(|bytes| Test::Row(RowTest::Larger(bytes))),
            (0i64..11).prop_map(|from| Test::Row(RowTest::Received(from, i64::MAX))),
            Just(()).prop_map(|()| Test::Row(RowTest::Flags(FlagBits::SEEN))),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Test::All),
                prop::collection::vec(inner.clone(), 0..4).prop_map(Test::Any),
                inner.prop_map(|test| Test::Not(Box::new(test))),
            ]
        })
    }

    proptest! {
        #[test]
        fn many_messages_are_decided_as_each_is(test in tree(), count in 0usize..=256) {
            let entries: Vec<Entry> = (1..=count as u32).map(entry).collect();
            let rows: Vec<_> = (1..).zip(&entries).collect();
            let questions = (0..3).map(|_| Question::Sent(0, 0)).collect();
            let program = Program { test, questions };
            let verdict = program.test(&Group { rows: &rows, digest: None });
            for (row, (sequence, entry)) in rows.iter().enumerate() {
                let expected = program.decide(*sequence, entry, &[None; 3]);
                let found = match (verdict.yes.iter().any(|yes| yes == row), verdict.open.iter().any(|open| open == row)) {
                    (true, false) => Some(true),
                    (false, false) => Some(false),
                    (false, true) => None,
                    (true, true) => return Err(TestCaseError::fail("a row that is open matches")),
                };
                prop_assert_eq!(found, expected);
            }
        }
    }
}
