//! STORE and UID STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3).

mod common;

use common::{ALICE, Server};
use postrider_store::{ExpungeOnly, INBOX, Uid, UidSet};

#[tokio::test]
async fn flags_are_replaced_added_and_removed() {
    let text = r"
        C: a STORE 1 FLAGS (\Seen \Flagged)
        S: * 1 FETCH (UID 1 FLAGS (\Recent \Flagged \Seen))
        S: a OK …
        C: b STORE 1 +FLAGS (\Deleted)
        S: * 1 FETCH (UID 1 FLAGS (\Recent \Flagged \Deleted \Seen))
        S: b OK …
        C: c STORE 1 -FLAGS (\Seen \Answered)
        S: * 1 FETCH (UID 1 FLAGS (\Recent \Flagged \Deleted))
        S: c OK …
        C: d STORE 1:2 FLAGS \Draft
        S: * 1 FETCH (UID 1 FLAGS (\Recent \Draft))
        S: * 2 FETCH (UID 2 FLAGS (\Recent \Draft))
        S: d OK …
        C: e STORE 1 FLAGS ()
        S: * 1 FETCH (UID 1 FLAGS (\Recent))
        S: e OK …
        C: f UID STORE 2 +FLAGS \Seen \Answered
        S: * 2 FETCH (UID 2 FLAGS (\Recent \Answered \Seen \Draft))
        S: f OK …";
    Server::with_messages(2).await.selected(text).await;
}

#[tokio::test]
async fn a_message_whose_flags_stay_is_told_of_as_well() {
    let text = r"
        C: a STORE 1 -FLAGS (\Seen)
        S: * 1 FETCH (UID 1 FLAGS (\Recent))
        S: a OK …";
    Server::with_messages(1).await.selected(text).await;
}

#[tokio::test]
async fn silent_store_says_nothing_of_what_the_client_must_expect() {
    let text = r"
        C: a STORE 1 FLAGS.SILENT (\Seen)
        S: a OK …
        C: b STORE 1 +FLAGS.SILENT (\Flagged)
        S: b OK …
        C: c STORE 1 -FLAGS.SILENT (\Seen)
        S: c OK …
        C: d FETCH 1 FLAGS
        S: * 1 FETCH (FLAGS (\Recent \Flagged))
        S: d OK …";
    Server::with_messages(1).await.selected(text).await;
}

#[tokio::test]
async fn silent_store_tells_flags_that_another_session_had_changed_too() {
    let server = Server::with_messages(1).await;
    let mut one = server.select().await;
    server.selected("C: a STORE 1 +FLAGS.SILENT (\\Flagged)\nS: a OK …").await;
    let text = r"
        C: a STORE 1 +FLAGS.SILENT (\Seen)
        S: * 1 FETCH (UID 1 FLAGS (\Recent \Flagged \Seen))
        S: a OK …";
    one.says(text).await;
}

#[tokio::test]
async fn a_new_keyword_is_announced_before_a_message_has_it() {
    let server = Server::with_messages(1).await;
    let mut other = server.select().await;
    let text = r"
        C: a STORE 1 +FLAGS (Work)
        S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft Work)
        S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft Work \*)] …
        S: * 1 FETCH (UID 1 FLAGS (Work))
        S: a OK …
        C: b STORE 1 +FLAGS.SILENT (Play)
        S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft Work Play)
        S: * OK [PERMANENTFLAGS …
        S: b OK …
        C: c STORE 1 -FLAGS (unknown work)
        S: * 1 FETCH (UID 1 FLAGS (Play))
        S: c OK …";
    server.selected(text).await;
    let text = r"
        C: a NOOP
        S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft Work Play)
        S: * OK [PERMANENTFLAGS …
        S: * 1 FETCH (UID 1 FLAGS (\Recent Play))
        S: a OK …";
    other.says(text).await;
}

