//! `postrider pull --mode sync` with Dovecot and with ourselves as the other side. Whatever happens on either side, and
//! whatever interrupts a run, in the end both have the same mailboxes with the same messages and flags, each once.
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
    Corpus, ImapClient, Program, ServerKind, ServerUnderTest, SplitMix64, program::Output, seed_from_environment,
    server::Account,
};

const POSTRIDER: &str = env!("CARGO_BIN_EXE_postrider");

/// A message's bytes and flags.
type Message = (Vec<u8>, BTreeSet<String>);

/// Messages by mailbox, in order.
type Mail = BTreeMap<String, Vec<Message>>;

/// The two sides.
struct Pair {
    there: ServerUnderTest,
    here: ServerUnderTest,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Here,
    There,
}

impl Pair {
    fn start(kind: ServerKind) -> Self {
        let there = ServerUnderTest::start_kind(kind, POSTRIDER, &["alice"]);
        let here = ServerUnderTest::start_kind(ServerKind::Postrider, POSTRIDER, &["bob"]);
        Self { there, here }
    }

    fn account(&self, side: Side) -> (u16, &Account) {
        match side {
            Side::Here => (self.here.ports().imap, self.here.account("bob")),
            Side::There => (self.there.ports().imap, self.there.account("alice")),
        }
    }

    fn client(&self, side: Side) -> ImapClient {
        let (port, account) = self.account(side);
        ImapClient::login_to(port, account).unwrap()
    }

    fn arguments(&self) -> Vec<String> {
        let config = self.here.certificate_file().with_file_name("postrider.toml");
        let certificate = self.there.certificate_file();
        let into = &self.here.account("bob").address;
        let url = format!("imaps://{}@127.0.0.1:{}", self.there.account("alice").address, self.there.ports().imaps);
        let arguments = ["--config", config.to_str().unwrap(), "pull", &url, "--into", into, "--ca-file"];
        arguments.into_iter().chain([certificate.to_str().unwrap(), "--mode", "sync"]).map(str::to_owned).collect()
    }

    fn sync(&self, more: &[&str]) -> Output {
        Program::new(POSTRIDER, &self.here.home("pull"))
            .args(self.arguments())
            .args(more)
            .env("POSTRIDER_PULL_PASSWORD", &self.there.account("alice").password)
            .run()
    }

    /// What a side has, of all its mailboxes.
    fn mail(&self, side: Side) -> Mail {
        let mut client = self.client(side);
        let mut mail = Mail::new();
        for mailbox in mailboxes(&mut client) {
            let mut messages = Vec::new();
            client.ok(&format!("EXAMINE \"{mailbox}\""));
            if !client.ok("UID SEARCH ALL").search().is_empty() {
                let flags = client.uids_and_flags();
                messages = client.raw_messages().into_iter().map(|(uid, raw)| (raw, flags[&uid].clone())).collect();
            }
            messages.sort();
            mail.insert(mailbox, messages);
        }
        mail
    }

    #[track_caller]
    fn assert_same(&self, when: &str) {
        let (here, there) = (self.mail(Side::Here), self.mail(Side::There));
        let names = |mail: &Mail| mail.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&here), names(&there), "{when}");
        for (mailbox, messages) in &there {
            let mine = &here[mailbox];
            assert_eq!(subjects(mine), subjects(messages), "{when}: {mailbox}");
            assert!(mine == messages, "{when}: a message in {mailbox} differs");
        }
    }
}

fn mailboxes(client: &mut ImapClient) -> Vec<String> {
    let listed = client.ok("LIST \"\" \"*\"").untagged;
    let names = listed.iter().filter_map(|line| {
        let line = String::from_utf8_lossy(line).into_owned();
        let rest = line.strip_prefix("LIST (")?;
        let (attributes, name) = rest.split_once(") \"/\" ")?;
        (!attributes.to_ascii_lowercase().contains("\\no")).then(|| name.trim_matches('"').to_owned())
    });
    names.collect()
}

