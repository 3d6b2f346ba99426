//! RCPT: the place where mail for others is refused.

use postrider_accounts::{AccountId, Delivery, Resolution};
use postrider_smtp_proto::{ForwardPath, Recipient};

use crate::{
    reply::Reply,
    service::SmtpRole,
    session::{End, Session, Stream},
    transaction::{AcceptedRecipient, Chunks},
};

impl<S: Stream> Session<S> {
    /// RCPT (RFC 5321 §4.1.1.3).
    pub(crate) async fn rcpt(&mut self, recipient: Recipient) -> Result<Reply, End> {
        let declared = match self.check_recipient(&recipient.to) {
            Ok(declared) => declared,
            Err(refusal) => return Ok(refusal),
        };
        let deliveries = match self.deliveries(&recipient.to, declared).await {
            Ok(deliveries) => deliveries,
            Err(refusal) => return Ok(refusal),
        };
        if let Some(transaction) = &mut self.transaction {
            transaction.recipients.push(AcceptedRecipient { path: recipient.to, deliveries });
        }
        Ok(Reply::new(250, (2, 1, 5), "Recipient ok"))
    }

    /// Whether a recipient may be named now; answers the declared size of the message.
    fn check_recipient(&self, to: &ForwardPath) -> Result<u64, Reply> {
        let transaction = self.transaction.as_ref().ok_or_else(|| Reply::out_of_order("MAIL comes first"))?;
        if !matches!(transaction.chunks, Chunks::None) {
            return Err(Reply::out_of_order("Recipients come before content"));
        }
        if transaction.recipients.len() >= self.service.options.recipients_max {
            return Err(Reply::new(452, (4, 5, 3), "Too many recipients"));
        }
        // RFC 6531 §3.5
        if !to.is_ascii() && !transaction.mail.parameters.smtputf8 {
            return Err(Reply::new(553, (5, 6, 7), "The address needs SMTPUTF8"));
        }
        Ok(transaction.mail.parameters.size.unwrap_or(0))
    }

    /// The accounts that a recipient stands for. There is no role in which mail for others is taken.
    async fn deliveries(&self, to: &ForwardPath, declared: u64) -> Result<Vec<Delivery>, Reply> {
        let resolution = match to {
            ForwardPath::Mailbox(mailbox) => self.resolve(&mailbox.to_string()).await?,
            ForwardPath::Postmaster => self.resolve("postmaster").await?,
        };
        let is_postmaster = match to {
            ForwardPath::Postmaster => true,
            ForwardPath::Mailbox(mailbox) => mailbox.local_part.eq_ignore_ascii_case("postmaster"),
        };
        let resolution = match (resolution, &self.service.options.postmaster) {
            // RFC 5321 §4.5.1: postmaster is always somebody.
            (Resolution::UnknownUser, Some(address)) if is_postmaster => self.resolve(address).await?,
            (Resolution::NotLocal, Some(address)) if *to == ForwardPath::Postmaster => self.resolve(address).await?,
            (resolution, _) => resolution,
        };
        match resolution {
            Resolution::Deliver(deliveries) => {
                self.check_quotas(&deliveries, declared).await?;
                Ok(deliveries)
            }
            Resolution::UnknownUser => Err(Reply::new(550, (5, 1, 1), "No such user here")),
            Resolution::NotLocal => Err(match self.role {
                SmtpRole::Submission => Reply::new(550, (5, 7, 1), "Mail to other servers is not sent from here"),
                SmtpRole::Receive | SmtpRole::Lmtp => Reply::new(550, (5, 7, 1), "Relaying denied"),
            }),
        }
    }

    async fn resolve(&self, address: &str) -> Result<Resolution, Reply> {
        self.service.accounts.resolve(address).await.map_err(|error| {
            tracing::error!(%error, "cannot look up a recipient");
            Reply::local_error()
        })
    }

    /// Whether every account has room. Where several stand behind one address, one that is full must not keep the
    /// others from their mail; it is enough that one has room.
    async fn check_quotas(&self, deliveries: &[Delivery], declared: u64) -> Result<(), Reply> {
        let mut refusal = Ok(());
        for delivery in deliveries {
            match self.check_quota(delivery.account, declared).await {
                Ok(()) => return Ok(()),
                Err(reply) => refusal = Err(reply),
            }
        }
        refusal
    }

    async fn check_quota(&self, account: AccountId, declared: u64) -> Result<(), Reply> {
        let entry = self.service.accounts.get(account).await.ok().flatten();
        let quota = entry.and_then(|entry| entry.settings.quota_bytes).or(self.service.store.options().quota_bytes);
        let Some(quota) = quota else { return Ok(()) };
        let account = self.service.store.account(account).await.map_err(|error| {
            tracing::error!(%account, %error, "cannot open an account");
            Reply::local_error()
        })?;
        if account.state().bytes_used().saturating_add(declared) < quota {
            return Ok(());
        }
        Err(Reply::new(452, (4, 2, 2), "The mailbox is full"))
    }
}
