//! The server is killed with SIGKILL at random moments under load, again and again. What it had promised is there
//! when it comes back, and nothing is there by half.
//!
//! Each writer keeps a ledger: what was acknowledged, and the one thing that was under way when the server died. That
//! one may be there or not, but whole: all messages of a MULTIAPPEND or none (RFC 3502), a moved message in exactly
//! one of its two mailboxes, flags as before or as after.
//!
//! `POSTRIDER_CRASH_ROUNDS` sets the number of kills, `POSTRIDER_CRASH_SEED` replays the moments and the load.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use postrider_testkit::maildir::{assert_ends_with, message_id};
use postrider_testkit::{
    Corpus, ImapClient, LmtpClient, ServerKind, ServerUnderTest, SplitMix64, seed_from_environment,
};

const APPENDERS: usize = 2;
const FLAGGED_MESSAGES: usize = 30;
const MOVED_MESSAGES: usize = 10;
const FLAGS: [&str; 5] = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "$Label"];
/// The store's own check reads everything, so it does not run after every kill.
const ROUNDS_BETWEEN_CHECKS: u64 = 8;

/// Something that writes to the server and knows what must be there.
trait Writer: Send {
    /// Writes until the connection breaks or `stop` is set.
    fn work(&mut self, server: &ServerUnderTest, stop: &AtomicBool) -> io::Result<()>;
    /// Compares the server with the ledger and settles what was under way.
    fn verify(&mut self, server: &ServerUnderTest);
    /// How much was acknowledged so far.
    fn acknowledged(&self) -> usize;
}

/// Adds messages to a mailbox of its own, by APPEND, MULTIAPPEND or LMTP.
struct Adder {
    way: Way,
    corpus: Corpus,
    random: SplitMix64,
    /// Message-IDs that must be there.
    acknowledged: BTreeSet<String>,
    /// What was sent since the last comparison, by Message-ID; with the group that must stand or fall together.
    recent: BTreeMap<String, Vec<u8>>,
    under_way: Vec<String>,
    /// What was under way at a kill and not there after it. Dovecot may find such a message later, when it rebuilds an
    /// index from the files; here it must stay away.
    abandoned: BTreeMap<String, Vec<u8>>,
    uid_next: u32,
    uid_validity: String,
}

