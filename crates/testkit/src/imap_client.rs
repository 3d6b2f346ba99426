//! The smallest IMAP client that can say what a server did.
//!
//! Blocking, in the clear, on the loopback. It is written from RFC 9051 and shares no line with the server's own
//! grammar, so that a mistake there is not repeated here. It understands what the tests ask for (FETCH data items as
//! name and value, ESEARCH and SEARCH numbers, response codes) and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::server::{Account, ServerUnderTest};

/// A connection to an IMAP server.
#[derive(Debug)]
pub struct ImapClient {
    stream: BufReader<TcpStream>,
    tags: u32,
    /// What was said last, for failure messages.
    log: String,
}

/// A server's answer to one command.
#[derive(Debug)]
pub struct Answer {
    /// The untagged responses without `* ` and CRLF; literals stand in them as they came, `{5}` CRLF and the bytes.
    pub untagged: Vec<Vec<u8>>,
    /// `OK`, `NO` or `BAD`.
    pub status: String,
    /// What follows the status.
    pub text: String,
}

impl Answer {
    /// The value of a response code of the tagged line, as `APPENDUID` in `OK [APPENDUID 1 7] done`.
    #[must_use]
    pub fn code(&self, name: &str) -> Option<&str> {
        let code = self.text.strip_prefix('[')?.split(']').next()?;
        let value = code.strip_prefix(name)?;
        Some(value.trim_start())
    }

    /// The untagged FETCH responses.
    #[must_use]
    pub fn fetches(&self) -> Vec<Fetch> {
        self.untagged.iter().filter_map(|line| Fetch::parse(line)).collect()
    }

    /// The numbers of `* SEARCH`.
    #[must_use]
    pub fn search(&self) -> Vec<u32> {
        let found = self.untagged.iter().filter_map(|line| line.strip_prefix(b"SEARCH"));
        found
            .flat_map(|line| {
                String::from_utf8_lossy(line).split_whitespace().map(|n| n.parse().unwrap()).collect::<Vec<_>>()
            })
            .collect()
    }
}

/// One `* n FETCH (…)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Sequence number.
    pub number: usize,
    /// Data items by their names in capitals; a value is its bytes, a string without its quotes or literal's length.
    pub items: BTreeMap<String, Vec<u8>>,
}

impl Fetch {
    /// Reads the response; `None` when it is another.
    ///
    /// # Panics
    /// When it is a FETCH that breaks the grammar.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let space = line.iter().position(|byte| *byte == b' ')?;
        let number = std::str::from_utf8(&line[..space]).ok()?.parse().ok()?;
        let mut rest = line[space + 1..].strip_prefix(b"FETCH (")?;
        let mut items = BTreeMap::new();
        while !rest.starts_with(b")") {
            let name;
            (name, rest) = item_name(rest);
            rest = rest.strip_prefix(b" ").unwrap_or_else(|| panic!("no value in {}", String::from_utf8_lossy(line)));
            let value;
            (value, rest) = item_value(rest);
            items.insert(name, value);
            rest = rest.strip_prefix(b" ").unwrap_or(rest);
        }
        assert_eq!(rest, b")", "text after a FETCH response: {}", String::from_utf8_lossy(line));
        Some(Self { number, items })
    }

    /// The UID, when the response has it.
    ///
    /// # Panics
    /// When it is no number.
    #[must_use]
    pub fn uid(&self) -> Option<u32> {
        self.items.get("UID").map(|value| std::str::from_utf8(value).unwrap().parse().unwrap())
    }

    /// The flags, when the response has them; in lower case, as they have no case, and without `\Recent`, which
    /// belongs to one session only.
    #[must_use]
    pub fn flags(&self) -> Option<BTreeSet<String>> {
        let value = String::from_utf8_lossy(self.items.get("FLAGS")?).to_ascii_lowercase();
        let inner = value.trim_start_matches('(').trim_end_matches(')');
        Some(inner.split_whitespace().filter(|flag| *flag != "\\recent").map(str::to_owned).collect())
    }
}

