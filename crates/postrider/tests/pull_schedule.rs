//! A running server that works through `[[pull]]` entries: mail of Dovecot, told of by push and asked for every so often.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::{
    fmt::Debug,
    fs,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use postrider_testkit::{Corpus, ImapClient, Program, ServerKind, ServerUnderTest, program::Output};

const POSTRIDER: &str = env!("CARGO_BIN_EXE_postrider");

/// How long something that has to come about may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Nothing of it happens by time alone: what is fetched is fetched because the server there said so.
const SELDOM: &str = "every = \"1d\"\n";

/// The server that mail is fetched from, and the one that gets it.
struct Pair {
    there: ServerUnderTest,
    here: ServerUnderTest,
    /// The configuration of the one that gets it.
    configuration: PathBuf,
}

impl Pair {
    /// Dovecot with more lines in its configuration, and postrider with entries.
    fn start(dovecot: &str, entries: impl Fn(&ServerUnderTest) -> String) -> Self {
        let mut there = ServerUnderTest::start_kind(ServerKind::Dovecot, POSTRIDER, &["alice", "carol"]);
        let mut here = ServerUnderTest::start_kind(ServerKind::Postrider, POSTRIDER, &["bob", "dave"]);
        if !dovecot.is_empty() {
            there.stop();
            let file = there.certificate_file().with_file_name("dovecot.conf");
            let text = fs::read_to_string(&file).unwrap();
            fs::write(&file, text + dovecot).unwrap();
            there.start_again();
        }
        for account in there.accounts() {
            let file = here.certificate_file().with_file_name(format!("{}.password", account.local()));
            fs::write(file, &account.password).unwrap();
        }
        here.stop();
        let configuration = here.certificate_file().with_file_name("postrider.toml");
        let schedule = "\n[schedule]\nstart_within = \"0s\"\n";
        let text = fs::read_to_string(&configuration).unwrap() + schedule + &entries(&there);
        fs::write(&configuration, text).unwrap();
        here.start_again();
        Self { there, here, configuration }
    }

    fn append(&self, local: &str, mailbox: &str, count: usize, seed: u64) {
        let mut client = ImapClient::login_to(self.there.ports().imap, self.there.account(local)).unwrap();
        let _ = client.command(&format!("CREATE {mailbox}")).unwrap();
        let messages = Corpus::new(seed).messages(count, 3_000);
        assert_eq!(client.append(mailbox, "", &messages).unwrap().status, "OK");
    }

    /// How many messages an account here has in a mailbox; 0 where there is none.
    fn count(&self, local: &str, mailbox: &str) -> usize {
        let mut client = ImapClient::login_to(self.here.ports().imap, self.here.account(local)).unwrap();
        match client.command(&format!("EXAMINE {mailbox}")).unwrap().status.as_str() {
            "OK" => client.ok("UID SEARCH ALL").search().len(),
            _ => 0,
        }
    }

    fn command(&self, arguments: &[&str]) -> Output {
        Program::new(POSTRIDER, &self.here.home("commands"))
            .arg("--config")
            .arg(&self.configuration)
            .args(arguments)
            .env("POSTRIDER_PULL_PASSWORD", &self.there.account("alice").password)
            .run()
    }

    fn status(&self) -> String {
        self.command(&["pull", "status", "--json"]).success().stdout
    }

    /// What the status of an entry says under a name; nothing where it does not have it.
    fn told(&self, entry: &str, name: &str) -> String {
        let status = self.status();
        let behind = status.split(&format!("\"name\": \"{entry}\"")).nth(1).unwrap_or_else(|| panic!("{status}"));
        let of_entry = behind.split("\"name\": ").next().unwrap_or_default();
        let value = of_entry.split(&format!("\"{name}\": ")).nth(1).unwrap_or_default();
        value.split('\n').next().unwrap_or_default().trim_end_matches(',').trim_matches('"').to_owned()
    }

    /// The server reads its configuration anew.
    fn reload(&self, change: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(&self.configuration).unwrap();
        fs::write(&self.configuration, change(text)).unwrap();
        let is_ours = |folder: &PathBuf| {
            let line = fs::read(folder.join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains("\0serve\0") && line.contains(self.configuration.to_str().unwrap())
        };
        let mut processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()).filter(is_ours);
        let process = processes.next().unwrap();
        let id = process.file_name().unwrap();
        assert!(Command::new("kill").arg("-HUP").arg(id).status().unwrap().success());
    }
}

