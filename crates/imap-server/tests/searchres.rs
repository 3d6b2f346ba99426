//! `$`, the saved result of a search (RFC 5182, RFC 9051 §6.4.4.1).

mod common;

use common::{ALICE, Server, message};
use postrider_store::{Flag, INBOX};

#[tokio::test]
async fn the_saved_result_names_messages_in_other_commands() {
    let server = Server::with_messages(3).await;
    server.append(INBOX, vec![Flag::Flagged], message(4)).await;
    server.append(INBOX, vec![Flag::Flagged], message(5)).await;
    server.account(ALICE).await.create_mailbox("to", Default::default()).await.unwrap();
    let text = r"
        C: a SEARCH RETURN (SAVE) FLAGGED
        S: a OK …
        C: b FETCH $ UID
        S: * 4 FETCH (UID 4)
        S: * 5 FETCH (UID 5)
        S: b OK …
        C: c UID STORE $ +FLAGS.SILENT (\Seen)
        S: c OK …
        C: d STORE $ +FLAGS (\Draft)
        S: * 4 FETCH (UID 4 FLAGS (\Recent \Flagged \Seen \Draft))
        S: * 5 FETCH (UID 5 FLAGS (\Recent \Flagged \Seen \Draft))
        S: d OK …
        C: e UID COPY $ to
        S: e OK [COPYUID … 4:5 1:2] …
        C: f UID SEARCH RETURN (ALL) $ SUBJECT 5
        S: * ESEARCH (TAG {1}
        S: f) UID ALL 5
        S: f OK …
        C: g SEARCH OR $ 1
        S: * SEARCH 1 4 5
        S: g OK …
        C: h MOVE $ to
        S: * OK [COPYUID … 4:5 3:4] …
        S: * 4 EXPUNGE
        S: * 4 EXPUNGE
        S: h OK …
        C: i FETCH $ UID
        S: i OK …";
    let text = text.replace("(TAG {1}\n        S: f)", "(TAG \"f\")");
    server.selected(&text).await;
}

#[tokio::test]
async fn the_saved_result_follows_expunges_whatever_the_numbers_are() {
    let server = Server::with_messages(5).await;
    let mut client = server.select().await;
    client.says("C: a SEARCH RETURN (SAVE) 3:5\nS: a OK …").await;
    server.selected("C: a STORE 1,4 +FLAGS.SILENT (\\Deleted)\nS: a OK …\nC: b EXPUNGE\nS…\nS: b OK …").await;
    let text = "
        C: b NOOP
        S: * 1 EXPUNGE
        S: * 3 EXPUNGE
        S: b OK …
        C: c FETCH $ UID
        S: * 2 FETCH (UID 3)
        S: * 3 FETCH (UID 5)
        S: c OK …";
    client.says(text).await;
    server.append(INBOX, Vec::new(), message(6)).await;
    client.says("C: d NOOP\nS: * 4 EXISTS\nS: * 4 RECENT\nS: d OK …\nC: e UID FETCH $ UID\nS: * 2 FETCH (UID 3)\nS: * 3 FETCH (UID 5)\nS: e OK …").await;
}

#[tokio::test]
async fn only_the_smallest_and_largest_are_saved_with_min_and_max() {
    // RFC 5182 §2.4
    for (returns, told, saved) in [
        ("MIN SAVE", " MIN 2", "S: * 2 FETCH (UID 2)"),
        ("MAX SAVE", " MAX 4", "S: * 4 FETCH (UID 4)"),
        ("MIN MAX SAVE", " MIN 2 MAX 4", "S: * 2 FETCH (UID 2)\nS: * 4 FETCH (UID 4)"),
        ("SAVE COUNT", " COUNT 3", "S: * 2 FETCH (UID 2)\nS: * 3 FETCH (UID 3)\nS: * 4 FETCH (UID 4)"),
        ("SAVE COUNT MIN", " MIN 2 COUNT 3", "S: * 2 FETCH (UID 2)\nS: * 3 FETCH (UID 3)\nS: * 4 FETCH (UID 4)"),
    ] {
        let text = format!(
            "
            C: a SEARCH RETURN ({returns}) 2:4
            S: * ESEARCH (TAG \"a\"){told}
            S: a OK …
            C: b FETCH $ UID
            {saved}
            S: b OK …"
        );
        Server::with_messages(5).await.selected(&text).await;
    }
}

#[tokio::test]
async fn the_saved_result_is_empty_at_first_after_select_and_after_a_search_that_failed() {
    let text = "
        C: a FETCH $ UID
        S: a OK …
        C: b SEARCH RETURN (SAVE) ALL
        S: b OK …
        C: c SEARCH RETURN (SAVE) CHARSET X-UNKNOWN SUBJECT x
        S: c NO [BADCHARSET …
        C: d FETCH $ UID
        S: d OK …
        C: e SEARCH RETURN (SAVE) 1
        S: e OK …
        C: f SEARCH RETURN (SAVE) NONSENSE
        S: f BAD …
        C: g FETCH $ UID
        S: * 1 FETCH (UID 1)
        S: g OK …
        C: h SEARCH 2
        S: * SEARCH 2
        S: h OK …
        C: i FETCH $ UID
        S: * 1 FETCH (UID 1)
        S: i OK …
        C: j SELECT INBOX
        S…
        S: j OK …
        C: k FETCH $ UID
        S: k OK …";
    Server::with_messages(2).await.selected(text).await;
}

#[tokio::test]
async fn a_pipelined_command_uses_the_result_of_the_search_before_it() {
    let text = "
        C: a UID SEARCH RETURN (SAVE) SUBJECT 2
        C: b FETCH $ UID
        S: a OK …
        S: * 2 FETCH (UID 2)
        S: b OK …";
    Server::with_messages(3).await.selected(text).await;
}