/// An item's name: up to the space, but a section in brackets may have spaces.
fn item_name(bytes: &[u8]) -> (String, &[u8]) {
    let mut depth = 0_usize;
    let end = bytes.iter().position(|byte| {
        match byte {
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => {}
        }
        depth == 0 && *byte == b' '
    });
    let end = end.unwrap_or_else(|| panic!("no end of an item's name: {}", String::from_utf8_lossy(bytes)));
    (String::from_utf8_lossy(&bytes[..end]).to_ascii_uppercase(), &bytes[end..])
}

/// An item's value: a string's content, an atom, or a whole list as it stands.
fn item_value(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    match bytes.first() {
        Some(b'(') => {
            let length = list_length(bytes);
            (bytes[..length].to_vec(), &bytes[length..])
        }
        Some(b'"') => {
            let length = quoted_length(bytes);
            let mut content = Vec::new();
            let mut inner = bytes[1..length - 1].iter();
            while let Some(byte) = inner.next() {
                content.push(if *byte == b'\\' { *inner.next().unwrap() } else { *byte });
            }
            (content, &bytes[length..])
        }
        Some(b'{' | b'~') => {
            let (start, length) = literal_bounds(bytes);
            (bytes[start..start + length].to_vec(), &bytes[start + length..])
        }
        _ => {
            let end = bytes.iter().position(|byte| matches!(byte, b' ' | b')')).unwrap_or(bytes.len());
            (bytes[..end].to_vec(), &bytes[end..])
        }
    }
}

fn quoted_length(bytes: &[u8]) -> usize {
    let mut index = 1;
    while bytes[index] != b'"' {
        index += if bytes[index] == b'\\' { 2 } else { 1 };
    }
    index + 1
}

/// Where a literal's bytes begin and how many there are.
fn literal_bounds(bytes: &[u8]) -> (usize, usize) {
    let end = bytes.iter().position(|byte| *byte == b'}').expect("a literal's closing brace");
    let digits = std::str::from_utf8(&bytes[..end]).unwrap().trim_start_matches(['~', '{']);
    (end + 3, digits.parse().unwrap())
}

fn list_length(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut index = 0;
    loop {
        match bytes[index] {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'"' => index += quoted_length(&bytes[index..]) - 1,
            b'{' => {
                let (start, length) = literal_bounds(&bytes[index..]);
                index += start + length - 1;
            }
            _ => {}
        }
        index += 1;
        if depth == 0 {
            return index;
        }
    }
}

