//! Courier IMAP as the other server: names below `INBOX.`, no CONDSTORE, numbers of its own ways.
//!
//! Debian lets one IMAP server be installed at a time, and that is Dovecot. So Courier is only unpacked, and runs without its
//! login, which has fixed paths: its `imapd` greets with PREAUTH, and what stands here before it plays the login.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use postrider_testkit::{Corpus, ImapClient};

use crate::pair::{Pair, alice, seed};

/// What is unpacked.
const PACKAGES: [&str; 4] = ["courier-imap", "courier-authlib", "libcourier-unicode4", "libgamin0"];
/// Names there and here.
const MAILBOXES: [(&str, &str); 4] =
    [("INBOX", "INBOX"), ("INBOX.Work", "Work"), ("INBOX.Work.2026", "Work/2026"), ("INBOX.Trash", "Trash")];

/// Courier's programs, unpacked once for all runs of the tests.
fn programs() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("courier");
    if folder.join("usr/bin/imapd").exists() {
        return folder;
    }
    let fresh = folder.with_extension("new");
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh).unwrap();
    let download = Command::new("apt-get").arg("download").args(PACKAGES).current_dir(&fresh).output().unwrap();
    assert!(download.status.success(), "apt-get download {}: {download:?}", PACKAGES.join(" "));
    for package in fs::read_dir(&fresh).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>() {
        let unpacked = Command::new("dpkg-deb").arg("--extract").arg(package).arg(&fresh).status().unwrap();
        assert!(unpacked.success());
    }
    fs::rename(&fresh, &folder).unwrap();
    folder
}

/// Starts Courier over a folder with a Maildir; gives its port.
fn start(home: &Path) -> u16 {
    let (programs, home) = (programs(), home.to_owned());
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let mut courier = Command::new(programs.join("usr/bin/imapd"));
            courier.arg("Maildir").current_dir(&home);
            courier.env("LD_LIBRARY_PATH", format!("{0}/usr/lib:{0}/usr/lib/x86_64-linux-gnu", programs.display()));
            courier.env("IMAP_CAPABILITY", "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE QUOTA IDLE").env("IMAP_KEYWORDS", "1");
            courier.env("MAILDIR", "Maildir").env("AUTHENTICATED", "alice").env("IMAP_USELOCKS", "0");
            thread::spawn(move || {
                // The client that goes away is no failure.
                let _ = serve(client, courier);
            });
        }
    });
    port
}

