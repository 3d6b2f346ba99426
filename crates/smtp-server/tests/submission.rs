//! Mail from people's programs.

mod support;

use postrider_smtp_server::{SenderPolicy, SmtpOptions, SmtpRole};
use postrider_testkit::transcript;
use support::{EHLO, PLAIN, SEND, Server, Setup, options};

/// From Alice to Bob, up to the content.
const ALICE_TO_BOB: &str = "
    C: MAIL FROM:<alice@example.net>
    S: 250 2.1.0 Sender ok
    C: RCPT TO:<bob@example.net>
    S: 250 2.1.5 Recipient ok
";

#[tokio::test]
async fn nothing_is_sent_without_a_login() {
    let server = Server::start(Setup::default()).await;
    let text = "
        C: MAIL FROM:<alice@example.net>
        S: 530 5.7.0 Authentication required
        C: RCPT TO:<bob@example.net>
        S: 530 5.7.0 Authentication required
        C: DATA
        S: 530 5.7.0 Authentication required
        C: VRFY bob
        S: 530 5.7.0 Authentication required
        C: BDAT 6 LAST
        C: QUIT
        S: 530 5.7.0 Authentication required
        C: NOOP
        S: 250 2.0.0 Ok
        ";
    transcript(server.connect(SmtpRole::Submission), &format!("{EHLO}{text}")).await;
}

#[tokio::test]
async fn what_a_message_lacks_is_added() {
    let server = Server::start(Setup::default()).await;
    let text = "C: Subject: Hello\nC: From: alice@example.net\nC:\nC: Hi\nC: .\nS: 250 2.0.0 Delivered as …";
    server.submit(&format!("{ALICE_TO_BOB}{SEND}{text}")).await;
    let message = server.only_message("bob@example.net").await;
    assert!(message.contains("with ESMTPA id"), "{message}");
    let (header, _) = message.split_once("\r\n\r\n").unwrap();
    let fields: Vec<&str> = header.split("\r\n").filter(|line| !line.starts_with('\t')).collect();
    assert_eq!(fields[2], "Date: Tue, 14 Nov 2023 22:13:20 +0000");
    assert!(fields[3].starts_with("Message-ID: <") && fields[3].ends_with(".1700000000@mx.example.net>"), "{header}");
    assert_eq!(fields[4..], ["Subject: Hello", "From: alice@example.net"]);
}

#[tokio::test]
async fn what_a_message_has_is_left_alone() {
    let server = Server::start(Setup::default()).await;
    let text = "C: Date: Mon, 1 Jan 2024 00:00:00 +0000\nC: Message-ID: <a@b>\nC:\nC: Hi\nC: .\nS: 250 2.0.0 …";
    server.submit(&format!("{ALICE_TO_BOB}{SEND}{text}")).await;
    let message = server.only_message("bob@example.net").await;
    assert!(
        message.ends_with("+0000\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <a@b>\r\n\r\nHi\r\n"),
        "{message}"
    );
    assert_eq!(message.matches("Date:").count() + message.matches("Message-ID:").count(), 2);
}

#[tokio::test]
async fn people_send_under_their_own_addresses_only() {
    let text = |reply: &str| {
        format!(
            "
            C: MAIL FROM:<bob@example.net>
            S: {reply}
            C: RSET
            S: 250 …
            C: MAIL FROM:<alice@elsewhere.example>
            S: {reply}
            C: RSET
            S: 250 …
            C: MAIL FROM:<team@example.net>
            S: 250 2.1.0 Sender ok
            C: RSET
            S: 250 …
            C: MAIL FROM:<Alice+shop@example.net>
            S: 250 2.1.0 Sender ok
            C: RSET
            S: 250 …
            C: MAIL FROM:<>
            S: 250 2.1.0 Sender ok
            "
        )
    };
    let server = Server::start(Setup::default()).await;
    server.submit(&text("550 5.7.1 This is not one of your addresses")).await;
    let smtp = SmtpOptions { senders: SenderPolicy::Any, ..options() };
    Server::start(Setup { smtp, ..Setup::default() }).await.submit(&text("250 2.1.0 Sender ok")).await;
}

#[tokio::test]
async fn mail_to_other_servers_is_refused_in_clear_words() {
    let server = Server::start(Setup::default()).await;
    let text = "
        C: MAIL FROM:<alice@example.net>
        S: 250 …
        C: RCPT TO:<somebody@elsewhere.example>
        S: 550 5.7.1 Mail to other servers is not sent from here
        ";
    server.submit(text).await;
}

#[tokio::test]
async fn logins_go_wrong_in_many_ways() {
    let server = Server::start(Setup::default()).await;
    let text = format!(
        "
        S: 220 …
        C: AUTH PLAIN {PLAIN}
        S: 503 5.5.1 Say EHLO first
        C: EHLO client.example.com
        S…
        S: 250-AUTH …PLAIN…
        S…
        S: 250 SMTPUTF8
        C: AUTH CRAM-MD5
        S: 504 5.5.4 No such mechanism
        C: AUTH PLAIN
        S: 334 {empty}
        C: *
        S: 501 5.7.0 Authentication cancelled
        C: AUTH PLAIN
        S: 334 {empty}
        C: not base64
        S: 501 5.5.2 Not Base64
        C: AUTH PLAIN AAAA
        S: 501 5.5.2 Malformed authentication message
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: YWxpY2VAZXhhbXBsZS5uZXQ=
        S: 334 UGFzc3dvcmQ6
        C: d3Jvbmc=
        S: 535 5.7.8 Authentication failed
        C: AUTH PLAIN {PLAIN}
        S: 235 2.7.0 Authentication successful
        C: AUTH PLAIN {PLAIN}
        S: 503 5.5.1 You are logged in already
        ",
        empty = ""
    );
    transcript(server.connect(SmtpRole::Submission), &text).await;
}

#[tokio::test]
async fn plain_passwords_are_refused_where_somebody_may_listen() {
    let server = Server::start(Setup::default()).await;
    let (client, _) = server.connect_from("192.0.2.1:4000", SmtpRole::Submission);
    let text = format!(
        "S: 220 …\nC: EHLO c.example\nS…\nS: 250-AUTH SCRAM-SHA-256\nS…\nS: 250 SMTPUTF8\nC: AUTH PLAIN {PLAIN}\nS: 538 5.7.11 …"
    );
    transcript(client, &text).await;
}

#[tokio::test]
async fn guessing_ends_the_session() {
    let server = Server::start(Setup::default()).await;
    let guess = "C: AUTH PLAIN AGFsaWNlQGV4YW1wbGUubmV0AHdyb25n\nS: 535 5.7.8 Authentication failed\n";
    let text = format!("{EHLO}{}S: 421 4.7.0 Too many errors\nS closes", guess.repeat(3));
    transcript(server.connect(SmtpRole::Submission), &text).await;
}

#[tokio::test]
async fn international_mail_is_marked_as_such() {
    let server = Server::start(Setup::default()).await;
    let text = "
        C: MAIL FROM:<alice@example.net> SMTPUTF8 BODY=8BITMIME
        S: 250 …
        C: RCPT TO:<bob@example.net>
        S: 250 …
        C: DATA
        S: 354 …
        C: Subject: Grüße
        C:
        C: .
        S: 250 …
        ";
    server.submit(text).await;
    let message = server.only_message("bob@example.net").await;
    assert!(message.contains("with UTF8SMTPA id") && message.contains("Subject: Grüße\r\n"), "{message}");
}
