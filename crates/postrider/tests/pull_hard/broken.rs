//! The other server dies, the connection is cut, the connection stands still.

use std::process::Command;

use postrider_testkit::{Corpus, SplitMix64};

use crate::pair::{MAILDIR, Pair, alice, contents, difference, seed};
use crate::pop3;

const MAILBOXES: [(&str, usize); 4] = [("INBOX", 160), ("Work", 60), ("Work/2026", 40), ("Trash", 20)];

/// Begins a run, waits until the proxy holds it after so many bytes, and then does something to it. Tells whether the run
/// was broken off: one of which the proxy had the last bytes already comes to its end.
fn interrupt(pair: &Pair, url: &str, more: &[&str], bytes: u64, act: impl FnOnce(&mut std::process::Child)) -> bool {
    let proxy = if url.starts_with("imap") { &pair.imap_proxy } else { &pair.pop3_proxy };
    proxy.hold_after(bytes);
    let mut child = pair.begin(url, more);
    let held = proxy.wait_until_held(|| child.try_wait().unwrap().is_some());
    if held {
        act(&mut child);
    }
    proxy.pass();
    let status = child.wait().unwrap();
    assert!(status.success() || held, "{status} after {bytes} bytes");
    !status.success()
}

#[test]
fn a_peer_that_is_killed_and_comes_back_costs_nothing_and_doubles_nothing() {
    for settings in ["", MAILDIR] {
        let mut pair = Pair::dovecot(settings);
        pair.fill(&mut Corpus::new(seed()), &MAILBOXES, 40_000);
        let url = pair.imap();
        let mut killed = 0;
        for bytes in [30, 2_000, 30_000, 100_000, 400_000, 700_000] {
            let there = &pair.there;
            let is_broken_off = interrupt(&pair, &url, &["--mode", "mirror"], bytes, |_| there.kill_processes());
            killed += usize::from(is_broken_off);
            pair.there.kill9();
            pair.there.start_again();
            // Who says that all is here has to be right.
            assert!(is_broken_off || pair.fetched(&url, &["--mode", "mirror"]) == 0, "after {bytes} bytes");
        }
        let last = pair.fetched(&url, &["--mode", "mirror", "--verify=content"]);
        println!("killed {killed} times; the last run fetched {last} of 280 messages");
        assert!(killed >= 4 && last < 280, "{killed} {last}");
        pair.assert_mirrored();
        assert_eq!(pair.fetched(&url, &["--mode", "mirror"]), 0);
    }
}

#[test]
fn a_pop3_peer_that_is_killed_has_given_or_still_has_every_message() {
    for settings in ["", MAILDIR] {
        let mut pair = Pair::dovecot(settings);
        pair.fill(&mut Corpus::new(seed()), &[("INBOX", 300)], 40_000);
        let url = pair.pop3();
        let there = pop3::contents(pair.there.ports().pop3, alice(&pair));
        let mut killed = 0;
        for bytes in [30, 5_000, 100_000, 400_000, 1_200_000] {
            let server = &pair.there;
            killed += usize::from(interrupt(&pair, &url, &["--delete"], bytes, |_| server.kill_processes()));
            pair.there.kill9();
            pair.there.start_again();
            let left = pop3::contents(pair.there.ports().pop3, alice(&pair));
            let here = contents(&mut pair.client_here(), "INBOX");
            assert_eq!(difference(&[left, here].concat(), &there).0, 0, "neither there nor here");
        }
        let last = pair.fetched(&url, &["--delete", "--verify"]);
        println!("killed {killed} times; the last run fetched {last} of 300 messages");
        assert!(killed >= 3, "{killed}");
        assert!(pop3::contents(pair.there.ports().pop3, alice(&pair)).is_empty());
        assert_eq!(difference(&contents(&mut pair.client_here(), "INBOX"), &there), (0, 0));
        pair.check();
    }
}

#[test]
fn a_connection_that_is_cut_anywhere_costs_nothing_and_doubles_nothing() {
    let mut pair = Pair::dovecot("");
    pair.fill(&mut Corpus::new(seed()), &MAILBOXES, 30_000);
    let url = pair.imap();
    let mut random = SplitMix64::new(seed());
    // Within the greeting, the login, the lists; then anywhere, ever further.
    let early = [0, 1, 20, 90, 400, 700, 1000, 1500, 2500, 4000];
    let later = (1..=24).map(|step| random.between(3_000, 30_000 * step) as u64);
    let mut cut = 0;
    for bytes in early.into_iter().chain(later) {
        pair.imap_proxy.cut_after(bytes);
        let output = pair.run(&url, &["--mode", "mirror"]);
        cut += usize::from(!output.status.success());
        assert!(output.status.success() || !output.stdout.contains("\"complete\": true"), "{}", output.said());
    }
    pair.imap_proxy.pass();
    let last = pair.fetched(&url, &["--mode", "mirror", "--verify"]);
    println!("cut {cut} times; the last run fetched {last} of 280 messages");
    assert!(cut > 10, "{cut}");
    pair.assert_mirrored();
}

