//! CLOSE and UNSELECT (RFC 9051 §6.4.1 and §6.4.2).

use postrider_store::ExpungeOnly;

use crate::{
    answer::{Answer, Failure},
    selected::Access,
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    /// Removes what is marked as deleted, without a word about it, and leaves the mailbox.
    pub(crate) async fn close(&mut self) -> Result<Answer, Failure> {
        let selected = self.selected()?;
        if selected.access == Access::ReadWrite {
            self.account()?.expunge(selected.id, None, ExpungeOnly::Deleted).await?;
        }
        self.selected = None;
        Ok(Answer::ok("Closed"))
    }

    pub(crate) fn unselect(&mut self) -> Result<Answer, Failure> {
        self.selected = None;
        Ok(Answer::ok("Unselected"))
    }
}
