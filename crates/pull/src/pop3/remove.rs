//! Removing there what is surely here.

use postrider_pop3_proto::{Command, client::Reply};

use super::{
    Mode,
    client::{failure, line_of, words},
    maildrop::Listed,
    run::{Run, is_due},
};
use crate::{
    error::PullError,
    located::Located,
    report::{NotFetched, NotFetchedReason},
};

impl Run<'_> {
    /// Marks messages for removal there, each after it was read back here; answers how many. They go when QUIT is
    /// answered.
    pub(super) async fn remove(&mut self) -> Result<u64, PullError> {
        if self.pull.options.mode == Mode::Keep {
            return Ok(0);
        }
        let mut located = Located::of(self.pull.account, self.pull.mailbox).await?;
        let mut surely_here = Vec::new();
        for message in &self.messages {
            let due = self.remembered(message).filter(|remembered| is_due(self.pull, remembered));
            let Some(remembered) = due.filter(|_| !self.keep.contains(&message.number.0)) else { continue };
            if located.holds(remembered.hash, remembered.size).await? {
                surely_here.push(message.clone());
                continue;
            }
            let reason = match remembered.first_seen == self.pull.now {
                true => NotFetchedReason::Damaged,
                false => NotFetchedReason::NotHere,
            };
            self.report.not_removed.push(NotFetched { message: message.name(), reason });
        }
        let window = match self.client.capabilities.has("PIPELINING") {
            true => self.pull.options.limits.window_messages_max.max(1),
            false => 1,
        };
        let mut marked = 0;
        for messages in surely_here.chunks(window) {
            marked += self.mark(messages).await?;
        }
        Ok(marked)
    }

    async fn mark(&mut self, messages: &[Listed]) -> Result<u64, PullError> {
        let mut lines = Vec::new();
        for message in messages {
            lines.extend_from_slice(&line_of(&Command::Dele(message.number))?);
        }
        self.client.send(&lines).await?;
        let mut marked = 0;
        for message in messages {
            match self.client.reply().await? {
                Reply::Ok(_) => marked += 1,
                Reply::Err(status) => {
                    let reason = NotFetchedReason::NotRemoved(words(&status));
                    self.report.not_removed.push(NotFetched { message: message.name(), reason });
                }
                other => return Err(failure("DELE", other)),
            }
        }
        Ok(marked)
    }
}
