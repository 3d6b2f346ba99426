//! Mail as it should not be, and is; and sizes that are told falsely.

use std::fs;

use postrider_testkit::{Corpus, ServerKind, corpus::Kind, program::Output};
use serde_json::Value;

use crate::pair::{MAILDIR, Pair, alice, contents, difference, exact_contents, put_files, seed};
use crate::pop3;

/// So that a message of 60 MB is taken.
const LARGE_MESSAGES: &str = "\n[store]\nmessage_bytes_max = 100000000\n";

/// So many of the odd messages have no header.
const HEADERLESS: usize = 3;

/// What is put into a Maildir behind the back of all protocols.
fn odd_messages() -> Vec<Vec<u8>> {
    let header = b"From: a@example.test\nSubject: odd\nMessage-ID: <odd@example.test>\n";
    let long = [b"x".repeat(1_000_000).as_slice(), b"\n"].concat();
    let words = b"eight hundred thousand words in a line ".repeat(30_000);
    let bodies: [&[u8]; 16] = [
        b"\nNUL \0 in the body \0\0\n",
        b"X-Nul: \0\0\n\nNUL in the header\n",
        b"X-Raw: \xe4\xf6\xfc \xff\xfe\n\nraw header above, and \xfe\xff\n",
        b"\nbare\rreturns\r\r\nand\r\n\r\r\n",
        b"\r\nCRLF\r\nand\nLF\n\rmixed\r\n",
        b"\n.\n..\n.leading dot\nend.\n.",
        b"\nno end of line",
        b"\n",
        b"",
        b"\nFrom the start of a line\n>From\n",
        b"no colon here\n\nbody\n",
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\n--x\nContent-Type: message/rfc822\n\n\n--x--\n",
        b"\n\x1a\x04\x08\x7f\xf0\x9f\n",
        b"\n* 1 FETCH (FLAGS ())\n{5}\n) BODY[] {10}\n",
        &long,
        &words,
    ];
    let mut messages: Vec<Vec<u8>> = bodies.iter().map(|body| [header.as_slice(), body].concat()).collect();
    messages.push([header.as_slice(), b"\n", &long.repeat(3)].concat());
    messages.push([b"X-Long: ".as_slice(), &long, header, b"\nlong header\n"].concat());
    messages.push(b"\n".to_vec());
    messages.push(b"\n\nno header at all\n".to_vec());
    messages.push(b"no header, no end".to_vec());
    // Two alike are two.
    messages.push(messages[0].clone());
    messages
}

fn file_name(number: usize) -> String {
    format!("{}.M{number}P1.there:2,S", 1_700_000_000 + number)
}

/// Dovecot with these files in its Maildir, each under the name that `name` gives it.
fn pair_with_files(settings: &str, files: &[Vec<u8>], name: impl Fn(usize, &[u8]) -> String) -> Pair {
    let pair = Pair::start(ServerKind::Dovecot, &format!("{MAILDIR}{settings}"), LARGE_MESSAGES);
    put_files(&pair, files.iter().cloned(), name);
    pair
}

#[test]
fn odd_and_huge_messages_come_as_they_are() {
    let mut files = odd_messages();
    files.push(Corpus::new(seed()).message_of(Kind::Attachments, 60 << 20));
    let mut pair = pair_with_files("", &files, |number, _| file_name(number));
    let by_pop3 = pop3::contents(pair.there.ports().pop3, alice(&pair));
    let by_imap = contents(&mut pair.client_there(), "INBOX");
    assert_eq!(by_pop3.len(), files.len());
    assert_eq!(pair.fetched(&pair.imap(), &["--verify=content"]), files.len() as u64);
    assert_eq!(difference(&exact_contents(&mut pair.client_here(), "INBOX"), &by_imap), (0, 0));
    let pop3 = pair.pop3();
    assert_eq!(pair.fetched(&pop3, &["--mailbox", "Pop", "--verify=content"]), files.len() as u64);
    assert_eq!(difference(&exact_contents(&mut pair.client_here(), "Pop"), &by_pop3), (0, 0));
    assert_eq!(pair.fetched(&pair.imap(), &["--exclude", "Pop"]), 0);
    // What has no header may be what is left of a message: it stays there, and is named.
    let removed = outcome(&pair.run(&pop3, &["--mailbox", "Pop", "--delete"]).failure());
    assert_eq!(removed["removed_there"], files.len() - HEADERLESS, "{removed:#}");
    assert_eq!(removed["not_removed"].as_array().unwrap().len(), HEADERLESS, "{removed:#}");
    assert_eq!(pop3::contents(pair.there.ports().pop3, alice(&pair)).len(), HEADERLESS);
    pair.check();
}

