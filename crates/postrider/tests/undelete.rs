//! Mail that was deleted by mistake comes back, byte for byte, whichever way it went: through the real program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
};

use postrider_testkit::{Corpus, ImapClient, ServerKind, ServerUnderTest};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_postrider");

fn start(settings: &str) -> ServerUnderTest {
    ServerUnderTest::start_with(ServerKind::Postrider, BINARY, &["anna"], settings)
}

/// Runs the command line, beside the server or without one.
fn run(server: &ServerUnderTest, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(BINARY);
    command.arg("--config").arg(server.configuration_file()).args(arguments).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn done(server: &ServerUnderTest, arguments: &[&str]) -> String {
    let (status, stdout, stderr) = run(server, arguments);
    assert_eq!(status, Some(0), "{stdout}{stderr}");
    stdout
}

#[track_caller]
fn undelete(server: &ServerUnderTest, more: &[&str]) -> Value {
    let address = &server.account("anna").address;
    serde_json::from_str(&done(server, &[&["undelete", address, "--json"], more].concat())).unwrap()
}

fn corpus(seed: u64, count: usize) -> Vec<Vec<u8>> {
    Corpus::new(seed).messages(count, 20_000)
}

/// The messages of a mailbox, in whatever order, and the flags of each but `\Recent`.
fn contents(server: &ServerUnderTest, mailbox: &str) -> BTreeMap<Vec<u8>, BTreeSet<String>> {
    let mut client = ImapClient::of(server, "anna");
    client.ok(&format!("EXAMINE {mailbox}"));
    let flags = client.uids_and_flags();
    let raw = client.raw_messages().into_iter();
    raw.map(|(uid, raw)| (raw, flags[&uid].iter().filter(|flag| *flag != "\\Recent").cloned().collect())).collect()
}

/// Deletes the first `count` messages by POP3.
fn delete_by_pop3(server: &ServerUnderTest, count: usize) {
    let stream = TcpStream::connect(("127.0.0.1", server.ports().pop3)).unwrap();
    let mut lines = BufReader::new(stream);
    let account = server.account("anna");
    let mut commands = vec![format!("USER {}", account.address), format!("PASS {}", account.password)];
    commands.extend((1..=count).map(|number| format!("DELE {number}")));
    commands.push("QUIT".to_owned());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    for command in commands {
        lines.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        line.clear();
        lines.read_line(&mut line).unwrap();
        assert!(line.starts_with("+OK"), "{command}: {line}");
    }
}

fn bytes_below(folder: &Path) -> u64 {
    let sizes = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        if entry.path().is_dir() { bytes_below(&entry.path()) } else { entry.metadata().unwrap().len() }
    });
    sizes.sum()
}

#[test]
fn what_was_deleted_in_any_way_comes_back_byte_for_byte_and_survives_a_kill() {
    let mut server = start("");
    let (first, second, third) = (corpus(1, 20), corpus(2, 10), corpus(3, 15));
    let mut client = ImapClient::of(&server, "anna");
    client.append("INBOX", "\\Seen $Work", &first).unwrap();
    client.append("INBOX", "", &second).unwrap();
    client.ok("CREATE Projects/Tower");
    client.append("Projects/Tower", "\\Flagged", &third).unwrap();
    let before = (contents(&server, "INBOX"), contents(&server, "Projects/Tower"));

    client.ok("SELECT INBOX");
    client.ok("STORE 11:30 +FLAGS (\\Deleted)");
    client.ok("EXPUNGE");
    client.ok("CLOSE");
    client.ok("DELETE Projects/Tower");
    delete_by_pop3(&server, 10);
    assert!(contents(&server, "INBOX").is_empty());
    let list = undelete(&server, &["--list"]);
    assert_eq!((list["messages"].as_u64(), list["list"].as_array().unwrap().len()), (Some(45), 45));
    server.kill9();
    server.start_again();

    let planned = undelete(&server, &["--dry-run", "--last", "1h"]);
    assert_eq!(planned["mailboxes"]["INBOX"], 30);
    assert_eq!(planned["mailboxes"]["Projects/Tower"], 15);
    let back = undelete(&server, &["--all"]);
    assert_eq!(back["messages"], 45);
    assert_eq!(back["mailboxes"], planned["mailboxes"]);
    assert_eq!((contents(&server, "INBOX"), contents(&server, "Projects/Tower")), before);
    server.kill9();
    server.start_again();
    assert_eq!((contents(&server, "INBOX"), contents(&server, "Projects/Tower")), before);
    assert_eq!(undelete(&server, &["--all"])["messages"], 0, "nothing is left to bring back");
    server.stop();
    server.check_store();
}

