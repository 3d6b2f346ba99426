//! The disk here is full. A small file system in memory stands for it, which takes root's rights to mount.

use postrider_testkit::{Corpus, SmallDisk};

use crate::pair::{Mail, Pair, alice, assert_same, contents, difference, mail, seed};
use crate::pop3;

/// Enough for all.
const ROOM_KIBIBYTES: u64 = 256 * 1024;

/// A pair whose disk here is full before all of some 10 MB of mail has come.
fn pair_with_small_disk() -> (Pair, SmallDisk) {
    let mut pair = Pair::dovecot("");
    pair.fill(&mut Corpus::new(seed()), &[("INBOX", 500), ("Work", 100)], 100_000);
    pair.here.stop();
    let disk = SmallDisk::under(&pair.here.data_folder("bob"), 6 * 1024);
    pair.here.start_again();
    (pair, disk)
}

/// A run that finds the disk full says so.
fn fails_for_want_of_room(pair: &Pair, url: &str, more: &[&str]) {
    let output = pair.run(url, more).failure();
    let said = output.said().to_lowercase();
    println!("{}", output.stderr.lines().last().unwrap_or_default());
    assert!(said.contains("no space left") || said.contains("full"), "{said}");
    assert!(!said.contains("\"complete\": true"), "{said}");
}

#[test]
fn a_full_disk_ends_a_run_clearly_and_costs_nothing_of_what_was_kept() {
    let (mut pair, disk) = pair_with_small_disk();
    let url = pair.imap();
    fails_for_want_of_room(&pair, &url, &["--mode", "mirror"]);
    let there = mail(&mut pair.client_there());
    let kept = mail(&mut pair.client_here());
    let count = |mail: &Mail| mail.values().map(Vec::len).sum::<usize>();
    println!("{} of {} messages are here", count(&kept), count(&there));
    assert!(count(&kept) > 0 && count(&kept) < count(&there));
    // Another try is no harm.
    fails_for_want_of_room(&pair, &url, &["--mode", "mirror"]);
    disk.grow(ROOM_KIBIBYTES);
    pair.here.kill9();
    pair.here.start_again();
    let after = mail(&mut pair.client_here());
    for (name, messages) in &kept {
        assert!(messages.iter().all(|message| after[name].contains(message)), "{name}: something is lost");
    }
    let fetched = pair.fetched(&url, &["--mode", "mirror", "--verify=content"]);
    assert!(fetched < 600, "{fetched}");
    assert_same(&mail(&mut pair.client_here()), &there);
    pair.check();
}

#[test]
fn a_full_disk_removes_nothing_by_pop3_that_is_not_here() {
    let (mut pair, disk) = pair_with_small_disk();
    let url = pair.pop3();
    let all = pop3::contents(pair.there.ports().pop3, alice(&pair));
    fails_for_want_of_room(&pair, &url, &["--delete"]);
    let left = pop3::contents(pair.there.ports().pop3, alice(&pair));
    let kept = contents(&mut pair.client_here(), "INBOX");
    println!("{} messages there, {} here", left.len(), kept.len());
    assert_eq!(difference(&[left, kept].concat(), &all).0, 0, "neither there nor here");
    disk.grow(ROOM_KIBIBYTES);
    let _ = pair.fetched(&url, &["--delete", "--verify"]);
    assert_eq!(difference(&contents(&mut pair.client_here(), "INBOX"), &all), (0, 0));
    assert!(pop3::contents(pair.there.ports().pop3, alice(&pair)).is_empty());
    pair.check();
}
