//! `postrider export`: an account's mail into files.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::Args;
use postrider_pull::{agreeing, counted};

use super::{
    Place, absolute,
    account::OutputForm,
    block_on, checked_address,
    output::{self, Form},
    progress::Display,
};
use crate::{
    advice::Advise,
    transfer::{ExportReport, ExportWish, Pack, TargetForm},
};

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
            pack: pack_of(&self.path, self.pack)?,
            path: absolute(&self.path)?,
            form: self.format,
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

/// Ends of names of compressed files other than zip: a folder of such a name is not what was meant.
const COMPRESSED: [&str; 7] = ["gz", "tgz", "zst", "xz", "bz2", "7z", "rar"];

/// What was asked for, else as the path ends.
fn pack_of(path: &Path, asked: Option<Pack>) -> Result<Pack> {
    let end = path.extension().unwrap_or_default();
    let is = |wanted: &str| end.eq_ignore_ascii_case(wanted);
    if path == Path::new("-") {
        let refused: Result<()> = Err(anyhow!("an export is not written to standard output"));
        refused.advise("name a file or folder, as in alice.tar; ./- makes a folder of that name")?;
    }
    if let Some(pack) = asked {
        return Ok(pack);
    }
    if COMPRESSED.into_iter().any(is) {
        let refused: Result<()> = Err(anyhow!("{}: of compressed files only .zip is written", path.display()));
        refused.advise(
            "choose a PATH that ends in .zip, or in .tar and compress that; --pack folder makes a folder of any name",
        )?;
    }
    let pack = if is("tar") {
        Pack::Tar
    } else if is("zip") {
        Pack::Zip
    } else {
        Pack::Folder
    };
    Ok(pack)
}

fn readable(report: &ExportReport) -> String {
    let mut text = String::new();
    for (count, verb, what) in [
        (report.already_there, agreeing(report.already_there, "was", "were"), "written by an earlier run already"),
        (report.expunged_meanwhile, agreeing(report.expunged_meanwhile, "was", "were"), "expunged meanwhile"),
        (
            report.inexact,
            agreeing(report.inexact, "has", "have"),
            "mixed line ends or no last one, which this format does not hold byte for byte",
        ),
        (report.keywords_lost, "lost", "a keyword: Maildir holds 26 different ones in a folder"),
    ] {
        if count > 0 {
            text.push_str(&format!("{} {verb} {what}\n", counted(count, "message")));
        }
    }
    for what in &report.not_held {
        text.push_str(&format!("this format does not hold {what}\n"));
    }
    let ExportReport { messages, mailboxes, path, .. } = report;
    let (messages, mailboxes) = (counted(*messages, "message"), counted(*mailboxes, "mailbox"));
    text.push_str(&format!("exported {messages} of {mailboxes} to {}\n", path.display()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_asks_for_another_compression_than_zip_is_refused_instead_of_made_a_folder() {
        for (path, wanted) in [
            ("a.tar", Some(Pack::Tar)),
            ("a.ZIP", Some(Pack::Zip)),
            ("a", Some(Pack::Folder)),
            ("a.tar.gz", None),
            ("-", None),
            ("./-", Some(Pack::Folder)),
        ] {
            assert_eq!(pack_of(Path::new(path), None).ok(), wanted, "{path}");
        }
        assert_eq!(pack_of(Path::new("a.gz"), Some(Pack::Folder)).ok(), Some(Pack::Folder));
        assert!(pack_of(Path::new("-"), Some(Pack::Tar)).is_err(), "standard output is not written to in any pack");
    }
}
