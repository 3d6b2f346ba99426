//! Mailboxes that change their numbers, their names and their server's abilities.

use std::{fs, path::Path};

use postrider_testkit::{Corpus, Proxy};

use crate::pair::{MAILDIR, Pair, seed};

const MAILBOXES: [(&str, usize); 3] = [("INBOX", 200), ("Work", 100), ("Work/2026", 30)];
const MIRROR: [&str; 2] = ["--mode", "mirror"];

/// Runs until the proxy holds the connection after so many bytes, lets something happen, and goes on. However that run ends.
fn amid_a_run(pair: &mut Pair, bytes: u64, act: impl FnOnce(&mut Pair)) {
    let (url, proxy): (String, Proxy) = (pair.imap(), pair.imap_proxy.clone());
    proxy.hold_after(bytes);
    let mut child = pair.begin(&url, &MIRROR);
    assert!(proxy.wait_until_held(|| child.try_wait().unwrap().is_some()), "the run ended before {bytes} bytes");
    act(pair);
    proxy.pass();
    println!("the run: {}", child.wait().unwrap());
}

/// Runs until a run says that all is here, at most three times: a mailbox that was changed under a run may cost that run.
fn complete(pair: &Pair) {
    let url = pair.imap();
    let runs = (1..=3).find(|_| {
        let output = pair.run(&url, &["--mode", "mirror", "--yes"]);
        if !output.status.success() {
            println!("{}", output.said());
        }
        output.status.success()
    });
    assert_eq!(runs, Some(1), "runs until all was here");
}

/// Lets Dovecot forget the numbers of a Maildir: UIDVALIDITY becomes another, and UIDs begin anew.
fn forget_numbers(folder: &Path) {
    for name in ["dovecot-uidlist", "dovecot.index", "dovecot.index.log", "dovecot.index.cache"] {
        let _ = fs::remove_file(folder.join(name));
    }
}

#[test]
fn a_mailbox_that_is_numbered_anew_in_the_middle_of_a_run_is_seen_through() {
    for bytes in [20_000, 300_000, 900_000] {
        let mut pair = Pair::dovecot(MAILDIR);
        pair.fill(&mut Corpus::new(seed()), &MAILBOXES, 30_000);
        let numbers = |pair: &Pair| pair.client_there().ok("STATUS INBOX (UIDVALIDITY)").untagged;
        let before = numbers(&pair);
        amid_a_run(&mut pair, bytes, |pair| {
            pair.there.kill9();
            forget_numbers(&pair.there.data_folder("alice").join("Maildir"));
            pair.there.start_again();
        });
        assert_ne!(numbers(&pair), before, "the test has not reset what it wanted to");
        complete(&pair);
        pair.assert_mirrored();
        assert_eq!(pair.fetched(&pair.imap(), &MIRROR), 0);
    }
}

#[test]
fn a_mailbox_that_is_replaced_under_a_run_is_seen_through() {
    let mut pair = Pair::dovecot("");
    pair.fill(&mut Corpus::new(seed()), &[("INBOX", 10), ("Work", 200)], 30_000);
    amid_a_run(&mut pair, 400_000, |pair| {
        let mut client = pair.client_there();
        client.ok("CREATE Copy");
        client.ok("SELECT Work");
        client.ok("UID COPY 101:150 Copy");
        client.ok("UID COPY 1:100 Copy");
        client.ok("UNSELECT");
        client.ok("DELETE Work");
        client.ok("RENAME Copy Work");
    });
    complete(&pair);
    pair.assert_mirrored();
}

#[test]
fn a_mailbox_that_is_renamed_between_or_under_runs_keeps_its_mail() {
    let mut pair = Pair::dovecot("");
    pair.fill(&mut Corpus::new(seed()), &MAILBOXES, 30_000);
    let url = pair.imap();
    amid_a_run(&mut pair, 900_000, |pair| {
        pair.client_there().ok("RENAME Work Projects");
    });
    complete(&pair);
    pair.assert_mirrored();
    pair.client_there().ok("RENAME Projects Archive/Projects");
    pair.client_there().ok("RENAME INBOX Old");
    pair.fill(&mut Corpus::new(seed() + 1), &[("INBOX", 5), ("Work", 7)], 30_000);
    let fetched = pair.fetched(&url, &["--mode", "mirror", "--yes"]);
    // What INBOX had is in Old now; whether it is known there is not promised.
    println!("{fetched} fetched after renaming");
    assert!((12..=212).contains(&fetched), "{fetched}");
    pair.assert_mirrored();
}

#[test]
fn a_server_without_extensions_is_followed_as_exactly() {
    const SETS: [&str; 3] = [
        "IMAP4rev1",
        "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE UIDPLUS LIST-EXTENDED ESEARCH SPECIAL-USE",
        "IMAP4rev1 LITERAL+ SASL-IR ENABLE NAMESPACE UIDPLUS CONDSTORE",
    ];
    for capabilities in SETS {
        let mut pair = Pair::dovecot(&format!("\nimap_capability = {capabilities}\n"));
        pair.fill(&mut Corpus::new(seed()), &MAILBOXES, 10_000);
        let mut client = pair.client_there();
        let announced = client.ok("CAPABILITY").untagged.concat();
        assert!(!String::from_utf8_lossy(&announced).contains("QRESYNC"), "the test has not taken it away");
        let url = pair.imap();
        assert_eq!(pair.fetched(&url, &["--mode", "mirror", "--verify"]), 330);
        pair.assert_mirrored();
        let before = pair.imap_proxy.bytes_from_server();
        assert_eq!(pair.fetched(&url, &MIRROR), 0);
        println!("{capabilities}: {} bytes for nothing new", pair.imap_proxy.bytes_from_server() - before);
        client.ok("SELECT INBOX");
        client.ok("STORE 1:50 +FLAGS.SILENT (\\Answered Extra)");
        client.ok("STORE 60:80 -FLAGS.SILENT (\\Seen)");
        client.ok("STORE 20:29 +FLAGS.SILENT (\\Deleted)");
        client.ok("EXPUNGE");
        client.append("INBOX", "\\Flagged", &Corpus::new(seed() + 2).messages(9, 5_000)).unwrap();
        client.ok("DELETE Work/2026");
        assert_eq!(pair.fetched(&url, &["--mode", "mirror", "--yes"]), 9);
        pair.assert_mirrored();
    }
}
