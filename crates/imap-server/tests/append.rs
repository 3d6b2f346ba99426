//! APPEND: flags, dates, several messages, binary and UTF-8 content, refusals (RFC 9051 §6.3.12, RFC 3502, RFC 6855 §4).

mod common;

use common::{Server, Setup};
use postrider_imap_server::ImapOptions;

#[tokio::test]
async fn flags_and_date_are_kept_and_the_uid_is_told() {
    let server = Server::start().await;
    server
        .session(
            r#"
            C: 1 APPEND INBOX (\Seen $Work \Flagged) "17-Jul-1996 02:44:25 -0700" {19}
            S: + OK
            C: Subject: a
            C:
            C: text
            S: 1 OK [APPENDUID 1700000000 1] …
            C: 2 APPEND inbox () " 1-Jan-1970 00:00:00 +0000" {19+}
            C: Subject: b
            C:
            C: text
            S: 2 OK [APPENDUID 1700000000 2] …
            C: 3 APPEND "INBOX" {19+}
            C: Subject: c
            C:
            C: text
            S: 3 OK [APPENDUID 1700000000 3] …
            C: 4 EXAMINE INBOX
            S…
            S: 4 OK …
            C: 5 FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)
            S: * 1 FETCH (UID 1 FLAGS (\Recent \Flagged \Seen $Work) INTERNALDATE "17-Jul-1996 09:44:25 +0000" RFC822.SIZE 19)
            S: * 2 FETCH (UID 2 FLAGS (\Recent) INTERNALDATE " 1-Jan-1970 00:00:00 +0000" RFC822.SIZE 19)
            S: * 3 FETCH (UID 3 FLAGS (\Recent) INTERNALDATE "14-Nov-2023 22:13:20 +0000" RFC822.SIZE 19)
            S: 5 OK …
            "#,
        )
        .await;
}

#[tokio::test]
async fn the_selected_mailbox_tells_at_once_of_what_came_into_it() {
    let server = Server::with_messages(1).await;
    server
        .selected(
            r"
            C: 1 APPEND INBOX ($New) {4+}
            C: a: b
            S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $New)
            S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft $New \*)] …
            S: * 2 EXISTS
            S: * 2 RECENT
            S: 1 OK [APPENDUID 1700000000 2] …
            ",
        )
        .await;
}

#[tokio::test]
async fn a_mailbox_that_is_not_there_could_be_created() {
    let server = Server::start().await;
    server
        .session(
            r#"
            C: 1 APPEND None {3+}
            C: a:b
            S: 1 NO [TRYCREATE] …
            C: 2 LIST "" None
            S: 2 OK …
            "#,
        )
        .await;
}

#[tokio::test]
async fn several_messages_come_all_or_none() {
    let server = Server::start().await;
    server
        .session(
            r#"
            C: 1 APPEND INBOX (\Seen) {4+}
            C: a: 1 "17-Jul-1996 02:44:25 +0000" {4+}
            C: a: 2 (\Draft $x) " 7-Feb-1994 22:43:04 -0800" {4}
            S: + OK
            C: a: 3
            S: 1 OK [APPENDUID 1700000000 1:3] …
            # One that is refused takes all with it (RFC 3502 §4).
            C: 2 APPEND INBOX {4+}
            C: a: 4 (\NoSuchFlag) {4+}
            C: a: 5
            S: 2 BAD …
            C: 3 APPEND INBOX {4+}
            C: a: 6 {0+}
            C:
            S: 3 NO …
            C: 4 APPEND INBOX {4+}
            C: a: 7 "40-Feb-1994 22:43:04 -0800" {4+}
            C: a: 8
            S: 4 BAD …
            C: 5 STATUS INBOX (MESSAGES UIDNEXT)
            S: * STATUS INBOX (MESSAGES 3 UIDNEXT 4)
            S: 5 OK …
            C: 6 SELECT INBOX
            S…
            S: 6 OK …
            C: 7 FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])
            S: * 1 FETCH (FLAGS (\Recent \Seen) INTERNALDATE "14-Nov-2023 22:13:20 +0000" BODY[] {4}
            S: a: 1)
            S: * 2 FETCH (FLAGS (\Recent) INTERNALDATE "17-Jul-1996 02:44:25 +0000" BODY[] {4}
            S: a: 2)
            S: * 3 FETCH (FLAGS (\Recent \Draft $x) INTERNALDATE " 8-Feb-1994 06:43:04 +0000" BODY[] {4}
            S: a: 3)
            S: 7 OK …
            "#,
        )
        .await;
}

#[tokio::test]
async fn another_session_sees_several_messages_at_once() {
    let server = Server::start().await;
    let mut other = server.select().await;
    server.session("C: 1 APPEND INBOX {4+}\nC: a: 1 {4+}\nC: a: 2\nS: 1 OK …").await;
    other.says("C: 1 NOOP\nS: * 2 EXISTS\nS: * 2 RECENT\nS: 1 OK …").await;
}

#[tokio::test]
async fn binary_content_is_kept_octet_by_octet() {
    let server = Server::start().await;
    let mut client = server.login().await;
    let message = b"Content-Transfer-Encoding: binary\r\n\r\n\x00\xff\x01\r\n\x00";
    let mut command = format!("1 APPEND INBOX (\\Seen) ~{{{}+}}\r\n", message.len()).into_bytes();
    command.extend_from_slice(message);
    command.extend_from_slice(b"\r\n");
    let answer = client.exchange("1", &command).await;
    assert!(answer.starts_with(b"1 OK [APPENDUID 1700000000 1]"), "{}", answer.escape_ascii());
    client.says("C: 2 SELECT INBOX\nS…\nS: 2 OK …").await;
    let answer = client.exchange("3", b"3 FETCH 1 BINARY.PEEK[]\r\n").await;
    let mut expected = format!("* 1 FETCH (BINARY[] ~{{{}}}\r\n", message.len()).into_bytes();
    expected.extend_from_slice(message);
    assert!(answer.starts_with(&expected), "{}", answer.escape_ascii());
}

