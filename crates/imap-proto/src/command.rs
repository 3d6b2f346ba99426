//! What a client can say: the commands of RFC 9051, RFC 3501 and the extensions we speak, as values.
//!
//! A value here is syntactically right and nothing more: whether the mailbox exists, the state allows the
//! command or the set names a message is the session's business. Mailbox names stay raw octets, because how
//! they decode (modified UTF-7 or UTF-8) depends on what the session has enabled.

use bytes::Bytes;

use crate::set::SequenceSet;

/// A tagged command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The client's tag, to be repeated in the tagged response.
    pub tag: String,
    /// What it asks for.
    pub body: CommandBody,
}

/// A mailbox name as it came over the wire: an astring, without its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawMailbox(pub Vec<u8>);

/// A secret that never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Whether numbers in a command, and in its answer, are UIDs or sequence numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// Message sequence numbers.
    Sequence,
    /// Unique identifiers (`UID FETCH` and its kin).
    Uid,
}

/// What ID tells: names and values, a value of `None` being `NIL`.
pub type IdPairs = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Every command, with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandBody {
    /// `CAPABILITY`
    Capability,
    /// `NOOP`
    Noop,
    /// `LOGOUT`
    Logout,
    /// `STARTTLS`
    StartTls,
    /// `AUTHENTICATE`, with the initial response of SASL-IR (RFC 4959) already decoded; `=` is an empty one.
    Authenticate {
        /// The mechanism's name, in capitals.
        mechanism: String,
        /// The initial response, if one was given.
        initial: Option<Secret>,
    },
    /// `LOGIN`
    Login {
        /// The user name.
        user: Vec<u8>,
        /// The password.
        password: Secret,
    },
    /// `UNAUTHENTICATE` (RFC 8437)
    Unauthenticate,
    /// `ID` (RFC 2971); `None` is `NIL`.
    Id(Option<IdPairs>),
    /// `ENABLE` (RFC 5161), capability names in capitals.
    Enable(Vec<String>),
    /// `SELECT`
    Select(Select),
    /// `EXAMINE`
    Examine(Select),
    /// `CREATE`, with the special uses of RFC 6154 §3 (as written, `\` included).
    Create {
        /// The new mailbox; a trailing separator is kept.
        mailbox: RawMailbox,
        /// The `USE` attributes.
        special_use: Vec<String>,
    },
    /// `DELETE`
    Delete(RawMailbox),
    /// `RENAME`
    Rename {
        /// The present name.
        from: RawMailbox,
        /// The wanted name.
        to: RawMailbox,
    },
    /// `SUBSCRIBE`
    Subscribe(RawMailbox),
    /// `UNSUBSCRIBE`
    Unsubscribe(RawMailbox),
    /// `LIST`, basic and extended (RFC 5258, RFC 5819, RFC 6154)
    List(List),
    /// `LSUB` (RFC 3501)
    Lsub {
        /// The reference name.
        reference: RawMailbox,
        /// The pattern.
        pattern: RawMailbox,
    },
    /// `NAMESPACE`
    Namespace,
    /// `STATUS`
    Status {
        /// The mailbox.
        mailbox: RawMailbox,
        /// What is asked of it.
        items: Vec<StatusItem>,
    },
    /// `APPEND`, one or several messages (RFC 3502)
    Append {
        /// The mailbox.
        mailbox: RawMailbox,
        /// The messages, at least one.
        messages: Vec<AppendMessage>,
    },
    /// `IDLE`; the line `DONE` that ends it is not a command.
    Idle,
    /// `CHECK` (RFC 3501)
    Check,
    /// `CLOSE`
    Close,
    /// `UNSELECT`
    Unselect,
    /// `EXPUNGE`, or `UID EXPUNGE` with its set
    Expunge(Option<SequenceSet>),
    /// `SEARCH`
    Search(Search),
    /// `SORT` (RFC 5256)
    Sort(Sort),
    /// `THREAD` (RFC 5256)
    Thread(Thread),
    /// `FETCH`
    Fetch(Fetch),
    /// `STORE`
    Store(Store),
    /// `COPY`
    Copy(Copy),
    /// `MOVE` (RFC 6851)
    Move(Copy),
}

