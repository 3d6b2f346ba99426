//! Python's imaplib, poplib and smtplib: the scripts are in `programs/` and assert by themselves.
#![allow(clippy::unwrap_used, reason = "in a test, a failed expectation is a failed test")]

use std::path::Path;

use postrider_testkit::maildir::{body, message_id};
use postrider_testkit::{Corpus, ImapClient, Program, ServerUnderTest};

fn run(server: &ServerUnderTest, script: &str, arguments: &[&str]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(script);
    let certificate = server.certificate_file();
    let output = Program::new("python3", &server.home("python")).arg(file).args(arguments).arg(certificate).run();
    let output = output.success();
    assert!(output.stdout.ends_with("is content\n"), "{}", output.said());
}

#[test]
fn imaplib_is_content() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice"]);
    let alice = server.account("alice");
    run(&server, "imap.py", &[&server.ports().imaps.to_string(), &alice.address, &alice.password]);
}

#[test]
fn starttls_is_content() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice"]);
    let alice = server.account("alice");
    let (imap, pop3) = (server.ports().imap.to_string(), server.ports().pop3.to_string());
    run(&server, "starttls.py", &[&imap, &pop3, &alice.address, &alice.password]);
}

#[test]
fn poplib_is_content() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice"]);
    let alice = server.account("alice");
    let mut client = ImapClient::of(&server, "alice");
    for message in Corpus::new(18).messages(3, 30_000) {
        assert_eq!(client.append("INBOX", "", &[message]).unwrap().status, "OK");
    }
    client.ok("LOGOUT");
    run(&server, "pop3.py", &[&server.ports().pop3s.to_string(), &alice.address, &alice.password]);
}

#[test]
fn smtplib_is_content() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice", "bob"]);
    if !server.kind().receives_by_smtp() {
        return;
    }
    let (alice, bob, ports) = (server.account("alice"), server.account("bob"), server.ports());
    let [smtp, submission, submissions] =
        [ports.smtp, ports.submission, ports.submissions].map(|port| port.to_string());
    run(&server, "smtp.py", &[&smtp, &submission, &submissions, &alice.address, &alice.password, &bob.address]);
    let mut client = ImapClient::of(&server, "bob");
    client.ok("SELECT INBOX");
    let got = client.raw_messages();
    let mut ids: Vec<_> = got.values().map(|raw| message_id(raw)).collect();
    ids.sort();
    assert_eq!(ids, [1, 2, 3, 4, 5].map(|number| format!("<smtp-{number}@corpus.example>")));
    for raw in got.values() {
        assert_eq!(body(raw), b".\n..two\n.one\nend\n");
    }
}
