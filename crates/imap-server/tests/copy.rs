//! COPY (RFC 9051 §6.4.7, RFC 4315 §3).

mod common;

use common::{ALICE, Server, message};
use postrider_store::{ExpungeOnly, Flag, INBOX, Uid, UidSet};

#[tokio::test]
async fn copies_keep_their_flags_and_dates_and_get_uids_of_their_own() {
    let server = Server::with_messages(3).await;
    let keyword = |name: &str| Flag::Keyword(name.to_owned());
    server.append(INBOX, vec![Flag::Seen, keyword("a"), keyword("b")], message(4)).await;
    let account = server.account(ALICE).await;
    account.create_mailbox("to", Default::default()).await.unwrap();
    // There the same keywords have other places.
    server.append("to", vec![keyword("c"), keyword("b")], message(9)).await;
    server.set_clock(common::NOW + 86_400);
    let text = r#"
        C: a COPY 2,4 to
        S: a OK [COPYUID … 2,4 2:3] …
        C: b UID COPY 1,3:4 to
        S: b OK [COPYUID … 1,3:4 4:6] …
        C: c SELECT to
        S…
        S: c OK …
        C: d FETCH 1:3 (UID FLAGS INTERNALDATE)
        S: * 1 FETCH (UID 1 FLAGS (\Recent c b) INTERNALDATE "14-Nov-2023 22:13:20 +0000")
        S: * 2 FETCH (UID 2 FLAGS (\Recent) INTERNALDATE "14-Nov-2023 22:13:20 +0000")
        S: * 3 FETCH (UID 3 FLAGS (\Recent \Seen b a) INTERNALDATE "14-Nov-2023 22:13:20 +0000")
        S: d OK …
        C: e FETCH 3 BODY.PEEK[HEADER.FIELDS (Subject)]
        S: * 3 FETCH (BODY[HEADER.FIELDS (Subject)] {22}
        S: Subject: message 4
        S:
        S: )
        S: e OK …"#;
    server.selected(text).await;
}

#[tokio::test]
async fn a_copy_into_the_same_mailbox_is_a_new_message_there() {
    let text = "
        C: a COPY 1:2 INBOX
        S: * 4 EXISTS
        S: * 4 RECENT
        S: a OK [COPYUID … 1:2 3:4] …
        C: b FETCH 3:4 UID
        S: * 3 FETCH (UID 3)
        S: * 4 FETCH (UID 4)
        S: b OK …";
    Server::with_messages(2).await.selected(text).await;
}

#[tokio::test]
async fn a_copy_into_a_mailbox_that_is_not_there_says_trycreate() {
    let text = "
        C: a COPY 1 nowhere
        S: a NO [TRYCREATE] …
        C: b UID COPY 1 nowhere
        S: b NO [TRYCREATE] …
        C: c COPY 2 INBOX
        S: c BAD …
        C: d UID COPY 2 INBOX
        S: d OK …
        C: e COPY 1
        S: e BAD …";
    Server::with_messages(1).await.selected(text).await;
}

#[tokio::test]
async fn a_copy_of_messages_that_went_copies_the_others() {
    let server = Server::with_messages(3).await;
    let mut client = server.select().await;
    let account = server.account(ALICE).await;
    account.create_mailbox("to", Default::default()).await.unwrap();
    let inbox = account.state().find(INBOX).unwrap().id;
    account.expunge(inbox, Some(UidSet::from_iter([Uid(2)])), ExpungeOnly::Named).await.unwrap();
    client.says("C: a COPY 1:3 to\nS: * 2 EXPUNGE\nS: a OK [COPYUID … 1,3 1:2] …").await;
}
