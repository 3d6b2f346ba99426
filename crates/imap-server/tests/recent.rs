//! `\Recent` (RFC 3501 §2.3.2): one session only is told that a message is new.

mod common;

use common::{Server, message};
use postrider_store::INBOX;

#[tokio::test]
async fn the_first_session_that_selects_takes_the_recent_messages() {
    let server = Server::with_messages(2).await;
    let recent = |count| format!("C: a SELECT INBOX\nS…\nS: * {count} RECENT\nS…\nS: a OK …");
    let mut first = server.login().await;
    first.says(&recent(2)).await;
    let mut second = server.login().await;
    second.says(&recent(0)).await;
    second
        .says("C: b SEARCH RECENT\nS: * SEARCH\nS: b OK …\nC: c FETCH 1 FLAGS\nS: * 1 FETCH (FLAGS ())\nS: c OK …")
        .await;
    first.says("C: b SEARCH RECENT\nS: * SEARCH 1 2\nS: b OK …\nC: c SEARCH OLD\nS: * SEARCH\nS: c OK …").await;
    first.says(&format!("C: b CLOSE\nS: b OK …\n{}", recent(0))).await;
}

#[tokio::test]
async fn a_message_that_arrives_is_recent_in_one_of_two_sessions() {
    let server = Server::with_messages(1).await;
    let mut first = server.select().await;
    let mut second = server.select().await;
    server.append(INBOX, Vec::new(), message(2)).await;
    second.says("C: a NOOP\nS: * 2 EXISTS\nS: * 1 RECENT\nS: a OK …").await;
    first.says("C: a NOOP\nS: * 2 EXISTS\nS: * 1 RECENT\nS: a OK …").await;
    second.says("C: b FETCH 1:2 FLAGS\nS: * 1 FETCH (FLAGS ())\nS: * 2 FETCH (FLAGS (\\Recent))\nS: b OK …").await;
    first.says("C: b FETCH 1:2 FLAGS\nS: * 1 FETCH (FLAGS (\\Recent))\nS: * 2 FETCH (FLAGS ())\nS: b OK …").await;
}

#[tokio::test]
async fn examine_and_status_show_recent_messages_and_take_none() {
    let server = Server::with_messages(2).await;
    let text = "
        C: a STATUS INBOX (RECENT)
        S: * STATUS INBOX (RECENT 2)
        S: a OK …
        C: b EXAMINE INBOX
        S…
        S: * 2 RECENT
        S…
        S: b OK …
        C: c STATUS INBOX (RECENT)
        S: * STATUS INBOX (RECENT 2)
        S: c OK …
        C: d SELECT INBOX
        S…
        S: * 2 RECENT
        S…
        S: d OK …
        C: e EXAMINE INBOX
        S…
        S: * 0 RECENT
        S…
        S: e OK …
        C: f STATUS INBOX (RECENT)
        S: * STATUS INBOX (RECENT 0)
        S: f OK …";
    server.session(text).await;
}
