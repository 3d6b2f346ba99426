//! APPEND, of one or several messages (RFC 9051 §6.3.12, RFC 3502, RFC 3516 §4.4, RFC 9755 §4).

use super::parser::{Fault, Parse, Parser};
use super::string::Literal;
use crate::command::{AppendMessage, CommandBody};

impl Parser<'_> {
    /// `append = "APPEND" SP mailbox 1*append-message`
    pub(super) fn append(&mut self) -> Parse<CommandBody> {
        let mailbox = self.mailbox_argument()?;
        self.space()?;
        Ok(CommandBody::Append { mailbox, messages: self.spaced(Self::append_message)? })
    }

    /// `append-message = [flag-list SP] [date-time SP] append-data`
    fn append_message(&mut self) -> Parse<AppendMessage> {
        let mut flags = Vec::new();
        if self.peek() == Some(b'(') {
            flags = self.flag_list()?;
            self.space()?;
        }
        let mut internal_date = None;
        if self.peek() == Some(b'"') {
            internal_date = Some(self.date_time()?);
            self.space()?;
        }
        let utf8 = self.eat_word("UTF8");
        let Literal { content, binary } = if utf8 { self.utf8_data()? } else { self.literal()? };
        Ok(AppendMessage { flags, internal_date, content, binary, utf8 })
    }

    /// `append-data =/ "UTF8" SP "(" literal8 ")"`
    fn utf8_data(&mut self) -> Parse<Literal> {
        self.space()?;
        self.expect(b'(', "an opening parenthesis is missing")?;
        let literal = self.literal()?;
        if !literal.binary {
            return Err(Fault::syntax("a message in UTF8 must be a literal8"));
        }
        self.expect(b')', "a closing parenthesis is missing")?;
        Ok(literal)
    }
}
