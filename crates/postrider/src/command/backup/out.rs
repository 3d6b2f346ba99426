//! `postrider backup list`, `show` and `extract`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use indicatif::HumanBytes;
use postrider_pull::counted;

use super::{
    mailbox_name,
    moment::{Which, readable},
};
use crate::{
    backup::{ExtractAnswer, ExtractWish, ShowAnswer, ShowWish, SnapshotSummary},
    command::{
        Place, absolute,
        account::OutputForm,
        block_on, checked_address,
        output::{self, Form},
        progress::Display,
    },
};

pub fn list(place: &Place, form: Form) -> Result<()> {
    let all: Vec<SnapshotSummary> =
        block_on(async { super::safe_or_new(place).await?.get("/v1/backup/snapshots").await })?;
    if form == Form::Json {
        return output::json(&all);
    }
    let mut text = String::new();
    for snapshot in &all {
        text.push_str(&line(snapshot));
    }
    if all.is_empty() {
        text.push_str("there is no backup yet; postrider backup run makes one\n");
    }
    output::text(&text)
}

fn line(snapshot: &SnapshotSummary) -> String {
    let SnapshotSummary { snapshot: name, taken, host, holds, .. } = snapshot;
    let partial = if snapshot.partial { ", some accounts only" } else { "" };
    format!(
        "{name}  {}  {host}  {holds}{partial}, {} added before compression\n",
        readable(*taken),
        HumanBytes(snapshot.bytes_added)
    )
}

/// Show what a backup holds: its accounts, an account's mailboxes, or a mailbox's messages
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postrider backup show
  postrider backup show --account alice@example.org
  postrider backup show --account alice@example.org --mailbox INBOX --as-of 2026-11-01")]
pub struct Show {
    #[command(flatten)]
    which: Which,
    /// Of this account
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Of this mailbox
    #[arg(long, requires = "account", value_name = "MAILBOX")]
    mailbox: Option<String>,
    #[command(flatten)]
    form: OutputForm,
}

impl Show {
    pub fn run(self, place: &Place) -> Result<()> {
        let wish = ShowWish {
            when: self.which.when()?,
            account: self.account.as_deref().map(checked_address).transpose()?,
            mailbox: self.mailbox.map(mailbox_name),
        };
        let answer: ShowAnswer =
            block_on(async { super::safe_or_new(place).await?.post("/v1/backup/show", &wish).await })?;
        if self.form.form() == Form::Json {
            return output::json(&answer);
        }
        let mut text = line(&answer.snapshot);
        if wish.account.is_none() {
            text.extend(answer.accounts.iter().map(|account| format!("{account}\n")));
        }
        for mailbox in &answer.mailboxes {
            let (messages, bytes) = (counted(mailbox.messages, "message"), HumanBytes(mailbox.bytes));
            text.push_str(&format!("{}: {messages}, {bytes}  ({})\n", mailbox.name, mailbox.path));
        }
        for message in &answer.messages {
            let (uid, received) = (message.uid, readable(message.received));
            text.push_str(&format!("{uid:>8}  {received}  {:>9}  {}\n", message.size, message.flags.join(" ")));
        }
        output::text(&text)
    }
}

/// Write mail from a backup to files: what lies at PATH, as `.eml` files
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postrider backup extract alice@example.org/Work --to /tmp/work
  postrider backup extract '' --to /srv/everything

PATH is as `backup show --account ACCOUNT` prints it; an empty one is all of the backup.")]
pub struct Extract {
    /// What, as in alice@example.org/INBOX
    path: String,
    /// The folder that the files are written to; files that are there already are not touched
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    form: OutputForm,
}

impl Extract {
    pub fn run(self, place: &Place) -> Result<()> {
        let wish = ExtractWish { when: self.which.when()?, path: self.path, to: absolute(&self.to)? };
        let mut display = Display::new(self.form.form());
        let answer: ExtractAnswer = block_on(async {
            let mut control = super::safe_or_new(place).await?;
            control.run("/v1/backup/extract", &wish, |event| display.show(event)).await
        })?;
        drop(display);
        match self.form.form() {
            Form::Json => output::json(&answer),
            Form::Text => {
                let (messages, bytes) = (counted(answer.messages, "message"), HumanBytes(answer.bytes));
                output::line(&format!("wrote {messages} ({bytes}) to {}", wish.to.display()))
            }
        }
    }
}