#[test]
fn one_message_is_found_by_what_people_know_of_it_and_brought_back_without_a_server() {
    let mut server = start("");
    let letter = |from: &str, subject: &str| {
        format!("From: {from}\r\nSubject: {subject}\r\nMessage-ID: <{}@x>\r\n\r\ntext\r\n", subject.len()).into_bytes()
    };
    let messages = [
        letter("Bob <bob@example.net>", "The contract"),
        letter("Eve <eve@example.net>", "Re: The CONTRACT, again"),
        letter("Bob <bob@example.net>", "Lunch"),
    ];
    let mut client = ImapClient::of(&server, "anna");
    client.append("INBOX", "\\Deleted", &messages).unwrap();
    client.ok("SELECT INBOX");
    client.ok("EXPUNGE");
    drop(client);
    let address = server.account("anna").address.clone();
    let (status, _, stderr) = run(&server, &["undelete", &address]);
    assert_eq!(status, Some(2));
    assert!(stderr.contains("--list") && stderr.contains("--all"), "{stderr}");
    let listed = done(&server, &["undelete", &address, "--list"]);
    assert!(listed.contains("UID 2") && listed.contains("3 messages"), "{listed}");
    server.stop();

    let found = undelete(&server, &["--subject", "contract", "--from", "BOB@", "--into", "Found/Again"]);
    assert_eq!((found["messages"].as_u64(), &found["mailboxes"]["Found/Again"]), (Some(1), &Value::from(1)));
    let none = done(&server, &["undelete", &address, "--subject", "tower"]);
    assert!(none.contains("no such message can be brought back; deleted mail is kept for 7 days"), "{none}");
    let by_uid = undelete(&server, &["--mailbox", "INBOX", "--uid", "3,7:9"]);
    assert_eq!(by_uid["messages"], 1);
    server.start_again();
    let flags = BTreeSet::new();
    assert_eq!(contents(&server, "Found/Again"), BTreeMap::from([(messages[0].clone(), flags.clone())]));
    assert_eq!(contents(&server, "INBOX"), BTreeMap::from([(messages[2].clone(), flags)]));
    server.stop();
    server.check_store();
}

#[test]
fn what_is_kept_no_longer_gives_its_space_back() {
    let mut server = start("[store]\nsegment_bytes = 1048576\n");
    let mut client = ImapClient::of(&server, "anna");
    for round in 0..4_u32 {
        let messages: Vec<Vec<u8>> = (0..10_u32)
            .map(|number| {
                let mut raw = format!("Subject: {round} {number}\r\n\r\n").into_bytes();
                let mut state = u64::from(round * 10 + number + 1);
                raw.extend((0..200_000).map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    b'a' + ((state >> 60) as u8)
                }));
                raw
            })
            .collect();
        client.append("INBOX", "\\Deleted", &messages).unwrap();
    }
    client.ok("SELECT INBOX");
    client.ok("EXPUNGE");
    drop(client);
    let store = server.configuration_file().parent().unwrap().join("data/store");
    done(&server, &["compact"]);
    assert!(bytes_below(&store) > 8_000_000, "it can still be brought back");
    server.stop();
    server.configure("expunged_kept_seconds = 0\n");
    server.start_again();
    // The sweep begins with the server; when it has nothing more to do the list is empty.
    while undelete(&server, &["--list"])["messages"] != 0 {
        std::thread::yield_now();
    }
    done(&server, &["compact"]);
    assert!(bytes_below(&store) < 4_000_000, "{} bytes are left", bytes_below(&store));
    server.stop();
    server.check_store();
}
