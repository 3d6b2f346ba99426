//! Whatever our server writes, our client reads: every response through framing and parsing, back to the same values.

// The lint spares test functions only, not what they call.
#![allow(clippy::panic, clippy::expect_used)]

use bytes::{Bytes, BytesMut};
use postrider_imap_proto::client::{
    Capabilities, Content, ContentName, Fetch, FetchItem, Listing, MailboxStatus, Numbers, ReceivedMailbox, Response,
    ResponseCode, ResponseEvent, ResponseFrame, ResponseFramer, ResponseLimits, ThreadMember, parse_response,
};
use postrider_imap_proto::command::{DateTime, Flag, Numbering, Section, SectionText};
use postrider_imap_proto::encode::{
    Code, EsearchResponse, FetchWriter, ListAttribute, ListResponse, LiteralForm, Namespace, NewKeywords, SectionName,
    Status, StatusValue, ThreadLinks, Utf8Quoting, Vanished, encode_capability, encode_challenge, encode_continuation,
    encode_enabled, encode_esearch, encode_exists, encode_expunge, encode_flags, encode_id, encode_list, encode_lsub,
    encode_mailbox_status, encode_namespace, encode_recent, encode_search, encode_sort, encode_status, encode_thread,
    encode_vanished,
};
use postrider_imap_proto::mailbox_name::NameEncoding;
use proptest::prelude::*;

/// Exactly one response, with contents of more than 16 octets handed out in pieces, and those pieces joined.
fn read_streaming(encode: impl FnOnce(&mut Vec<u8>)) -> (Response, Vec<Vec<u8>>) {
    let mut out = Vec::new();
    encode(&mut out);
    let limits = ResponseLimits { content_inline_bytes_max: 16, ..ResponseLimits::default() };
    let mut framer = ResponseFramer::new(limits);
    let mut input = BytesMut::from(&out[..]);
    let mut streamed: Vec<Vec<u8>> = Vec::new();
    loop {
        match framer.next(&mut input) {
            ResponseEvent::ContentBegin(_) => streamed.push(Vec::new()),
            ResponseEvent::ContentPiece(piece) => streamed.last_mut().expect("it was begun").extend_from_slice(&piece),
            ResponseEvent::ContentEnd => {}
            ResponseEvent::Response(frame) => {
                assert!(input.is_empty(), "{}", String::from_utf8_lossy(&out));
                return (parse_response(&frame), streamed);
            }
            event => panic!("{event:?}: {}", String::from_utf8_lossy(&out)),
        }
    }
}

fn read(encode: impl FnOnce(&mut Vec<u8>)) -> Response {
    read_streaming(encode).0
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{1,12}", "\\PC{1,8}", Just(String::from("nil")), Just(String::from("a\"b\\")), any::<String>()]
        .prop_filter("names hold no NUL", |name| !name.is_empty() && !name.contains('\0'))
}

fn keyword() -> impl Strategy<Value = Flag> {
    prop_oneof![
        "[a-zA-Z$][a-zA-Z0-9_.$-]{0,8}".prop_map(Flag::Keyword),
        Just(Flag::Seen),
        Just(Flag::Recent),
        Just(Flag::Extension(String::from("Custom"))),
    ]
}

fn ranges() -> impl Strategy<Value = Vec<(u32, u32)>> {
    prop::collection::vec((1u32.., 0u32..1000).prop_map(|(low, more)| (low, low.saturating_add(more))), 1..6)
}

fn encoding() -> impl Strategy<Value = NameEncoding> {
    prop_oneof![Just(NameEncoding::ModifiedUtf7), Just(NameEncoding::Utf8)]
}

