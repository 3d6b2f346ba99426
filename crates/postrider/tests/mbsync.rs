//! mbsync (isync): two-way synchronisation of a tree of mailboxes with a Maildir tree.
#![allow(clippy::unwrap_used, reason = "in a test, a failed expectation is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use postrider_testkit::maildir::{self, message_id};
use postrider_testkit::{Corpus, ImapClient, Program, ServerUnderTest};

type Identities = BTreeMap<String, BTreeSet<String>>;

fn write_configuration(server: &ServerUnderTest, home: &Path) {
    let alice = server.account("alice");
    let text = format!(
        "IMAPAccount server\nHost localhost\nPort {}\nUser {}\nPass {}\nSSLType IMAPS\nCertificateFile {}\n\n\
         IMAPStore remote\nAccount server\n\n\
         MaildirStore local\nSubFolders Verbatim\nPath {home}/Mail/\nInbox {home}/Mail/INBOX\n\n\
         Channel all\nFar :remote:\nNear :local:\nPatterns *\nCreate Both\nExpunge Both\nSync All\nSyncState *\n",
        server.ports().imaps,
        alice.address,
        alice.password,
        server.certificate_file().display(),
        home = home.display(),
    );
    fs::write(home.join("mbsyncrc"), text).unwrap();
    fs::create_dir_all(home.join("Mail")).unwrap();
}

fn synchronise(home: &Path) {
    let _ = Program::new("mbsync", home).args(["-c", "mbsyncrc", "-a", "-V"]).run().success();
}

/// What the server has in a mailbox.
fn remote(client: &mut ImapClient, mailbox: &str) -> Identities {
    client.ok(&format!("EXAMINE {mailbox}"));
    let flags = client.uids_and_flags();
    client.raw_messages().iter().map(|(uid, raw)| (message_id(raw), flags[uid].clone())).collect()
}

fn assert_in_step(server: &ServerUnderTest, home: &Path, counts: &[(&str, usize)]) {
    let mut client = ImapClient::of(server, "alice");
    for (mailbox, count) in counts {
        let local = maildir::identities(&home.join("Mail").join(mailbox));
        assert_eq!(remote(&mut client, mailbox), local, "{mailbox}");
        assert_eq!(local.len(), *count, "{mailbox}");
    }
}

#[test]
fn a_tree_of_mailboxes_is_synchronised_both_ways() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice"]);
    let home = server.home("mbsync");
    write_configuration(&server, &home);
    let mut corpus = Corpus::new(11);
    let mut client = ImapClient::of(&server, "alice");
    let mut bodies = BTreeMap::new();
    for (mailbox, count) in [("INBOX", 25), ("Work", 12), ("Work/2026", 10), ("Lists/a/b", 3)] {
        if mailbox != "INBOX" {
            client.ok(&format!("CREATE {mailbox}"));
        }
        for (index, message) in corpus.messages(count, 60_000).iter().enumerate() {
            let flags = ["", "\\Seen", "\\Seen \\Flagged", "\\Answered"][index % 4];
            assert_eq!(client.append(mailbox, flags, &[message]).unwrap().status, "OK");
            bodies.insert(message_id(message), maildir::body(message));
        }
    }

    synchronise(&home);
    assert_in_step(&server, &home, &[("INBOX", 25), ("Work", 12), ("Work/2026", 10), ("Lists/a/b", 3)]);
    for mailbox in ["INBOX", "Work", "Work/2026", "Lists/a/b"] {
        for message in maildir::read(&home.join("Mail").join(mailbox)) {
            assert_eq!(maildir::body(&message.raw), bodies[&message_id(&message.raw)], "the body in {mailbox}");
        }
    }

    // A second run finds nothing to do.
    let before: Vec<_> = maildir::read(&home.join("Mail/INBOX")).into_iter().map(|message| message.file).collect();
    synchronise(&home);
    let after: Vec<_> = maildir::read(&home.join("Mail/INBOX")).into_iter().map(|message| message.file).collect();
    assert_eq!(before, after);

    change_the_server(&mut client, &mut corpus);
    change_the_folder(&home, &mut corpus);
    synchronise(&home);
    synchronise(&home);
    assert_in_step(&server, &home, &[("INBOX", 25 - 2 + 2 - 1 + 1), ("Work", 12), ("New", 1), ("Fresh", 1)]);
}

/// Two messages less, two more, flags changed, a new mailbox.
fn change_the_server(client: &mut ImapClient, corpus: &mut Corpus) {
    client.ok("SELECT INBOX");
    client.ok("STORE 1:2 +FLAGS (\\Deleted)");
    client.ok("EXPUNGE");
    client.ok("STORE 1:5 +FLAGS (\\Flagged)");
    client.ok("STORE 6:9 FLAGS ()");
    client.append("INBOX", "\\Draft", &corpus.messages(1, 5000)).unwrap();
    client.append("INBOX", "", &corpus.messages(1, 5000)).unwrap();
    client.ok("CREATE New");
    client.append("New", "", &corpus.messages(1, 5000)).unwrap();
}

/// One message less, one more, flags changed, a new folder.
fn change_the_folder(home: &Path, corpus: &mut Corpus) {
    let inbox = home.join("Mail/INBOX");
    let messages = maildir::read(&inbox);
    fs::remove_file(&messages[20].file).unwrap();
    maildir::set_letters(&messages[21], "RS");
    maildir::set_letters(&messages[22], "F");
    maildir::put(&inbox, "1.local", "S", &corpus.message(3000));
    let fresh = home.join("Mail/Fresh");
    maildir::create(&fresh);
    maildir::put(&fresh, "2.local", "", &corpus.message(3000));
}
