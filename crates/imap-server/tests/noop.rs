//! NOOP and what several sessions learn of each other (RFC 9051 §5.2, §5.5 and §7.5.1).

mod common;

use common::{ALICE, Client, Server, message};
use postrider_store::INBOX;
use tokio::io::DuplexStream;

/// Two sessions in a mailbox with five messages; the second has expunged 2 and 4 and flagged 5.
async fn two_sessions() -> (Server, Client<DuplexStream>) {
    let server = Server::with_messages(5).await;
    let first = server.select().await;
    let text = r"
        C: a STORE 2,4 +FLAGS.SILENT (\Deleted)
        S: a OK …
        C: b EXPUNGE
        S: * 2 EXPUNGE
        S: * 3 EXPUNGE
        S: b OK …
        C: c UID STORE 5 +FLAGS.SILENT (\Flagged)
        S: c OK …";
    server.selected(text).await;
    (server, first)
}

#[tokio::test]
async fn noop_without_news_says_nothing() {
    let server = Server::with_messages(1).await;
    server.selected("C: 1 NOOP\nS: 1 OK …\nC: 2 CHECK\nS: 2 OK …").await;
    server.session("C: 1 NOOP\nS: 1 OK …").await;
}

#[tokio::test]
async fn all_news_come_with_noop_in_an_order_that_keeps_numbers_right() {
    let (server, mut first) = two_sessions().await;
    server.append(INBOX, Vec::new(), message(6)).await;
    let text = r"
        C: a NOOP
        S: * 2 EXPUNGE
        S: * 3 EXPUNGE
        S: * 4 EXISTS
        S: * 4 RECENT
        S: * 3 FETCH (UID 5 FLAGS (\Recent \Flagged))
        S: a OK …
        C: b FETCH 1:* UID
        S: * 1 FETCH (UID 1)
        S: * 2 FETCH (UID 3)
        S: * 3 FETCH (UID 5)
        S: * 4 FETCH (UID 6)
        S: b OK …";
    first.says(text).await;
}

#[tokio::test]
async fn expunge_waits_while_commands_use_sequence_numbers_but_flags_do_not() {
    let (server, mut first) = two_sessions().await;
    let text = r"
        C: a FETCH 5 UID
        S: * 5 FETCH (UID 5)
        S: * 5 FETCH (UID 5 FLAGS (\Recent \Flagged))
        S: a OK …
        C: b SEARCH UID 3:5
        S: * SEARCH 3 4 5
        S: b OK …
        C: c STORE 3 +FLAGS (\Seen)
        S: * 3 FETCH (UID 3 FLAGS (\Recent \Seen))
        S: c OK …";
    first.says(text).await;
    // New messages wait as well, as their numbers would have to shift.
    server.append(INBOX, Vec::new(), message(6)).await;
    let text = r"
        C: a FETCH 1 UID
        S: * 1 FETCH (UID 1)
        S: a OK …
        C: b FETCH 6 UID
        S: b BAD …
        C: c NOOP
        S: * 2 EXPUNGE
        S: * 3 EXPUNGE
        S: * 4 EXISTS
        S: * 4 RECENT
        S: c OK …";
    first.says(text).await;
}

#[tokio::test]
async fn expunge_comes_with_uid_commands_and_all_others() {
    for (command, answer) in [
        ("UID FETCH 1 UID", "S: * 1 FETCH (UID 1)"),
        ("UID SEARCH UID 1", "S: * SEARCH 1"),
        ("UID STORE 1 FLAGS ()", "S: * 1 FETCH (UID 1 FLAGS (\\Recent))"),
        ("CHECK", ""),
        ("CAPABILITY", "S: * CAPABILITY …"),
        ("STATUS other (MESSAGES)", "S: * STATUS other (MESSAGES 0)"),
        ("COPY 1 other", ""),
        ("CREATE another", ""),
    ] {
        let (server, mut first) = two_sessions().await;
        server.account(ALICE).await.create_mailbox("other", Default::default()).await.unwrap();
        let text = format!(
            r"
            C: a {command}
            {answer}
            S: * 2 EXPUNGE
            S: * 3 EXPUNGE
            S: * 3 FETCH (UID 5 FLAGS (\Recent \Flagged))
            S: a OK …"
        );
        first.says(&text).await;
    }
}

#[tokio::test]
async fn fetch_of_a_message_that_another_session_expunged_says_so() {
    let (_server, mut first) = two_sessions().await;
    let text = r"
        C: a FETCH 1:2 BODY.PEEK[TEXT]
        S: * 1 FETCH (BODY[TEXT] {8}
        S: text 1
        S: )
        S: * 5 FETCH (UID 5 FLAGS (\Recent \Flagged))
        S: a NO [EXPUNGEISSUED] …
        C: b NOOP
        S: * 2 EXPUNGE
        S: * 3 EXPUNGE
        S: b OK …";
    first.says(text).await;
}

#[tokio::test]
async fn news_of_a_mailbox_come_in_pipelined_commands_at_the_right_place() {
    let (_server, mut first) = two_sessions().await;
    let text = r"
        C: a FETCH 5 UID
        C: b NOOP
        C: c FETCH 3 UID
        S: * 5 FETCH (UID 5)
        S: * 5 FETCH (UID 5 FLAGS (\Recent \Flagged))
        S: a OK …
        S: * 2 EXPUNGE
        S: * 3 EXPUNGE
        S: b OK …
        S: * 3 FETCH (UID 5)
        S: c OK …";
    first.says(text).await;
}

#[tokio::test]
async fn a_mailbox_that_another_session_deletes_ends_the_sessions_in_it() {
    let server = Server::start().await;
    let account = server.account(ALICE).await;
    account.create_mailbox("here", Default::default()).await.unwrap();
    server.append("here", Vec::new(), message(1)).await;
    let mut client = server.login().await;
    client.says("C: a SELECT here\nS…\nS: a OK …").await;
    server.session("C: a DELETE here\nS: a OK …").await;
    client.says("C: a NOOP\nS: * BYE …deleted…\nS closes").await;
}

#[tokio::test]
async fn who_deletes_the_mailbox_he_is_in_has_left_it() {
    let server = Server::start().await;
    server.account(ALICE).await.create_mailbox("here", Default::default()).await.unwrap();
    let text = "
        C: a SELECT here
        S…
        S: a OK …
        C: b DELETE here
        S: b OK …
        C: c FETCH 1 UID
        S: c BAD …
        C: d NOOP
        S: d OK …";
    server.session(text).await;
}

#[tokio::test]
async fn a_mailbox_that_is_renamed_stays_selected() {
    let server = Server::start().await;
    server.account(ALICE).await.create_mailbox("here", Default::default()).await.unwrap();
    let mut client = server.login().await;
    client.says("C: a SELECT here\nS…\nS: a OK …").await;
    server.session("C: a RENAME here there\nS: a OK …").await;
    server.append("there", Vec::new(), message(1)).await;
    client.says("C: a NOOP\nS: * 1 EXISTS\nS: * 1 RECENT\nS: a OK …").await;
}
