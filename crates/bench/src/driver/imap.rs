//! IMAP, as little of it as measuring takes.

use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context, Result, bail};
use postrider_testkit::server::Account;

use super::buffer::Buffered;
use super::stream::{Stream, Transport};
use crate::mail::Message;
use crate::server::Server;

/// A small buffer, for sessions that are short: to make a large one costs more than it saves.
const SMALL_BYTES: usize = 16_384;
/// A tiny one, for connections that are very many and idle.
const IDLE_BYTES: usize = 1024;

/// What a command's answer consisted of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    /// Untagged responses.
    pub responses: u64,
    /// Words after `* SEARCH` and `* SORT`: the hits of a search. After `* THREAD` the parentheses: its shape.
    pub hits: u64,
    /// Bytes of all literals.
    pub literal_bytes: u64,
}

/// A connection to an IMAP server.
#[derive(Debug)]
pub struct ImapConnection {
    buffered: Buffered,
    output: Vec<u8>,
    tag: u32,
}

impl ImapConnection {
    /// Connects and reads the greeting.
    pub fn connect(server: &Server, transport: Transport) -> Result<Self> {
        Self::greeted(Buffered::large(open(server, transport)?))
    }

    /// The same with a small buffer, for sessions that are short and read little.
    pub fn connect_small(server: &Server, transport: Transport) -> Result<Self> {
        Self::greeted(Buffered::new(open(server, transport)?, SMALL_BYTES))
    }

    /// From this loopback address, to be idle.
    pub fn connect_from(server: &Server, source: Ipv4Addr) -> Result<Self> {
        let stream = Stream::plain_from(source, server.ports().imap, server)?;
        Self::greeted(Buffered::new(stream, IDLE_BYTES))
    }

    /// Connects and logs in.
    pub fn logged_in(server: &Server, transport: Transport, account: &Account) -> Result<Self> {
        let mut connection = Self::connect(server, transport)?;
        connection.login(account)?;
        Ok(connection)
    }

    /// Connects, logs in and selects.
    pub fn selected(server: &Server, transport: Transport, account: &Account, mailbox: &str) -> Result<Self> {
        let mut connection = Self::logged_in(server, transport, account)?;
        connection.run(&format!("SELECT {mailbox}"))?;
        Ok(connection)
    }

    fn greeted(mut buffered: Buffered) -> Result<Self> {
        let greeting = buffered.line()?;
        if !greeting.starts_with(b"* OK") {
            bail!("not a greeting: {}", String::from_utf8_lossy(greeting));
        }
        Ok(Self { buffered, output: Vec::new(), tag: 0 })
    }

    /// Logs in.
    pub fn login(&mut self, account: &Account) -> Result<()> {
        self.run(&format!("LOGIN {} {}", account.address, account.password)).map(drop)
    }

    /// Logs out and waits until the server has closed.
    pub fn logout(mut self) -> Result<()> {
        self.run("LOGOUT")?;
        while !self.buffered.at_end()? {}
        Ok(())
    }

    /// What the server announces, logged in as this connection is.
    pub fn capabilities(&mut self) -> Result<Vec<String>> {
        let tag = self.queue("CAPABILITY");
        self.flush()?;
        let line = loop {
            let line = self.buffered.line()?;
            if let Some(words) = line.strip_prefix(b"* CAPABILITY ") {
                break String::from_utf8_lossy(words).into_owned();
            }
        };
        self.finish(tag)?;
        Ok(line.split(' ').map(str::to_ascii_uppercase).collect())
    }

    /// Sends a command and passes over its answer, which must be `OK`.
    pub fn run(&mut self, command: &str) -> Result<Totals> {
        let tag = self.queue(command);
        self.flush()?;
        self.finish(tag).with_context(|| format!("in answer to {command}"))
    }

    /// Puts a command behind those that wait to be sent; gives its tag.
    pub fn queue(&mut self, command: &str) -> u32 {
        self.tag += 1;
        self.output.extend_from_slice(format!("{} {command}\r\n", self.tag).as_bytes());
        self.tag
    }

    /// Sends all commands that wait.
    pub fn flush(&mut self) -> Result<()> {
        let sent = self.buffered.send(&self.output);
        self.output.clear();
        sent
    }

