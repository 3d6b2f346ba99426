//! DELE and RSET.

use postrider_pop3_proto::MessageNumber;

use crate::{
    session::{Answer, Session, Stream},
    text::Text,
};

impl<S: Stream> Session<S> {
    /// DELE (RFC 1939 §5): a mark, no more.
    pub(crate) fn dele(&mut self, number: MessageNumber) -> Answer {
        self.maildrop_mut()?.delete(number)?;
        self.ok_with(Text::Deleted, &[u64::from(number.0)]);
        Ok(())
    }

    /// RSET (RFC 1939 §5).
    pub(crate) fn rset(&mut self) -> Answer {
        let maildrop = self.maildrop_mut()?;
        maildrop.reset();
        let (count, octets) = maildrop.totals();
        self.ok_with(Text::Reset, &[count, octets]);
        Ok(())
    }
}
