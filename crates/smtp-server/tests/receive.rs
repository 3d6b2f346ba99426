//! Mail from other servers.

mod support;

use std::time::Duration;

use postrider_accounts::AccountSettings;
use postrider_smtp_server::{BareLineEndPolicy, DetailFolders, SmtpOptions, SmtpRole};
use postrider_store::{INBOX, SpecialUses};
use postrider_testkit::transcript;
use rustls::pki_types::ServerName;
use support::{ADDRESSES, EHLO, SEND, Server, Setup, TO_BOB, options, tls};
use tokio::io::AsyncWriteExt as _;

/// A message of one line and its answer.
const MESSAGE: &str = "
    C: Subject: Hello
    C:
    C: Hi
    C: .
    S: 250 2.0.0 Delivered as …
";

#[tokio::test]
async fn a_message_is_delivered_with_trace_fields() {
    let server = Server::start(Setup::default()).await;
    server.receive(&format!("{EHLO}{TO_BOB}{SEND}{MESSAGE}C: QUIT\nS: 221 2.0.0 Goodbye\nS closes")).await;
    let message = server.only_message("bob@example.net").await;
    let (trace, rest) = message.split_at(message.find("Subject:").unwrap());
    assert_eq!(rest, "Subject: Hello\r\n\r\nHi\r\n");
    let lines: Vec<&str> = trace.split_terminator("\r\n").collect();
    assert_eq!(lines[0], "Return-Path: <carol@example.com>");
    assert_eq!(lines[1], "Received: from client.example.com ([127.0.0.1])");
    assert!(lines[2].starts_with("\tby mx.example.net with ESMTP id "), "{trace}");
    assert_eq!(lines[3..], ["\tfor <bob@example.net>;", "\tTue, 14 Nov 2023 22:13:20 +0000"]);
}

#[tokio::test]
async fn a_session_is_the_same_however_it_is_cut() {
    let server = Server::start(Setup::default()).await;
    server.receive_in_any_pieces(&format!("{TO_BOB}{SEND}C: ..dot\nC: .\nS: 250 2.0.0 …{TO_BOB}{SEND}{MESSAGE}")).await;
    let messages = server.mail("bob@example.net", INBOX).await;
    assert_eq!(messages.len(), 6);
    assert!(messages[0].ends_with("+0000\r\n.dot\r\n"), "{}", messages[0]);
}

#[tokio::test]
async fn extensions_are_announced() {
    let server = Server::start(Setup::default()).await;
    let text = "
        S: 220 mx.example.net ESMTP postrider
        C: EHLO [192.0.2.1]
        S: 250-mx.example.net at your service
        S: 250-PIPELINING
        S: 250-8BITMIME
        S: 250-ENHANCEDSTATUSCODES
        S: 250-SIZE 52424704
        S: 250-CHUNKING
        S: 250-BINARYMIME
        S: 250 SMTPUTF8
        C: HELO client.example.com
        S: 250 mx.example.net
        C: LHLO client.example.com
        S: 500 5.5.1 This is SMTP: say EHLO
        C: VRFY bob
        S: 252 2.0.0 …
        C: EXPN team
        S: 502 5.5.1 …
        C: HELP
        S: 214 2.0.0 …
        C: NOOP
        S: 250 2.0.0 Ok
        C: AUTH PLAIN
        S: 502 5.5.1 Nobody logs in here
        C: STARTTLS
        S: 502 5.5.1 TLS is not available
        C: XYZZY
        S: 500 5.5.1 command not recognized
        ";
    server.receive(text).await;
}

#[tokio::test]
async fn mail_for_others_is_refused() {
    let server = Server::start(Setup::default()).await;
    let text = "
        C: MAIL FROM:<alice@example.net>
        S: 250 …
        C: RCPT TO:<somebody@elsewhere.example>
        S: 550 5.7.1 Relaying denied
        C: RCPT TO:<somebody%elsewhere.example@example.net>
        S: 550 5.1.1 No such user here
        C: RCPT TO:<@example.net:somebody@elsewhere.example>
        S: 550 5.7.1 Relaying denied
        C: RCPT TO:<\"somebody@elsewhere.example\"@example.net>
        S: 550 5.1.1 No such user here
        C: RCPT TO:<bob@[192.0.2.2]>
        S: 550 5.7.1 Relaying denied
        C: RCPT TO:<nobody@example.net>
        S: 550 5.1.1 No such user here
        C: DATA
        S: 503 5.5.1 No valid recipients
        ";
    server.receive(&format!("{EHLO}{text}")).await;
}

