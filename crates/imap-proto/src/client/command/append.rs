//! APPEND (RFC 9051 §6.3.12), with several messages (RFC 3502), binary (RFC 3516) and UTF-8 (RFC 9755 §4).

use super::writer::{LiteralMark, Writer};
use super::{Encode, EncodeError, Step};
use crate::command::{AppendMessage, DateTime, Flag, RawMailbox};
use crate::encode::encode_date_time;

/// How an appended message is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AppendForm {
    /// `{n}`: the message must hold no NUL.
    #[default]
    Plain,
    /// `~{n}`: needs BINARY.
    Binary,
    /// `UTF8 (~{n})`: for header fields in UTF-8, needs UTF8=ACCEPT to be enabled.
    Utf8,
}

/// A message that the caller sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendUpload {
    /// Flags to set.
    pub flags: Vec<Flag>,
    /// The internal date; the server's time of the day where none is given.
    pub internal_date: Option<DateTime>,
    /// How the message is announced.
    pub form: AppendForm,
    /// The message's length, in octets.
    pub length: u64,
}

impl Writer<'_> {
    pub(super) fn append(&mut self, mailbox: &RawMailbox, messages: &[AppendMessage]) -> Encode {
        self.append_to(mailbox, messages.is_empty())?;
        for message in messages {
            let form = match (message.utf8, message.binary) {
                (true, _) => AppendForm::Utf8,
                (false, true) => AppendForm::Binary,
                (false, false) => AppendForm::Plain,
            };
            self.message_header(&message.flags, message.internal_date, form, message.content.len() as u64)?;
            self.shared(&message.content);
            self.message_end(form);
        }
        Ok(())
    }

    pub(super) fn append_uploads(&mut self, mailbox: &RawMailbox, messages: &[AppendUpload]) -> Encode {
        self.append_to(mailbox, messages.is_empty())?;
        for (index, message) in messages.iter().enumerate() {
            self.message_header(&message.flags, message.internal_date, message.form, message.length)?;
            self.step(Step::Message { index, length: message.length });
            self.message_end(message.form);
        }
        Ok(())
    }

    fn append_to(&mut self, mailbox: &RawMailbox, is_empty: bool) -> Encode {
        if is_empty {
            return Err(EncodeError::Empty);
        }
        self.raw("APPEND ");
        self.mailbox(mailbox)
    }

    fn message_header(&mut self, flags: &[Flag], date: Option<DateTime>, form: AppendForm, length: u64) -> Encode {
        if !flags.is_empty() {
            self.raw(" ");
            self.flags(flags)?;
        }
        if let Some(date) = date {
            self.raw(" ");
            encode_date_time(self.buffer(), date);
        }
        self.raw(if form == AppendForm::Utf8 { " UTF8 (" } else { " " });
        let mark = if form == AppendForm::Plain { LiteralMark::Plain } else { LiteralMark::Literal8 };
        self.literal_header(mark, length);
        Ok(())
    }

    fn message_end(&mut self, form: AppendForm) {
        if form == AppendForm::Utf8 {
            self.raw(")");
        }
    }
}
