//! A run, step by step.

use std::collections::{BTreeMap, BTreeSet};

use postrider_pop3_proto::{Command, Expiry, client::Reply};

use super::{
    Action, Mode, Pull, Verify,
    client::{Client, failure},
    maildrop::{Listed, Maildrop},
    memory::{Doubt, Key, Memory, Remembered, key_of_unique_id},
    shortfall::shortfall,
};
use crate::{
    error::PullError,
    located::Located,
    report::{NotFetched, NotFetchedReason, Report},
};

/// Seconds of a day.
const DAY: i64 = 24 * 3600;

/// A run that has seen what is there.
pub(super) struct Run<'a> {
    pub(super) pull: Pull<'a>,
    pub(super) client: Client,
    pub(super) messages: Vec<Listed>,
    pub(super) memory: Memory,
    /// Which entry of the memory is which message's, by its number.
    pub(super) keys: BTreeMap<u32, Key>,
    /// Messages that must stay there, by their numbers.
    pub(super) keep: BTreeSet<u32>,
    pub(super) report: Report,
}

/// Does what was asked for on a connection that is logged in.
pub(super) async fn run(mut client: Client, pull: Pull<'_>) -> Result<Report, PullError> {
    let maildrop = Maildrop::of(&mut client).await?;
    maildrop.remarks.into_iter().for_each(|remark| pull.observer.note(remark));
    // RFC 2449 §6.7: such a server counts what was fetched as delivered.
    if matches!(client.capabilities.expire(), Some(Expiry::Days(0, _))) {
        pull.observer
            .note(String::from("the server announces that it may remove messages itself once they were fetched"));
    }
    let messages = maildrop.messages;
    let memory = Memory::of(pull.account, pull.remote, &messages).await?;
    let (there, login_delay) = (messages.len() as u64, client.login_delay());
    let report = Report { there, login_delay, ..Report::default() };
    let (keys, keep) = (BTreeMap::new(), BTreeSet::new());
    let mut run = Run { pull, client, messages, memory, keys, keep, report };
    if let Err(error) = run.work().await {
        // Who did not come to the end does not say that all is well.
        run.report.verified = None;
        run.report.ended_early = Some(error);
    }
    run.report.is_nearer_to_a_break = run.client.breaks.take_news();
    Ok(run.report)
}

