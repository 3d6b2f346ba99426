//! Mail comes in from files and goes out to files, whole, through the real program.
//!
//! What an account holds is read by exporting it as a tree, whose `folder.json` has hashes, flags and dates.
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
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use postrider_testkit::{Corpus, ImapClient, ServerUnderTest};
use serde_json::Value;
use tempfile::TempDir;

/// A data folder without a server.
struct Place {
    folder: TempDir,
    exports: std::cell::Cell<u32>,
}

/// What a command said.
struct Said {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

/// A message as an export tells of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    blake3: String,
    flags: BTreeSet<String>,
    received: i64,
}

type Mail = BTreeMap<String, Vec<Kept>>;

impl Place {
    fn new(accounts: &[&str]) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), exports: 0.into() };
        let data = place.path("data");
        let text = format!("data = {data:?}\n[store]\nmessage_bytes_max = 400000\n");
        fs::write(place.path("postrider.toml"), text).unwrap();
        for account in accounts {
            place.add(account);
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("POSTRIDER_")) {
            command.env_remove(name);
        }
        command.current_dir(self.folder.path()).args(["--config", "postrider.toml"]).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        said(self.command(arguments))
    }

    fn add(&self, address: &str) {
        let mut command = self.command(&["account", "add", "--password-stdin", address]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"a password\n").unwrap();
        assert!(child.wait().unwrap().success());
    }

    fn import(&self, path: &str, into: &str, more: &[&str]) -> Value {
        self.run(&[&["import", path, "--into", into, "--json"], more].concat()).json()
    }

    /// What an account holds, but for mailboxes without messages.
    fn mail(&self, account: &str) -> Mail {
        let mut mail = self.everything(account).0;
        mail.retain(|_, messages| !messages.is_empty());
        mail
    }

    /// What an account holds, and which mailboxes are subscribed.
    fn everything(&self, account: &str) -> (Mail, BTreeSet<String>) {
        self.exports.set(self.exports.get() + 1);
        let path = self.path(&format!("state{}", self.exports.get()));
        self.run(&["export", account, path.to_str().unwrap()]).ok();
        let (mut mail, mut subscribed) = (Mail::new(), BTreeSet::new());
        read_tree(&path, &mut mail, &mut subscribed);
        (mail, subscribed)
    }
}

