//! An import keeps what names messages for mail programs: UIDVALIDITY, UIDs and POP3 unique-ids, of a real Dovecot's Maildir and of
//! our own exports.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use postrider_testkit::{Corpus, ImapClient, LmtpClient, Program, ServerKind, ServerUnderTest};
use serde_json::Value;

const POSTRIDER: &str = env!("CARGO_BIN_EXE_postrider");
/// A folder as IMAP4rev1 and Maildir++ name it.
const FOLDER: &str = "Work/Gr&APYA3w-e";

/// What a mail program knows of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    uid_validity: u32,
    uid_next: u32,
    messages: BTreeMap<u32, (BTreeSet<String>, Vec<u8>)>,
}

fn known(server: &ServerUnderTest, local: &str, mailbox: &str) -> Known {
    let mut client = ImapClient::of(server, local);
    let answer = client.ok(&format!("STATUS {mailbox} (UIDVALIDITY UIDNEXT MESSAGES)"));
    let text = String::from_utf8(answer.untagged.concat()).unwrap();
    let number = |name: &str| {
        let rest = text.split_once(&format!("{name} ")).unwrap().1;
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    let mut messages = BTreeMap::new();
    if number("MESSAGES") > 0 {
        client.ok(&format!("EXAMINE {mailbox}"));
        let mut raw = client.raw_messages();
        for (uid, mut flags) in client.uids_and_flags() {
            flags.remove("\\Recent");
            messages.insert(uid, (flags, raw.remove(&uid).unwrap()));
        }
    }
    Known { uid_validity: number("UIDVALIDITY"), uid_next: number("UIDNEXT"), messages }
}

/// The unique-ids that a POP3 program is told.
fn unique_ids(server: &ServerUnderTest, local: &str) -> Vec<String> {
    let account = server.account(local);
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", server.ports().pop3)).unwrap());
    let mut lines = Vec::new();
    for command in ["", &format!("USER {}\r\n", account.address), &format!("PASS {}\r\n", account.password), "UIDL\r\n"]
    {
        stream.get_mut().write_all(command.as_bytes()).unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        assert!(line.starts_with("+OK"), "{command}{line}");
    }
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        match line.trim_end() {
            "." => break,
            line => lines.push(line.split_once(' ').unwrap().1.to_owned()),
        }
    }
    stream.get_mut().write_all(b"QUIT\r\n").unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    lines
}

fn deliver(server: &ServerUnderTest, local: &str, seed: u64, count: usize) {
    let mut lmtp = LmtpClient::of(server);
    for message in Corpus::new(seed).messages(count, 4000) {
        lmtp.deliver(&[&server.account(local).address], &message).unwrap();
    }
}

/// A Dovecot with mail that has gaps in its UIDs, flags, keywords, a subfolder and mail that nobody has seen.
fn dovecot(settings: &str) -> ServerUnderTest {
    let settings = format!("mail_location = maildir:~/Maildir\n{settings}");
    let server = ServerUnderTest::start_with(ServerKind::Dovecot, "", &["alice"], &settings);
    deliver(&server, "alice", 5, 9);
    let mut client = ImapClient::of(&server, "alice");
    client.ok(&format!("CREATE {FOLDER}"));
    client.ok("SELECT INBOX");
    client.ok("STORE 2 +FLAGS (\\Seen \\Flagged work)");
    client.ok("STORE 3 +FLAGS (\\Answered $Forwarded)");
    client.ok(&format!("COPY 2:5 {FOLDER}"));
    client.ok("STORE 1,4,9 +FLAGS (\\Deleted)");
    client.ok("EXPUNGE");
    client.ok(&format!("SELECT {FOLDER}"));
    client.ok("STORE 1 +FLAGS (\\Deleted)");
    client.ok("EXPUNGE");
    client.ok("LOGOUT");
    // It is an old server: what is made here in the same second must not have its UIDVALIDITY by chance.
    for (mailbox, uid_validity) in [("INBOX", "1500000002"), ("Work/Größe", "1500000009")] {
        let configuration = server.configuration_file();
        let arguments = ["mailbox", "update", "-u", &server.account("alice").address, "--uid-validity", uid_validity];
        let update = Program::new("doveadm", &server.home("doveadm")).arg("-c").arg(configuration).args(arguments);
        let _ = update.arg(mailbox).run().success();
    }
    deliver(&server, "alice", 6, 2);
    server
}

fn command(server: &ServerUnderTest, arguments: &[&str]) -> Program {
    Program::new(POSTRIDER, &server.home("import")).arg("--config").arg(server.configuration_file()).args(arguments)
}

