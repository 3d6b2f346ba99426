//! Every response as it stands on the wire, and read again by an independent parser where that knows it.

// The lint spares test functions only, not what they call.
#![allow(clippy::panic)]

use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder;
use imap_codec::encode::Encoder;
use postrider_imap_proto::command::{DateTime, Flag, Numbering, Section, SectionText};
use postrider_imap_proto::encode::capability::encode_capability;
use postrider_imap_proto::encode::code::{Code, NewKeywords};
use postrider_imap_proto::encode::continuation::{encode_challenge, encode_continuation};
use postrider_imap_proto::encode::enabled::encode_enabled;
use postrider_imap_proto::encode::fetch::{FetchWriter, LiteralForm, SectionName};
use postrider_imap_proto::encode::flags::encode_flags;
use postrider_imap_proto::encode::id::encode_id;
use postrider_imap_proto::encode::list::{ListAttribute, ListResponse, encode_list, encode_lsub};
use postrider_imap_proto::encode::mailbox_size::{encode_exists, encode_expunge, encode_recent};
use postrider_imap_proto::encode::mailbox_status::{StatusValue, encode_mailbox_status};
use postrider_imap_proto::encode::namespace::{Namespace, encode_namespace};
use postrider_imap_proto::encode::search::{EsearchResponse, encode_esearch, encode_search};
use postrider_imap_proto::encode::sort::encode_sort;
use postrider_imap_proto::encode::status::{Status, encode_status};
use postrider_imap_proto::encode::string::Utf8Quoting;
use postrider_imap_proto::encode::thread::{ThreadLinks, encode_thread};
use postrider_imap_proto::encode::vanished::{Vanished, encode_vanished};
use postrider_imap_proto::mailbox_name::NameEncoding;

/// Whether the other parser knows the response.
#[derive(Clone, Copy, PartialEq)]
enum Peer {
    /// It reads it, and writes the same octets again.
    Agrees,
    /// It reads all of it, but spells it in another way.
    Reads,
    /// It does not know this extension.
    Ignorant,
}

fn check(peer: Peer, expected: &str, encode: impl FnOnce(&mut Vec<u8>)) {
    let mut out = Vec::new();
    encode(&mut out);
    assert_eq!(String::from_utf8_lossy(&out), expected);
    if peer == Peer::Ignorant {
        return;
    }
    let codec = ResponseCodec::default();
    let (rest, response) = codec.decode(&out).unwrap_or_else(|error| panic!("{expected:?}: {error:?}"));
    assert!(rest.is_empty(), "{expected:?} was read in part");
    if peer == Peer::Agrees {
        assert_eq!(String::from_utf8_lossy(&codec.encode(&response).dump()), expected);
    }
}

#[test]
fn status_responses() {
    let no_code = |tag, status, text| move |out: &mut Vec<u8>| encode_status(out, tag, status, None, text);
    check(Peer::Agrees, "* OK ready\r\n", no_code(None, Status::Ok, "ready"));
    check(Peer::Agrees, "a1 NO not so\r\n", no_code(Some("a1"), Status::No, "not so"));
    check(Peer::Agrees, "a1 BAD .\r\n", no_code(Some("a1"), Status::Bad, ""));
    check(Peer::Agrees, "* BYE a  b c\r\n", no_code(None, Status::Bye, "a\r\nb\0c"));
    check(Peer::Reads, "* OK  [x] y\r\n", no_code(None, Status::Ok, "[x] y"));
    check(Peer::Ignorant, "* PREAUTH hello\r\n", no_code(None, Status::PreAuth, "hello"));
}

