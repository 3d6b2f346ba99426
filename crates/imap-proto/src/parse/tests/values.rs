//! What commands become.

use std::num::NonZeroU32;

use super::*;
use crate::command::{
    AppendMessage, Copy, Date, DateTime, Fetch, FetchAttribute, Flag, List, ListReturn, ListSelection, Partial,
    Qresync, RawMailbox, Search, SearchKey, SearchReturn, Secret, Section, SectionText, Select, Sort, SortCriterion,
    SortDirection, SortKey, StatusItem, Store, StoreMode, Thread, ThreadAlgorithm,
};
use crate::set::{Bound, SequenceSet};

fn number(n: u32) -> Bound {
    Bound::Number(NonZeroU32::new(n).expect("not 0"))
}

fn range(first: u32, last: u32) -> SequenceSet {
    SequenceSet::Ranges(vec![(number(first), number(last))])
}

fn one(n: u32) -> SequenceSet {
    range(n, n)
}

fn raw(name: &str) -> RawMailbox {
    RawMailbox(name.as_bytes().to_vec())
}

fn attributes(text: &str) -> Vec<FetchAttribute> {
    match body(&format!("FETCH 1 {text}")) {
        CommandBody::Fetch(fetch) => fetch.attributes,
        other => panic!("{other:?}"),
    }
}

fn keys(text: &str) -> Vec<SearchKey> {
    match body(&format!("SEARCH {text}")) {
        CommandBody::Search(search) => search.keys,
        other => panic!("{other:?}"),
    }
}

#[test]
fn credentials_are_decoded_and_do_not_print() {
    let login = CommandBody::Login { user: b"j\"oe".to_vec(), password: Secret(b"p w".to_vec()) };
    assert_eq!(body("LOGIN \"j\\\"oe\" {3}\r\np w"), login);
    assert!(!format!("{login:?}").contains("p w"));
    for (text, initial) in [
        ("AUTHENTICATE plain", None),
        ("AUTHENTICATE plain =", Some(Secret(vec![]))),
        ("AUTHENTICATE plain AGEAYg==", Some(Secret(b"\0a\0b".to_vec()))),
    ] {
        assert_eq!(body(text), CommandBody::Authenticate { mechanism: "PLAIN".into(), initial });
    }
    for (line, expected) in [("*", None), ("", Some(&b""[..])), ("AGEAYg==", Some(b"\0a\0b"))] {
        assert_eq!(parse_authenticate_response(line.as_bytes()), Ok(expected.map(<[u8]>::to_vec)));
    }
    assert!(parse_authenticate_response(b"=").is_err());
}

#[test]
fn id_and_enable_keep_what_was_said() {
    let pairs = vec![(b"name".to_vec(), Some(b"x".to_vec())), (b"os".to_vec(), None)];
    assert_eq!(body("ID (\"name\" \"x\" \"os\" NIL)"), CommandBody::Id(Some(pairs)));
    assert_eq!(body("ID nil"), CommandBody::Id(None));
    assert_eq!(body("ID ()"), CommandBody::Id(Some(vec![])));
    assert_eq!(body("ENABLE qresync IMAP4rev2"), CommandBody::Enable(vec!["QRESYNC".into(), "IMAP4REV2".into()]));
}

#[test]
fn select_knows_its_parameters() {
    let select = |condstore, qresync| CommandBody::Select(Select { mailbox: raw("x"), condstore, qresync });
    assert_eq!(body("SELECT x"), select(false, None));
    assert_eq!(body("SELECT x (CONDSTORE)"), select(true, None));
    let mut qresync = Qresync { uid_validity: 7, modseq: 9, known_uids: None, sequence_match: None };
    assert_eq!(body("SELECT x (QRESYNC (7 9))"), select(false, Some(qresync.clone())));
    qresync.sequence_match = Some((one(1), one(2)));
    assert_eq!(body("SELECT x (QRESYNC (7 9 (1 2)))"), select(false, Some(qresync.clone())));
    qresync.known_uids = Some(range(1, 5));
    assert_eq!(body("SELECT x (QRESYNC (7 9 1:5 (1 2)) CONDSTORE)"), select(true, Some(qresync)));
}

