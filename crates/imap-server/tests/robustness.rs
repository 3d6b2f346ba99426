//! What does not depend on a command: pipelining, framing, literals, and clients that make no sense (RFC 9051 §2.2.1,
//! §4.3 and §5.5, RFC 7888).

mod common;

use common::{Client, LOGIN, Server, Setup};
use postrider_imap_proto::FrameLimits;
use postrider_imap_server::ImapOptions;

/// A session with some of everything.
const CONVERSATION: &str = r#"
    C: b SELECT INBOX
    S…
    S: b OK [READ-WRITE] …
    C: c FETCH 1:2 (UID FLAGS)
    S: * 1 FETCH (UID 1 FLAGS (\Recent))
    S: * 2 FETCH (UID 2 FLAGS (\Recent))
    S: c OK …
    C: d APPEND INBOX (\Seen) {15+}
    C: Subject: a
    C:
    C- b
    C:
    S: * 3 EXISTS
    S: * 3 RECENT
    S: d OK [APPENDUID … 3] …
    C: e UID SEARCH SUBJECT {1+}
    C: a
    S: * SEARCH …3
    S: e OK …
    C: f COPY 3 "INBOX"
    S: * 4 EXISTS
    S: * 4 RECENT
    S: f OK [COPYUID … 3 4] …
    C: g NONSENSE
    S: g BAD …
    C: h IDLE
    S: + …
    C: DONE
    S: h OK …
    C: i LOGOUT
    S: * BYE …
    S: i OK …
    S closes
"#;

#[tokio::test]
async fn a_conversation_is_the_same_in_whatever_pieces_it_arrives() {
    for piece_bytes in [usize::MAX, 1, 2, 3, 7, 64] {
        let server = Server::with_messages(2).await;
        Client(server.connect()).says_in_pieces(&format!("{LOGIN}{CONVERSATION}"), piece_bytes).await;
    }
}

#[tokio::test]
async fn the_whole_conversation_may_come_in_one_write() {
    let server = Server::with_messages(2).await;
    let all = format!("{LOGIN}{CONVERSATION}");
    let lines = |mark: &str| {
        let wanted = all.lines().filter(|line| line.trim_start().starts_with(mark));
        wanted.collect::<Vec<_>>().join("\n")
    };
    let text = format!("{}\n{}", lines("C"), lines("S"));
    Client(server.connect()).says(&text).await;
}

#[tokio::test]
async fn hundreds_of_pipelined_commands_are_answered_in_order() {
    let server = Server::with_messages(1).await;
    let (mut sent, mut expected) = (String::new(), String::new());
    for number in 0..500 {
        sent += &format!("C: t{number} UID FETCH 1 (UID RFC822.SIZE)\n");
        expected += &format!("S: * 1 FETCH (UID 1 RFC822.SIZE …)\nS: t{number} OK …\n");
    }
    server.selected(&format!("{sent}{expected}")).await;
}

#[tokio::test]
async fn a_synchronising_literal_waits_and_a_non_synchronising_one_does_not() {
    let text = "
        C: a STATUS {5}
        S: + …
        C: INBOX (MESSAGES)
        S: * STATUS INBOX (MESSAGES 0)
        S: a OK …
        C: b STATUS {5+}
        C: INBOX (MESSAGES)
        S: * STATUS INBOX (MESSAGES 0)
        S: b OK …
        C: c STATUS {0}
        S: + …
        C:  (MESSAGES)
        S: c NO …";
    Server::start().await.session(text).await;
}

#[tokio::test]
async fn a_literal_that_is_too_large_is_refused_and_the_connection_goes_on() {
    let frames = FrameLimits { literal_bytes_max: 10, append_bytes_max: 20, ..FrameLimits::default() };
    let options = ImapOptions { frames, append_bytes_max: 20, ..ImapOptions::default() };
    let server = Server::start_with(Setup { imap: options, ..Setup::default() }).await;
    // A client that asks for leave gets none and does not send; the bytes of one that does not ask are dropped
    // (RFC 7888 §4).
    let text = "
        C: a STATUS {11}
        S: a NO [TOOBIG] …
        C: b NOOP
        S: b OK …
        C: c STATUS {11+}
        C: 0123456789a (MESSAGES)
        S: c NO [TOOBIG] …
        C: d APPEND INBOX {21+}
        C: x NOOP
        C: 0123456789abc
        S: d NO [TOOBIG] …
        C: e APPEND INBOX {21}
        S: e NO [TOOBIG] …
        C: f STATUS INBOX (MESSAGES)
        S: * STATUS INBOX (MESSAGES 0)
        S: f OK …";
    server.login().await.says(text).await;
    server.login().await.says_in_pieces(text, 1).await;
}

#[tokio::test]
async fn before_login_less_is_taken() {
    let server = Server::start().await;
    let text = "
        S: * OK …
        C: a LOGIN {5000}
        S: a NO [TOOBIG] …
        C: b LOGIN {17}
        S: + …
        C: alice@example.net secret
        S: b OK …";
    Client(server.connect()).says(text).await;
}

#[tokio::test]
async fn a_line_that_is_too_long_is_dropped() {
    let server = Server::start().await;
    let long = "x".repeat(70_000);
    let text = format!("C: a NOOP {long}\nS: a BAD …\nC: b NOOP\nS: b OK …");
    server.session(&text).await;
}

#[tokio::test]
async fn what_cannot_be_read_is_bad_with_its_tag_where_there_is_one() {
    let text = "
        C: a
        S: a BAD …
        C: b FOO
        S: b BAD …
        C: +c NOOP
        S: * BAD …
        C:
        S: * BAD …
        C: d NOOP more
        S: d BAD …
        C: e NOOP
        S: e OK …";
    Server::start().await.session(text).await;
}

#[tokio::test]
async fn too_many_errors_in_a_row_end_the_connection() {
    let options = ImapOptions { errors_max: 3, ..ImapOptions::default() };
    let server = Server::start_with(Setup { imap: options, ..Setup::default() }).await;
    let text = "
        C: a FOO
        S: a BAD …
        C: b FOO
        S: b BAD …
        C: c NOOP
        S: c OK …
        C: d FOO
        C: e FOO
        C: f FOO
        C: g NOOP
        S: d BAD …
        S: e BAD …
        S: f BAD …
        S: * BYE Too many errors
        S closes";
    server.session(text).await;
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_ends_its_session_alone() {
    let server = Server::with_messages(1).await;
    for text in ["C: a NOOP\nS: a OK …", "C- a NOO", "C: a APPEND INBOX {100+}\nC- Subject", "C: a IDLE\nS: + …"] {
        let (client, task) = server.connect_from("127.0.0.1:1");
        let mut client = Client(client);
        client.says(&format!("{LOGIN}{text}\nC closes\nS closes")).await;
        task.await.unwrap();
    }
    server.session("C: a NOOP\nS: a OK …").await;
}
