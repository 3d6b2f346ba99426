//! getmail6: POP3 in TLS, once with the mail kept on the server, once with it deleted.
#![allow(clippy::unwrap_used, reason = "in a test, a failed expectation is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use postrider_testkit::maildir::{self, assert_same_bodies, body, message_id};
use postrider_testkit::{Corpus, ImapClient, LmtpClient, Program, ServerUnderTest};

/// Number of the user and group `mail`, the same on every Debian.
const DEBIAN_MAIL_USER: u32 = 8;

fn write_configuration(server: &ServerUnderTest, home: &Path, delete: bool) {
    let alice = server.account("alice");
    let mail = home.join("Mail");
    maildir::create(&mail);
    // getmail refuses to write mail as root, and changes to another user when told to.
    let user_line = if fs::metadata(home).unwrap().uid() == 0 {
        for folder in ["", "cur", "new", "tmp"] {
            chown(mail.join(folder), Some(DEBIAN_MAIL_USER), Some(DEBIAN_MAIL_USER)).unwrap();
        }
        "user = mail\n"
    } else {
        ""
    };
    let text = format!(
        "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = {port}\nusername = {user}\n\
         password = {password}\nca_certs = {certificate}\n\n\
         [destination]\ntype = Maildir\npath = {home}/Mail/\n{user_line}\n\
         [options]\nread_all = false\ndelete = {delete}\nverbose = 2\ndelivered_to = false\nreceived = false\n",
        port = server.ports().pop3s,
        user = alice.address,
        password = alice.password,
        certificate = server.certificate_file().display(),
        home = home.display(),
    );
    fs::write(home.join("getmailrc"), text).unwrap();
}

fn fetch(home: &Path) {
    let _ = Program::new("getmail", home).arg("--getmaildir").arg(home).args(["--rcfile", "getmailrc"]).run().success();
}

fn got(home: &Path) -> BTreeMap<String, Vec<u8>> {
    let messages = maildir::read(&home.join("Mail"));
    let count = messages.len();
    let messages: BTreeMap<_, _> = messages.iter().map(|found| (message_id(&found.raw), body(&found.raw))).collect();
    assert_eq!(messages.len(), count, "a message was delivered twice");
    messages
}

#[test]
fn mail_is_kept_on_the_server_or_deleted_from_it() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice"]);
    let home = server.home("getmail");
    let address = &server.account("alice").address;
    let mut lmtp = LmtpClient::of(&server);
    let mut corpus = Corpus::new(14);
    let mut sent = BTreeMap::new();
    let mut deliver = |count: usize| {
        for message in corpus.messages(count, 40_000) {
            lmtp.deliver(&[address], &message).unwrap();
            sent.insert(message_id(&message), body(&message));
        }
        sent.clone()
    };

    let sent = deliver(15);
    write_configuration(&server, &home, false);
    fetch(&home);
    assert_same_bodies(&got(&home), &sent);
    fetch(&home);
    assert_eq!(got(&home).len(), 15, "kept mail is not fetched again");

    let sent = deliver(5);
    write_configuration(&server, &home, true);
    fetch(&home);
    assert_same_bodies(&got(&home), &sent);
    let mut client = ImapClient::of(&server, "alice");
    client.ok("SELECT INBOX");
    assert_eq!(client.uids_and_flags().len(), 0);
}
