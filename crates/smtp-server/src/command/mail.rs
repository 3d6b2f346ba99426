//! MAIL.

use postrider_accounts::{Login, Resolution};
use postrider_smtp_proto::{Body, Mail, ReversePath};

use crate::{
    options::SenderPolicy,
    reply::Reply,
    session::{End, Session, Stream},
    transaction::Transaction,
};

impl<S: Stream> Session<S> {
    /// MAIL (RFC 5321 §4.1.1.2).
    pub(crate) async fn mail(&mut self, mail: Mail) -> Result<Reply, End> {
        if self.greeting.is_none() {
            return Ok(Reply::out_of_order("Say hello first"));
        }
        if self.transaction.is_some() {
            return Ok(Reply::out_of_order("A transaction is under way already"));
        }
        // RFC 1870 §6.1
        if mail.parameters.size.is_some_and(|size| size > self.service.message_bytes_max()) {
            return Ok(Reply::new(552, (5, 3, 4), "The message is too large"));
        }
        if mail.parameters.body == Some(Body::BinaryMime) && !self.service.options.binarymime {
            return Ok(Reply::new(555, (5, 5, 4), "BINARYMIME is not offered"));
        }
        if let Some(login) = &self.login
            && let Err(refusal) = self.check_sender(login, &mail.from).await
        {
            return Ok(refusal);
        }
        self.transaction = Some(Transaction::new(mail));
        Ok(Reply::new(250, (2, 1, 0), "Sender ok"))
    }

    /// Whether somebody who has logged in may send under this address (RFC 6409 §6.1). `<>` is for notifications, which
    /// people's programs send, too.
    async fn check_sender(&self, login: &Login, from: &ReversePath) -> Result<(), Reply> {
        let ReversePath::Mailbox(mailbox) = from else { return Ok(()) };
        if self.service.options.senders == SenderPolicy::Any {
            return Ok(());
        }
        let resolution = self.service.accounts.resolve(&mailbox.to_string()).await.map_err(|error| {
            tracing::error!(%error, "cannot look up a sender");
            Reply::local_error()
        })?;
        match resolution {
            Resolution::Deliver(deliveries) if deliveries.iter().any(|delivery| delivery.account == login.account) => {
                Ok(())
            }
            _ => Err(Reply::new(550, (5, 7, 1), "This is not one of your addresses")),
        }
    }
}