    /// Appends messages with one command (RFC 3502, RFC 7888: nothing is waited for in between).
    pub fn append<'a>(&mut self, mailbox: &str, messages: impl IntoIterator<Item = &'a Message>) -> Result<()> {
        self.tag += 1;
        self.output.extend_from_slice(format!("{} APPEND {mailbox}", self.tag).as_bytes());
        for message in messages {
            let head = format!(" {} {{{}+}}\r\n", message.append_arguments, message.bytes.len());
            self.output.extend_from_slice(head.as_bytes());
            self.output.extend_from_slice(&message.bytes);
        }
        self.output.extend_from_slice(b"\r\n");
        self.flush()?;
        self.finish(self.tag).map(drop).context("in answer to APPEND")
    }

    /// Passes over answers up to the end of this command's.
    pub fn finish(&mut self, tag: u32) -> Result<Totals> {
        let mut digits = [0; 12];
        let tag = tag_text(tag, &mut digits);
        let mut totals = Totals::default();
        let mut continued = false;
        loop {
            let line = self.buffered.line()?;
            if !continued {
                if line.starts_with(b"* ") {
                    totals.responses += 1;
                    totals.hits += hits(line);
                } else if let Some(status) = line.strip_prefix(tag) {
                    if !status.starts_with(b"OK") {
                        bail!("the server says {}", String::from_utf8_lossy(status));
                    }
                    return Ok(totals);
                }
            }
            let literal = literal_bytes(line);
            continued = literal.is_some();
            if let Some(bytes) = literal {
                totals.literal_bytes += bytes as u64;
                self.buffered.skip(bytes)?;
            }
        }
    }

    /// Goes into IDLE (RFC 2177); the server has confirmed it when this returns.
    pub fn idle(&mut self) -> Result<()> {
        self.queue("IDLE");
        self.flush()?;
        while !self.buffered.line()?.starts_with(b"+") {}
        Ok(())
    }

    /// Waits for `EXISTS`.
    pub fn wait_for_exists(&mut self) -> Result<()> {
        while !self.buffered.line()?.ends_with(b" EXISTS") {}
        Ok(())
    }

    /// Ends IDLE.
    pub fn done(&mut self) -> Result<()> {
        self.buffered.send(b"DONE\r\n")?;
        self.finish(self.tag).map(drop)
    }

    /// The socket beneath.
    pub fn socket(&self) -> &TcpStream {
        self.buffered.stream().socket()
    }
}

fn open(server: &Server, transport: Transport) -> Result<Stream> {
    match transport {
        Transport::Plain => Stream::plain(server.ports().imap, server),
        Transport::Tls => Stream::tls(server.ports().imaps, server),
    }
}

/// A tag as it begins a line, with the space behind it.
fn tag_text(tag: u32, digits: &mut [u8; 12]) -> &[u8] {
    use std::io::Write as _;
    let capacity = digits.len();
    let mut rest = &mut digits[..];
    // Ten digits and a space always fit.
    let _ = write!(rest, "{tag} ");
    let length = capacity - rest.len();
    &digits[..length]
}

/// What an untagged response says of the hits of a search.
fn hits(line: &[u8]) -> u64 {
    if line.starts_with(b"* SEARCH ") || line.starts_with(b"* SORT ") {
        memchr::memchr_iter(b' ', line).count() as u64 - 1
    } else if line.starts_with(b"* THREAD ") {
        memchr::memchr_iter(b'(', line).count() as u64
    } else {
        0
    }
}

/// Bytes of the literal that this line announces: `{n}` at its end (RFC 9051 §4.3).
fn literal_bytes(line: &[u8]) -> Option<usize> {
    let inner = line.strip_suffix(b"}")?;
    let open = memchr::memrchr(b'{', inner)?;
    std::str::from_utf8(&inner[open + 1..]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_found_at_the_end_of_lines() {
        for (line, bytes) in [("* 1 FETCH (BODY[] {12}", Some(12)), ("* 1 FETCH (FLAGS ())", None), ("{x}", None)] {
            assert_eq!(literal_bytes(line.as_bytes()), bytes);
        }
    }

    #[test]
    fn hits_are_counted() {
        for (line, count) in
            [("* SEARCH 2 84 882", 3), ("* SEARCH", 0), ("* SORT 5 3", 2), ("* THREAD (2)(3 6 (4 23))", 3)]
        {
            assert_eq!(hits(line.as_bytes()), count, "{line}");
        }
    }

    #[test]
    fn a_tag_ends_with_a_space() {
        assert_eq!(tag_text(u32::MAX, &mut [0; 12]), b"4294967295 ");
    }
}
