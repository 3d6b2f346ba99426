//! The safe, through the real program: made while the server runs, read by the stock `restic`, and everything comes back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use postrider_testkit::{
    Corpus, ImapClient, Program, ServerKind, ServerUnderTest, imap_client::Answer, server::free_port,
};
use serde_json::Value;

const POSTRIDER: &str = env!("CARGO_BIN_EXE_postrider");

/// Backups only when they are asked for.
const BY_HAND: &str = "\n[backup]\nrepository = \"safe\"\nevery = \"0s\"\ncredentials = true\n";

/// Names as they stand in commands (RFC 9051 §A.1), and the flags of some messages.
const MAILBOXES: [(&str, &str); 5] = [
    ("INBOX", "\\Seen"),
    ("Work", "\\Answered $Forwarded"),
    ("Work/2026", ""),
    ("a &- b.eml", "\\Flagged"),
    ("Trash", ""),
];

/// A message as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    raw: Vec<u8>,
    flags: BTreeSet<String>,
    date: String,
}

/// A mailbox as a client sees it: UIDVALIDITY and messages.
type Mailbox = (u32, BTreeMap<u32, Message>);

struct Safe {
    server: ServerUnderTest,
}

impl Safe {
    fn new(locals: &[&str], settings: &str) -> Self {
        Self { server: ServerUnderTest::start_with(ServerKind::Postrider, POSTRIDER, locals, settings) }
    }

    fn backup(&self, arguments: &[&str]) -> Program {
        let config = self.server.configuration_file();
        let program = Program::new(POSTRIDER, &self.server.home("backup"));
        program.args(["--config", config.to_str().unwrap(), "backup"]).args(arguments)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.backup(arguments).arg("--json").run().success();
        serde_json::from_str(&output.stdout).unwrap()
    }

    /// The repository, which lies beside the configuration file.
    fn repository(&self) -> PathBuf {
        self.server.configuration_file().with_file_name("safe")
    }

    fn client(&self, local: &str) -> ImapClient {
        ImapClient::of(&self.server, local)
    }

    fn fill(&self, local: &str, seed: u64, count: usize) {
        let (mut client, mut corpus) = (self.client(local), Corpus::new(seed));
        for (mailbox, flags) in MAILBOXES {
            // Some are there from the start.
            let _ = client.command(&format!("CREATE \"{mailbox}\"")).unwrap();
            for (number, part) in corpus.messages(count, 30_000).chunks(count / 3 + 1).enumerate() {
                let flags = if number == 0 { flags } else { "" };
                assert_eq!(client.append(&format!("\"{mailbox}\""), flags, part).unwrap().status, "OK");
            }
            // Holes, so that UIDs are no mere counts.
            client.ok(&format!("SELECT \"{mailbox}\""));
            client.ok("UID STORE 2,5 +FLAGS.SILENT (\\Deleted)");
            client.ok("UID EXPUNGE 2,5");
        }
        let _ = client.command("CREATE empty/inner").unwrap();
        client.ok("LOGOUT");
    }

    fn view(&self, local: &str) -> BTreeMap<String, Mailbox> {
        let mut client = self.client(local);
        let mut names: Vec<String> = MAILBOXES.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.push("empty/inner".to_owned());
        let mut all = BTreeMap::new();
        for name in names {
            let selected = client.command(&format!("EXAMINE \"{name}\"")).unwrap();
            if selected.status != "OK" {
                continue;
            }
            let validity = number(&selected, "UIDVALIDITY");
            all.insert(name, (validity, messages(&mut client)));
        }
        all
    }
}

fn messages(client: &mut ImapClient) -> BTreeMap<u32, Message> {
    if client.ok("UID SEARCH ALL").search().is_empty() {
        return BTreeMap::new();
    }
    let mut dates = BTreeMap::new();
    for line in client.ok("UID FETCH 1:* (INTERNALDATE)").fetches() {
        dates.insert(line.uid().unwrap(), String::from_utf8(line.items["INTERNALDATE"].clone()).unwrap());
    }
    let flags = client.uids_and_flags();
    let raw = client.raw_messages();
    let message =
        |(uid, raw): (u32, Vec<u8>)| (uid, Message { raw, flags: flags[&uid].clone(), date: dates[&uid].clone() });
    raw.into_iter().map(message).collect()
}

