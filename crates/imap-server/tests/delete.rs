//! DELETE (RFC 9051 §6.3.5).

mod common;

use common::Server;
use postrider_store::INBOX;

#[tokio::test]
async fn a_mailbox_goes_and_those_below_it_stay() {
    let server = Server::start().await;
    server
        .session(
            r#"
            C: 1 CREATE foo/bar
            S: 1 OK …
            C: 2 DELETE foo
            S: 2 OK …
            C: 3 LIST "" *oo*
            S: * LIST (\NonExistent \Noselect \HasChildren) "/" foo
            S: * LIST (\HasNoChildren) "/" foo/bar
            S: 3 OK …
            C: 4 DELETE foo
            S: 4 NO [HASCHILDREN] …
            C: 5 DELETE foo/bar
            S: 5 OK …
            C: 6 DELETE foo
            S: 6 NO [NONEXISTENT] …
            C: 7 CREATE foo/bar
            S: 7 OK …
            C: 8 DELETE inbox
            S: 8 NO [CANNOT] …
            C: 9 DELETE none
            S: 9 NO [NONEXISTENT] …
            "#,
        )
        .await;
}

#[tokio::test]
async fn a_deleted_name_stays_subscribed() {
    let server = Server::start().await;
    server
        .session(
            r#"
            C: 1 DELETE Trash
            S: 1 OK …
            C: 2 LIST (SUBSCRIBED) "" Trash
            S: * LIST (\NonExistent \Noselect \HasNoChildren \Subscribed) "/" Trash
            S: 2 OK …
            C: 3 LSUB "" Trash
            S: * LSUB () "/" Trash
            S: 3 OK …
            "#,
        )
        .await;
}

#[tokio::test]
async fn who_deletes_the_selected_mailbox_has_left_it_and_others_are_told_goodbye() {
    let server = Server::start().await;
    let mut here = server.login().await;
    let mut there = server.login().await;
    for client in [&mut here, &mut there] {
        client.says("C: 1 SELECT Trash\nS…\nS: 1 OK [READ-WRITE] …").await;
    }
    here.says("C: 2 DELETE Trash\nS: 2 OK …\nC: 3 FETCH 1 FLAGS\nS: 3 BAD …\nC: 4 NOOP\nS: 4 OK …").await;
    there.says("C: 2 NOOP\nS: * BYE …\nS closes").await;
}

#[tokio::test]
async fn messages_that_lie_elsewhere_too_are_still_there() {
    let server = Server::with_messages(1).await;
    server.fill(INBOX, 1).await;
    server
        .selected(
            r"
            C: 1 COPY 1:2 Trash
            S: 1 OK …
            C: 2 DELETE Trash
            S: 2 OK …
            C: 3 FETCH 2 BODY.PEEK[TEXT]
            S: * 2 FETCH (BODY[TEXT] {8}
            S: text 1
            S: )
            S: 3 OK …
            ",
        )
        .await;
}
