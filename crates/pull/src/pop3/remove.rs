//! Removing there what is surely here.

use std::collections::HashSet;

use postrider_pop3_proto::{Command, client::Reply};
use postrider_store::BlobHash;

use super::{
    Mode, Removal,
    client::{failure, line_of, words},
    maildrop::Listed,
    run::{Run, is_due},
    shortfall::shortfall,
};
use crate::{
    backup::BackupUnknown,
    error::PullError,
    located::Located,
    report::{NotFetched, NotFetchedReason},
};

impl Run<'_> {
    /// Marks messages for removal there, each after it was read back here and found to be whole; answers how many. They go when QUIT is
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
            let body = located.read(remembered.hash, remembered.size).await?;
            let reason = match body.map(|body| shortfall(message.octets, &body)) {
                Some(None) => {
                    surely_here.push((message.clone(), remembered.hash));
                    continue;
                }
                Some(Some(shortfall)) => shortfall.into(),
                None if remembered.first_seen == self.pull.now => NotFetchedReason::Damaged,
                None => NotFetchedReason::NotHere,
            };
            self.report.not_removed.push(NotFetched { message: message.name(), reason });
        }
        let removable = self.without_those_that_wait(surely_here).await;
        let window = match self.client.capabilities.has("PIPELINING") {
            true => self.pull.options.limits.window_messages_max.max(1),
            false => 1,
        };
        let mut marked = 0;
        for messages in removable.chunks(window) {
            marked += self.mark(messages).await?;
        }
        Ok(marked)
    }

    /// Those that may go now. The others stay noted with their content's hash, by which a later run asks again.
    async fn without_those_that_wait(&mut self, surely_here: Vec<(Listed, BlobHash)>) -> Vec<Listed> {
        let count = surely_here.len() as u64;
        let held = match self.held_by_backup(surely_here.iter().map(|(_, hash)| *hash).collect()).await {
            None => return surely_here.into_iter().map(|(message, _)| message).collect(),
            Some(Ok(held)) => held,
            Some(Err(reason)) => {
                self.report.waiting_for_backup = count;
                self.pull.observer.note(format!("{reason}: nothing is removed there"));
                return Vec::new();
            }
        };
        let removable: Vec<Listed> =
            surely_here.into_iter().filter(|(_, hash)| held.contains(hash)).map(|(message, _)| message).collect();
        self.report.waiting_for_backup = count - removable.len() as u64;
        removable
    }

    /// Which contents a backup holds; `None` where that does not matter.
    pub(super) async fn held_by_backup(
        &self,
        contents: Vec<BlobHash>,
    ) -> Option<Result<HashSet<BlobHash>, BackupUnknown>> {
        match &self.pull.options.removal {
            Removal::AtOnce => None,
            // Where nothing is due, nothing has to be known.
            Removal::AfterBackup(_) if contents.is_empty() => Some(Ok(HashSet::new())),
            Removal::AfterBackup(backups) => Some(backups.held(self.pull.account.id(), &contents).await),
        }
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
