#![allow(clippy::unwrap_used, reason = "in a test, a failed expectation is a failed test")]

use super::*;

const FROM: &str = "From a@b Thu Jan  1 00:00:05 1970\n";

fn read(file: &[u8], variant: MboxVariant) -> Vec<MboxMessage> {
    let mut reader = MboxReader::new(file, variant, &ReadLimits::default()).unwrap();
    let mut messages = Vec::new();
    while let Some(message) = reader.read_message().unwrap() {
        messages.push(message);
    }
    messages
}

fn texts(file: &str, variant: MboxVariant) -> Vec<String> {
    read(file.as_bytes(), variant).into_iter().map(|one| String::from_utf8_lossy(&one.raw).into_owned()).collect()
}

#[test]
fn messages_are_cut_and_unquoted_as_their_variant_has_it() {
    let body = ">From a\n>>From b\n> From c\n";
    let plain = format!("{FROM}A: 1\n\n{body}\n{FROM}A: 2\n\nx\n\n");
    let length =
        format!("{FROM}A: 1\nContent-Length: {}\n\n{body}\n{FROM}A: 2\nContent-Length: 2\n\nx\n\n", body.len());
    let spanned = ">From a\n\nFrom x Thu Jan  1 00:00:05 1970\nB: 1\n";
    let cl2 = format!("{FROM}A: 1\nContent-Length: {}\n\n{spanned}\n{FROM}A: 2\n\nx\n", spanned.len());
    let crlf = plain.replace('\n', "\r\n");
    for (file, variant, detected, first) in [
        (&plain, MboxVariant::Detect, MboxVariant::Detect, "A: 1\n\nFrom a\n>From b\n> From c\n"),
        (&plain, MboxVariant::Mboxrd, MboxVariant::Mboxrd, "A: 1\n\nFrom a\n>From b\n> From c\n"),
        (&plain, MboxVariant::Mboxo, MboxVariant::Mboxo, "A: 1\n\nFrom a\n>>From b\n> From c\n"),
        (&crlf, MboxVariant::Detect, MboxVariant::Detect, "A: 1\n\nFrom a\n>From b\n> From c\n"),
        (&length, MboxVariant::Detect, MboxVariant::Mboxcl, "A: 1\nContent-Length: 26\n\nFrom a\n>From b\n> From c\n"),
        (
            &cl2,
            MboxVariant::Detect,
            MboxVariant::Mboxcl2,
            "A: 1\nContent-Length: 46\n\n>From a\n\nFrom x Thu Jan  1 00:00:05 1970\nB: 1\n",
        ),
    ] {
        let reader = MboxReader::new(file.as_bytes(), variant, &ReadLimits::default()).unwrap();
        assert_eq!(reader.variant(), detected, "{file}");
        let texts = texts(file, variant);
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert_eq!(texts[0], first.replace('\n', "\r\n"), "{variant:?}");
        assert!(texts[1].ends_with("\r\nx\r\n"), "{texts:?}");
    }
}