fn import(server: &ServerUnderTest, path: &Path, local: &str, more: &[&str]) -> Value {
    let into = &server.account(local).address;
    let arguments = [&["import", path.to_str().unwrap(), "--into", into, "--json"], more].concat();
    serde_json::from_str(&command(server, &arguments).run().success().stdout).unwrap()
}

#[test]
fn mail_of_dovecot_keeps_what_imap_and_pop3_programs_know_it_by() {
    for (settings, options) in [
        ("", &[][..]),
        ("pop3_uidl_format = %f\n", &["--pop3-uidl-format", "%f"]),
        ("pop3_uidl_format = %v.%u\n", &["--pop3-uidl-format", "%v.%u"]),
        // What it notes needs no telling.
        ("pop3_uidl_format = %g\npop3_save_uidl = yes\n", &[]),
    ] {
        let old = dovecot(settings);
        let maildir = old.data_folder("alice").join("Maildir");
        let mut server = ServerUnderTest::start_kind(ServerKind::Postrider, POSTRIDER, &["alice", "bob"]);
        let ids = unique_ids(&old, "alice");
        let (inbox, folder) = (known(&old, "alice", "INBOX"), known(&old, "alice", FOLDER));
        assert_eq!((ids.len(), inbox.messages.len(), folder.messages.len()), (8, 8, 3));

        let dry = import(&server, &maildir, "alice", &[&["--dry-run"], options].concat());
        let report = import(&server, &maildir, "alice", options);
        for report in [&dry, &report] {
            assert_eq!(report["total"]["uids_kept"], 11, "{report:#}");
            assert!(report["folders"].as_array().unwrap().iter().all(|folder| folder["new_uids"].is_null()));
        }
        assert_eq!(report["total"]["unique_ids_kept"], 8, "{settings}{report:#}");
        assert_eq!(known(&server, "alice", "INBOX"), inbox, "{settings}");
        assert_eq!(known(&server, "alice", FOLDER), folder, "{settings}");
        assert_eq!(unique_ids(&server, "alice"), ids, "{settings}");

        // What comes to the old server until it is turned off follows, under its names.
        deliver(&old, "alice", 7, 3);
        let (inbox, ids) = (known(&old, "alice", "INBOX"), unique_ids(&old, "alice"));
        let again = import(&server, &maildir, "alice", &[&["--again"], options].concat());
        assert_eq!((&again["total"]["messages"], &again["total"]["uids_kept"]), (&3.into(), &3.into()), "{again:#}");
        assert_eq!(known(&server, "alice", "INBOX"), inbox, "{settings}");
        assert_eq!(unique_ids(&server, "alice"), ids, "{settings}");

        // What comes here gets names of its own.
        deliver(&server, "alice", 8, 1);
        let after = known(&server, "alice", "INBOX");
        assert_eq!((after.messages.len(), after.messages.contains_key(&inbox.uid_next)), (12, true));
        let fresh = unique_ids(&server, "alice").pop().unwrap();
        assert!(!ids.contains(&fresh) && fresh.starts_with("1."), "{fresh}");

        // Had the old server not been turned off, no UID of its would mean another message here.
        deliver(&old, "alice", 10, 3);
        let (mine, old_inbox) = (inbox.uid_next, known(&old, "alice", "INBOX"));
        let late = import(&server, &maildir, "alice", &[&["--again"], options].concat());
        assert_eq!((&late["total"]["messages"], &late["total"]["uids_kept"]), (&3.into(), &0.into()), "{late:#}");
        let after = known(&server, "alice", "INBOX");
        assert_eq!((after.messages.len(), after.uid_next), (15, old_inbox.uid_next + 3));
        for (uid, message) in after.messages.iter().filter(|(uid, _)| **uid != mine && **uid < old_inbox.uid_next) {
            assert_eq!(old_inbox.messages.get(uid), Some(message), "{uid}");
        }

        // Where there is mail already, and where it is asked for, UIDs are new.
        let other = import(&server, &maildir, "alice", &["--under", "INBOX"]);
        println!("{}", other["folders"]);
        let new = import(&server, &maildir, "bob", &["--new-uids"]);
        assert_eq!((&new["total"]["uids_kept"], &new["total"]["unique_ids_kept"]), (&0.into(), &0.into()));
        assert_eq!(new["folders"][0]["new_uids"], "asked_for");
        let bob = known(&server, "bob", "INBOX");
        assert!(bob.uid_validity != inbox.uid_validity && bob.messages.contains_key(&1), "{bob:?}");
        server.stop();
        server.check_store();
    }
}

