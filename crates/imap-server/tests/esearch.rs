//! SEARCH RETURN: ESEARCH responses (RFC 4731, RFC 9051 §6.4.4 and §7.3.4).

mod common;

use common::Server;

#[tokio::test]
async fn every_return_option_is_answered() {
    let server = Server::with_messages(9).await;
    let mut client = server.select().await;
    client.says("C: 1 STORE 2,3,5:8 +FLAGS.SILENT (\\Flagged)\nS: 1 OK …").await;
    for (returns, told) in [
        ("", " ALL 2:3,5:8"),
        ("ALL", " ALL 2:3,5:8"),
        ("MIN", " MIN 2"),
        ("MAX", " MAX 8"),
        ("COUNT", " COUNT 6"),
        ("MIN MAX", " MIN 2 MAX 8"),
        ("COUNT MAX ALL MIN", " MIN 2 MAX 8 ALL 2:3,5:8 COUNT 6"),
        ("count Min", " MIN 2 COUNT 6"),
    ] {
        client
            .says(&format!("C: A2 SEARCH RETURN ({returns}) FLAGGED\nS: * ESEARCH (TAG \"A2\"){told}\nS: A2 OK …"))
            .await;
        client
            .says(&format!(
                "C: A3 UID SEARCH RETURN ({returns}) FLAGGED\nS: * ESEARCH (TAG \"A3\") UID{told}\nS: A3 OK …"
            ))
            .await;
    }
    client.says("C: 4 SEARCH RETURN (NOSUCH) ALL\nS: 4 BAD …\nC: 5 SEARCH RETURN MIN ALL\nS: 5 BAD …").await;
}

#[tokio::test]
async fn a_search_without_a_result_has_a_count_and_nothing_else() {
    let server = Server::with_messages(1).await;
    let mut client = server.select().await;
    for (returns, told) in
        [("", ""), ("MIN", ""), ("MIN MAX ALL", ""), ("COUNT", " COUNT 0"), ("MIN MAX ALL COUNT", " COUNT 0")]
    {
        client
            .says(&format!("C: a SEARCH RETURN ({returns}) FLAGGED\nS: * ESEARCH (TAG \"a\"){told}\nS: a OK …"))
            .await;
    }
    client.says("C: b SEARCH FLAGGED\nS: * SEARCH\nS: b OK …").await;
}

#[tokio::test]
async fn numbers_are_uids_for_uid_search_alone() {
    let server = Server::with_messages(5).await;
    server
        .selected(
            r#"
            C: 1 STORE 1:2 +FLAGS.SILENT (\Deleted)
            S: 1 OK …
            C: 2 EXPUNGE
            S: * 1 EXPUNGE
            S: * 1 EXPUNGE
            S: 2 OK …
            C: 3 SEARCH RETURN (MIN MAX ALL COUNT) ALL
            S: * ESEARCH (TAG "3") MIN 1 MAX 3 ALL 1:3 COUNT 3
            S: 3 OK …
            C: 4 UID SEARCH RETURN (MIN MAX ALL COUNT) ALL
            S: * ESEARCH (TAG "4") UID MIN 3 MAX 5 ALL 3:5 COUNT 3
            S: 4 OK …
            "#,
        )
        .await;
}

#[tokio::test]
async fn rev2_answers_every_search_with_esearch() {
    let server = Server::with_messages(3).await;
    let mut client = server.select_with("IMAP4rev2").await;
    client
        .says(
            r#"
            C: 1 SEARCH 2:3
            S: * ESEARCH (TAG "1") ALL 2:3
            S: 1 OK …
            C: 2 UID SEARCH UNSEEN
            S: * ESEARCH (TAG "2") UID ALL 1:3
            S: 2 OK …
            C: 3 SEARCH SEEN
            S: * ESEARCH (TAG "3")
            S: 3 OK …
            C: 4 SEARCH RETURN (COUNT) CHARSET UTF-8 ALL
            S: * ESEARCH (TAG "4") COUNT 3
            S: 4 OK …
            "#,
        )
        .await;
}

#[tokio::test]
async fn the_tag_is_quoted_whatever_it_is() {
    let server = Server::with_messages(1).await;
    server.selected("C: a]!.b SEARCH RETURN () ALL\nS: * ESEARCH (TAG \"a]!.b\") ALL 1\nS: a]!.b OK …").await;
}
