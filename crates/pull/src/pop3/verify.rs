//! Comparing what is here with what is there.

use super::{
    Verify,
    maildrop::Listed,
    retrieve::{Retrieved, Retriever},
    run::Run,
};
use crate::{
    error::PullError,
    located::Located,
    report::{Difference, Verification},
};

use postrider_store::BlobHash;

impl Run<'_> {
    /// Looks for every message that is there here, and reads it back; fetches all again, if asked to.
    pub(super) async fn verify(&mut self) -> Result<Verification, PullError> {
        let mut verification = Verification::default();
        let mut located = Located::of(self.pull.account, self.pull.mailbox).await?;
        let messages = std::mem::take(&mut self.messages);
        let outcome = self.verify_all(&messages, &mut located, &mut verification).await;
        self.messages = messages;
        outcome.map(|()| verification)
    }

    async fn verify_all(
        &mut self,
        messages: &[Listed],
        located: &mut Located<'_>,
        verification: &mut Verification,
    ) -> Result<(), PullError> {
        for message in messages {
            verification.compared += 1;
            let Some(remembered) = self.remembered(message) else {
                self.missing(message, "it was not fetched", verification);
                continue;
            };
            if !located.holds(remembered.hash, remembered.size).await? {
                self.missing(message, "it was fetched, but is not in the account any more", verification);
            }
            if let Some(octets) = message.octets.filter(|octets| *octets != remembered.size) {
                let difference = format!("LIST tells of {octets} octets, {} came", remembered.size);
                verification.remarks.push(Difference { message: message.name(), difference });
            }
        }
        let every = match self.pull.options.verify {
            Verify::Nothing | Verify::Listing => return Ok(()),
            Verify::Sample => messages.len().div_ceil(self.pull.options.limits.sample_messages_max.max(1)).max(1),
            Verify::Content => 1,
        };
        self.verify_contents(messages, every, verification).await?;
        Ok(())
    }

    /// Compares one of so many messages.
    async fn verify_contents(
        &mut self,
        messages: &[Listed],
        every: usize,
        verification: &mut Verification,
    ) -> Result<(), PullError> {
        let bytes_max = self.pull.options.limits.message_bytes_max;
        // What was too large to be fetched is missing already.
        let fetched = messages.iter().filter(|message| message.octets.is_none_or(|octets| octets <= bytes_max));
        let fetched = fetched.filter(|message| self.remembered(message).is_some());
        let wanted: Vec<Listed> = fetched.step_by(every).cloned().collect();
        let total = Some(wanted.len() as u64);
        let mut retriever = Retriever::new(&self.client, &wanted);
        while let Some((message, retrieved)) = retriever.next(&mut self.client).await? {
            let remembered = self.remembered(message);
            match retrieved {
                Retrieved::Refused(words) => {
                    self.missing(message, &format!("it cannot be fetched again: {words}"), verification);
                }
                Retrieved::Content(content) => {
                    verification.contents_compared += 1;
                    self.report.bytes += content.octets;
                    let hash = content.bytes.as_deref().map(BlobHash::of);
                    if hash.is_none() || hash != remembered.map(|remembered| remembered.hash) {
                        self.missing(message, "its content there differs from what is here", verification);
                    }
                }
            }
            self.pull.observer.progress(verification.contents_compared, total, self.report.bytes);
        }
        Ok(())
    }

    fn missing(&mut self, message: &Listed, difference: &str, verification: &mut Verification) {
        self.keep.insert(message.number.0);
        verification.missing.push(Difference { message: message.name(), difference: difference.to_owned() });
    }
}