#[tokio::test]
async fn recent_and_unknown_system_flags_cannot_be_set() {
    let text = r"
        C: a STORE 1 +FLAGS (\Unheard)
        S: a BAD …
        C: b STORE 2 +FLAGS (\Seen)
        S: b BAD …
        C: c UID STORE 2 +FLAGS (\Seen)
        S: c OK …
        C: d STORE 1 MARKS (\Seen)
        S: d BAD …";
    Server::with_messages(1).await.selected(text).await;
}

#[tokio::test]
async fn a_conditional_store_leaves_changed_messages_alone_and_names_them() {
    // RFC 7162 §3.1.3
    let server = Server::with_messages(4).await;
    let account = server.account(ALICE).await;
    let modseq = account.state().find(INBOX).unwrap().record.highest_modseq.0;
    let mut one = server.select_with("CONDSTORE").await;
    server.selected("C: a STORE 2:3 +FLAGS.SILENT (\\Flagged)\nS: a OK …").await;
    let text = format!(
        r"
        C: a STORE 1:4 (UNCHANGEDSINCE {modseq}) +FLAGS (\Seen)
        S: * 1 FETCH (UID 1 FLAGS (\Recent \Seen) MODSEQ ({}))
        S: * 4 FETCH (UID 4 FLAGS (\Recent \Seen) MODSEQ ({}))
        S: * 2 FETCH (UID 2 FLAGS (\Recent \Flagged) MODSEQ ({}))
        S: * 3 FETCH (UID 3 FLAGS (\Recent \Flagged) MODSEQ ({}))
        S: a OK [MODIFIED 2:3] …",
        modseq + 2,
        modseq + 2,
        modseq + 1,
        modseq + 1,
    );
    one.says(&text).await;
    let text = format!(
        r"
        C: a UID STORE 2 (UNCHANGEDSINCE {modseq}) FLAGS.SILENT ()
        S: a OK [MODIFIED 2] …
        C: b UID STORE 2 (UNCHANGEDSINCE {}) FLAGS.SILENT ()
        S: * 2 FETCH (UID 2 MODSEQ ({}))
        S: b OK Stored
        C: c STORE 1 (UNCHANGEDSINCE 0) +FLAGS.SILENT (\Seen)
        S: c OK [MODIFIED 1] …",
        modseq + 1,
        modseq + 3,
    );
    one.says(&text).await;
}

#[tokio::test]
async fn unchangedsince_enables_condstore() {
    let server = Server::with_messages(1).await;
    let text = r"
        C: a STORE 1 (UNCHANGEDSINCE 99999) +FLAGS (\Seen)
        S: * OK [HIGHESTMODSEQ …] …
        S: * 1 FETCH (UID 1 FLAGS (\Recent \Seen) MODSEQ (…))
        S: a OK …
        C: b STORE 1 +FLAGS.SILENT (\Draft)
        S: * 1 FETCH (UID 1 MODSEQ (…))
        S: b OK …";
    server.selected(text).await;
}

#[tokio::test]
async fn a_message_that_another_session_expunged_cannot_be_stored_to() {
    let server = Server::with_messages(3).await;
    let mut one = server.select().await;
    let account = server.account(ALICE).await;
    let inbox = account.state().find(INBOX).unwrap().id;
    account.expunge(inbox, Some(UidSet::from_iter([Uid(2)])), ExpungeOnly::Named).await.unwrap();
    // RFC 2180 §4.2.1 to §4.2.3
    let text = r"
        C: a STORE 1:3 +FLAGS.SILENT (\Seen)
        S: a OK …
        C: b STORE 1:3 +FLAGS (\Flagged)
        S: * 1 FETCH (UID 1 FLAGS (\Recent \Flagged \Seen))
        S: * 3 FETCH (UID 3 FLAGS (\Recent \Flagged \Seen))
        S: b NO [EXPUNGEISSUED] …
        C: c STORE 2 +FLAGS (\Flagged)
        S: c NO [EXPUNGEISSUED] …
        C: d UID STORE 1:3 -FLAGS (\Flagged)
        S: * 1 FETCH (UID 1 FLAGS (\Recent \Seen))
        S: * 3 FETCH (UID 3 FLAGS (\Recent \Seen))
        S: * 2 EXPUNGE
        S: d OK …";
    one.says(text).await;
}