/// What an untagged `OK [NAME n]` says.
fn number(answer: &Answer, name: &str) -> u32 {
    let head = format!("OK [{name} ");
    let lines = answer.untagged.iter().map(|line| String::from_utf8_lossy(line).into_owned());
    let mut values = lines.filter_map(|line| Some(line.strip_prefix(&head)?.split(']').next()?.parse().unwrap()));
    values.next().unwrap()
}

/// Every `.eml` file below a folder: its path there and its bytes.
fn eml_files(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            eml_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "eml") {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

#[test]
fn a_backup_is_incremental_and_restic_reads_it() {
    let safe = Safe::new(&["alice", "bob"], BY_HAND);
    safe.fill("alice", 1, 40);
    safe.fill("bob", 2, 10);
    safe.backup(&["init"]).run().success();
    let first = safe.json(&["run"]);
    assert_eq!(first["accounts"], 2, "{first}");
    assert!(first["bodies_read"].as_u64().unwrap() > 200, "{first}");
    let again = safe.json(&["run"]);
    assert_eq!(again["bodies_read"], 0, "unchanged mail is not read again: {again}");
    assert!(again["bytes_added"].as_u64().unwrap() < 20_000, "{again}");
    assert_eq!(safe.json(&["list"]).as_array().unwrap().len(), 2);
    safe.backup(&["verify"]).run().success();

    let home = safe.server.home("restic");
    let passphrase = safe.server.data_folder("alice").join("backup-passphrase");
    let restic = |arguments: &[&str]| {
        let program = Program::new("restic", &home).args(["-r", safe.repository().to_str().unwrap()]);
        program.args(["--password-file", passphrase.to_str().unwrap(), "--no-cache"]).args(arguments).run().success()
    };
    restic(&["check", "--read-data"]);
    restic(&["restore", "latest", "--target", home.join("out").to_str().unwrap()]);
    let mut files = BTreeMap::new();
    eml_files(&home.join("out"), &mut files);
    let mut restored: Vec<Vec<u8>> = files.into_values().collect();
    let views = ["alice", "bob"].map(|local| safe.view(local));
    let all = views.iter().flat_map(BTreeMap::values).flat_map(|(_, messages)| messages.values());
    let mut stored: Vec<Vec<u8>> = all.map(|message| message.raw.clone()).collect();
    restored.sort();
    stored.sort();
    assert_eq!(stored.len(), 5 * (38 + 8));
    assert!(restored == stored, "what restic restores is what the store holds");
}

#[test]
fn everything_comes_back_down_to_uids_after_the_store_is_lost() {
    let mut safe = Safe::new(&["alice", "bob"], BY_HAND);
    safe.fill("alice", 3, 30);
    safe.fill("bob", 4, 6);
    safe.backup(&["init"]).run().success();
    safe.backup(&["run", "--verify"]).run().success();
    let rehearsed = |safe: &Safe| {
        let answer = safe.json(&["verify", "--rehearse"])["living"][0].clone();
        ["accounts", "messages", "came", "gone", "flags_changed"].map(|name| answer[name].as_u64().unwrap())
    };
    assert_eq!(rehearsed(&safe), [2, 5 * (28 + 4), 0, 0, 0]);
    let mut client = safe.client("bob");
    assert_eq!(client.append("Trash", "", &["Subject: late\r\n\r\n"]).unwrap().status, "OK");
    client.ok("SELECT Trash");
    client.ok("UID STORE 1 +FLAGS.SILENT (\\Flagged)");
    client.ok("UID STORE 3 +FLAGS.SILENT (\\Deleted)");
    client.ok("UID EXPUNGE 3");
    assert_eq!(rehearsed(&safe), [2, 5 * (28 + 4) - 1, 1, 1, 1]);
    safe.backup(&["run", "--verify"]).run().success();
    assert_eq!(safe.json(&["verify", "--all", "--rehearse"])["living"].as_array().unwrap().len(), 2);
    let before = ["alice", "bob"].map(|local| safe.view(local));
    safe.server.stop();
    fs::remove_dir_all(safe.server.data_folder("alice").join("store")).unwrap();
    safe.server.start_again();
    let dry = safe.json(&["restore", "--everything", "--dry-run"]);
    assert_eq!(dry["messages"], 5 * (28 + 4), "{dry}");
    // Of an account that is not there yet, too, only what was asked for counts: mailboxes below one, and single messages.
    let address = safe.server.account("alice").address.clone();
    let dry_run = |more: &[&str]| {
        let arguments = [&["restore", "--dry-run", "--account", &address, "--mailbox"], more].concat();
        let answer = safe.json(&arguments);
        (answer["messages"].as_u64().unwrap(), answer["mailboxes_made"].as_u64().unwrap())
    };
    assert_eq!(dry_run(&["Work"]), (28 + 28, 2));
    assert_eq!(dry_run(&["inbox", "--uid", "1", "--uid", "3", "--uid", "999"]), (2, 1));
    safe.backup(&["restore", "--account", &address, "--mailbox", "Nowhere"]).run().failure();
    let told = safe.backup(&["verify", "--rehearse"]).run().success();
    assert!(told.stdout.contains("no living store"), "a mistyped mailbox makes no account: {}", told.said());
    let restored = safe.json(&["restore", "--everything"]);
    assert_eq!(restored["messages"], 5 * (28 + 4), "{restored}");
    assert_eq!(["alice", "bob"].map(|local| safe.view(local)), before);
    assert_eq!(safe.json(&["restore", "--everything"])["messages"], 0, "nothing comes twice");
    let mut client = safe.client("alice");
    let appended = client.append("INBOX", "", &["Subject: new\r\n\r\nnew\r\n"]).unwrap();
    let uid: u32 = appended.code("APPENDUID").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    assert!(uid > 10_000, "UIDs that were given after the backup are not given again: {uid}");
    client.ok("LOGOUT");
    safe.server.stop();
    safe.server.check_store();
}

#[test]
fn what_was_fetched_before_the_store_was_lost_is_not_fetched_again() {
    let there = ServerUnderTest::start_kind(ServerKind::Dovecot, POSTRIDER, &["alice"]);
    let mut client = ImapClient::login_to(there.ports().imap, there.account("alice")).unwrap();
    let mut corpus = Corpus::new(9);
    client.ok("CREATE Work");
    for (mailbox, count) in [("INBOX", 7), ("Work", 5)] {
        assert_eq!(client.append(mailbox, "\\Seen", &corpus.messages(count, 10_000)).unwrap().status, "OK");
    }
    let mut safe = Safe::new(&["bob"], BY_HAND);
    let pull = |safe: &Safe, mode: &str| -> (u64, u64) {
        let alice = &there.account("alice").address;
        let url = format!("imaps://{alice}@127.0.0.1:{}", there.ports().imaps);
        let (config, certificate) = (safe.server.configuration_file(), there.certificate_file());
        let output = Program::new(POSTRIDER, &safe.server.home("pull"))
            .args(["--config", config.to_str().unwrap(), "pull", &url, "--json"])
            .args(["--into", &safe.server.account("bob").address, "--ca-file", certificate.to_str().unwrap()])
            .args(["--mode", mode])
            .env("POSTRIDER_PULL_PASSWORD", &there.account("alice").password)
            .run()
            .success();
        let answer: Value = serde_json::from_str(&output.stdout).unwrap();
        let mailboxes = answer["outcome"]["imap"]["mailboxes"].as_array().unwrap_or_else(|| panic!("{answer}")).iter();
        let sum = |name: &str| mailboxes.clone().map(|mailbox| mailbox[name].as_u64().unwrap()).sum();
        (sum("fetched"), sum("recognised"))
    };
    assert_eq!(pull(&safe, "archive"), (12, 0));
    // A sync has notes of its own.
    assert_eq!(pull(&safe, "sync"), (0, 12));
    let mut here = safe.client("bob");
    here.ok("SELECT Work");
    here.ok("UID STORE 2 +FLAGS.SILENT (\\Deleted)");
    here.ok("UID EXPUNGE 2");
    let _ = here.command("LOGOUT");
    safe.backup(&["init"]).run().success();
    safe.backup(&["run"]).run().success();
    let before = safe.view("bob");
    assert_eq!(client.append("Work", "", &corpus.messages(1, 10_000)).unwrap().status, "OK");
    safe.server.stop();
    fs::remove_dir_all(safe.server.data_folder("bob").join("store")).unwrap();
    safe.server.start_again();
    safe.backup(&["restore", "--everything"]).run().success();
    assert_eq!(safe.view("bob"), before);
    assert_eq!(pull(&safe, "archive"), (1, 0), "only what is new comes, and not what was removed here");
    assert_eq!(safe.view("bob")["Work"].1.len(), before["Work"].1.len() + 1);
    assert_eq!(pull(&safe, "archive"), (0, 0));
    // What the backup lacks was removed by nobody, as far as a sync can know: it comes again, and stays there.
    assert_eq!(pull(&safe, "sync"), (1, 1));
    assert_eq!(safe.view("bob")["Work"].1.len(), 6);
    client.ok("EXAMINE Work");
    assert_eq!(client.ok("UID SEARCH ALL").search().len(), 6);
}

#[test]
fn a_message_or_a_mailbox_comes_back_into_its_place_or_beside_it() {
    let safe = Safe::new(&["alice", "bob"], BY_HAND);
    safe.fill("alice", 5, 12);
    safe.backup(&["init"]).run().success();
    safe.backup(&["run"]).run().success();
    let before = safe.view("alice");
    let mut client = safe.client("alice");
    client.ok("SELECT Work");
    client.ok("UID STORE 3:4 +FLAGS.SILENT (\\Deleted)");
    client.ok("UID EXPUNGE 3:4");
    client.ok("UNSELECT");
    client.ok("DELETE \"a &- b.eml\"");
    let alice = &safe.server.account("alice").address;
    // One message, found by its UID then.
    safe.backup(&["restore", "--account", alice, "--mailbox", "Work", "--uid", "3"]).run().success();
    let bytes = |mailbox: &Mailbox| {
        let mut all: Vec<_> = mailbox.1.values().map(|message| message.raw.clone()).collect();
        all.sort();
        all
    };
    let work = safe.view("alice")["Work"].clone();
    assert_eq!(work.1.len(), before["Work"].1.len() - 1);
    assert!(!work.1.contains_key(&3), "a UID is never given twice");
    assert!(work.1.values().any(|message| message.raw == before["Work"].1[&3].raw));
    // A mailbox that is gone, as it was.
    safe.backup(&["restore", "--account", alice, "--mailbox", "a & b.eml"]).run().success();
    assert_eq!(safe.view("alice")["a &- b.eml"], before["a &- b.eml"]);
    // All of it, beside what is there, and into another account.
    safe.backup(&["restore", "--account", alice, "--below", "Restored"]).run().success();
    let mut client = safe.client("alice");
    client.ok("EXAMINE Restored/Work");
    assert_eq!(bytes(&(0, messages(&mut client))), bytes(&before["Work"]));
    let bob = &safe.server.account("bob").address;
    safe.backup(&["restore", "--account", alice, "--into", bob]).run().success();
    let others = safe.view("bob");
    for (name, mailbox) in &before {
        assert_eq!(bytes(&others[name]), bytes(mailbox), "{name}");
    }
    let out = safe.server.home("out").join("work");
    safe.backup(&["extract", &format!("{alice}/Work"), "--to", out.to_str().unwrap()]).run().success();
    let mut files = BTreeMap::new();
    eml_files(&out, &mut files);
    assert!(files.values().any(|raw| *raw == before["Work"].1[&4].raw));
}

#[test]
fn a_flipped_byte_is_found_and_what_it_touches_is_named() {
    let safe = Safe::new(&["alice"], BY_HAND);
    safe.fill("alice", 6, 20);
    safe.backup(&["init"]).run().success();
    safe.backup(&["run"]).run().success();
    let mut packs = Vec::new();
    for folder in fs::read_dir(safe.repository().join("data")).unwrap() {
        packs.extend(fs::read_dir(folder.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()));
    }
    // The largest one holds messages.
    let pack = packs.into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    fs::set_permissions(&pack, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&pack, bytes).unwrap();
    let output = safe.backup(&["verify"]).run();
    assert_eq!(output.status.code(), Some(1), "{}", output.said());
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(said.contains(pack.file_name().unwrap().to_str().unwrap()), "the file is named: {said}");
    assert!(said.contains("UID"), "the message is named: {said}");
}

#[test]
fn a_backup_that_is_killed_leaves_the_earlier_ones_whole_and_the_next_one_completes() {
    let mut safe = Safe::new(&["alice"], BY_HAND);
    safe.fill("alice", 7, 60);
    safe.backup(&["init"]).run().success();
    safe.backup(&["run"]).run().success();
    for round in 0..4 {
        safe.fill("alice", 100 + round, 60);
        let config = safe.server.configuration_file();
        let mut run = Command::new(POSTRIDER)
            .args(["--config", config.to_str().unwrap(), "backup", "run"])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Not a time that anything depends on: somewhere within the run, or before or after it.
        thread::sleep(Duration::from_millis(200 * (round + 1)));
        safe.server.kill9();
        run.wait().unwrap();
        safe.server.start_again();
        safe.backup(&["verify", "--all"]).run().success();
    }
    let last = safe.json(&["run", "--verify"]);
    assert_eq!(last["messages"], 5 * (58 + 4 * 60), "{last}");
    let pruned = safe.json(&["prune", "--keep-last", "1"]);
    assert_eq!(pruned["kept"].as_array().unwrap().len(), 1, "{pruned}");
    safe.backup(&["verify", "--all"]).run().success();
}

#[test]
fn backups_come_by_themselves_and_mail_goes_elsewhere_only_once_one_was_read_back() {
    let there = ServerUnderTest::start_kind(ServerKind::Dovecot, POSTRIDER, &["alice"]);
    let mut corpus = Corpus::new(8);
    let mail = corpus.messages(12, 20_000);
    let mut client = ImapClient::login_to(there.ports().imap, there.account("alice")).unwrap();
    assert_eq!(client.append("INBOX", "", &mail).unwrap().status, "OK");
    client.ok("LOGOUT");

    let settings = "\n[backup]\nrepository = \"safe\"\nevery = \"1d\"\n";
    let safe = Safe::new(&["bob"], settings);
    let status = safe.backup(&["status"]).run().success();
    assert!(status.stdout.contains("never"), "{}", status.said());
    let config = safe.server.configuration_file();
    let pull = |more: &[&str]| {
        let program =
            Program::new(POSTRIDER, &safe.server.home("pull")).args(["--config", config.to_str().unwrap(), "pull"]);
        let url = format!("pop3s://{}@127.0.0.1:{}", there.account("alice").address, there.ports().pop3s);
        let into = safe.server.account("bob").address.clone();
        let program = program.args([
            url,
            "--into".into(),
            into,
            "--ca-file".into(),
            there.certificate_file().display().to_string(),
        ]);
        program
            .arg("--delete=after-backup")
            .args(more)
            .env("POSTRIDER_PULL_PASSWORD", &there.account("alice").password)
            .run()
    };
    let left = || {
        let mut client = ImapClient::login_to(there.ports().imap, there.account("alice")).unwrap();
        client.ok("EXAMINE INBOX");
        client.ok("UID SEARCH ALL").search().len()
    };
    let first = pull(&[]);
    assert!(first.stdout.contains("12 fetched"), "{}", first.said());
    assert_eq!(left(), 12, "no backup holds it");
    safe.backup(&["init"]).run().success();
    safe.backup(&["run"]).run().success();
    let _ = pull(&[]);
    assert_eq!(left(), 12, "a backup that was not read back does not count");
    safe.backup(&["verify"]).run().success();
    pull(&[]).success();
    assert_eq!(left(), 0);

    // A server that starts with a backup due makes it at once, reads it back, and tells the monitoring.
    let mut safe = safe;
    safe.server.stop();
    fs::remove_file(safe.server.data_folder("bob").join("backup-state.json")).unwrap();
    let metrics = free_port();
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("[listen]", &format!("[listen]\nmetrics = [\"127.0.0.1:{metrics}\"]"))).unwrap();
    safe.server.start_again();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let status = safe.json(&["status"]);
        if status["last_verified"].is_i64() && status["running"] == false {
            assert_eq!(status["late"], false, "{status}");
            assert!(status["last_failure"].is_null(), "{status}");
            break;
        }
        assert!(Instant::now() < deadline, "no backup was made: {status}");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(safe.json(&["list"]).as_array().unwrap().len(), 2);
    let mut stream = TcpStream::connect(("127.0.0.1", metrics)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut figures = String::new();
    stream.read_to_string(&mut figures).unwrap();
    for line in ["postrider_backup_late 0", "postrider_backup_failed 0", "postrider_accounts 1"] {
        assert!(figures.contains(line), "{line} is not in {figures}");
    }
}

#[test]
fn a_server_that_has_not_read_the_new_place_is_not_taken_for_one_that_has() {
    let mut safe = Safe::new(&["alice"], BY_HAND);
    safe.backup(&["init"]).run().success();
    safe.backup(&["run"]).run().success();
    let list = safe.backup(&["list"]).run().success();
    assert!(list.stdout.contains("  1 account, 0 messages, "), "{}", list.said());
    let pruned = safe.backup(&["prune"]).run().success();
    assert!(pruned.stdout.starts_with("1 backup kept, 0 removed\n"), "{}", pruned.said());

    let config = safe.server.configuration_file();
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("repository = \"safe\"", "repository = \"other\"")).unwrap();
    let (old, new) = (safe.repository(), config.with_file_name("other"));
    for command in [&["run"][..], &["init"], &["list"], &["prune"], &["verify"], &["restore", "--everything"]] {
        let refused = safe.backup(command).run().failure();
        for told in [old.to_str().unwrap(), new.to_str().unwrap(), "SIGHUP"] {
            assert!(refused.stderr.contains(told), "{command:?}: {}", refused.said());
        }
    }
    let status = safe.backup(&["status"]).run().success();
    assert!(status.stdout.contains("CHANGED  ") && status.stdout.contains("SIGHUP"), "{}", status.said());
    assert!(!new.exists());

    safe.server.stop();
    safe.server.start_again();
    safe.backup(&["init"]).run().success();
    safe.backup(&["run"]).run().success();
    let status = safe.backup(&["status"]).run().success();
    assert!(status.stdout.contains(new.to_str().unwrap()) && !status.stdout.contains("CHANGED"), "{}", status.said());
}

#[test]
fn without_the_right_passphrase_nothing_is_read_and_it_is_said_why() {
    let safe = Safe::new(&["alice"], BY_HAND);
    let refused = safe.backup(&["run"]).run().failure();
    assert!(refused.stderr.contains("backup init"), "{}", refused.said());
    safe.backup(&["init"]).run().success();
    safe.backup(&["run"]).run().success();
    let passphrase = safe.server.data_folder("alice").join("backup-passphrase");
    fs::write(&passphrase, "another one\n").unwrap();
    let refused = safe.backup(&["list"]).run().failure();
    assert!(refused.stderr.contains("passphrase"), "{}", refused.said());
}
