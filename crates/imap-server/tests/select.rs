//! SELECT and EXAMINE (RFC 9051 §6.3.2 and §6.3.3, RFC 3501 §6.3.1).

mod common;

use common::{Server, message};
use postrider_store::{Flag, INBOX};

async fn server() -> Server {
    let server = Server::start().await;
    server.append(INBOX, vec![Flag::Seen], message(1)).await;
    server.append(INBOX, vec![Flag::Flagged, Flag::Keyword("$Work".to_owned())], message(2)).await;
    server.append(INBOX, vec![], message(3)).await;
    server
}

#[tokio::test]
async fn select_describes_the_mailbox_to_a_client_of_rev1() {
    let text = r"
        C: a SELECT inbox
        S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Work)
        S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft $Work \*)] …
        S: * 3 EXISTS
        S: * 3 RECENT
        S: * OK [UNSEEN 2] …
        S: * OK [UIDVALIDITY …] …
        S: * OK [UIDNEXT 4] …
        S: * OK [HIGHESTMODSEQ …] …
        S: * OK [MAILBOXID (F…)] …
        S: a OK [READ-WRITE] …";
    server().await.session(text).await;
}

#[tokio::test]
async fn select_describes_the_mailbox_to_a_client_of_rev2() {
    // RFC 9051 §6.3.2: no RECENT and no UNSEEN, but the mailbox's LIST response.
    let text = r#"
        C: a ENABLE IMAP4rev2
        S: * ENABLED IMAP4rev2
        S: a OK …
        C: b SELECT inbox
        S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Work)
        S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft $Work \*)] …
        S: * 3 EXISTS
        S: * OK [UIDVALIDITY …] …
        S: * OK [UIDNEXT 4] …
        S: * OK [HIGHESTMODSEQ …] …
        S: * OK [MAILBOXID (F…)] …
        S: * LIST (…) "/" INBOX
        S: b OK [READ-WRITE] …
        C: c FETCH 1 FLAGS
        S: * 1 FETCH (FLAGS (\Seen))
        S: c OK …"#;
    server().await.session(text).await;
}

#[tokio::test]
async fn examine_is_for_reading_only() {
    let text = r"
        C: a EXAMINE INBOX
        S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Work)
        S: * OK [PERMANENTFLAGS ()] …
        S: * 3 EXISTS
        S…
        S: a OK [READ-ONLY] …
        C: b STORE 1 +FLAGS (\Deleted)
        S: b NO …
        C: c EXPUNGE
        S: c NO …
        C: d MOVE 1 INBOX
        S: d NO …
        C: e FETCH 3 BODY[TEXT]
        S: * 3 FETCH (BODY[TEXT] {8}
        S: text 3
        S: )
        S: e OK …
        C: f FETCH 3 FLAGS
        S: * 3 FETCH (FLAGS (\Recent))
        S: f OK …
        C: g COPY 1 INBOX
        S: * 4 EXISTS
        S: * 4 RECENT
        S: g OK [COPYUID …";
    server().await.session(text).await;
}

#[tokio::test]
async fn a_mailbox_without_unseen_messages_has_no_first_unseen_one() {
    let server = Server::start().await;
    server.append(INBOX, vec![Flag::Seen], message(1)).await;
    let text = "
        C: a SELECT INBOX
        S…
        S: * 1 RECENT
        S: * OK [UIDVALIDITY …
        S…
        S: a OK …";
    server.session(text).await;
}

#[tokio::test]
async fn another_select_closes_the_mailbox_before() {
    let text = "
        C: a CREATE other
        S: a OK …
        C: b SELECT INBOX
        S…
        S: b OK …
        C: c SELECT other
        S: * OK [CLOSED] …
        S: * FLAGS …
        S: * OK [PERMANENTFLAGS …
        S: * 0 EXISTS
        S…
        S: c OK …
        C: d EXAMINE other
        S: * OK [CLOSED] …
        S…
        S: d OK [READ-ONLY] …";
    server().await.session(text).await;
}

#[tokio::test]
async fn a_select_that_fails_leaves_no_mailbox_selected() {
    let text = "
        C: a SELECT INBOX
        S…
        S: a OK …
        C: b SELECT nowhere
        S: * OK [CLOSED] …
        S: b NO [NONEXISTENT] …
        C: c FETCH 1 FLAGS
        S: c BAD …
        C: d EXAMINE nowhere
        S: d NO [NONEXISTENT] …";
    server().await.session(text).await;
}

#[tokio::test]
async fn a_select_that_makes_no_sense_is_bad() {
    let text = "
        C: a SELECT
        S: a BAD …
        C: b SELECT INBOX (QRESYNC (1 1))
        S: b BAD …
        C: c SELECT INBOX (X-UNKNOWN)
        S: c BAD …";
    server().await.session(text).await;
}
