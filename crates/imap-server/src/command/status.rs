//! STATUS (RFC 9051 §6.3.11, RFC 3501 §6.3.10, RFC 7162 §3.1.7, RFC 7889 §3.1, RFC 8438, RFC 8474 §4.3).

use postrider_imap_proto::{
    command::{RawMailbox, StatusItem},
    encode::{self, Code, StatusValue},
};
use postrider_store::Mailbox;

use crate::{
    answer::{Answer, Failure},
    command::create::mailbox_id,
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    pub(crate) async fn mailbox_status(
        &mut self,
        mailbox: &RawMailbox,
        items: &[StatusItem],
    ) -> Result<Answer, Failure> {
        let name = self.mailbox_name(&mailbox.0)?;
        let state = self.account()?.state();
        let found = state.find(&name).ok_or_else(|| Failure::no(Code::NonExistent, "There is no such mailbox"))?;
        // RFC 7162 §3.1: asking for the highest mod-sequence is how some clients say that they know of them.
        if items.contains(&StatusItem::HighestModseq) {
            self.enable_condstore().await?;
        }
        self.encode_status_of(found, items);
        Ok(Answer::ok("That is all"))
    }

    /// The untagged STATUS of a mailbox: counters that every change keeps in step, so nothing is counted here.
    pub(crate) fn encode_status_of(&mut self, mailbox: &Mailbox, items: &[StatusItem]) {
        let (record, counts) = (&mailbox.record, mailbox.record.counts);
        let id = mailbox_id(mailbox.id);
        let values: Vec<StatusValue<'_>> = items
            .iter()
            .map(|item| match item {
                StatusItem::Messages => StatusValue::Messages(counts.messages),
                StatusItem::Recent => StatusValue::Recent(mailbox.recent_count()),
                StatusItem::UidNext => StatusValue::UidNext(record.uid_next.0),
                StatusItem::UidValidity => StatusValue::UidValidity(record.uid_validity.0),
                StatusItem::Unseen => StatusValue::Unseen(counts.unseen),
                StatusItem::Deleted => StatusValue::Deleted(counts.deleted),
                StatusItem::Size => StatusValue::Size(counts.bytes),
                StatusItem::HighestModseq => StatusValue::HighestModseq(record.highest_modseq.0),
                StatusItem::AppendLimit => StatusValue::AppendLimit(Some(self.service.options.append_bytes_max)),
                StatusItem::MailboxId => StatusValue::MailboxId(&id),
            })
            .collect();
        let encoding = self.name_encoding();
        encode::encode_mailbox_status(&mut self.out, &record.name, encoding, &values);
    }
}
