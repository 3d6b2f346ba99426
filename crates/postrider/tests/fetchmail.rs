//! fetchmail: POP3 in TLS, once with the mail kept on the server, once with it deleted.
#![allow(clippy::unwrap_used, reason = "in a test, a failed expectation is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use postrider_testkit::maildir::{assert_same_bodies, body, message_id};
use postrider_testkit::program::Output;
use postrider_testkit::{Corpus, ImapClient, LmtpClient, Program, ServerUnderTest};

/// fetchmail's exit status when there was no (new) mail.
const NO_MAIL: i32 = 1;

fn write_configuration(server: &ServerUnderTest, home: &Path, keep: &str) {
    let alice = server.account("alice");
    let text = format!(
        "set no bouncemail\nset idfile \"{home}/ids\"\n\
         poll localhost protocol pop3 port {port} uidl\n\
         user \"{user}\" password \"{password}\" ssl sslcertck sslcertfile \"{certificate}\" {keep} no rewrite\n\
         mda \"{home}/deliver\"\n",
        home = home.display(),
        port = server.ports().pop3s,
        user = alice.address,
        password = alice.password,
        certificate = server.certificate_file().display(),
    );
    fs::write(home.join("fetchmailrc"), text).unwrap();
    fs::set_permissions(home.join("fetchmailrc"), fs::Permissions::from_mode(0o600)).unwrap();
    let script = format!("#!/bin/sh\nexec cat > \"$(mktemp {}/got/XXXXXXXX)\"\n", home.display());
    fs::write(home.join("deliver"), script).unwrap();
    fs::set_permissions(home.join("deliver"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(home.join("got")).unwrap();
}

fn fetch(home: &Path) -> Output {
    Program::new("fetchmail", home).args(["-f", "fetchmailrc", "--nodetach", "--nosyslog", "-v"]).run()
}

fn got(home: &Path) -> BTreeMap<String, Vec<u8>> {
    let files: Vec<_> = fs::read_dir(home.join("got")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let messages: BTreeMap<_, _> = files
        .iter()
        .map(|file| {
            let raw = fs::read(file).unwrap();
            (message_id(&raw), body(&raw))
        })
        .collect();
    assert_eq!(messages.len(), files.len(), "a message was delivered twice");
    messages
}

#[test]
fn mail_is_kept_on_the_server_or_deleted_from_it() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice"]);
    let home = server.home("fetchmail");
    let address = &server.account("alice").address;
    let mut lmtp = LmtpClient::of(&server);
    let mut corpus = Corpus::new(13);
    let mut sent = BTreeMap::new();
    let mut deliver = |count: usize| {
        for message in corpus.messages(count, 40_000) {
            lmtp.deliver(&[address], &message).unwrap();
            sent.insert(message_id(&message), body(&message));
        }
        sent.clone()
    };

    let sent = deliver(15);
    write_configuration(&server, &home, "keep");
    let _ = fetch(&home).success();
    assert_same_bodies(&got(&home), &sent);
    let again = fetch(&home);
    assert_eq!(again.status.code(), Some(NO_MAIL), "kept mail is not fetched again{}", again.said());
    assert_eq!(got(&home).len(), 15);

    let sent = deliver(5);
    write_configuration(&server, &home, "no keep");
    let _ = fetch(&home).success();
    assert_same_bodies(&got(&home), &sent);
    let mut client = ImapClient::of(&server, "alice");
    client.ok("SELECT INBOX");
    let left = client.uids_and_flags().len();
    // fetchmail deletes what it fetches, and leaves what it fetched when it was told to keep.
    assert!(left == 0 || left == 15, "{left} messages are left");
    client.ok("LOGOUT");
    let flushed = Program::new("fetchmail", &home)
        .args(["-f", "fetchmailrc", "--nodetach", "--nosyslog", "--fetchall", "--mda", "cat > /dev/null"])
        .run();
    assert!(flushed.status.success() || left == 0, "{}", flushed.said());
    let mut client = ImapClient::of(&server, "alice");
    client.ok("SELECT INBOX");
    assert_eq!(client.uids_and_flags().len(), 0);
}
