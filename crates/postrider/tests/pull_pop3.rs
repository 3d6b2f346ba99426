//! `postrider pull` from POP3 servers: Dovecot, and ourselves. Whatever interrupts a run, in the end every message is here
//! once, byte for byte as the other server gives it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use postrider_testkit::{
    Corpus, ImapClient, Program, ServerKind, ServerUnderTest, SplitMix64, corpus::Kind, seed_from_environment,
    server::Account,
};

const POSTRIDER: &str = env!("CARGO_BIN_EXE_postrider");

/// Where the randomness of a run comes from.
fn seed() -> u64 {
    seed_from_environment("POSTRIDER_PULL_SEED", 7)
}

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

    fn fill(&self, messages: &[Vec<u8>]) {
        let mut client = ImapClient::login_to(self.there.ports().imap, self.there.account("alice")).unwrap();
        for group in messages.chunks(50) {
            assert_eq!(client.append("INBOX", "", group).unwrap().status, "OK");
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
        arguments.into_iter().chain([certificate.to_str().unwrap()]).map(str::to_owned).collect()
    }

    fn pull(&self, url: &str, more: &[&str]) -> Program {
        Program::new(POSTRIDER, &self.here.home("pull"))
            .args(self.arguments(url))
            .args(more)
            .env("POSTRIDER_PULL_PASSWORD", &self.there.account("alice").password)
    }

    /// The answer of a pull that must have brought everything.
    fn pulled(&self, url: &str, more: &[&str]) -> Counts {
        let output = self.pull(url, more).arg("--json").run().success();
        Counts::of(&output.stdout)
    }

    /// What is there, as a POP3 client gets it.
    fn contents_there(&self) -> Bag {
        pop3_contents(self.there.ports().pop3, self.there.account("alice"))
    }

    /// What is here, as an IMAP client gets it.
    fn contents_here(&self) -> Bag {
        let mut client = ImapClient::login_to(self.here.ports().imap, self.here.account("bob")).unwrap();
        let _ = client.ok("SELECT INBOX");
        bag(client.raw_messages().into_values())
    }
}

/// Messages, and how many there are of each.
type Bag = BTreeMap<Vec<u8>, usize>;

fn bag(messages: impl IntoIterator<Item = Vec<u8>>) -> Bag {
    let mut bag = Bag::new();
    for message in messages {
        *bag.entry(message).or_default() += 1;
    }
    bag
}

fn assert_same(here: &Bag, there: &Bag) {
    let missing = there.iter().filter(|(message, count)| here.get(*message) < Some(count)).count();
    let extra = here.iter().filter(|(message, count)| there.get(*message) < Some(count)).count();
    assert_eq!((missing, extra), (0, 0), "missing, too many; {} messages there", there.len());
}

/// Numbers of the answer in JSON.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    there: u64,
    fetched: u64,
    known: u64,
    removed_there: u64,
}

impl Counts {
    fn of(json: &str) -> Self {
        let number = |name: &str| {
            let behind = json.split(&format!("\"{name}\": ")).nth(1).unwrap_or_else(|| panic!("no {name} in {json}"));
            behind.split([',', '\n']).next().unwrap().parse().unwrap()
        };
        let [there, fetched, known, removed_there] = ["there", "fetched", "known", "removed_there"].map(number);
        Self { there, fetched, known, removed_there }
    }
}

/// Fetches everything with the simplest of clients.
fn pop3_contents(port: u16, account: &Account) -> Bag {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
    let mut line = Vec::new();
    let mut say = |stream: &mut BufReader<TcpStream>, command: &str| {
        stream.get_mut().write_all(command.as_bytes()).unwrap();
        line.clear();
        stream.read_until(b'\n', &mut line).unwrap();
        assert!(line.starts_with(b"+OK"), "{command}: {}", String::from_utf8_lossy(&line));
        String::from_utf8_lossy(&line).into_owned()
    };
    let _ = say(&mut stream, "");
    let _ = say(&mut stream, &format!("USER {}\r\n", account.address));
    let _ = say(&mut stream, &format!("PASS {}\r\n", account.password));
    let count: usize = say(&mut stream, "STAT\r\n").split(' ').nth(1).unwrap().parse().unwrap();
    let mut messages = Vec::new();
    for number in 1..=count {
        let _ = say(&mut stream, &format!("RETR {number}\r\n"));
        let mut message = Vec::new();
        loop {
            let start = message.len();
            stream.read_until(b'\n', &mut message).unwrap();
            if &message[start..] == b".\r\n" {
                message.truncate(start);
                break;
            }
            if message[start..].starts_with(b".") {
                message.remove(start);
            }
        }
        messages.push(message);
    }
    let _ = say(&mut stream, "QUIT\r\n");
    bag(messages)
}

