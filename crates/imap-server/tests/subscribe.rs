//! SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7 and §6.3.8).

mod common;

use common::Server;

#[tokio::test]
async fn names_are_put_on_the_list_and_taken_off() {
    let server = Server::start().await;
    server
        .session(
            r#"
            C: 1 LSUB "" *
            S: * LSUB () "/" Archive
            S: * LSUB () "/" Drafts
            S: * LSUB () "/" INBOX
            S: * LSUB () "/" Junk
            S: * LSUB () "/" Sent
            S: * LSUB () "/" Trash
            S: 1 OK …
            C: 2 UNSUBSCRIBE Junk
            S: 2 OK …
            C: 3 UNSUBSCRIBE inbox
            S: 3 OK …
            # What is not on the list can be taken off it as well.
            C: 4 UNSUBSCRIBE Junk
            S: 4 OK …
            C: 5 SUBSCRIBE InBox
            S: 5 OK …
            C: 6 SUBSCRIBE INBOX
            S: 6 OK …
            # A name need not exist (RFC 9051 §6.3.7), but it must be one.
            C: 7 SUBSCRIBE not/yet
            S: 7 OK …
            C: 8 SUBSCRIBE a//b
            S: 8 NO [CANNOT] …
            C: 9 LSUB "" (not*)
            S: 9 BAD …
            C: 10 LIST (SUBSCRIBED) "" (INBOX Junk not*)
            S: * LIST (\HasNoChildren \Subscribed) "/" INBOX
            S: * LIST (\NonExistent \Noselect \HasNoChildren \Subscribed) "/" not/yet
            S: 10 OK …
            "#,
        )
        .await;
}
