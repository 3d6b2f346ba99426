//! DELETE (RFC 9051 §6.3.5).

use postrider_imap_proto::{command::RawMailbox, encode::Code};

use crate::{
    answer::{Answer, Failure},
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    pub(crate) async fn delete(&mut self, mailbox: &RawMailbox) -> Result<Answer, Failure> {
        let name = self.mailbox_name(&mailbox.0)?;
        let account = self.account()?;
        let state = account.state();
        let Some(found) = state.find(&name) else {
            // A name that only stands above others is no mailbox that could be deleted (RFC 9051 §6.3.5).
            return Err(match state.has_children(&name) {
                true => Failure::no(Code::HasChildren, "There is no such mailbox, only others below that name"),
                false => Failure::no(Code::NonExistent, "There is no such mailbox"),
            });
        };
        account.delete_mailbox(found.id).await?;
        // Who deletes the mailbox he is in has left it.
        if self.selected.as_ref().is_some_and(|selected| selected.id == found.id) {
            self.selected = None;
        }
        Ok(Answer::ok("Deleted"))
    }
}
