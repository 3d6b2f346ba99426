//! `postrider pull` from IMAP servers: Dovecot, and ourselves. Whatever interrupts a run, in the end every mailbox is here with
//! every message once, byte for byte and with its flags.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use postrider_testkit::{
    Corpus, ImapClient, Program, ServerKind, ServerUnderTest, SplitMix64, seed_from_environment, server::Account,
};

const POSTRIDER: &str = env!("CARGO_BIN_EXE_postrider");

/// Mailboxes there, as they are written in commands, and the flags that messages in them have.
const MAILBOXES: [(&str, &str); 6] = [
    ("INBOX", ""),
    ("Work", "\\Seen \\Answered"),
    ("Work/2026", "$Forwarded \\Flagged"),
    ("Entw&APw-rfe &U,BTFw-", "\\Draft todo"),
    ("Lists/a b", "\\Seen"),
    ("Trash", "\\Seen \\Deleted"),
];

/// Where the randomness of a run comes from.
fn seed() -> u64 {
    seed_from_environment("POSTRIDER_PULL_SEED", 11)
}

/// A message's bytes and flags.
type Message = (Vec<u8>, BTreeSet<String>);

/// The server that mail is fetched from, and the one that gets it.
struct Pair {
    there: ServerUnderTest,
    here: ServerUnderTest,
}

impl Pair {
    fn start(kind: ServerKind) -> Self {
        let there = ServerUnderTest::start_kind(kind, POSTRIDER, &["alice"]);
        let here = ServerUnderTest::start_kind(ServerKind::Postrider, POSTRIDER, &["bob"]);
        Self { there, here }
    }

    fn client_there(&self) -> ImapClient {
        ImapClient::login_to(self.there.ports().imap, self.there.account("alice")).unwrap()
    }

    fn fill(&self, count: usize) {
        let mut client = self.client_there();
        let mut corpus = Corpus::new(seed());
        for (number, (mailbox, flags)) in MAILBOXES.iter().enumerate() {
            // Some are there from the start.
            let _ = client.command(&format!("CREATE \"{mailbox}\"")).unwrap();
            let messages = corpus.messages(count / (number + 1), 40_000);
            for (half, messages) in messages.chunks(count / (2 * number + 2) + 1).enumerate() {
                let flags = if half == 0 { flags } else { "" };
                assert_eq!(client.append(&format!("\"{mailbox}\""), flags, messages).unwrap().status, "OK");
            }
        }
    }

    fn url(&self, scheme: &str, port: u16) -> String {
        format!("{scheme}://{}@127.0.0.1:{port}", self.there.account("alice").address)
    }

    fn arguments(&self, url: &str) -> Vec<String> {
        let config = self.here.certificate_file().with_file_name("postrider.toml");
        let certificate = self.there.certificate_file();
        let into = &self.here.account("bob").address;
        let arguments = ["--config", config.to_str().unwrap(), "pull", url, "--into", into, "--ca-file"];
        arguments.into_iter().chain([certificate.to_str().unwrap(), "--mode", "mirror"]).map(str::to_owned).collect()
    }

    fn pull(&self, url: &str, more: &[&str]) -> Program {
        Program::new(POSTRIDER, &self.here.home("pull"))
            .args(self.arguments(url))
            .args(more)
            .env("POSTRIDER_PULL_PASSWORD", &self.there.account("alice").password)
    }

    /// How many messages a pull fetched that must have been complete.
    fn pulled(&self, url: &str, more: &[&str]) -> u64 {
        let output = self.pull(url, more).arg("--json").run().success();
        let fetched = output.stdout.split("\"fetched\": ").skip(1);
        let counts = fetched.map(|rest| rest.split([',', '\n']).next().unwrap().parse::<u64>().unwrap());
        // The sum stands beside the counts of the mailboxes.
        counts.sum::<u64>() / 2
    }

    fn assert_same(&self) {
        let there = mail(self.there.ports().imap, self.there.account("alice"));
        let here = mail(self.here.ports().imap, self.here.account("bob"));
        assert!(there.values().any(|messages| !messages.is_empty()));
        for (mailbox, messages) in &there {
            let mine = &here[mailbox];
            assert_eq!(mine.len(), messages.len(), "{mailbox}");
            for (one, other) in mine.iter().zip(messages) {
                assert!(one.0 == other.0, "{mailbox}: a message differs");
                assert_eq!(one.1, other.1, "{mailbox}: flags");
            }
        }
    }
}

