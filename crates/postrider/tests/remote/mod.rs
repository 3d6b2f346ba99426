//! What the tests of fetching from other servers share: a server that mail is fetched from, postrider, and what both hold as
//! an IMAP client sees it, under names that do not depend on how a server writes them.

pub mod disturb;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use postrider_testkit::{
    Corpus, ImapClient, Program, ServerKind, ServerUnderTest, program::Output, seed_from_environment, server::Account,
};
use serde_json::Value;

pub const POSTRIDER: &str = env!("CARGO_BIN_EXE_postrider");

/// How long something that has to come about may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Flags that messages get, in turn.
const FLAGS: [&str; 5] = ["", "\\Seen", "\\Seen \\Answered", "$Forwarded \\Flagged", "\\Draft todo"];

/// Where the randomness of a run comes from.
pub fn seed() -> u64 {
    seed_from_environment("POSTRIDER_PULL_SEED", 31)
}

/// A message's bytes, flags and date.
pub type Message = (Vec<u8>, BTreeSet<String>, String);

/// Messages by mailbox, sorted; mailboxes without messages are left out.
pub type Mail = BTreeMap<String, Vec<Message>>;

/// How a server writes names of mailboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    /// What stands before all names but INBOX.
    pub prefix: &'static str,
    pub separator: char,
}

impl Names {
    /// As postrider, Dovecot, and Cyrus write them unless told otherwise.
    pub const PLAIN: Self = Self { prefix: "", separator: '/' };
    /// As Courier writes them, and Cyrus did.
    pub const BELOW_INBOX: Self = Self { prefix: "INBOX.", separator: '.' };

    /// How a name with `/` between levels is written there.
    pub fn there(self, name: &str) -> String {
        if name == "INBOX" {
            name.to_owned()
        } else {
            self.prefix.to_owned() + &name.replace('/', &self.separator.to_string())
        }
    }

    fn common(self, name: &str) -> String {
        if name == "INBOX" {
            return name.to_owned();
        }
        let rest = name.strip_prefix(self.prefix).unwrap_or_else(|| panic!("{name} has no {}", self.prefix));
        rest.replace(self.separator, "/")
    }
}

/// The server that mail is fetched from, and the one that gets it.
pub struct Pair {
    pub there: ServerUnderTest,
    pub here: ServerUnderTest,
    pub names: Names,
}

impl Pair {
    pub fn start(kind: ServerKind, names: Names, settings: &str) -> Self {
        let there = ServerUnderTest::start_with(kind, POSTRIDER, &["alice"], settings);
        let here = ServerUnderTest::start_kind(ServerKind::Postrider, POSTRIDER, &["bob"]);
        Self { there, here, names }
    }

    pub fn client_there(&self) -> ImapClient {
        ImapClient::of(&self.there, "alice")
    }

    pub fn client_here(&self) -> ImapClient {
        ImapClient::of(&self.here, "bob")
    }

    /// Puts varied messages with varied flags and dates into mailboxes there; makes the mailboxes.
    pub fn fill(&self, mailboxes: &[(&str, usize)]) {
        let mut client = self.client_there();
        let mut corpus = Corpus::new(seed());
        for (name, count) in mailboxes {
            let name = self.names.there(name);
            // INBOX is there.
            let _ = client.command(&format!("CREATE \"{name}\"")).unwrap();
            append(&mut client, &name, &corpus.messages(*count, 30_000));
        }
    }

    /// The mail there by IMAP in TLS.
    pub fn imaps(&self) -> String {
        self.url("imaps", self.there.ports().imaps)
    }

    pub fn url(&self, scheme: &str, port: u16) -> String {
        format!("{scheme}://{}@127.0.0.1:{port}", self.there.account("alice").address)
    }

    /// A whole run, however it ends.
    pub fn run(&self, url: &str, more: &[&str]) -> Output {
        let (config, certificate) = (self.here.configuration_file(), self.there.certificate_file());
        Program::new(POSTRIDER, &self.here.home("pull"))
            .args(["--config", config.to_str().unwrap(), "pull", url, "--into", &self.here.account("bob").address])
            .args(["--ca-file", certificate.to_str().unwrap(), "--json"])
            .args(more)
            .env("POSTRIDER_PULL_PASSWORD", &self.there.account("alice").password)
            .run()
    }

    /// What a run did that must have been complete.
    #[track_caller]
    pub fn pulled(&self, url: &str, more: &[&str]) -> Value {
        let output = self.run(url, more).success();
        let answer: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(answer["complete"], true, "{answer:#}");
        answer["outcome"].as_object().unwrap().values().next().unwrap().clone()
    }

