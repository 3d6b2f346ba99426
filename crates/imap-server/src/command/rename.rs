//! RENAME (RFC 9051 §6.3.6).

use postrider_imap_proto::{command::RawMailbox, encode::Code};
use postrider_store::SEPARATOR;

use crate::{
    answer::{Answer, Failure},
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    pub(crate) async fn rename(&mut self, from: &RawMailbox, to: &RawMailbox) -> Result<Answer, Failure> {
        let (from, to) = (self.mailbox_name(&from.0)?, self.mailbox_name(&to.0)?);
        let to = to.strip_suffix(SEPARATOR).unwrap_or(&to);
        let account = self.account()?;
        let state = account.state();
        let found = state.find(&from).ok_or_else(|| Failure::no(Code::NonExistent, "There is no such mailbox"))?;
        account.rename_mailbox(found.id, to).await?;
        Ok(Answer::ok("Renamed"))
    }
}