impl ImapClient {
    /// Connects and reads the greeting.
    ///
    /// # Errors
    /// When the server is not there or breaks off.
    pub fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        let mut client = Self { stream: BufReader::with_capacity(1 << 16, stream), tags: 0, log: String::new() };
        let greeting = client.read_response()?;
        if greeting.starts_with(b"* OK") {
            Ok(client)
        } else {
            Err(io::Error::other(format!("greeting {}", String::from_utf8_lossy(&greeting))))
        }
    }

    /// Connects and logs in.
    ///
    /// # Errors
    /// When the server is not there, breaks off or refuses.
    pub fn login_to(port: u16, account: &Account) -> io::Result<Self> {
        let mut client = Self::connect(port)?;
        let answer = client.command(&format!("LOGIN {} {}", account.address, account.password))?;
        if answer.status == "OK" { Ok(client) } else { Err(io::Error::other(format!("login: {}", answer.text))) }
    }

    /// Connects to the server under test as the account with this local part.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn of(server: &ServerUnderTest, local: &str) -> Self {
        Self::login_to(server.ports().imap, server.account(local)).unwrap()
    }

    /// Sends a command and reads up to its tagged answer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn command(&mut self, command: &str) -> io::Result<Answer> {
        let tag = self.send(command.as_bytes())?;
        self.answer(&tag)
    }

    /// Sends a command that must be answered with OK.
    ///
    /// # Panics
    /// When it is not.
    pub fn ok(&mut self, command: &str) -> Answer {
        let answer = self.command(command).unwrap_or_else(|error| panic!("{command}: {error}\n{}", self.log));
        assert_eq!(answer.status, "OK", "{command}: {}\n{}", answer.text, self.log);
        answer
    }

    /// Sends a command, which may hold non-synchronising literals, without waiting; gives its tag.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send(&mut self, command: &[u8]) -> io::Result<String> {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        let shown = &command[..command.len().min(200)];
        self.remember('C', &[tag.as_bytes(), b" ", shown].concat());
        let stream = self.stream.get_mut();
        stream.write_all(&[tag.as_bytes(), b" ", command, b"\r\n"].concat())?;
        Ok(tag)
    }

    /// Reads up to the answer with this tag.
    ///
    /// # Errors
    /// When the connection breaks, or another command is answered.
    pub fn answer(&mut self, tag: &str) -> io::Result<Answer> {
        let mut untagged = Vec::new();
        loop {
            let line = self.read_response()?;
            if let Some(rest) = line.strip_prefix(b"* ") {
                untagged.push(rest.to_vec());
                continue;
            }
            let text = String::from_utf8_lossy(&line).into_owned();
            let mut words = text.splitn(3, ' ');
            if words.next() != Some(tag) {
                return Err(io::Error::other(format!("expected the answer to {tag}, got {text}")));
            }
            let status = words.next().unwrap_or_default().to_owned();
            return Ok(Answer { untagged, status, text: words.next().unwrap_or_default().to_owned() });
        }
    }

    /// Appends messages in one command (RFC 3502 when there are several), with literals that do not wait (RFC 7888).
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn append(&mut self, mailbox: &str, flags: &str, messages: &[impl AsRef<[u8]>]) -> io::Result<Answer> {
        let mut command = format!("APPEND {mailbox}").into_bytes();
        for message in messages {
            let message = message.as_ref();
            command.extend_from_slice(format!(" ({flags}) {{{}+}}\r\n", message.len()).as_bytes());
            command.extend_from_slice(message);
        }
        let tag = self.send(&command)?;
        self.answer(&tag)
    }

    /// Searches for a text in UTF-8, sent as a literal that does not wait.
    ///
    /// # Panics
    /// When the server does not answer OK.
    pub fn search_text(&mut self, key: &str, text: &str) -> Vec<u32> {
        self.ok(&format!("SEARCH CHARSET UTF-8 {key} {{{}+}}\r\n{text}", text.len())).search()
    }

    /// Sends a command that ends with a literal, once the server consents to that (RFC 9051 §7.6).
    ///
    /// # Errors
    /// When the connection breaks or the server does not consent.
    pub fn command_with_literal(&mut self, command: &str, literal: &[u8]) -> io::Result<Answer> {
        let tag = self.send(format!("{command} {{{}}}", literal.len()).as_bytes())?;
        let _ = self.consent()?;
        self.stream.get_mut().write_all(&[literal, b"\r\n"].concat())?;
        self.answer(&tag)
    }

    /// Begins IDLE and waits for the server's consent; gives the tag for
    /// [`idle_end`](Self::idle_end) and what was told before.
    ///
    /// # Errors
    /// When the connection breaks or the server does not consent.
    pub fn idle_begin(&mut self) -> io::Result<(String, Vec<Vec<u8>>)> {
        let tag = self.send(b"IDLE")?;
        Ok((tag, self.consent()?))
    }

    /// Waits for the server's consent to go on; gives what was told before.
    fn consent(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut untagged = Vec::new();
        loop {
            let line = self.read_response()?;
            match line.strip_prefix(b"* ") {
                Some(rest) => untagged.push(rest.to_vec()),
                None if line.starts_with(b"+") => return Ok(untagged),
                None => return Err(io::Error::other(String::from_utf8_lossy(&line).into_owned())),
            }
        }
    }

    /// Ends IDLE; the answer holds what was told meanwhile.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn idle_end(&mut self, tag: &str) -> io::Result<Answer> {
        self.remember('C', b"DONE");
        self.stream.get_mut().write_all(b"DONE\r\n")?;
        self.answer(tag)
    }

    /// Every UID of the selected mailbox with its flags.
    ///
    /// # Panics
    /// When the server does not give them.
    pub fn uids_and_flags(&mut self) -> BTreeMap<u32, BTreeSet<String>> {
        let answer = self.ok("UID FETCH 1:* (FLAGS)");
        answer.fetches().iter().filter_map(|fetch| Some((fetch.uid()?, fetch.flags()?))).collect()
    }

    /// The raw messages of the selected mailbox by UID.
    ///
    /// # Panics
    /// When the server does not give them.
    pub fn raw_messages(&mut self) -> BTreeMap<u32, Vec<u8>> {
        let answer = self.ok("UID FETCH 1:* (BODY.PEEK[])");
        answer
            .fetches()
            .into_iter()
            .map(|mut fetch| (fetch.uid().unwrap(), fetch.items.remove("BODY[]").unwrap()))
            .collect()
    }

    /// One response: a line and, when it ends with a literal, the literal and what follows.
    fn read_response(&mut self) -> io::Result<Vec<u8>> {
        let mut response = Vec::new();
        loop {
            self.stream.read_until(b'\n', &mut response)?;
            if !response.ends_with(b"\r\n") {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
            }
            response.truncate(response.len() - 2);
            let Some(length) = announced_literal(&response) else { break };
            response.extend_from_slice(b"\r\n");
            let start = response.len();
            response.resize(start + length, 0);
            self.stream.read_exact(&mut response[start..])?;
        }
        self.remember('S', &response);
        Ok(response)
    }

    /// Keeps the last of what was said.
    fn remember(&mut self, side: char, line: &[u8]) {
        let shown = String::from_utf8_lossy(&line[..line.len().min(300)]);
        writeln!(self.log, "  {side}: {shown}").unwrap();
        if self.log.len() > 40_000 {
            let cut = (20_000..self.log.len()).find(|at| self.log.is_char_boundary(*at)).unwrap_or(0);
            self.log.drain(..cut);
        }
    }

    /// The last of what was said, for failure messages.
    #[must_use]
    pub fn log(&self) -> &str {
        &self.log
    }
}

