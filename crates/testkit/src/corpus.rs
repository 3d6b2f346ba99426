//! Seeded mail: the same seed gives the same messages, byte for byte.
//!
//! The messages are made to be as varied as a real mailbox (threads, alternatives, attachments, foreign scripts,
//! encoded words, raw 8-bit text, forwarded messages, empty bodies) and valid: lines end with CRLF and have at most
//! 998 bytes, so that every program and every protocol can carry them. Broken mail belongs into the tests of the code
//! that must survive it.

use crate::random::SplitMix64;

/// What a message is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One part of ASCII text.
    Plain,
    /// `multipart/alternative`: text and HTML.
    HtmlAlternative,
    /// `multipart/mixed`: text and one to three base64 attachments.
    Attachments,
    /// Text that answers an earlier message of the corpus (`In-Reply-To`, `References`).
    Reply,
    /// UTF-8 in headers without encoding (RFC 6532) and in the body.
    Utf8,
    /// Encoded words (RFC 2047) in subject and names, quoted-printable body.
    EncodedWords,
    /// A Latin-1 body in raw 8-bit bytes.
    EightBit,
    /// Lines of the greatest length that RFC 5322 allows.
    LongLines,
    /// A header and nothing behind it.
    EmptyBody,
    /// A forwarded message (`message/rfc822`) with a part of its own.
    Nested,
}

impl Kind {
    /// Every kind, in the order in which [`Corpus::message`] goes round.
    pub const ALL: [Self; 10] = [
        Self::Plain,
        Self::HtmlAlternative,
        Self::Attachments,
        Self::Reply,
        Self::Utf8,
        Self::EncodedWords,
        Self::EightBit,
        Self::LongLines,
        Self::EmptyBody,
        Self::Nested,
    ];
}

const NAMES: [(&str, &str); 6] = [
    ("Ada Byron", "ada"),
    ("Grace H.", "grace"),
    ("Jörg Müller", "joerg"),
    ("Σωκράτης", "sokrates"),
    ("山田 花子", "hanako"),
    ("Zoë O'Neill", "zoe"),
];

const WORDS: [&str; 32] = [
    "harbour", "letter", "the", "a", "of", "ship", "window", "morning", "answer", "green", "seven", "stamp", "rider",
    "post", "village", "road", "under", "before", "quiet", "report", "invoice", "meeting", "draft", "table", "river",
    "cloud", "paper", "ink", "north", "late", "again", "tomorrow",
];

/// A generator of messages.
#[derive(Debug)]
pub struct Corpus {
    random: SplitMix64,
    seed: u64,
    count: usize,
    /// Message-IDs and subjects that a later message may answer; each with its own references.
    threads: Vec<(String, String, String)>,
}

