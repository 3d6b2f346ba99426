//! swaks: SMTP, submission with a login in TLS, and LMTP.
#![allow(clippy::unwrap_used, reason = "in a test, a failed expectation is a failed test")]

use std::path::Path;

use postrider_testkit::{Corpus, ImapClient, Program, ServerUnderTest, maildir};

fn swaks(home: &Path, port: u16) -> Program {
    Program::new("swaks", home)
        .args(["--server", "127.0.0.1", "--port", &port.to_string(), "--helo", "client.example", "--timeout", "30"])
        .args(["--data", "@message.eml"])
}

/// Writes the message for swaks, which adds a line end to what it reads.
fn write(home: &Path, message: &[u8]) {
    std::fs::write(home.join("message.eml"), message.strip_suffix(b"\r\n").unwrap()).unwrap();
}

/// The messages of bob's INBOX.
fn arrived(server: &ServerUnderTest) -> Vec<Vec<u8>> {
    let mut client = ImapClient::of(server, "bob");
    client.ok("EXAMINE INBOX");
    client.raw_messages().into_values().collect()
}

#[test]
fn lmtp_delivers_and_refuses_unknown_recipients() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice", "bob"]);
    let home = server.home("swaks");
    let message = Corpus::new(19).message(20_000);
    write(&home, &message);
    let _ = swaks(&home, server.ports().lmtp)
        .args(["--protocol", "LMTP", "--from", "x@corpus.example", "--to", "bob@example.test,alice@example.test"])
        .run()
        .success();
    let got = arrived(&server);
    assert_eq!(got.len(), 1);
    maildir::assert_ends_with(&got[0], &message);
    let refused = swaks(&home, server.ports().lmtp)
        .args(["--protocol", "LMTP", "--from", "x@corpus.example", "--to", "nobody@example.test"])
        .run()
        .failure();
    assert!(refused.stdout.contains("<** 550"), "{}", refused.said());
}

#[test]
fn smtp_receives_and_does_not_relay() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice", "bob"]);
    if !server.kind().receives_by_smtp() {
        return;
    }
    let home = server.home("swaks");
    let message = Corpus::new(20).message(20_000);
    write(&home, &message);
    let smtp = || swaks(&home, server.ports().smtp).args(["--from", "x@corpus.example"]);
    let _ = smtp().args(["--to", "bob@example.test"]).run().success();
    let _ = smtp().args(["--to", "bob@example.test", "--tls"]).run().success();
    let _ = smtp().args(["--to", "bob@example.test", "--pipeline"]).run().success();
    let _ = smtp().args(["--to", "someone@elsewhere.example"]).run().failure();
    let got = arrived(&server);
    assert_eq!(got.len(), 3);
    for raw in &got {
        maildir::assert_ends_with(raw, &message);
    }
}

#[test]
fn submission_needs_a_login() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice", "bob"]);
    if !server.kind().receives_by_smtp() {
        return;
    }
    let home = server.home("swaks");
    write(&home, &Corpus::new(21).message(5000));
    let alice = server.account("alice");
    let from_to = ["--from", "alice@example.test", "--to", "bob@example.test"];
    for mechanism in ["PLAIN", "LOGIN"] {
        let login = ["--auth", mechanism, "--auth-user", &alice.address, "--auth-password", &alice.password];
        let _ = swaks(&home, server.ports().submission).arg("--tls").args(login).args(from_to).run().success();
        let _ = swaks(&home, server.ports().submissions).arg("--tlsc").args(login).args(from_to).run().success();
        let wrong = ["--auth", mechanism, "--auth-user", &alice.address, "--auth-password", "wrong"];
        let _ = swaks(&home, server.ports().submission).arg("--tls").args(wrong).args(from_to).run().failure();
    }
    let _ = swaks(&home, server.ports().submission).arg("--tls").args(from_to).run().failure();
    assert_eq!(arrived(&server).len(), 4);
}