    /// How many messages such a run fetched.
    #[track_caller]
    pub fn fetched(&self, url: &str, more: &[&str]) -> u64 {
        self.pulled(url, more)["fetched"].as_u64().unwrap()
    }

    pub fn mail_there(&self) -> Mail {
        mail(&mut self.client_there(), self.names)
    }

    pub fn mail_here(&self) -> Mail {
        mail(&mut self.client_here(), Names::PLAIN)
    }

    /// Says that the account here holds exactly what is there, with flags and dates.
    #[track_caller]
    pub fn assert_same(&self, when: &str) {
        let there = self.mail_there();
        assert!(!there.is_empty());
        assert_same(&self.mail_here(), &there, when);
    }

    /// Says that the store here is whole.
    pub fn check(&mut self) {
        self.here.stop();
        self.here.check_store();
        self.here.start_again();
    }
}

/// Copies the mail of one server's `alice` to another's `bob`.
pub fn migrate(old: &ServerUnderTest, new: &ServerUnderTest, more: &[&str]) -> Output {
    let url = |server: &ServerUnderTest, account: &Account| {
        format!("imaps://{}@127.0.0.1:{}", account.address, server.ports().imaps)
    };
    let (alice, bob) = (old.account("alice"), new.account("bob"));
    let (from, to) = (url(old, alice), url(new, bob));
    let state = new.home("state");
    Program::new(POSTRIDER, &new.home("migrate"))
        .args(["migrate", &from, &to, "--json", "--state", state.to_str().unwrap()])
        .args(["--from-ca-file", old.certificate_file().to_str().unwrap()])
        .args(["--to-ca-file", new.certificate_file().to_str().unwrap()])
        .args(more)
        .env("POSTRIDER_MIGRATE_FROM_PASSWORD", &alice.password)
        .env("POSTRIDER_MIGRATE_TO_PASSWORD", &bob.password)
        .run()
}

/// How many messages a migration copied that must have been complete.
#[track_caller]
pub fn migrated(old: &ServerUnderTest, new: &ServerUnderTest, more: &[&str]) -> u64 {
    let answer: Value = serde_json::from_str(&migrate(old, new, more).success().stdout).unwrap();
    answer["copied"].as_u64().unwrap_or_else(|| panic!("{answer:#}"))
}

/// Appends messages with varied flags and dates, which differ by zone, too.
#[track_caller]
pub fn append(client: &mut ImapClient, mailbox: &str, messages: &[Vec<u8>]) {
    for (number, message) in messages.iter().enumerate() {
        let flags = FLAGS[number / 3 % FLAGS.len()];
        let (day, year, zone) = (number % 28 + 1, number % 20, number % 4);
        let date = format!("{day:2}-Feb-20{year:02} 0{}:1{}:59 +0{zone}30", number % 9, number % 6);
        let command = format!("APPEND \"{mailbox}\" ({flags}) \"{date}\"");
        let answer = client.command_with_literal(&command, message).unwrap();
        assert_eq!(answer.status, "OK", "{}", answer.text);
    }
}

/// What an account holds.
pub fn mail(client: &mut ImapClient, names: Names) -> Mail {
    let mut mail = Mail::new();
    for name in mailboxes(client) {
        let messages = messages(client, &name);
        if !messages.is_empty() {
            mail.insert(names.common(&name), messages);
        }
    }
    mail
}

/// What a mailbox holds.
pub fn messages(client: &mut ImapClient, name: &str) -> Vec<Message> {
    let selected = client.ok(&format!("EXAMINE \"{name}\""));
    if selected.untagged.contains(&b"0 EXISTS".to_vec()) {
        return Vec::new();
    }
    let (flags, raw) = (client.uids_and_flags(), client.raw_messages());
    let dated = client.ok("UID FETCH 1:* (INTERNALDATE)").fetches();
    let dates: BTreeMap<u32, String> = dated.iter().map(|fetch| (fetch.uid().unwrap(), date(&fetch.items))).collect();
    let mut messages: Vec<Message> =
        raw.into_iter().map(|(uid, raw)| (raw, flags[&uid].clone(), dates[&uid].clone())).collect();
    messages.sort();
    messages
}

fn date(items: &BTreeMap<String, Vec<u8>>) -> String {
    // A day of one digit has a space before it, or a zero.
    format!("{:0>26}", String::from_utf8_lossy(&items["INTERNALDATE"]).trim())
}