/// What an account has in each mailbox, sorted.
fn mail(port: u16, account: &Account) -> BTreeMap<&'static str, Vec<Message>> {
    let mut client = ImapClient::login_to(port, account).unwrap();
    let mut found = BTreeMap::new();
    for (mailbox, _) in MAILBOXES {
        let mut messages = Vec::new();
        if client.command(&format!("EXAMINE \"{mailbox}\"")).unwrap().status == "OK"
            && !client.ok("UID SEARCH ALL").search().is_empty()
        {
            let flags = client.uids_and_flags();
            messages = client.raw_messages().into_iter().map(|(uid, raw)| (raw, flags[&uid].clone())).collect();
        }
        messages.sort();
        found.insert(mailbox, messages);
    }
    found
}

#[test]
fn a_mirror_of_dovecot_and_of_ourselves_is_exact_and_follows_changes() {
    for kind in [ServerKind::Dovecot, ServerKind::Postrider] {
        let pair = Pair::start(kind);
        pair.fill(60);
        let tls = pair.url("imaps", pair.there.ports().imaps);
        let begun_by_command = pair.url("imap", pair.there.ports().imap);
        let dry = pair.pulled(&tls, &["--dry-run"]);
        let first = pair.pulled(&tls, &["--verify=content"]);
        assert!(first > 100 && dry == first, "{dry} {first}");
        pair.assert_same();
        assert_eq!(pair.pulled(&tls, &[]), 0);
        let mut client = pair.client_there();
        client.ok("SELECT Work");
        client.ok("UID STORE 3:9 -FLAGS.SILENT (\\Seen)");
        client.ok("UID STORE 4 +FLAGS.SILENT (\\Deleted new)");
        client.ok("UID EXPUNGE 4");
        client.append("Work", "\\Flagged", &Corpus::new(3).messages(4, 2_000)).unwrap();
        assert_eq!(pair.pulled(&tls, &["--verify"]), 4);
        pair.assert_same();
        // The same server by another door is another server to the memory, but the mail is known by its content.
        assert_eq!(pair.pulled(&begun_by_command, &["--verify"]), 0);
        pair.assert_same();
        client.ok("SELECT INBOX");
        client.ok("UID STORE 1:40 +FLAGS.SILENT (\\Deleted)");
        client.ok("UID EXPUNGE 1:40");
        let refused = pair.pull(&tls, &[]).run().failure();
        assert!(refused.stdout.contains("--yes"), "{}", refused.said());
        assert_eq!(pair.pulled(&tls, &["--yes"]), 0);
        pair.assert_same();
    }
}

#[test]
fn a_killed_command_is_continued_by_the_next_one() {
    let mut pair = Pair::start(ServerKind::Dovecot);
    pair.fill(500);
    // So that the command does the work itself.
    pair.here.stop();
    let url = pair.url("imaps", pair.there.ports().imaps);
    let mut random = SplitMix64::new(seed());
    // How fast this machine is: a rehearsal does all but the fetching.
    let began = Instant::now();
    let _ = pair.pulled(&url, &["--dry-run"]);
    let rehearsal = began.elapsed().as_micros() as usize;
    let mut killed = 0;
    for round in 1..=12 {
        let mut child = Command::new(POSTRIDER)
            .args(pair.arguments(&url))
            .env("POSTRIDER_PULL_PASSWORD", &pair.there.account("alice").password)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_micros((rehearsal * round / 3 + random.below(rehearsal / 4)) as u64));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            break;
        }
        killed += 1;
    }
    let last = pair.pulled(&url, &["--verify=content"]);
    println!("killed {killed} runs; the last one fetched {last}");
    assert!(killed > 0);
    pair.here.check_store();
    pair.here.start_again();
    pair.assert_same();
}

#[test]
fn a_large_message_needs_no_more_than_a_few_times_its_size_in_memory() {
    const BYTES: usize = 48 * 1024 * 1024;
    let mut pair = Pair::start(ServerKind::Dovecot);
    let line = [b"x".repeat(70).as_slice(), b"\r\n"].concat();
    let message = [b"Subject: large\r\n\r\n".as_slice(), &line.repeat(BYTES / line.len())].concat();
    assert_eq!(pair.client_there().append("INBOX", "", &[message]).unwrap().status, "OK");
    pair.here.stop();
    let mut child = Command::new(POSTRIDER)
        .args(pair.arguments(&pair.url("imaps", pair.there.ports().imaps)))
        .env("POSTRIDER_PULL_PASSWORD", &pair.there.account("alice").password)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        most = most.max(anonymous_bytes(child.id()));
        thread::sleep(Duration::from_millis(1));
    }
    assert!(child.wait().unwrap().success());
    println!("{} MiB for a message of {} MiB", most >> 20, BYTES >> 20);
    assert!(most > BYTES / 2 && most < BYTES * 3, "{most}");
    pair.here.start_again();
    pair.assert_same();
}

/// Memory that a process holds of its own; 0 when it has ended.
fn anonymous_bytes(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(0) * 1024
}