impl Corpus {
    /// The corpus that belongs to `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { random: SplitMix64::new(seed), seed, count: 0, threads: Vec::new() }
    }

    /// The next message, of the next kind in turn and of about `size_bytes` (a message is never smaller than its
    /// headers).
    pub fn message(&mut self, size_bytes: usize) -> Vec<u8> {
        let kind = Kind::ALL[self.count % Kind::ALL.len()];
        self.message_of(kind, size_bytes)
    }

    /// The next `count` messages with sizes as mail has them: many small ones, a few up to `size_bytes_max`.
    pub fn messages(&mut self, count: usize, size_bytes_max: usize) -> Vec<Vec<u8>> {
        (0..count)
            .map(|_| {
                let shift = self.random.below(8);
                let size = self.random.between(200, (size_bytes_max >> shift).max(200));
                self.message(size)
            })
            .collect()
    }

    /// The next message, of this kind.
    pub fn message_of(&mut self, kind: Kind, size_bytes: usize) -> Vec<u8> {
        self.count += 1;
        let mut message = Vec::with_capacity(size_bytes + 1024);
        self.write_header(&mut message, kind);
        let room = size_bytes.saturating_sub(message.len());
        match kind {
            Kind::EmptyBody => message.extend_from_slice(b"\r\n"),
            Kind::Plain | Kind::Reply => {
                message.extend_from_slice(b"\r\n");
                self.write_text(&mut message, room, 72);
            }
            Kind::LongLines => {
                message.extend_from_slice(b"\r\n");
                self.write_text(&mut message, room.max(3000), 998);
            }
            Kind::Utf8 => self.write_utf8_body(&mut message, room),
            Kind::EncodedWords => self.write_quoted_printable_body(&mut message, room),
            Kind::EightBit => self.write_latin1_body(&mut message, room),
            Kind::HtmlAlternative => self.write_alternative(&mut message, room),
            Kind::Attachments => self.write_attachments(&mut message, room),
            Kind::Nested => self.write_nested(&mut message, room),
        }
        message
    }

    fn write_header(&mut self, message: &mut Vec<u8>, kind: Kind) {
        let number = self.count;
        let id = format!("<{number}.{:08x}@corpus.example>", self.seed);
        let mut subject = format!("{} {} {number}", self.random.pick(&WORDS), self.random.pick(&WORDS));
        let mut threading = String::new();
        if kind == Kind::Reply && !self.threads.is_empty() {
            let (parent, parent_subject, parent_references) = self.random.pick(&self.threads).clone();
            let references = format!("{parent_references}{parent}");
            threading = format!("In-Reply-To: {parent}\r\nReferences: {references}\r\n");
            subject = if parent_subject.starts_with("Re: ") { parent_subject } else { format!("Re: {parent_subject}") };
            self.threads.push((id.clone(), subject.clone(), format!("{references}\r\n ")));
        } else {
            self.threads.push((id.clone(), subject.clone(), String::new()));
        }
        let (subject, from) = self.subject_and_sender(kind, &subject);
        let day = 1 + number / 86_400 % 28;
        let (hour, minute, second) = (number / 3600 % 24, number / 60 % 60, number % 60);
        let header = format!(
            "Received: from client.example ([192.0.2.{}]) by mail.example with ESMTPS;\r\n\
             \t{day:02} May 2026 {hour:02}:{minute:02}:{second:02} +0000\r\n\
             Date: {day:02} May 2026 {hour:02}:{minute:02}:{second:02} +0200\r\n\
             From: {from}\r\n\
             To: Reader <reader@example.test>,\r\n Team: a@example.test, \"B, C\" <b@example.test>;\r\n\
             Message-ID: {id}\r\n\
             {threading}Subject: {subject}\r\n\
             MIME-Version: 1.0\r\n",
            self.random.below(255),
        );
        message.extend_from_slice(header.as_bytes());
    }

    /// Subject and From in the way of the kind: ASCII, raw UTF-8 or encoded words.
    fn subject_and_sender(&mut self, kind: Kind, subject: &str) -> (String, String) {
        let (name, local) = *self.random.pick(&NAMES);
        match kind {
            Kind::Utf8 => (format!("{subject} — Grüße, 你好"), format!("\"{name}\" <{local}@corpus.example>")),
            Kind::EncodedWords => {
                let subject = format!("=?utf-8?B?{}?=\r\n =?iso-8859-1?Q?gr=FC=DFe?=", base64(subject.as_bytes()));
                (subject, format!("=?UTF-8?B?{}?= <{local}@corpus.example>", base64(name.as_bytes())))
            }
            _ => (subject.to_owned(), format!("{local} <{local}@corpus.example>")),
        }
    }

    fn write_utf8_body(&mut self, message: &mut Vec<u8>, room: usize) {
        message
            .extend_from_slice(b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
        let end = message.len() + room;
        loop {
            message.extend_from_slice("Grüße aus Zürich — καλημέρα, 早上好, 🐎📮\r\n".as_bytes());
            if message.len() >= end {
                return;
            }
        }
    }

    fn write_quoted_printable_body(&mut self, message: &mut Vec<u8>, room: usize) {
        message.extend_from_slice(
            b"Content-Type: text/plain; charset=\"iso-8859-1\"; format=flowed\r\n\
              Content-Transfer-Encoding: quoted-printable\r\n\r\n",
        );
        let end = message.len() + room;
        loop {
            let line = format!("Gr=FC=DFe, {} =3D=\r\n and {}\r\n", self.random.pick(&WORDS), self.random.below(9));
            message.extend_from_slice(line.as_bytes());
            if message.len() >= end {
                return;
            }
        }
    }

    fn write_latin1_body(&mut self, message: &mut Vec<u8>, room: usize) {
        message.extend_from_slice(
            b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
        );
        let end = message.len() + room;
        loop {
            message.extend_from_slice(b"\xdcber den D\xe4chern: \xa3 5, \xbd Brot\r\n");
            if message.len() >= end {
                return;
            }
        }
    }

    fn write_alternative(&mut self, message: &mut Vec<u8>, room: usize) {
        let boundary = format!("=_alt_{}", self.count);
        message.extend_from_slice(
            format!(
                "Content-Type: multipart/alternative;\r\n boundary=\"{boundary}\"\r\n\r\n\
                 This is a message in MIME.\r\n--{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
            )
            .as_bytes(),
        );
        self.write_text(message, room / 2, 70);
        message.extend_from_slice(
            format!("\r\n--{boundary}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>\r\n").as_bytes(),
        );
        self.write_text(message, room / 2, 70);
        message.extend_from_slice(format!("</p></body></html>\r\n--{boundary}--\r\n").as_bytes());
    }

    fn write_attachments(&mut self, message: &mut Vec<u8>, room: usize) {
        let boundary = format!("mixed-{}", self.count);
        message.extend_from_slice(
            format!(
                "Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n--{boundary}\r\n\
                 Content-Type: text/plain\r\nContent-Disposition: inline\r\n\r\n"
            )
            .as_bytes(),
        );
        self.write_text(message, 80, 72);
        let attachments = self.random.between(1, 3);
        for number in 0..attachments {
            message.extend_from_slice(
                format!(
                    "\r\n--{boundary}\r\nContent-Type: application/octet-stream; name=\"part {number}.bin\"\r\n\
                     Content-Transfer-Encoding: base64\r\nContent-ID: <{number}.{boundary}@corpus.example>\r\n\
                     Content-Disposition: attachment; filename*=utf-8''gr%C3%BC%C3%9Fe-{number}.bin\r\n\r\n"
                )
                .as_bytes(),
            );
            let bytes = room * 3 / 4 / attachments;
            let mut content = Vec::with_capacity(bytes + 8);
            while content.len() < bytes.max(20) {
                content.extend_from_slice(&self.random.next_u64().to_be_bytes());
            }
            for line in content.chunks(57) {
                message.extend_from_slice(base64(line).as_bytes());
                message.extend_from_slice(b"\r\n");
            }
        }
        message.extend_from_slice(format!("--{boundary}--\r\nepilogue\r\n").as_bytes());
    }

    fn write_nested(&mut self, message: &mut Vec<u8>, room: usize) {
        let boundary = format!("outer.{}", self.count);
        let kind = *self.random.pick(&[Kind::Plain, Kind::HtmlAlternative, Kind::EncodedWords]);
        let inner = self.message_of(kind, room / 2);
        message.extend_from_slice(
            format!(
                "Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n\r\nForwarded:\r\n\
                 --{boundary}\r\nContent-Type: message/rfc822\r\nContent-Description: the forwarded one\r\n\r\n"
            )
            .as_bytes(),
        );
        message.extend_from_slice(&inner);
        message.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    }

    /// Words in lines of at most `line_bytes_max`, about `room` bytes of them, at least one line.
    fn write_text(&mut self, message: &mut Vec<u8>, room: usize, line_bytes_max: usize) {
        let end = message.len() + room;
        loop {
            let mut line = String::new();
            loop {
                let word = self.random.pick(&WORDS);
                if line.len() + word.len() + 1 > line_bytes_max || message.len() + line.len() > end {
                    break;
                }
                line.push_str(word);
                line.push(' ');
            }
            message.extend_from_slice(line.trim_end().as_bytes());
            message.extend_from_slice(b"\r\n");
            if message.len() >= end {
                return;
            }
        }
    }
}