/// Arguments of `SELECT` and `EXAMINE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// The mailbox.
    pub mailbox: RawMailbox,
    /// `(CONDSTORE)` was given (RFC 7162 §3.1.8).
    pub condstore: bool,
    /// `(QRESYNC (…))` was given (RFC 7162 §3.2.5).
    pub qresync: Option<Qresync>,
}

/// What a client that resynchronises remembers (RFC 7162 §3.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qresync {
    /// The UIDVALIDITY it knows.
    pub uid_validity: u32,
    /// The mod-sequence up to which it knows all.
    pub modseq: u64,
    /// The UIDs it knows, if it tells.
    pub known_uids: Option<SequenceSet>,
    /// Sequence numbers and their UIDs, to shorten the answer (§3.2.5.2).
    pub sequence_match: Option<(SequenceSet, SequenceSet)>,
}

/// Arguments of `LIST`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    /// Selection options in parentheses before the reference; their presence makes the command extended.
    pub selection: ListSelection,
    /// The reference name.
    pub reference: Vec<u8>,
    /// One pattern, or several in parentheses.
    pub patterns: Vec<Vec<u8>>,
    /// Return options.
    pub returns: ListReturn,
    /// Whether the extended syntax was used at all: then an empty pattern is not the question for the separator.
    pub extended: bool,
}

/// Selection options of LIST (RFC 5258 §3.1, RFC 6154 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListSelection {
    /// `SUBSCRIBED`
    pub subscribed: bool,
    /// `REMOTE`
    pub remote: bool,
    /// `RECURSIVEMATCH`
    pub recursive_match: bool,
    /// `SPECIAL-USE`
    pub special_use: bool,
}

/// Return options of LIST (RFC 5258 §3.2, RFC 5819, RFC 6154).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListReturn {
    /// `SUBSCRIBED`
    pub subscribed: bool,
    /// `CHILDREN`
    pub children: bool,
    /// `SPECIAL-USE`
    pub special_use: bool,
    /// `STATUS (…)`
    pub status: Option<Vec<StatusItem>>,
}

/// What STATUS can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusItem {
    /// `MESSAGES`
    Messages,
    /// `RECENT` (RFC 3501)
    Recent,
    /// `UIDNEXT`
    UidNext,
    /// `UIDVALIDITY`
    UidValidity,
    /// `UNSEEN`
    Unseen,
    /// `DELETED` (RFC 9051)
    Deleted,
    /// `SIZE` (RFC 8438)
    Size,
    /// `HIGHESTMODSEQ` (RFC 7162)
    HighestModseq,
    /// `APPENDLIMIT` (RFC 7889)
    AppendLimit,
    /// `MAILBOXID` (RFC 8474)
    MailboxId,
}

/// One message of an APPEND.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendMessage {
    /// Flags to set.
    pub flags: Vec<Flag>,
    /// The internal date, if one was given.
    pub internal_date: Option<DateTime>,
    /// The message itself; a slice of the command's buffer, not a copy.
    pub content: Bytes,
    /// The message came in a `literal8` (`~{…}`, RFC 3516 §4.4).
    pub binary: bool,
    /// The message came in `UTF8 (~{…})` (RFC 9755 §4).
    pub utf8: bool,
}

/// A flag or keyword.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flag {
    /// `\Answered`
    Answered,
    /// `\Flagged`
    Flagged,
    /// `\Deleted`
    Deleted,
    /// `\Seen`
    Seen,
    /// `\Draft`
    Draft,
    /// `\Recent`, which a client may not set
    Recent,
    /// A keyword, as written.
    Keyword(String),
    /// Another `\flag`, which no server may invent a meaning for; kept as written, without the `\`.
    Extension(String),
}

/// A date and time with its zone, as INTERNALDATE has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    /// Seconds since 1970-01-01 00:00:00 UTC.
    pub unix_seconds: i64,
    /// The zone, in minutes east of UTC.
    pub zone_minutes: i16,
}

/// A date without time or zone, as SEARCH has it: days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// Days since 1970-01-01.
    pub unix_days: i64,
}