#[test]
fn an_import_that_is_killed_and_given_again_keeps_uids_and_unique_ids() {
    const MESSAGES: u32 = 6_000;
    let mut server = ServerUnderTest::start_kind(ServerKind::Postrider, POSTRIDER, &["alice"]);
    server.stop();
    let maildir = server.home("import").join("Maildir");
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(maildir.join(part)).unwrap();
    }
    // Names are not in the order of UIDs, and UIDs have gaps.
    let uid = |number: u32| number * 3 + 5;
    let mut list = format!("3 V1234567 N{} G0123456789abcdef0123456789abcdef\n", MESSAGES * 3 + 100);
    for number in 0..MESSAGES {
        let name = format!("{}.M{number}.host", 1_500_000_000 - number);
        let text = format!("Subject: {}\n\ntext\n", uid(number));
        fs::write(maildir.join(format!("cur/{name}:2,S")), text).unwrap();
        list.push_str(&format!("{} :{name}\n", uid(number)));
    }
    fs::write(maildir.join("dovecot-uidlist"), list).unwrap();
    // Mail that the list does not know yet.
    fs::write(maildir.join("new/1600000000.M1.host"), "Subject: new\n\ntext\n").unwrap();

    let address = server.account("alice").address.clone();
    let mut killed = 0;
    let report: Value = loop {
        let mut child = Command::new(POSTRIDER)
            .current_dir(server.home("import"))
            .arg("--config")
            .arg(server.configuration_file())
            .args(["import", "Maildir", "--into", &address, "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let has_begun = lines.any(|line| {
            said.push_str(&line);
            line.contains("found: ")
        });
        // A little later each time, from before the mailbox is made.
        thread::sleep(Duration::from_millis(30 * killed));
        if has_begun && killed < 25 && child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
            continue;
        }
        let report: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).expect(&said);
        // One that was killed when it had done everything leaves nothing to begin with.
        assert_eq!(report["finished_before"], !has_begun, "{said}");
        break report;
    };
    println!("killed {killed} times, at the end continued after {}", report["continued_after"]);
    if report["finished_before"] == false {
        assert_eq!(report["folders"][0]["new_uids"], Value::Null, "{report:#}");
    }
    server.check_store();
    server.start_again();
    let inbox = known(&server, "alice", "INBOX");
    assert_eq!((inbox.uid_validity, inbox.messages.len()), (1_234_567, 6_001));
    for (uid, (_, raw)) in &inbox.messages {
        let subject = String::from_utf8_lossy(raw);
        let expected = if *uid == MESSAGES * 3 + 100 { "new".to_owned() } else { uid.to_string() };
        assert!(subject.starts_with(&format!("Subject: {expected}\r\n")), "{uid} {subject}");
    }
    let ids = unique_ids(&server, "alice");
    let expected: Vec<String> = (0..MESSAGES).map(|number| format!("{:08x}{:08x}", uid(number), 1_234_567)).collect();
    assert_eq!(ids[..ids.len() - 1], expected);
}

#[test]
fn what_is_exported_and_imported_elsewhere_is_known_by_the_same_names() {
    let old = dovecot("");
    let mut here = ServerUnderTest::start_kind(ServerKind::Postrider, POSTRIDER, &["alice"]);
    import(&here, &old.data_folder("alice").join("Maildir"), "alice", &[]);
    deliver(&here, "alice", 9, 4);
    let mut client = ImapClient::of(&here, "alice");
    client.ok("SELECT INBOX");
    client.ok("STORE 3,* +FLAGS (\\Deleted)");
    client.ok("EXPUNGE");
    client.ok("LOGOUT");
    let (inbox, folder) = (known(&here, "alice", "INBOX"), known(&here, "alice", FOLDER));
    let ids = unique_ids(&here, "alice");
    assert_eq!((ids.len(), inbox.messages.len()), (10, 10));

    let there = ServerUnderTest::start_kind(ServerKind::Postrider, POSTRIDER, &["alice", "bob", "carol", "dave"]);
    for (local, path, form) in [
        ("alice", "tree", "tree"),
        ("bob", "Maildir", "maildir"),
        ("carol", "Maildir.tar", "maildir"),
        ("dave", "mbox", "mbox"),
    ] {
        let path = here.home("export").join(path);
        let address = &here.account("alice").address;
        let _ = command(&here, &["export", address, path.to_str().unwrap(), "--format", form]).run().success();
        let report = import(&there, &path, local, &[]);
        assert_eq!(report["total"]["uids_kept"], 13, "{form} {report:#}");
        assert_eq!(report["total"]["unique_ids_kept"], 10, "{form} {report:#}");
        assert_eq!(unique_ids(&there, local), ids, "{form}");
        assert_eq!(known(&there, local, "INBOX"), inbox, "{form}");
        assert_eq!(known(&there, local, FOLDER), folder, "{form}");
    }
    here.stop();
    here.check_store();
}