#[test]
fn line_ends_that_a_peer_keeps_as_they_are_are_kept_as_they_are() {
    // Dovecot gives CRLF for every LF; we give what we got.
    let mut pair = Pair::start(ServerKind::Postrider, LARGE_MESSAGES, LARGE_MESSAGES);
    let messages: Vec<Vec<u8>> = odd_messages().into_iter().filter(|message| !message.contains(&0)).collect();
    let mut client = pair.client_there();
    for message in &messages {
        assert_eq!(client.append("INBOX", "", &[message]).unwrap().status, "OK");
    }
    assert_eq!(pair.fetched(&pair.imap(), &["--verify=content"]), messages.len() as u64);
    assert_eq!(difference(&contents(&mut pair.client_here(), "INBOX"), &messages), (0, 0));
    let by_pop3 = pop3::contents(pair.there.ports().pop3, alice(&pair));
    assert_eq!(pair.fetched(&pair.pop3(), &["--mailbox", "Pop", "--verify=content"]), messages.len() as u64);
    assert_eq!(difference(&contents(&mut pair.client_here(), "Pop"), &by_pop3), (0, 0));
    pair.check();
}

/// A false size is no fault of the mail: it comes, whatever was told of it.
#[test]
fn sizes_that_imap_tells_falsely_cost_no_message() {
    let mut pair = Pair::dovecot("");
    let messages = Corpus::new(seed()).messages(200, 20_000);
    let mut client = pair.client_there();
    for messages in messages.chunks(50) {
        assert_eq!(client.append("INBOX", "", messages).unwrap().status, "OK");
    }
    let url = pair.imap();
    pair.imap_proxy.tell_falsely("RFC822.SIZE ");
    let answer = pair.pulled(&url, &["--verify=content"]);
    assert_eq!(answer["fetched"], 200, "{answer:#}");
    assert_eq!(difference(&contents(&mut pair.client_here(), "INBOX"), &messages), (0, 0));
    assert_eq!(pair.fetched(&url, &["--verify"]), 0);
    pair.check();
}

/// Files whose lines end in LF and whose names tell of sizes: of a third of them with what `lie` makes of it.
fn pair_with_false_names(messages: &[Vec<u8>], lie: impl Fn(usize) -> usize) -> Pair {
    let files: Vec<Vec<u8>> = messages.iter().map(|message| without_carriage_returns(message)).collect();
    let name = |number: usize, content: &[u8]| match number % 3 {
        0 => format!("{}.M{number}P1.there,S={}:2,S", 1_700_000_000 + number, lie(content.len())),
        1 => format!("{}.M{number}P1.there,S={}:2,S", 1_700_000_000 + number, content.len()),
        _ => file_name(number),
    };
    // With this setting it tells the sizes of its files, in which a line has an octet less.
    pair_with_files("\npop3_fast_size_lookups = yes\n", &files, name)
}

