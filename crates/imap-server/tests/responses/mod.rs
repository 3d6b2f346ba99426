//! Is everything that a server says well-formed? `imap-codec`, which shares no line with ours, is asked; without its
//! `quirk` features it forgives nothing.
//!
//! Extensions it does not know are listed here, each with a small strict parser of its own: what they add is taken out,
//! checked, and the rest goes to `imap-codec` again.
//!
//! | what | why |
//! |---|---|
//! | `* ESEARCH` | no ESEARCH (RFC 4731) |
//! | `* LIST … ("CHILDINFO" …)` | no extended items (RFC 5258 §3.5) |
//! | FETCH `EMAILID`, `THREADID`, `SAVEDATE`, `PREVIEW` | no RFC 8474, RFC 8514, RFC 8970 |
//! | FETCH `BINARY[…]<n>` | no origin in the answer (RFC 3516 §7) |
//! | STATUS `APPENDLIMIT`, `MAILBOXID` | no RFC 7889, RFC 8474 |
//! | `APPENDUID` with a set | one UID only (RFC 4315 §4 has a set for MULTIAPPEND) |
//! | codes of RFC 5530, RFC 8474, RFC 6154 and RFC 5182 | taken for unknown ones, which may hold anything |

#![allow(clippy::panic, clippy::unwrap_used)]

use imap_codec::{
    GreetingCodec, ResponseCodec,
    decode::Decoder as _,
    imap_types::{
        fetch::MessageDataItem,
        flag::FlagFetch,
        response::{Code, Data, Response, Status},
    },
};

/// Codes without arguments that imap-codec does not know.
const CODES: [&str; 18] = [
    "ALREADYEXISTS",
    "AUTHENTICATIONFAILED",
    "CANNOT",
    "CLIENTBUG",
    "CORRUPTION",
    "EXPUNGEISSUED",
    "HASCHILDREN",
    "INUSE",
    "LIMIT",
    "NONEXISTENT",
    "NOPERM",
    "NOTSAVED",
    "PRIVACYREQUIRED",
    "SERVERBUG",
    "TOOBIG",
    "UNAVAILABLE",
    "UNKNOWN-CTE",
    "USEATTR",
];

/// What the client has enabled: it decides what may be said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Enabled {
    pub rev2: bool,
    pub condstore: bool,
    pub qresync: bool,
    pub utf8: bool,
}

/// Cuts what a server said into responses, literals included, and checks each; returns how many there were.
pub fn check(said: &[u8], enabled: Enabled) -> usize {
    let mut rest = said;
    let mut count = 0;
    while !rest.is_empty() {
        let (response, next) = rest.split_at(response_end(rest));
        check_response(response, enabled);
        rest = next;
        count += 1;
    }
    count
}

/// Checks the greeting.
pub fn check_greeting(line: &[u8]) {
    let (rest, _) = GreetingCodec::default().decode(line).unwrap_or_else(|error| fail(line, &format!("{error:?}")));
    assert!(rest.is_empty(), "behind the greeting: {}", rest.escape_ascii());
}

fn fail(response: &[u8], why: &str) -> ! {
    panic!("{why}: {}", response[..response.len().min(2000)].escape_ascii())
}

fn response_end(said: &[u8]) -> usize {
    let mut start = 0;
    loop {
        let Some(end) = memchr::memmem::find(&said[start..], b"\r\n") else { fail(&said[start..], "no line end") };
        let line = &said[start..start + end];
        assert!(!line.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)), "in a line: {}", line.escape_ascii());
        start += end + 2;
        match literal_length(line) {
            Some(length) if said.starts_with(b"* ") => start += length,
            _ => return start,
        }
    }
}

fn literal_length(line: &[u8]) -> Option<usize> {
    let open = line.iter().rposition(|&octet| octet == b'{')?;
    std::str::from_utf8(line.strip_suffix(b"}")?.get(open + 1..)?).ok()?.parse().ok()
}

fn check_response(response: &[u8], enabled: Enabled) {
    let mut parser = Parser { whole: response, rest: response };
    let parts = match () {
        () if response.starts_with(b"* ESEARCH") => return parser.esearch(),
        () if response.starts_with(b"* LIST ") => parser.without_list_extensions(),
        () if response.starts_with(b"* STATUS ") => parser.without_status_extensions(),
        () if memchr::memmem::find(response, b" FETCH (").is_some_and(|at| at < 14) => {
            parser.without_fetch_extensions()
        }
        () => Some(response.to_vec()),
    };
    let Some(known) = parts else { return };
    let (rest, parsed) =
        ResponseCodec::default().decode(&known).unwrap_or_else(|error| fail(response, &format!("{error:?}")));
    assert!(rest.is_empty(), "behind {parsed:?}: {}", rest.escape_ascii());
    check_code(&parsed, response);
    check_state(&parsed, response, enabled);
}