/// Mail as it should not be, and is.
fn odd_messages() -> Vec<Vec<u8>> {
    let header = b"From: a@example.test\r\nSubject: odd\r\n";
    let bodies: [&[u8]; 6] = [
        b"\r\n.\r\n..\r\n.leading dot\r\nend.\r\n.",
        b"\r\nbare\nline\nfeeds\r\nand\rreturns\r\n",
        b"X-Raw: \xe4\xf6\xfc \xff\r\n\r\nraw header above\r\n",
        b"\r\nno end of line",
        b"\r\n",
        b"\r\n\r\n\r\n.\r\n\r\n",
    ];
    bodies.iter().map(|body| [header.as_slice(), body].concat()).collect()
}

#[test]
fn everything_comes_once_and_goes_there_when_it_is_here() {
    for kind in [ServerKind::Dovecot, ServerKind::Postrider] {
        let pair = Pair::start(kind);
        let mut corpus = Corpus::new(seed());
        let mut messages = corpus.messages(200, 30_000);
        messages.extend(odd_messages());
        messages.push(messages[3].clone());
        messages.push(corpus.message_of(Kind::Attachments, 30 << 20));
        pair.fill(&messages);
        let there = pair.contents_there();
        let count = messages.len() as u64;

        let tls = pair.url("pop3s", pair.there.ports().pop3s);
        let pulled = pair.pulled(&tls, &["--keep", "--verify=content"]);
        assert_eq!(pulled, Counts { there: count, fetched: count, known: 0, removed_there: 0 });
        assert_same(&pair.contents_here(), &there);
        let again = pair.pulled(&tls, &[]);
        assert_eq!(again, Counts { there: count, fetched: 0, known: count, removed_there: 0 });

        let plan = pair.pull(&tls, &["--delete", "--dry-run"]).run().success().stdout;
        assert_eq!(plan.matches("would be removed there").count(), messages.len(), "{plan}");
        assert_eq!(pair.contents_there(), there);

        let removed = pair.pulled(&tls, &["--delete", "--verify"]);
        assert_eq!(removed, Counts { there: count, fetched: 0, known: count, removed_there: count });
        assert!(pair.contents_there().is_empty());
        assert_same(&pair.contents_here(), &there);
    }
}

#[test]
fn a_killed_command_is_continued_by_the_next_one() {
    let mut pair = Pair::start(ServerKind::Dovecot);
    let messages = Corpus::new(seed()).messages(800, 30_000);
    pair.fill(&messages);
    let there = pair.contents_there();
    // So that the command does the work itself.
    pair.here.stop();
    let url = pair.url("pop3s", pair.there.ports().pop3s);
    let mut random = SplitMix64::new(seed());
    let mut killed = 0;
    for _ in 0..12 {
        let mut child = Command::new(POSTRIDER)
            .args(pair.arguments(&url))
            .arg("--delete")
            .env("POSTRIDER_PULL_PASSWORD", &pair.there.account("alice").password)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(random.between(20, 250) as u64));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
    }
    println!("killed {killed} of 12 runs");
    let last = pair.pulled(&url, &["--delete"]);
    println!("the last run: {last:?}");
    pair.here.check_store();
    pair.here.start_again();
    assert_same(&pair.contents_here(), &there);
    assert!(pair.contents_there().is_empty());
}

/// Passes connections on, and cuts each after so many bytes of the server's.
struct CuttingProxy {
    port: u16,
    bytes_max: Arc<AtomicU64>,
}

impl CuttingProxy {
    fn start(to: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let bytes_max = Arc::new(AtomicU64::new(0));
        let limit = Arc::clone(&bytes_max);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(("127.0.0.1", to)).unwrap();
                let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
                let limit = limit.load(Ordering::Relaxed);
                thread::spawn(move || {
                    let mut client = client;
                    let _ = std::io::copy(&mut (&server).take(limit), &mut client);
                    let _ = client.shutdown(Shutdown::Both);
                    let _ = server.shutdown(Shutdown::Both);
                });
            }
        });
        Self { port, bytes_max }
    }
}

