//! The outcome of a migration, for people and for programs.

use postrider_pull::counted;
use postrider_pull::imap::{
    Remark, Weight,
    migrate::{MigratedMailbox, MigrationReport},
};
use serde::Serialize;

use super::explained;
use crate::{advice, control::Failure};

/// What came of a migration.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// Whether all that was to be copied is there, and nothing differs.
    pub complete: bool,
    dry_run: bool,
    /// What ended it early. What was copied until then stays, and the next run goes on from there.
    ended_early: Option<Failure>,
    copied: u64,
    copied_bytes: u64,
    mailboxes: Vec<MailboxAnswer>,
    notices: Vec<String>,
    problems: Vec<String>,
}

/// What came of one mailbox.
#[derive(Debug, Serialize)]
struct MailboxAnswer {
    source: String,
    target: String,
    messages: u64,
    copied: u64,
    copied_bytes: u64,
    recognised: u64,
    flags_changed: u64,
    verified: u64,
    contents_verified: u64,
    notices: Vec<String>,
    problems: Vec<String>,
}

fn texts(remarks: &[Remark], weight: Weight) -> Vec<String> {
    remarks.iter().filter(|remark| remark.weight == weight).map(ToString::to_string).collect()
}

impl Answer {
    pub fn of(report: MigrationReport, dry_run: bool) -> Self {
        Self {
            complete: report.is_complete(),
            dry_run,
            copied: report.copied(),
            copied_bytes: report.mailboxes.iter().map(|mailbox| mailbox.copied_bytes).sum(),
            mailboxes: report.mailboxes.iter().map(MailboxAnswer::of).collect(),
            notices: texts(&report.remarks, Weight::Notice),
            problems: texts(&report.remarks, Weight::Problem),
            ended_early: report.ended_early.map(|error| {
                let error = explained(error);
                Failure { error: advice::one_line(&error), hint: advice::hint(&error).map(str::to_owned) }
            }),
        }
    }

    /// The answer in lines; the last one is the verdict.
    pub fn readable(&self) -> String {
        let mut lines: Vec<String> = self.mailboxes.iter().flat_map(MailboxAnswer::readable).collect();
        lines.extend(self.notices.iter().map(|notice| format!("note: {notice}")));
        lines.extend(self.problems.iter().map(|problem| format!("PROBLEM: {problem}")));
        let did = if self.dry_run { "would be copied" } else { "copied" };
        let (mailboxes, bytes) = (counted(self.mailboxes.len(), "mailbox"), counted(self.copied_bytes, "byte"));
        lines.push(format!("{mailboxes}: {} {did}, {bytes}", counted(self.copied, "message")));
        if let Some(failure) = &self.ended_early {
            lines.push(format!("ENDED EARLY: {}", failure.error));
            lines.extend(failure.hint.iter().map(|hint| format!("hint: {hint}")));
        }
        let verdict = match (self.complete, self.dry_run, self.ended_early.is_some()) {
            (true, true, _) => "nothing was changed",
            (true, false, _) => "done",
            (false, _, true) => "NOT COMPLETE: the run ended early; what was copied is there, run it again to go on",
            (false, _, false) => "NOT COMPLETE: see above for what is missing or differs",
        };
        lines.push(verdict.to_owned());
        lines.join("\n") + "\n"
    }
}

impl MailboxAnswer {
    fn of(mailbox: &MigratedMailbox) -> Self {
        Self {
            source: mailbox.source.clone(),
            target: mailbox.target.clone(),
            messages: mailbox.messages,
            copied: mailbox.copied,
            copied_bytes: mailbox.copied_bytes,
            recognised: mailbox.recognised,
            flags_changed: mailbox.flags_changed,
            verified: mailbox.verified,
            contents_verified: mailbox.contents_verified,
            notices: texts(&mailbox.remarks, Weight::Notice),
            problems: texts(&mailbox.remarks, Weight::Problem),
        }
    }

    fn readable(&self) -> Vec<String> {
        let mut line = format!("{} -> {}: {}", self.source, self.target, counted(self.messages, "message"));
        for (count, what) in [
            (self.copied, "copied"),
            (self.recognised, "there already"),
            (self.flags_changed, "with other flags"),
            (self.verified, "verified"),
            (self.contents_verified, "compared byte for byte"),
        ] {
            if count > 0 {
                line.push_str(&format!(", {count} {what}"));
            }
        }
        let mut lines = vec![line];
        lines.extend(self.notices.iter().map(|notice| format!("  note: {notice}")));
        lines.extend(self.problems.iter().map(|problem| format!("  PROBLEM: {problem}")));
        lines
    }
}