/// Arguments of `SEARCH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// What the numbers in the answer are.
    pub numbering: Numbering,
    /// `RETURN (…)`; `None` where the word was not given. `RETURN ()` means ALL (RFC 4731 §3.1).
    pub returns: Option<SearchReturn>,
    /// `CHARSET …`, in capitals; SORT and THREAD always have one.
    pub charset: Option<String>,
    /// The keys, all of which must match.
    pub keys: Vec<SearchKey>,
}

/// Result options of SEARCH (RFC 4731, RFC 5182).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SearchReturn {
    /// `MIN`
    pub min: bool,
    /// `MAX`
    pub max: bool,
    /// `ALL`; also set for an empty list
    pub all: bool,
    /// `COUNT`
    pub count: bool,
    /// `SAVE`
    pub save: bool,
}

/// A search key. Texts are in the charset of the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchKey {
    /// `ALL`
    All,
    /// All of them.
    And(Vec<SearchKey>),
    /// `OR`
    Or(Box<SearchKey>, Box<SearchKey>),
    /// `NOT`
    Not(Box<SearchKey>),
    /// A set of sequence numbers.
    Sequence(SequenceSet),
    /// `UID` and a set.
    Uid(SequenceSet),
    /// A flag that is set (`SEEN`, `KEYWORD x`, …)
    Flag(Flag),
    /// A flag that is not set (`UNSEEN`, `UNKEYWORD x`, …)
    NotFlag(Flag),
    /// `NEW`: recent and not seen
    New,
    /// `OLD`: not recent
    Old,
    /// `BCC`, `CC`, `FROM`, `SUBJECT`, `TO` and `HEADER`: a field's name and a text
    Header {
        /// The field's name, as written.
        field: String,
        /// The text; an empty one asks only for the field's presence.
        text: Vec<u8>,
    },
    /// `BODY`
    Body(Vec<u8>),
    /// `TEXT`
    Text(Vec<u8>),
    /// `LARGER`
    Larger(u64),
    /// `SMALLER`
    Smaller(u64),
    /// `BEFORE` (internal date)
    Before(Date),
    /// `ON`
    On(Date),
    /// `SINCE`
    Since(Date),
    /// `SENTBEFORE` (Date field)
    SentBefore(Date),
    /// `SENTON`
    SentOn(Date),
    /// `SENTSINCE`
    SentSince(Date),
    /// `SAVEDBEFORE` (RFC 8514)
    SavedBefore(Date),
    /// `SAVEDON`
    SavedOn(Date),
    /// `SAVEDSINCE`
    SavedSince(Date),
    /// `SAVEDATESUPPORTED`
    SaveDateSupported,
    /// `OLDER`: seconds (RFC 5032)
    Older(u32),
    /// `YOUNGER`: seconds
    Younger(u32),
    /// `MODSEQ`; the entry name, if any, is checked for syntax and has no effect (RFC 7162 §3.1.5)
    ModSeq(u64),
    /// `EMAILID` (RFC 8474)
    EmailId(String),
    /// `THREADID`
    ThreadId(String),
}

/// Arguments of `SORT`: a search whose result has an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// What to sort by, the most important first; at least one.
    pub criteria: Vec<SortCriterion>,
    /// What to sort.
    pub search: Search,
}

/// One thing that messages are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortCriterion {
    /// What is compared.
    pub key: SortKey,
    /// Which end comes first.
    pub direction: SortDirection,
}

/// The order of one criterion; messages that are equal in all stay in the mailbox's order (RFC 5256 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortDirection {
    /// The smaller first.
    Ascending,
    /// The larger first: `REVERSE`.
    Descending,
}

/// What SORT compares (RFC 5256 §3, RFC 5957 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// `ARRIVAL`: INTERNALDATE
    Arrival,
    /// `CC`: the mailbox of the first address
    Cc,
    /// `DATE`: the Date field in UTC
    Date,
    /// `DISPLAYFROM`: the name of the first address
    DisplayFrom,
    /// `DISPLAYTO`
    DisplayTo,
    /// `FROM`
    From,
    /// `SIZE`
    Size,
    /// `SUBJECT`: the base subject
    Subject,
    /// `TO`
    To,
}

