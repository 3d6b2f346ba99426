//! APPEND, one message or several (RFC 9051 §6.3.12, RFC 3502, RFC 9755 §4).

use postrider_imap_proto::{
    command::{AppendMessage, RawMailbox},
    encode::Code,
};
use postrider_store::StoreError;

use crate::{
    answer::{Answer, Failure},
    selected::stored_flags,
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    pub(crate) async fn append(
        &mut self,
        mailbox: &RawMailbox,
        messages: Vec<AppendMessage>,
    ) -> Result<Answer, Failure> {
        let name = self.mailbox_name(&mailbox.0)?;
        let account = self.account()?;
        let state = account.state();
        let to = state
            .find(&name)
            .ok_or_else(|| Failure::no(Code::TryCreate, "There is no such mailbox; create it first"))?;
        self.check_room(messages.iter().map(|message| message.content.len() as u64).sum())?;
        let mut prepared = Vec::with_capacity(messages.len());
        for message in messages {
            if message.utf8 && !self.enabled.utf8 && !self.enabled.rev2 {
                return Err(Failure::bad("Enable UTF8=ACCEPT first"));
            }
            if message.content.is_empty() {
                return Err(Failure::No(None, "The message is empty".to_owned()));
            }
            if message.content.len() as u64 > self.service.options.append_bytes_max {
                return Err(Failure::no(Code::TooBig, "The message is too large"));
            }
            let flags = stored_flags(&message.flags)?;
            let received = message.internal_date.map_or_else(|| self.service.store.now(), |date| date.unix_seconds);
            prepared.push(account.prepare(message.content, flags, received).await);
        }
        match account.append(to.id, prepared).await {
            Ok(appended) => {
                let uids = appended.uids.ranges().to_vec();
                let code = Code::AppendUid { uid_validity: appended.uid_validity.0, uids };
                Ok(Answer::ok_with(code, "Appended"))
            }
            Err(StoreError::NoMailbox) => {
                Err(Failure::no(Code::TryCreate, "There is no such mailbox; create it first"))
            }
            Err(error) => Err(error.into()),
        }
    }
}