#[test]
fn response_codes() {
    let flags = vec![Flag::Seen, Flag::Keyword("$Junk".into())];
    let permanent = |flags: &[Flag], new_keywords| Code::PermanentFlags { flags: flags.to_vec(), new_keywords };
    let copied = Code::CopyUid { uid_validity: 7, source: vec![(1, 3), (9, 9)], target: vec![(4, 7)] };
    let cases = [
        (Peer::Agrees, "ALERT", Code::Alert),
        (Peer::Agrees, "APPENDUID 7 9", Code::AppendUid { uid_validity: 7, uids: vec![(9, 9)] }),
        (Peer::Reads, "APPENDUID 7 9:11", Code::AppendUid { uid_validity: 7, uids: vec![(9, 11)] }),
        (Peer::Agrees, "AUTHENTICATIONFAILED", Code::AuthenticationFailed),
        (Peer::Agrees, "BADCHARSET", Code::BadCharset(vec![])),
        (Peer::Agrees, "BADCHARSET (US-ASCII UTF-8)", Code::BadCharset(vec!["US-ASCII".into(), "UTF-8".into()])),
        (Peer::Agrees, "CAPABILITY IMAP4REV1 IDLE", Code::Capability(vec!["IMAP4REV1".into(), "IDLE".into()])),
        (Peer::Agrees, "CLOSED", Code::Closed),
        (Peer::Agrees, "COPYUID 7 1:3,9 4:7", copied),
        (Peer::Agrees, "HIGHESTMODSEQ 5", Code::HighestModseq(5)),
        (Peer::Agrees, "MAILBOXID (M1)", Code::MailboxId("M1".into())),
        (Peer::Agrees, "MODIFIED 1:3,5", Code::Modified(vec![(1, 3), (5, 5)])),
        (Peer::Agrees, "NOMODSEQ", Code::NoModseq),
        (Peer::Agrees, "OVERQUOTA", Code::OverQuota),
        (Peer::Agrees, "PERMANENTFLAGS (\\Seen $Junk \\*)", permanent(&flags, NewKeywords::Allowed)),
        (Peer::Agrees, "PERMANENTFLAGS (\\*)", permanent(&[], NewKeywords::Allowed)),
        (Peer::Agrees, "PERMANENTFLAGS (\\Seen $Junk)", permanent(&flags, NewKeywords::Refused)),
        (Peer::Agrees, "PERMANENTFLAGS ()", permanent(&[], NewKeywords::Refused)),
        (Peer::Agrees, "READ-ONLY", Code::ReadOnly),
        (Peer::Agrees, "READ-WRITE", Code::ReadWrite),
        (Peer::Agrees, "TOOBIG", Code::TooBig),
        (Peer::Agrees, "TRYCREATE", Code::TryCreate),
        (Peer::Agrees, "UIDNEXT 4294967295", Code::UidNext(u32::MAX)),
        (Peer::Agrees, "UIDNOTSTICKY", Code::UidNotSticky),
        (Peer::Agrees, "UIDVALIDITY 1", Code::UidValidity(1)),
        (Peer::Agrees, "UNKNOWN-CTE", Code::UnknownCte),
        (Peer::Agrees, "UNSEEN 12", Code::Unseen(12)),
    ];
    for (peer, text, code) in cases {
        check(peer, &format!("* OK [{text}] done\r\n"), |out| {
            encode_status(out, None, Status::Ok, Some(&code), "done");
        });
    }
}

#[test]
fn capabilities_identity_and_namespaces() {
    let capabilities = ["IMAP4REV1", "IMAP4rev2", "AUTH=PLAIN"];
    check(Peer::Reads, "* CAPABILITY IMAP4REV1 IMAP4rev2 AUTH=PLAIN\r\n", |out| encode_capability(out, capabilities));
    check(Peer::Reads, "* ENABLED CONDSTORE QRESYNC\r\n", |out| encode_enabled(out, ["CONDSTORE", "QRESYNC"]));
    check(Peer::Ignorant, "* ENABLED\r\n", |out| encode_enabled::<&str>(out, []));
    check(Peer::Agrees, "* ID NIL\r\n", |out| encode_id(out, &[]));
    check(Peer::Agrees, "* ID (\"name\" \"postrider\" \"os\" NIL)\r\n", |out| {
        encode_id(out, &[("name", Some("postrider")), ("os", None)]);
    });
    let personal = [Namespace { prefix: "", separator: Some('/') }];
    let shared = [Namespace { prefix: "Shared/", separator: Some('/') }, Namespace { prefix: "#x", separator: None }];
    check(Peer::Agrees, "* NAMESPACE ((\"\" \"/\")) NIL ((\"Shared/\" \"/\")(\"#x\" NIL))\r\n", |out| {
        encode_namespace(out, &personal, &[], &shared, NameEncoding::ModifiedUtf7);
    });
    check(Peer::Agrees, "+ go ahead\r\n", |out| encode_continuation(out, "go ahead"));
    check(Peer::Ignorant, "+ AGE=\r\n", |out| encode_challenge(out, b"\0a"));
    check(Peer::Ignorant, "+ \r\n", |out| encode_challenge(out, b""));
}

