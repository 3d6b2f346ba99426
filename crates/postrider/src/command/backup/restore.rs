//! `postrider backup restore`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{ArgGroup, Args};
use indicatif::HumanBytes;
use postrider_pull::{agreeing, counted};

use super::{mailbox_name, moment::Which};
use crate::{
    backup::{RestoreAnswer, RestoreWish},
    command::{
        Place,
        account::OutputForm,
        block_on, checked_address,
        output::{self, Form},
        progress::Display,
    },
};

/// Bring mail back from a backup: everything, an account, a mailbox, or single messages
///
/// Only adds: what is there stays as it is, and messages that are there are not added again, so it can be interrupted and given again. A mailbox
/// that is gone comes back with its UIDs, so that mail programs need not download it all. Works while the server runs.
///
/// Exit status 1 if something could not be brought back.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whose").args(["everything", "account"]).required(true)))]
#[command(after_help = "\
Examples:
  Look first:
    postrider backup restore --account alice@example.org --dry-run
  All that an account lacks of yesterday's backup:
    postrider backup restore --account alice@example.org
  A folder as it was in October, beside what there is now:
    postrider backup restore --account alice@example.org --mailbox Work --as-of 2026-10-31 --below Restored
  One message (backup show tells the UIDs):
    postrider backup restore --account alice@example.org --mailbox INBOX --uid 4711
  All accounts, as after the loss of a disk; accounts that are gone are made again:
    postrider backup restore --everything")]
pub struct Restore {
    #[command(flatten)]
    which: Which,
    /// Bring back all accounts
    #[arg(long)]
    everything: bool,
    /// Whose mail
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Only this mailbox and those below it
    #[arg(long, requires = "account", value_name = "MAILBOX")]
    mailbox: Option<String>,
    /// Only the message that had this UID in the mailbox; can be given several times
    #[arg(long, requires = "mailbox", value_name = "UID")]
    uid: Vec<u32>,
    /// Into another account
    #[arg(long, requires = "account", value_name = "ACCOUNT")]
    into: Option<String>,
    /// Below this mailbox instead of in the old places
    #[arg(long, value_name = "MAILBOX")]
    below: Option<String>,
    /// Say what would come back, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    form: OutputForm,
}

impl Restore {
    pub fn run(self, place: &Place) -> Result<ExitCode> {
        let wish = RestoreWish {
            when: self.which.when()?,
            account: self.account.as_deref().map(checked_address).transpose()?,
            mailbox: self.mailbox.map(mailbox_name),
            uids: self.uid,
            into: self.into.as_deref().map(checked_address).transpose()?,
            below: self.below,
            dry_run: self.dry_run,
        };
        let mut display = Display::new(self.form.form());
        let answer: RestoreAnswer = block_on(async {
            let mut control = super::safe_or_new(place).await?;
            control.run("/v1/backup/restore", &wish, |event| display.show(event)).await
        })?;
        drop(display);
        match self.form.form() {
            Form::Json => output::json(&answer)?,
            Form::Text => output::text(&told(&answer))?,
        }
        Ok(if answer.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

fn told(answer: &RestoreAnswer) -> String {
    let mut text = String::new();
    for problem in &answer.problems {
        text.push_str(&format!("NOT RESTORED: {problem}\n"));
    }
    let would = if answer.dry_run { "would be " } else { "" };
    for account in &answer.accounts_made {
        text.push_str(&format!("the account {account} was gone and {would}made again\n"));
    }
    for account in &answer.without_password {
        text.push_str(&format!(
            "the backup holds no password of {account}; set one: postrider account password {account}\n"
        ));
    }
    if answer.mailboxes_renumbered > 0 && !answer.dry_run {
        let count = answer.mailboxes_renumbered;
        let (are, them) = (agreeing(count, "is a new one", "are new ones"), agreeing(count, "it", "them"));
        let mailboxes = counted(count, "mailbox");
        text.push_str(&format!("{mailboxes} {are} to mail programs, which will download {them}\n"));
    }
    let were = agreeing(answer.already_there, "was", "were");
    text.push_str(&format!(
        "from backup {}: {} ({}) {would}restored, {} {would}made; {} {were} there already\n",
        answer.snapshot,
        counted(answer.messages, "message"),
        HumanBytes(answer.bytes),
        counted(answer.mailboxes_made, "mailbox"),
        counted(answer.already_there, "message")
    ));
    text
}