fn code() -> impl Strategy<Value = Code> {
    let alone = prop::sample::select(vec![
        Code::Alert,
        Code::AlreadyExists,
        Code::AuthenticationFailed,
        Code::AuthorizationFailed,
        Code::Cannot,
        Code::ClientBug,
        Code::Closed,
        Code::ContactAdmin,
        Code::Corruption,
        Code::Expired,
        Code::ExpungeIssued,
        Code::HasChildren,
        Code::InUse,
        Code::Limit,
        Code::NoModseq,
        Code::NonExistent,
        Code::NoPerm,
        Code::NotSaved,
        Code::OverQuota,
        Code::Parse,
        Code::PrivacyRequired,
        Code::ReadOnly,
        Code::ReadWrite,
        Code::ServerBug,
        Code::TooBig,
        Code::TryCreate,
        Code::UidNotSticky,
        Code::Unavailable,
        Code::UnknownCte,
        Code::UseAttr,
        Code::BadCharset(vec![]),
        Code::BadCharset(strings(&["UTF-8", "a b"])),
        Code::Capability(strings(&["IMAP4rev2", "AUTH=PLAIN"])),
        Code::MailboxId(String::from("M-1_x")),
    ]);
    prop_oneof![
        alone,
        any::<u32>().prop_map(Code::UidNext),
        any::<u32>().prop_map(Code::UidValidity),
        any::<u32>().prop_map(Code::Unseen),
        any::<u64>().prop_map(Code::HighestModseq),
        ranges().prop_map(Code::Modified),
        (any::<u32>(), ranges()).prop_map(|(uid_validity, uids)| Code::AppendUid { uid_validity, uids }),
        (any::<u32>(), ranges(), ranges()).prop_map(|(uid_validity, source, target)| Code::CopyUid {
            uid_validity,
            source,
            target
        }),
        (prop::collection::vec(keyword(), 0..4), any::<bool>()).prop_map(|(flags, allowed)| Code::PermanentFlags {
            flags,
            new_keywords: if allowed { NewKeywords::Allowed } else { NewKeywords::Refused },
        }),
    ]
}

#[test]
fn plain_responses_come_back() {
    let challenge = read(|out| encode_challenge(out, b"\0challenge"));
    let Response::Continuation(challenge) = challenge else { panic!("{challenge:?}") };
    assert_eq!(challenge.challenge().as_deref(), Some(b"\0challenge".as_slice()));
    let text = read(|out| encode_continuation(out, "idling"));
    assert!(matches!(text, Response::Continuation(text) if text.text == "idling"));

    let names = ["IMAP4REV2", "AUTH=PLAIN"];
    assert_eq!(read(|out| encode_capability(out, names)), Response::Capability(Capabilities::new(names)));
    assert_eq!(read(|out| encode_enabled(out, names)), Response::Enabled(strings(&names)));
    assert_eq!(read(|out| encode_exists(out, 23)), Response::Exists(23));
    assert_eq!(read(|out| encode_recent(out, 0)), Response::Recent(0));
    assert_eq!(read(|out| encode_expunge(out, 7)), Response::Expunge(7));
    let pairs = vec![(b"name".to_vec(), Some("p\"ö\r\n".into())), (b"os".to_vec(), None)];
    assert_eq!(read(|out| encode_id(out, &[("name", Some("p\"ö\r\n")), ("os", None)])), Response::Id(Some(pairs)));
    assert_eq!(read(|out| encode_id(out, &[])), Response::Id(None));
}

/// All responses of a stream, by the way a client receives it: in portions of some octets.
fn session(stream: &str, size: usize) -> Vec<Response> {
    let mut framer = ResponseFramer::new(ResponseLimits::default());
    let mut input = BytesMut::new();
    let mut found = Vec::new();
    for portion in stream.replace('\n', "\r\n").as_bytes().chunks(size) {
        input.extend_from_slice(portion);
        loop {
            match framer.next(&mut input) {
                ResponseEvent::Incomplete => break,
                ResponseEvent::Response(frame) => found.push(parse_response(&frame)),
                event => panic!("{event:?}"),
            }
        }
    }
    assert!(input.is_empty() && framer.is_between_responses());
    found
}

