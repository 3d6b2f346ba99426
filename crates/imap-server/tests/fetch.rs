//! FETCH: attributes, macros, UIDs, `\Seen`, and messages that others expunged (RFC 9051 §6.4.5, RFC 3501 §6.4.5).

mod common;

use common::{Server, Setup, server_lines};
use postrider_store::{Flag, INBOX, StoreOptions};

/// RFC 9051 §7.5.2 shows its envelope and body structure.
const MEETING: &str = "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n\
    From: Terry Gray <gray@cac.washington.edu>\r\n\
    Subject: IMAP4rev2 WG mtg summary and minutes\r\n\
    To: imap@cac.washington.edu\r\n\
    cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n\
    Message-Id: <B27397-0100000@cac.washington.ed>\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\
    \r\n\
    one\r\ntwo\r\n";

const ENVELOPE: &str = "ENVELOPE (\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" \
    ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
    ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((NIL NIL \"imap\" \"cac.washington.edu\")) \
    ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \
    \"<B27397-0100000@cac.washington.ed>\")";

const BODY: &str = "BODY (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 10 2)";

async fn with_meeting() -> Server {
    let server = Server::start().await;
    server.append(INBOX, vec![Flag::Flagged, Flag::Keyword("$Work".to_owned())], MEETING).await;
    server
}

#[tokio::test]
async fn every_attribute_is_told_as_the_grammar_has_it() {
    let server = with_meeting().await;
    let mut client = server.select().await;
    let size = MEETING.len();
    let envelope = ENVELOPE.to_owned();
    for (asked, told) in [
        ("FLAGS", "FLAGS (\\Recent \\Flagged $Work)".to_owned()),
        ("UID", "UID 1".to_owned()),
        ("INTERNALDATE", "INTERNALDATE \"14-Nov-2023 22:13:20 +0000\"".to_owned()),
        ("RFC822.SIZE", format!("RFC822.SIZE {size}")),
        ("ENVELOPE", envelope),
        ("rfc822.header", format!("RFC822.HEADER {{{}}}\r\n{}", size - 10, &MEETING[..size - 10])),
        ("BODY.PEEK[TEXT]", "BODY[TEXT] {10}\r\none\r\ntwo\r\n".to_owned()),
        ("SAVEDATE", "SAVEDATE \"14-Nov-2023 22:13:20 +0000\"".to_owned()),
        ("PREVIEW", "PREVIEW \"one two\"".to_owned()),
    ] {
        let said = server_lines(&format!("* 1 FETCH ({told})"));
        client.says(&format!("C: a FETCH 1 {asked}\n{said}S: a OK …")).await;
        client.says(&format!("C: b FETCH 1 ({asked})\n{said}S: b OK …")).await;
    }
}

#[tokio::test]
async fn body_structure_has_extension_data_and_body_has_not() {
    let server = with_meeting().await;
    let mut client = server.select().await;
    client.says(&format!("C: 1 FETCH 1 BODY\n{}S: 1 OK …", caseless(&format!("* 1 FETCH ({BODY})")))).await;
    client
        .says("C: 2 FETCH 1 BODYSTRUCTURE\nS: * 1 FETCH (BODYSTRUCTURE (\"…\" \"…\" (\"…\" \"…\") NIL NIL \"…\" 10 2 NIL NIL NIL NIL))\nS: 2 OK …")
        .await;
}

/// Types and encodings may be told in any case.
fn caseless(line: &str) -> String {
    let line = line.replace("\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\")", "\"…\" \"…\" (\"…\" \"…\")");
    format!("S: {}\n", line.replace("\"7BIT\"", "\"…\""))
}

#[tokio::test]
async fn macros_stand_for_their_attributes() {
    let server = with_meeting().await;
    let mut client = server.select().await;
    let fast = format!(
        "FLAGS (\\Recent \\Flagged $Work) INTERNALDATE \"14-Nov-2023 22:13:20 +0000\" RFC822.SIZE {}",
        MEETING.len()
    );
    for (name, told) in
        [("FAST", fast.clone()), ("all", format!("{fast} {ENVELOPE}")), ("FULL", format!("{fast} {ENVELOPE} {BODY}"))]
    {
        client.says(&format!("C: a FETCH 1 {name}\n{}S: a OK …", caseless(&format!("* 1 FETCH ({told})")))).await;
    }
    // A macro must be used by itself (RFC 9051 §6.4.5).
    client.says("C: b FETCH 1 (FAST)\nS: b BAD …\nC: c FETCH 1 (FLAGS ALL)\nS: c BAD …").await;
}

#[tokio::test]
async fn uid_fetch_adds_the_uid_and_names_by_uid() {
    let server = Server::with_messages(4).await;
    let mut client = server.select().await;
    client
        .says(
            r"
            C: 1 STORE 2 +FLAGS.SILENT (\Deleted)
            S: 1 OK …
            C: 2 EXPUNGE
            S: * 2 EXPUNGE
            S: 2 OK …
            C: 3 UID FETCH 3 FLAGS
            S: * 2 FETCH (UID 3 FLAGS (\Recent))
            S: 3 OK …
            C: 4 UID FETCH 3 (FLAGS UID)
            S: * 2 FETCH (FLAGS (\Recent) UID 3)
            S: 4 OK …
            # UIDs that no message has are no error (RFC 9051 §6.4.9).
            C: 5 UID FETCH 2 FLAGS
            S: 5 OK …
            # A range with * holds the last message, even when it begins beyond it.
            C: 6 UID FETCH 100:* FLAGS
            S: * 3 FETCH (UID 4 FLAGS (\Recent))
            S: 6 OK …
            C: 7 UID FETCH *:3,1 UID
            S: * 1 FETCH (UID 1)
            S: * 2 FETCH (UID 3)
            S: * 3 FETCH (UID 4)
            S: 7 OK …
            C: 8 FETCH *,1 UID
            S: * 1 FETCH (UID 1)
            S: * 3 FETCH (UID 4)
            S: 8 OK …
            C: 9 FETCH 4 UID
            S: 9 BAD …
            ",
        )
        .await;
}

#[tokio::test]
async fn malformed_fetches_are_refused() {
    let server = Server::with_messages(1).await;
    let mut client = server.select().await;
    for command in [
        "FETCH 1",
        "FETCH 1 ()",
        "FETCH 0 FLAGS",
        "FETCH 1 NOSUCH",
        "FETCH 1 BODY[1.]",
        "FETCH 1 BODY[MIME]",
        "FETCH 1 BODY[0]",
        "FETCH 1 BODY[HEADER.FIELDS ()]",
        "FETCH 1 BODY[]<0.0>",
        "FETCH 1 BODY[",
        "FETCH 1 BINARY[TEXT]",
        "FETCH 1 BINARY.SIZE[1]<0.1>",
        "FETCH 1 BODY.PEEK",
        "FETCH 1 (FLAGS  UID)",
        "FETCH 1 (FLAGS) (NOSUCH)",
        "UID FETCH 1:2:3 FLAGS",
    ] {
        client.says(&format!("C: a {command}\nS: a BAD …")).await;
        client.says("C: n NOOP\nS: n OK …").await;
    }
}

#[tokio::test]
async fn reading_a_body_sets_seen_and_peeking_does_not() {
    let server = Server::with_messages(9).await;
    let mut client = server.select().await;
    for (number, item, name) in [
        (1, "BODY[]", "BODY[]"),
        (2, "BODY[TEXT]", "BODY[TEXT]"),
        (3, "BODY[HEADER.FIELDS (X-None)]", "BODY[HEADER.FIELDS (X-None)]"),
        (4, "BINARY[1]", "BINARY[1]"),
        (5, "RFC822", "RFC822"),
        (6, "RFC822.TEXT", "RFC822.TEXT"),
        (7, "BODY[]<0.3>", "BODY[]<0>"),
    ] {
        client
            .says(&format!(
                "C: a FETCH {number} {item}\nS: * {number} FETCH (FLAGS (\\Recent \\Seen) {name} {{…\nS…\nS: a OK …"
            ))
            .await;
        // The second time nothing changes, so nothing is told.
        client.says(&format!("C: b FETCH {number} {item}\nS: * {number} FETCH ({name} {{…\nS…\nS: b OK …")).await;
    }
    for item in [
        "BODY.PEEK[]",
        "BODY.PEEK[TEXT]",
        "BINARY.PEEK[1]",
        "BINARY.SIZE[1]",
        "RFC822.HEADER",
        "(RFC822.SIZE ENVELOPE BODYSTRUCTURE PREVIEW)",
    ] {
        client.says(&format!("C: c FETCH 8 {item}\nS: * 8 FETCH (…\nS…\nS: c OK …")).await;
    }
    client
        .says("C: d FETCH 8:9 FLAGS\nS: * 8 FETCH (FLAGS (\\Recent))\nS: * 9 FETCH (FLAGS (\\Recent))\nS: d OK …")
        .await;
    // Asked for beside, the flags are those after the change, once.
    client
        .says("C: e FETCH 9 (BODY[TEXT] FLAGS)\nS: * 9 FETCH (FLAGS (\\Recent \\Seen) BODY[TEXT] {8}\nS: text 9\nS: )\nS: e OK …")
        .await;
}

#[tokio::test]
async fn other_sessions_learn_of_an_implicit_seen() {
    let server = Server::with_messages(2).await;
    let mut reader = server.select().await;
    let mut other = server.select().await;
    reader.says("C: a FETCH 1:2 BODY[TEXT]\nS…\nS: a OK …").await;
    other.says("C: n NOOP\nS: * 1 FETCH (UID 1 FLAGS (\\Seen))\nS: * 2 FETCH (UID 2 FLAGS (\\Seen))\nS: n OK …").await;
}

#[tokio::test]
async fn examine_never_sets_seen() {
    let server = Server::with_messages(1).await;
    server
        .session(
            r"
            C: 1 EXAMINE INBOX
            S…
            S: 1 OK [READ-ONLY] …
            C: 2 FETCH 1 BODY[TEXT]
            S: * 1 FETCH (BODY[TEXT] {8}
            S: text 1
            S: )
            S: 2 OK …
            C: 3 FETCH 1 (RFC822.TEXT BINARY[1])
            S: * 1 FETCH (RFC822.TEXT {8}
            S: text 1
            S:  BINARY[1] {8}
            S: text 1
            S: )
            S: 3 OK …
            C: 4 STATUS INBOX (UNSEEN)
            S: * STATUS INBOX (UNSEEN 1)
            S: 4 OK …
            ",
        )
        .await;
}

#[tokio::test]
async fn a_message_that_another_session_expunged_cannot_be_told_any_more() {
    let server = Server::with_messages(3).await;
    let mut reader = server.select().await;
    let mut other = server.select().await;
    other.says("C: 1 STORE 2 +FLAGS.SILENT (\\Deleted)\nS: 1 OK …\nC: 2 EXPUNGE\nS: * 2 EXPUNGE\nS: 2 OK …").await;
    for item in ["BODY.PEEK[TEXT]", "(BODY.PEEK[TEXT] BODY.PEEK[HEADER])", "ENVELOPE", "BINARY.PEEK[1]", "PREVIEW"] {
        reader
            .says(&format!(
                "C: a FETCH 1:3 {item}\nS: * 1 FETCH (…\nS…\nS: * 3 FETCH (…\nS…\nS: a NO [EXPUNGEISSUED] …"
            ))
            .await;
    }
    // What the client was told of before stays true, and no EXPUNGE comes while numbers are in use (RFC 9051 §7.5.1).
    reader.says("C: b FETCH 2:3 UID\nS: * 2 FETCH (UID 2)\nS: * 3 FETCH (UID 3)\nS: b OK …").await;
    reader.says("C: c UID FETCH 2 ENVELOPE\nS: * 2 EXPUNGE\nS: c NO [EXPUNGEISSUED] …").await;
    reader.says("C: d FETCH 2 UID\nS: * 2 FETCH (UID 3)\nS: d OK …").await;
}

#[tokio::test]
async fn a_message_that_another_session_expunged_can_still_be_told_where_it_is_kept() {
    let server = Server::start_with(Setup { store: StoreOptions::default(), ..Setup::default() }).await;
    server.fill(INBOX, 2).await;
    let mut reader = server.select().await;
    let mut other = server.select().await;
    other.says("C: 1 STORE 2 +FLAGS.SILENT (\\Deleted)\nS: 1 OK …\nC: 2 EXPUNGE\nS: * 2 EXPUNGE\nS: 2 OK …").await;
    reader.says("C: a FETCH 2 BODY.PEEK[TEXT]\nS: * 2 FETCH (BODY[TEXT] {8}\nS: text 2\nS: )\nS…\nS: a OK …").await;
    reader.says("C: b NOOP\nS: * 2 EXPUNGE\nS: b OK …").await;
}

#[tokio::test]
async fn many_messages_come_in_order_with_their_own_content() {
    let server = Server::with_messages(600).await;
    let mut client = server.select().await;
    let mut expected = String::new();
    for number in 1..=600 {
        let text = format!("text {number}\r\n");
        expected += &server_lines(&format!("* {number} FETCH (UID {number} BODY[TEXT] {{{}}}\r\n{text})", text.len()));
    }
    client.says(&format!("C: a FETCH 1:* (UID BODY.PEEK[TEXT])\n{expected}S: a OK …")).await;
    let mut expected = String::new();
    for number in 1..=600 {
        expected += &format!("S: * {number} FETCH (ENVELOPE (\"…\" \"message {number}\" …))\n");
    }
    client.says(&format!("C: b FETCH 1:* ENVELOPE\n{expected}S: b OK …")).await;
    client
        .says(&format!("C: c UID FETCH 1:* ENVELOPE\n{}S: c OK …", expected.replace("ENVELOPE", "UID … ENVELOPE")))
        .await;
}

#[tokio::test]
async fn fetch_from_an_empty_mailbox_finds_nothing() {
    let server = Server::start().await;
    server
        .selected(
            "C: 1 UID FETCH 1:* FLAGS\nS: 1 OK …\nC: 2 FETCH 1:* FLAGS\nS: 2 OK …\nC: 3 FETCH 1 FLAGS\nS: 3 BAD …",
        )
        .await;
}