fn check_code(parsed: &Response<'_>, response: &[u8]) {
    let code = match parsed {
        Response::Status(Status::Untagged(body)) => &body.code,
        Response::Status(Status::Tagged(tagged)) => &tagged.body.code,
        Response::Status(Status::Bye(bye)) => &bye.code,
        _ => return,
    };
    if let Some(Code::Other(_)) = code {
        let start = response.iter().position(|&octet| octet == b'[').unwrap() + 1;
        let mut parser = Parser { whole: response, rest: &response[start..] };
        let name = parser.word();
        match name {
            b"MAILBOXID" => {
                parser.expect(" (");
                parser.object_id();
                parser.expect(")");
            }
            b"APPENDUID" => {
                parser.expect(" ");
                parser.nonzero_number();
                parser.expect(" ");
                parser.sequence_set();
            }
            name => assert!(CODES.iter().any(|code| code.as_bytes() == name), "a code: {}", response.escape_ascii()),
        }
        parser.expect("] ");
    }
}

/// What a client that did not ask for an extension must not be told.
fn check_state(parsed: &Response<'_>, response: &[u8], enabled: Enabled) {
    let outside = outside_literals(response);
    if !enabled.rev2 && !enabled.utf8 {
        assert!(outside.is_ascii(), "UTF-8 for a client that does not read it: {}", response.escape_ascii());
    }
    assert!(std::str::from_utf8(&outside).is_ok(), "not UTF-8: {}", response.escape_ascii());
    match parsed {
        Response::Data(Data::Search(..) | Data::Recent(_)) if enabled.rev2 => fail(response, "not in IMAP4rev2"),
        Response::Data(Data::Vanished { .. }) if !enabled.qresync => fail(response, "QRESYNC is not enabled"),
        Response::Data(Data::Expunge(_)) if enabled.qresync => fail(response, "QRESYNC has VANISHED for it"),
        Response::Data(Data::Fetch { items, .. }) => {
            for item in items.as_ref() {
                match item {
                    MessageDataItem::Flags(flags) if enabled.rev2 && flags.contains(&FlagFetch::Recent) => {
                        fail(response, "\\Recent in IMAP4rev2");
                    }
                    MessageDataItem::ModSeq(_) if !enabled.condstore => fail(response, "a MODSEQ unasked"),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn outside_literals(response: &[u8]) -> Vec<u8> {
    let mut outside = Vec::new();
    let mut rest = response;
    while let Some(end) = memchr::memmem::find(rest, b"\r\n") {
        let (line, next) = rest.split_at(end + 2);
        outside.extend_from_slice(line);
        rest = match literal_length(&line[..end]) {
            Some(length) if response.starts_with(b"* ") => next.get(length..).unwrap_or_default(),
            _ => next,
        };
    }
    outside
}

/// A strict reader of the little that imap-codec lacks. Whatever does not fit panics.
struct Parser<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Parser<'a> {
    fn expect(&mut self, text: &str) {
        if !self.eat(text) {
            fail(self.whole, &format!("expected {text:?} at {:?}", String::from_utf8_lossy(self.rest)));
        }
    }

    fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text.as_bytes());
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or_else(|| fail(self.whole, "cut off"));
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().position(|&octet| !accept(octet)).unwrap_or(self.rest.len());
        self.take(length)
    }

    /// Letters, digits and `.`
    fn word(&mut self) -> &'a [u8] {
        let word =
            self.take_while(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit() || b".-".contains(&octet));
        assert!(!word.is_empty(), "a word is missing: {}", self.whole.escape_ascii());
        word
    }

    fn number(&mut self) -> u64 {
        let digits = std::str::from_utf8(self.take_while(|octet| octet.is_ascii_digit())).unwrap();
        assert!(digits == "0" || !digits.starts_with('0'), "a number: {}", self.whole.escape_ascii());
        digits.parse().unwrap_or_else(|_| fail(self.whole, "no number"))
    }

    fn nonzero_number(&mut self) -> u32 {
        let number = u32::try_from(self.number()).unwrap();
        assert_ne!(number, 0);
        number
    }

    fn object_id(&mut self) {
        let id = self.take_while(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet));
        assert!((1..=255).contains(&id.len()), "an object id: {}", self.whole.escape_ascii());
    }

    fn quoted(&mut self) {
        self.expect("\"");
        loop {
            self.take_while(|octet| !b"\"\\\r\n\0".contains(&octet));
            match self.take(1) {
                b"\"" => return,
                b"\\" => assert!(matches!(self.take(1), b"\"" | b"\\"), "{}", self.whole.escape_ascii()),
                _ => fail(self.whole, "a quoted string"),
            }
        }
    }

    fn literal(&mut self) -> &'a [u8] {
        self.expect("{");
        let length = self.number();
        self.expect("}\r\n");
        self.take(usize::try_from(length).unwrap())
    }

    /// Any value, whatever is in it: lists, strings, atoms with sections in brackets.
    fn skip_value(&mut self) {
        match self.rest.first() {
            Some(b'(') => {
                self.expect("(");
                while !self.eat(")") {
                    self.skip_value();
                    self.eat(" ");
                }
            }
            Some(b'"') => self.quoted(),
            Some(b'~') => {
                self.expect("~");
                self.literal();
            }
            Some(b'{') => assert!(!self.literal().contains(&0), "a NUL: {}", self.whole.escape_ascii()),
            _ => assert!(
                !self.take_while(|octet| octet.is_ascii_graphic() && !b"()\"{".contains(&octet)).is_empty(),
                "a value is missing: {}",
                self.whole.escape_ascii()
            ),
        }
    }

    /// `* ESEARCH (TAG "x") [UID] MIN n MAX n ALL set COUNT n MODSEQ n` (RFC 9051 §9, `esearch-response`)
    fn esearch(&mut self) {
        self.expect("* ESEARCH (TAG ");
        self.quoted();
        self.expect(")");
        self.eat(" UID");
        let mut names: Vec<&[u8]> = Vec::new();
        while self.eat(" ") {
            let name = self.word();
            assert!(!names.contains(&name), "twice: {}", self.whole.escape_ascii());
            names.push(name);
            self.expect(" ");
            match name {
                b"MIN" | b"MAX" => drop(self.nonzero_number()),
                b"COUNT" => drop(self.number()),
                b"MODSEQ" => assert_ne!(self.number(), 0),
                b"ALL" => self.sequence_set(),
                _ => fail(self.whole, "an unknown result"),
            }
        }
        self.end();
    }

    /// Ascending, without overlap and without `*`.
    fn sequence_set(&mut self) {
        let mut last = 0;
        loop {
            let first = self.nonzero_number();
            assert!(first > last, "a set: {}", self.whole.escape_ascii());
            last = if self.eat(":") { self.nonzero_number() } else { first };
            assert!(last >= first, "a set: {}", self.whole.escape_ascii());
            if !self.eat(",") {
                return;
            }
        }
    }

    fn end(&mut self) {
        self.expect("\r\n");
        assert!(self.rest.is_empty(), "{}", self.whole.escape_ascii());
    }

    /// `* LIST (…) "/" name ("CHILDINFO" ("SUBSCRIBED"))`
    fn without_list_extensions(&mut self) -> Option<Vec<u8>> {
        self.expect("* LIST ");
        for _ in 0..3 {
            self.skip_value();
            self.eat(" ");
        }
        if self.rest == b"\r\n" {
            return Some(self.whole.to_vec());
        }
        let basic = self.whole.len() - self.rest.len() - 1;
        self.expect("(\"CHILDINFO\" (\"SUBSCRIBED\"))");
        self.end();
        Some([&self.whole[..basic], b"\r\n"].concat())
    }

    fn without_status_extensions(&mut self) -> Option<Vec<u8>> {
        self.expect("* STATUS ");
        self.skip_value();
        self.expect(" (");
        let start = &self.whole[..self.whole.len() - self.rest.len()];
        self.without_items(start, |parser, name| match name {
            b"APPENDLIMIT" => {
                parser.expect(" ");
                if !parser.eat("NIL") {
                    parser.number();
                }
                true
            }
            b"MAILBOXID" => {
                parser.expect(" (");
                parser.object_id();
                parser.expect(")");
                true
            }
            _ => false,
        })
    }

    fn without_fetch_extensions(&mut self) -> Option<Vec<u8>> {
        self.expect("* ");
        self.nonzero_number();
        self.expect(" FETCH (");
        let start = &self.whole[..self.whole.len() - self.rest.len()];
        self.without_items(start, |parser, name| match name {
            b"EMAILID" => {
                parser.expect(" (");
                parser.object_id();
                parser.expect(")");
                true
            }
            b"THREADID" => {
                if !parser.eat(" NIL") {
                    parser.expect(" (");
                    parser.object_id();
                    parser.expect(")");
                }
                true
            }
            b"SAVEDATE" => {
                parser.expect(" ");
                // The same form as INTERNALDATE, which imap-codec reads elsewhere.
                assert!(parser.eat("NIL") || parser.take(28).ends_with(b" +0000\""), "{}", parser.whole.escape_ascii());
                true
            }
            b"PREVIEW" => {
                parser.expect(" ");
                match parser.rest.first() {
                    Some(b'{') => assert!(std::str::from_utf8(parser.literal()).is_ok()),
                    _ => parser.quoted(),
                }
                true
            }
            b"BINARY" => parser.binary_with_origin(),
            _ => false,
        })
    }

    /// `BINARY[1.2]<n> content`; without an origin imap-codec reads it.
    fn binary_with_origin(&mut self) -> bool {
        let before = self.rest;
        self.expect("[");
        self.take_while(|octet| octet.is_ascii_digit() || octet == b'.');
        self.expect("]");
        if !self.eat("<") {
            self.rest = before;
            return false;
        }
        self.number();
        self.expect("> ");
        if !self.eat("NIL") {
            self.skip_value();
        }
        true
    }

    /// Takes the items that `is_extension` knows and has read out of a list that ends the response. `None` if none is left.
    fn without_items(&mut self, start: &[u8], is_extension: impl Fn(&mut Self, &[u8]) -> bool) -> Option<Vec<u8>> {
        let mut kept: Vec<&[u8]> = Vec::new();
        loop {
            let item = self.rest;
            let name = self.word();
            if !is_extension(self, name) {
                if self.rest.starts_with(b"[") {
                    self.section();
                }
                self.expect(" ");
                self.skip_value();
                kept.push(&item[..item.len() - self.rest.len()]);
            }
            if !self.eat(" ") {
                break;
            }
        }
        self.expect(")");
        self.end();
        (!kept.is_empty()).then(|| [start, &kept.join(&b' '), b")\r\n"].concat())
    }

    /// `[…]<n>`, with quoted field names perhaps.
    fn section(&mut self) {
        while !self.eat("]") {
            match self.rest.first() {
                Some(b'"') => self.quoted(),
                Some(b'{') => drop(self.literal()),
                _ => drop(self.take(1)),
            }
        }
        if self.eat("<") {
            self.number();
            self.expect(">");
        }
    }
}

