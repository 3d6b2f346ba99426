//! curl: IMAP and POP3 in TLS, and submission.
#![allow(clippy::unwrap_used, reason = "in a test, a failed expectation is a failed test")]

use std::path::Path;

use postrider_testkit::{Corpus, ImapClient, Program, ServerUnderTest, maildir};

fn curl(server: &ServerUnderTest, home: &Path, local: &str) -> Program {
    let account = server.account(local);
    Program::new("curl", home)
        .args(["--silent", "--show-error", "--ipv4", "--max-time", "30", "--cacert"])
        .arg(server.certificate_file())
        .args(["--user", &format!("{}:{}", account.address, account.password)])
}

#[test]
fn imap_lists_searches_fetches_and_uploads() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice"]);
    let home = server.home("curl");
    let base = format!("imaps://localhost:{}", server.ports().imaps);
    let mut corpus = Corpus::new(15);
    let messages = corpus.messages(10, 20_000);
    for (index, message) in messages.iter().enumerate() {
        let file = home.join(format!("{index}.eml"));
        std::fs::write(&file, message).unwrap();
        let _ =
            curl(&server, &home, "alice").arg("--upload-file").arg(file).arg(format!("{base}/INBOX")).run().success();
    }
    let list = curl(&server, &home, "alice").arg(format!("{base}/")).run().success();
    assert!(list.stdout.contains("INBOX"), "{}", list.said());
    let found = curl(&server, &home, "alice").arg(format!("{base}/INBOX?ALL")).run().success();
    assert_eq!(found.stdout.trim(), "* SEARCH 1 2 3 4 5 6 7 8 9 10");
    for (index, message) in messages.iter().enumerate() {
        let file = home.join("fetched");
        let url = format!("{base}/INBOX;UID={}", index + 1);
        let _ = curl(&server, &home, "alice").arg("--output").arg(&file).arg(url).run().success();
        assert_eq!(std::fs::read(file).unwrap(), *message, "message {index}");
    }
    let section = format!("{base}/INBOX;UID=1;SECTION=HEADER.FIELDS%20(SUBJECT)");
    let subject = curl(&server, &home, "alice").arg(section).run().success();
    assert!(subject.stdout.starts_with("Subject: "), "{}", subject.said());
    let mut client = ImapClient::of(&server, "alice");
    client.ok("SELECT INBOX");
    assert!(client.uids_and_flags().values().all(|flags| flags.contains("\\seen")), "an upload by curl is seen");
}

#[test]
fn pop3_lists_fetches_and_deletes() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice"]);
    let home = server.home("curl");
    let base = format!("pop3s://localhost:{}", server.ports().pop3s);
    let messages = Corpus::new(16).messages(5, 20_000);
    let mut client = ImapClient::of(&server, "alice");
    assert_eq!(client.append("INBOX", "", &messages[..1]).unwrap().status, "OK");
    for message in &messages[1..] {
        assert_eq!(client.append("INBOX", "", &[message]).unwrap().status, "OK");
    }
    let list = curl(&server, &home, "alice").arg(format!("{base}/")).run().success();
    let sizes: Vec<usize> = list.stdout.lines().map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    assert_eq!(sizes, messages.iter().map(Vec::len).collect::<Vec<_>>());
    for (index, message) in messages.iter().enumerate() {
        let file = home.join("fetched");
        let url = format!("{base}/{}", index + 1);
        let _ = curl(&server, &home, "alice").arg("--output").arg(&file).arg(url).run().success();
        assert_eq!(std::fs::read(file).unwrap(), *message, "message {index}");
    }
    let top = curl(&server, &home, "alice").args(["--request", "TOP 1 0"]).arg(format!("{base}/")).run().success();
    assert!(top.stdout.contains("Message-ID: "), "{}", top.said());
    let _ =
        curl(&server, &home, "alice").args(["--request", "DELE 2", "--head"]).arg(format!("{base}/")).run().success();
    let list = curl(&server, &home, "alice").arg(format!("{base}/")).run().success();
    assert_eq!(list.stdout.lines().count(), 4);
}

#[test]
fn a_wrong_password_is_refused() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice"]);
    let home = server.home("curl");
    for base in [
        format!("imaps://localhost:{}/INBOX", server.ports().imaps),
        format!("pop3s://localhost:{}/", server.ports().pop3s),
    ] {
        let output = Program::new("curl", &home)
            .args(["--silent", "--show-error", "--ipv4", "--cacert"])
            .arg(server.certificate_file())
            .args(["--user", "alice@example.test:wrong", &base])
            .run()
            .failure();
        assert_eq!(output.status.code(), Some(67), "login denied{}", output.said());
    }
}

#[test]
fn submission_in_tls_delivers() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice", "bob"]);
    if !server.kind().receives_by_smtp() {
        return;
    }
    let home = server.home("curl");
    let message = Corpus::new(17).message(30_000);
    std::fs::write(home.join("message.eml"), &message).unwrap();
    for url in [
        format!("smtps://localhost:{}/client.example", server.ports().submissions),
        format!("smtp://localhost:{}/client.example", server.ports().submission),
    ] {
        let _ = curl(&server, &home, "alice")
            .args(["--ssl-reqd", "--mail-from", "alice@example.test", "--mail-rcpt", "bob@example.test"])
            .args(["--upload-file", "message.eml", &url])
            .run()
            .success();
    }
    let mut client = ImapClient::of(&server, "bob");
    client.ok("SELECT INBOX");
    let got = client.raw_messages();
    assert_eq!(got.len(), 2);
    for raw in got.values() {
        maildir::assert_ends_with(raw, &message);
    }
}
