//! A day of a mail server: mail comes in, one account's is taken away by POP3, another's is read by three IMAP
//! programs at once whose flags stay in step.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test, a failed expectation is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use postrider_testkit::maildir::{self, assert_same_bodies, body, message_id};
use postrider_testkit::{Corpus, ImapClient, LmtpClient, Program, ServerUnderTest};

/// Sends a message to a recipient: by submission as alice where the server has it, else by LMTP.
fn send(server: &ServerUnderTest, home: &Path, recipient: &str, message: &[u8]) {
    if !server.kind().receives_by_smtp() {
        return LmtpClient::of(server).deliver(&[recipient], message).unwrap();
    }
    fs::write(home.join("message.eml"), message).unwrap();
    let alice = server.account("alice");
    let _ = Program::new("curl", home)
        .args(["--silent", "--show-error", "--ipv4", "--ssl-reqd", "--cacert"])
        .arg(server.certificate_file())
        .args(["--user", &format!("{}:{}", alice.address, alice.password), "--mail-from", &alice.address])
        .args(["--mail-rcpt", recipient, "--upload-file", "message.eml"])
        .arg(format!("smtps://localhost:{}/client.example", server.ports().submissions))
        .run()
        .success();
}

fn write_fetchmail_configuration(server: &ServerUnderTest, home: &Path, local: &str) {
    let account = server.account(local);
    let text = format!(
        "poll localhost protocol pop3 port {port}\nuser \"{user}\" password \"{password}\" ssl sslcertck \
         sslcertfile \"{certificate}\" no keep fetchall no rewrite\nmda \"sh {home}/deliver.sh\"\n",
        port = server.ports().pop3s,
        user = account.address,
        password = account.password,
        certificate = server.certificate_file().display(),
        home = home.display(),
    );
    fs::write(home.join("fetchmailrc"), text).unwrap();
    fs::write(home.join("deliver.sh"), format!("exec cat > \"$(mktemp {}/got/XXXXXXXX)\"\n", home.display())).unwrap();
    fs::create_dir_all(home.join("got")).unwrap();
    fs::set_permissions(home.join("fetchmailrc"), fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn mail_is_sent_and_taken_away_by_pop3() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice", "bob"]);
    let home = server.home("story");
    let bob = server.account("bob").address.clone();
    let messages = Corpus::new(23).messages(10, 40_000);
    for message in &messages {
        send(&server, &home, &bob, message);
    }
    write_fetchmail_configuration(&server, &home, "bob");
    let _ = Program::new("fetchmail", &home).args(["-f", "fetchmailrc", "--nodetach", "--nosyslog"]).run().success();
    let got: BTreeMap<_, _> = fs::read_dir(home.join("got"))
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .map(|raw| (message_id(&raw), body(&raw)))
        .collect();
    let sent = messages.iter().map(|message| (message_id(message), body(message))).collect();
    assert_same_bodies(&got, &sent);
    let mut client = ImapClient::of(&server, "bob");
    client.ok("SELECT INBOX");
    assert!(client.uids_and_flags().is_empty(), "taken away is gone");
}

/// A program that keeps a Maildir folder and the account's INBOX the same.
struct Reader {
    name: &'static str,
    home: PathBuf,
    inbox: PathBuf,
}

impl Reader {
    fn synchronise(&self) {
        let program = Program::new(self.name, &self.home);
        let program = match self.name {
            "mbsync" => program.args(["-c", "configuration", "-a"]),
            _ => program.args(["-c", "configuration", "-o"]),
        };
        let _ = program.run().success();
    }

    fn new(server: &ServerUnderTest, name: &'static str, number: u32) -> Self {
        let home = server.home(&format!("{name}-{number}"));
        let carol = server.account("carol");
        let (port, certificate) = (server.ports().imaps, server.certificate_file());
        let text = match name {
            "mbsync" => format!(
                "IMAPAccount server\nHost localhost\nPort {port}\nUser {}\nPass {}\nSSLType IMAPS\n\
                 CertificateFile {}\n\nIMAPStore remote\nAccount server\n\nMaildirStore local\nSubFolders Verbatim\n\
                 Path {home}/Mail/\nInbox {home}/Mail/INBOX\n\n\
                 Channel all\nFar :remote:\nNear :local:\nPatterns INBOX\nCreate Both\nExpunge Both\nSyncState *\n",
                carol.address,
                carol.password,
                certificate.display(),
                home = home.display(),
            ),
            _ => format!(
                "[general]\naccounts = test\nmetadata = {home}/metadata\nui = quiet\n\n\
                 [Account test]\nlocalrepository = local\nremoterepository = remote\n\n\
                 [Repository local]\ntype = Maildir\nlocalfolders = {home}/Mail\n\n\
                 [Repository remote]\ntype = IMAP\nremotehost = localhost\nremoteport = {port}\nremoteuser = {}\n\
                 remotepass = {}\nssl = yes\nsslcacertfile = {}\nfolderfilter = lambda name: name == 'INBOX'\n",
                carol.address,
                carol.password,
                certificate.display(),
                home = home.display(),
            ),
        };
        fs::write(home.join("configuration"), text).unwrap();
        fs::create_dir_all(home.join("Mail")).unwrap();
        Self { name, inbox: home.join("Mail/INBOX"), home }
    }

    /// Sets the flag letters of one message.
    fn mark(&self, id: &str, letters: &str) {
        let messages = maildir::read(&self.inbox);
        let message = messages.iter().find(|message| message_id(&message.raw) == id);
        maildir::set_letters(message.unwrap_or_else(|| panic!("{} does not have {id}", self.name)), letters);
    }
}

#[test]
fn three_programs_read_one_account_with_their_flags_in_step() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice", "carol"]);
    let home = server.home("story");
    let address = server.account("carol").address.clone();
    let mut corpus = Corpus::new(24);
    let readers =
        [Reader::new(&server, "mbsync", 1), Reader::new(&server, "offlineimap", 2), Reader::new(&server, "mbsync", 3)];
    let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut ids = Vec::new();
    for round in 0..2 {
        for message in corpus.messages(6, 20_000) {
            send(&server, &home, &address, &message);
            ids.push(message_id(&message));
            expected.insert(message_id(&message), BTreeSet::new());
        }
        synchronise_all(&readers);
        // Each program marks messages of its own, and all of them bring that to the server at the same time.
        let marks = [("S", "\\seen"), ("F", "\\flagged"), ("R", "\\answered")];
        for ((reader, (letters, flag)), id) in readers.iter().zip(marks).zip(ids.iter().rev()) {
            reader.mark(id, letters);
            expected.get_mut(id).unwrap().insert(flag.to_owned());
        }
        // Mail comes in meanwhile.
        let message = corpus.message(5000);
        send(&server, &home, &address, &message);
        ids.push(message_id(&message));
        expected.insert(message_id(&message), BTreeSet::new());
        synchronise_all(&readers);
        synchronise_all(&readers);
        let mut client = ImapClient::of(&server, "carol");
        client.ok("EXAMINE INBOX");
        let flags = client.uids_and_flags();
        let remote: BTreeMap<_, _> =
            client.raw_messages().iter().map(|(uid, raw)| (message_id(raw), flags[uid].clone())).collect();
        assert_eq!(remote, expected, "the server, round {round}");
        for reader in &readers {
            assert_eq!(maildir::identities(&reader.inbox), expected, "{}, round {round}", reader.name);
        }
    }
}

/// All at the same time.
fn synchronise_all(readers: &[Reader]) {
    thread::scope(|scope| {
        for reader in readers {
            scope.spawn(|| reader.synchronise());
        }
    });
}
