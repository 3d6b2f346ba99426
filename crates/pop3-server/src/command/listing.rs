//! STAT, LIST, UIDL and NOOP.

use postrider_pop3_proto::{MessageNumber, encode_end, encode_number_line, encode_ok, encode_unique_id_line};

use crate::{
    session::{Answer, Session, Stream},
    text::Text,
};

impl<S: Stream> Session<S> {
    /// STAT (RFC 1939 §5).
    pub(crate) fn stat(&mut self) -> Answer {
        let (count, octets) = self.maildrop()?.totals();
        encode_ok(&mut self.out, None, &format!("{count} {octets}"));
        Ok(())
    }

    /// LIST (RFC 1939 §5).
    pub(crate) fn list(&mut self, number: Option<MessageNumber>) -> Answer {
        if let Some(number) = number {
            let message = self.maildrop()?.message(number)?;
            encode_ok(&mut self.out, None, &format!("{} {}", number.0, message.octets));
            return Ok(());
        }
        let (count, octets) = self.maildrop()?.totals();
        self.ok_with(Text::ListingFollows, &[count, octets]);
        // The buffer is taken for the while, since the lines are borrowed from the maildrop beside it.
        let mut out = std::mem::take(&mut self.out);
        for message in self.maildrop()?.messages() {
            encode_number_line(&mut out, message.number.0, message.octets);
        }
        encode_end(&mut out);
        self.out = out;
        Ok(())
    }

    /// UIDL (RFC 1939 §7).
    pub(crate) fn uidl(&mut self, number: Option<MessageNumber>) -> Answer {
        if let Some(number) = number {
            let maildrop = self.maildrop()?;
            let text = format!("{} {}", number.0, maildrop.unique_id(&maildrop.message(number)?));
            encode_ok(&mut self.out, None, &text);
            return Ok(());
        }
        self.maildrop()?;
        self.ok(Text::UniqueIdsFollow);
        let mut out = std::mem::take(&mut self.out);
        let maildrop = self.maildrop()?;
        for message in maildrop.messages() {
            encode_unique_id_line(&mut out, message.number.0, &maildrop.unique_id(&message));
        }
        encode_end(&mut out);
        self.out = out;
        Ok(())
    }

    /// NOOP (RFC 1939 §5).
    pub(crate) fn noop(&mut self) -> Answer {
        self.ok(Text::Done);
        Ok(())
    }
}