enum Way {
    Append { local: &'static str, mailbox: String },
    Lmtp { local: &'static str },
}

impl Adder {
    fn new(way: Way, seed: u64) -> Self {
        Self {
            way,
            corpus: Corpus::new(seed),
            random: SplitMix64::new(seed),
            acknowledged: BTreeSet::new(),
            recent: BTreeMap::new(),
            under_way: Vec::new(),
            abandoned: BTreeMap::new(),
            uid_next: 1,
            uid_validity: String::new(),
        }
    }

    /// The next group of messages, entered into the ledger as under way.
    fn next_group(&mut self, count: usize) -> Vec<Vec<u8>> {
        // Some messages are larger than what a store keeps beside its index, some have to be written in many pages.
        let size_bytes_max = *self.random.pick(&[800, 4000, 30_000, 200_000]);
        let messages = self.corpus.messages(count, size_bytes_max);
        self.under_way = messages.iter().map(|message| message_id(message)).collect();
        for message in &messages {
            self.recent.insert(message_id(message), message.clone());
        }
        messages
    }

    fn place(&self) -> (&'static str, String) {
        match &self.way {
            Way::Append { local, mailbox } => (local, mailbox.clone()),
            Way::Lmtp { local } => (local, String::from("INBOX")),
        }
    }
}

impl Writer for Adder {
    fn work(&mut self, server: &ServerUnderTest, stop: &AtomicBool) -> io::Result<()> {
        let (local, mailbox) = self.place();
        let account = server.account(local).clone();
        if matches!(self.way, Way::Lmtp { .. }) {
            let mut client = LmtpClient::connect(server.ports().lmtp)?;
            while !stop.load(Ordering::Relaxed) {
                let messages = self.next_group(1);
                client.deliver(&[&account.address], &messages[0])?;
                self.acknowledged.extend(std::mem::take(&mut self.under_way));
            }
            return Ok(());
        }
        let mut client = ImapClient::login_to(server.ports().imap, &account)?;
        while !stop.load(Ordering::Relaxed) {
            let count = if self.random.chance(30) { self.random.between(2, 6) } else { 1 };
            let messages = self.next_group(count);
            let answer = client.append(&mailbox, "", &messages)?;
            if answer.status != "OK" {
                return Err(io::Error::other(answer.text));
            }
            self.acknowledged.extend(std::mem::take(&mut self.under_way));
        }
        Ok(())
    }

    fn verify(&mut self, server: &ServerUnderTest) {
        let (local, mailbox) = self.place();
        let mut client = ImapClient::of(server, local);
        let selected = client.ok(&format!("EXAMINE {mailbox}"));
        let code = |name: &str| {
            let lines = selected.untagged.iter().map(|line| String::from_utf8_lossy(line).into_owned());
            lines.filter_map(|line| Some(line.split_once(name)?.1.split(']').next()?.to_owned())).next()
        };
        let uid_validity = code("[UIDVALIDITY ").expect("UIDVALIDITY");
        assert!(self.uid_validity.is_empty() || self.uid_validity == uid_validity, "UIDVALIDITY of {mailbox} changed");
        let uid_next: u32 = code("[UIDNEXT ").expect("UIDNEXT").parse().unwrap();
        assert!(uid_next >= self.uid_next, "UIDNEXT of {mailbox} went back");
        // Whole and unchanged: everything that came since the last comparison.
        let answer = client.ok(&format!("UID FETCH {}:* (BODY.PEEK[])", self.uid_next));
        let mut present = BTreeSet::new();
        for fetch in answer.fetches().iter().filter(|fetch| fetch.uid().unwrap() >= self.uid_next) {
            let raw = &fetch.items["BODY[]"];
            let id = message_id(raw);
            if let Some(late) = self.abandoned.remove(&id).filter(|_| server.kind() == ServerKind::Dovecot) {
                self.recent.insert(id.clone(), late);
                self.acknowledged.insert(id.clone());
            }
            let sent = self.recent.get(&id).unwrap_or_else(|| panic!("{id} in {mailbox} was never sent"));
            assert_ends_with(raw, sent);
            assert!(present.insert(id.clone()), "{id} is twice in {mailbox}");
        }
        let survivors = self.under_way.iter().filter(|id| present.contains(*id)).count();
        assert!(survivors == 0 || survivors == self.under_way.len(), "half of {:?} is in {mailbox}", self.under_way);
        if survivors > 0 {
            self.acknowledged.extend(std::mem::take(&mut self.under_way));
        }
        let recent = self.recent.keys().filter(|id| self.acknowledged.contains(*id)).cloned().collect();
        assert_eq!(present, recent, "the new messages of {mailbox}");
        let count = client.ok("UID SEARCH ALL").search().len();
        assert_eq!(count, self.acknowledged.len(), "messages in {mailbox}");
        for id in self.under_way.drain(..) {
            self.abandoned.extend(self.recent.remove_entry(&id));
        }
        self.recent.clear();
        self.uid_next = uid_next;
        self.uid_validity = uid_validity;
    }

    fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }
}

/// Sets flags of the messages of `Flags`.
struct Flagger {
    random: SplitMix64,
    flags: Vec<BTreeSet<String>>,
    /// The UIDs and flags of the STORE that was not answered.
    under_way: Option<(usize, usize, BTreeSet<String>)>,
    stored: usize,
}

impl Writer for Flagger {
    fn work(&mut self, server: &ServerUnderTest, stop: &AtomicBool) -> io::Result<()> {
        let mut client = ImapClient::login_to(server.ports().imap, server.account("alice"))?;
        client.command("SELECT Flags")?;
        while !stop.load(Ordering::Relaxed) {
            let first = self.random.between(1, FLAGGED_MESSAGES);
            let last = (first + self.random.below(5)).min(FLAGGED_MESSAGES);
            let chosen: Vec<&str> = FLAGS.iter().copied().filter(|_| self.random.chance(40)).collect();
            let flags: BTreeSet<String> = chosen.iter().map(|flag| flag.to_ascii_lowercase()).collect();
            self.under_way = Some((first, last, flags.clone()));
            let answer = client.command(&format!("UID STORE {first}:{last} FLAGS.SILENT ({})", chosen.join(" ")))?;
            if answer.status != "OK" {
                return Err(io::Error::other(answer.text));
            }
            for known in &mut self.flags[first - 1..last] {
                known.clone_from(&flags);
            }
            self.under_way = None;
            self.stored += 1;
        }
        Ok(())
    }

