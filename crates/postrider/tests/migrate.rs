//! `postrider migrate` between Dovecot and ourselves, both ways. Whatever interrupts it, in the end the new server has every
//! message once, byte for byte, with its flags and date.
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
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use postrider_testkit::{
    Corpus, ImapClient, Program, ServerKind, ServerUnderTest, SplitMix64, program::Output, seed_from_environment,
};

const POSTRIDER: &str = env!("CARGO_BIN_EXE_postrider");

/// Mailboxes at the old server, as they are written in commands, and the flags that messages in them have.
const MAILBOXES: [(&str, &str); 6] = [
    ("INBOX", ""),
    ("Work", "\\Seen \\Answered"),
    ("Work/2026", "$Forwarded \\Flagged"),
    ("Entw&APw-rfe &U,BTFw-", "\\Draft todo"),
    ("Lists/a b", "\\Seen"),
    ("Trash", "\\Seen \\Deleted"),
];

/// A message's bytes, flags and date.
type Message = (Vec<u8>, BTreeSet<String>, Vec<u8>);

/// The two servers.
struct Move {
    old: ServerUnderTest,
    new: ServerUnderTest,
}

impl Move {
    fn start(old: ServerKind, new: ServerKind) -> Self {
        let old = ServerUnderTest::start_kind(old, POSTRIDER, &["alice"]);
        let new = ServerUnderTest::start_kind(new, POSTRIDER, &["bob"]);
        Self { old, new }
    }

    fn old_client(&self) -> ImapClient {
        ImapClient::of(&self.old, "alice")
    }

    fn fill(&self, count: usize) {
        let mut client = self.old_client();
        let mut corpus = Corpus::new(seed_from_environment("POSTRIDER_MIGRATE_SEED", 3));
        for (number, (mailbox, flags)) in MAILBOXES.iter().enumerate() {
            // Some are there from the start.
            let _ = client.command(&format!("CREATE \"{mailbox}\"")).unwrap();
            let messages = corpus.messages(count / (number + 1), 30_000);
            for (half, messages) in messages.chunks(count / (2 * number + 2) + 1).enumerate() {
                let flags = if half == 0 { flags } else { "" };
                assert_eq!(client.append(&format!("\"{mailbox}\""), flags, messages).unwrap().status, "OK");
            }
        }
        // The same message twice is two messages.
        let twin = corpus.message(500);
        client.append("Work", "", &[&twin, &twin]).unwrap();
        client.ok("SUBSCRIBE Work/2026");
    }

    fn state(&self) -> PathBuf {
        self.new.home("state")
    }

    fn arguments(&self) -> Vec<String> {
        let url = |server: &ServerUnderTest, local: &str| {
            format!("imaps://{}@127.0.0.1:{}", server.account(local).address, server.ports().imaps)
        };
        let certificate = |server: &ServerUnderTest| server.certificate_file().to_str().unwrap().to_owned();
        vec![
            "migrate".to_owned(),
            url(&self.old, "alice"),
            url(&self.new, "bob"),
            "--from-ca-file".to_owned(),
            certificate(&self.old),
            "--to-ca-file".to_owned(),
            certificate(&self.new),
            "--state".to_owned(),
            self.state().to_str().unwrap().to_owned(),
        ]
    }

    fn migrate(&self, more: &[&str]) -> Output {
        Program::new(POSTRIDER, &self.new.home("migrate"))
            .args(self.arguments())
            .args(more)
            .env("POSTRIDER_MIGRATE_FROM_PASSWORD", &self.old.account("alice").password)
            .env("POSTRIDER_MIGRATE_TO_PASSWORD", &self.new.account("bob").password)
            .run()
    }

    /// How many messages a run copied that must have been complete.
    fn copied(&self, more: &[&str]) -> u64 {
        let output = self.migrate(&[more, &["--json"]].concat()).success();
        let rest = output.stdout.split("\"copied\": ").nth(1).unwrap();
        rest.split([',', '\n']).next().unwrap().parse().unwrap()
    }

