//! POP3, as little of it as measuring takes.

use anyhow::{Result, bail};
use postrider_testkit::server::Account;

use super::buffer::Buffered;
use super::stream::Stream;
use crate::server::Server;

/// A connection to a POP3 server, logged in.
#[derive(Debug)]
pub struct Pop3Connection {
    buffered: Buffered,
}

impl Pop3Connection {
    /// Connects and logs in.
    pub fn logged_in(server: &Server, account: &Account) -> Result<Self> {
        let mut connection = Self { buffered: Buffered::large(Stream::plain(server.ports().pop3, server)?) };
        connection.confirmed()?;
        connection.send(&format!("USER {}\r\nPASS {}\r\n", account.address, account.password))?;
        connection.confirmed()?;
        connection.confirmed()?;
        Ok(connection)
    }

    /// Sends commands, each ended by CRLF; several at once are pipelined (RFC 2449 §6.6).
    pub fn send(&mut self, commands: &str) -> Result<()> {
        self.buffered.send(commands.as_bytes())
    }

    /// Reads an answer of one line, which must be `+OK`.
    pub fn confirmed(&mut self) -> Result<()> {
        let line = self.buffered.line()?;
        if !line.starts_with(b"+OK") {
            bail!("the server says {}", String::from_utf8_lossy(line));
        }
        Ok(())
    }

    /// Passes over an answer of many lines; gives its bytes.
    pub fn content(&mut self) -> Result<u64> {
        self.confirmed()?;
        self.buffered.skip_to_dot()
    }
}
