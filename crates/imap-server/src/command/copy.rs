//! COPY and MOVE (RFC 9051 §6.4.7 and §6.4.8, RFC 6851).

use postrider_imap_proto::{
    command::Copy,
    encode::{Code, Status},
};
use postrider_store::{Copied, StoreError, Transfer};

use crate::{
    answer::{Answer, Failure},
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    pub(crate) async fn copy(&mut self, copy: Copy) -> Result<Answer, Failure> {
        self.selected()?;
        let copied = self.transfer(&copy, Transfer::Copy).await?;
        Ok(match copy_uid(&copied) {
            Some(code) => Answer::ok_with(code, "Copied"),
            None => Answer::ok("There was nothing to copy"),
        })
    }

    pub(crate) async fn move_messages(&mut self, copy: Copy) -> Result<Answer, Failure> {
        let from = self.writable()?.id;
        let moved = self.transfer(&copy, Transfer::Move).await?;
        // RFC 6851 §4.3: COPYUID comes before the EXPUNGE responses, so it cannot wait for the tagged one.
        let Some(code) = copy_uid(&moved) else { return Ok(Answer::ok("There was nothing to move")) };
        self.status(None, Status::Ok, Some(&code), "Moved");
        let code = self.highest_modseq_after_expunge(&*self.account()?, from).await?;
        Ok(Answer { code, ..Answer::ok("Moved") })
    }

    async fn transfer(&mut self, copy: &Copy, transfer: Transfer) -> Result<Copied, Failure> {
        let name = self.mailbox_name(&copy.mailbox.0)?;
        let selected = self.selected()?;
        let uids = selected.resolve(&copy.set, copy.numbering)?;
        let from = selected.id;
        if transfer == Transfer::Copy {
            // A copy takes no room on disk, but it counts: or else a quota could not be told from the mailboxes' sizes.
            self.check_room(selected.known.select(&uids).map(|(_, entry)| u64::from(entry.size)).sum())?;
        }
        let account = self.account()?;
        let to = account.state().find(&name).map(|mailbox| mailbox.id);
        let to = to.ok_or_else(|| Failure::no(Code::TryCreate, "There is no such mailbox; create it first"))?;
        match account.transfer(from, uids, to, transfer).await {
            // It went while we asked.
            Err(StoreError::NoMailbox) => {
                Err(Failure::no(Code::TryCreate, "There is no such mailbox; create it first"))
            }
            other => Ok(other?),
        }
    }
}

fn copy_uid(copied: &Copied) -> Option<Code> {
    (!copied.source.is_empty()).then(|| Code::CopyUid {
        uid_validity: copied.uid_validity.0,
        source: copied.source.ranges().to_vec(),
        target: copied.destination.ranges().to_vec(),
    })
}