#[test]
fn mailbox_names_stay_raw() {
    assert_eq!(body("DELETE \"Entwürfe\""), CommandBody::Delete(raw("Entwürfe")));
    assert_eq!(body("DELETE &AOk-"), CommandBody::Delete(raw("&AOk-")));
    assert_eq!(body("DELETE {4}\r\na\r\nb"), CommandBody::Delete(raw("a\r\nb")));
    assert_eq!(body("DELETE a]b}"), CommandBody::Delete(raw("a]b}")));
    assert_eq!(
        body("CREATE x (USE (\\Sent))"),
        CommandBody::Create { mailbox: raw("x"), special_use: vec!["\\Sent".into()] }
    );
}

#[test]
fn list_tells_the_basic_from_the_extended_form() {
    let basic = List { reference: b"a".to_vec(), patterns: vec![b"%".to_vec()], ..List::default() };
    assert_eq!(body("LIST a %"), CommandBody::List(basic.clone()));
    assert_eq!(body("LIST a (%)"), CommandBody::List(List { extended: true, ..basic.clone() }));
    assert_eq!(body("LIST () a %"), CommandBody::List(List { extended: true, ..basic.clone() }));
    assert_eq!(
        body("LIST (SUBSCRIBED RECURSIVEMATCH) a (% \"b c\") RETURN (CHILDREN SPECIAL-USE STATUS (SIZE UNSEEN))"),
        CommandBody::List(List {
            extended: true,
            patterns: vec![b"%".to_vec(), b"b c".to_vec()],
            selection: ListSelection { subscribed: true, recursive_match: true, ..ListSelection::default() },
            returns: ListReturn {
                children: true,
                special_use: true,
                status: Some(vec![StatusItem::Size, StatusItem::Unseen]),
                ..ListReturn::default()
            },
            ..basic
        })
    );
}

#[test]
fn append_takes_several_messages_without_copying() {
    let frame = frame(
        "a1 APPEND x (\\Seen \\recent k) \" 7-Feb-1994 22:43:04 -0800\" {3}\r\na\r\n ~{2+}\r\n\0b UTF8 (~{1}\r\nc)",
    );
    let command = parse_command(&frame).expect("valid");
    let CommandBody::Append { mailbox, messages } = command.body else { panic!("not APPEND") };
    assert_eq!(mailbox, raw("x"));
    let plain = AppendMessage {
        flags: vec![],
        internal_date: None,
        content: Bytes::from_static(b"\0b"),
        binary: true,
        utf8: false,
    };
    assert_eq!(
        messages,
        [
            AppendMessage {
                flags: vec![Flag::Seen, Flag::Recent, Flag::Keyword("k".into())],
                internal_date: Some(DateTime { unix_seconds: 760_689_784, zone_minutes: -480 }),
                content: Bytes::from_static(b"a\r\n"),
                binary: false,
                utf8: false,
            },
            plain.clone(),
            AppendMessage { content: Bytes::from_static(b"c"), utf8: true, ..plain },
        ]
    );
    let shared = frame.as_ptr_range().contains(&messages[0].content.as_ptr());
    assert!(shared, "a message is a slice of the frame");
}

