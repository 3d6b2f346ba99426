//! Responses of the standards' examples and of servers that stray from them.

use bytes::Bytes;

use super::*;
use crate::client::code::ResponseCode;
use crate::client::fetch::{Content, ContentName, Fetch, FetchItem};
use crate::client::mailbox::ReceivedMailbox;
use crate::client::response::{Esearch, Greeting, Listing, MailboxStatus, Numbers};
use crate::command::{Flag, Numbering, Section, SectionText};
use crate::encode::{Code, ListAttribute, NewKeywords, Status};
use proptest::prelude::*;

fn read(text: &str) -> Response {
    read_octets(text.as_bytes())
}

fn read_octets(octets: &[u8]) -> Response {
    parse_response(&ResponseFrame::new(Bytes::copy_from_slice(octets)))
}

fn mailbox(name: &str) -> ReceivedMailbox {
    ReceivedMailbox(Bytes::copy_from_slice(name.as_bytes()))
}

fn listing(attributes: &[ListAttribute], separator: Option<char>, name: &str) -> Response {
    Response::List(Listing {
        attributes: attributes.to_vec(),
        separator,
        mailbox: mailbox(name),
        child_info: Vec::new(),
        old_name: None,
    })
}

fn code_of(text: &str) -> (Option<ResponseCode>, String) {
    match read(text) {
        Response::Status(status) | Response::Tagged { status, .. } => (status.code, status.text),
        other => panic!("{text}: {other:?}"),
    }
}

