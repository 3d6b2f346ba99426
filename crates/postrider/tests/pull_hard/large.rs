//! A mailbox of fifty thousand messages. `POSTRIDER_PULL_MESSAGES` sets another size.

use std::time::Instant;

use postrider_testkit::{corpus::small_message, seed_from_environment};

use crate::pair::{Pair, put_mbox};

/// By how much the server's resident memory may grow, mapped files included.
const GROWTH_BYTES_MAX: u64 = 192 << 20;

#[test]
fn fifty_thousand_messages_come_in_bounded_memory_and_only_once() {
    let count = usize::try_from(seed_from_environment("POSTRIDER_PULL_MESSAGES", 50_000)).unwrap();
    let mut pair = Pair::dovecot("\nmail_location = mbox:~/mail:INBOX=~/inbox\n");
    put_mbox(&pair, (0..count).map(small_message));
    let url = pair.imap();
    pair.here.restart();
    pair.here.forget_peak();
    let before = pair.here.peak_bytes();
    let begin = Instant::now();
    assert_eq!(pair.fetched(&url, &["--mode", "mirror"]), count as u64);
    let peak = pair.here.peak_bytes();
    println!(
        "{count} messages in {} ms; memory {} MiB, then at most {}",
        begin.elapsed().as_millis(),
        before >> 20,
        peak >> 20
    );
    assert!(peak < before + GROWTH_BYTES_MAX, "{before} bytes grew to {peak}");

    pair.here.restart();
    pair.here.forget_peak();
    let (before, begin, bytes) = (pair.here.peak_bytes(), Instant::now(), pair.imap_proxy.bytes_from_server());
    assert_eq!(pair.fetched(&url, &["--mode", "mirror"]), 0);
    let (peak, bytes) = (pair.here.peak_bytes(), pair.imap_proxy.bytes_from_server() - bytes);
    println!("nothing new in {} ms, {bytes} bytes; memory {} MiB", begin.elapsed().as_millis(), peak >> 20);
    assert!(bytes < 10_000, "{bytes} bytes to hear that nothing is new");
    assert!(peak < before + GROWTH_BYTES_MAX, "{before} bytes grew to {peak}");

    let (mut there, mut here) = (pair.client_there(), pair.client_here());
    let _ = (there.ok("EXAMINE INBOX"), here.ok("EXAMINE INBOX"));
    let (mine, theirs) = (here.uids_and_flags(), there.uids_and_flags());
    assert!(mine.into_values().eq(theirs.into_values()), "the flags differ");
    let begin = Instant::now();
    let mut mine: Vec<Vec<u8>> = here.raw_messages().into_values().collect();
    println!("compared in {} ms", begin.elapsed().as_millis());
    let mut sent: Vec<Vec<u8>> = (0..count).map(small_message).collect();
    mine.sort();
    sent.sort();
    assert!(mine == sent, "the messages differ");
}