    fn verify(&mut self, server: &ServerUnderTest) {
        let mut client = ImapClient::of(server, "alice");
        client.ok("EXAMINE Flags");
        let present = client.uids_and_flags();
        assert_eq!(present.len(), FLAGGED_MESSAGES);
        for (uid, flags) in present {
            let known = &mut self.flags[usize::try_from(uid).unwrap() - 1];
            let covered = |(first, last, _): &&(usize, usize, BTreeSet<String>)| {
                (*first..=*last).contains(&usize::try_from(uid).unwrap())
            };
            match self.under_way.as_ref().filter(covered) {
                Some((_, _, new)) if flags == *new => known.clone_from(&flags),
                _ => assert_eq!(flags, *known, "the flags of UID {uid}"),
            }
        }
        self.under_way = None;
    }

    fn acknowledged(&self) -> usize {
        self.stored
    }
}

/// Moves messages to and fro between `Here` and `There`.
struct Mover {
    random: SplitMix64,
    /// By Message-ID: whether it is in `There`.
    there: BTreeMap<String, bool>,
    under_way: Vec<String>,
    moved: usize,
}

impl Mover {
    /// Message-IDs and UIDs of a mailbox.
    fn contents(client: &mut ImapClient, mailbox: &str) -> io::Result<Vec<(u32, String)>> {
        client.command(&format!("SELECT {mailbox}"))?;
        let answer = client.command("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")?;
        let fetches = answer.fetches();
        Ok(fetches
            .iter()
            .map(|fetch| {
                let header = fetch.items.iter().find(|(name, _)| name.starts_with("BODY[")).unwrap().1;
                (fetch.uid().unwrap(), message_id(header))
            })
            .collect())
    }
}

impl Writer for Mover {
    fn work(&mut self, server: &ServerUnderTest, stop: &AtomicBool) -> io::Result<()> {
        let mut client = ImapClient::login_to(server.ports().imap, server.account("alice"))?;
        while !stop.load(Ordering::Relaxed) {
            for (from, to) in [("Here", "There"), ("There", "Here")] {
                let mut contents = Self::contents(&mut client, from)?;
                contents.truncate(self.random.between(1, 4));
                if contents.is_empty() {
                    continue;
                }
                let uids: Vec<_> = contents.iter().map(|(uid, _)| uid.to_string()).collect();
                self.under_way = contents.into_iter().map(|(_, id)| id).collect();
                let answer = client.command(&format!("UID MOVE {} {to}", uids.join(",")))?;
                if answer.status != "OK" {
                    return Err(io::Error::other(answer.text));
                }
                for id in std::mem::take(&mut self.under_way) {
                    self.there.insert(id, to == "There");
                }
                self.moved += 1;
            }
        }
        Ok(())
    }

    fn verify(&mut self, server: &ServerUnderTest) {
        let mut client = ImapClient::of(server, "alice");
        let mut ids = |mailbox| -> Vec<String> {
            Self::contents(&mut client, mailbox).unwrap().into_iter().map(|(_, id)| id).collect()
        };
        let (here, there) = (ids("Here"), ids("There"));
        for (id, was_there) in &mut self.there {
            let places =
                (here.iter().filter(|found| *found == id).count(), there.iter().filter(|found| *found == id).count());
            let is_there = match places {
                (1, 0) => false,
                (0, 1) => true,
                _ => panic!("{id} is {} times in Here and {} times in There", places.0, places.1),
            };
            assert!(is_there == *was_there || self.under_way.contains(id), "the acknowledged move of {id} is lost");
            *was_there = is_there;
        }
        assert_eq!(here.len() + there.len(), MOVED_MESSAGES);
        self.under_way.clear();
    }