/// Waits until something is as it should be.
#[track_caller]
fn until<T: PartialEq + Debug>(what: &str, wanted: T, mut get: impl FnMut() -> T) {
    let end = Instant::now() + DEADLINE;
    loop {
        let got = get();
        if got == wanted {
            return;
        }
        assert!(Instant::now() < end, "{what}: {got:?} instead of {wanted:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// An entry of somebody there into the account of somebody here.
fn entry(there: &ServerUnderTest, name: &str, scheme: &str, from: &str, into: &str, more: &str) -> String {
    let port = if scheme == "imaps" { there.ports().imaps } else { there.ports().pop3s };
    let user = &there.account(from).address;
    let certificate = there.certificate_file();
    format!(
        "\n[[pull]]\nname = \"{name}\"\nurl = \"{scheme}://{user}@127.0.0.1:{port}\"\ninto = \"{into}@example.test\"\n\
         password_file = \"{from}.password\"\nca_file = {certificate:?}\n{more}"
    )
}

#[test]
fn mail_comes_as_soon_as_it_is_told_of_and_every_so_often_and_a_reload_changes_that() {
    let push = "push = true\n";
    let pair = Pair::start("", |there| {
        entry(there, "told", "imaps", "alice", "bob", &format!("{SELDOM}{push}"))
            + &entry(there, "asked", "pop3s", "carol", "dave", "every = \"1s\"\n")
    });
    let _ = pair.command(&["config", "check"]).success();
    until("the first run", String::from("1"), || pair.told("told", "runs"));
    // By now the connection for news stands, and nothing but news begins a run.
    pair.append("alice", "INBOX", 2, 1);
    until("mail that was told of", 2, || pair.count("bob", "INBOX"));
    let channel = pair.told("told", "push");
    assert!(["inbox", "all_mailboxes"].contains(&channel.as_str()), "{channel}");
    if channel == "all_mailboxes" {
        pair.append("alice", "Lists", 3, 2);
        until("mail in another mailbox", 3, || pair.count("bob", "Lists"));
    }
    pair.append("carol", "INBOX", 4, 3);
    until("mail that was asked for", 4, || pair.count("dave", "INBOX"));
    let status = pair.command(&["pull", "status"]).success().stdout;
    assert!(status.contains("told -> bob@example.test: ") && status.contains("; hears of news in"), "{status}");

    // One goes, one changes, and one comes.
    pair.reload(|text| {
        let (before, _) = text.split_once("\n[[pull]]").unwrap();
        before.to_owned()
            + &entry(&pair.there, "asked", "pop3s", "carol", "dave", "every = \"1s\"\ndelete = \"after-backup\"\n")
            + &entry(&pair.there, "third", "imaps", "carol", "bob", SELDOM)
    });
    until("the entry that came", 6, || pair.count("bob", "INBOX"));
    until("mail that waits for a backup", String::from("4"), || pair.told("asked", "waiting_for_backup"));
    let status = pair.status();
    assert!(!status.contains("\"told\""), "{status}");
    assert_eq!(pair.told("asked", "failures"), "0");
}

#[test]
fn an_entry_that_fails_is_told_and_harms_no_other_and_a_wrong_password_is_said_once() {
    let pair = Pair::start("", |there| {
        entry(there, "good", "imaps", "alice", "bob", "every = \"1s\"\n")
            + &entry(there, "wrong", "pop3s", "carol", "dave", "every = \"1s\"\n")
                .replace("carol.password", "wrong.password")
            + &entry(there, "nobody", "pop3s", "carol", "eve", "every = \"1s\"\n")
    });
    let checked = pair.command(&["config", "check"]).failure();
    assert!(
        checked.stderr.contains("pull wrong: cannot read") && checked.stderr.contains("wrong.password"),
        "{}",
        checked.said()
    );
    until("the missing password", true, || pair.told("wrong", "error").contains("cannot read"));
    fs::write(pair.configuration.with_file_name("wrong.password"), "not it\n").unwrap();
    let checked = pair.command(&["config", "check"]).failure();
    assert!(checked.stderr.contains("pull nobody: there is no account eve@example.test"), "{}", checked.said());
    until("the wrong password", String::from("login_refused"), || pair.told("wrong", "phase"));
    until("the missing account", true, || pair.told("nobody", "error").contains("eve@example.test"));
    let refusals = || pair.there.log().matches("auth failed, 1 attempts").count();
    // It is looked for again, but not said.
    until("more runs", true, || pair.told("wrong", "runs").parse::<u32>().unwrap() > 4);
    assert!(refusals() <= 1, "{}", pair.there.log());
    fs::write(pair.configuration.with_file_name("wrong.password"), &pair.there.account("carol").password).unwrap();
    pair.append("carol", "INBOX", 1, 5);
    until("mail with the right password", 1, || pair.count("dave", "INBOX"));
    pair.append("alice", "INBOX", 1, 4);
    until("mail of the good entry", 1, || pair.count("bob", "INBOX"));
    assert_eq!(pair.told("good", "failures"), "0");
}

#[test]
fn a_server_that_compresses_is_compressed_with_and_a_manual_run_takes_its_turn() {
    const ZLIB: &str =
        "\nprotocol imap {\n  mail_plugins = $mail_plugins imap_zlib\n}\nmail_plugins = $mail_plugins zlib\n";
    let mut pair = Pair::start(ZLIB, |there| {
        entry(there, "told", "imaps", "alice", "bob", &format!("{SELDOM}push = true\nmax_rate = \"50M\"\n"))
    });
    let mut client = ImapClient::login_to(pair.there.ports().imap, pair.there.account("alice")).unwrap();
    let offered = client.ok("CAPABILITY").untagged.concat();
    assert!(String::from_utf8_lossy(&offered).contains("COMPRESS=DEFLATE"), "Dovecot does not compress");
    until("the first run", String::from("1"), || pair.told("told", "runs"));
    pair.append("alice", "INBOX", 30, 7);
    until("mail that was told of", 30, || pair.count("bob", "INBOX"));
    let url = format!("imaps://alice@example.test@127.0.0.1:{}", pair.there.ports().imaps);
    let certificate = pair.there.certificate_file();
    let by_hand =
        ["pull", &url, "--into", "dave@example.test", "--verify=content", "--ca-file", certificate.to_str().unwrap()];
    let compressed = pair.command(&by_hand).success().stdout;
    assert!(compressed.ends_with("done\n"), "{compressed}");
    let plain = pair.command(&[&by_hand[..], &["--no-compress", "--tries", "1", "--max-rate", "100M"]].concat());
    assert!(plain.success().stdout.ends_with("done\n"));
    assert_eq!(pair.count("dave", "INBOX"), 30);
    let same = pair.command(&["pull", &url, "--into", "bob@example.test", "--ca-file", certificate.to_str().unwrap()]);
    assert!(same.success().stdout.ends_with("done\n"));
    // The end is clean, also with a connection that waits for news.
    pair.here.stop();
    pair.here.check_store();
}
