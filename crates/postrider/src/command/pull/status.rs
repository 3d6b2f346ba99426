//! `postrider pull status`: how the `[[pull]]` entries of the running server are doing.

use anyhow::Result;
use clap::Args;
use postrider_pull::{agreeing, counted};

use crate::{
    command::{
        Place,
        account::OutputForm,
        block_on,
        output::{self, Form},
    },
    pull::{Phase, PullStatus, PushState, unix_now},
};

#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    form: OutputForm,
}

impl Status {
    pub fn run(self, place: &Place) -> Result<()> {
        let statuses: Vec<PullStatus> = block_on(async { place.control().await?.get("/v1/pulls").await })?;
        match self.form.form() {
            Form::Json => output::json(&statuses),
            Form::Text => output::text(&readable(&statuses, unix_now())),
        }
    }
}

/// A few lines for each entry.
fn readable(statuses: &[PullStatus], now: u64) -> String {
    if statuses.is_empty() {
        return "there are no [[pull]] entries in the configuration\n".to_owned();
    }
    statuses.iter().map(|status| lines(status, now).join("\n") + "\n").collect()
}

fn lines(status: &PullStatus, now: u64) -> Vec<String> {
    let doing = match status.phase {
        Phase::Waiting => match status.next_run {
            Some(due) => format!("waiting, next run in {}", spoken(due.saturating_sub(now))),
            None => String::from("waiting"),
        },
        Phase::Queued => String::from("waiting for other runs to end"),
        Phase::Running => String::from("fetching"),
        Phase::LoginRefused => String::from("HALTED: the login was refused"),
    };
    let push = match status.push {
        PushState::Off => "",
        PushState::Connecting => "; connecting for news",
        PushState::Inbox => "; hears of news in INBOX",
        PushState::AllMailboxes => "; hears of news in all mailboxes",
        PushState::NotOffered => "; the server does not tell news",
    };
    let mut lines = vec![format!("{} -> {}: {doing}{push}", status.name, status.into)];
    let ago = |moment: Option<u64>| {
        moment.map_or(String::from("never"), |moment| format!("{} ago", spoken(now.saturating_sub(moment))))
    };
    lines.push(format!(
        "  last run {}, last success {}; {}, {} fetched",
        ago(status.last_run),
        ago(status.last_success),
        counted(status.runs, "run"),
        counted(status.fetched, "message")
    ));
    if status.waiting_for_backup > 0 {
        let wait = agreeing(status.waiting_for_backup, "waits", "wait");
        lines.push(format!("  {} {wait} there for a backup", counted(status.waiting_for_backup, "message")));
    }
    if let Some(failure) = &status.last_error {
        lines.push(format!("  PROBLEM: {}", failure.error));
        lines.extend(failure.hint.iter().map(|hint| format!("  hint: {hint}")));
    }
    lines
}

fn spoken(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Failure;

    #[test]
    fn each_entry_says_what_it_does_and_what_went_wrong() {
        let quiet = PullStatus {
            push: PushState::AllMailboxes,
            next_run: Some(1_090),
            ..PullStatus::new("work".into(), "imaps://a@b".into(), "a@c".into())
        };
        let failing = PullStatus {
            phase: Phase::LoginRefused,
            runs: 2,
            last_run: Some(400),
            last_success: Some(0),
            last_error: Some(Failure { error: "no".into(), hint: Some("look".into()) }),
            ..quiet.clone()
        };
        assert_eq!(
            readable(&[quiet, failing], 1_000),
            "work -> a@c: waiting, next run in 90 s; hears of news in all mailboxes\n  \
             last run never, last success never; 0 runs, 0 messages fetched\n\
             work -> a@c: HALTED: the login was refused; hears of news in all mailboxes\n  \
             last run 10 min ago, last success 16 min ago; 2 runs, 0 messages fetched\n  \
             PROBLEM: no\n  hint: look\n"
        );
        assert!(readable(&[], 0).contains("no [[pull]] entries"));
    }
}
