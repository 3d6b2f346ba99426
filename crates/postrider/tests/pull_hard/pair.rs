//! A server that mail is fetched from, with a proxy before it, and postrider, which gets it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use postrider_testkit::{
    Corpus, ImapClient, Program, Proxy, ServerKind, ServerUnderTest, program::Output, seed_from_environment,
    server::Account,
};
use serde_json::Value;

pub const POSTRIDER: &str = env!("CARGO_BIN_EXE_postrider");

/// Dovecot's other format; sdbox is the test kit's own.
pub const MAILDIR: &str = "\nmail_location = maildir:~/Maildir\n";

/// Where the randomness of a run comes from.
pub fn seed() -> u64 {
    seed_from_environment("POSTRIDER_PULL_SEED", 23)
}

/// A message's bytes and flags.
pub type Message = (Vec<u8>, BTreeSet<String>);

/// Messages by mailbox, sorted; mailboxes without messages are left out.
pub type Mail = BTreeMap<String, Vec<Message>>;

/// Messages of POP3, sorted.
pub type Contents = Vec<Vec<u8>>;

pub struct Pair {
    pub there: ServerUnderTest,
    pub here: ServerUnderTest,
    /// Before IMAP and before POP3 there.
    pub imap_proxy: Proxy,
    pub pop3_proxy: Proxy,
}

impl Pair {
    /// Dovecot with more settings, and postrider.
    pub fn dovecot(settings: &str) -> Self {
        Self::start(ServerKind::Dovecot, settings, "")
    }

    /// Both with more settings.
    pub fn start(kind: ServerKind, settings_there: &str, settings_here: &str) -> Self {
        let there = ServerUnderTest::start_with(kind, POSTRIDER, &["alice"], settings_there);
        let here = ServerUnderTest::start_with(ServerKind::Postrider, POSTRIDER, &["bob"], settings_here);
        let (imap_proxy, pop3_proxy) = (Proxy::start(there.ports().imap), Proxy::start(there.ports().pop3));
        Self { there, here, imap_proxy, pop3_proxy }
    }

    pub fn client_there(&self) -> ImapClient {
        ImapClient::login_to(self.there.ports().imap, self.there.account("alice")).unwrap()
    }

    pub fn client_here(&self) -> ImapClient {
        ImapClient::login_to(self.here.ports().imap, self.here.account("bob")).unwrap()
    }

    /// Puts varied messages with varied flags into mailboxes there; makes the mailboxes.
    pub fn fill(&self, corpus: &mut Corpus, mailboxes: &[(&str, usize)], size_bytes_max: usize) {
        const FLAGS: [&str; 5] = ["", "\\Seen", "\\Seen \\Answered", "$Forwarded \\Flagged", "\\Draft todo"];
        let mut client = self.client_there();
        for (mailbox, count) in mailboxes {
            // INBOX is there.
            let _ = client.command(&format!("CREATE \"{mailbox}\"")).unwrap();
            let messages = corpus.messages(*count, size_bytes_max);
            for (messages, flags) in messages.chunks(count / 7 + 1).zip(FLAGS.iter().cycle()) {
                assert_eq!(client.append(&format!("\"{mailbox}\""), flags, messages).unwrap().status, "OK");
            }
        }
    }

    /// The mail there by IMAP, through the proxy, in the clear.
    pub fn imap(&self) -> String {
        self.url("imap", self.imap_proxy.port())
    }

    /// The mail there by POP3, through the proxy, in the clear.
    pub fn pop3(&self) -> String {
        self.url("pop3", self.pop3_proxy.port())
    }

    fn url(&self, scheme: &str, port: u16) -> String {
        format!("{scheme}://{}@127.0.0.1:{port}?security=none", self.there.account("alice").address)
    }

    /// A cut connection ends the run, so that a test sees it, unless `more` has other `--tries`.
    fn arguments(&self, url: &str, more: &[&str]) -> Vec<String> {
        let config = self.here.configuration_file().display().to_string();
        let into = self.here.account("bob").address.clone();
        let tries: &[&str] = if more.contains(&"--tries") { &[] } else { &["--tries", "1"] };
        let arguments = ["--config", &config, "pull", url, "--into", &into];
        arguments.iter().chain(tries).chain(more).chain(&["--json"]).map(|argument| (*argument).to_owned()).collect()
    }