#[test]
fn malformed_responses_are_found() {
    let all = Enabled { rev2: false, condstore: true, qresync: false, utf8: false };
    for (response, is_good) in [
        ("* ESEARCH (TAG \"a\") MIN 2 ALL 2,4:5 COUNT 3\r\n", true),
        ("* ESEARCH (TAG \"a\") ALL \r\n", false),
        ("* ESEARCH (TAG \"a\") ALL 4,2\r\n", false),
        ("* 1 FETCH (EMAILID (M1) UID 4)\r\n", true),
        ("* 1 FETCH (EMAILID () UID 4)\r\n", false),
        ("* 1 FETCH ()\r\n", false),
        ("* 1 FETCH (UID 4 )\r\n", false),
        ("* 1 FETCH (UID 0)\r\n", false),
        ("* 1 FETCH (PREVIEW NIL)\r\n", false),
        ("* 1 FETCH (BODY[] {3}\r\na\0b)\r\n", false),
        ("* 1 FETCH (BINARY[1]<0> ~{3}\r\na\0b)\r\n", true),
        ("* LIST () \"/\" a (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n", true),
        ("* LIST () \"/\" a (\"CHILDINFO\")\r\n", false),
        ("* LIST () \"/\" a b\r\n", false),
        ("* STATUS a (MAILBOXID (F1) MESSAGES 1)\r\n", true),
        ("* STATUS a (MAILBOXID F1)\r\n", false),
        ("a OK [CANNOT] text\r\n", true),
        ("a OK [NOSUCH] text\r\n", false),
        ("a OK\r\n", false),
        ("* VANISHED 4\r\n", false),
        ("* NO \u{e9}\r\n", false),
        ("* 1 EXISTS", false),
    ] {
        let result = std::panic::catch_unwind(|| check(response.as_bytes(), all));
        assert_eq!(result.is_ok(), is_good, "{response}");
    }
}
