//! Many sessions in one mailbox at random: what each was told must be what is (RFC 9051 §5.2 and §7.5.1, RFC 7162 §3.2.10).

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;

use common::{ALICE, Server, message};
use postrider_store::INBOX;
use postrider_testkit::SplitMix64;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

const FLAGS: [&str; 4] = ["\\Seen", "\\Deleted", "\\Flagged", "Work"];

/// What a client knows of a message; unknown until the server told.
#[derive(Debug, Clone, Default)]
struct Known {
    uid: Option<u32>,
    flags: Option<BTreeSet<String>>,
}

/// A client that remembers what it was told.
struct Model {
    stream: BufReader<DuplexStream>,
    messages: Vec<Known>,
    log: Vec<String>,
}

impl Model {
    async fn new(server: &Server, enabled: &str) -> Self {
        let mut model = Self { stream: BufReader::new(server.connect()), messages: Vec::new(), log: Vec::new() };
        model.line().await;
        model.command("LOGIN alice@example.net secret", true).await;
        model.command(enabled, true).await;
        model.command("SELECT INBOX", true).await;
        model.command("UID FETCH 1:* (FLAGS)", true).await;
        model
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        self.log.push(format!("S: {}", line.trim_end()));
        line.trim_end().to_owned()
    }

    /// Sends a command and takes in what the server tells until it is done; gives the tagged status.
    async fn command(&mut self, command: &str, numbers_may_shift: bool) -> String {
        self.log.push(format!("C: {command}"));
        self.stream.get_mut().write_all(format!("a {command}\r\n").as_bytes()).await.unwrap();
        loop {
            let line = self.line().await;
            if let Some(status) = line.strip_prefix("a ") {
                return status.split(' ').next().unwrap().to_owned();
            }
            let expunges = line.ends_with(" EXPUNGE") || line.starts_with("* VANISHED");
            assert!(numbers_may_shift || !expunges, "numbers shift in {command}\n{}", self.log.join("\n"));
            self.take_in(&line);
        }
    }

    fn take_in(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match (words[1], words.get(2)) {
            ("VANISHED", Some(set)) => {
                for range in set.split(',') {
                    let (low, high) = range.split_once(':').unwrap_or((range, range));
                    let range = low.parse::<u32>().unwrap()..=high.parse().unwrap();
                    for uid in range {
                        let before = self.messages.len();
                        self.messages.retain(|known| known.uid != Some(uid));
                        assert_eq!(self.messages.len() + 1, before, "VANISHED {uid}\n{}", self.log.join("\n"));
                    }
                }
            }
            (count, Some(&"EXISTS")) => {
                let count = count.parse::<usize>().unwrap();
                assert!(count >= self.messages.len(), "EXISTS shrinks\n{}", self.log.join("\n"));
                self.messages.resize(count, Known::default());
            }
            (number, Some(&"EXPUNGE")) => {
                self.messages.remove(number.parse::<usize>().unwrap() - 1);
            }
            (number, Some(&"FETCH")) => self.take_in_fetch(number.parse().unwrap(), line),
            _ => {}
        }
    }

    fn take_in_fetch(&mut self, number: usize, line: &str) {
        let log = self.log.join("\n");
        let known = self.messages.get_mut(number - 1).unwrap_or_else(|| panic!("no message {number}\n{log}"));
        if let Some((_, rest)) = line.split_once("UID ") {
            let uid = rest.split([' ', ')']).next().unwrap().parse().unwrap();
            assert!(known.uid.is_none_or(|before| before == uid), "another message has number {number}\n{log}");
            known.uid = Some(uid);
        }
        if let Some((_, rest)) = line.split_once("FLAGS (") {
            let flags = rest.split_once(')').unwrap().0;
            known.flags =
                Some(flags.split(' ').filter(|flag| !matches!(*flag, "" | "\\Recent")).map(str::to_owned).collect());
        }
    }

    /// A silent change is taken for done, unless the server tells otherwise.
    async fn store_silently(&mut self, number: usize, mode: &str, flag: &str) {
        if let Some(flags) = self.messages.get_mut(number - 1).and_then(|known| known.flags.as_mut()) {
            match mode {
                "+" => _ = flags.insert(flag.to_owned()),
                "-" => _ = flags.remove(flag),
                _ => *flags = BTreeSet::from([flag.to_owned()]),
            }
        }
        self.command(&format!("STORE {number} {mode}FLAGS.SILENT ({flag})"), false).await;
    }

    /// Learns the UIDs of new messages, as a client with QRESYNC must.
    async fn learn(&mut self) {
        if self.messages.iter().any(|known| known.uid.is_none()) {
            self.command("UID FETCH 1:* (FLAGS)", true).await;
        }
    }

    async fn act(&mut self, random: &mut SplitMix64) {
        let (flag, mode) = (*random.pick(&FLAGS), *random.pick(&["+", "-", ""]));
        let number = random.between(1, self.messages.len().max(1));
        let uid = self.messages.get(number - 1).and_then(|known| known.uid).unwrap_or(1);
        let there = !self.messages.is_empty();
        match random.below(12) {
            0 | 1 if there => self.store_silently(number, mode, flag).await,
            2 if there => _ = self.command(&format!("STORE {number}:* {mode}FLAGS ({flag})"), false).await,
            3 => _ = self.command(&format!("UID STORE {uid} {mode}FLAGS ({flag})"), true).await,
            4 => _ = self.command("EXPUNGE", true).await,
            5 => _ = self.command(&format!("UID EXPUNGE {uid}"), true).await,
            6 if there => _ = self.command(&format!("FETCH {number} (UID FLAGS)"), false).await,
            7 => _ = self.command("SEARCH ALL", false).await,
            8 if there => _ = self.command(&format!("COPY {number} INBOX"), true).await,
            9 if there => _ = self.command(&format!("MOVE {number} INBOX"), true).await,
            10 if there => _ = self.command(&format!("FETCH {number} BODY[TEXT]<0.0>"), false).await,
            _ => _ = self.command("NOOP", true).await,
        }
        self.learn().await;
    }

    /// Asks for everything anew: it must be what is known already.
    async fn check(&mut self) {
        self.command("NOOP", true).await;
        self.learn().await;
        let before: Vec<(Option<u32>, Option<BTreeSet<String>>)> =
            self.messages.iter().map(|known| (known.uid, known.flags.clone())).collect();
        self.messages.iter_mut().for_each(|known| *known = Known::default());
        self.command("FETCH 1:* (UID FLAGS)", false).await;
        let after: Vec<_> = self.messages.iter().map(|known| (known.uid, known.flags.clone())).collect();
        assert_eq!(before, after, "\n{}", self.log.join("\n"));
    }
}

#[tokio::test]
async fn what_sessions_were_told_is_what_is() {
    for seed in 0..12 {
        let mut random = SplitMix64::new(seed);
        let server = Server::with_messages(4).await;
        let account = server.account(ALICE).await;
        let mut models = Vec::new();
        for enabled in ["NOOP", "ENABLE QRESYNC", "ENABLE IMAP4rev2 CONDSTORE"] {
            models.push(Model::new(&server, enabled).await);
        }
        for step in 0..150 {
            let index = random.below(models.len());
            models[index].act(&mut random).await;
            if account.state().find(INBOX).unwrap().record.counts.messages < 3 || random.below(8) == 0 {
                server.append(INBOX, Vec::new(), message(step)).await;
            }
        }
        for model in &mut models {
            model.check().await;
        }
    }
}
