//! STATUS (RFC 9051 §6.3.11, RFC 7889, RFC 8438, RFC 8474 §4.3), NAMESPACE (RFC 2342) and ID (RFC 2971).

mod common;

use common::{Server, message};
use postrider_store::{Flag, INBOX};

#[tokio::test]
async fn every_figure_is_told_in_the_order_it_was_asked_for() {
    let server = Server::start().await;
    server.append(INBOX, vec![Flag::Seen], message(1)).await;
    server.append(INBOX, vec![Flag::Deleted], message(2)).await;
    server.append(INBOX, vec![Flag::Seen, Flag::Deleted], message(3)).await;
    let size = message(1).len() * 3;
    server
        .session(&format!(
            "
            C: 1 STATUS INBOX (UIDNEXT MESSAGES)
            S: * STATUS INBOX (UIDNEXT 4 MESSAGES 3)
            S: 1 OK …
            C: 2 STATUS inbox (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE APPENDLIMIT MAILBOXID HIGHESTMODSEQ)
            S: * STATUS INBOX (MESSAGES 3 RECENT 3 UIDNEXT 4 UIDVALIDITY 1700000000 UNSEEN 1 DELETED 2 SIZE {size} APPENDLIMIT 52428800 MAILBOXID (F1) HIGHESTMODSEQ 10)
            S: 2 OK …
            C: 3 STATUS None (MESSAGES)
            S: 3 NO [NONEXISTENT] …
            C: 4 STATUS INBOX ()
            S: 4 BAD …
            C: 5 STATUS INBOX (NOSUCH)
            S: 5 BAD …
            C: 6 STATUS INBOX
            S: 6 BAD …
            C: 7 STATUS Trash (MESSAGES RECENT UNSEEN DELETED SIZE UIDNEXT)
            S: * STATUS Trash (MESSAGES 0 RECENT 0 UNSEEN 0 DELETED 0 SIZE 0 UIDNEXT 1)
            S: 7 OK …
            "
        ))
        .await;
}

#[tokio::test]
async fn status_takes_nothing_of_what_is_recent() {
    let server = Server::with_messages(2).await;
    server
        .session(
            "
            C: 1 STATUS INBOX (RECENT)
            S: * STATUS INBOX (RECENT 2)
            S: 1 OK …
            C: 2 STATUS INBOX (RECENT)
            S: * STATUS INBOX (RECENT 2)
            S: 2 OK …
            C: 3 SELECT INBOX
            S…
            S: * 2 RECENT
            S…
            S: 3 OK …
            C: 4 STATUS INBOX (RECENT)
            S: * STATUS INBOX (RECENT 0)
            S: 4 OK …
            ",
        )
        .await;
}

#[tokio::test]
async fn there_is_one_personal_namespace() {
    let server = Server::start().await;
    server
        .session(
            r#"
            C: 1 NAMESPACE
            S: * NAMESPACE (("" "/")) NIL NIL
            S: 1 OK …
            C: 2 NAMESPACE x
            S: 2 BAD …
            "#,
        )
        .await;
}

#[tokio::test]
async fn both_sides_say_who_they_are_in_any_state() {
    let server = Server::start().await;
    let mut client = common::Client(server.connect());
    client
        .says(
            r#"
            S: * OK [CAPABILITY …
            C: 1 ID NIL
            S: * ID ("name" "postrider" "version" "…")
            S: 1 OK …
            C: 2 ID ("name" "sodr" "version" "19.34" "vendor" NIL)
            S: * ID ("name" "postrider" "version" "…")
            S: 2 OK …
            C: 3 ID ()
            S…
            S: 3 OK …
            C: 4 ID
            S: 4 BAD …
            C: 5 ID ("name")
            S: 5 BAD …
            "#,
        )
        .await;
}
