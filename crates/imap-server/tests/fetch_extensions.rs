//! FETCH PREVIEW (RFC 8970), SAVEDATE (RFC 8514), EMAILID and THREADID (RFC 8474).

#![allow(clippy::unwrap_used)]

mod common;

use common::{NOW, Server, message, server_lines};
use postrider_store::INBOX;

#[tokio::test]
async fn a_preview_is_the_text_a_reader_would_see_first() {
    let server = Server::start().await;
    for raw in [
        "Subject: a\r\n\r\nHello,\r\n\r\n  world!\r\n",
        "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+Y2Fmw6kgPGI+bm93PC9iPjwvcD4=\r\n",
        "Content-Type: application/pdf\r\n\r\nx\r\n",
        "Subject: empty\r\n\r\n",
    ] {
        server.append(INBOX, Vec::new(), raw).await;
    }
    let mut client = server.select().await;
    let told = "* 1 FETCH (PREVIEW \"Hello, world!\")\r\n* 2 FETCH (PREVIEW {9}\r\ncafé now)\r\n\
        * 3 FETCH (PREVIEW \"\")\r\n* 4 FETCH (PREVIEW \"\")";
    for asked in ["PREVIEW", "(PREVIEW)", "PREVIEW (LAZY)", "(preview (lazy))"] {
        client.says(&format!("C: a FETCH 1:* {asked}\n{}S: a OK …", server_lines(told))).await;
    }
    client.says("C: b FETCH 1 PREVIEW (EAGER)\nS: b BAD …").await;
    client
        .says("C: c UID FETCH 1 (PREVIEW (LAZY) FLAGS)\nS: * 1 FETCH (UID 1 PREVIEW \"Hello, world!\" FLAGS (…))\nS: c OK …")
        .await;
}

#[tokio::test]
async fn a_client_that_reads_utf8_gets_the_preview_quoted() {
    let server = Server::start().await;
    server.append(INBOX, Vec::new(), "Content-Type: text/plain; charset=utf-8\r\n\r\ncafé").await;
    for enabled in ["IMAP4rev2", "UTF8=ACCEPT"] {
        let mut client = server.select_with(enabled).await;
        client.says("C: a FETCH 1 PREVIEW\nS: * 1 FETCH (PREVIEW \"café\")\nS: a OK …").await;
    }
}

#[tokio::test]
async fn a_preview_has_at_most_200_characters() {
    let server = Server::start().await;
    server.append(INBOX, Vec::new(), format!("Subject: x\r\n\r\n{}", "x".repeat(5000))).await;
    server.selected(&format!("C: a FETCH 1 PREVIEW\nS: * 1 FETCH (PREVIEW \"{}\")\nS: a OK …", "x".repeat(200))).await;
}

#[tokio::test]
async fn the_save_date_is_when_a_message_came_into_its_mailbox() {
    let server = Server::with_messages(1).await;
    server.set_clock(NOW + 100_000);
    server
        .selected(
            r#"
            C: 1 COPY 1 Archive
            S: 1 OK [COPYUID …
            C: 2 FETCH 1 (SAVEDATE INTERNALDATE)
            S: * 1 FETCH (SAVEDATE "14-Nov-2023 22:13:20 +0000" INTERNALDATE "14-Nov-2023 22:13:20 +0000")
            S: 2 OK …
            C: 3 SELECT Archive
            S…
            S: 3 OK …
            C: 4 FETCH 1 (SAVEDATE INTERNALDATE)
            S: * 1 FETCH (SAVEDATE "16-Nov-2023 02:00:00 +0000" INTERNALDATE "14-Nov-2023 22:13:20 +0000")
            S: 4 OK …
            C: 5 SEARCH SAVEDON 16-Nov-2023
            S: * SEARCH 1
            S: 5 OK …
            C: 6 SEARCH SAVEDBEFORE 16-Nov-2023
            S: * SEARCH
            S: 6 OK …
            C: 7 SEARCH SAVEDSINCE 16-Nov-2023 SAVEDATESUPPORTED
            S: * SEARCH 1
            S: 7 OK …
            C: 8 SEARCH ON 14-Nov-2023
            S: * SEARCH 1
            S: 8 OK …
            "#,
        )
        .await;
}

fn ids(answer: &[u8], name: &str) -> Vec<String> {
    let answer = String::from_utf8(answer.to_vec()).unwrap();
    let start = format!("{name} (");
    answer.split(&start).skip(1).map(|rest| rest.split(')').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_copy_keeps_its_email_id_and_another_message_has_another() {
    let server = Server::with_messages(2).await;
    let mut client = server.select().await;
    client.says("C: 1 COPY 1:2 Archive\nS: 1 OK …\nC: 2 COPY 1 INBOX\nS: * 3 EXISTS\nS…\nS: 2 OK …").await;
    let here = ids(&client.exchange("3", b"3 FETCH 1:* EMAILID\r\n").await, "EMAILID");
    assert_eq!(here.len(), 3);
    assert_ne!(here[0], here[1]);
    assert_eq!(here[0], here[2]);
    client.says("C: 4 MOVE 2 Trash\nS…\nS: 4 OK …\nC: 5 SELECT Trash\nS…\nS: 5 OK …").await;
    assert_eq!(ids(&client.exchange("6", b"6 FETCH 1 EMAILID\r\n").await, "EMAILID"), here[1..2]);
    client
        .says(&format!(
            "C: 7 SEARCH EMAILID {}\nS: * SEARCH 1\nS: 7 OK …\nC: 8 SEARCH EMAILID {}\nS: * SEARCH\nS: 8 OK …",
            here[1], here[0]
        ))
        .await;
    client.says("C: 9 SELECT Archive\nS…\nS: 9 OK …").await;
    assert_eq!(ids(&client.exchange("10", b"10 UID FETCH 1:* EMAILID\r\n").await, "EMAILID"), here[..2]);
    for id in &here {
        assert!(
            (1..=255).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        );
    }
}

#[tokio::test]
async fn answers_belong_to_the_thread_of_what_they_answer() {
    let server = Server::start().await;
    for (id, extra) in [
        ("a@example.com", "Subject: one\r\n"),
        ("b@example.org", "Subject: Re: one\r\nReferences: <a@example.com>\r\n"),
        ("c@example.org", "Subject: two\r\n"),
    ] {
        server.append(INBOX, Vec::new(), format!("Message-ID: <{id}>\r\n{extra}\r\ntext\r\n")).await;
    }
    let mut client = server.select().await;
    let threads = ids(&client.exchange("1", b"1 FETCH 1:* THREADID\r\n").await, "THREADID");
    assert_eq!(threads.len(), 3);
    assert_eq!(threads[0], threads[1]);
    assert_ne!(threads[0], threads[2]);
    client
        .says(&format!(
            "C: 2 SEARCH THREADID {}\nS: * SEARCH 1 2\nS: 2 OK …\nC: 3 SEARCH NOT THREADID {}\nS: * SEARCH 3\nS: 3 OK …\n\
             C: 4 SEARCH THREADID none\nS: * SEARCH\nS: 4 OK …\nC: 5 SEARCH EMAILID a.b\nS: 5 BAD …",
            threads[0], threads[1]
        ))
        .await;
}

#[tokio::test]
async fn ids_outlive_the_session() {
    let server = Server::start().await;
    server.append(INBOX, Vec::new(), message(1)).await;
    let mut first = server.select().await;
    let before = first.exchange("1", b"1 FETCH 1 (EMAILID THREADID)\r\n").await;
    let mut second = server.select().await;
    assert_eq!(second.exchange("1", b"1 FETCH 1 (EMAILID THREADID)\r\n").await, before);
}
