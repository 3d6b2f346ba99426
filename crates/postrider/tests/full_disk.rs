//! The disk is full: mail is read and let go, none is taken, none is lost, and a start needs no room.
//!
//! A small file system in memory stands for the disk, which takes root's rights to mount.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use postrider_testkit::maildir::message_id;
use postrider_testkit::{
    Corpus, ImapClient, LmtpClient, ServerKind, ServerUnderTest, SmallDisk, seed_from_environment,
};

const POSTRIDER: &str = env!("CARGO_BIN_EXE_postrider");
const DISK_KIBIBYTES: u64 = 8 * 1024;
/// Enough for all.
const ROOM_KIBIBYTES: u64 = 256 * 1024;
const DELIVERERS: u64 = 3;
/// A server that looks for room looks every second.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server whose disk is soon full.
fn server_on_a_small_disk() -> (ServerUnderTest, SmallDisk) {
    let mut server = ServerUnderTest::start_kind(ServerKind::Postrider, POSTRIDER, &["alice"]);
    server.stop();
    let disk = SmallDisk::under(&server.data_folder("alice"), DISK_KIBIBYTES);
    server.start_again();
    (server, disk)
}

/// Delivers until something is refused. Answers what the server said then.
fn deliver_until_refused(server: &ServerUnderTest, seed: u64, acknowledged: &Mutex<BTreeSet<String>>) -> String {
    let address = &server.account("alice").address;
    let mut client = LmtpClient::of(server);
    let mut corpus = Corpus::new(seed);
    loop {
        let message = corpus.messages(1, 20_000).remove(0);
        match client.deliver(&[address], &message) {
            Ok(()) => assert!(acknowledged.lock().unwrap().insert(message_id(&message))),
            Err(refusal) => return refusal.to_string(),
        }
    }
}

/// Fills the disk. Answers what was acknowledged.
fn fill(server: &ServerUnderTest) -> BTreeSet<String> {
    let seed = seed_from_environment("POSTRIDER_DISK_SEED", 7);
    let acknowledged = Mutex::default();
    thread::scope(|scope| {
        let deliverer = |number| deliver_until_refused(server, seed * DELIVERERS + number, &acknowledged);
        let deliverers: Vec<_> = (0..DELIVERERS).map(|number| scope.spawn(move || deliverer(number))).collect();
        for deliverer in deliverers {
            let refusal = deliverer.join().unwrap();
            assert!(refusal.starts_with("452 4.3.1"), "{refusal}");
        }
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    println!("{} messages were taken", acknowledged.len());
    assert!(acknowledged.len() > 20);
    acknowledged
}

/// Takes all the room that is left for something else.
fn take_the_rest(folder: &Path) -> PathBuf {
    let path = folder.join("something-else");
    let mut file = File::create(&path).unwrap();
    for length in [64 << 10, 4 << 10, 1] {
        loop {
            match file.write(&vec![1; length]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    path
}

fn inbox(server: &ServerUnderTest) -> (ImapClient, BTreeMap<u32, String>) {
    let mut client = ImapClient::of(server, "alice");
    client.ok("SELECT INBOX");
    let messages = client.raw_messages();
    let messages = messages.into_iter().map(|(uid, message)| (uid, message_id(&message))).collect();
    (client, messages)
}

fn assert_all_there(expected: &BTreeSet<String>, found: &BTreeMap<u32, String>) {
    let found: BTreeSet<String> = found.values().cloned().collect();
    let lost: Vec<_> = expected.difference(&found).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
}

/// Mail is taken again, by the server that runs.
fn deliver_at_last(server: &ServerUnderTest) -> String {
    let message = Corpus::new(99).messages(1, 10_000).remove(0);
    let until = Instant::now() + PATIENCE;
    loop {
        match LmtpClient::of(server).deliver(&[&server.account("alice").address], &message) {
            Ok(()) => return message_id(&message),
            Err(refusal) => assert!(Instant::now() < until, "{refusal}"),
        }
    }
}

#[test]
fn on_a_full_disk_mail_is_read_flagged_and_deleted_and_taken_again_when_there_is_room() {
    let (mut server, disk) = server_on_a_small_disk();
    let mut acknowledged = fill(&server);
    let (mut client, found) = inbox(&server);
    assert_all_there(&acknowledged, &found);
    let refusal = client.append("INBOX", "", &[b"Subject: more\r\n\r\nmore\r\n"]).unwrap();
    assert!(refusal.status == "NO" && refusal.text.contains("OVERQUOTA"), "{refusal:?}");
    let [first, second] = [found.keys().next().unwrap(), found.keys().next_back().unwrap()];
    client.ok(&format!("UID STORE {first} +FLAGS (\\Deleted)"));
    client.ok(&format!("UID STORE {second} +FLAGS (\\Flagged)"));
    client.ok("EXPUNGE");
    acknowledged.remove(&found[first]);
    assert!(server.log().contains("the disk is full"), "{}", server.log());
    disk.grow(ROOM_KIBIBYTES);
    acknowledged.insert(deliver_at_last(&server));
    server.stop();
    server.check_store();
    server.start_again();
    let (mut client, after) = inbox(&server);
    assert_all_there(&acknowledged, &after);
    assert!(!after.contains_key(first));
    assert!(client.uids_and_flags()[second].contains("\\flagged"));
}

#[test]
fn a_server_killed_on_a_full_disk_starts_and_shows_all_that_was_acknowledged() {
    let (mut server, disk) = server_on_a_small_disk();
    let mut acknowledged = fill(&server);
    server.kill9();
    let folder = server.data_folder("alice");
    let rest = take_the_rest(&folder);
    for round in 0..3 {
        server.start_again();
        let (_client, found) = inbox(&server);
        assert_all_there(&acknowledged, &found);
        let refusal = deliver_until_refused(&server, 1000, &Mutex::default());
        assert!(refusal.starts_with("452 4.3.1"), "in round {round}: {refusal}");
        server.kill9();
        // What the start gave back is taken, too.
        drop(fs::remove_file(&rest));
        take_the_rest(&folder);
    }
    server.start_again();
    fs::remove_file(&rest).unwrap();
    disk.grow(ROOM_KIBIBYTES);
    acknowledged.insert(deliver_at_last(&server));
    server.stop();
    server.check_store();
    server.start_again();
    assert_all_there(&acknowledged, &inbox(&server).1);
}