fn serve(client: TcpStream, mut courier: Command) -> io::Result<()> {
    let mut child = courier.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let (mut to_courier, mut from_courier) =
        (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut line = String::new();
    while !line.starts_with("* PREAUTH") {
        line.clear();
        assert!(from_courier.read_line(&mut line)? > 0, "Courier ended at its start");
    }
    let mut from_client = BufReader::new(client.try_clone()?);
    log_in(&mut from_client, &client)?;
    let upwards = thread::spawn(move || pass_on(&mut from_client, &mut to_courier));
    let _ = pass_on(&mut from_courier, &mut &client);
    let _ = client.shutdown(std::net::Shutdown::Both);
    let _ = upwards.join();
    child.wait().map(drop)
}

/// Plays a login that believes everybody.
fn log_in(client: &mut impl io::BufRead, mut answers: &TcpStream) -> io::Result<()> {
    answers.write_all(b"* OK Courier-IMAP ready.\r\n")?;
    loop {
        let mut line = String::new();
        if client.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut words = line.split_whitespace();
        let (tag, command) = (words.next().unwrap_or("*"), words.next().unwrap_or_default().to_ascii_uppercase());
        match command.as_str() {
            "LOGIN" => return answers.write_all(format!("{tag} OK LOGIN Ok.\r\n").as_bytes()),
            "CAPABILITY" => {
                let text = format!("* CAPABILITY IMAP4rev1 NAMESPACE UIDPLUS\r\n{tag} OK CAPABILITY completed\r\n");
                answers.write_all(text.as_bytes())?;
            }
            _ => answers.write_all(format!("{tag} BAD Log in first\r\n").as_bytes())?,
        }
    }
}

/// As `io::copy`, but at once.
fn pass_on(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut block = vec![0; 1 << 16];
    loop {
        match from.read(&mut block)? {
            0 => return Ok(()),
            count => to.write_all(&block[..count])?,
        }
    }
}

/// Fills a Maildir with folders, as Courier keeps it.
fn fill(home: &Path) {
    const LETTERS: [&str; 5] = ["", "S", "RS", "F", "DS"];
    let mut corpus = Corpus::new(seed());
    for (position, (name, _)) in MAILBOXES.iter().enumerate() {
        let folder = home.join("Maildir").join(name.strip_prefix("INBOX").unwrap());
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        if position > 0 {
            fs::write(folder.join("maildirfolder"), "").unwrap();
        }
        for (number, message) in corpus.messages(120 / (position + 1), 30_000).into_iter().enumerate() {
            let text: Vec<u8> = message.into_iter().filter(|byte| *byte != b'\r').collect();
            let file = format!("{}.M{number}P1.there:2,{}", 1_700_000_000 + number, LETTERS[number % 5]);
            fs::write(folder.join("cur").join(file), text).unwrap();
        }
    }
}

fn assert_mirrored(pair: &Pair, there: &mut ImapClient) {
    let mut here = pair.client_here();
    for (name_there, name_here) in MAILBOXES {
        let messages = |client: &mut ImapClient, name: &str| {
            let _ = client.ok(&format!("EXAMINE {name}"));
            let flags = client.uids_and_flags();
            let raw = client.raw_messages();
            let mut messages: Vec<_> = raw.into_iter().map(|(uid, raw)| (raw, flags[&uid].clone())).collect();
            messages.sort();
            messages
        };
        let (theirs, mine) = (messages(there, name_there), messages(&mut here, name_here));
        assert!(!theirs.is_empty() && theirs == mine, "{name_there}: {} there, {} here", theirs.len(), mine.len());
    }
}

#[test]
fn a_mirror_of_courier_is_exact_and_follows_changes() {
    let mut pair = Pair::dovecot("");
    let home = pair.there.home("courier");
    fill(&home);
    let port = start(&home);
    let url = format!("imap://{}@127.0.0.1:{port}?security=none", alice(&pair).address);
    // Courier keeps the numbers that it gave when a mailbox is opened for writing, as every mail program does. Before, each
    // EXAMINE tells another UIDVALIDITY: then nothing is verified, and a run says so, but all mail comes.
    let early = pair.run(&url, &["--mode", "mirror", "--include", "INBOX", "--verify=content"]);
    assert!(early.status.success() || early.stdout.contains("numbered anew"), "{}", early.said());
    let mut there = ImapClient::login_to(port, alice(&pair)).unwrap();
    for (name, _) in MAILBOXES {
        let _ = there.ok(&format!("SELECT {name}"));
    }
    let fetched = pair.fetched(&url, &["--mode", "mirror", "--verify=content"]);
    // INBOX under its new number is not stored twice, whether it was received once more or not.
    assert!((130..=250).contains(&fetched), "{fetched}");
    assert_mirrored(&pair, &mut there);
    assert_eq!(pair.fetched(&url, &["--mode", "mirror"]), 0);
    let _ = there.ok("SELECT INBOX");
    let _ = there.ok("UID STORE 1:30 +FLAGS.SILENT (\\Answered todo)");
    let _ = there.ok("UID STORE 40:60 -FLAGS.SILENT (\\Seen)");
    let _ = there.ok("UID COPY 1:5 INBOX.Work");
    let _ = there.ok("UID STORE 11:15 +FLAGS.SILENT (\\Deleted)");
    let _ = there.ok("EXPUNGE");
    println!("fetched after the changes: {}", pair.fetched(&url, &["--mode", "mirror", "--verify"]));
    assert_mirrored(&pair, &mut there);
    pair.check();
}