/// First lines and flags, for messages that say what differs.
fn subjects(messages: &[Message]) -> Vec<String> {
    let of = |(raw, flags): &Message| format!("{:x} {} {flags:?}", fold(raw), raw.len());
    messages.iter().map(of).collect()
}

fn fold(raw: &[u8]) -> u32 {
    raw.iter().fold(17, |sum, octet| sum.wrapping_mul(31).wrapping_add(u32::from(*octet)))
}

/// Does something somewhere, as people do.
fn disturb(client: &mut ImapClient, random: &mut SplitMix64, corpus: &mut Corpus, number: usize) {
    let names = mailboxes(client);
    let mailbox = random.pick(&names).clone();
    client.ok(&format!("SELECT \"{mailbox}\""));
    let uids = client.ok("UID SEARCH ALL").search();
    let uid = if uids.is_empty() { 0 } else { *random.pick(&uids) };
    match random.below(20) {
        0..=5 => {
            let flags = *random.pick(&["", "\\Seen", "\\Flagged work", "\\Seen $Forwarded", "\\Answered"]);
            let messages = corpus.messages(random.between(1, 4), 6_000);
            assert_eq!(client.append(&format!("\"{mailbox}\""), flags, &messages).unwrap().status, "OK");
        }
        6..=12 if uid > 0 => {
            let sign = if random.chance(60) { '+' } else { '-' };
            let flag =
                random.pick(&["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "work", "$Forwarded", "\\Deleted"]);
            client.ok(&format!("UID STORE {uid}:{} {sign}FLAGS.SILENT ({flag})", uid + random.below(4) as u32));
        }
        13..=15 if uid > 0 => {
            client.ok(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"));
            client.ok(&format!("UID EXPUNGE {uid}"));
        }
        16 | 17 if uid > 0 => {
            let target = random.pick(&names);
            let _ = client.command(&format!("UID MOVE {uid} \"{target}\"")).unwrap();
        }
        18 => drop(client.command(&format!("CREATE \"Box{number}/inner\"")).unwrap()),
        19 if mailbox.starts_with("Box") => {
            client.ok("UNSELECT");
            match random.chance(50) {
                true => drop(client.command(&format!("RENAME \"{mailbox}\" \"Boxed{number}\"")).unwrap()),
                false => drop(client.command(&format!("DELETE \"{mailbox}\"")).unwrap()),
            }
        }
        _ => {}
    }
}

#[test]
fn random_changes_on_both_sides_come_together() {
    for kind in [ServerKind::Dovecot, ServerKind::Postrider] {
        let pair = Pair::start(kind);
        let mut random = SplitMix64::new(seed_from_environment("POSTRIDER_SYNC_SEED", 5));
        let mut corpus = Corpus::new(random.below(1 << 20) as u64);
        pair.client(Side::There).append("INBOX", "\\Seen", &corpus.messages(20, 8_000)).unwrap();
        pair.client(Side::Here).append("INBOX", "\\Flagged", &corpus.messages(20, 8_000)).unwrap();
        let both = corpus.messages(5, 4_000);
        pair.client(Side::There).append("INBOX", "\\Seen", &both).unwrap();
        pair.client(Side::Here).append("INBOX", "\\Flagged", &both).unwrap();
        pair.sync(&["--verify=content"]).success();
        pair.assert_same("first");
        assert_eq!(pair.mail(Side::Here)["INBOX"].len(), 45);
        for round in 0..6 {
            for step in 0..12 {
                let side = if random.chance(50) { Side::Here } else { Side::There };
                disturb(&mut pair.client(side), &mut random, &mut corpus, round * 100 + step);
            }
            let output = pair.sync(&["--verify", "--yes"]);
            assert!(output.status.success(), "{round}: {}", output.said());
            pair.assert_same(&format!("round {round}: {}", output.said()));
            let again = pair.sync(&["--json"]).success();
            assert!(again.stdout.contains("\"uploaded\": 0,\n"), "{}", again.said());
        }
    }
}

#[test]
fn a_killed_sync_is_continued_and_nothing_is_there_twice() {
    let mut pair = Pair::start(ServerKind::Dovecot);
    let mut corpus = Corpus::new(77);
    for (side, mailbox) in [(Side::There, "INBOX"), (Side::Here, "INBOX"), (Side::There, "Far"), (Side::Here, "Near")] {
        let mut client = pair.client(side);
        let _ = client.command(&format!("CREATE {mailbox}")).unwrap();
        for messages in corpus.messages(150, 9_000).chunks(50) {
            client.append(mailbox, "\\Seen", messages).unwrap();
        }
        // The same message twice is two messages.
        let twin = corpus.message(500);
        client.append(mailbox, "", &[&twin, &twin]).unwrap();
    }
    // So that the command does the work itself.
    pair.here.stop();
    let mut random = SplitMix64::new(seed_from_environment("POSTRIDER_SYNC_SEED", 5));
    // How fast this machine is: a rehearsal does all but the fetching and sending.
    let began = Instant::now();
    pair.sync(&["--dry-run"]).success();
    let rehearsal = began.elapsed().as_micros() as usize;
    let mut killed = 0;
    for _ in 0..5 {
        let mut child = Command::new(POSTRIDER)
            .args(pair.arguments())
            .env("POSTRIDER_PULL_PASSWORD", &pair.there.account("alice").password)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A run after one that was killed waits two seconds before it sends.
        let micros = if killed == 0 { random.below(rehearsal * 4) } else { 2_050_000 + random.below(rehearsal * 3) };
        thread::sleep(Duration::from_micros(micros as u64));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            break;
        }
        killed += 1;
    }
    let last = pair.sync(&["--verify=content"]).success();
    println!("killed {killed} runs; the last one said {}", last.said());
    assert!(killed > 0);
    pair.here.check_store();
    pair.here.start_again();
    pair.assert_same("after the kills");
    assert_eq!(pair.mail(Side::Here)["INBOX"].len(), 304);
    assert_eq!(pair.mail(Side::There)["Near"].len(), 152);
}

#[test]
fn much_is_removed_only_when_somebody_agreed_and_a_change_keeps_a_message() {
    let pair = Pair::start(ServerKind::Dovecot);
    let mut corpus = Corpus::new(5);
    pair.client(Side::There).append("INBOX", "", &corpus.messages(60, 2_000)).unwrap();
    pair.client(Side::There).append("Trash", "", &corpus.messages(1, 2_000)).unwrap();
    pair.sync(&[]).success();
    // Moved messages are no loss, however many they are.
    let mut here = pair.client(Side::Here);
    here.ok("SELECT INBOX");
    here.ok("UID MOVE 1:30 Archive");
    pair.sync(&[]).success();
    pair.assert_same("moved");
    here.ok("UID STORE 31:60 +FLAGS.SILENT (\\Deleted)");
    here.ok("UID EXPUNGE 31:60");
    let mut there = pair.client(Side::There);
    there.ok("SELECT INBOX");
    let uids = there.ok("UID SEARCH ALL").search();
    there.ok(&format!("UID STORE {} +FLAGS.SILENT (\\Flagged)", uids[0]));
    there.append("INBOX", "", &corpus.messages(2, 2_000)).unwrap();
    let refused = pair.sync(&[]).failure();
    assert!(refused.stdout.contains("29 of") && refused.stdout.contains("--yes"), "{}", refused.said());
    assert_eq!(pair.mail(Side::There)["INBOX"].len(), 32);
    pair.sync(&["--yes"]).success();
    pair.assert_same("agreed");
    assert_eq!(pair.mail(Side::There)["INBOX"].len(), 3);
}