/// The length of the literal that a line announces at its end.
fn announced_literal(line: &[u8]) -> Option<usize> {
    let inner = line.strip_suffix(b"}")?;
    let brace = inner.iter().rposition(|byte| *byte == b'{')?;
    std::str::from_utf8(&inner[brace + 1..]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_response_is_read_into_its_items() {
        let line = b"12 FETCH (UID 7 FLAGS (\\Seen $A) BODY[HEADER.FIELDS (A B)] {5}\r\na) \"b ENVELOPE (\"x)\" NIL (\"\\\"\")) X \"a\\\"b\")";
        let fetch = Fetch::parse(line).unwrap();
        assert_eq!(fetch.number, 12);
        assert_eq!(fetch.uid(), Some(7));
        assert_eq!(fetch.flags().unwrap().into_iter().collect::<Vec<_>>(), ["$a", "\\seen"]);
        assert_eq!(fetch.items["BODY[HEADER.FIELDS (A B)]"], b"a) \"b");
        assert_eq!(fetch.items["ENVELOPE"], b"(\"x)\" NIL (\"\\\"\"))");
        assert_eq!(fetch.items["X"], b"a\"b");
        assert_eq!(Fetch::parse(b"12 EXISTS"), None);
    }

    #[test]
    fn a_response_code_is_found() {
        let answer = Answer { untagged: Vec::new(), status: "OK".into(), text: "[APPENDUID 38 3955] done".into() };
        assert_eq!(answer.code("APPENDUID"), Some("38 3955"));
        assert_eq!(answer.code("COPYUID"), None);
    }
}