#[test]
fn mailboxes() {
    let plain = ListResponse {
        attributes: &[ListAttribute::HasNoChildren, ListAttribute::Sent],
        separator: Some('/'),
        name: "Sent Items",
        child_info: &[],
        old_name: None,
    };
    let encoding = NameEncoding::ModifiedUtf7;
    check(Peer::Agrees, "* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent Items\"\r\n", |out| {
        encode_list(out, &plain, encoding);
    });
    let accented = ListResponse { attributes: &[], separator: None, name: "é", ..plain };
    check(Peer::Agrees, "* LSUB () NIL &AOk-\r\n", |out| encode_lsub(out, &accented, encoding));
    check(Peer::Ignorant, "* LIST () NIL \"é\"\r\n", |out| encode_list(out, &accented, NameEncoding::Utf8));
    let extended = ListResponse { child_info: &["SUBSCRIBED"], old_name: Some("a b"), name: "x", ..accented };
    check(Peer::Ignorant, "* LIST () NIL x (\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (\"a b\"))\r\n", |out| {
        encode_list(out, &extended, encoding)
    });
    let old_only = ListResponse { child_info: &[], ..extended };
    check(Peer::Ignorant, "* LIST () NIL x (\"OLDNAME\" (\"a b\"))\r\n", |out| encode_list(out, &old_only, encoding));
    let values = [
        StatusValue::Messages(3),
        StatusValue::Recent(0),
        StatusValue::UidNext(5),
        StatusValue::UidValidity(7),
        StatusValue::Unseen(2),
        StatusValue::Deleted(1),
        StatusValue::Size(5_000_000_000),
        StatusValue::HighestModseq(8),
    ];
    let expected = "* STATUS INBOX (MESSAGES 3 RECENT 0 UIDNEXT 5 UIDVALIDITY 7 UNSEEN 2 DELETED 1 SIZE 5000000000 \
                    HIGHESTMODSEQ 8)\r\n";
    check(Peer::Agrees, expected, |out| encode_mailbox_status(out, "INBOX", encoding, &values));
    let rare = [StatusValue::AppendLimit(None), StatusValue::AppendLimit(Some(9)), StatusValue::MailboxId("M1")];
    check(Peer::Ignorant, "* STATUS x (APPENDLIMIT NIL APPENDLIMIT 9 MAILBOXID (M1))\r\n", |out| {
        encode_mailbox_status(out, "x", encoding, &rare);
    });
}

#[test]
fn sizes_flags_and_searches() {
    check(Peer::Agrees, "* 172 EXISTS\r\n", |out| encode_exists(out, 172));
    check(Peer::Agrees, "* 0 RECENT\r\n", |out| encode_recent(out, 0));
    check(Peer::Agrees, "* 3 EXPUNGE\r\n", |out| encode_expunge(out, 3));
    check(Peer::Agrees, "* VANISHED 1:3,7\r\n", |out| encode_vanished(out, Vanished::Now, &[(1, 3), (7, 7)]));
    check(Peer::Agrees, "* VANISHED (EARLIER) 41\r\n", |out| encode_vanished(out, Vanished::Earlier, &[(41, 41)]));
    check(Peer::Ignorant, "", |out| encode_vanished(out, Vanished::Earlier, &[]));
    let flags = [Flag::Answered, Flag::Flagged, Flag::Deleted, Flag::Seen, Flag::Draft, Flag::Extension("x".into())];
    check(Peer::Agrees, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\x)\r\n", |out| {
        encode_flags(out, &flags);
    });
    check(Peer::Agrees, "* SEARCH 2 84 882\r\n", |out| encode_search(out, [2, 84, 882], None));
    check(Peer::Agrees, "* SEARCH 2 (MODSEQ 917)\r\n", |out| encode_search(out, [2], Some(917)));
    check(Peer::Agrees, "* SEARCH\r\n", |out| encode_search(out, [], None));
    let nothing = EsearchResponse {
        tag: Some("A282"),
        numbering: Numbering::Sequence,
        min: None,
        max: None,
        all: Some(&[]),
        count: None,
        modseq: None,
    };
    // RFC 9051 §6.4.4
    check(Peer::Ignorant, "* ESEARCH (TAG \"A282\")\r\n", |out| encode_esearch(out, &nothing));
    let full = EsearchResponse {
        numbering: Numbering::Uid,
        min: Some(2),
        max: Some(17),
        all: Some(&[(2, 2), (10, 17)]),
        count: Some(9),
        modseq: Some(1_236_532),
        ..nothing
    };
    check(Peer::Ignorant, "* ESEARCH (TAG \"A282\") UID MIN 2 MAX 17 ALL 2,10:17 COUNT 9 MODSEQ 1236532\r\n", |out| {
        encode_esearch(out, &full)
    });
}

