//! MOVE (RFC 9051 §6.4.8, RFC 6851).

mod common;

use common::{ALICE, Server, message};
use postrider_store::{Flag, INBOX};

#[tokio::test]
async fn moved_messages_leave_and_copyuid_comes_first() {
    let server = Server::with_messages(3).await;
    server.append(INBOX, vec![Flag::Keyword("a".to_owned()), Flag::Flagged], message(4)).await;
    server.account(ALICE).await.create_mailbox("to", Default::default()).await.unwrap();
    let mut other = server.select().await;
    let text = r"
        C: a MOVE 2,4 to
        S: * OK [COPYUID … 2,4 1:2] …
        S: * 2 EXPUNGE
        S: * 3 EXPUNGE
        S: a OK …
        C: b UID MOVE 3,99 to
        S: * OK [COPYUID … 3 3] …
        S: * 2 EXPUNGE
        S: b OK …
        C: c UID MOVE 99 to
        S: c OK …
        C: d EXAMINE to
        S…
        S: d OK …
        C: e FETCH 1:* (UID FLAGS)
        S: * 1 FETCH (UID 1 FLAGS (\Recent))
        S: * 2 FETCH (UID 2 FLAGS (\Recent \Flagged a))
        S: * 3 FETCH (UID 3 FLAGS (\Recent))
        S: e OK …";
    server.selected(text).await;
    other.says("C: a NOOP\nS: * 2 EXPUNGE\nS: * 2 EXPUNGE\nS: * 2 EXPUNGE\nS: a OK …").await;
}

#[tokio::test]
async fn with_qresync_vanished_tells_what_was_moved() {
    let server = Server::with_messages(3).await;
    server.account(ALICE).await.create_mailbox("to", Default::default()).await.unwrap();
    let text = "
        C: a MOVE 1:2 to
        S: * OK [COPYUID … 1:2 1:2] …
        S: * VANISHED 1:2
        S: a OK [HIGHESTMODSEQ …] …";
    server.select_with("QRESYNC").await.says(text).await;
}

#[tokio::test]
async fn a_move_into_the_same_mailbox_gives_new_uids() {
    let text = "
        C: a MOVE 1 INBOX
        S: * OK [COPYUID … 1 3] …
        S: * 1 EXPUNGE
        S: * 2 EXISTS
        S: * 2 RECENT
        S: a OK …
        C: b FETCH 1:2 UID
        S: * 1 FETCH (UID 2)
        S: * 2 FETCH (UID 3)
        S: b OK …";
    Server::with_messages(2).await.selected(text).await;
}

#[tokio::test]
async fn a_move_that_cannot_be_done_moves_nothing() {
    let text = "
        C: a MOVE 1 nowhere
        S: a NO [TRYCREATE] …
        C: b MOVE 3 INBOX
        S: b BAD …
        C: c FETCH 1:* UID
        S: * 1 FETCH (UID 1)
        S: * 2 FETCH (UID 2)
        S: c OK …";
    Server::with_messages(2).await.selected(text).await;
}
