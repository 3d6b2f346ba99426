//! What came of it.

use std::time::Duration;

use postrider_pull::{Difference, NotFetched, PullError, Report, imap::ImapReport, imap::Weight};
use serde::{Deserialize, Serialize};

use super::explained;
use crate::{advice, control::Failure};

/// What came of a pull.
#[derive(Debug, Serialize, Deserialize)]
pub struct PullAnswer {
    /// Whether all that was to be done was done, and nothing is missing.
    pub complete: bool,
    /// Whether it was only said what would be done.
    pub dry_run: bool,
    /// What ended it early. What was stored until then stays, and the next run goes on from there.
    pub ended_early: Option<Failure>,
    /// Whether what ended it is that the login was refused, which trying again does not mend.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_login_refused: bool,
    /// What was done.
    pub outcome: Outcome,
}

/// What was done, by protocol.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// From a POP3 mailbox.
    Pop3(Pop3Outcome),
    /// From IMAP mailboxes.
    Imap(ImapOutcome),
}

/// What was done with a POP3 mailbox.
#[derive(Debug, Serialize, Deserialize)]
pub struct Pop3Outcome {
    /// Messages there when it began.
    pub there: u64,
    /// Messages that were stored here.
    pub fetched: u64,
    /// Messages that were here already.
    pub known: u64,
    /// Bytes of messages that were received.
    pub bytes: u64,
    /// Messages that were removed there.
    pub removed_there: u64,
    /// Messages that are due to be removed there and wait for a backup.
    #[serde(default)]
    pub waiting_for_backup: u64,
    /// Seconds that the server wants between two logins, where it says so.
    #[serde(default)]
    pub login_delay_seconds: Option<u64>,
    /// Messages that were not fetched.
    pub not_fetched: Vec<Left>,
    /// Messages that should have been removed there and were not.
    pub not_removed: Vec<Left>,
    /// What a comparison found, if there was one.
    pub verified: Option<Compared>,
    /// What would be done, a line for each message; only of a dry run.
    pub plan: Vec<String>,
}

/// A message, and what there is to say of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Left {
    /// Which one.
    pub message: String,
    /// Why it was left, or what is the matter with it.
    pub reason: String,
}

/// What a comparison found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Compared {
    /// Messages that were looked for here and read back.
    pub messages: u64,
    /// Messages that were fetched again and compared byte for byte, by their hashes.
    pub contents: u64,
    /// What is not here as it is there.
    pub missing: Vec<Left>,
    /// What differs without being wrong.
    pub remarks: Vec<Left>,
}

/// What was done with IMAP mailboxes.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImapOutcome {
    /// Messages that were stored here.
    pub fetched: u64,
    /// Bytes that were received.
    pub bytes_received: u64,
    /// Messages that were sent to the server; only of a sync.
    #[serde(default)]
    pub uploaded: u64,
    /// The mailboxes.
    pub mailboxes: Vec<MailboxOutcome>,
    /// What concerns none of them: good to know.
    pub notices: Vec<String>,
    /// What concerns none of them: something is missing, differs or was left undone.
    pub problems: Vec<String>,
}

/// What was done with one mailbox.
#[derive(Debug, Serialize, Deserialize)]
pub struct MailboxOutcome {
    /// Its name there.
    pub remote: String,
    /// Its name here.
    pub local: String,
    /// Messages there.
    pub messages: u64,
    /// Messages that were stored here.
    pub fetched: u64,
    /// Their bytes.
    pub fetched_bytes: u64,
    /// Messages that were here already.
    pub recognised: u64,
    /// Messages whose flags were changed here.
    pub flags_changed: u64,
    /// Messages that vanished there.
    pub vanished: u64,
    /// Messages that were removed here.
    pub removed: u64,
    /// Messages that were sent to the server; only of a sync, as the next ones.
    #[serde(default)]
    pub uploaded: u64,
    /// Their bytes.
    #[serde(default)]
    pub uploaded_bytes: u64,
    /// Messages whose flags were changed there.
    #[serde(default)]
    pub flags_changed_there: u64,
    /// Messages that were removed there.
    #[serde(default)]
    pub removed_there: u64,
    /// Messages that were compared and found equal.
    pub verified: u64,
    /// What is good to know.
    pub notices: Vec<String>,
    /// What is missing, differs or was left undone.
    pub problems: Vec<String>,
}