#[test]
fn damage_is_told_and_the_message_handed_out() {
    let long = "x".repeat(1_000_000);
    type Case<'a> = (String, Vec<&'a str>, Vec<Vec<Finding>>);
    let cases: Vec<Case> = vec![
        (String::new(), vec![], vec![]),
        ("\n\n".to_owned(), vec![], vec![]),
        (format!("{FROM}A: 1\n\nhalf a li"), vec!["A: 1\r\n\r\nhalf a li"], vec![vec![]]),
        (format!("\n{FROM}A: 1\n"), vec!["A: 1\r\n"], vec![vec![]]),
        (FROM.to_owned(), vec![""], vec![vec![]]),
        (format!("{FROM}{FROM}A: 1\n"), vec!["From a@b Thu Jan  1 00:00:05 1970\r\nA: 1\r\n"], vec![]),
        (
            format!("{FROM}A: 1\n\nx\n{FROM}A: 2\n"),
            vec!["A: 1\r\n\r\nx\r\n", "A: 2\r\n"],
            vec![vec![Finding::NoEmptyLineBefore], vec![]],
        ),
        (
            format!("{FROM}A: 1\n\nx\n\nFrom the hills\nthey came\n"),
            vec!["A: 1\r\n\r\nx\r\n\r\nFrom the hills\r\nthey came\r\n"],
            vec![vec![Finding::FromLineInText]],
        ),
        (
            format!("{FROM}A: 1\n\nx\n\nFrom nobody\nA: 2\n\n"),
            vec!["A: 1\r\n\r\nx\r\n", "A: 2\r\n"],
            vec![vec![], vec![Finding::OddFromLine]],
        ),
        (
            format!("{FROM}Content-Length: 3\n\nlonger\n\n{FROM}A: 2\n"),
            vec!["Content-Length: 3\r\n\r\nlonger\r\n", "A: 2\r\n"],
            vec![vec![Finding::WrongContentLength], vec![]],
        ),
        (
            format!("{FROM}Content-Length: 99999\n\nshort\n\n{FROM}A: 2\n"),
            vec!["Content-Length: 99999\r\n\r\nshort\r\n", "A: 2\r\n"],
            vec![vec![Finding::WrongContentLength], vec![]],
        ),
        ("no from line\n".to_owned(), vec!["no from line\r\n"], vec![vec![Finding::OddFromLine]]),
        (format!("{FROM}A: 1\n\na\0b\n"), vec!["A: 1\r\n\r\na\0b\r\n"], vec![vec![]]),
        (format!("{FROM}A: 1\r\n\r\nx\ny\r\n"), vec!["A: 1\r\n\r\nx\ny\r\n"], vec![vec![]]),
        (
            "From a Thu Jan  1 00:00:05 1970\rA: 1\r\rx".to_owned(),
            vec!["From a Thu Jan  1 00:00:05 1970\rA: 1\r\rx"],
            vec![],
        ),
        (format!("{FROM}A: 1\n\n{long}\n"), vec![&long], vec![]),
    ];
    for (file, expected, findings) in cases {
        let messages = read(file.as_bytes(), MboxVariant::Detect);
        let shown: String = file.chars().take(100).collect();
        assert_eq!(messages.len(), expected.len(), "{shown}");
        for (message, expected) in messages.iter().zip(&expected) {
            let text = String::from_utf8_lossy(&message.raw);
            assert!(text == *expected || expected.len() > 100_000 && text.contains(expected), "{shown}: {text:?}");
        }
        if !findings.is_empty() {
            assert_eq!(messages.into_iter().map(|one| one.findings).collect::<Vec<_>>(), findings, "{shown}");
        }
    }
}

#[test]
fn reading_goes_on_at_every_offset_that_was_told() {
    let file = format!("{FROM}A: 1\n\nx\n\n{FROM}A: 2\n\ny\n\n{FROM}A: 3\n\n");
    let messages = read(file.as_bytes(), MboxVariant::Mboxrd);
    for (at, message) in messages.iter().enumerate() {
        let offset = usize::try_from(message.next_offset).unwrap();
        let rest = &file.as_bytes()[offset..];
        let mut reader = MboxReader::resume(rest, message.next_offset, MboxVariant::Mboxrd, &ReadLimits::default());
        assert_eq!(reader.read_message().unwrap().as_ref(), messages.get(at + 1));
    }
}

#[test]
fn what_is_too_large_is_told_and_the_next_message_read() {
    let limits = ReadLimits { message_bytes_max: 100, ..ReadLimits::default() };
    let file = format!("{FROM}A: 1\n\n{}\n\n{FROM}A: 2\n", "x\n".repeat(1000));
    let mut reader = MboxReader::new(file.as_bytes(), MboxVariant::Detect, &limits).unwrap();
    assert_eq!(reader.read_message().unwrap().unwrap().too_large_bytes, Some(2007));
    assert_eq!(reader.read_message().unwrap().unwrap().raw, b"A: 2\r\n");
}

#[test]
fn marks_of_many_programs_are_read() {
    let cases: &[(&str, &[&str], Option<u32>, bool)] = &[
        (
            "Status: RO\nX-Status: AF\nX-Keywords: a, b\nX-UID: 7\n",
            &["\\Seen", "\\Answered", "\\Flagged", "a", "b"],
            Some(7),
            false,
        ),
        ("Status: O\n", &[], None, false),
        ("X-Status: DT\n", &["\\Deleted", "\\Draft"], None, false),
        (
            "X-Mozilla-Status: 0009\nX-Mozilla-Keys: $label1 nonjunk   \n",
            &["\\Seen", "$label1", "nonjunk", "\\Deleted"],
            None,
            true,
        ),
        ("X-Mozilla-Status: 1003\n", &["\\Seen", "\\Answered", "$Forwarded"], None, false),
        ("X-Postrider-Added: 1\nStatus: O\nStatus: RO\n", &[], None, false),
    ];
    for (header, flags, uid, expunged) in cases {
        let marks = Marks::of(header.as_bytes());
        assert_eq!(marks.flags.iter().map(Flag::name).collect::<Vec<_>>(), *flags, "{header}");
        assert_eq!((marks.uid, marks.expunged), (*uid, *expunged), "{header}");
    }
}

