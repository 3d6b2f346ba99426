//! OfflineIMAP 8: two-way synchronisation with a Maildir tree.
#![allow(clippy::unwrap_used, reason = "in a test, a failed expectation is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use postrider_testkit::maildir::{self, message_id};
use postrider_testkit::{Corpus, ImapClient, Program, ServerUnderTest};

fn write_configuration(server: &ServerUnderTest, home: &Path) {
    let alice = server.account("alice");
    let text = format!(
        "[general]\naccounts = test\nmetadata = {home}/metadata\nui = basic\nsocktimeout = 30\n\n\
         [Account test]\nlocalrepository = local\nremoterepository = remote\n\n\
         [Repository local]\ntype = Maildir\nlocalfolders = {home}/Mail\nsep = /\n\n\
         [Repository remote]\ntype = IMAP\nremotehost = localhost\nremoteport = {port}\nremoteuser = {user}\n\
         remotepass = {password}\nssl = yes\nsslcacertfile = {certificate}\n",
        home = home.display(),
        port = server.ports().imaps,
        user = alice.address,
        password = alice.password,
        certificate = server.certificate_file().display(),
    );
    fs::write(home.join("offlineimaprc"), text).unwrap();
}

fn synchronise(home: &Path) {
    let _ = Program::new("offlineimap", home).args(["-c", "offlineimaprc", "-o"]).run().success();
}

fn assert_in_step(client: &mut ImapClient, home: &Path, mailbox: &str, count: usize) {
    client.ok(&format!("EXAMINE {mailbox}"));
    let flags = client.uids_and_flags();
    let remote: BTreeMap<String, BTreeSet<String>> =
        client.raw_messages().iter().map(|(uid, raw)| (message_id(raw), flags[uid].clone())).collect();
    let local = maildir::identities(&home.join("Mail").join(mailbox));
    assert_eq!(remote, local, "{mailbox}");
    assert_eq!(local.len(), count, "{mailbox}");
}

#[test]
fn mailboxes_are_synchronised_both_ways() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice"]);
    let home = server.home("offlineimap");
    write_configuration(&server, &home);
    let mut corpus = Corpus::new(12);
    let mut client = ImapClient::of(&server, "alice");
    client.ok("CREATE Work");
    client.ok("CREATE Work/2026");
    for (mailbox, count) in [("INBOX", 20), ("Work", 8), ("Work/2026", 4)] {
        for (index, message) in corpus.messages(count, 30_000).iter().enumerate() {
            let flags = ["", "\\Seen", "\\Seen \\Flagged", "\\Answered"][index % 4];
            assert_eq!(client.append(mailbox, flags, &[message]).unwrap().status, "OK");
        }
    }
    synchronise(&home);
    synchronise(&home);
    for (mailbox, count) in [("INBOX", 20), ("Work", 8), ("Work/2026", 4)] {
        assert_in_step(&mut client, &home, mailbox, count);
    }

    client.ok("SELECT INBOX");
    client.ok("STORE 1:2 +FLAGS (\\Deleted)");
    client.ok("EXPUNGE");
    client.ok("STORE 1:3 +FLAGS (\\Flagged)");
    client.append("INBOX", "\\Draft", &corpus.messages(2, 5000)).unwrap();
    let inbox = home.join("Mail/INBOX");
    let messages = maildir::read(&inbox);
    fs::remove_file(&messages[15].file).unwrap();
    maildir::set_letters(&messages[16], "RS");
    maildir::put(&inbox, "1.local", "S", &corpus.message(3000));
    synchronise(&home);
    synchronise(&home);
    assert_in_step(&mut client, &home, "INBOX", 20 - 2 + 2 - 1 + 1);
}