#[test]
fn fetch_attributes_and_sections() {
    use FetchAttribute::{Body, Envelope, Flags, InternalDate, Rfc822Size};
    assert_eq!(attributes("fast"), [Flags, InternalDate, Rfc822Size]);
    assert_eq!(attributes("ALL"), [Flags, InternalDate, Rfc822Size, Envelope]);
    assert_eq!(attributes("FULL"), [Flags, InternalDate, Rfc822Size, Envelope, Body]);
    assert_eq!(
        attributes("(RFC822 RFC822.HEADER RFC822.TEXT BODY PREVIEW PREVIEW (LAZY))"),
        [
            FetchAttribute::Rfc822,
            FetchAttribute::Rfc822Header,
            FetchAttribute::Rfc822Text,
            Body,
            FetchAttribute::Preview { lazy: false },
            FetchAttribute::Preview { lazy: true },
        ]
    );
    let cases: [(&str, Vec<u32>, SectionText); 8] = [
        ("", vec![], SectionText::All),
        ("1.2", vec![1, 2], SectionText::All),
        ("HEADER", vec![], SectionText::Header),
        ("1.HEADER", vec![1], SectionText::Header),
        ("1.2.MIME", vec![1, 2], SectionText::Mime),
        ("text", vec![], SectionText::Text),
        ("HEADER.FIELDS (Date \"X y\")", vec![], SectionText::HeaderFields(vec![b"Date".to_vec(), b"X y".to_vec()])),
        ("4.header.fields.not (a])", vec![4], SectionText::HeaderFieldsNot(vec![b"a]".to_vec()])),
    ];
    for (text, part, section_text) in cases {
        let section = Section { part, text: section_text };
        let partial = Some(Partial { offset: 10, length: u64::from(u32::MAX) + 1 });
        let whole = FetchAttribute::Section { section: section.clone(), partial: None, peek: false };
        assert_eq!(attributes(&format!("BODY[{text}]")), [whole]);
        let piece = FetchAttribute::Section { section, partial, peek: true };
        assert_eq!(attributes(&format!("(BODY.PEEK[{text}]<10.4294967296>)")), [piece]);
    }
    assert_eq!(
        attributes("(BINARY.PEEK[1]<0.5> BINARY.SIZE[2.3])"),
        [
            FetchAttribute::Binary { part: vec![1], partial: Some(Partial { offset: 0, length: 5 }), peek: true },
            FetchAttribute::BinarySize(vec![2, 3]),
        ]
    );
}

#[test]
fn fetch_modifiers_follow_any_form_of_attributes() {
    for text in ["(PREVIEW)", "PREVIEW"] {
        assert_eq!(
            body(&format!("UID FETCH 1:* {text} (CHANGEDSINCE 0 VANISHED)")),
            CommandBody::Fetch(Fetch {
                numbering: Numbering::Uid,
                set: SequenceSet::Ranges(vec![(number(1), Bound::Last)]),
                attributes: vec![FetchAttribute::Preview { lazy: false }],
                changed_since: Some(0),
                vanished: true,
            })
        );
    }
}

#[test]
fn store_knows_its_modes() {
    let store = |mode, silent, unchanged_since, flags: &[Flag]| {
        let (set, flags) = (one(1), flags.to_vec());
        CommandBody::Store(Store { numbering: Numbering::Sequence, set, unchanged_since, mode, silent, flags })
    };
    let keyword = Flag::Keyword("k".into());
    assert_eq!(body("STORE 1 FLAGS ()"), store(StoreMode::Replace, false, None, &[]));
    assert_eq!(
        body("STORE 1 +flags.silent \\SEEN k \\x"),
        store(StoreMode::Add, true, None, &[Flag::Seen, keyword.clone(), Flag::Extension("x".into())])
    );
    assert_eq!(body("STORE 1 (UNCHANGEDSINCE 5) -FLAGS (k)"), store(StoreMode::Remove, false, Some(5), &[keyword]));
    let copy = |mailbox| Copy { numbering: Numbering::Uid, set: SequenceSet::Saved, mailbox };
    assert_eq!(body("UID MOVE $ \"a b\""), CommandBody::Move(copy(raw("a b"))));
}

