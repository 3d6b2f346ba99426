//! `postrider export`: an account's mail into files.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::{
    Place, absolute,
    account::OutputForm,
    block_on, checked_address,
    output::{self, Form},
    progress::Display,
};
use crate::transfer::{ExportReport, ExportWish, Pack, TargetForm};

const EXAMPLES: &str = "\
Examples:
  Everything, in a form that holds everything, and that `postrider import` reads:
    postrider export alice@example.org /srv/export/alice
  The same in one file:
    postrider export alice@example.org /srv/export/alice.tar
  For Dovecot, with UIDs, so that mail programs need not download all again:
    postrider export alice@example.org /srv/export/Maildir --format maildir
  For Thunderbird and others: mbox files, only some mailboxes:
    postrider export alice@example.org /srv/export/alice --format mbox --mailbox INBOX --mailbox 'Archive*'
  One mailbox as one mbox file:
    postrider export alice@example.org inbox.mbox --format mbox --mailbox INBOX

It was interrupted? Give the same command again: what is written is not written again (a zip begins anew).";

/// Export an account's mail to files: a tree of .eml files, Maildir or mbox
///
/// All mailboxes are written as they are at one moment, while the server runs; PATH gets its name when all is complete.
/// What the format could not hold is said at the end.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Export {
    /// The address of the account
    account: String,
    /// Where it goes; must not exist yet
    path: PathBuf,
    /// What is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: TargetForm,
    /// In what the files lie; not for mbox. Default: as PATH ends, .tar or .zip, else a folder
    #[arg(long, value_enum, value_name = "PACK")]
    pack: Option<Pack>,
    /// Only mailboxes of this name; * stands for any text; can be given several times
    #[arg(long, value_name = "PATTERN")]
    mailbox: Vec<String>,
    /// Replace what is at PATH, once the new export is complete
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    form: OutputForm,
}

impl Export {
    pub fn run(self, place: &Place) -> Result<()> {
        let form = self.form.form();
        let wish = ExportWish {
            account: checked_address(&self.account)?,
            path: absolute(&self.path)?,
            form: self.format,
            pack: self.pack.unwrap_or_else(|| pack_of(&self.path)),
            mailboxes: self.mailbox,
            replace: self.replace,
        };
        let mut display = Display::new(form);
        let report: ExportReport = block_on(async {
            let mut control = place.control().await?;
            control.run("/v1/export", &wish, |event| display.show(event)).await
        })?;
        drop(display);
        match form {
            Form::Json => output::json(&report),
            Form::Text => output::text(&readable(&report)),
        }
    }
}

/// As the path ends.
fn pack_of(path: &std::path::Path) -> Pack {
    let end = path.extension().unwrap_or_default();
    let is = |wanted: &str| end.eq_ignore_ascii_case(wanted);
    if is("tar") {
        Pack::Tar
    } else if is("zip") {
        Pack::Zip
    } else {
        Pack::Folder
    }
}

fn readable(report: &ExportReport) -> String {
    let mut text = String::new();
    for (count, what) in [
        (report.already_there, "were written by an earlier run already"),
        (report.expunged_meanwhile, "were expunged before their turn came"),
        (report.inexact, "have mixed line ends or no last one, which this format does not hold byte for byte"),
        (report.keywords_lost, "lost a keyword: Maildir holds 26 different ones in a folder"),
    ] {
        if count > 0 {
            text.push_str(&format!("{count} messages {what}\n"));
        }
    }
    for what in &report.not_held {
        text.push_str(&format!("this format does not hold {what}\n"));
    }
    let ExportReport { messages, mailboxes, path, .. } = report;
    text.push_str(&format!("exported {messages} messages of {mailboxes} mailboxes to {}\n", path.display()));
    text
}