#[test]
fn a_cut_connection_loses_nothing_and_doubles_nothing() {
    let pair = Pair::start(ServerKind::Dovecot);
    let mut random = SplitMix64::new(seed());
    let messages = Corpus::new(random.next_u64()).messages(150, 60_000);
    pair.fill(&messages);
    let there = pair.contents_there();
    let proxy = CuttingProxy::start(pair.there.ports().pop3);
    let url = format!("{}?security=none", pair.url("pop3", proxy.port));
    let mut cut = 0;
    for step in 1..=40 {
        proxy.bytes_max.store(random.between(50, 120_000 * step) as u64, Ordering::Relaxed);
        let output = pair.pull(&url, &["--delete", "--verify", "--tries", "1"]).run();
        if output.status.success() {
            break;
        }
        cut += 1;
        assert!(!output.stdout.contains("\ndone"), "{}", output.said());
    }
    println!("cut {cut} times");
    proxy.bytes_max.store(u64::MAX, Ordering::Relaxed);
    let _ = pair.pulled(&url, &["--delete"]);
    assert_same(&pair.contents_here(), &there);
    assert!(pair.contents_there().is_empty());
}

#[test]
fn changed_unique_ids_are_seen_through() {
    let mut pair = Pair::start(ServerKind::Dovecot);
    let messages = Corpus::new(seed()).messages(100, 5_000);
    pair.fill(&messages);
    let url = pair.url("pop3", pair.there.ports().pop3);
    let there = pair.contents_there();
    assert_eq!(pair.pulled(&url, &[]).fetched, 100);
    let config: PathBuf = pair.there.certificate_file().with_file_name("dovecot.conf");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}\npop3_uidl_format = changed-%08Xv-%08Xu\n")).unwrap();
    pair.there.restart();
    let pulled = pair.pulled(&url, &["--verify"]);
    assert_eq!(pulled, Counts { there: 100, fetched: 0, known: 100, removed_there: 0 });
    // They are remembered under their new ids.
    assert_eq!(pair.pulled(&url, &["--delete"]), Counts { there: 100, fetched: 0, known: 100, removed_there: 100 });
    assert_same(&pair.contents_here(), &there);
}

#[test]
fn what_cannot_be_done_is_said_with_what_to_do() {
    let pair = Pair::start(ServerKind::Postrider);
    let url = pair.url("pop3s", pair.there.ports().pop3s);
    let wrong = pair.pull(&url, &[]).env("POSTRIDER_PULL_PASSWORD", "wrong").run();
    assert_eq!(wrong.status.code(), Some(2), "{}", wrong.said());
    assert!(wrong.stderr.contains("hint: look at user name and password"), "{}", wrong.said());

    let into = pair.here.account("bob").address.clone();
    let config = pair.here.certificate_file().with_file_name("postrider.toml");
    let pull = |url: &str, more: &[&str]| {
        Program::new(POSTRIDER, &pair.here.home("pull"))
            .args(["--config", config.to_str().unwrap(), "pull", url, "--into", &into])
            .args(more)
            .env("POSTRIDER_PULL_PASSWORD", &pair.there.account("alice").password)
            .run()
    };
    let unknown = pull(&url, &[]).failure();
    let fingerprint = unknown.stderr.split("--fingerprint ").nth(1).unwrap_or_else(|| panic!("{}", unknown.said()));
    let fingerprint = fingerprint.split(';').next().unwrap().to_owned();
    let pinned = pull(&url, &["--fingerprint", &fingerprint, "--mailbox", "Other/Server"]).success();
    assert!(pinned.stdout.ends_with("done\n"), "{}", pinned.said());
    let other = "00".repeat(32);
    assert!(pull(&url, &["--fingerprint", &other]).failure().stderr.contains("was pinned"));

    for (url, more, part) in [
        ("mail.example.org", vec![], "pop3s://alice@mail.example.org"),
        ("imaps://a@example.org", vec!["--delete"], "by POP3 only"),
        ("pop3s://a@example.org", vec!["--mode", "mirror"], "are for IMAP"),
        ("pop3s://a@127.0.0.1:1", vec![], "does not accept connections"),
        (url.as_str(), vec!["--password-file", "/does/not/exist"], "cannot read /does/not/exist"),
    ] {
        let refused = pull(url, &more).failure();
        assert!(refused.stderr.contains(part), "{url}: {}", refused.said());
    }
}
