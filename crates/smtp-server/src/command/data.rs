//! DATA, and what happens when content is complete.

use std::fmt::Write as _;

use bytes::Buf;
use postrider_net::Security;
use postrider_smtp_proto::{DataReader, Protocol, ReceivedBy, encode_reply};

use crate::{
    content::Content,
    reply::Reply,
    service::SmtpRole,
    session::{End, Session, Stream, one},
    transaction::{Chunks, Transaction},
};

impl<S: Stream> Session<S> {
    /// DATA (RFC 5321 §4.1.1.4).
    pub(crate) async fn data(&mut self) -> Result<Vec<Reply>, End> {
        let mut content = match self.begin_data() {
            Ok(content) => content,
            Err(refusal) => return Ok(one(refusal)),
        };
        encode_reply(&mut self.out, 354, None, &["Send the message, end with a dot on a line of its own"]);
        let limit = self.service.message_bytes_max();
        let mut reader = DataReader::new(limit);
        self.transport.expect_message();
        loop {
            let input = self.transport.input();
            let bytes = content.bytes_mut();
            bytes.reserve(input.len());
            let used = reader.push(input, bytes);
            input.advance(used);
            match reader.is_too_large() {
                true => content.set_too_large(),
                false => content.account(),
            }
            if reader.is_done() {
                break;
            }
            if reader.bytes() > limit.saturating_add(self.service.options.discarded_bytes_max) {
                return Err(self.dismiss(Reply::new(421, (4, 3, 4), "This does not end")));
            }
            self.read_more(self.service.options.content_timeout).await?;
        }
        Ok(self.finish(content, reader.has_bare_line_ends()).await)
    }

    fn begin_data(&self) -> Result<Content, Reply> {
        let transaction = self.ready_for_content()?;
        // RFC 3030 §2 and §3: chunks and DATA do not mix, and binary content comes in chunks.
        if !matches!(transaction.chunks, Chunks::None) {
            return Err(Reply::out_of_order("Go on with BDAT"));
        }
        if transaction.mail.parameters.body == Some(postrider_smtp_proto::Body::BinaryMime) {
            return Err(Reply::out_of_order("BINARYMIME needs BDAT"));
        }
        self.begin_content(transaction)
    }

    /// The transaction, if it has all that goes before content (RFC 5321 §4.1.4, RFC 2033 §4.2).
    pub(crate) fn ready_for_content(&self) -> Result<&Transaction, Reply> {
        let transaction = self.transaction.as_ref().ok_or_else(|| Reply::out_of_order("MAIL comes first"))?;
        if transaction.recipients.is_empty() {
            return Err(Reply::out_of_order("No valid recipients"));
        }
        Ok(transaction)
    }

    /// Begins content with the fields that tell how it came.
    pub(crate) fn begin_content(&self, transaction: &Transaction) -> Result<Content, Reply> {
        let greeting = self.greeting.as_ref().ok_or_else(|| Reply::out_of_order("Say hello first"))?;
        let id = new_id().ok_or_else(Reply::local_error)?;
        let protocol = Protocol {
            dialect: greeting.dialect,
            tls: *self.transport.security() != Security::Plain,
            authenticated: self.login.is_some(),
            utf8: transaction.mail.parameters.smtputf8,
        };
        let received = ReceivedBy {
            greeting: &greeting.host,
            peer: Some(self.transport.peer().address()),
            by: &self.service.options.host_name,
            protocol,
            id: &id,
            recipient: transaction.only_recipient(),
            unix_seconds: self.service.store.now(),
        };
        let reservation = self.service.budget.reserve();
        Ok(Content::new(transaction, &received, self.service.message_bytes_max(), reservation))
    }

    /// Judges a complete message and stores it; the transaction is over, whatever comes of it.
    pub(crate) async fn finish(&mut self, mut content: Content, bare_line_ends: bool) -> Vec<Reply> {
        let Some(transaction) = self.transaction.take() else { return one(Reply::local_error()) };
        let options = &self.service.options;
        if let Err(refusal) = content.check(bare_line_ends, transaction.mail.parameters.body, options) {
            return self.for_each_recipient(&transaction, vec![Err(refusal); transaction.recipients.len()], "");
        }
        if self.role == SmtpRole::Submission {
            content.complete(&options.host_name, self.service.store.now());
        }
        let id = content.id.clone();
        let (message, _reservation) = content.into_message();
        let bytes = message.len();
        let outcomes = self.service.deliver(message, &transaction.recipients).await;
        let delivered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        tracing::info!(
            %id, from = %transaction.mail.from, recipients = outcomes.len(), delivered, bytes, role = ?self.role,
            "message received"
        );
        if delivered > 0 {
            self.errors = 0;
        }
        self.for_each_recipient(&transaction, outcomes, &id)
    }

    /// One reply for all recipients, or in LMTP one for each (RFC 2033 §4.2).
    fn for_each_recipient(&self, transaction: &Transaction, outcomes: Vec<Result<(), Reply>>, id: &str) -> Vec<Reply> {
        if self.role == SmtpRole::Lmtp {
            let taken = Reply::new(250, (2, 1, 5), format!("delivered as {id}"));
            let replies = transaction.recipients.iter().zip(outcomes).map(|(recipient, outcome)| {
                let reply = outcome.err().unwrap_or_else(|| taken.clone());
                reply.about(&recipient.path.to_string())
            });
            return replies.collect();
        }
        let failures: Vec<Reply> = outcomes.into_iter().filter_map(Result::err).collect();
        // If any of them may succeed later, the client must come again.
        let failure = failures.iter().find(|reply| !reply.is_permanent()).or(failures.first());
        one(failure.cloned().unwrap_or_else(|| Reply::new(250, (2, 0, 0), format!("Delivered as {id}"))))
    }
}

/// A name for a transaction that no other has; `None` if the system gives no random numbers.
fn new_id() -> Option<String> {
    let mut random = [0_u8; 8];
    if let Err(error) = getrandom::fill(&mut random) {
        tracing::error!(%error, "no random numbers");
        return None;
    }
    Some(random.iter().fold(String::new(), |mut id, byte| {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
        id
    }))
}