#[test]
fn search_keys_nest() {
    let seen = || SearchKey::Flag(Flag::Seen);
    let field = |field: &str, text: &str| SearchKey::Header { field: field.into(), text: text.into() };
    let date = Date { unix_days: 8797 };
    let cases: Vec<(&str, Vec<SearchKey>)> = vec![
        ("SEEN UNSEEN", vec![seen(), SearchKey::NotFlag(Flag::Seen)]),
        ("NOT (SEEN 1)", vec![SearchKey::Not(Box::new(SearchKey::And(vec![seen(), SearchKey::Sequence(one(1))])))]),
        ("OR SEEN UID 5", vec![SearchKey::Or(Box::new(seen()), Box::new(SearchKey::Uid(one(5))))]),
        ("FROM joe HEADER X-y \"\"", vec![field("FROM", "joe"), field("X-y", "")]),
        ("ON 1-feb-1994", vec![SearchKey::On(date)]),
        ("SENTBEFORE \"01-Feb-1994\"", vec![SearchKey::SentBefore(date)]),
        (
            "KEYWORD $Junk UNKEYWORD x",
            vec![SearchKey::Flag(Flag::Keyword("$Junk".into())), SearchKey::NotFlag(Flag::Keyword("x".into()))],
        ),
        (
            "$ *",
            vec![
                SearchKey::Sequence(SequenceSet::Saved),
                SearchKey::Sequence(SequenceSet::Ranges(vec![(Bound::Last, Bound::Last)])),
            ],
        ),
        ("OLDER 5 LARGER 9223372036854775807", vec![SearchKey::Older(5), SearchKey::Larger(i64::MAX as u64)]),
        ("NEW OLD RECENT", vec![SearchKey::New, SearchKey::Old, SearchKey::Flag(Flag::Recent)]),
        ("MODSEQ \"/flags/\\\\draft\" all 5 MODSEQ 0", vec![SearchKey::ModSeq(5), SearchKey::ModSeq(0)]),
    ];
    for (text, expected) in cases {
        assert_eq!(keys(text), expected, "{text}");
    }
}

#[test]
fn search_options_stand_before_the_keys() {
    let search = |returns, charset: Option<&str>| {
        let charset = charset.map(str::to_owned);
        CommandBody::Search(Search { numbering: Numbering::Uid, returns, charset, keys: vec![SearchKey::All] })
    };
    assert_eq!(body("UID SEARCH ALL"), search(None, None));
    assert_eq!(body("UID SEARCH CHARSET utf-8 ALL"), search(None, Some("UTF-8")));
    let all = SearchReturn { all: true, ..SearchReturn::default() };
    assert_eq!(body("UID SEARCH RETURN () CHARSET \"utf-8\" ALL"), search(Some(all), Some("UTF-8")));
    let some = SearchReturn { save: true, min: true, ..SearchReturn::default() };
    assert_eq!(body("UID SEARCH RETURN (SAVE MIN) ALL"), search(Some(some), None));
}

#[test]
fn sort_has_criteria_and_thread_an_algorithm_before_charset_and_keys() {
    use SortDirection::{Ascending, Descending};
    let search = |numbering, returns| Search {
        numbering,
        returns,
        charset: Some("UTF-8".to_owned()),
        keys: vec![SearchKey::Flag(Flag::Seen), SearchKey::All],
    };
    let sorted = |criteria: &[(SortKey, SortDirection)], search| {
        let criteria = criteria.iter().map(|&(key, direction)| SortCriterion { key, direction }).collect();
        CommandBody::Sort(Sort { criteria, search })
    };
    let all = [
        (SortKey::Arrival, Ascending),
        (SortKey::Cc, Descending),
        (SortKey::Date, Ascending),
        (SortKey::DisplayFrom, Descending),
        (SortKey::DisplayTo, Ascending),
        (SortKey::From, Ascending),
        (SortKey::Size, Descending),
        (SortKey::Subject, Ascending),
        (SortKey::To, Ascending),
    ];
    let text =
        "SORT (arrival REVERSE CC date reverse DisplayFrom DISPLAYTO FROM REVERSE SIZE SUBJECT TO) utf-8 SEEN ALL";
    assert_eq!(body(text), sorted(&all, search(Numbering::Sequence, None)));
    let count = SearchReturn { count: true, ..SearchReturn::default() };
    assert_eq!(
        body("UID SORT RETURN (COUNT) (SIZE) \"UTF-8\" SEEN ALL"),
        sorted(&[(SortKey::Size, Ascending)], search(Numbering::Uid, Some(count)))
    );
    let threaded = |algorithm, numbering| {
        let search = search(numbering, None);
        CommandBody::Thread(Thread { algorithm, search })
    };
    let references = threaded(ThreadAlgorithm::References, Numbering::Sequence);
    assert_eq!(body("thread references utf-8 SEEN ALL"), references);
    let ordered_subject = threaded(ThreadAlgorithm::OrderedSubject, Numbering::Uid);
    assert_eq!(body("UID THREAD ORDEREDSUBJECT UTF-8 SEEN ALL"), ordered_subject);
}