impl PullAnswer {
    pub(super) fn of_pop3(report: Report, dry_run: bool) -> Self {
        let complete = report.is_complete();
        let verified = report.verified.map(|verified| Compared {
            messages: verified.compared,
            contents: verified.contents_compared,
            missing: verified.missing.into_iter().map(Left::from).collect(),
            remarks: verified.remarks.into_iter().map(Left::from).collect(),
        });
        let outcome = Pop3Outcome {
            there: report.there,
            fetched: report.fetched,
            known: report.known,
            bytes: report.bytes,
            removed_there: report.removed_there,
            waiting_for_backup: report.waiting_for_backup,
            login_delay_seconds: report.login_delay.map(|delay| delay.as_secs()),
            not_fetched: report.not_fetched.into_iter().map(Left::from).collect(),
            not_removed: report.not_removed.into_iter().map(Left::from).collect(),
            verified,
            plan: report.plan,
        };
        let is_login_refused = is_login_refused(report.ended_early.as_ref());
        let ended_early = report.ended_early.map(failure);
        Self { complete, dry_run, ended_early, is_login_refused, outcome: Outcome::Pop3(outcome) }
    }

    pub(super) fn of_imap(report: ImapReport, dry_run: bool) -> Self {
        let complete = report.is_complete();
        let (fetched, uploaded) = (report.fetched(), report.uploaded());
        let texts = |remarks: &[postrider_pull::imap::Remark], weight: Weight| {
            remarks.iter().filter(|remark| remark.weight == weight).map(|remark| remark.text.clone()).collect()
        };
        let mailboxes = report.mailboxes.iter().map(|mailbox| MailboxOutcome {
            remote: mailbox.remote.clone(),
            local: mailbox.local.clone(),
            messages: mailbox.messages,
            fetched: mailbox.fetched,
            fetched_bytes: mailbox.fetched_bytes,
            recognised: mailbox.recognised,
            flags_changed: mailbox.flags_changed,
            vanished: mailbox.vanished,
            removed: mailbox.removed,
            uploaded: mailbox.uploaded,
            uploaded_bytes: mailbox.uploaded_bytes,
            flags_changed_there: mailbox.flags_changed_there,
            removed_there: mailbox.removed_there,
            verified: mailbox.verified,
            notices: texts(&mailbox.remarks, Weight::Notice),
            problems: texts(&mailbox.remarks, Weight::Problem),
        });
        let outcome = ImapOutcome {
            fetched,
            bytes_received: report.bytes_received,
            uploaded,
            mailboxes: mailboxes.collect(),
            notices: texts(&report.remarks, Weight::Notice),
            problems: texts(&report.remarks, Weight::Problem),
        };
        let is_login_refused = is_login_refused(report.ended_early.as_ref());
        let ended_early = report.ended_early.map(failure);
        Self { complete, dry_run, ended_early, is_login_refused, outcome: Outcome::Imap(outcome) }
    }
}

impl From<NotFetched> for Left {
    fn from(left: NotFetched) -> Self {
        Self { message: left.message, reason: left.reason.to_string() }
    }
}

impl From<Difference> for Left {
    fn from(difference: Difference) -> Self {
        Self { message: difference.message, reason: difference.difference }
    }
}

impl PullAnswer {
    /// Messages that were stored here.
    pub fn fetched(&self) -> u64 {
        match &self.outcome {
            Outcome::Pop3(outcome) => outcome.fetched,
            Outcome::Imap(outcome) => outcome.fetched,
        }
    }

    /// Messages there that are due to be removed and wait for a backup.
    pub fn waiting_for_backup(&self) -> u64 {
        match &self.outcome {
            Outcome::Pop3(outcome) => outcome.waiting_for_backup,
            Outcome::Imap(_) => 0,
        }
    }

    /// How long the server wants between two logins, where it says so.
    pub fn login_delay(&self) -> Option<Duration> {
        match &self.outcome {
            Outcome::Pop3(outcome) => outcome.login_delay_seconds.map(Duration::from_secs),
            Outcome::Imap(_) => None,
        }
    }

    /// What is missing, differs or was left undone, without what ended the run early.
    pub fn problems(&self) -> Vec<String> {
        let of_left = |left: &[Left]| -> Vec<String> {
            left.iter().map(|left| format!("{}: {}", left.message, left.reason)).collect()
        };
        match &self.outcome {
            Outcome::Pop3(outcome) => {
                let missing = outcome.verified.as_ref().map_or(&[][..], |verified| verified.missing.as_slice());
                [outcome.not_fetched.as_slice(), &outcome.not_removed, missing].into_iter().flat_map(of_left).collect()
            }
            Outcome::Imap(outcome) => {
                let of_mailbox = |mailbox: &MailboxOutcome| -> Vec<String> {
                    mailbox.problems.iter().map(|problem| format!("{}: {problem}", mailbox.remote)).collect()
                };
                outcome.problems.iter().cloned().chain(outcome.mailboxes.iter().flat_map(of_mailbox)).collect()
            }
        }
    }
}

fn is_login_refused(error: Option<&PullError>) -> bool {
    error.is_some_and(PullError::is_login_refused)
}

fn failure(error: PullError) -> Failure {
    let error = explained(error);
    Failure { error: advice::one_line(&error), hint: advice::hint(&error).map(str::to_owned) }
}