fn said(mut command: Command) -> Said {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Said {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Said {
    #[track_caller]
    fn ok(self) -> String {
        assert_eq!(self.status, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    #[track_caller]
    fn json(self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{}{}", self.stdout, self.stderr))
    }
}

fn read_tree(path: &Path, mail: &mut Mail, subscribed: &mut BTreeSet<String>) {
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() {
            read_tree(&entry, mail, subscribed);
        } else if entry.ends_with("folder.json") {
            let folder: Value = serde_json::from_slice(&fs::read(&entry).unwrap()).unwrap();
            let levels: Vec<&str> = folder["name"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
            let name = levels.join("/");
            if folder["subscribed"] == true {
                subscribed.insert(name.clone());
            }
            let mut messages: Vec<Kept> = folder["messages"].as_array().unwrap().iter().map(kept).collect();
            messages.sort();
            mail.insert(name, messages);
        }
    }
}

fn kept(row: &Value) -> Kept {
    let flags = row["flags"].as_array().into_iter().flatten();
    Kept {
        blake3: row["blake3"].as_str().unwrap().to_owned(),
        flags: flags.map(|flag| flag.as_str().unwrap().to_owned()).collect(),
        received: row["received"].as_i64().unwrap(),
    }
}

fn python(folder: &Path, script: &str) {
    let status = Command::new("python3").current_dir(folder).args(["-c", script]).status().unwrap();
    assert!(status.success());
}

/// Appends messages to an mbox file; returns how many it is.
fn write_mbox(path: &Path, count: usize, seed: u64) {
    let mut corpus = Corpus::new(seed);
    let mut mbox = Vec::new();
    for message in corpus.messages(count, 3000) {
        mbox.extend_from_slice(b"From someone@example.org Fri Mar  1 12:00:00 2019\n");
        for line in message.split_inclusive(|byte| *byte == b'\n') {
            if line.strip_prefix(b">").unwrap_or(line).starts_with(b"From ") {
                mbox.push(b'>');
            }
            mbox.extend_from_slice(line.strip_suffix(b"\r\n").unwrap_or(line));
            mbox.push(b'\n');
        }
        mbox.push(b'\n');
    }
    fs::write(path, mbox).unwrap();
}

/// An mbox file of messages that differ by a number, and end with `text`.
fn write_numbered(path: &Path, count: usize, text: &str) {
    let mut mbox = BufWriter::new(fs::File::create(path).unwrap());
    for number in 0..count {
        let begin = "From a@example.org Fri Mar  1 12:00:00 2019";
        writeln!(mbox, "{begin}\nSubject: {number}\n\ntext {number}\n{text}").unwrap();
    }
    mbox.flush().unwrap();
}

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";

/// A Maildir as Dovecot keeps it.
fn dovecot_maildir(root: &Path) {
    let letters = [("", "1", "ab"), (".Sent", "2", ""), (".Work.Gr&APYA3w-e", "3", "a")];
    for (folder, number, keywords) in letters {
        let folder = root.join(folder);
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        let base = format!("150000000{number}.M1P{number}.host");
        fs::write(
            folder.join(format!("cur/{base}:2,FS{keywords}")),
            format!("Date: Fri, 1 Mar 2019 12:00:00 +0000\nSubject: number {number}\n\ntext\n"),
        )
        .unwrap();
        fs::write(folder.join("new/1500000009.M1P9.host"), format!("Subject: new in {number}\n\nx\n")).unwrap();
        fs::write(folder.join("dovecot-keywords"), "0 work\n1 $Forwarded\n").unwrap();
        fs::write(folder.join("dovecot-uidlist"), format!("3 V1500000000 N12 Gabc\n7 :{base}\n")).unwrap();
    }
    fs::write(root.join("subscriptions"), "V\t2\n\nINBOX\nWork\tGr&APYA3w-e\n").unwrap();
}

#[test]
fn mail_of_python_and_dovecot_comes_in_with_folders_flags_and_keywords() {
    let place = Place::new(&[ALICE]);
    python(
        place.folder.path(),
        r#"
import mailbox
box = mailbox.mbox("Lists.mbox")
for i in range(20):
    message = mailbox.mboxMessage("From: a@example.org\nDate: Fri, 1 Mar 2019 12:00:00 +0000\nSubject: %d\n\nFrom here\ntext\n" % i)
    message.set_flags("RO" + ("F" if i % 2 else "A"))
    box.add(message)
box.close()
top = mailbox.Maildir("maildir")
for folder, flags in ((top, "S"), (top.add_folder("Trash"), "ST")):
    for i in range(5):
        message = mailbox.MaildirMessage("Subject: %d in %s\n\ntext\n" % (i, flags))
        message.set_subdir("cur")
        message.set_flags(flags)
        message.set_date(1500000000 + i)
        folder.add(message)
"#,
    );
    let report = place.import("Lists.mbox", ALICE, &[]);
    assert_eq!(report["total"]["messages"], 20, "{report}");
    assert!(report["found"].as_str().unwrap().contains("mbox"));
    place.import("maildir", ALICE, &[]);
    dovecot_maildir(&place.path("dovecot"));
    place.import("dovecot", ALICE, &["--format", "maildir"]);
    fs::create_dir_all(place.path("letters/2020")).unwrap();
    for name in ["one", "two"] {
        fs::write(place.path(&format!("letters/2020/{name}.eml")), format!("Subject: {name}\r\n\r\ntext\r\n")).unwrap();
    }
    fs::write(place.path("letters/notes.txt"), "no mail").unwrap();
    place.import("letters", ALICE, &["--under", "Old/Files"]);

    let (mut mail, subscribed) = place.everything(ALICE);
    mail.retain(|_, messages| !messages.is_empty());
    let counts: Vec<(&str, usize)> = mail.iter().map(|(name, messages)| (name.as_str(), messages.len())).collect();
    let expected = [("INBOX", 7), ("Lists", 20), ("Old/Files/2020", 2), ("Sent", 2), ("Trash", 5), ("Work/Größe", 2)];
    assert_eq!(counts, expected);
    let flags = |name: &str| {
        let all = mail[name].iter().map(|kept| kept.flags.iter().cloned().collect::<Vec<_>>().join(" "));
        all.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(flags("Lists"), ["\\Answered \\Seen", "\\Flagged \\Seen"]);
    assert_eq!(flags("INBOX"), ["", "$Forwarded \\Flagged \\Seen work", "\\Seen"]);
    assert_eq!(flags("Trash"), ["\\Deleted \\Seen"]);
    assert_eq!(flags("Work/Größe"), ["", "\\Flagged \\Seen work"]);
    assert!(mail["Trash"].iter().all(|kept| (1_500_000_000..1_500_000_005).contains(&kept.received)));
    // What is new is subscribed unless the source says otherwise.
    assert!(["INBOX", "Work/Größe", "Lists"].iter().all(|name| subscribed.contains(*name)), "{subscribed:?}");
    place.run(&["check"]).ok();
}

#[test]
fn what_is_exported_comes_back_the_same_in_every_format() {
    let place = Place::new(&[ALICE]);
    write_mbox(&place.path("Größe.mbox"), 60, 11);
    place.import("Größe.mbox", ALICE, &["--under", "A"]);
    dovecot_maildir(&place.path("dovecot"));
    place.import("dovecot", ALICE, &[]);
    let mail = place.mail(ALICE);
    let ways: [(&str, &[&str]); 6] = [
        ("tree", &[]),
        ("all.tar", &[]),
        ("all.zip", &[]),
        ("maildir", &["--format", "maildir"]),
        ("packed", &["--format", "maildir", "--pack", "tar"]),
        ("mbox", &["--format", "mbox"]),
    ];
    for (number, (path, options)) in ways.iter().enumerate() {
        let account = format!("copy{number}@example.org");
        place.add(&account);
        let report = place.run(&[&["export", ALICE, path, "--json"], *options].concat()).json();
        assert_eq!((&report["messages"], &report["inexact"]), (&66.into(), &0.into()), "{path}: {report}");
        let report = place.import(path, &account, &[]);
        assert_eq!(report["total"]["messages"], 66, "{path}: {report}");
        assert_eq!(place.mail(&account), mail, "{path}");
    }
    let again = place.run(&["export", ALICE, "tree"]);
    assert!(again.status == Some(2) && again.stderr.contains("--replace"), "{}", again.stderr);
    place.run(&["export", ALICE, "tree", "--replace", "--mailbox", "A/*"]).ok();
    let (mut left, mut subscribed) = (Mail::new(), BTreeSet::new());
    read_tree(&place.path("tree"), &mut left, &mut subscribed);
    assert_eq!(left.keys().collect::<Vec<_>>(), ["A/Größe"]);
    place.run(&["export", ALICE, "one.mbox", "--format", "mbox", "--mailbox", "inbox"]).ok();
    assert!(fs::read(place.path("one.mbox")).unwrap().starts_with(b"From "));
    let unknown = place.run(&["export", ALICE, "x", "--mailbox", "Nope"]);
    assert!(unknown.status == Some(2) && unknown.stderr.contains("Nope") && !place.path("x").exists());
    place.run(&["check"]).ok();
}

#[test]
fn an_import_that_is_killed_again_and_again_brings_every_message_once() {
    const MESSAGES: usize = 6000;
    let place = Place::new(&[ALICE]);
    write_numbered(&place.path("Many"), MESSAGES, "");
    let mut kills = 0;
    let report = loop {
        let mut command = place.command(&["import", "Many", "--into", ALICE, "--json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        // One that died in its last moment had finished, and is not begun again.
        let has_begun = lines.any(|line| line.contains("found: "));
        // Each time a little later, so that it comes to an end, and on the way dies at many moments.
        thread::sleep(Duration::from_millis(30 * kills));
        if has_begun && child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            continue;
        }
        break serde_json::from_slice::<Value>(&child.wait_with_output().unwrap().stdout).unwrap();
    };
    println!("killed {kills} times: {}", report["continued_after"]);
    assert_eq!(report["total"]["messages"], MESSAGES, "{report}");
    let was_resumed = report["finished_before"] == true || report["continued_after"].as_u64().unwrap() >= 1000;
    assert!(kills > 0 && was_resumed, "{kills} {report}");
    let exported = |name: &str| {
        place.run(&["export", ALICE, name, "--format", "mbox", "--mailbox", "Many"]).ok();
        fs::read_to_string(place.path(name)).unwrap()
    };
    let mail = exported("before.mbox");
    let texts: Vec<&str> = mail.lines().filter(|line| line.starts_with("text ")).collect();
    assert_eq!((texts.len(), texts.iter().collect::<BTreeSet<_>>().len()), (MESSAGES, MESSAGES));

    let finished = place.import("Many", ALICE, &[]);
    assert_eq!((&finished["finished_before"], &finished["total"]["messages"]), (&true.into(), &MESSAGES.into()));
    let again = place.import("Many", ALICE, &["--again"]);
    assert_eq!((&again["total"]["messages"], &again["total"]["present"]), (&0.into(), &MESSAGES.into()), "{again}");
    assert_eq!(exported("after.mbox"), mail);
    place.run(&["check"]).ok();
}

#[test]
fn a_dry_run_changes_nothing_and_tells_what_would_be_done() {
    let place = Place::new(&[ALICE]);
    write_mbox(&place.path("Lists.mbox"), 30, 7);
    let before = place.everything(ALICE);
    let report = place.import("Lists.mbox", ALICE, &["--dry-run"]);
    assert_eq!((&report["total"]["messages"], &report["dry_run"]), (&30.into(), &true.into()));
    assert_eq!((&report["folders"][0]["to"], &report["folders"][0]["created"]), (&"Lists".into(), &true.into()));
    assert_eq!(place.everything(ALICE), before);
    assert!(place.run(&["import", "Lists.mbox", "--into", ALICE]).ok().contains("Lists -> Lists (made): 30 messages"));
}

#[test]
fn damaged_messages_come_in_and_are_told_of_but_too_large_ones_stay_out() {
    let place = Place::new(&[ALICE]);
    let mut mbox = b"From a@example.org Fri Mar  1 12:00:00 2019\nSubject: nul\n\nx\0y\n\n".to_vec();
    mbox.extend_from_slice(b"From nonsense\nSubject: \xfc\n\ntext\n\n");
    mbox.extend_from_slice(b"From a@example.org Fri Mar  1 12:00:00 2019\nno header at all\n\n");
    mbox.extend_from_slice(b"From a@example.org Fri Mar  1 12:00:00 2019\nSubject: large\n\n");
    mbox.extend(b"0123456789012345678901234567890123456789012345678\n".repeat(10_000));
    mbox.extend_from_slice(b"\nFrom a@example.org Fri Mar  1 12:00:00 2019\nSubject: cut\n\nno end");
    fs::write(place.path("damaged"), mbox).unwrap();
    let said = place.run(&["import", "damaged", "--into", ALICE, "--json"]);
    assert_eq!(said.status, Some(1));
    let report = said.json();
    let total = &report["total"];
    assert_eq!((&total["messages"], &total["too_large"]), (&4.into(), &1.into()), "{report}");
    for kind in ["nul_bytes", "eight_bit_header", "no_header", "odd_from_line"] {
        assert!(total["findings"][kind].as_u64().unwrap() >= 1, "{kind}: {report}");
    }
    let told = report["told"].as_array().unwrap();
    assert!(told.iter().all(|told| told["place"].as_str().unwrap().contains("damaged, byte ")), "{report}");
    let text = place.run(&["import", "damaged", "--into", ALICE, "--again"]);
    assert_eq!(text.status, Some(1));
    assert!(text.stdout.contains("4 messages passed over, in the mailbox already"), "{}", text.stdout);
    assert!(text.stdout.contains("NOT IMPORTED") && text.stderr.contains("found: "), "{}", text.stderr);
    place.run(&["check"]).ok();
    for (path, word) in [("no-such-file", "No such file"), ("postrider.toml", "no mail found")] {
        let said = place.run(&["import", path, "--into", ALICE]);
        assert!(said.status == Some(2) && said.stderr.contains(word), "{}", said.stderr);
    }
    let nobody = place.run(&["import", "damaged", "--into", BOB]);
    assert!(nobody.status == Some(2) && nobody.stderr.contains("account list"), "{}", nobody.stderr);
}

#[test]
fn mail_comes_in_and_goes_out_while_the_server_runs_and_survives_its_death() {
    const MESSAGES: usize = 2500;
    let mut server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice"]);
    let address = server.account("alice").address.clone();
    let folder = tempfile::tempdir().unwrap();
    write_numbered(&folder.path().join("Many"), MESSAGES, "");
    let configuration = server.certificate_file().with_file_name("postrider.toml");
    let command = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
        command.current_dir(folder.path()).arg("--config").arg(&configuration).args(arguments);
        command
    };
    let import = ["import", "Many", "--into", &address, "--json"];
    let mut child = command(&import).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("found: ")));
    thread::sleep(Duration::from_millis(50));
    server.kill9();
    child.wait().unwrap();
    server.start_again();
    // Broken off at the command line, and given again at once.
    let mut child = command(&import).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    lines.next();
    child.kill().unwrap();
    child.wait().unwrap();
    let report = said(command(&import)).json();
    assert_eq!(report["total"]["messages"], MESSAGES, "{report}");
    let mut client = ImapClient::of(&server, "alice");
    client.ok("SELECT Many");
    assert_eq!(client.uids_and_flags().len(), MESSAGES);
    let subjects: BTreeSet<Vec<u8>> = client.raw_messages().into_values().collect();
    assert_eq!(subjects.len(), MESSAGES);
    let export = said(command(&["export", &address, "out.tar", "--mailbox", "Many", "--json"])).json();
    assert_eq!((&export["messages"], &export["mailboxes"]), (&MESSAGES.into(), &1.into()));
    assert!(folder.path().join("out.tar").exists());
    let missing = said(command(&["import", "nothing-here", "--into", &address]));
    assert!(missing.status == Some(2) && missing.stderr.contains("running server"), "{}", missing.stderr);
    server.stop();
    server.check_store();
}

/// `POSTRIDER_IMPORT_MESSAGES` sets how many messages are imported.
#[test]
fn a_large_import_takes_bounded_memory() {
    const RESIDENT_BYTES_MAX: u64 = 200 * 1024 * 1024;
    let messages: usize =
        std::env::var("POSTRIDER_IMPORT_MESSAGES").map_or(4_000, |count| count.parse().expect("a number"));
    let place = Place::new(&[ALICE]);
    let text = "one line of a letter that says no more than any other line\n".repeat(60);
    write_numbered(&place.path("Many"), messages, &text);
    let began = Instant::now();
    let mut command = place.command(&["import", "Many", "--into", ALICE, "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(own_resident_bytes(child.id()).unwrap_or(0));
        thread::sleep(Duration::from_millis(5));
    }
    let report: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    let rate = messages as f64 / began.elapsed().as_secs_f64();
    println!("{messages} messages, {rate:.0} a second, {} KiB of memory at most", peak / 1024);
    assert_eq!(report["total"]["messages"], messages, "{report}");
    assert!(peak > 0 && peak < RESIDENT_BYTES_MAX, "{peak} bytes");
}

/// Memory of a process that is its own, without the pages of files that it maps.
fn own_resident_bytes(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
