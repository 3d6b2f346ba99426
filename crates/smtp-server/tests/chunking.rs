//! BDAT.

mod support;

use postrider_smtp_server::{SmtpOptions, SmtpRole};
use postrider_testkit::transcript;
use support::{EHLO, LHLO, Server, Setup, TO_BOB, options};
use tokio::io::AsyncWriteExt as _;

#[tokio::test]
async fn chunks_are_put_together() {
    let server = Server::start(Setup::default()).await;
    // A dot alone on its line is content like any other here.
    let text = "
        C: BDAT 14
        C: Subject: Hey
        C: BDAT 5
        C:
        C: .
        C: BDAT 0
        C: BDAT 5 LAST
        C: end
        S: 250 2.0.0 14 octets received
        S: 250 2.0.0 5 octets received
        S: 250 2.0.0 0 octets received
        S: 250 2.0.0 Delivered as …
        ";
    server.receive_in_any_pieces(&format!("{TO_BOB}{text}")).await;
    let messages = server.mail("bob@example.net", "INBOX").await;
    assert_eq!(messages.len(), 3);
    assert!(messages[0].ends_with("+0000\r\nSubject: Hey\r\n\r\n.\r\nend\r\n"), "{}", messages[0]);
}

#[tokio::test]
async fn chunks_that_are_refused_are_read_all_the_same() {
    let server = Server::start(Setup::default()).await;
    let text = "
        C: BDAT 12 LAST
        C: MAIL FROM:
        S: 503 5.5.1 MAIL comes first
        C: MAIL FROM:<carol@example.com>
        S: 250 …
        C: BDAT 6
        C: QUIT
        S: 503 5.5.1 No valid recipients
        C: RCPT TO:<bob@example.net>
        S: 250 …
        C: BDAT 6
        C: QUIT
        S: 250 2.0.0 6 octets received
        C: DATA
        S: 503 5.5.1 Go on with BDAT
        C: RCPT TO:<alice@example.net>
        S: 503 5.5.1 Recipients come before content
        C: RSET
        S: 250 …
        ";
    // `MAIL FROM:` and CRLF are twelve octets, `QUIT` and CRLF six.
    server.receive_in_any_pieces(text).await;
    assert_eq!(server.count().await, 0);
}

#[tokio::test]
async fn a_chunk_too_many_ends_the_transaction_but_not_the_session() {
    let smtp = SmtpOptions { message_bytes_max: 10, ..options() };
    let server = Server::start(Setup { smtp, ..Setup::default() }).await;
    let text = "
        C: BDAT 8
        C: Sub: a
        S: 250 …
        C: BDAT 8
        C: Sub: a
        S: 552 5.3.4 The message is too large
        C: BDAT 6 LAST
        C: QUIT
        S: 503 5.5.1 A chunk was refused, start again with RSET
        C: RSET
        S: 250 …
        ";
    server.receive_in_any_pieces(&format!("{TO_BOB}{text}")).await;
    assert_eq!(server.count().await, 0);
}

#[tokio::test]
async fn a_chunk_of_unknown_or_absurd_size_ends_the_session() {
    let server = Server::start(Setup::default()).await;
    server.receive(&format!("{EHLO}C: BDAT x\nS: 501 5.5.4 bad chunk size\nS closes")).await;
    server.receive(&format!("{EHLO}C: BDAT 9999999999999999\nS: 552 5.3.4 The chunk is too large\nS closes")).await;
}

#[tokio::test]
async fn bare_line_ends_are_refused_unless_the_content_is_binary() {
    let smtp = SmtpOptions { binarymime: true, ..options() };
    let server = Server::start(Setup { smtp, ..Setup::default() }).await;
    let rcpt = "C: RCPT TO:<bob@example.net>\nS: 250 …\n";
    let greeting = "S: 220 …\nC: EHLO c.example\nS…\nS: 250-BINARYMIME\nS: 250 SMTPUTF8\n";
    for (body, reply) in [("8BITMIME", "550 5.6.11 …"), ("BINARYMIME", "250 2.0.0 …")] {
        let mail = format!("C: MAIL FROM:<carol@example.com> BODY={body}\nS: 250 …\n{rcpt}");
        let mut client = server.connect(SmtpRole::Receive);
        transcript(&mut client, &format!("{greeting}{mail}")).await;
        client.write_all(b"BDAT 3 LAST\r\na\nb").await.unwrap();
        transcript(client, &format!("S: {reply}")).await;
    }
    let mail = format!("C: MAIL FROM:<carol@example.com> BODY=BINARYMIME\nS: 250 …\n{rcpt}");
    server.receive(&format!("{greeting}{mail}C: DATA\nS: 503 5.5.1 BINARYMIME needs BDAT")).await;
}

#[tokio::test]
async fn lmtp_answers_for_each_recipient_after_the_last_chunk() {
    let server = Server::start(Setup::default()).await;
    let text = "
        C: MAIL FROM:<carol@example.com>
        S: 250 …
        C: RCPT TO:<bob@example.net>
        S: 250 …
        C: RCPT TO:<alice@example.net>
        S: 250 …
        C: BDAT 2
        C:
        S: 250 2.0.0 2 octets received
        C: BDAT 0 LAST
        S: 250 2.1.5 <bob@example.net> delivered as …
        S: 250 2.1.5 <alice@example.net> delivered as …
        ";
    transcript(server.connect(SmtpRole::Lmtp), &format!("{LHLO}{text}")).await;
    assert_eq!(server.count().await, 2);
}