/// Arguments of `THREAD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// How messages are put together.
    pub algorithm: ThreadAlgorithm,
    /// What to thread; it has no result options.
    pub search: Search,
}

/// The algorithms of RFC 5256 §3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadAlgorithm {
    /// `ORDEREDSUBJECT`
    OrderedSubject,
    /// `REFERENCES`
    References,
}

/// Arguments of `FETCH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// What the set's numbers are.
    pub numbering: Numbering,
    /// The messages.
    pub set: SequenceSet,
    /// What to tell of each, macros expanded.
    pub attributes: Vec<FetchAttribute>,
    /// `CHANGEDSINCE` (RFC 7162 §3.1.4.1)
    pub changed_since: Option<u64>,
    /// `VANISHED` (RFC 7162 §3.2.6)
    pub vanished: bool,
}

/// What FETCH can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchAttribute {
    /// `FLAGS`
    Flags,
    /// `UID`
    Uid,
    /// `INTERNALDATE`
    InternalDate,
    /// `ENVELOPE`
    Envelope,
    /// `BODY` without section: the structure without extension data
    Body,
    /// `BODYSTRUCTURE`
    BodyStructure,
    /// `RFC822.SIZE`
    Rfc822Size,
    /// `RFC822` (RFC 3501): like `BODY[]`, but named so in the answer
    Rfc822,
    /// `RFC822.HEADER`: like `BODY.PEEK[HEADER]`
    Rfc822Header,
    /// `RFC822.TEXT`: like `BODY[TEXT]`
    Rfc822Text,
    /// `BODY[…]<…>` and `BODY.PEEK[…]<…>`
    Section {
        /// Which part.
        section: Section,
        /// `<first.count>`
        partial: Option<Partial>,
        /// Does not set `\Seen`.
        peek: bool,
    },
    /// `BINARY[…]<…>` and `BINARY.PEEK[…]<…>` (RFC 3516)
    Binary {
        /// The part's numbers; empty is the whole message.
        part: Vec<u32>,
        /// `<first.count>`
        partial: Option<Partial>,
        /// Does not set `\Seen`.
        peek: bool,
    },
    /// `BINARY.SIZE[…]`
    BinarySize(Vec<u32>),
    /// `MODSEQ` (RFC 7162)
    ModSeq,
    /// `EMAILID` (RFC 8474)
    EmailId,
    /// `THREADID`
    ThreadId,
    /// `SAVEDATE` (RFC 8514)
    SaveDate,
    /// `PREVIEW` and `PREVIEW (LAZY)` (RFC 8970)
    Preview {
        /// `LAZY` was given.
        lazy: bool,
    },
}

/// A piece of a fetched string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partial {
    /// The first octet, from 0.
    pub offset: u64,
    /// How many octets at most.
    pub length: u64,
}

/// What stands between the brackets of `BODY[…]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The part's numbers; empty is the message itself.
    pub part: Vec<u32>,
    /// What of the part.
    pub text: SectionText,
}

/// What of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SectionText {
    /// All: `BODY[]`, `BODY[1.2]`
    All,
    /// `HEADER`
    Header,
    /// `HEADER.FIELDS (…)`, names as written
    HeaderFields(Vec<Vec<u8>>),
    /// `HEADER.FIELDS.NOT (…)`
    HeaderFieldsNot(Vec<Vec<u8>>),
    /// `TEXT`
    Text,
    /// `MIME`; only after a part number
    Mime,
}

/// Arguments of `STORE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// What the set's numbers are.
    pub numbering: Numbering,
    /// The messages.
    pub set: SequenceSet,
    /// `UNCHANGEDSINCE` (RFC 7162 §3.1.3)
    pub unchanged_since: Option<u64>,
    /// What to do with the flags.
    pub mode: StoreMode,
    /// `.SILENT` was given.
    pub silent: bool,
    /// The flags.
    pub flags: Vec<Flag>,
}

/// What STORE does with its flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreMode {
    /// `FLAGS`
    Replace,
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
}

/// Arguments of `COPY` and `MOVE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// What the set's numbers are.
    pub numbering: Numbering,
    /// The messages.
    pub set: SequenceSet,
    /// Where to.
    pub mailbox: RawMailbox,
}