/// A message of some 200 bytes with a subject of its own, for tests that need very many.
#[must_use]
pub fn small_message(number: usize) -> Vec<u8> {
    format!(
        "Date: 01 May 2026 10:{:02}:{:02} +0000\r\nFrom: Sender <sender@corpus.example>\r\nTo: reader@example.test\r\n\
         Message-ID: <small-{number}@corpus.example>\r\nSubject: small message {number}\r\n\r\nnumber {number}\r\n",
        number / 60 % 60,
        number % 60,
    )
    .into_bytes()
}

/// Base64 (RFC 4648 §4) in one line.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index: usize| usize::from(group.get(index).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for position in 0..4 {
            if position <= group.len() {
                text.push(char::from(ALPHABET[(bits >> (18 - 6 * position)) & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_corpus() {
        let first = Corpus::new(5).messages(50, 20_000);
        assert_eq!(first, Corpus::new(5).messages(50, 20_000));
        assert_ne!(first, Corpus::new(6).messages(50, 20_000));
    }

    #[test]
    fn every_message_has_lines_that_smtp_can_carry() {
        let mut corpus = Corpus::new(1);
        for message in corpus.messages(200, 50_000) {
            assert!(message.ends_with(b"\r\n"));
            for line in message.split_inclusive(|byte| *byte == b'\n') {
                assert!(line.ends_with(b"\r\n"), "bare LF in {:?}", String::from_utf8_lossy(line));
                let content = &line[..line.len() - 2];
                assert!(content.len() <= 998 && !content.contains(&b'\r') && !content.contains(&0));
            }
        }
    }

    #[test]
    fn sizes_are_about_what_was_asked_for() {
        let mut corpus = Corpus::new(2);
        for kind in Kind::ALL {
            let size = corpus.message_of(kind, 30_000).len();
            let expected = if kind == Kind::EmptyBody { 300..1000 } else { 14_000..45_000 };
            assert!(expected.contains(&size), "{kind:?} has {size} bytes");
        }
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (plain, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