#[tokio::test]
async fn commands_out_of_order_and_bad_arguments_are_refused() {
    let server =
        Server::start(Setup { smtp: SmtpOptions { binarymime: false, ..options() }, ..Setup::default() }).await;
    let text = "
        S: 220 …
        C: MAIL FROM:<carol@example.com>
        S: 503 5.5.1 Say hello first
        C: EHLO client.example.com
        S…
        S: 250 SMTPUTF8
        C: RCPT TO:<bob@example.net>
        S: 503 5.5.1 MAIL comes first
        C: DATA
        S: 503 5.5.1 MAIL comes first
        C: MAIL FROM:<carol@example.com> FUTURE=1
        S: 555 5.5.4 parameter FUTURE is not implemented
        C: MAIL FROM:<carol@example.com> BODY=BINARYMIME
        S: 555 5.5.4 BINARYMIME is not offered
        C: MAIL FROM:carol@example.com
        S: 501 5.1.7 bad sender address syntax
        C: MAIL FROM:<käthe@example.com>
        S: 553 5.6.7 address needs SMTPUTF8
        C: MAIL FROM:<carol@example.com> SIZE=52424705
        S: 552 5.3.4 The message is too large
        C: MAIL FROM:<carol@example.com> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=x
        S: 250 2.1.0 Sender ok
        C: MAIL FROM:<carol@example.com>
        S: 503 5.5.1 A transaction is under way already
        C: RCPT TO:<käthe@example.net>
        S: 553 5.6.7 The address needs SMTPUTF8
        C: RCPT TO:<bob@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bob@example.net
        S: 250 2.1.5 Recipient ok
        C: RSET
        S: 250 2.0.0 Ok
        C: DATA
        S: 503 5.5.1 MAIL comes first
        ";
    server.receive(text).await;
}

#[tokio::test]
async fn pipelined_commands_and_what_follows_the_content_are_answered_in_order() {
    let server = Server::start(Setup::default()).await;
    let text = "
        C: MAIL FROM:<>
        C: RCPT TO:<bob@example.net>
        C: RCPT TO:<nobody@example.net>
        C: DATA
        C: Subject: one
        C:
        C: .
        C: MAIL FROM:<carol@example.com>
        C: RCPT TO:<alice@example.net>
        C: DATA
        C: Subject: two
        C:
        C: .
        C: QUIT
        S: 250 2.1.0 Sender ok
        S: 250 2.1.5 Recipient ok
        S: 550 5.1.1 …
        S: 354 …
        S: 250 2.0.0 …
        S: 250 2.1.0 Sender ok
        S: 250 2.1.5 Recipient ok
        S: 354 …
        S: 250 2.0.0 …
        S: 221 2.0.0 Goodbye
        S closes
        ";
    server.receive(&format!("{EHLO}{text}")).await;
    assert!(server.only_message("bob@example.net").await.starts_with("Return-Path: <>\r\n"));
    assert!(server.only_message("alice@example.net").await.ends_with("Subject: two\r\n\r\n"));
}

#[tokio::test]
async fn everybody_gets_one_copy_and_learns_of_nobody_else() {
    let server = Server::start(Setup::default()).await;
    let text = "
        C: MAIL FROM:<carol@example.com>
        S: 250 …
        C: RCPT TO:<team@example.net>
        S: 250 …
        C: RCPT TO:<bob@example.net>
        S: 250 …
        C: RCPT TO:<BOB+list@EXAMPLE.NET>
        S: 250 …
        ";
    server.receive(&format!("{EHLO}{text}{SEND}{MESSAGE}")).await;
    for address in ADDRESSES {
        assert!(!server.only_message(address).await.contains("for <"));
    }
}

#[tokio::test]
async fn smuggled_ends_end_nothing() {
    // What stands around the dot; the real end follows. Whatever is taken for the end too early would show as a
    // reply too many, and the message would be kept.
    let server = Server::start(Setup::default()).await;
    for (before, after) in
        [("\n", "\n"), ("\n", "\r\n"), ("\r\n", "\n"), ("\r", "\r"), ("\r\n", "\r"), ("\n\n", "\r\r\n")]
    {
        let (mut client, _) = server.connect_from("192.0.2.1:4000", SmtpRole::Receive);
        transcript(&mut client, &format!("{EHLO}{TO_BOB}{SEND}")).await;
        let smuggled =
            format!("text{before}.{after}MAIL FROM:<evil@example.com>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n");
        client.write_all(smuggled.as_bytes()).await.unwrap();
        transcript(client, "C: evil\nC: .\nS: 550 5.6.11 …\nC: NOOP\nS: 250 2.0.0 Ok").await;
    }
    assert_eq!(server.count().await, 0);
}

