//! A mailbox of a hundred thousand messages: what is asked of all of it at once is answered, and the answer is not
//! gathered in memory first.
//!
//! `POSTRIDER_LARGE_MAILBOX_MESSAGES` sets another size.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "in a test, a failed expectation is a failed test")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postrider_testkit::corpus::small_message;
use postrider_testkit::{ImapClient, ServerUnderTest, seed_from_environment};

/// Messages in one APPEND command (RFC 3502).
const MESSAGES_PER_APPEND: usize = 500;
/// What the server may hold more while it answers. The answers are several times that.
const GROWTH_BYTES_MAX: u64 = 24 << 20;
/// What the server may hold more while it changes every message in one transaction, whose size cannot but grow with
/// their number.
const CHANGE_BYTES_MAX: u64 = 160 << 20;

#[test]
fn all_of_a_hundred_thousand_messages_are_answered_without_being_held_in_memory() {
    let count = usize::try_from(seed_from_environment("POSTRIDER_LARGE_MAILBOX_MESSAGES", 100_000)).unwrap();
    let mut server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice"]);
    fill(&server, count);
    // Memory that the filling used and the allocator kept would hide what the answers need.
    server.restart();

    let mut client = ImapClient::of(&server, "alice");
    let selected = timed("SELECT", || client.ok("SELECT INBOX"));
    assert!(selected.untagged.contains(&format!("{count} EXISTS").into_bytes()));
    // The first answer may build what all sessions then share; its answer is the smallest.
    let flags = timed("FETCH 1:* (FLAGS)", || client.ok("FETCH 1:* (FLAGS)"));
    assert_eq!(flags.untagged.len(), count);
    drop(flags);

    let (answer, growth) = watched(&server, || {
        timed("FETCH 1:* (ENVELOPE BODYSTRUCTURE)", || client.ok("FETCH 1:* (UID ENVELOPE BODYSTRUCTURE)"))
    });
    assert_eq!(answer.untagged.len(), count);
    let answer_bytes: usize = answer.untagged.iter().map(Vec::len).sum();
    println!("the answer has {answer_bytes} bytes, the server grew by {growth}");
    assert!(growth < GROWTH_BYTES_MAX, "the server grew by {growth} bytes for an answer of {answer_bytes}");
    let last = answer.untagged.last().map(|line| String::from_utf8_lossy(line).into_owned()).unwrap();
    assert!(last.contains(&format!("<small-{}@corpus.example>", count - 1)), "{last}");
    drop(answer);

    let found = timed("SEARCH", || client.ok("SEARCH UNSEEN SUBJECT \"message 4242\""));
    let expected = (0..count).filter(|number| number.to_string().starts_with("4242")).count();
    assert_eq!(found.search().len(), expected);

    let (answer, growth) = watched(&server, || timed("STORE 1:*", || client.ok("STORE 1:* +FLAGS (\\Seen)")));
    println!("STORE 1:*: the server grew by {growth}");
    assert!(growth < CHANGE_BYTES_MAX, "the server grew by {growth} bytes to change {count} messages");
    let seen = answer.fetches().into_iter().filter(|fetch| fetch.flags().unwrap().contains("\\seen")).count();
    assert_eq!(seen, count);
    let unseen = timed("SEARCH UNSEEN", || client.ok("SEARCH UNSEEN"));
    assert!(unseen.search().is_empty());
    let uids: BTreeSet<u32> = client.uids_and_flags().into_keys().collect();
    assert_eq!(uids.len(), count);
}

/// Fills INBOX.
fn fill(server: &ServerUnderTest, count: usize) {
    let begin = Instant::now();
    let mut client = ImapClient::of(server, "alice");
    for first in (0..count).step_by(MESSAGES_PER_APPEND) {
        let messages: Vec<_> = (first..count.min(first + MESSAGES_PER_APPEND)).map(small_message).collect();
        let answer = client.append("INBOX", "", &messages).unwrap();
        assert_eq!(answer.status, "OK", "{}", answer.text);
    }
    println!("{count} messages put in in {} ms", begin.elapsed().as_millis());
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = work();
    println!("{what}: {} ms", begin.elapsed().as_millis());
    result
}

/// Runs the work; tells by how much the server's memory exceeded, at its highest, what it was before.
fn watched<T>(server: &ServerUnderTest, work: impl FnOnce() -> T) -> (T, u64) {
    let before = server.resident_bytes();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let highest = scope.spawn(|| {
            let mut highest = 0;
            while !done.load(Ordering::Relaxed) {
                highest = highest.max(server.resident_bytes());
                // A sampling interval, not a wait for anything.
                thread::sleep(Duration::from_millis(10));
            }
            highest
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        (result, highest.join().unwrap().saturating_sub(before))
    })
}
