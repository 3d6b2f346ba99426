//! Commands as they stand on the wire, and read again by our own server's grammar.

use std::num::NonZeroU32;

use super::*;
use crate::command::*;
use crate::parse_command;
use crate::set::{Bound, SequenceSet};
use proptest::prelude::*;

const SYNCHRONISING: Dialect = Dialect {
    literals: LiteralSupport::Synchronising,
    initial_response: InitialResponse::AfterContinuation,
    names: NameEncoding::ModifiedUtf7,
};
const MODERN: Dialect = Dialect {
    literals: LiteralSupport::NonSynchronising,
    initial_response: InitialResponse::WithCommand,
    names: NameEncoding::Utf8,
};

/// The steps as text; `…` is a wait, `<n>` a message to be sent.
fn written(command: impl Into<ClientCommand>, dialect: &Dialect) -> String {
    let steps = encode_client_command("a", &command.into(), dialect).unwrap();
    assert!(matches!(steps.first(), Some(Step::Write(_))));
    let text = |step: &Step| match step {
        Step::Write(octets) => String::from_utf8_lossy(octets).into_owned(),
        Step::AwaitContinuation => String::from("…"),
        Step::Message { length, .. } => format!("<{length}>"),
    };
    steps.iter().map(text).collect()
}

fn refused(command: impl Into<ClientCommand>) -> EncodeError {
    encode_client_command("a", &command.into(), &MODERN).unwrap_err()
}

fn set(ranges: &[(u32, u32)]) -> SequenceSet {
    let bound = |number| NonZeroU32::new(number).map_or(Bound::Last, Bound::Number);
    SequenceSet::Ranges(ranges.iter().map(|&(first, last)| (bound(first), bound(last))).collect())
}

fn mailbox(name: &str) -> RawMailbox {
    RawMailbox(name.as_bytes().to_vec())
}

fn section(part: &[u32], text: SectionText) -> FetchAttribute {
    FetchAttribute::Section { section: Section { part: part.to_vec(), text }, partial: None, peek: true }
}

fn fetch(attributes: Vec<FetchAttribute>) -> Fetch {
    Fetch { numbering: Numbering::Uid, set: set(&[(1, 3), (7, 0)]), attributes, changed_since: None, vanished: false }
}

fn date() -> DateTime {
    DateTime { unix_seconds: 762_112_345, zone_minutes: -480 }
}