    fn acknowledged(&self) -> usize {
        self.moved
    }
}

fn prepare(server: &ServerUnderTest, seed: u64) -> Vec<Box<dyn Writer>> {
    let mut client = ImapClient::of(server, "alice");
    let mut corpus = Corpus::new(seed);
    for mailbox in ["Flags", "Here", "There"] {
        client.ok(&format!("CREATE {mailbox}"));
    }
    for message in corpus.messages(FLAGGED_MESSAGES, 2000) {
        client.append("Flags", "", &[message]).unwrap();
    }
    let moved = corpus.messages(MOVED_MESSAGES, 2000);
    for message in &moved {
        client.append("Here", "", &[message]).unwrap();
    }
    let mut writers: Vec<Box<dyn Writer>> = vec![
        Box::new(Flagger {
            random: SplitMix64::new(seed ^ 1),
            flags: vec![BTreeSet::new(); FLAGGED_MESSAGES],
            under_way: None,
            stored: 0,
        }),
        Box::new(Adder::new(Way::Lmtp { local: "bob" }, seed ^ 3)),
        Box::new(Adder::new(Way::Lmtp { local: "carol" }, seed ^ 4)),
    ];
    // Dovecot copies and then expunges, so a kill between the two leaves a message in both mailboxes.
    if server.kind() == ServerKind::Postrider {
        writers.push(Box::new(Mover {
            random: SplitMix64::new(seed ^ 2),
            there: moved.iter().map(|message| (message_id(message), false)).collect(),
            under_way: Vec::new(),
            moved: 0,
        }));
    }
    for number in 0..APPENDERS {
        let mailbox = format!("Append-{number}");
        client.ok(&format!("CREATE {mailbox}"));
        let seed = seed ^ (16 + u64::try_from(number).unwrap());
        writers.push(Box::new(Adder::new(Way::Append { local: "alice", mailbox }, seed)));
    }
    writers
}

#[test]
fn what_was_acknowledged_survives_sigkill() {
    let seed = seed_from_environment("POSTRIDER_CRASH_SEED", 1);
    let rounds = seed_from_environment("POSTRIDER_CRASH_ROUNDS", 40);
    println!("POSTRIDER_CRASH_SEED={seed}");
    let mut random = SplitMix64::new(seed);
    let mut server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice", "bob", "carol"]);
    let mut writers = prepare(&server, seed);
    for round in 1..=rounds {
        let moment = Duration::from_millis(u64::try_from(random.between(30, 600)).unwrap());
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let (server, stop) = (&server, &stop);
            for writer in &mut writers {
                // A writer ends with an error when the server dies under it; that is what this is about.
                scope.spawn(|| writer.work(server, stop));
            }
            // Not a wait for anything: the moment of the crash is the test's input.
            thread::sleep(moment);
            server.kill_processes();
            stop.store(true, Ordering::Relaxed);
        });
        server.kill9();
        if random.chance(15) {
            // Killed again while it starts.
            server.start_without_waiting();
            thread::sleep(Duration::from_millis(u64::try_from(random.between(0, 60)).unwrap()));
            server.kill9();
        }
        if round % ROUNDS_BETWEEN_CHECKS == 0 || round == rounds {
            server.check_store();
        }
        server.start_again();
        for writer in &mut writers {
            writer.verify(&server);
        }
    }
    let acknowledged: Vec<usize> = writers.iter().map(|writer| writer.acknowledged()).collect();
    println!("acknowledged: {acknowledged:?} (flag changes, LMTP twice, moves, APPEND twice)");
    if server.kind() == ServerKind::Postrider || rounds >= 10 {
        assert!(acknowledged.iter().all(|count| *count > 0), "a writer never got anything done");
    }
}