#[test]
fn a_connection_that_stands_still_is_waited_for_and_a_run_can_be_broken_off_meanwhile() {
    let mut pair = Pair::dovecot("");
    pair.fill(&mut Corpus::new(seed()), &MAILBOXES, 30_000);
    for url in [pair.imap(), pair.pop3()] {
        let proxy = if url.starts_with("imap") { &pair.imap_proxy } else { &pair.pop3_proxy };
        // Ctrl-C while nothing comes.
        for bytes in [40, 20_000, 200_000] {
            let interrupted = interrupt(&pair, &url, &[], bytes, |child| {
                let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
                let _ = child.wait().unwrap();
            });
            assert!(interrupted, "{bytes}");
        }
        // It stands still, and goes on.
        proxy.hold_after(60_000);
        let mut child = pair.begin(&url, &[]);
        assert!(proxy.wait_until_held(|| child.try_wait().unwrap().is_some()));
        proxy.hold_after(60_000);
        assert!(proxy.wait_until_held(|| child.try_wait().unwrap().is_some()));
        proxy.pass();
        assert!(child.wait().unwrap().success(), "{url}");
        assert_eq!(pair.fetched(&url, &[]), 0, "{url}");
    }
    // By POP3 came what was here by IMAP: another way in, another message.
    let there = contents(&mut pair.client_there(), "INBOX");
    let here = contents(&mut pair.client_here(), "INBOX");
    assert_eq!(difference(&here, &[there.clone(), there].concat()).0, 0);
    pair.check();
}

/// Enough for whatever comes before the first message, and for the largest one.
const BYTES_OF_A_BAD_LINE: u64 = 150_000;

#[test]
fn a_line_that_never_carries_all_is_persevered_with_and_each_part_of_it_counts() {
    let mut pair = Pair::dovecot("");
    pair.fill(&mut Corpus::new(seed()), &MAILBOXES, 30_000);
    let url = pair.imap();
    pair.imap_proxy.cut_after(BYTES_OF_A_BAD_LINE);
    // Far less than is asked for at once, and kept.
    let answer: serde_json::Value =
        serde_json::from_str(&pair.run(&url, &["--mode", "mirror"]).failure().stdout).unwrap();
    let first = answer["outcome"]["imap"]["fetched"].as_u64().unwrap();
    assert!((1..200).contains(&first), "{answer:#}");
    let before = pair.imap_proxy.connections();
    let rest = pair.fetched(&url, &["--mode", "mirror", "--tries", "3"]);
    println!("{first} messages, then {rest} over {} connections", pair.imap_proxy.connections() - before);
    assert_eq!(first + rest, 280);
    assert!(pair.imap_proxy.connections() - before > 3);
    pair.imap_proxy.pass();
    pair.assert_mirrored();
    assert_eq!(pair.fetched(&url, &["--mode", "mirror", "--verify=content"]), 0);
}

#[test]
fn a_bad_line_is_persevered_with_by_pop3_and_nothing_is_removed_there_that_is_not_here() {
    let mut pair = Pair::dovecot("");
    pair.fill(&mut Corpus::new(seed()), &[("INBOX", 200)], 30_000);
    let url = pair.pop3();
    let there = pop3::contents(pair.there.ports().pop3, alice(&pair));
    pair.pop3_proxy.cut_after(BYTES_OF_A_BAD_LINE);
    let before = pair.pop3_proxy.connections();
    assert_eq!(pair.pulled(&url, &["--delete", "--tries", "3"])["removed_there"], 200);
    println!("{} connections", pair.pop3_proxy.connections() - before);
    assert!(pair.pop3_proxy.connections() - before > 3);
    assert_eq!(difference(&contents(&mut pair.client_here(), "INBOX"), &there), (0, 0));
    assert!(pop3::contents(pair.there.ports().pop3, alice(&pair)).is_empty());
    pair.check();
}

#[test]
fn a_connection_that_stands_still_for_longer_than_it_may_counts_as_broken() {
    let mut pair = Pair::dovecot("");
    pair.fill(&mut Corpus::new(seed()), &MAILBOXES, 30_000);
    for url in [pair.imap(), pair.pop3()] {
        let proxy = if url.starts_with("imap") { pair.imap_proxy.clone() } else { pair.pop3_proxy.clone() };
        proxy.hold_after(200_000);
        let output = pair.run(&url, &["--silence", "1s"]).failure();
        assert!(proxy.wait_until_held(|| false));
        assert!(output.stdout.contains("\"complete\": false"), "{}", output.said());
        assert!(output.said().contains("1 second"), "{}", output.said());
        proxy.pass();
        let last = pair.fetched(&url, &["--silence", "1m"]);
        println!("{last} messages were left");
        // What had come whole was kept.
        assert!(last < 280, "{url}: {last}");
        assert_eq!(pair.fetched(&url, &[]), 0, "{url}");
    }
    pair.check();
}
