//! LMTP, as little of it as measuring takes.

use std::fmt::Write as _;

use anyhow::{Result, bail};

use super::buffer::Buffered;
use super::stream::Stream;
use crate::mail::Message;
use crate::server::Server;

/// Answers are short.
const BUFFER_BYTES: usize = 4096;

/// A connection that delivers.
#[derive(Debug)]
pub struct LmtpConnection {
    buffered: Buffered,
    output: Vec<u8>,
}

impl LmtpConnection {
    /// Connects and greets.
    pub fn connect(server: &Server) -> Result<Self> {
        let mut buffered = Buffered::new(Stream::plain(server.ports().lmtp, server)?, BUFFER_BYTES);
        expect(&mut buffered, b"220")?;
        buffered.send(b"LHLO client.example.test\r\n")?;
        expect(&mut buffered, b"250")?;
        Ok(Self { buffered, output: Vec::new() })
    }

    /// Delivers one message to one recipient.
    pub fn deliver(&mut self, recipient: &str, message: &Message) -> Result<()> {
        self.deliver_to_all(&[recipient], message)
    }

    /// Delivers one message: envelope and DATA in one piece (RFC 2920), then the content.
    pub fn deliver_to_all(&mut self, recipients: &[&str], message: &Message) -> Result<()> {
        let mut envelope = String::from("MAIL FROM:<sender@corpus.example>\r\n");
        for recipient in recipients {
            // Writing to a string cannot fail.
            let _ = write!(envelope, "RCPT TO:<{recipient}>\r\n");
        }
        envelope.push_str("DATA\r\n");
        self.buffered.send(envelope.as_bytes())?;
        expect(&mut self.buffered, b"250")?;
        recipients.iter().try_for_each(|_| expect(&mut self.buffered, b"250"))?;
        expect(&mut self.buffered, b"354")?;
        self.output.clear();
        stuff(&message.bytes, &mut self.output);
        self.output.extend_from_slice(b".\r\n");
        self.buffered.send(&self.output)?;
        // RFC 2033 §4.2: an answer for each recipient.
        recipients.iter().try_for_each(|_| expect(&mut self.buffered, b"250"))
    }
}

/// Reads an answer, of one line or of several, which must have this code.
fn expect(buffered: &mut Buffered, code: &[u8; 3]) -> Result<()> {
    loop {
        let line = buffered.line()?;
        if !line.starts_with(code) {
            bail!("the server says {}", String::from_utf8_lossy(line));
        }
        if line.get(3) != Some(&b'-') {
            return Ok(());
        }
    }
}

/// Doubles dots at the beginning of lines (RFC 5321 §4.5.2).
fn stuff(message: &[u8], output: &mut Vec<u8>) {
    if message.starts_with(b".") {
        output.push(b'.');
    }
    let mut copied = 0;
    for position in memchr::memmem::find_iter(message, b"\n.") {
        output.extend_from_slice(&message[copied..=position]);
        output.push(b'.');
        copied = position + 1;
    }
    output.extend_from_slice(&message[copied..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_at_the_beginning_of_lines_are_doubled() {
        for (plain, stuffed) in [("a\r\n.b\r\n", "a\r\n..b\r\n"), (".\r\n.\r\n", "..\r\n..\r\n"), ("a.b", "a.b")] {
            let mut output = Vec::new();
            stuff(plain.as_bytes(), &mut output);
            assert_eq!(output, stuffed.as_bytes());
        }
    }
}
