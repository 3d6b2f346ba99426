//! CLOSE and UNSELECT (RFC 9051 §6.4.1 and §6.4.2).

mod common;

use common::{Server, message};
use postrider_store::{Flag, INBOX};

async fn server() -> Server {
    let server = Server::with_messages(2).await;
    server.append(INBOX, vec![Flag::Deleted], message(3)).await;
    server
}

#[tokio::test]
async fn close_expunges_without_a_word() {
    let text = "
        C: a CLOSE
        S: a OK …
        C: b FETCH 1 FLAGS
        S: b BAD …
        C: c STATUS INBOX (MESSAGES)
        S: * STATUS INBOX (MESSAGES 2)
        S: c OK …";
    server().await.selected(text).await;
}

#[tokio::test]
async fn close_with_qresync_tells_neither_vanished_nor_highestmodseq() {
    // RFC 7162 §3.2.8
    server().await.select_with("QRESYNC").await.says("C: a CLOSE\nS: a OK Closed").await;
}

#[tokio::test]
async fn unselect_expunges_nothing() {
    let text = "
        C: a UNSELECT
        S: a OK …
        C: b CLOSE
        S: b BAD …
        C: c STATUS INBOX (MESSAGES DELETED)
        S: * STATUS INBOX (MESSAGES 3 DELETED 1)
        S: c OK …";
    server().await.selected(text).await;
}

#[tokio::test]
async fn close_of_an_examined_mailbox_expunges_nothing() {
    let text = "
        C: a EXAMINE INBOX
        S…
        S: a OK [READ-ONLY] …
        C: b CLOSE
        S: b OK …
        C: c STATUS INBOX (MESSAGES)
        S: * STATUS INBOX (MESSAGES 3)
        S: c OK …";
    server().await.session(text).await;
}

#[tokio::test]
async fn leaving_a_mailbox_by_select_or_logout_expunges_nothing() {
    let server = server().await;
    server.selected("C: a EXAMINE INBOX\nS…\nS: * 3 EXISTS\nS…\nS: a OK …").await;
    server.selected("C: a LOGOUT\nS: * BYE …\nS: a OK …\nS closes").await;
    server.session("C: a STATUS INBOX (MESSAGES)\nS: * STATUS INBOX (MESSAGES 3)\nS: a OK …").await;
}
