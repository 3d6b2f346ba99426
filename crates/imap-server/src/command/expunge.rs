//! EXPUNGE and UID EXPUNGE (RFC 9051 §6.4.3 and §6.4.9, RFC 4315 §2.1).

use postrider_imap_proto::{command::Numbering, encode::Code, set::SequenceSet};
use postrider_store::{Account, ExpungeOnly, MailboxId};

use crate::{
    answer::{Answer, Failure},
    selected::newest,
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    pub(crate) async fn expunge(&mut self, set: Option<&SequenceSet>) -> Result<Answer, Failure> {
        let selected = self.writable()?;
        let uids = set.map(|set| selected.resolve(set, Numbering::Uid)).transpose()?;
        let id = selected.id;
        let account = self.account()?;
        let gone = account.expunge(id, uids, ExpungeOnly::Deleted).await?;
        let code = if gone.is_empty() { None } else { self.highest_modseq_after_expunge(&account, id).await? };
        Ok(Answer { code, ..Answer::ok("Expunged") })
    }

    /// A client that resynchronises learns up to where it is in step (RFC 7162 §3.2.7 and §3.2.9, RFC 6851 §4.4).
    pub(crate) async fn highest_modseq_after_expunge(
        &self,
        account: &Account,
        mailbox: MailboxId,
    ) -> Result<Option<Code>, Failure> {
        if !self.enabled.condstore {
            return Ok(None);
        }
        let mailbox = newest(account, mailbox).await?;
        Ok(Some(Code::HighestModseq(mailbox.record.highest_modseq.0)))
    }
}