fn fetch(text: &str) -> Fetch {
    match read(text) {
        Response::Fetch(fetch) => fetch,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn status_responses_have_a_code_and_a_text_or_neither() {
    let known = |code| Some(ResponseCode::Known(code));
    let other = |name: &str, arguments: &'static [u8]| {
        Some(ResponseCode::Other { name: name.to_owned(), arguments: Bytes::from_static(arguments) })
    };
    let cases = [
        ("* OK IMAP4rev2 server ready", None, "IMAP4rev2 server ready"),
        ("* OK [ALERT] System shutdown in 10 minutes", known(Code::Alert), "System shutdown in 10 minutes"),
        ("* OK [UIDNEXT 4392] Predicted next UID", known(Code::UidNext(4392)), "Predicted next UID"),
        ("* OK [UIDVALIDITY 3857529045] UIDs valid", known(Code::UidValidity(3_857_529_045)), "UIDs valid"),
        ("* OK [UNSEEN 12] Message 12 is first unseen", known(Code::Unseen(12)), "Message 12 is first unseen"),
        // AOL leaves out the text
        ("* OK [HIGHESTMODSEQ 127]", known(Code::HighestModseq(127)), ""),
        ("A1 ok [read-write]", known(Code::ReadWrite), ""),
        ("A1 OK", None, ""),
        ("* BYE", None, ""),
        ("* OK [NOMODSEQ] Sorry", known(Code::NoModseq), "Sorry"),
        ("* OK [MAILBOXID (1)] Ok", known(Code::MailboxId(String::from("1"))), "Ok"),
        ("* OK [MAILBOXID 1] Ok", known(Code::MailboxId(String::from("1"))), "Ok"),
        (
            "A003 OK [APPENDUID 38505 3955] APPEND completed",
            known(Code::AppendUid { uid_validity: 38505, uids: vec![(3955, 3955)] }),
            "APPEND completed",
        ),
        (
            "A004 OK [COPYUID 38505 304,319:320 3956:3958] Done",
            known(Code::CopyUid {
                uid_validity: 38505,
                source: vec![(304, 304), (319, 320)],
                target: vec![(3956, 3958)],
            }),
            "Done",
        ),
        ("A4 OK [COPYUID 38505  ] Done", other("COPYUID", b"38505  "), "Done"),
        (
            "d105 OK [MODIFIED 7,9] Conditional STORE failed",
            known(Code::Modified(vec![(7, 7), (9, 9)])),
            "Conditional STORE failed",
        ),
        ("* OK [CLOSED]", known(Code::Closed), ""),
        ("a NO [OVERQUOTA 512] Sorry", known(Code::OverQuota), "Sorry"),
        (
            "a NO [BADCHARSET (UTF-8 \"US-ASCII\")] x",
            known(Code::BadCharset(vec![String::from("UTF-8"), String::from("US-ASCII")])),
            "x",
        ),
        ("a NO [BADCHARSET] x", known(Code::BadCharset(vec![])), "x"),
        ("a NO [UNKNOWN-CTE] x", known(Code::UnknownCte), "x"),
        ("a OK [X-FOO \"a]b\" c] text", other("X-FOO", b"\"a]b\" c"), "text"),
        ("a OK [X-FOO \"a] text", other("X-FOO", b"\"a"), "text"),
        ("a OK [no end", None, "[no end"),
        ("a OK  [no code]", None, "[no code]"),
        ("a OK Success [THROTTLED]", Some(ResponseCode::Throttled), "Success [THROTTLED]"),
        ("a NO [THROTTLED] slow", Some(ResponseCode::Throttled), "slow"),
        ("a NO [COMPRESSIONACTIVE] x", Some(ResponseCode::CompressionActive), "x"),
        ("* OK [NOTIFICATIONOVERFLOW] x", Some(ResponseCode::NotificationOverflow), "x"),
        ("A NO [REFERRAL IMAP://MIKE@SERVER2/] x", Some(ResponseCode::Referral(b"IMAP://MIKE@SERVER2/".to_vec())), "x"),
        (
            "* NO [WEBALERT https://x/?a=1] Web login required.",
            Some(ResponseCode::WebAlert(b"https://x/?a=1".to_vec())),
            "Web login required.",
        ),
        (
            "a OK [MESSAGELIMIT 1000 23221] x",
            Some(ResponseCode::MessageLimit { messages: 1000, first_done: Some(23221) }),
            "x",
        ),
        ("a NO [MESSAGELIMIT 1000] x", Some(ResponseCode::MessageLimit { messages: 1000, first_done: None }), "x"),
    ];
    for (line, code, text) in cases {
        assert_eq!(code_of(line), (code, text.to_owned()), "{line}");
    }
    assert_eq!(
        code_of("* OK [CAPABILITY IMAP4rev1 IDLE] Hi").0,
        known(Code::Capability(vec![String::from("IMAP4rev1"), String::from("IDLE")]))
    );
}

#[test]
fn permanent_flags_tell_whether_keywords_can_be_made() {
    for (line, new_keywords) in [
        ("* OK [PERMANENTFLAGS (\\Deleted \\seen NotJunk a] \\*)] Limited", NewKeywords::Allowed),
        ("* OK [PERMANENTFLAGS (\\Deleted \\Seen NotJunk a] *)]", NewKeywords::Allowed),
        ("* OK [PERMANENTFLAGS ( \\Deleted \\Seen NotJunk a] )] x", NewKeywords::Refused),
    ] {
        let keyword = |name: &str| Flag::Keyword(name.to_owned());
        let flags = vec![Flag::Deleted, Flag::Seen, keyword("NotJunk"), keyword("a]")];
        assert_eq!(code_of(line).0, Some(ResponseCode::Known(Code::PermanentFlags { flags, new_keywords })), "{line}");
    }
}

#[test]
fn greetings_are_status_responses() {
    for (line, expected) in [
        ("* OK ready", Some(Greeting::Ok)),
        ("* PREAUTH logged in as Smith", Some(Greeting::PreAuth)),
        ("* BYE too busy", Some(Greeting::Bye)),
        ("* NO too busy", Some(Greeting::Bye)),
        ("a OK ready", None),
        ("220 smtp.example ESMTP", None),
    ] {
        assert_eq!(Greeting::of(&read(line)).map(|(greeting, _)| greeting), expected, "{line}");
    }
}

#[test]
fn challenges_are_base64_or_nothing() {
    for (line, expected) in [
        ("+ YDMGCSqGSIb3EgECAgIBAAD/////6jcyG4GE3KkTzBeBiVHeceP2CWY0SR0fAQAgAAQEBAQ=", true),
        ("+ ", true),
        ("+", true),
        ("+ Zm9v ", true),
        ("+ idling", false),
    ] {
        let Response::Continuation(continuation) = read(line) else { panic!("{line}") };
        assert_eq!(continuation.challenge().is_some(), expected, "{line}");
    }
}

#[test]
fn mailboxes_are_listed_in_many_spellings() {
    use ListAttribute::*;
    let cases = [
        (r#"* LIST (\Noselect) "/" ~/Mail/foo"#, listing(&[NoSelect], Some('/'), "~/Mail/foo")),
        (r#"* LIST (\Marked \NoInferiors) "" "inbox""#, listing(&[Marked, NoInferiors], None, "inbox")),
        (r#"* LIST () NIL INBOX"#, listing(&[], None, "INBOX")),
        (r#"* LIST () "\\" "a\\b""#, listing(&[], Some('\\'), "a\\b")),
        (r#"* LIST () "\" "a\b""#, listing(&[], Some('\\'), "a\\b")),
        // Virgin Media, and Dovecot under some of its names
        (
            r#"* LIST (\HasNoChildren \UnMarked) "/" [Gmail]/Starred"#,
            listing(&[HasNoChildren, Unmarked], Some('/'), "[Gmail]/Starred"),
        ),
        // Exchange
        (
            "* LIST (\\HasNoChildren) \"/\" INBOX/Da\tOggetto\tRicevuto\t",
            listing(&[HasNoChildren], Some('/'), "INBOX/Da\tOggetto\tRicevuto\t"),
        ),
        ("* LIST () \"/\" {7}\r\nHell\"oh", listing(&[], Some('/'), "Hell\"oh")),
        // GreenMail
        ("* LIST () \".\" \"ab\"cd\"", listing(&[], Some('.'), "ab\"cd")),
        ("* LIST (\\Sent \\Important) \"/\" 200", listing(&[Sent, Important], Some('/'), "200")),
        ("* LIST () \"/\" \" \"", listing(&[], Some('/'), " ")),
        ("* LIST () / a (b) c", listing(&[], Some('/'), "a (b) c")),
        ("* XLIST (\\HasNoChildren \\AllMail) \"/\" \"x\"", listing(&[HasNoChildren, All], Some('/'), "x")),
        ("* LIST (\\X-Foo) \"/\" x ", listing(&[Other(String::from("\\X-Foo"))], Some('/'), "x")),
        ("* list (noselect) \"/\" x", listing(&[NoSelect], Some('/'), "x")),
    ];
    for (line, expected) in cases {
        assert_eq!(read(line), expected, "{line}");
    }
}

#[test]
fn listings_have_extended_data() {
    // RFC 5258 §5, RFC 9051 §6.3.9.7
    let Response::List(list) =
        read(r#"* LIST () "/" "Foo" ("CHILDINFO" ("SUBSCRIBED") X-A (1 (2)) "OLDNAME" ("b c"))"#)
    else {
        panic!()
    };
    assert_eq!(list.child_info, ["SUBSCRIBED"]);
    assert_eq!(list.old_name, Some(mailbox("b c")));
    assert!(list.is_selectable());
}

#[test]
fn figures_are_read_in_many_spellings() {
    let blurdy =
        MailboxStatus { messages: Some(231), uid_next: Some(44292), ..MailboxStatus::new(mailbox("blurdybloop")) };
    let all = MailboxStatus {
        messages: Some(1),
        recent: Some(0),
        uid_next: Some(5),
        uid_validity: Some(6),
        unseen: Some(7),
        deleted: Some(8),
        size: Some(5_000_000_000),
        highest_modseq: Some(0),
        append_limit: Some(None),
        mailbox_id: Some(String::from("F1")),
        mailbox: mailbox("a b"),
    };
    let cases = [
        ("* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)", blurdy.clone()),
        // Exchange
        ("* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292) ", blurdy.clone()),
        ("* STATUS blurdybloop ( MESSAGES 231 X-FOO (a b) UIDNEXT \"44292\" UNSEEN NIL )", blurdy),
        (
            "* STATUS a b (MESSAGES 1 RECENT 0 UIDNEXT 5 UIDVALIDITY 6 UNSEEN 7 DELETED 8 SIZE 5000000000 \
             HIGHESTMODSEQ 0 APPENDLIMIT NIL MAILBOXID (F1))",
            all,
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(read(line), Response::MailboxStatus(expected), "{line}");
    }
}

#[test]
fn searches_end_in_a_space_or_not() {
    let numbers = |numbers: &[u32], modseq| Response::Search(Numbers { numbers: numbers.to_vec(), modseq });
    for (line, expected) in [
        ("* SEARCH 2 3 6", numbers(&[2, 3, 6], None)),
        ("* SEARCH", numbers(&[], None)),
        ("* SEARCH ", numbers(&[], None)),
        ("* SEARCH 169654 169655 ", numbers(&[169_654, 169_655], None)),
        ("* SEARCH 2 5 (MODSEQ 917162500)", numbers(&[2, 5], Some(917_162_500))),
    ] {
        assert_eq!(read(line), expected, "{line}");
    }
    assert_eq!(read("* SORT 5 3 4"), Response::Sort(Numbers { numbers: vec![5, 3, 4], modseq: None }));
}

#[test]
fn extended_searches_are_read() {
    let nothing = Esearch {
        tag: None,
        numbering: Numbering::Uid,
        min: None,
        max: None,
        all: None,
        count: None,
        modseq: None,
        others: vec![],
    };
    let tagged = |tag: &str| Esearch { tag: Some(tag.to_owned()), ..nothing.clone() };
    for (line, expected) in [
        (
            "* ESEARCH (TAG \"A285\") UID MIN 7 MAX 3800 COUNT 5",
            Esearch { min: Some(7), max: Some(3800), count: Some(5), ..tagged("A285") },
        ),
        (
            "* ESEARCH (TAG \"a567\") UID COUNT 17 ALL 4:18,21,28",
            Esearch { count: Some(17), all: Some(vec![(4, 18), (21, 21), (28, 28)]), ..tagged("a567") },
        ),
        ("* ESEARCH (TAG a1) UID ALL", tagged("a1")),
        ("* ESEARCH UID", nothing.clone()),
        (
            "* ESEARCH (TAG \"A12\") UID ALL 33866,33897 (MODSEQ 284535)",
            Esearch { all: Some(vec![(33866, 33866), (33897, 33897)]), modseq: Some(284_535), ..tagged("A12") },
        ),
        (
            "* ESEARCH (TAG \"A01\") UID PARTIAL (-1:-100 1:5)",
            Esearch { others: vec![(String::from("PARTIAL"), Bytes::from("(-1:-100 1:5)"))], ..tagged("A01") },
        ),
    ] {
        assert_eq!(read(line), Response::Esearch(expected), "{line}");
    }
}

#[test]
fn threads_are_read() {
    // RFC 5256 §4
    for (line, expected) in [
        ("* THREAD (2)(3 6 (4 23)(44 7 96))", "0:2 0:3 1:6 2:4 3:23 2:44 3:7 4:96"),
        ("* THREAD ((3)(5)) ", "0:- 1:3 1:5"),
        ("* THREAD (1 ((2)(3))(4))", "0:1 1:- 2:2 2:3 1:4"),
        ("* THREAD", ""),
    ] {
        let Response::Thread(members) = read(line) else { panic!("{line}") };
        let number = |number: Option<u32>| number.map_or(String::from("-"), |number| number.to_string());
        let shown: Vec<String> =
            members.iter().map(|member| format!("{}:{}", member.depth, number(member.number))).collect();
        assert_eq!(shown.join(" "), expected, "{line}");
    }
}

#[test]
fn numbers_of_messages_are_read() {
    use crate::encode::Vanished::{Earlier, Now};
    for (line, expected) in [
        ("* 23 EXISTS", Response::Exists(23)),
        ("* 5 recent ", Response::Recent(5)),
        ("*  44  EXPUNGE", Response::Expunge(44)),
        (
            "* VANISHED 405,407,410:425",
            Response::Vanished { when: Now, uids: vec![(405, 405), (407, 407), (410, 425)] },
        ),
        ("* VANISHED (EARLIER) 300:310", Response::Vanished { when: Earlier, uids: vec![(300, 310)] }),
        ("* FLAGS (\\Answered $x)", Response::Flags(vec![Flag::Answered, Flag::Keyword(String::from("$x"))])),
        ("* FLAGS ()", Response::Flags(vec![])),
        ("* ENABLED qresync", Response::Enabled(vec![String::from("QRESYNC")])),
        ("* ENABLED", Response::Enabled(vec![])),
        ("* ID NIL", Response::Id(None)),
    ] {
        assert_eq!(read(line), expected, "{line}");
    }
}

#[test]
fn namespaces_are_read() {
    // RFC 2342 §5
    let Response::Namespace(found) =
        read(r##"* NAMESPACE (("" "/")("#mh/" "/" "X-PARAM" ("FLAG1" "FLAG2"))) NIL (("Public Folders/" NIL))"##)
    else {
        panic!()
    };
    let names: Vec<_> =
        found.personal.iter().map(|namespace| (namespace.prefix.clone(), namespace.separator)).collect();
    assert_eq!(names, [(mailbox(""), Some('/')), (mailbox("#mh/"), Some('/'))]);
    assert!(found.other_users.is_empty());
    assert_eq!(found.shared.first().map(|namespace| namespace.separator), Some(None));
}

#[test]
fn the_fields_of_id_are_read() {
    let Response::Id(Some(pairs)) = read(r#"* ID ("name" "Cyrus" "os" NIL)"#) else { panic!() };
    assert_eq!(pairs, [(b"name".to_vec(), Some(b"Cyrus".to_vec())), (b"os".to_vec(), None)]);
}

#[test]
fn messages_are_read() {
    let found = fetch(concat!(
        "* 12 FETCH (FLAGS (\\Seen $Forwarded) UID 4827313 INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 4286 ",
        "MODSEQ (12345) EMAILID (M6d99ac3275bb4e) THREADID NIL BODY[HEADER.FIELDS (\"DATE\" FROM)] {5}\r\na)\r\nb ",
        "BODY[1.2.MIME]<0> \"x\\\"y\" BINARY[2] ~{2}\r\n\0\n BODY[3] NIL BINARY.SIZE[1] 9 PREVIEW \"hi\" ",
        "ENVELOPE (\"x)\" (((NIL {3}\r\n)(\" \"a\")))) RFC822.HEADER {0}\r\n X-UNKNOWN[a b]<1> (1 2))",
    ));
    assert_eq!(found.sequence_number, 12);
    assert_eq!(found.uid(), Some(4_827_313));
    assert_eq!(found.flags().map(<[Flag]>::len), Some(2));
    assert_eq!(found.internal_date().map(|date| (date.unix_seconds, date.zone_minutes)), Some((837_596_665, -420)));
    assert_eq!((found.size(), found.modseq(), found.email_id()), (Some(4286), Some(12345), Some("M6d99ac3275bb4e")));
    assert_eq!(found.unparsed, None);
    let contents: Vec<String> =
        found.contents().map(|(name, origin, content)| format!("{name:?} {origin:?} {content:?}")).collect();
    let body = |part: &[u32], text| ContentName::Body(Section { part: part.to_vec(), text });
    let fields = SectionText::HeaderFields(vec![b"DATE".to_vec(), b"FROM".to_vec()]);
    let inline = |octets: &'static [u8]| Content::Inline(Bytes::from_static(octets));
    let expected = [
        (body(&[], fields), None, inline(b"a)\r\nb")),
        (body(&[1, 2], SectionText::Mime), Some(0u64), inline(b"x\"y")),
        (ContentName::Binary(vec![2]), None, inline(b"\0\n")),
        (body(&[3], SectionText::All), None, Content::Nil),
        (ContentName::Rfc822Header, None, inline(b"")),
    ];
    assert_eq!(contents, expected.map(|(name, origin, content)| format!("{name:?} {origin:?} {content:?}")));
    let last = found.items.last().cloned();
    assert_eq!(last, Some(FetchItem::Other { name: String::from("X-UNKNOWN[A B]<1>"), value: Bytes::from("(1 2)") }));
    assert_eq!(found.unparsed, None);
}

#[test]
fn gmails_own_data_is_read() {
    let found = fetch(
        "* 1 FETCH (X-GM-THRID 1278455344230334865 X-GM-MSGID 1278455344230334866 \
         X-GM-LABELS (\"\\\\Inbox\" \\Sent Important \"Muy Importante\"))",
    );
    let labels =
        ["\\Inbox", "\\Sent", "Important", "Muy Importante"].map(|label| Bytes::from(label.to_owned())).to_vec();
    assert_eq!(
        found.items,
        [
            FetchItem::GmailThreadId(1_278_455_344_230_334_865),
            FetchItem::GmailMessageId(1_278_455_344_230_334_866),
            FetchItem::GmailLabels(labels),
        ]
    );
}

#[test]
fn messages_of_strange_servers_are_read() {
    // QQ has a space before the parenthesis that closes
    assert_eq!(fetch("* 11487 FETCH (UID 19436 )").uid(), Some(19436));
    assert_eq!(fetch("* 3 FETCH(UID 5 FLAGS(\\Seen)RFC822.SIZE \"77\")").size(), Some(77));
    assert_eq!(fetch("* 3 fetch (uid 5 modseq 8)").modseq(), Some(8));
    assert_eq!(fetch("* 3 FETCH (FLAGS (\\seen \\RECENT))").flags(), Some([Flag::Seen, Flag::Recent].as_slice()));
    for date in ["\"7-Jul-1996 02:44:25 +0000\"", "\" 7-Jul-1996 02:44:25 +0000\"", "\"7-jul-1996 2:44:25\""] {
        let found = fetch(&format!("* 3 FETCH (INTERNALDATE {date})"));
        assert_eq!(found.internal_date().map(|date| date.unix_seconds), Some(836_707_465), "{date}");
    }
    // what has another form than it should does not hide what follows
    let found = fetch("* 3 FETCH (INTERNALDATE NIL RFC822.SIZE NIL FLAGS NIL BODY[x] {1}\r\nx UID 5)");
    assert_eq!(found.uid(), Some(5));
    assert_eq!(found.items.len(), 5);
    // a message in an item of another spelling is a message
    let found = fetch("* 3 FETCH (BODY.PEEK[TEXT] {1}\r\nx RFC822.PEEK {1}\r\ny BODY[1.FOO]<5> {1}\r\nz)");
    let names: Vec<ContentName> = found.contents().map(|(name, ..)| name.clone()).collect();
    let text = ContentName::Body(Section { part: vec![], text: SectionText::Text });
    let other = |name: &str| ContentName::Other(name.to_owned());
    assert_eq!(names, [text, other("RFC822.PEEK"), other("BODY[1.FOO]<5>")]);
    // and what cannot be read does not take what went before
    let found = fetch("* 3 FETCH (UID 5 ENVELOPE (\"a\" \"unclosed) FLAGS ())");
    assert_eq!(found.uid(), Some(5));
    assert_eq!(found.unparsed, Some(Bytes::from("ENVELOPE (\"a\" \"unclosed) FLAGS ())")));
}

#[test]
fn values_that_nest_too_deep_are_left_unread() {
    let deep = format!("* 3 FETCH (UID 5 BODYSTRUCTURE {}{})", "(".repeat(100_000), ")".repeat(100_000));
    let found = fetch(&deep);
    assert_eq!(found.uid(), Some(5));
    assert!(found.unparsed.is_some());
}

#[test]
fn what_is_no_response_is_kept() {
    for line in [
        "",
        "*",
        "* ",
        "* X-UNKNOWN data (a)",
        "* THREAD (2)(3 6 (4 23)(44 7 96)",
        "* THREAD 2",
        "* THREAD (2))",
        "* QUOTA \"\" (STORAGE 10 512)",
        "* -1 EXISTS",
        "* 99999999999 EXISTS",
        "* 5",
        "* 5 FETCH",
        "* SEARCH 1 two",
        "* VANISHED",
        "* LIST",
        // Exchange 2003 repeats the text of a tagged response in a line of its own
        "CAPABILITY completed.",
        "a+ OK x",
    ] {
        assert_eq!(read(line), Response::Unrecognised(Bytes::copy_from_slice(line.as_bytes())), "{line}");
    }
}

#[test]
fn octets_beyond_ascii_are_taken() {
    assert_eq!(
        read_octets(b"* LIST () \"/\" \"Entw\xfcrfe\""),
        Response::List(Listing {
            attributes: vec![],
            separator: Some('/'),
            mailbox: ReceivedMailbox(Bytes::from_static(b"Entw\xfcrfe")),
            child_info: vec![],
            old_name: None,
        })
    );
    let Response::Tagged { tag, status } = read_octets(b"a1 NO Postfach gesch\xfctzt") else { panic!() };
    assert_eq!((tag.as_str(), status.status, status.text.as_str()), ("a1", Status::No, "Postfach gesch\u{fffd}tzt"));
}

fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "* ",
        "a1 ",
        "+ ",
        "OK ",
        "NO ",
        "[",
        "]",
        "UIDNEXT ",
        "COPYUID ",
        "CAPABILITY ",
        "PERMANENTFLAGS ",
        "1 ",
        "4294967296 ",
        "FETCH ",
        "LIST ",
        "STATUS ",
        "ESEARCH ",
        "SEARCH ",
        "VANISHED ",
        "NAMESPACE ",
        "ID ",
        "(",
        ")",
        "\"",
        "\\",
        "NIL ",
        "{2}\r\n",
        "~{1}\r\n",
        "BODY[",
        "HEADER.FIELDS ",
        "<",
        ">",
        "UID ",
        "FLAGS ",
        "MODSEQ ",
        "INTERNALDATE ",
        "X-GM-LABELS ",
        "\"7-Jul-1996 02:44:25 -0700\" ",
        ":",
        ",",
        "*",
        " ",
        "\u{e9}",
        "ENVELOPE ",
        "TAG ",
        "ALL ",
        "MAILBOXID ",
    ])
}

proptest! {
    #[test]
    fn any_octets_are_a_response(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_octets(&octets);
        let _ = read_octets(&[b"* 1 FETCH (".as_slice(), &octets].concat());
    }

    #[test]
    fn any_pieces_are_a_response(pieces in prop::collection::vec(piece(), 0..40)) {
        let _ = read(&pieces.concat());
        let _ = read(&format!("* {}", pieces.concat()));
    }
}
