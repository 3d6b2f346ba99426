//! LMTP, as much of it as a test needs to put mail into a server.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::server::ServerUnderTest;

/// A connection to an LMTP server; any number of messages, one after another.
#[derive(Debug)]
pub struct LmtpClient {
    stream: BufReader<TcpStream>,
}

impl LmtpClient {
    /// Connects and says LHLO.
    ///
    /// # Errors
    /// When the server is not there, breaks off or refuses.
    pub fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut client = Self { stream: BufReader::new(stream) };
        client.reply(b'2')?;
        client.say(b"LHLO client.example\r\n")?;
        client.reply(b'2')?;
        Ok(client)
    }

    /// Connects to the server under test.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn of(server: &ServerUnderTest) -> Self {
        Self::connect(server.ports().lmtp).unwrap()
    }

    /// Hands over a message. When this returns without an error, every recipient's `250` has been read: the server has
    /// promised to keep it.
    ///
    /// # Errors
    /// When the connection breaks or the server refuses the message for any of the recipients.
    pub fn deliver(&mut self, recipients: &[&str], message: &[u8]) -> io::Result<()> {
        self.say(b"MAIL FROM:<sender@corpus.example>\r\n")?;
        self.reply(b'2')?;
        for recipient in recipients {
            self.say(format!("RCPT TO:<{recipient}>\r\n").as_bytes())?;
            self.reply(b'2')?;
        }
        self.say(b"DATA\r\n")?;
        self.reply(b'3')?;
        let mut data = Vec::with_capacity(message.len() + 64);
        for line in message.split_inclusive(|byte| *byte == b'\n') {
            if line.starts_with(b".") {
                data.push(b'.');
            }
            data.extend_from_slice(line);
        }
        data.extend_from_slice(b".\r\n");
        self.say(&data)?;
        for _ in recipients {
            self.reply(b'2')?;
        }
        Ok(())
    }

    fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads a reply, which must be of this class.
    fn reply(&mut self, class: u8) -> io::Result<()> {
        loop {
            let mut line = Vec::new();
            self.stream.read_until(b'\n', &mut line)?;
            if !line.ends_with(b"\r\n") {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
            }
            if line.first() != Some(&class) {
                return Err(io::Error::other(String::from_utf8_lossy(&line).into_owned()));
            }
            if line.get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}
