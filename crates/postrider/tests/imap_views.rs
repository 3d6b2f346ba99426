//! Several IMAP sessions on one mailbox: what each has been told adds up to the truth.
//!
//! Random commands, seeded; one command is under way at a time, so a seed gives the same run again. Each session
//! keeps a picture of the mailbox from EXISTS, EXPUNGE, FETCH and VANISHED alone. Every few steps every session says
//! NOOP, and its picture must be what a fresh session finds. Half of the sessions use QRESYNC; now and then one leaves
//! the mailbox and comes back with what it remembers.
//!
//! `POSTRIDER_VIEWS_SEED` replays one seed, `POSTRIDER_VIEWS_RUNS` sets how many are tried.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use postrider_testkit::imap_client::Answer;
use postrider_testkit::{ImapClient, MailboxView, ServerUnderTest, SplitMix64, seed_from_environment};

const SESSIONS: usize = 4;
const STEPS: usize = 250;
const STEPS_BETWEEN_COMPARISONS: usize = 10;
const FLAGS: [&str; 6] = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "\\Deleted", "$Forwarded"];

const SEARCHES: [&str; 3] = ["SEARCH ALL", "UID SEARCH SEEN", "SEARCH NOT DELETED FLAGGED"];

/// What a session remembers for its return (RFC 7162 §3.2.5).
struct Remembered {
    uid_validity: String,
    modseq: String,
}

struct Session {
    client: ImapClient,
    view: MailboxView,
    qresync: bool,
    remembered: Remembered,
    name: String,
}

impl Session {
    fn new(server: &ServerUnderTest, number: usize) -> Self {
        let qresync = number % 2 == 1;
        let mut client = ImapClient::of(server, "alice");
        if qresync {
            client.ok("ENABLE QRESYNC");
        }
        let remembered = Remembered { uid_validity: String::new(), modseq: String::new() };
        let name = format!("session {number}{}", if qresync { " (QRESYNC)" } else { "" });
        let mut session = Self { client, view: MailboxView::default(), qresync, remembered, name };
        session.select("SELECT Views");
        session
    }

    fn select(&mut self, command: &str) {
        let answer = self.say(command);
        assert_eq!(answer.status, "OK", "{command}: {}", answer.text);
        for line in answer.untagged.iter().map(|line| String::from_utf8_lossy(line)) {
            let code = |name: &str| line.split_once(name).and_then(|(_, rest)| rest.split(']').next());
            if let Some(value) = code("[UIDVALIDITY ") {
                value.clone_into(&mut self.remembered.uid_validity);
            }
            if let Some(value) = code("[HIGHESTMODSEQ ") {
                value.clone_into(&mut self.remembered.modseq);
            }
        }
    }

    /// Sends a command and applies everything the server says to the view.
    fn say(&mut self, command: &str) -> Answer {
        let answer = self.client.command(command).unwrap_or_else(|error| panic!("{}: {error}", self.client.log()));
        self.apply(&answer);
        answer
    }

    fn apply(&mut self, answer: &Answer) {
        for response in &answer.untagged {
            if let Err(why) = self.view.apply(response) {
                panic!("{}: {why}\nthe conversation, oldest first:\n{}", self.name, self.client.log());
            }
        }
    }

    /// A sequence set within what the session knows; now and then a UID set instead.
    fn set(&self, random: &mut SplitMix64) -> (Vec<usize>, String, &'static str) {
        let count = self.view.messages.len();
        let first = random.between(1, count);
        let last = (first + random.below(4)).min(count);
        let numbers: Vec<usize> = (first..=last).collect();
        let uids: Option<Vec<u32>> = numbers.iter().map(|number| self.view.messages[number - 1].uid).collect();
        match uids {
            Some(uids) if random.chance(50) => {
                let text: Vec<String> = uids.iter().map(u32::to_string).collect();
                (numbers, text.join(","), "UID ")
            }
            _ => (numbers, format!("{first}:{last}"), ""),
        }
    }

