//! The content of a message on its way in, from the first byte to the judgement whether it is taken.

use bytes::Bytes;
use postrider_message::missing_fields;
use postrider_smtp_proto::{
    BareLineEnds, Body, ReceivedBy, count_received_fields, date_time, received_field, return_path_field,
};

use crate::{
    budget::Reservation,
    options::{BareLineEndPolicy, SmtpOptions},
    reply::Reply,
    transaction::Transaction,
};

/// Why content that has come in is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dropped {
    TooLarge,
    NoMemory,
}

/// Content, with the trace fields before it, in the one buffer that will be stored.
#[derive(Debug)]
pub(crate) struct Content {
    /// The name of the transaction.
    pub(crate) id: String,
    bytes: Vec<u8>,
    trace_bytes: usize,
    content_bytes_max: u64,
    reservation: Reservation,
    dropped: Option<Dropped>,
    bare_line_ends: BareLineEnds,
}

impl Content {
    /// Begins with the trace fields that final delivery adds (RFC 5321 §4.4).
    pub(crate) fn new(
        transaction: &Transaction,
        received: &ReceivedBy<'_>,
        content_bytes_max: u64,
        reservation: Reservation,
    ) -> Self {
        let mut bytes = return_path_field(&transaction.mail.from);
        bytes.extend_from_slice(&received_field(received));
        Self {
            id: received.id.to_owned(),
            trace_bytes: bytes.len(),
            bytes,
            content_bytes_max,
            reservation,
            dropped: None,
            bare_line_ends: BareLineEnds::default(),
        }
    }

    /// The buffer, to which content is appended; after that call [`Self::account`].
    pub(crate) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// How many bytes of content there are.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len().saturating_sub(self.trace_bytes) as u64
    }

    /// Accounts for what was appended, and lets it go if there is no room for it.
    pub(crate) fn account(&mut self) {
        if self.dropped.is_none() {
            if self.len() > self.content_bytes_max {
                self.dropped = Some(Dropped::TooLarge);
            } else if !self.reservation.grow_to(self.bytes.len() as u64) {
                self.dropped = Some(Dropped::NoMemory);
            }
        }
        if self.dropped.is_some() {
            self.bytes = Vec::new();
            self.reservation.release();
        }
    }

    /// Appends a part of a chunk.
    pub(crate) fn push(&mut self, part: &[u8]) {
        self.bare_line_ends.push(part);
        if self.dropped.is_none() {
            self.bytes.extend_from_slice(part);
            self.account();
        }
    }

    /// Notes that there was more content than may be kept.
    pub(crate) fn set_too_large(&mut self) {
        self.dropped = Some(Dropped::TooLarge);
        self.account();
    }

    /// Why there is no use in more of it, if so.
    pub(crate) fn refusal(&self) -> Option<Reply> {
        match self.dropped? {
            Dropped::TooLarge => Some(Reply::new(552, (5, 3, 4), "The message is too large")),
            Dropped::NoMemory => Some(Reply::new(452, (4, 3, 1), "Too much mail at once, try again later")),
        }
    }

    /// Whether what came in chunks has a bare CR or LF.
    pub(crate) fn has_bare_line_ends(&self) -> bool {
        self.bare_line_ends.clone().finish()
    }

    /// Whether the message may be taken, now that it is complete.
    pub(crate) fn check(&self, bare_line_ends: bool, body: Option<Body>, options: &SmtpOptions) -> Result<(), Reply> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        let lines = body != Some(Body::BinaryMime);
        if bare_line_ends && lines && options.bare_line_ends == BareLineEndPolicy::Refuse {
            return Err(Reply::new(550, (5, 6, 11), "The message has a CR or LF that stands alone"));
        }
        // RFC 5321 §6.3
        if count_received_fields(self.content()) > options.received_fields_max {
            return Err(Reply::new(554, (5, 4, 6), "The message goes in circles: too many Received fields"));
        }
        Ok(())
    }

    /// Adds what a submitted message lacks and must have (RFC 6409 §8.1 and §8.2).
    pub(crate) fn complete(&mut self, host_name: &str, unix_seconds: i64) {
        let missing = missing_fields(self.content());
        let mut fields = String::new();
        if missing.date {
            fields.push_str(&format!("Date: {}\r\n", date_time(unix_seconds)));
        }
        if missing.message_id {
            fields.push_str(&format!("Message-ID: <{}.{unix_seconds}@{host_name}>\r\n", self.id));
        }
        if !fields.is_empty() {
            let rest = self.bytes.split_off(self.trace_bytes.min(self.bytes.len()));
            self.bytes.extend_from_slice(fields.as_bytes());
            self.bytes.extend_from_slice(&rest);
        }
    }

    /// The message as it is stored, and the memory that it holds.
    pub(crate) fn into_message(self) -> (Bytes, Reservation) {
        (Bytes::from(self.bytes), self.reservation)
    }

    fn content(&self) -> &[u8] {
        self.bytes.get(self.trace_bytes..).unwrap_or_default()
    }
}
