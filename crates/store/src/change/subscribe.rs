//! A name is put on, or taken off, the list of those a mail program shows.

use crate::{
    change::{Change, mailbox::check_name},
    draft::Draft,
    error::StoreError,
    state::INBOX,
};

pub(crate) struct Subscribe {
    pub(crate) name: String,
    pub(crate) subscribed: bool,
}

impl Change for Subscribe {
    type Outcome = ();

    async fn apply(&self, draft: &mut Draft) -> Result<(), StoreError> {
        let name = if self.name.eq_ignore_ascii_case(INBOX) { INBOX } else { self.name.as_str() };
        if self.subscribed {
            check_name(name, &draft.options)?;
        }
        if draft.state.is_subscribed(name) == self.subscribed {
            return Ok(());
        }
        if self.subscribed && draft.state.subscriptions.len() >= draft.options.mailboxes_max.saturating_mul(2) {
            return Err(StoreError::Limit("too many subscriptions"));
        }
        draft.next_modseq();
        draft.subscribe(name, self.subscribed);
        Ok(())
    }
}