    /// Begins a run and does not wait for its end.
    pub fn begin(&self, url: &str, more: &[&str]) -> Child {
        let mut command = Command::new(POSTRIDER);
        command.args(self.arguments(url, more));
        command.env("POSTRIDER_PULL_PASSWORD", &self.there.account("alice").password);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// A whole run, however it ends.
    pub fn run(&self, url: &str, more: &[&str]) -> Output {
        Program::new(POSTRIDER, &self.here.home("pull"))
            .args(self.arguments(url, more))
            .env("POSTRIDER_PULL_PASSWORD", &self.there.account("alice").password)
            .run()
    }

    /// What a run did that must have been complete.
    pub fn pulled(&self, url: &str, more: &[&str]) -> Value {
        let answer: Value = serde_json::from_str(&self.run(url, more).success().stdout).unwrap();
        assert_eq!(answer["complete"], true, "{answer:#}");
        answer["outcome"].as_object().unwrap().values().next().unwrap().clone()
    }

    /// How many messages such a run fetched.
    pub fn fetched(&self, url: &str, more: &[&str]) -> u64 {
        self.pulled(url, more)["fetched"].as_u64().unwrap()
    }

    /// Says that the account here holds exactly what is there, flags included, and that the store is whole.
    pub fn assert_mirrored(&mut self) {
        let there = mail(&mut self.client_there());
        let here = mail(&mut self.client_here());
        assert!(!there.is_empty());
        assert_same(&here, &there);
        self.check();
    }

    /// Says that the store here is whole.
    pub fn check(&mut self) {
        self.here.stop();
        self.here.check_store();
        self.here.start_again();
    }
}

/// What an account holds, by IMAP.
pub fn mail(client: &mut ImapClient) -> Mail {
    let mut mail = Mail::new();
    let listed = client.ok("LIST \"\" *").untagged;
    for line in listed.iter().map(|line| String::from_utf8_lossy(line)) {
        let Some((_, name)) = line.split_once("\"/\" ").filter(|_| !cannot_be_selected(&line)) else { continue };
        let examined = client.ok(&format!("EXAMINE {name}"));
        if examined.untagged.contains(&b"0 EXISTS".to_vec()) {
            continue;
        }
        let flags = client.uids_and_flags();
        let mut messages: Vec<Message> =
            client.raw_messages().into_iter().map(|(uid, raw)| (raw, flags[&uid].clone())).collect();
        messages.sort();
        mail.insert(name.trim_matches('"').to_owned(), messages);
    }
    mail
}

fn cannot_be_selected(listed: &str) -> bool {
    let listed = listed.to_ascii_lowercase();
    listed.contains("\\noselect") || listed.contains("\\nonexistent")
}

/// Compares without printing whole messages.
#[track_caller]
pub fn assert_same(here: &Mail, there: &Mail) {
    let sizes = |mail: &Mail| mail.iter().map(|(name, messages)| (name.clone(), messages.len())).collect::<Vec<_>>();
    assert_eq!(sizes(here), sizes(there), "messages by mailbox, here and there");
    for (name, messages) in there {
        for (one, other) in here[name].iter().zip(messages) {
            if one.0 != other.0 {
                let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(600)]).into_owned();
                panic!("{name}: a message differs\n--- here\n{}\n--- there\n{}", shown(&one.0), shown(&other.0));
            }
            assert_eq!(one.1, other.1, "{name}: flags");
        }
    }
}

/// How many of `wanted` are not in `found`, and how many more are there than wanted; both sorted.
pub fn difference(found: &[Vec<u8>], wanted: &[Vec<u8>]) -> (usize, usize) {
    let count = |messages: &[Vec<u8>]| {
        let mut counts = BTreeMap::<Vec<u8>, isize>::new();
        for message in messages {
            *counts.entry(message.clone()).or_default() += 1;
        }
        counts
    };
    let (found, wanted) = (count(found), count(wanted));
    let beyond = |one: &BTreeMap<Vec<u8>, isize>, other: &BTreeMap<Vec<u8>, isize>| {
        let more = one.iter().map(|(message, count)| count - other.get(message).unwrap_or(&0));
        usize::try_from(more.filter(|more| *more > 0).sum::<isize>()).unwrap()
    };
    (beyond(&wanted, &found), beyond(&found, &wanted))
}

/// What one mailbox holds, without flags.
pub fn contents(client: &mut ImapClient, mailbox: &str) -> Contents {
    let examined = client.ok(&format!("EXAMINE {mailbox}"));
    if examined.untagged.contains(&b"0 EXISTS".to_vec()) {
        return Contents::new();
    }
    client.raw_messages().into_values().collect()
}

/// What a mailbox here holds, NUL bytes included: BODY[] may not have any, so we give `?` there (RFC 9051 §4.3.1).
pub fn exact_contents(client: &mut ImapClient, mailbox: &str) -> Contents {
    client.ok(&format!("EXAMINE {mailbox}"));
    let fetched = client.ok("UID FETCH 1:* (BINARY.PEEK[])").fetches();
    fetched.into_iter().map(|mut fetch| fetch.items.remove("BINARY[]").unwrap()).collect()
}

/// Puts files, each under the name that `name` gives it, into a Maildir of Dovecot's, where no protocol has a say in what
/// they hold.
pub fn put_files(pair: &Pair, files: impl IntoIterator<Item = Vec<u8>>, name: impl Fn(usize, &[u8]) -> String) {
    let home = pair.there.data_folder("alice");
    let maildir = home.join("Maildir");
    for folder in ["cur", "new", "tmp"] {
        fs::create_dir_all(maildir.join(folder)).unwrap();
    }
    for (number, content) in files.into_iter().enumerate() {
        fs::write(maildir.join("cur").join(name(number, &content)), content).unwrap();
    }
    give_to_dovecot(&home);
}

/// Puts messages into an mbox file of Dovecot's: by far the fastest way to very many.
pub fn put_mbox(pair: &Pair, messages: impl IntoIterator<Item = Vec<u8>>) {
    const STATUS: [&str; 4] = ["", "Status: RO\r\n", "Status: RO\r\nX-Status: A\r\n", "X-Status: F\r\n"];
    let home = pair.there.data_folder("alice");
    let mut mbox = Vec::new();
    for (number, message) in messages.into_iter().enumerate() {
        mbox.extend_from_slice(b"From sender@corpus.example Fri May  1 10:00:00 2026\r\n");
        mbox.extend_from_slice(STATUS[number % 4].as_bytes());
        mbox.extend_from_slice(&message);
        mbox.extend_from_slice(b"\r\n");
    }
    fs::create_dir_all(home.join("mail")).unwrap();
    fs::write(home.join("inbox"), mbox).unwrap();
    give_to_dovecot(&home);
}

/// Dovecot's processes that keep mail are not root.
fn give_to_dovecot(folder: &Path) {
    assert!(Command::new("chown").args(["-R", "mail:mail"]).arg(folder).status().unwrap().success());
}

pub fn alice(pair: &Pair) -> &Account {
    pair.there.account("alice")
}