#[tokio::test]
async fn utf8_headers_are_taken_from_a_client_that_enabled_them() {
    let server = Server::start().await;
    let mut client = server.login().await;
    client.says("C: 1 APPEND INBOX UTF8 (~{16+}\nC- Subject: Grüße\nC: )\nS: 1 BAD …").await;
    client
        .says(
            r#"
            C: 2 ENABLE UTF8=ACCEPT
            S: * ENABLED UTF8=ACCEPT
            S: 2 OK …
            C: 3 APPEND INBOX (\Seen) UTF8 (~{16+}
            C- Subject: Grüße
            C: )
            S: 3 OK [APPENDUID 1700000000 1] …
            C: 4 APPEND INBOX UTF8 (~{16}
            S: + OK
            C- Subject: Grüße
            C: )
            S: 4 OK [APPENDUID 1700000000 2] …
            # The literal must be a literal8 (RFC 6855 §4).
            C: 5 APPEND INBOX UTF8 ({4+}
            C- a: b
            C: )
            S: 5 BAD …
            C: 6 APPEND INBOX UTF8 ~{4+}
            C: a: b
            S: 6 BAD …
            C: 7 SELECT INBOX
            S…
            S: 7 OK …
            C: 8 SEARCH SUBJECT "grüß"
            S: * SEARCH 1 2
            S: 8 OK …
            "#,
        )
        .await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_before_it_is_sent() {
    let setup = Setup { imap: ImapOptions { append_bytes_max: 1000, ..ImapOptions::default() }, ..Setup::default() };
    let server = Server::start_with(setup).await;
    let mut client = server.login().await;
    client.says("C: 1 CAPABILITY\nS: * CAPABILITY …APPENDLIMIT=1000…\nS: 1 OK …").await;
    client.says("C: 2 APPEND INBOX {1001}\nS: 2 NO [TOOBIG] …").await;
    // Who does not wait sends it in vain (RFC 7888 §4).
    client.says(&format!("C: 3 APPEND INBOX {{1001+}}\nC: {}\nS: 3 NO [TOOBIG] …", "x".repeat(1001))).await;
    client.says(&format!("C: 4 APPEND INBOX {{1000+}}\nC: {}\nS: 4 OK [APPENDUID …", "x".repeat(1000))).await;
    client
        .says(&format!("C: 5 APPEND INBOX {{4+}}\nC: a: b {{1001+}}\nC: {}\nS: 5 NO [TOOBIG] …", "x".repeat(1001)))
        .await;
    client
        .says("C: 6 STATUS INBOX (MESSAGES APPENDLIMIT)\nS: * STATUS INBOX (MESSAGES 1 APPENDLIMIT 1000)\nS: 6 OK …")
        .await;
}

#[tokio::test]
async fn malformed_appends_are_refused() {
    let server = Server::start().await;
    let mut client = server.login().await;
    for arguments in [
        "INBOX",
        "INBOX (\\Seen)",
        "INBOX \"a: b\"",
        "INBOX (\\Seen) (\\Seen) {4+}\nC: a: b",
        "INBOX \"17-Jul-1996\" {4+}\nC: a: b",
        "INBOX \"17-Jul-1996 02:44:25 -07:00\" {4+}\nC: a: b",
        "INBOX {4+}\nC: a: bc",
    ] {
        client.says(&format!("C: a APPEND {arguments}\nS: a BAD …")).await;
    }
    client.says("C: b STATUS INBOX (MESSAGES)\nS: * STATUS INBOX (MESSAGES 0)\nS: b OK …").await;
}

#[tokio::test]
async fn a_message_is_stored_whatever_it_holds() {
    let server = Server::start().await;
    let mut client = server.login().await;
    for raw in ["\r\n", "x", ":", "no header\r\nat all\r\n", "a: b\nbare line ends\n\n", "\u{feff}Subject: x\r\n\r\n"] {
        let answer = client.exchange("a", format!("a APPEND INBOX {{{}+}}\r\n{raw}\r\n", raw.len()).as_bytes()).await;
        assert!(answer.starts_with(b"a OK [APPENDUID"), "{}", answer.escape_ascii());
    }
    client.says("C: s SELECT INBOX\nS…\nS: s OK …").await;
    for (number, raw) in (1..).zip(["\r\n", "x", ":"]) {
        let answer = client.exchange("f", format!("f FETCH {number} BODY.PEEK[]\r\n").as_bytes()).await;
        assert!(answer.starts_with(format!("* {number} FETCH (BODY[] {{{}}}\r\n{raw})", raw.len()).as_bytes()));
    }
    let answer =
        client.exchange("g", b"g FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE PREVIEW BODY.PEEK[HEADER])\r\n").await;
    assert!(answer.windows(6).filter(|window| window == b"FETCH ").count() == 6);
}

#[tokio::test]
async fn a_pipeline_of_appends_is_answered_in_order_however_it_is_cut() {
    let transcript = "
        C: 1 APPEND INBOX {4+}
        C: a: 1
        C: 2 APPEND INBOX (\\Seen) {4+}
        C: a: 2
        C: 3 NOOP
        S: 1 OK [APPENDUID 1700000000 1] …
        S: 2 OK [APPENDUID 1700000000 2] …
        S: 3 OK …
    ";
    for piece_bytes in [1, 7, 1000] {
        let server = Server::start().await;
        server.login().await.says_in_pieces(transcript, piece_bytes).await;
    }
}
