//! SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7 and §6.3.8).

use postrider_imap_proto::command::RawMailbox;

use crate::{
    answer::{Answer, Failure},
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    pub(crate) async fn subscribe(&mut self, mailbox: &RawMailbox, subscribed: bool) -> Result<Answer, Failure> {
        let name = self.mailbox_name(&mailbox.0)?;
        self.account()?.subscribe(&name, subscribed).await?;
        Ok(Answer::ok(if subscribed { "Subscribed" } else { "Unsubscribed" }))
    }
}
