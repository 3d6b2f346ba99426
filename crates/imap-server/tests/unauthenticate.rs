//! UNAUTHENTICATE (RFC 8437).

mod common;

use common::{Client, PLAIN, Server};
use postrider_store::{Flag, INBOX};

#[tokio::test]
async fn the_connection_is_as_it_was_before_login() {
    let server = Server::with_messages(2).await;
    server.append(INBOX, vec![Flag::Deleted], common::message(3)).await;
    let mut client = server.select_with("QRESYNC IMAP4rev2 UTF8=ACCEPT").await;
    // Nothing is expunged, and nothing stays enabled (RFC 8437 §3 and §4.1).
    let text = "
        C: a SEARCH RETURN (SAVE) ALL
        S: a OK …
        C: b UNAUTHENTICATE
        S: b OK …
        C: c FETCH 1 FLAGS
        S: c BAD …
        C: d CAPABILITY
        S: * CAPABILITY …AUTH=PLAIN…
        S: d OK …
        C: e LOGIN alice@example.net secret
        S: e OK …
        C: f SELECT INBOX
        S: * FLAGS …
        S: * OK [PERMANENTFLAGS …
        S: * 3 EXISTS
        S: * 0 RECENT
        S…
        S: f OK [READ-WRITE] …
        C: g FETCH $ UID
        S: g OK …
        C: h STORE 1 FLAGS ()
        S: * 1 FETCH (UID 1 FLAGS ())
        S: h OK …";
    client.says(text).await;
}

#[tokio::test]
async fn somebody_else_may_log_in_within_one_write() {
    let server = Server::with_messages(1).await;
    let text = format!(
        "
        S: * OK …
        C: a LOGIN bob@example.net secret
        C: b STATUS INBOX (MESSAGES)
        C: c UNAUTHENTICATE
        C: d AUTHENTICATE PLAIN {PLAIN}
        C: e STATUS INBOX (MESSAGES)
        S: a OK …
        S: * STATUS INBOX (MESSAGES 0)
        S: b OK …
        S: c OK …
        S: d OK …
        S: * STATUS INBOX (MESSAGES 1)
        S: e OK …"
    );
    Client(server.connect()).says(&text).await;
}