    fn step(&mut self, random: &mut SplitMix64) {
        if self.view.messages.is_empty() && random.chance(70) {
            return self.append(random);
        }
        match random.below(100) {
            0..=14 => self.append(random),
            15..=39 if !self.view.messages.is_empty() => self.store(random),
            40..=47 => drop(self.say("EXPUNGE")),
            48..=52 if !self.view.messages.is_empty() => self.uid_expunge(random),
            53..=60 if !self.view.messages.is_empty() => self.copy(random, "COPY"),
            61..=65 if !self.view.messages.is_empty() => self.copy(random, "MOVE"),
            66..=75 if !self.view.messages.is_empty() => self.fetch(random),
            76..=80 => self.learn(),
            81..=85 => drop(self.say(SEARCHES[random.below(SEARCHES.len())])),
            86..=91 => drop(self.say(if random.chance(50) { "NOOP" } else { "CHECK" })),
            92..=93 => self.idle(),
            94..=97 => self.leave_and_return(random),
            _ => drop(self.say("STATUS Views (MESSAGES UNSEEN UIDNEXT)")),
        }
    }

    fn append(&mut self, random: &mut SplitMix64) {
        let count = random.between(1, 3);
        let messages: Vec<_> = (0..count).map(|_| format!("Subject: {}\r\n\r\ntext\r\n", random.next_u64())).collect();
        let answer = self.client.append("Views", random_flags(random).1.as_str(), &messages).unwrap();
        self.apply(&answer);
        assert_eq!(answer.status, "OK", "{}", answer.text);
    }

    fn store(&mut self, random: &mut SplitMix64) {
        let (numbers, set, uid) = self.set(random);
        let (flags, text) = random_flags(random);
        let action = *random.pick(&['+', '-', ' ']);
        let sign = action.to_string();
        let sign = sign.trim();
        if random.chance(40) {
            // Of a message without a known UID nobody can say later which one was changed: its flags are forgotten.
            for number in &numbers {
                let message = &mut self.view.messages[number - 1];
                message.flags = message.flags.take().filter(|_| message.uid.is_some());
            }
            let known: Vec<Option<u32>> = numbers.iter().map(|number| self.view.messages[number - 1].uid).collect();
            let answer = self.say(&format!("{uid}STORE {set} {sign}FLAGS.SILENT ({text})"));
            // Responses may have moved the numbers.
            if answer.status == "OK" {
                let now = known.iter().flatten().filter_map(|uid| self.view.number_of(*uid)).collect::<Vec<_>>();
                self.view.store_silently(now.into_iter(), action, &flags);
            }
        } else {
            self.say(&format!("{uid}STORE {set} {sign}FLAGS ({text})"));
        }
    }

    fn uid_expunge(&mut self, random: &mut SplitMix64) {
        let uids: Vec<u32> = self.view.messages.iter().filter_map(|message| message.uid).collect();
        if uids.is_empty() {
            return;
        }
        let (one, other) = (*random.pick(&uids), *random.pick(&uids));
        self.say(&format!("UID EXPUNGE {}:{}", one.min(other), one.max(other)));
    }

    fn copy(&mut self, random: &mut SplitMix64, verb: &str) {
        let (_, set, uid) = self.set(random);
        let target = *random.pick(&["Views", "Other"]);
        // MOVE to the same mailbox is left out: servers may refuse it.
        let target = if verb == "MOVE" { "Other" } else { target };
        self.say(&format!("{uid}{verb} {set} {target}"));
    }

    fn fetch(&mut self, random: &mut SplitMix64) {
        let (_, set, uid) = self.set(random);
        let items = *random.pick(&["FLAGS", "(UID FLAGS)", "(UID BODY[])", "(UID RFC822.SIZE)"]);
        self.say(&format!("{uid}FETCH {set} {items}"));
    }

    /// Asks for UID and flags of all messages from the first on of which they are not known.
    fn learn(&mut self) {
        if let Some(first) = self.view.first_unknown() {
            self.say(&format!("FETCH {first}:* (UID FLAGS)"));
        }
    }

    fn idle(&mut self) {
        let (tag, mut untagged) = self.client.idle_begin().unwrap();
        let mut answer = self.client.idle_end(&tag).unwrap();
        untagged.append(&mut answer.untagged);
        answer.untagged = untagged;
        self.apply(&answer);
    }

    /// Leaves the mailbox. A QRESYNC session comes back with what it remembers, and is told the difference only.
    fn leave_and_return(&mut self, random: &mut SplitMix64) {
        if !self.qresync || random.chance(30) {
            self.say("UNSELECT");
            self.view = MailboxView::default();
            return self.select("SELECT Views");
        }
        self.say("NOOP");
        self.learn();
        self.say("UNSELECT");
        let known = std::mem::take(&mut self.view);
        let Remembered { uid_validity, modseq } = &self.remembered;
        let command = format!("SELECT Views (QRESYNC ({uid_validity} {modseq}))");
        let answer = self.client.ok(&command);
        self.return_with(known, &answer);
        for line in answer.untagged.iter().map(|line| String::from_utf8_lossy(line)) {
            if let Some(value) = line.split_once("[HIGHESTMODSEQ ").and_then(|(_, rest)| rest.split(']').next()) {
                value.clone_into(&mut self.remembered.modseq);
            }
        }
    }