impl Run<'_> {
    async fn work(&mut self) -> Result<(), PullError> {
        let unknown = self.sort();
        if self.pull.options.action == Action::DryRun {
            self.plan(&unknown).await?;
            return self.quit().await;
        }
        self.fetch(&unknown).await?;
        let limits = &self.pull.options.limits;
        self.memory.note_the_gone(self.pull.account, self.pull.now, limits.memory_seconds_max).await?;
        // Before anything is removed: what is not here as it is there must stay there.
        if self.pull.options.verify != Verify::Nothing {
            let verified = self.verify().await?;
            self.report.verified = Some(verified);
        }
        let marked = self.remove().await?;
        match self.quit().await {
            // Some servers close the connection instead of answering; only deletions depend on the answer.
            Err(error) if marked == 0 => self.pull.observer.note(format!("QUIT was not answered: {error}")),
            outcome => outcome?,
        }
        self.report.removed_there = marked;
        Ok(())
    }

    /// Finds out which messages are unknown.
    fn sort(&mut self) -> Vec<Listed> {
        let mut unknown = Vec::new();
        for message in &self.messages {
            let key = message.unique_id.as_deref().map(key_of_unique_id);
            let remembered = key.as_ref().and_then(|key| self.memory.get(key));
            match (key, remembered) {
                (Some(key), Some(remembered)) if !is_to_come_again(self.pull, message, remembered) => {
                    self.report.known += 1;
                    self.keys.insert(message.number.0, key);
                }
                _ => unknown.push(message.clone()),
            }
        }
        unknown
    }

    /// What is remembered of a message that was fetched, now or before.
    pub(super) fn remembered(&self, message: &Listed) -> Option<Remembered> {
        self.keys.get(&message.number.0).and_then(|key| self.memory.get(key)).copied()
    }

    /// Whether something is remembered of a message, even if it is to come again.
    fn is_known(&self, message: &Listed) -> bool {
        message.unique_id.as_deref().is_some_and(|id| self.memory.get(&key_of_unique_id(id)).is_some())
    }

    /// Says what a run would do.
    async fn plan(&mut self, unknown: &[Listed]) -> Result<(), PullError> {
        let mut located = Located::of(self.pull.account, self.pull.mailbox).await?;
        let unknown: BTreeSet<u32> = unknown.iter().map(|message| message.number.0).collect();
        let bytes_max = self.pull.options.limits.message_bytes_max;
        let known = self.messages.iter().filter_map(|message| self.remembered(message));
        let due = known.filter(|remembered| is_due(self.pull, remembered)).map(|remembered| remembered.hash);
        let held = self.held_by_backup(due.collect()).await.map(Result::unwrap_or_default);
        for message in &self.messages {
            let size = message.octets.map_or(String::from("size not told"), |octets| format!("{octets} octets"));
            let what = match self.remembered(message) {
                _ if unknown.contains(&message.number.0) && message.octets.is_some_and(|octets| octets > bytes_max) => {
                    let reason = NotFetchedReason::TooLarge { bytes_max };
                    self.report.not_fetched.push(NotFetched { message: message.name(), reason });
                    String::from("would not be fetched: it is larger than a message may be here")
                }
                None if self.is_known(message) => String::from(
                    "would be fetched again, as it may have come in part only before, or another has its unique id",
                ),
                None => match (&message.unique_id, self.pull.options.mode) {
                    (None, _) => String::from("would be fetched to see whether it is here (it has no unique id)"),
                    (_, Mode::Delete) if held.is_some() => {
                        String::from("would be fetched (not seen before), then removed there once a backup holds it")
                    }
                    (_, Mode::Delete) => String::from("would be fetched (not seen before), then removed there"),
                    (_, _) => String::from("would be fetched (not seen before)"),
                },
                Some(remembered) if !is_due(self.pull, &remembered) => match self.pull.options.mode {
                    Mode::KeepDays(_) => String::from("was fetched before; would stay there, not old enough yet"),
                    _ => String::from("was fetched before; would stay there"),
                },
                Some(remembered) => match located.read(remembered.hash, remembered.size).await? {
                    Some(body) if shortfall(message.octets, &body).is_some() => {
                        String::from("was fetched before, but may have come in part only; would stay there")
                    }
                    Some(_) if held.as_ref().is_some_and(|held| !held.contains(&remembered.hash)) => String::from(
                        "was fetched before and is here, read back and found right; would stay there until a backup holds it",
                    ),
                    Some(_) => String::from(
                        "was fetched before and is here, read back and found right; would be removed there",
                    ),
                    None => String::from("was fetched before, but is not in the account any more; would stay there"),
                },
            };
            self.report.plan.push(format!("{}, {size}: {what}", message.name()));
        }
        Ok(())
    }

    async fn quit(&mut self) -> Result<(), PullError> {
        match self.client.command(&Command::Quit).await? {
            Reply::Ok(_) => Ok(()),
            other => Err(failure("QUIT", other)),
        }
    }
}

/// Whether a message is to be removed there once it is surely here.
pub(super) fn is_due(pull: Pull<'_>, remembered: &Remembered) -> bool {
    match pull.options.mode {
        Mode::Keep => false,
        Mode::Delete => true,
        Mode::KeepDays(days) => remembered.first_seen.saturating_add(i64::from(days).saturating_mul(DAY)) <= pull.now,
    }
}

/// Whether a message that was fetched is asked for again.
fn is_to_come_again(pull: Pull<'_>, message: &Listed, remembered: &Remembered) -> bool {
    match remembered.doubt {
        // A unique id that was given to another message must not cost that one its life: before it is removed there, a message
        // of another size than noted is fetched again.
        Doubt::None => is_due(pull, remembered) && has_other_size(message, remembered),
        Doubt::Fresh => true,
        Doubt::Confirmed => has_other_size(message, remembered),
    }
}

fn has_other_size(message: &Listed, remembered: &Remembered) -> bool {
    matches!((message.octets, remembered.listed), (Some(now), Some(then)) if now != then)
}
