//! EXPUNGE and UID EXPUNGE (RFC 9051 §6.4.3 and §6.4.9, RFC 4315 §2.1).

use postrider_imap_proto::{
    command::Numbering,
    encode::Code,
    set::SequenceSet,
};
use postrider_store::ExpungeOnly;

use crate::{
    answer::{Answer, Failure},
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    pub(crate) async fn expunge(&mut self, set: Option<&SequenceSet>) -> Result<Answer, Failure> {
        let selected = self.writable()?;
        let uids = set.map(|set| selected.resolve(set, Numbering::Uid)).transpose()?;
        let id = selected.id;
        let account = self.account()?;
        let gone = account.expunge(id, uids, ExpungeOnly::Deleted).await?;
        // RFC 7162 §3.2.7: a client that resynchronises learns up to where it is in step.
        if self.enabled.condstore && !gone.is_empty() {
            let mailbox = crate::selected::newest(&account, id).await?;
            return Ok(Answer::ok_with(Code::HighestModseq(mailbox.record.highest_modseq.0), "Expunged"));
        }
        Ok(Answer::ok("Expunged"))
    }
}