#[tokio::test]
async fn bare_line_ends_are_kept_where_the_operator_wants_it() {
    let smtp = SmtpOptions { bare_line_ends: BareLineEndPolicy::Keep, ..options() };
    let server = Server::start(Setup { smtp, ..Setup::default() }).await;
    let (mut client, _) = server.connect_from("192.0.2.1:4000", SmtpRole::Receive);
    transcript(&mut client, &format!("{EHLO}{TO_BOB}{SEND}")).await;
    client.write_all(b"Subject: a\n\nb\n.\nc\r\n.\r\n").await.unwrap();
    transcript(client, "S: 250 2.0.0 …").await;
    assert!(server.only_message("bob@example.net").await.ends_with("+0000\r\nSubject: a\n\nb\n.\nc\r\n"));
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_and_the_session_goes_on() {
    let smtp = SmtpOptions { message_bytes_max: 100, ..options() };
    let server = Server::start(Setup { smtp, ..Setup::default() }).await;
    let line = format!("C: {}\n", "x".repeat(60));
    let refused = format!("{TO_BOB}{SEND}{line}{line}C: .\nS: 552 5.3.4 The message is too large\n");
    server.receive_in_any_pieces(&format!("{refused}{TO_BOB}{SEND}{line}C: .\nS: 250 2.0.0 …")).await;
    assert_eq!(server.count().await, 3);
}

#[tokio::test]
async fn too_much_mail_at_once_is_put_off() {
    let smtp = SmtpOptions { content_bytes_in_flight_max: 300, ..options() };
    let server = Server::start(Setup { smtp, ..Setup::default() }).await;
    let line = format!("C: {}\n", "x".repeat(60));
    let refused = format!("{TO_BOB}{SEND}{}C: .\nS: 452 4.3.1 …\n", line.repeat(10));
    server.receive_in_any_pieces(&format!("{refused}{TO_BOB}{SEND}C: .\nS: 250 2.0.0 …")).await;
}

#[tokio::test]
async fn a_message_that_goes_in_circles_is_refused() {
    let smtp = SmtpOptions { received_fields_max: 3, ..options() };
    let server = Server::start(Setup { smtp, ..Setup::default() }).await;
    let content = |hops: usize| format!("{}C:\nC: .\n", "C: Received: from a by b; today\n".repeat(hops));
    let text = format!("{TO_BOB}{SEND}{}S: 250 …\n{TO_BOB}{SEND}{}S: 554 5.4.6 …\n", content(3), content(4));
    server.receive(&format!("{EHLO}{text}")).await;
}

#[tokio::test]
async fn a_store_that_fails_keeps_the_message_with_its_sender() {
    let server = Server::start(Setup::default()).await;
    let mut client = server.connect(SmtpRole::Receive);
    transcript(&mut client, &format!("{EHLO}{TO_BOB}{SEND}")).await;
    server.engine.fail_commits(1000);
    transcript(&mut client, "C: Subject: lost?\nC:\nC: .\nS: 451 4.3.0 …").await;
    server.engine.fail_commits(0);
    assert_eq!(server.count().await, 0);
    transcript(client, &format!("{TO_BOB}{SEND}{MESSAGE}")).await;
    assert_eq!(server.count().await, 1);
}

#[tokio::test]
async fn recipients_errors_and_lines_have_their_limits() {
    let smtp = SmtpOptions { recipients_max: 2, errors_max: 3, line_bytes_max: 100, ..options() };
    let server = Server::start(Setup { smtp, ..Setup::default() }).await;
    let rcpt = "C: RCPT TO:<bob@example.net>\n";
    let text = format!(
        "{TO_BOB}{rcpt}S: 250 …\n{rcpt}S: 452 4.5.3 Too many recipients\nC: NOOP {}\nS: 500 5.5.2 The line is too long\n\
         C: XYZZY\nS: 500 5.5.1 …\nC: XYZZY\nS: 500 5.5.1 …\nS: 421 4.7.0 Too many errors\nS closes",
        "x".repeat(200)
    );
    server.receive(&format!("{EHLO}{text}")).await;
}

#[tokio::test]
async fn a_full_mailbox_takes_no_more() {
    let server = Server::start(Setup::default()).await;
    let settings = AccountSettings { quota_bytes: Some(1000), ..AccountSettings::default() };
    server.accounts.set_settings("bob@example.net", settings).await.unwrap();
    let declared = |size: u32| {
        format!("C: RSET\nS: 250 …\nC: MAIL FROM:<c@example.com> SIZE={size}\nS: 250 …\nC: RCPT TO:<bob@example.net>\n")
    };
    let text = format!("{}S: 250 …\n{}S: 452 4.2.2 The mailbox is full\n", declared(900), declared(1000));
    server.receive(&format!("{EHLO}{text}")).await;
}

#[tokio::test]
async fn a_detail_names_a_mailbox_where_that_is_wanted() {
    let text = "
        C: MAIL FROM:<carol@example.com>
        S: 250 …
        C: RCPT TO:<bob+lists@example.net>
        S: 250 …
        C: RCPT TO:<alice+lists@example.net>
        S: 250 …
        ";
    for (detail_folders, expected) in [(DetailFolders::IfExists, (0, 1)), (DetailFolders::Ignore, (1, 0))] {
        let smtp = SmtpOptions { detail_folders, ..options() };
        let server = Server::start(Setup { smtp, ..Setup::default() }).await;
        server.account("bob@example.net").await.create_mailbox("lists", SpecialUses::NONE).await.unwrap();
        server.receive(&format!("{EHLO}{text}{SEND}{MESSAGE}")).await;
        let found =
            (server.mail("bob@example.net", INBOX).await.len(), server.mail("bob@example.net", "lists").await.len());
        assert_eq!(found, expected, "{detail_folders:?}");
        server.only_message("alice@example.net").await;
    }
}

#[tokio::test]
async fn postmaster_is_always_somebody() {
    let smtp = SmtpOptions { postmaster: Some("alice@example.net".into()), ..options() };
    let server = Server::start(Setup { smtp, ..Setup::default() }).await;
    let text = "
        C: MAIL FROM:<carol@example.com>
        S: 250 …
        C: RCPT TO:<Postmaster>
        S: 250 …
        C: RCPT TO:<postmaster@example.net>
        S: 250 …
        C: RCPT TO:<postmaster@elsewhere.example>
        S: 550 5.7.1 …
        ";
    server.receive(&format!("{EHLO}{text}{SEND}{MESSAGE}")).await;
    server.only_message("alice@example.net").await;
}

#[tokio::test]
async fn starttls_protects_what_follows_and_forgets_what_went_before() {
    let folder = tempfile::tempdir().unwrap();
    let (acceptor, connector) = tls(folder.path());
    let server = Server::start(Setup { tls: Some(acceptor), ..Setup::default() }).await;
    let (mut client, _) = server.connect_from("192.0.2.1:4000", SmtpRole::Receive);
    // What is sent along with STARTTLS, somebody in between may have put there.
    let injected = "
        S: 220 …
        C: EHLO client.example.com
        S…
        S: 250-STARTTLS
        S…
        S: 250 SMTPUTF8
        C: STARTTLS
        C: EHLO client.example.com
        C: MAIL FROM:<evil@example.com>
        S: 220 2.0.0 Ready to start TLS
        ";
    transcript(&mut client, injected).await;
    let client = connector.connect(ServerName::try_from("localhost").unwrap(), client).await.unwrap();
    let text = "
        C: MAIL FROM:<carol@example.com>
        S: 503 5.5.1 Say hello first
        C: EHLO client.example.com
        S: 250-mx.example.net at your service
        S: 250-PIPELINING
        S: 250-8BITMIME
        S: 250-ENHANCEDSTATUSCODES
        S: 250-SIZE …
        S: 250-CHUNKING
        S: 250-BINARYMIME
        S: 250 SMTPUTF8
        C: STARTTLS
        S: 503 5.5.1 TLS is active already
        ";
    transcript(client, &format!("{text}{TO_BOB}{SEND}{MESSAGE}")).await;
    assert!(server.only_message("bob@example.net").await.contains("with ESMTPS id"));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_the_session_with_a_word() {
    let server = Server::start(Setup::default()).await;
    for (text, seconds) in [(EHLO.to_owned(), 301), (format!("{EHLO}{TO_BOB}{SEND}C: half a message"), 181)] {
        let (mut client, session) = server.connect_from("127.0.0.1:4000", SmtpRole::Receive);
        transcript(&mut client, &text).await;
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_secs(seconds)).await;
        session.await.unwrap();
        transcript(client, "S: 421 4.4.2 You were silent for too long\nS closes").await;
    }
    assert_eq!(server.count().await, 0);
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let (trigger, shutdown) = postrider_net::shutdown_channel();
    let server = Server::start(Setup { shutdown, ..Setup::default() }).await;
    let mut client = server.connect(SmtpRole::Receive);
    transcript(&mut client, EHLO).await;
    trigger.request();
    transcript(client, "S: 421 4.3.2 The server is shutting down\nS closes").await;
}