#[test]
fn sorted_and_threaded_messages() {
    check(Peer::Agrees, "* SORT 5 3 4 1 2\r\n", |out| encode_sort(out, [5, 3, 4, 1, 2], None));
    check(Peer::Ignorant, "* SORT 5 3 (MODSEQ 17)\r\n", |out| encode_sort(out, [5, 3], Some(17)));
    check(Peer::Reads, "* SORT\r\n", |out| encode_sort(out, [], None));
    let sorted = EsearchResponse {
        tag: Some("E01"),
        numbering: Numbering::Uid,
        min: None,
        max: None,
        all: Some(&[(23, 23), (22, 22), (7, 9), (3, 3)]),
        count: None,
        modseq: None,
    };
    check(Peer::Ignorant, "* ESEARCH (TAG \"E01\") UID ALL 23,22,7:9,3\r\n", |out| encode_esearch(out, &sorted));
}

/// Threads from a table: each node's number, or none, with its children. The first are the roots.
fn threads(roots: u32, nodes: &[(Option<u32>, &[u32])]) -> Vec<u8> {
    let messages = nodes.iter().take_while(|(number, _)| number.is_some()).count();
    let numbers: Vec<u32> = nodes[..messages].iter().filter_map(|(number, _)| *number).collect();
    let first_child: Vec<u32> =
        nodes.iter().map(|(_, children)| *children.first().unwrap_or(&ThreadLinks::NONE)).collect();
    let mut next_sibling = vec![ThreadLinks::NONE; nodes.len()];
    for pair in nodes.iter().flat_map(|(_, children)| children.windows(2)) {
        next_sibling[pair[0] as usize] = pair[1];
    }
    let links = ThreadLinks { numbers: &numbers, first_child: &first_child, next_sibling: &next_sibling };
    let mut out = Vec::new();
    encode_thread(&mut out, (0..roots).chain(messages as u32..nodes.len() as u32), &links);
    out
}

#[test]
fn threads_are_told_as_the_standard_has_them() {
    // RFC 5256 §4
    let plain = threads(
        2,
        &[
            (Some(2), &[]),
            (Some(3), &[2]),
            (Some(6), &[3, 5]),
            (Some(4), &[4]),
            (Some(23), &[]),
            (Some(44), &[6]),
            (Some(7), &[7]),
            (Some(96), &[]),
        ],
    );
    check(Peer::Agrees, "* THREAD (2)(3 6 (4 23)(44 7 96))\r\n", |out| out.extend(&plain));
    let of_nobody = threads(0, &[(Some(3), &[]), (Some(5), &[]), (None, &[0, 1])]);
    check(Peer::Agrees, "* THREAD ((3)(5))\r\n", |out| out.extend(&of_nobody));
    let nested = threads(
        1,
        &[
            (Some(1), &[1, 4]),
            (Some(2), &[2, 3]),
            (Some(3), &[]),
            (Some(4), &[]),
            (Some(5), &[]),
            (Some(6), &[]),
            (Some(7), &[]),
            (None, &[5, 6]),
        ],
    );
    check(Peer::Agrees, "* THREAD (1 (2 (3)(4))(5))((6)(7))\r\n", |out| out.extend(&nested));
    check(Peer::Reads, "* THREAD\r\n", |out| out.extend(threads(0, &[])));
}