/// The names of all mailboxes that can be selected, as they are written there.
pub fn mailboxes(client: &mut ImapClient) -> Vec<String> {
    let listed = client.ok("LIST \"\" *").untagged;
    let names = listed.iter().filter_map(|line| {
        let line = String::from_utf8_lossy(line).into_owned();
        let (attributes, rest) = line.strip_prefix("LIST (")?.split_once(") \"")?;
        let attributes = attributes.to_ascii_lowercase();
        let cannot_be_selected = attributes.contains("\\noselect") || attributes.contains("\\nonexistent");
        (!cannot_be_selected).then(|| rest[3..].trim_matches('"').to_owned())
    });
    names.collect()
}

/// Compares without printing whole messages.
#[track_caller]
pub fn assert_same(here: &Mail, there: &Mail, when: &str) {
    let sizes = |mail: &Mail| mail.iter().map(|(name, messages)| (name.clone(), messages.len())).collect::<Vec<_>>();
    assert_eq!(sizes(here), sizes(there), "{when}: messages by mailbox, here and there");
    for (name, messages) in there {
        for (one, other) in here[name].iter().zip(messages) {
            if one.0 != other.0 {
                let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(600)]).into_owned();
                panic!(
                    "{when}: {name}: a message differs\n--- here\n{}\n--- there\n{}",
                    shown(&one.0),
                    shown(&other.0)
                );
            }
            assert_eq!((&one.1, &one.2), (&other.1, &other.2), "{when}: {name}: flags and date");
        }
    }
}

/// Lets the server here work through an entry that fetches when the server there tells of news, and says that it does.
pub fn hears_of_new_mail(pair: &mut Pair) {
    append(&mut pair.client_there(), "INBOX", &Corpus::new(1).messages(2, 2_000));
    pair.here.stop();
    let (certificate, url) = (pair.there.certificate_file(), pair.imaps());
    fs::write(pair.here.home("passwords").join("alice"), &pair.there.account("alice").password).unwrap();
    pair.here.configure(&format!(
        "\n[schedule]\nstart_within = \"0s\"\n\n[[pull]]\nname = \"news\"\nurl = \"{url}\"\ninto = \"bob@example.test\"\n\
         password_file = \"home/passwords/alice\"\nca_file = {certificate:?}\nevery = \"1d\"\npush = true\n"
    ));
    pair.here.start_again();
    let config = pair.here.configuration_file();
    let told = |name: &str| {
        let status = Program::new(POSTRIDER, &pair.here.home("pull"));
        let status = status.args(["--config", config.to_str().unwrap(), "pull", "status", "--json"]).run().success();
        let value = status.stdout.split(&format!("\"{name}\": ")).nth(1).unwrap_or_default();
        value.split('\n').next().unwrap_or_default().trim_end_matches(',').trim_matches('"').to_owned()
    };
    let here = || messages(&mut pair.client_here(), "INBOX").len();
    until("the first run", (2, String::from("inbox")), || (here(), told("push")));
    // Nothing but what it is told of begins a run now.
    append(&mut pair.client_there(), "INBOX", &Corpus::new(2).messages(3, 2_000));
    until("mail that was told of", 5, here);
    assert_eq!(told("failures"), "0");
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

/// Says that these are the same messages, both sorted.
#[track_caller]
pub fn assert_same_contents(here: &[Vec<u8>], there: &[Vec<u8>]) {
    let lengths = |messages: &[Vec<u8>]| messages.iter().map(Vec::len).sum::<usize>();
    assert_eq!((here.len(), lengths(here)), (there.len(), lengths(there)), "messages, octets");
    for (one, other) in here.iter().zip(there) {
        assert!(
            one == other,
            "--- here\n{}\n--- there\n{}",
            String::from_utf8_lossy(one),
            String::from_utf8_lossy(other)
        );
    }
}

/// Fetches everything by POP3 with the simplest of clients; sorted.
pub fn pop3_contents(server: &ServerUnderTest) -> Vec<Vec<u8>> {
    let account = server.account("alice");
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", server.ports().pop3)).unwrap());
    let say = |stream: &mut BufReader<TcpStream>, command: &str| {
        stream.get_mut().write_all(command.as_bytes()).unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        // Not everybody knows UTF8 (RFC 6856), but who does gives messages as they are only to who says it.
        assert!(line.starts_with("+OK") || command == "UTF8\r\n", "{command}: {line}");
        line
    };
    let _ = say(&mut stream, "");
    let _ = say(&mut stream, "UTF8\r\n");
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
    messages.sort();
    messages
}
