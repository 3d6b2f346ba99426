//! Mail from a mail server next door.

mod support;

use postrider_smtp_server::{SmtpOptions, SmtpRole};
use postrider_testkit::transcript;
use support::{LHLO, SEND, Server, Setup, options};

#[tokio::test]
async fn every_recipient_has_a_reply() {
    let server = Server::start(Setup::default()).await;
    let text = "
        C: MAIL FROM:<carol@example.com>
        S: 250 2.1.0 Sender ok
        C: RCPT TO:<bob@example.net>
        S: 250 2.1.5 Recipient ok
        C: RCPT TO:<nobody@example.net>
        S: 550 5.1.1 No such user here
        C: RCPT TO:<alice@example.net>
        S: 250 2.1.5 Recipient ok
        C: DATA
        S: 354 …
        C: Subject: Hello
        C:
        C: .
        S: 250 2.1.5 <bob@example.net> delivered as …
        S: 250 2.1.5 <alice@example.net> delivered as …
        C: QUIT
        S: 221 2.0.0 Goodbye
        S closes
        ";
    server.lmtp(text).await;
    assert!(server.only_message("bob@example.net").await.contains("with LMTP id"));
}

#[tokio::test]
async fn one_recipients_failure_is_that_recipients_alone() {
    let server = Server::start(Setup::default()).await;
    let id = server.accounts.find("bob@example.net").await.unwrap().unwrap().id;
    server.store.delete_account(id).await.unwrap();
    let text = "
        C: MAIL FROM:<carol@example.com>
        S: 250 …
        C: RCPT TO:<bob@example.net>
        S: 250 …
        C: RCPT TO:<alice@example.net>
        S: 250 …
        ";
    let replies = "C:\nC: .\nS: 451 4.3.0 <bob@example.net> …\nS: 250 2.1.5 <alice@example.net> …";
    server.lmtp(&format!("{text}{SEND}{replies}")).await;
    server.only_message("alice@example.net").await;
}

#[tokio::test]
async fn a_refused_message_is_refused_for_each() {
    let smtp = SmtpOptions { message_bytes_max: 5, errors_max: 2, ..options() };
    let server = Server::start(Setup { smtp, ..Setup::default() }).await;
    let text = "
        C: MAIL FROM:<carol@example.com>
        S: 250 …
        C: RCPT TO:<bob@example.net>
        S: 250 …
        C: RCPT TO:<alice@example.net>
        S: 250 …
        ";
    let replies =
        "C: too large\nC: .\nS: 552 5.3.4 <bob@example.net> …\nS: 552 5.3.4 <alice@example.net> …\nC: NOOP\nS: 250 …";
    server.lmtp(&format!("{text}{SEND}{replies}")).await;
}

#[tokio::test]
async fn lmtp_is_not_smtp() {
    let server = Server::start(Setup::default()).await;
    let text = "
        S: 220 mx.example.net LMTP postrider
        C: EHLO client.example.com
        S: 500 5.5.1 This is LMTP: say LHLO
        C: HELO client.example.com
        S: 500 5.5.1 This is LMTP: say LHLO
        ";
    transcript(server.connect(SmtpRole::Lmtp), text).await;
    let no_recipients = "C: MAIL FROM:<>\nS: 250 …\nC: DATA\nS: 503 5.5.1 No valid recipients";
    transcript(server.connect(SmtpRole::Lmtp), &format!("{LHLO}{no_recipients}")).await;
}