/// Every kind of command with what it looks like in the modern dialect.
fn table() -> Vec<(CommandBody, &'static str)> {
    use CommandBody::*;
    let select = |condstore, qresync| crate::command::Select { mailbox: mailbox("INBOX"), condstore, qresync };
    let qresync = Qresync {
        uid_validity: 67_890_007,
        modseq: 90_060_115_194_045_000,
        known_uids: Some(set(&[(41, 211), (214, 541)])),
        sequence_match: Some((set(&[(1, 1), (3, 3)]), set(&[(5, 5), (9, 9)]))),
    };
    let list = |returns, extended| crate::command::List {
        patterns: vec![b"*".to_vec()],
        returns,
        extended,
        ..Default::default()
    };
    let returns = ListReturn {
        special_use: true,
        status: Some(vec![StatusItem::UidValidity, StatusItem::HighestModseq]),
        ..Default::default()
    };
    let status = vec![StatusItem::Messages, StatusItem::Size, StatusItem::MailboxId, StatusItem::Deleted];
    let changed =
        crate::command::Fetch { changed_since: Some(5), vanished: true, ..fetch(vec![FetchAttribute::Flags]) };
    let partial = FetchAttribute::Section {
        section: Section { part: vec![1, 2], text: SectionText::Mime },
        partial: Some(Partial { offset: 0, length: 65536 }),
        peek: true,
    };
    let fields = section(&[], SectionText::HeaderFields(vec![b"Message-ID".to_vec(), b"a b".to_vec()]));
    let binary = FetchAttribute::Binary { part: vec![2], partial: None, peek: true };
    let attributes = vec![FetchAttribute::Uid, section(&[], SectionText::All), partial, fields, binary];
    let store = |mode, silent, unchanged_since, flags| crate::command::Store {
        numbering: Numbering::Uid,
        set: set(&[(4, 4)]),
        unchanged_since,
        mode,
        silent,
        flags,
    };
    let copy =
        || crate::command::Copy { numbering: Numbering::Uid, set: set(&[(2, 4)]), mailbox: mailbox("Entwürfe") };
    let append = AppendMessage {
        flags: vec![Flag::Seen, Flag::Keyword(String::from("$Forwarded"))],
        internal_date: Some(date()),
        content: Bytes::from_static(b"A: b\r\n\r\nc"),
        binary: false,
        utf8: false,
    };
    let append_utf8 = AppendMessage { flags: vec![], internal_date: None, binary: true, utf8: true, ..append.clone() };
    vec![
        (Capability, "CAPABILITY"),
        (StartTls, "STARTTLS"),
        (Login { user: b"joe".to_vec(), password: Secret(b"p\"w\\".to_vec()) }, r#"LOGIN "joe" "p\"w\\""#),
        (
            Authenticate { mechanism: String::from("EXTERNAL"), initial: Some(Secret(vec![])) },
            "AUTHENTICATE EXTERNAL =",
        ),
        (
            Authenticate { mechanism: String::from("PLAIN"), initial: Some(Secret(b"\0a\0b".to_vec())) },
            "AUTHENTICATE PLAIN AGEAYg==",
        ),
        (Authenticate { mechanism: String::from("SCRAM-SHA-256"), initial: None }, "AUTHENTICATE SCRAM-SHA-256"),
        (Enable(vec![String::from("QRESYNC"), String::from("UTF8=ACCEPT")]), "ENABLE QRESYNC UTF8=ACCEPT"),
        (Id(None), "ID NIL"),
        (
            Id(Some(vec![(b"name".to_vec(), Some(b"postrider".to_vec())), (b"os".to_vec(), None)])),
            r#"ID ("name" "postrider" "os" NIL)"#,
        ),
        (Namespace, "NAMESPACE"),
        (List(list(ListReturn::default(), false)), r#"LIST "" "*""#),
        (List(list(ListReturn::default(), true)), r#"LIST "" "*" RETURN ()"#),
        (List(list(returns, true)), r#"LIST "" "*" RETURN (SPECIAL-USE STATUS (UIDVALIDITY HIGHESTMODSEQ))"#),
        (Lsub { reference: mailbox(""), pattern: mailbox("%") }, r#"LSUB "" "%""#),
        (
            CommandBody::Status { mailbox: mailbox("a b"), items: status },
            r#"STATUS "a b" (MESSAGES SIZE MAILBOXID DELETED)"#,
        ),
        (Create { mailbox: mailbox("x"), special_use: vec![] }, r#"CREATE "x""#),
        (Create { mailbox: mailbox("x"), special_use: vec![String::from("\\Junk")] }, r#"CREATE "x" (USE (\Junk))"#),
        (Rename { from: mailbox("x"), to: mailbox("y") }, r#"RENAME "x" "y""#),
        (Delete(mailbox("x")), r#"DELETE "x""#),
        (Subscribe(mailbox("x")), r#"SUBSCRIBE "x""#),
        (Unsubscribe(mailbox("x")), r#"UNSUBSCRIBE "x""#),
        (CommandBody::Select(select(false, None)), r#"SELECT "INBOX""#),
        (Examine(select(true, None)), r#"EXAMINE "INBOX" (CONDSTORE)"#),
        (
            CommandBody::Select(select(false, Some(qresync))),
            r#"SELECT "INBOX" (QRESYNC (67890007 90060115194045000 41:211,214:541 (1,3 5,9)))"#,
        ),
        (CommandBody::Fetch(changed), "UID FETCH 1:3,7:* (FLAGS) (CHANGEDSINCE 5 VANISHED)"),
        (
            CommandBody::Fetch(fetch(attributes)),
            r#"UID FETCH 1:3,7:* (UID BODY.PEEK[] BODY.PEEK[1.2.MIME]<0.65536> BODY.PEEK[HEADER.FIELDS (Message-ID "a b")] BINARY.PEEK[2])"#,
        ),
        (
            CommandBody::Store(store(StoreMode::Add, true, Some(7), vec![Flag::Deleted])),
            r"UID STORE 4 (UNCHANGEDSINCE 7) +FLAGS.SILENT (\Deleted)",
        ),
        (CommandBody::Store(store(StoreMode::Replace, false, None, vec![])), "UID STORE 4 FLAGS ()"),
        (CommandBody::Store(store(StoreMode::Remove, false, None, vec![Flag::Seen])), r"UID STORE 4 -FLAGS (\Seen)"),
        (CommandBody::Copy(copy()), r#"UID COPY 2:4 "Entwürfe""#),
        (Move(copy()), r#"UID MOVE 2:4 "Entwürfe""#),
        (Expunge(None), "EXPUNGE"),
        (Expunge(Some(set(&[(1, 1), (4, 4)]))), "UID EXPUNGE 1,4"),
        (
            Append { mailbox: mailbox("x"), messages: vec![append, append_utf8] },
            "APPEND \"x\" (\\Seen $Forwarded) \"24-Feb-1994 09:52:25 -0800\" {9+}\r\nA: b\r\n\r\nc UTF8 (~{9+}\r\nA: b\r\n\r\nc)",
        ),
        (Close, "CLOSE"),
        (Unselect, "UNSELECT"),
        (Noop, "NOOP"),
        (Logout, "LOGOUT"),
    ]
}

fn search_table() -> Vec<(CommandBody, &'static str)> {
    use SearchKey::{
        All, And, Body, EmailId, Header, Larger, ModSeq, New, Not, NotFlag, Old, Or, SaveDateSupported, SavedOn,
        SentBefore, Since, Uid, Younger,
    };
    let search = |returns, keys| {
        CommandBody::Search(crate::command::Search { numbering: Numbering::Uid, returns, charset: None, keys })
    };
    let all = SearchReturn { all: true, ..Default::default() };
    let day = crate::command::Date { unix_days: 8797 };
    let subject = Header { field: String::from("SUBJECT"), text: b"a b".to_vec() };
    let sort = crate::command::Sort {
        criteria: vec![SortCriterion { key: SortKey::Date, direction: SortDirection::Descending }],
        search: crate::command::Search {
            numbering: Numbering::Uid,
            returns: None,
            charset: Some(String::from("UTF-8")),
            keys: vec![All],
        },
    };
    let thread =
        crate::command::Thread { algorithm: crate::command::ThreadAlgorithm::References, search: sort.search.clone() };
    vec![
        (search(None, vec![All]), "UID SEARCH ALL"),
        (search(Some(all), vec![ModSeq(5), Uid(set(&[(3, 0)]))]), "UID SEARCH RETURN (ALL) MODSEQ 5 UID 3:*"),
        (
            search(
                None,
                vec![Or(Box::new(NotFlag(Flag::Seen)), Box::new(Not(Box::new(SearchKey::Flag(Flag::Deleted)))))],
            ),
            "UID SEARCH OR UNSEEN NOT DELETED",
        ),
        (
            search(None, vec![Since(day), And(vec![SentBefore(day), Larger(5)])]),
            "UID SEARCH SINCE 1-Feb-1994 (SENTBEFORE 1-Feb-1994 LARGER 5)",
        ),
        (
            search(None, vec![subject, Header { field: String::from("Message-ID"), text: vec![] }]),
            r#"UID SEARCH SUBJECT "a b" HEADER Message-ID """#,
        ),
        (
            search(None, vec![SearchKey::Flag(Flag::Keyword(String::from("x"))), Younger(9), Body(b"z".to_vec())]),
            r#"UID SEARCH KEYWORD x YOUNGER 9 BODY "z""#,
        ),
        (
            search(None, vec![SaveDateSupported, SavedOn(day), EmailId(String::from("M1")), New, Old]),
            "UID SEARCH SAVEDATESUPPORTED SAVEDON 1-Feb-1994 EMAILID M1 NEW OLD",
        ),
        (CommandBody::Sort(sort), "UID SORT (REVERSE DATE) UTF-8 ALL"),
        (CommandBody::Thread(thread), "UID THREAD REFERENCES UTF-8 ALL"),
    ]
}

#[test]
fn commands_are_written_and_read_again_by_our_server() {
    for (body, expected) in table().into_iter().chain(search_table()) {
        let line = written(body.clone(), &MODERN);
        assert_eq!(line, format!("a {expected}\r\n"));
        let frame = Bytes::from(line.trim_end_matches("\r\n").to_owned());
        let read = parse_command(&frame).unwrap_or_else(|error| panic!("{expected}: {error}"));
        assert_eq!(read.body, body, "{expected}");
    }
}

#[test]
fn commands_of_other_servers_are_written() {
    let gmail = ClientCommand::GmailFetch {
        fetch: fetch(vec![FetchAttribute::Uid]),
        attributes: vec![GmailAttribute::Labels, GmailAttribute::MessageId, GmailAttribute::ThreadId],
    };
    assert_eq!(written(gmail, &MODERN), "a UID FETCH 1:3,7:* (UID X-GM-LABELS X-GM-MSGID X-GM-THRID)\r\n");
    assert_eq!(written(ClientCommand::CompressDeflate, &MODERN), "a COMPRESS DEFLATE\r\n");
    assert_eq!(written(ClientCommand::Notify(Notify::None), &MODERN), "a NOTIFY NONE\r\n");
    let group = |mailboxes, events| EventGroup { mailboxes, events };
    let new = NotifyEvent::MessageNew(vec![FetchAttribute::Uid, section(&[], SectionText::Header)]);
    let notify = Notify::Set {
        status: NotifyStatus::Wanted,
        groups: vec![
            group(MailboxFilter::Selected, vec![new, NotifyEvent::MessageExpunge, NotifyEvent::FlagChange]),
            group(MailboxFilter::Subtree(vec![mailbox("Lists")]), vec![]),
            group(
                MailboxFilter::Mailboxes(vec![mailbox("a"), mailbox("b")]),
                vec![NotifyEvent::MessageNew(vec![]), NotifyEvent::MessageExpunge, NotifyEvent::MailboxName],
            ),
        ],
    };
    assert_eq!(
        written(ClientCommand::Notify(notify), &MODERN),
        "a NOTIFY SET STATUS (selected (MessageNew (UID BODY.PEEK[HEADER]) MessageExpunge FlagChange)) \
         (subtree \"Lists\" NONE) (mailboxes (\"a\" \"b\") (MessageNew MessageExpunge MailboxName))\r\n"
    );
}

#[test]
fn literals_wait_where_the_server_must_agree() {
    let login = || CommandBody::Login { user: "é".as_bytes().to_vec(), password: Secret("ü".as_bytes().to_vec()) };
    assert_eq!(written(login(), &SYNCHRONISING), "a LOGIN {2}\r\n…é {2}\r\n…ü\r\n");
    assert_eq!(written(login(), &MODERN), "a LOGIN \"é\" \"ü\"\r\n");
    let small = Dialect { literals: LiteralSupport::NonSynchronisingSmall, ..SYNCHRONISING };
    assert_eq!(written(login(), &small), "a LOGIN {2+}\r\né {2+}\r\nü\r\n");
    let upload = |length, form| AppendUpload { flags: vec![], internal_date: None, form, length };
    let append = |length, form| ClientCommand::Append { mailbox: mailbox("x"), messages: vec![upload(length, form)] };
    assert_eq!(written(append(4096, AppendForm::Plain), &small), "a APPEND \"x\" {4096+}\r\n<4096>\r\n");
    assert_eq!(written(append(4097, AppendForm::Plain), &small), "a APPEND \"x\" {4097}\r\n…<4097>\r\n");
    assert_eq!(written(append(9, AppendForm::Utf8), &SYNCHRONISING), "a APPEND \"x\" UTF8 (~{9}\r\n…<9>)\r\n");
    let two = vec![upload(5, AppendForm::Binary), upload(6, AppendForm::Plain)];
    let two = ClientCommand::Append { mailbox: mailbox("x"), messages: two };
    assert_eq!(written(two, &MODERN), "a APPEND \"x\" ~{5+}\r\n<5> {6+}\r\n<6>\r\n");
}

#[test]
fn exchanges_begin_as_the_server_can() {
    let plain =
        || CommandBody::Authenticate { mechanism: String::from("PLAIN"), initial: Some(Secret(b"\0a\0b".to_vec())) };
    assert_eq!(written(plain(), &SYNCHRONISING), "a AUTHENTICATE PLAIN\r\n…AGEAYg==\r\n");
    assert_eq!(written(CommandBody::Idle, &MODERN), "a IDLE\r\n…");
    let mut out = Vec::new();
    encode_sasl_response(&mut out, b"");
    encode_sasl_response(&mut out, b"abc");
    assert_eq!(out, b"\r\nYWJj\r\n");
}

#[test]
fn what_cannot_be_said_is_not_sent() {
    let store = |flags| {
        CommandBody::Store(Store {
            numbering: Numbering::Uid,
            set: set(&[(1, 1)]),
            unchanged_since: None,
            mode: StoreMode::Add,
            silent: true,
            flags,
        })
    };
    assert_eq!(refused(store(vec![Flag::Recent])), EncodeError::Recent);
    assert_eq!(refused(store(vec![Flag::Keyword(String::from("a\r\nb DELETE x"))])), EncodeError::NotAnAtom);
    assert_eq!(refused(CommandBody::Enable(vec![])), EncodeError::Empty);
    assert_eq!(refused(CommandBody::Enable(vec![String::from("a b")])), EncodeError::NotAnAtom);
    assert_eq!(refused(CommandBody::Delete(mailbox("a\0"))), EncodeError::Nul);
    assert_eq!(refused(CommandBody::Expunge(Some(set(&[])))), EncodeError::Empty);
    assert_eq!(refused(fetch(vec![]).into_body()), EncodeError::Empty);
    assert_eq!(encode_client_command("a+", &CommandBody::Noop.into(), &MODERN), Err(EncodeError::Tag));
}

trait IntoBody {
    fn into_body(self) -> CommandBody;
}

impl IntoBody for Fetch {
    fn into_body(self) -> CommandBody {
        CommandBody::Fetch(self)
    }
}

#[test]
fn dialects_follow_what_the_server_can_do() {
    let dialect = |names: &[&str]| Dialect::from_capabilities(&Capabilities::new(names));
    assert_eq!(dialect(&["IMAP4rev1"]), SYNCHRONISING);
    assert_eq!(dialect(&["IMAP4rev1", "LITERAL+", "SASL-IR"]).enabled(["CONDSTORE", "utf8=accept"]), MODERN);
    assert_eq!(dialect(&["IMAP4rev2"]).literals, LiteralSupport::NonSynchronisingSmall);
    assert_eq!(dialect(&["IMAP4rev2"]).names, NameEncoding::ModifiedUtf7);
}

#[test]
fn steps_do_not_print_passwords() {
    let login = CommandBody::Login { user: b"joe".to_vec(), password: Secret(b"secret".to_vec()) };
    let steps = encode_client_command("a", &login.into(), &MODERN).unwrap();
    assert_eq!(format!("{steps:?}"), "[Write(24 octets)]");
}

#[test]
fn tags_differ() {
    let mut tags = Tags::new();
    assert_eq!((tags.next_tag(), tags.next_tag()), (String::from("P1"), String::from("P2")));
}

proptest! {
    /// Whatever a name is, a server that takes part in the literals reads just that name.
    #[test]
    fn no_name_breaks_out_of_its_command(name in prop::collection::vec(1u8.., 0..40), modern in any::<bool>()) {
        let dialect = if modern { MODERN } else { SYNCHRONISING };
        let body = CommandBody::Rename { from: RawMailbox(name.clone()), to: RawMailbox(name) };
        let steps = encode_client_command("a", &body.clone().into(), &dialect).unwrap();
        let mut octets = Vec::new();
        for step in steps {
            if let Step::Write(written) = step {
                octets.extend_from_slice(&written);
            }
        }
        let frame = Bytes::from(octets.strip_suffix(b"\r\n").unwrap().to_vec());
        prop_assert_eq!(parse_command(&frame).unwrap().body, body);
    }
}
