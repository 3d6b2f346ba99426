//! Somebody asks for a mailbox's messages: nothing changes, but from now on they are kept in memory.
//!
//! It goes through the writer so that there is one author of every published state.

use crate::{change::Change, draft::Draft, error::StoreError, identifier::MailboxId};

pub(crate) struct Load {
    pub(crate) mailbox: MailboxId,
}

impl Change for Load {
    type Outcome = ();

    async fn apply(&self, draft: &mut Draft) -> Result<(), StoreError> {
        draft.messages(self.mailbox).await.map(drop)
    }
}