#[test]
fn a_thread_may_be_as_deep_as_it_likes() {
    let messages = 200_000;
    let numbers: Vec<u32> = (1..=messages).collect();
    let next: Vec<u32> = (1..messages).chain([ThreadLinks::NONE]).collect();
    let none = vec![ThreadLinks::NONE; messages as usize];
    let mut out = Vec::new();
    encode_thread(&mut out, [0], &ThreadLinks { numbers: &numbers, first_child: &next, next_sibling: &none });
    assert!(out.ends_with(b" 199999 200000)\r\n"));
    // Every message has a reply that has none, and one that goes on.
    let nodes = 2 * messages;
    let numbers: Vec<u32> = (1..=nodes).collect();
    let first_child: Vec<u32> =
        (0..nodes).map(|node| if node % 2 == 0 && node + 2 < nodes { node + 1 } else { ThreadLinks::NONE }).collect();
    let next_sibling: Vec<u32> =
        (0..nodes).map(|node| if node % 2 == 1 { node + 1 } else { ThreadLinks::NONE }).collect();
    out.clear();
    encode_thread(
        &mut out,
        [0],
        &ThreadLinks { numbers: &numbers, first_child: &first_child, next_sibling: &next_sibling },
    );
    assert!(out.starts_with(b"* THREAD (1 (2)(3 (4)(5 "));
    assert!(out.ends_with(b"))))\r\n"));
}

#[test]
fn fetch_items() {
    let date = DateTime { unix_seconds: 837_596_665, zone_minutes: -420 };
    let envelope = b"(NIL \"subject\" NIL NIL NIL NIL NIL NIL NIL \"<id@x>\")";
    let structure = b"(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 3028 92)";
    check(
        Peer::Agrees,
        "* 12 FETCH (FLAGS (\\Seen \\Recent) UID 4 INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 4286 \
         ENVELOPE (NIL \"subject\" NIL NIL NIL NIL NIL NIL NIL \"<id@x>\") BODY (\"TEXT\" \"PLAIN\" NIL NIL NIL \
         \"7BIT\" 3028 92) BODYSTRUCTURE (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 3028 92) MODSEQ (624140003))\r\n",
        |out| {
            let mut writer = FetchWriter::begin(out, 12);
            writer.flags(&[Flag::Seen, Flag::Recent]).uid(4).internal_date(date).size(4286);
            writer.envelope(envelope).body(structure).body_structure(structure).modseq(624_140_003);
            writer.end();
        },
    );
    check(
        Peer::Ignorant,
        "* 1 FETCH (EMAILID (M1) THREADID (T1) THREADID NIL SAVEDATE NIL PREVIEW \"é\" PREVIEW {2}\r\né PREVIEW NIL \
         SAVEDATE \" 1-Jan-1970 00:30:00 +0030\")\r\n",
        |out| {
            let mut writer = FetchWriter::begin(out, 1);
            writer.email_id("M1").thread_id(Some("T1")).thread_id(None).save_date(None);
            writer.preview(Some("é"), Utf8Quoting::Allowed).preview(Some("é"), Utf8Quoting::LiteralOnly);
            writer.preview(None, Utf8Quoting::Allowed);
            writer.save_date(Some(DateTime { unix_seconds: 0, zone_minutes: 30 }));
            writer.end();
        },
    );
}

#[test]
fn fetched_strings() {
    let whole = Section { part: vec![], text: SectionText::All };
    let mime = Section { part: vec![1, 2], text: SectionText::Mime };
    let fields = Section { part: vec![], text: SectionText::HeaderFields(vec![b"DATE".to_vec(), b"From".to_vec()]) };
    let no_fields = Section { part: vec![3], text: SectionText::HeaderFieldsNot(vec![b"X".to_vec()]) };
    let form = LiteralForm::Literal;
    check(
        Peer::Agrees,
        "* 1 FETCH (BODY[] {3}\r\nabc BODY[1.2.MIME]<5> NIL BODY[HEADER.FIELDS (DATE From)] {0}\r\n \
         BODY[3.HEADER.FIELDS.NOT (X)] NIL RFC822 {2}\r\n\r\n RFC822.HEADER NIL RFC822.TEXT NIL BINARY[1] \
         ~{2}\r\n\0x BINARY.SIZE[1.2] 77)\r\n",
        |out| {
            let mut writer = FetchWriter::begin(out, 1);
            writer.literal_header(SectionName::Body(&whole), None, form, 3).buffer().extend_from_slice(b"abc");
            writer.nil_section(SectionName::Body(&mime), Some(5));
            writer.literal(SectionName::Body(&fields), None, form, b"");
            writer.nil_section(SectionName::Body(&no_fields), None);
            writer.literal(SectionName::Rfc822, None, form, b"\r\n");
            writer.nil_section(SectionName::Rfc822Header, None).nil_section(SectionName::Rfc822Text, None);
            writer.literal(SectionName::Binary(&[1]), None, LiteralForm::Literal8, b"\0x").binary_size(&[1, 2], 77);
            writer.end();
        },
    );
}