    fn spawn(&self) -> std::process::Child {
        Command::new(POSTRIDER)
            .args(self.arguments())
            .env("POSTRIDER_MIGRATE_FROM_PASSWORD", &self.old.account("alice").password)
            .env("POSTRIDER_MIGRATE_TO_PASSWORD", &self.new.account("bob").password)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    #[track_caller]
    fn assert_same(&self) {
        let old = mail(&mut self.old_client());
        let new = mail(&mut ImapClient::of(&self.new, "bob"));
        assert!(old.values().any(|messages| !messages.is_empty()));
        for (mailbox, messages) in &old {
            let theirs = &new[mailbox];
            assert_eq!(theirs.len(), messages.len(), "{mailbox}");
            for (one, other) in theirs.iter().zip(messages) {
                assert!(one.0 == other.0, "{mailbox}: a message differs");
                assert_eq!((&one.1, text(&one.2)), (&other.1, text(&other.2)), "{mailbox}");
            }
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What an account has in each mailbox, sorted.
fn mail(client: &mut ImapClient) -> BTreeMap<&'static str, Vec<Message>> {
    let mut found = BTreeMap::new();
    for (mailbox, _) in MAILBOXES {
        let mut messages = Vec::new();
        if client.command(&format!("EXAMINE \"{mailbox}\"")).unwrap().status == "OK"
            && !client.ok("UID SEARCH ALL").search().is_empty()
        {
            let flags = client.uids_and_flags();
            let dates: BTreeMap<u32, Vec<u8>> = client
                .ok("UID FETCH 1:* (INTERNALDATE)")
                .fetches()
                .into_iter()
                .map(|mut fetch| (fetch.uid().unwrap(), fetch.items.remove("INTERNALDATE").unwrap()))
                .collect();
            let raw = client.raw_messages();
            messages = raw.into_iter().map(|(uid, raw)| (raw, flags[&uid].clone(), dates[&uid].clone())).collect();
        }
        messages.sort();
        found.insert(mailbox, messages);
    }
    found
}

#[test]
fn everything_moves_and_a_later_run_brings_what_changed() {
    use ServerKind::{Dovecot, Postrider};
    for (old, new) in [(Dovecot, Postrider), (Postrider, Dovecot), (Dovecot, Dovecot)] {
        let both = Move::start(old, new);
        both.fill(40);
        let dry = both.copied(&["--dry-run"]);
        let first = both.copied(&["--verify=content"]);
        assert!(first > 90 && dry == first, "{dry} {first}");
        both.assert_same();
        assert_eq!(both.copied(&["--verify"]), 0);
        let subscribed = ImapClient::of(&both.new, "bob").ok("LSUB \"\" \"*\"").untagged;
        assert!(subscribed.iter().any(|line| text(line).contains("Work/2026")), "{subscribed:?}");
        let mut client = both.old_client();
        client.ok("SELECT Work");
        client.ok("UID STORE 3:6 -FLAGS.SILENT (\\Seen)");
        client.ok("UID STORE 4 +FLAGS.SILENT (\\Flagged new)");
        client.append("Work", "\\Flagged", &Corpus::new(9).messages(4, 2_000)).unwrap();
        assert_eq!(both.copied(&["--verify"]), 4);
        both.assert_same();
        // Without its memory it finds out again what is there.
        fs::remove_dir_all(both.state()).unwrap();
        let output = both.migrate(&["--verify=content"]).success();
        assert!(output.stdout.contains("0 messages copied"), "{}", output.said());
        both.assert_same();
    }
}

#[test]
fn a_killed_run_is_continued_and_nothing_is_there_twice() {
    let both = Move::start(ServerKind::Dovecot, ServerKind::Postrider);
    both.fill(300);
    let mut random = SplitMix64::new(seed_from_environment("POSTRIDER_MIGRATE_SEED", 3));
    // How fast this machine is: a rehearsal does all but the copying.
    let began = Instant::now();
    let total = both.copied(&["--dry-run"]);
    let rehearsal = began.elapsed().as_micros() as usize;
    let mut killed = 0;
    for _ in 0..5 {
        let mut child = both.spawn();
        // A run after one that was killed waits two seconds before it sends.
        let micros = if killed == 0 { random.below(rehearsal * 4) } else { 2_050_000 + random.below(rehearsal * 3) };
        thread::sleep(Duration::from_micros(micros as u64));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            break;
        }
        killed += 1;
    }
    let last = both.copied(&["--verify=content"]);
    println!("killed {killed} runs of {total} messages; the last one copied {last}");
    assert!(killed > 0);
    both.assert_same();
}

#[test]
fn a_full_account_ends_the_run_and_says_what_to_do() {
    let both = Move::start(ServerKind::Dovecot, ServerKind::Postrider);
    both.fill(20);
    let config = both.new.certificate_file().with_file_name("postrider.toml");
    let arguments = ["--config", config.to_str().unwrap(), "account", "set", &both.new.account("bob").address];
    Program::new(POSTRIDER, &both.new.home("limit")).args(arguments).args(["--quota", "60000"]).run().success();
    let output = both.migrate(&[]).failure();
    assert!(output.stdout.contains("make room there"), "{}", output.said());
    assert!(output.stdout.contains("NOT COMPLETE"), "{}", output.said());
    assert!(!output.stdout.ends_with("done\n"), "{}", output.said());
}

#[test]
fn a_large_message_is_held_once() {
    const BYTES: usize = 40 * 1024 * 1024;
    let both = Move::start(ServerKind::Dovecot, ServerKind::Dovecot);
    let line = [b"x".repeat(70).as_slice(), b"\r\n"].concat();
    let message = [b"Subject: large\r\n\r\n".as_slice(), &line.repeat(BYTES / line.len())].concat();
    assert_eq!(both.old_client().append("INBOX", "", &[message]).unwrap().status, "OK");
    let mut child = both.spawn();
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        most = most.max(anonymous_bytes(child.id()));
        thread::sleep(Duration::from_millis(1));
    }
    assert!(child.wait().unwrap().success());
    println!("{} MiB for a message of {} MiB", most >> 20, BYTES >> 20);
    assert!(most > BYTES / 2 && most < BYTES * 2, "{most}");
    both.assert_same();
}

/// Memory that a process holds of its own; 0 when it has ended.
fn anonymous_bytes(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(0) * 1024
}
