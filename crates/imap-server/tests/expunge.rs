//! EXPUNGE and UID EXPUNGE (RFC 9051 §6.4.3 and §6.4.9, RFC 4315 §2.1, RFC 7162 §3.2.7 and §3.2.9).

mod common;

use common::Server;

const DELETE: &str = r"
    C: delete STORE 3:4,7,11 +FLAGS.SILENT (\Deleted)
    S: delete OK …
";

#[tokio::test]
async fn each_expunge_shifts_the_numbers_behind_it() {
    // The example of RFC 9051 §6.4.3.
    let server = Server::with_messages(11).await;
    let mut other = server.select().await;
    let news = "
        S: * 3 EXPUNGE
        S: * 3 EXPUNGE
        S: * 5 EXPUNGE
        S: * 8 EXPUNGE";
    server.selected(&format!("{DELETE}C: a EXPUNGE\n{news}\nS: a OK Expunged")).await;
    let text = format!(
        "
        C: a NOOP
        {news}
        S: a OK …
        C: b FETCH 1:* UID
        S: * 1 FETCH (UID 1)
        S: * 2 FETCH (UID 2)
        S: * 3 FETCH (UID 5)
        S: * 4 FETCH (UID 6)
        S: * 5 FETCH (UID 8)
        S: * 6 FETCH (UID 9)
        S: * 7 FETCH (UID 10)
        S: b OK …
        C: c FETCH 8 UID
        S: c BAD …"
    );
    other.says(&text).await;
}

#[tokio::test]
async fn uid_expunge_takes_only_what_is_named_and_deleted() {
    let server = Server::with_messages(11).await;
    let text = format!(
        "{DELETE}
        C: a UID EXPUNGE 1:4,900:*
        S: * 3 EXPUNGE
        S: * 3 EXPUNGE
        S: * 9 EXPUNGE
        S: a OK …
        C: b UID EXPUNGE 1:2
        S: b OK …
        C: c UID EXPUNGE
        S: c BAD …
        C: d EXPUNGE
        S: * 5 EXPUNGE
        S: d OK …
        C: e EXPUNGE
        S: e OK …"
    );
    server.selected(&text).await;
}

#[tokio::test]
async fn with_qresync_vanished_takes_the_place_of_expunge() {
    let server = Server::with_messages(11).await;
    let mut other = server.select_with("QRESYNC").await;
    server
        .select_with("QRESYNC")
        .await
        .says(
            r"
            C: delete STORE 3:4,7,11 +FLAGS.SILENT (\Deleted)
            S: * 3 FETCH (UID 3 MODSEQ (…))
            S: * 4 FETCH (UID 4 MODSEQ (…))
            S: * 7 FETCH (UID 7 MODSEQ (…))
            S: * 11 FETCH (UID 11 MODSEQ (…))
            S: delete OK …
            C: a UID EXPUNGE 3:7
            S: * VANISHED 3:4,7
            S: a OK [HIGHESTMODSEQ …] …
            C: b EXPUNGE
            S: * VANISHED 11
            S: b OK [HIGHESTMODSEQ …] …
            C: c EXPUNGE
            S: c OK Expunged
            C: d FETCH 7 UID
            S: * 7 FETCH (UID 10)
            S: d OK …",
        )
        .await;
    other
        .says("C: a NOOP\nS: * VANISHED 3:4,7,11\nS: a OK …\nC: b FETCH 7 UID\nS: * 7 FETCH (UID 10)\nS: b OK …")
        .await;
}
