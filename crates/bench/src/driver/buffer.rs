//! The read buffer: lines are looked at where they lie, literals are skipped.

use std::io::{Read as _, Write as _};

use anyhow::{Context, Result, bail};

use super::stream::Stream;

/// Bytes asked of the kernel at once. Larger ones fall out of the processor's cache, smaller ones mean more calls.
const READ_BYTES: usize = 262_144;

/// A stream with its read buffer.
#[derive(Debug)]
pub struct Buffered {
    stream: Stream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffered {
    /// Over this stream. `bytes` is the buffer's first size; it grows when a line is longer.
    pub fn new(stream: Stream, bytes: usize) -> Self {
        Self { stream, buffer: vec![0; bytes], start: 0, end: 0 }
    }

    /// Over this stream, for large answers.
    pub fn large(stream: Stream) -> Self {
        Self::new(stream, READ_BYTES)
    }

    /// The stream beneath.
    pub const fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Sends all of the bytes.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("cannot send")?;
        self.stream.flush().context("cannot send")
    }

    /// The next line without its end.
    pub fn line(&mut self) -> Result<&[u8]> {
        let mut looked_at = 0;
        let length = loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(position) = memchr::memchr(b'\n', &unread[looked_at..]) {
                break looked_at + position;
            }
            looked_at = unread.len();
            self.fill()?;
        };
        let line = &self.buffer[self.start..self.start + length];
        self.start += length + 1;
        Ok(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Passes over bytes.
    pub fn skip(&mut self, mut count: usize) -> Result<()> {
        loop {
            let there = (self.end - self.start).min(count);
            self.start += there;
            count -= there;
            if count == 0 {
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// Passes over lines up to the one that is a single dot (RFC 1939 §3); gives the bytes before it.
    pub fn skip_to_dot(&mut self) -> Result<u64> {
        // A reply without content: the dot is the first line.
        while self.end - self.start < 3 {
            self.fill()?;
        }
        if self.buffer[self.start..].starts_with(b".\r\n") {
            self.start += 3;
            return Ok(0);
        }
        let mut bytes = 0_u64;
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(position) = memchr::memmem::find(unread, b"\r\n.\r\n") {
                self.start += position + 5;
                return Ok(bytes + position as u64 + 2);
            }
            // The end may lie across what has come and what comes.
            let passed = unread.len().saturating_sub(4);
            bytes += passed as u64;
            self.start += passed;
            self.fill()?;
        }
    }

    /// Whether the other side has closed and nothing is left; waits for the one or the other.
    pub fn at_end(&mut self) -> Result<bool> {
        if self.start < self.end {
            return Ok(false);
        }
        match self.read_more() {
            // Some servers close without TLS's farewell (RFC 8446 §6.1); after LOGOUT nothing can be cut off.
            Err(error) if is_end(&error) => Ok(true),
            count => Ok(count? == 0),
        }
    }

    /// Reads at least one byte more.
    fn fill(&mut self) -> Result<()> {
        if self.read_more()? == 0 {
            let unread = String::from_utf8_lossy(&self.buffer[self.start..self.end.min(self.start + 200)]).into_owned();
            bail!("the server closed the connection in the middle of an answer: {unread:?}");
        }
        Ok(())
    }

    fn read_more(&mut self) -> Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            } else {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        let count = self.stream.read(&mut self.buffer[self.end..]).context("no answer")?;
        self.end += count;
        Ok(count)
    }
}

fn is_end(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::UnexpectedEof)
}