    /// What the answer to a QRESYNC SELECT says is about the remembered view; its EXISTS is the count afterwards, and
    /// its FETCH responses are numbered afterwards, too, so they are matched by UID.
    fn return_with(&mut self, known: MailboxView, answer: &Answer) {
        let mut view = known;
        for response in answer.untagged.iter().filter(|line| line.starts_with(b"VANISHED")) {
            view.apply(response).unwrap_or_else(|why| panic!("{}: {why}\n{}", self.name, self.client.log()));
        }
        let count = answer.untagged.iter().find_map(|line| {
            String::from_utf8_lossy(line).strip_suffix(" EXISTS").and_then(|number| number.parse::<usize>().ok())
        });
        let count = count.expect("EXISTS in the answer to SELECT");
        assert!(
            view.messages.len() <= count,
            "{}: {} messages remembered, {count} exist\n{}",
            self.name,
            view.messages.len(),
            self.client.log()
        );
        view.apply(format!("{count} EXISTS").as_bytes()).unwrap();
        for response in answer.untagged.iter().filter(|line| !line.ends_with(b" EXISTS")) {
            if !response.starts_with(b"VANISHED") {
                view.apply(response).unwrap_or_else(|why| panic!("{}: {why}\n{}", self.name, self.client.log()));
            }
        }
        self.view = view;
    }

    /// Brings the view up to date.
    fn catch_up(&mut self) {
        self.say("NOOP");
        self.learn();
    }
}

fn random_flags(random: &mut SplitMix64) -> (BTreeSet<String>, String) {
    let chosen: Vec<&str> = FLAGS.iter().copied().filter(|_| random.chance(30)).collect();
    (chosen.iter().map(|flag| flag.to_ascii_lowercase()).collect(), chosen.join(" "))
}

fn compare(server: &ServerUnderTest, sessions: &mut [Session], step: usize) {
    let mut fresh = ImapClient::of(server, "alice");
    // Each catches up; none of them changes anything by that.
    for session in sessions.iter_mut() {
        session.catch_up();
    }
    fresh.ok("EXAMINE Views");
    let truth: Vec<_> = fresh.uids_and_flags().into_iter().collect();
    for session in sessions.iter() {
        let view: Vec<_> = session
            .view
            .messages
            .iter()
            .map(|message| (message.uid.unwrap_or(0), message.flags.clone().unwrap_or_default()))
            .collect();
        if view != truth {
            let mut text = String::new();
            for (number, (seen, is)) in view.iter().zip(&truth).enumerate().filter(|(_, (seen, is))| seen != is) {
                writeln!(text, "number {}: in the view {seen:?}, in truth {is:?}", number + 1).unwrap();
            }
            panic!(
                "after step {step} {} has {} messages in its view, the mailbox {}\n{text}{}",
                session.name,
                view.len(),
                truth.len(),
                session.client.log()
            );
        }
    }
}

#[test]
fn every_session_can_follow_what_the_others_do() {
    let first_seed = seed_from_environment("POSTRIDER_VIEWS_SEED", 1);
    let runs = if std::env::var_os("POSTRIDER_VIEWS_SEED").is_some() { 1 } else { 12 };
    for seed in first_seed..first_seed + seed_from_environment("POSTRIDER_VIEWS_RUNS", runs) {
        println!("POSTRIDER_VIEWS_SEED={seed}");
        let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice"]);
        let mut client = ImapClient::of(&server, "alice");
        client.ok("CREATE Views");
        client.ok("CREATE Other");
        let mut random = SplitMix64::new(seed);
        let mut sessions: Vec<_> = (0..SESSIONS).map(|number| Session::new(&server, number)).collect();
        for step in 1..=STEPS {
            let index = random.below(SESSIONS);
            sessions[index].step(&mut random);
            if step % STEPS_BETWEEN_COMPARISONS == 0 {
                compare(&server, &mut sessions, step);
            }
        }
    }
}