#[test]
fn sizes_that_pop3_tells_falsely_cost_no_message() {
    let messages = Corpus::new(seed()).messages(150, 20_000);
    let mut pair = pair_with_false_names(&messages, |bytes| bytes + 999);
    // What is told to be larger than it comes is here, but may be cut off: it stays there.
    let first = outcome(&pair.run(&pair.pop3(), &["--delete", "--verify"]).failure());
    assert_eq!(first["fetched"], 150, "{first:#}");
    let left = first["not_removed"].as_array().unwrap().len();
    assert!((1..=50).contains(&left), "{first:#}");
    assert_eq!(first["removed_there"], 150 - left, "{first:#}");
    // It is asked for once more, and then no more; it is not doubled, and stays there.
    for is_asked_for in [true, false] {
        let next = outcome(&pair.run(&pair.pop3(), &["--delete"]).failure());
        assert_eq!((&next["fetched"], &next["removed_there"]), (&0.into(), &0.into()), "{next:#}");
        assert_eq!(next["not_removed"].as_array().unwrap().len(), left, "{next:#}");
        assert_eq!(next["bytes"].as_u64().unwrap() > 0, is_asked_for, "{next:#}");
    }
    assert_eq!(difference(&contents(&mut pair.client_here(), "INBOX"), &messages), (0, 0));
    assert_eq!(pop3::contents(pair.there.ports().pop3, alice(&pair)).len(), left);
    pair.check();
}

/// What a run says that it did.
fn outcome(output: &Output) -> Value {
    let answer: Value = serde_json::from_str(&output.stdout).unwrap();
    answer["outcome"].as_object().unwrap().values().next().unwrap().clone()
}

fn without_carriage_returns(message: &[u8]) -> Vec<u8> {
    message.iter().copied().filter(|byte| *byte != b'\r').collect()
}

/// A message that the server cannot give, and at which it breaks off, in every run: Dovecot does so for a Maildir file whose
/// name tells too large a size, and does not mend the name for who only reads (EXAMINE).
#[test]
fn a_message_at_which_the_server_breaks_off_costs_only_itself() {
    let messages = Corpus::new(seed()).messages(60, 20_000);
    let name = |number: usize, content: &[u8]| match number {
        20 => format!("{}.M{number}P1.there,S={}:2,S", 1_700_000_000 + number, content.len() + 1000),
        _ => file_name(number),
    };
    let pair = pair_with_files("", &messages, name);
    let url = pair.imap();
    for run in 0..3 {
        let said = pair.run(&url, &["--tries", "5"]).failure();
        assert!(said.stdout.contains("\"complete\": false"), "{}", said.said());
        assert_eq!(outcome(&said)["fetched"], if run == 0 { 59 } else { 0 }, "{}", said.said());
    }
    let here = contents(&mut pair.client_here(), "INBOX");
    assert_eq!(difference(&here, &messages), (1, 0), "missing and too many");
}

/// Dovecot's POP3 gives a Maildir message whose file name tells too small a size as one empty line ("+OK 170 octets", two octets,
/// "."), every time in this session, and mends the name: with `--delete` the message must not be gone for good.
#[test]
fn a_message_of_which_hardly_anything_came_is_not_removed_there() {
    let messages = Corpus::new(seed()).messages(30, 20_000);
    let pair = pair_with_false_names(&messages, |bytes| bytes / 2);
    for _ in 0..3 {
        let said = pair.run(&pair.pop3(), &["--delete", "--verify=content"]);
        // By POP3 there may be as little to see as before: what counts is what lies there.
        let here = contents(&mut pair.client_here(), "INBOX");
        let lost = difference(&[files_there(&pair), here].concat(), &messages).0;
        assert_eq!(lost, 0, "neither there nor here: {}", said.said());
        assert!(said.status.success() || said.stdout.contains("(UIDL "), "{}", said.said());
        println!("{} messages are left there", files_there(&pair).len());
    }
}

/// What lies in the Maildir there, with lines that end in CRLF.
fn files_there(pair: &Pair) -> Vec<Vec<u8>> {
    let folder = pair.there.data_folder("alice").join("Maildir/cur");
    let files = fs::read_dir(folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
    files.map(|file| file.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(b"\r\n".as_slice())).collect()
}