#[test]
fn what_the_writer_added_is_taken_out_again() {
    let flags = [Flag::Seen, Flag::Draft, Flag::Keyword("work".to_owned())];
    let keywords = ["work".to_owned()];
    let added = AddedFields { flags: &flags, uid: Some(3), pop3_uidl: Some("abc"), base: Some((9, 4, &keywords)) };
    let fields = added.encode("\r\n");
    let message = b"Status: RO\r\nSubject: x\r\n\r\n";
    let raw = [&fields, message.as_slice()].concat();
    let marks = Marks::of(&raw);
    assert_eq!((marks.uid, marks.pop3_uidl.as_deref()), (Some(3), Some("abc")));
    assert_eq!(marks.flags.len(), 3);
    assert_eq!(imap_base(&raw), Some((9, 4, vec!["work".to_owned()])));
    assert_eq!(remove_added_fields(raw), message);
}

use crate::flag::Flag;

/// Makes the same messages over and over, without ever holding the file.
struct Endless {
    message: Vec<u8>,
    at: usize,
    left: usize,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.message[self.at..];
        let count = rest.len().min(buffer.len()).min(self.left);
        buffer[..count].copy_from_slice(&rest[..count]);
        self.left -= count;
        self.at = (self.at + count) % self.message.len();
        Ok(count)
    }
}

#[test]
fn a_large_file_is_read_in_a_small_buffer() {
    let body = format!("{}\n", "The quick brown fox jumps over the lazy dog. ".repeat(20)).repeat(40);
    for (header, mebibytes) in [("A: 1\n".to_owned(), 300), (format!("Content-Length: {}\n", body.len()), 30)] {
        let message = format!("{FROM}{header}\n{body}\n").into_bytes();
        let count = mebibytes * 1024 * 1024 / message.len();
        let left = message.len() * count;
        let mut reader =
            MboxReader::new(Endless { message, at: 0, left }, MboxVariant::Detect, &ReadLimits::default()).unwrap();
        let (mut seen, mut held) = (0, 0);
        while let Some(message) = reader.read_message().unwrap() {
            seen += 1;
            held = held.max(reader.source.capacity() + message.raw.capacity());
        }
        assert_eq!(seen, count);
        assert!(held <= 8 * 1024 * 1024, "{held}");
    }
}

#[test]
fn a_file_that_lies_about_lengths_is_read_in_a_bounded_buffer() {
    let limits = ReadLimits { message_bytes_max: 1024 * 1024, ..ReadLimits::default() };
    let message = format!("{FROM}Content-Length: 999999\n\nx\n\n").into_bytes();
    let left = message.len() * 20_000;
    let mut reader = MboxReader::new(Endless { message, at: 0, left }, MboxVariant::Detect, &limits).unwrap();
    let (mut seen, mut held) = (0, 0);
    while reader.read_message().unwrap().is_some() {
        seen += 1;
        held = held.max(reader.source.capacity());
    }
    assert_eq!(seen, 20_000);
    assert!(held <= 6 * 1024 * 1024, "{held}");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_none_are_lost(
        file in "(From a Thu Jan  1 00:00:05 1970\n|From \n|\n|\r\n|>From |A: b\n|Content-Length: [0-9]{1,2}\n|\r|\0|x|\u{fc}){0,30}",
        chunk in 1usize..5,
    ) {
        struct Chunks<'a>(&'a [u8], usize);
        impl Read for Chunks<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = self.1.min(buffer.len());
                (&mut self.0).take(count as u64).read(buffer)
            }
        }
        let whole = read(file.as_bytes(), MboxVariant::Detect);
        for (one, next) in whole.iter().zip(whole.iter().skip(1)) {
            proptest::prop_assert!(one.next_offset <= next.offset && one.offset < one.next_offset);
        }
        let mut reader = MboxReader::new(Chunks(file.as_bytes(), chunk), MboxVariant::Detect, &ReadLimits::default()).unwrap();
        let mut pieces = Vec::new();
        while let Some(message) = reader.read_message().unwrap() {
            pieces.push(message);
        }
        proptest::prop_assert_eq!(pieces, whole);
    }
}