/// RFC 3501 §8, what the server says.
const STANDARD: &str = "\
* OK IMAP4rev1 Service Ready
a001 OK LOGIN completed
* 18 EXISTS
* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)
* 2 RECENT
* OK [UNSEEN 17] Message 17 is the first unseen message
* OK [UIDVALIDITY 3857529045] UIDs valid
a002 OK [READ-WRITE] SELECT completed
* 12 FETCH (FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 4286 ENVELOPE \
(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 WG mtg summary and minutes\" ((\"Terry Gray\" NIL \"gray\" \
\"cac.washington.edu\")) NIL NIL NIL NIL NIL NIL \"<B27397-0100000@cac.washington.edu>\") BODY (\"TEXT\" \"PLAIN\" \
(\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3028 92))
a003 OK FETCH completed
* 12 FETCH (BODY[HEADER] {37}
Subject: a (b {5}
To: \"c\"
X: y)

)
a004 OK FETCH completed
* 12 FETCH (FLAGS (\\Seen \\Deleted))
a005 OK +FLAGS completed
* BYE IMAP4rev1 server terminating connection
a006 OK LOGOUT completed
";

/// What is unusual in the answers of well-known servers, one after the other.
const STRANGE: &str = "\
* OK The Microsoft Exchange IMAP4 service is ready. [TABPADYA==]
+
P1 OK AUTHENTICATE completed
* LIST (\\HasNoChildren) \"/\" {7}
Hell\"oh
* LIST (\\HasNoChildren) \"/\" INBOX/Da\tOggetto\tRicevuto\t
* STATUS INBOX (MESSAGES 0) 
* LIST (\\HasNoChildren \\UnMarked) \"/\" [Gmail]/Starred
* SEARCH 169654 169655 
* OK [HIGHESTMODSEQ 127]
* 11487 FETCH (UID 19436 )
* 1 FETCH (X-GM-THRID 1278455344230334865 X-GM-LABELS (\"\\\\Inbox\" \"Muy Importante\") UID 5)
* ESEARCH (TAG \"P2\") UID ALL 33866,33897 (MODSEQ 284535)
P2 OK Success [THROTTLED]
P3 BAD Request is throttled. Suggested Backoff Time: 89117 milliseconds
* BYE Connection is closed. 14
";

#[test]
fn sessions_are_understood_to_the_last_response() {
    for (stream, responses) in [(STANDARD, 16), (STRANGE, 15)] {
        let whole = session(stream, stream.len() * 2);
        assert_eq!(whole.len(), responses, "{whole:#?}");
        for response in &whole {
            assert!(!matches!(response, Response::Unrecognised(_)), "{response:?}");
            assert!(!matches!(response, Response::Fetch(Fetch { unparsed: Some(_), .. })), "{response:?}");
        }
        for size in [1, 2, 3, 7, 100] {
            assert_eq!(session(stream, size), whole, "by {size}");
        }
    }
}

proptest! {
    #[test]
    fn status_responses_come_back(
        tag in prop::option::of("[a-z0-9]{1,5}"),
        status in prop::sample::select(vec![Status::Ok, Status::No, Status::Bad, Status::Bye, Status::PreAuth]),
        code in prop::option::of(code()),
        text in "[!-~][ -~]{0,20}",
    ) {
        let read = read(|out| encode_status(out, tag.as_deref(), status, code.as_ref(), &text));
        let (read_tag, read) = match read {
            Response::Tagged { tag, status } => (Some(tag), status),
            Response::Status(status) => (None, status),
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(read_tag, tag);
        prop_assert_eq!(read.status, status);
        prop_assert_eq!(read.code, code.map(ResponseCode::Known));
        prop_assert_eq!(read.text, text.trim());
    }

    #[test]
    fn listings_come_back(
        name in name(),
        old_name in prop::option::of(name()),
        separator in prop::option::of(prop::sample::select(vec!['/', '.', '\\', '"'])),
        encoding in encoding(),
        children in any::<bool>(),
    ) {
        let attributes = [ListAttribute::HasChildren, ListAttribute::Other(String::from("\\X")), ListAttribute::Sent];
        let child_info: &[&str] = if children { &["SUBSCRIBED"] } else { &[] };
        let response = ListResponse {
            attributes: &attributes, separator, name: &name, child_info, old_name: old_name.as_deref(),
        };
        let check = |list: &Listing| {
            assert_eq!(list.attributes, attributes);
            assert_eq!(list.separator, separator);
            assert_eq!(list.mailbox.name(encoding), name);
        };
        let Response::List(list) = read(|out| encode_list(out, &response, encoding)) else { panic!() };
        check(&list);
        prop_assert_eq!(list.child_info, strings(child_info));
        prop_assert_eq!(list.old_name.map(|old| old.name(encoding)), old_name.clone());
        let Response::Lsub(list) = read(|out| encode_lsub(out, &response, encoding)) else { panic!() };
        check(&list);
    }

    #[test]
    fn figures_come_back(name in name(), encoding in encoding(), number in any::<u32>(), large in any::<u64>()) {
        let values = [
            StatusValue::Messages(number), StatusValue::Recent(1), StatusValue::UidNext(2), StatusValue::UidValidity(3),
            StatusValue::Unseen(4), StatusValue::Deleted(5), StatusValue::Size(large), StatusValue::HighestModseq(large),
            StatusValue::AppendLimit(None), StatusValue::MailboxId("M1"),
        ];
        let Response::MailboxStatus(read) = read(|out| encode_mailbox_status(out, &name, encoding, &values)) else {
            panic!()
        };
        prop_assert_eq!(read.mailbox.name(encoding), name);
        let expected = MailboxStatus {
            messages: Some(number), recent: Some(1), uid_next: Some(2), uid_validity: Some(3), unseen: Some(4),
            deleted: Some(5), size: Some(large), highest_modseq: Some(large), append_limit: Some(None),
            mailbox_id: Some(String::from("M1")), mailbox: read.mailbox.clone(),
        };
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn namespaces_come_back(prefix in name(), encoding in encoding()) {
        let personal = [Namespace { prefix: "", separator: Some('/') }, Namespace { prefix: &prefix, separator: None }];
        let Response::Namespace(read) = read(|out| encode_namespace(out, &personal, &[], &personal[..1], encoding)) else {
            panic!()
        };
        let prefixes: Vec<_> = read.personal.iter().map(|one| (one.prefix.name(encoding), one.separator)).collect();
        prop_assert_eq!(prefixes, [(String::new(), Some('/')), (prefix, None)]);
        prop_assert_eq!((read.other_users.len(), read.shared.len()), (0, 1));
    }

    #[test]
    fn searches_come_back(
        numbers in prop::collection::vec(1u32.., 0..20),
        modseq in prop::option::of(any::<u64>()),
        ranges in ranges(),
        min in prop::option::of(1u32..),
        tag in prop::option::of("[a-z0-9]{1,5}"),
        uid in any::<bool>(),
    ) {
        let expected = Numbers { numbers: numbers.clone(), modseq };
        let found = read(|out| encode_search(out, numbers.iter().copied(), modseq));
        prop_assert_eq!(found, Response::Search(expected.clone()));
        prop_assert_eq!(read(|out| encode_sort(out, numbers, modseq)), Response::Sort(expected));
        let numbering = if uid { Numbering::Uid } else { Numbering::Sequence };
        let response = EsearchResponse {
            tag: tag.as_deref(), numbering, min, max: min, all: Some(&ranges), count: min, modseq,
        };
        let Response::Esearch(read) = read(|out| encode_esearch(out, &response)) else { panic!() };
        prop_assert_eq!((read.min, read.max, read.count, read.modseq), (min, min, min, modseq));
        prop_assert_eq!((read.tag, read.numbering, read.all), (tag, numbering, Some(ranges)));
    }

    #[test]
    fn flags_and_vanished_come_back(flags in prop::collection::vec(keyword(), 0..5), uids in ranges(), earlier in any::<bool>()) {
        prop_assert_eq!(read(|out| encode_flags(out, &flags)), Response::Flags(flags.clone()));
        let when = if earlier { Vanished::Earlier } else { Vanished::Now };
        prop_assert_eq!(read(|out| encode_vanished(out, when, &uids)), Response::Vanished { when, uids });
    }

    #[test]
    fn messages_come_back(
        sequence_number in any::<u32>(),
        uid in any::<u32>(),
        flags in prop::collection::vec(keyword(), 0..4),
        date in (-60_000_000_000i64..250_000_000_000, -1439i16..1440),
        size in any::<u64>(),
        content in prop::collection::vec(any::<u8>(), 0..40),
        preview in prop::option::of(any::<String>()),
        origin in prop::option::of(any::<u64>()),
        part in prop::collection::vec(1u32.., 0..4),
        fields in prop::collection::vec("[!-9;-~]{1,10}", 1..4),
    ) {
        let date = DateTime { unix_seconds: date.0, zone_minutes: date.1 };
        let preview = preview.map(|text| text.replace('\0', "?"));
        let fields: Vec<Vec<u8>> = fields.into_iter().map(String::into_bytes).collect();
        let section = Section { part: part.clone(), text: SectionText::HeaderFields(fields) };
        let whole = Section { part: vec![], text: SectionText::All };
        let envelope = b"(NIL \"a)\" ((\"b\" NIL NIL NIL)) {3}\r\n)(\" NIL)";
        let write = |out: &mut Vec<u8>| {
            let mut fetch = FetchWriter::begin(out, sequence_number);
            fetch.uid(uid).flags(&flags).internal_date(date).size(size).modseq(size).email_id("M1").thread_id(Some("T1"));
            fetch.literal(SectionName::Body(&section), origin, LiteralForm::Literal, &content);
            fetch.envelope(envelope).thread_id(None).save_date(None).save_date(Some(date));
            fetch.preview(preview.as_deref(), Utf8Quoting::Allowed).binary_size(&part, size);
            fetch.literal(SectionName::Binary(&part), None, LiteralForm::Literal8, &content);
            fetch.nil_section(SectionName::Body(&whole), None).nil_section(SectionName::Rfc822, None);
            fetch.literal(SectionName::Rfc822Header, None, LiteralForm::Literal, &content);
            fetch.end();
        };
        let is_streamed = content.len() > 16;
        let held = || match is_streamed {
            true => Content::Streamed { length: content.len() as u64 },
            false => Content::Inline(Bytes::from(content.clone())),
        };
        let item = |name, origin, content| FetchItem::Content { name, origin, content };
        let expected = vec![
            FetchItem::Uid(uid),
            FetchItem::Flags(flags.clone()),
            FetchItem::InternalDate(date),
            FetchItem::Size(size),
            FetchItem::ModSeq(size),
            FetchItem::EmailId(String::from("M1")),
            FetchItem::ThreadId(Some(String::from("T1"))),
            item(ContentName::Body(section.clone()), origin, held()),
            FetchItem::Other { name: String::from("ENVELOPE"), value: Bytes::from_static(envelope) },
            FetchItem::ThreadId(None),
            FetchItem::SaveDate(None),
            FetchItem::SaveDate(Some(date)),
            FetchItem::Preview(preview.clone().map(Bytes::from)),
            FetchItem::BinarySize { part: part.clone(), octets: size },
            item(ContentName::Binary(part.clone()), None, held()),
            item(ContentName::Body(whole.clone()), None, Content::Nil),
            item(ContentName::Rfc822, None, Content::Nil),
            item(ContentName::Rfc822Header, None, held()),
        ];
        let (read, streamed) = read_streaming(write);
        prop_assert_eq!(read, Response::Fetch(Fetch { sequence_number, items: expected, unparsed: None }));
        prop_assert_eq!(streamed, if is_streamed { vec![content.clone(); 3] } else { vec![] });
    }

    /// Each node's parent is a node before it; one that is its own parent begins a thread.
    #[test]
    fn threads_come_back(parents in prop::collection::vec(any::<prop::sample::Index>(), 0..30)) {
        let parents: Vec<usize> = parents.iter().enumerate().map(|(node, parent)| parent.index(node + 1)).collect();
        let numbers: Vec<u32> = (0..parents.len() as u32).map(|node| node + 100).collect();
        let mut first_child = vec![ThreadLinks::NONE; parents.len()];
        let mut next_sibling = first_child.clone();
        let mut roots = Vec::new();
        for (node, &parent) in parents.iter().enumerate().rev() {
            if parent == node {
                roots.push(node as u32);
            } else {
                next_sibling[node] = std::mem::replace(&mut first_child[parent], node as u32);
            }
        }
        let links = ThreadLinks { numbers: &numbers, first_child: &first_child, next_sibling: &next_sibling };
        let Response::Thread(members) = read(|out| encode_thread(out, roots.iter().copied(), &links)) else { panic!() };
        let mut open: Vec<(u32, usize)> = roots.iter().rev().map(|&root| (root, 0)).collect();
        let mut expected = Vec::new();
        while let Some((node, depth)) = open.pop() {
            expected.push(ThreadMember { depth, number: Some(node + 100) });
            let first = first_child[node as usize];
            let siblings = std::iter::successors(Some(first), |&child| next_sibling.get(child as usize).copied());
            let mut children: Vec<(u32, usize)> =
                siblings.take_while(|&child| child != ThreadLinks::NONE).map(|child| (child, depth + 1)).collect();
            children.reverse();
            open.extend(children);
        }
        prop_assert_eq!(members, expected);
    }

    #[test]
    fn a_name_from_a_server_goes_back_as_it_came(raw in prop::collection::vec(1u8.., 0..20)) {
        let mut line = format!("* LIST () \"/\" {{{}}}\r\n", raw.len()).into_bytes();
        line.extend_from_slice(&raw);
        let response = parse_response(&ResponseFrame::new(Bytes::from(line)));
        let Response::List(list) = response else { panic!("{response:?}") };
        prop_assert_eq!(&list.mailbox, &ReceivedMailbox(Bytes::from(raw.clone())));
        prop_assert_eq!(list.mailbox.to_argument().0, raw);
    }
}
