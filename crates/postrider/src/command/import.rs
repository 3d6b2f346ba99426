//! `postrider import`: mail from files into an account.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;
use postrider_pull::counted;

use super::{
    Place, absolute,
    account::OutputForm,
    block_on, checked_address,
    output::{self, Form},
    progress::Display,
};
use crate::transfer::{ImportReport, ImportWish, NewUids, SourceForm, Told};

const EXAMPLES: &str = "\
Examples:
  Look first, change nothing:
    postrider import ~/mail-backup --into alice@example.org --dry-run
  Thunderbird (close it before; the profile is shown under Help > Troubleshooting Information):
    postrider import ~/.thunderbird/abcd1234.default/Mail/'Local Folders' --into alice@example.org
  Apple Mail (~/Library/Mail, or a mailbox that it exported), below a folder of its own:
    postrider import ~/Library/Mail/V10 --into alice@example.org --under 'Old Mac'
  A Maildir of Dovecot or Courier, with flags, keywords and subfolders:
    postrider import /var/vmail/example.org/alice/Maildir --into alice@example.org
  Gmail, from Google Takeout (an mbox file; the zip as it was downloaded will do, too):
    postrider import 'Takeout/Mail/All mail Including Spam and Trash.mbox' --into alice@example.org --under Gmail
  What `postrider export` wrote:
    postrider import alice.tar --into alice@example.org

  The inbox of a Dovecot whose POP3 programs are not to download everything again (doveconf pop3_uidl_format):
    postrider import /var/vmail/example.org/alice/Maildir --into alice@example.org --pop3-uidl-format %f

It was interrupted? Give the same command again: it goes on where it stopped. Nothing comes twice.

Exit status: 0 all is in, 1 some messages could not be imported (too large, unreadable), 2 it could not be done.";

/// Import mail from files: mbox, Maildir, .eml, Apple Mail, Thunderbird, zip and tar
///
/// Finds out what the files are, and brings in all folders with their messages, flags, keywords and dates. Folders for sent
/// mail, drafts and so on go to the account's own; others keep their names and are made where they are missing. A damaged
/// message comes in as it is, and is told of. The files are only read. Works while the server runs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Import {
    /// The file or folder; a tar (also compressed) or zip is read without unpacking it
    path: PathBuf,
    /// The address of the account that gets the mail
    #[arg(long, value_name = "ACCOUNT")]
    into: String,
    /// Put everything below this mailbox, even what would go to INBOX, Sent and so on
    #[arg(long, value_name = "FOLDER")]
    under: Option<String>,
    /// What the files are
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: SourceForm,
    /// Read everything and say what would be done, but change nothing
    #[arg(long)]
    dry_run: bool,
    /// Begin anew, also if it was finished before; messages that are in their mailbox already are passed over
    #[arg(long)]
    again: bool,
    /// Give out new UIDs and POP3 unique-ids, also where those of the source can be kept
    #[arg(long)]
    new_uids: bool,
    /// How the Dovecot that kept a Maildir made POP3 unique-ids: its setting `pop3_uidl_format`
    #[arg(long, default_value = "%08Xu%08Xv", value_name = "FORMAT")]
    pop3_uidl_format: String,
    #[command(flatten)]
    form: OutputForm,
}

impl Import {
    pub fn run(self, place: &Place) -> Result<ExitCode> {
        let form = self.form.form();
        let wish = ImportWish {
            account: checked_address(&self.into)?,
            path: plain(&self.path)?,
            under: self.under,
            form: self.format,
            dry_run: self.dry_run,
            again: self.again,
            new_uids: self.new_uids,
            pop3_uidl_format: self.pop3_uidl_format,
        };
        let mut display = Display::new(form);
        let report: ImportReport = block_on(async {
            let mut control = place.control().await?;
            control.run("/v1/import", &wish, |event| display.show(event)).await
        })?;
        drop(display);
        match form {
            Form::Json => output::json(&report)?,
            Form::Text => output::text(&readable(&report, &wish))?,
        }
        Ok(if report.total.not_imported() == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

/// The path in one spelling, by which an interrupted import is known again: `Mail/` is `Mail`, and `..` is followed.
fn plain(path: &Path) -> Result<PathBuf> {
    let path: PathBuf = absolute(path)?.components().collect();
    let has_parent = path.components().any(|part| part == Component::ParentDir);
    // What cannot be looked at from here, the server may still see.
    Ok(if has_parent { path.canonicalize().unwrap_or(path) } else { path })
}

fn readable(report: &ImportReport, wish: &ImportWish) -> String {
    let mut lines = Vec::new();
    if report.finished_before {
        lines.push(format!(
            "this import was finished before, nothing was done: {} had come in from {}",
            counted(report.total.messages, "message"),
            wish.path.display()
        ));
        lines.push("with --again it begins anew, and passes over what is there".to_owned());
        return lines.join("\n") + "\n";
    }
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    if let Some(entries) = report.continued_after {
        lines.push(format!("went on after {} of an earlier run", counted(entries, "message")));
    }
    for folder in &report.folders {
        let made = match (folder.created, report.dry_run) {
            (true, true) => " (would be made)",
            (true, false) => " (made)",
            (false, _) => "",
        };
        lines.push(format!("{} -> {}{made}: {}", folder.from, folder.to, counted(folder.messages, "message")));
    }
    lines.extend(findings(report));
    lines.extend(totals(report));
    lines.join("\n") + "\n"
}

/// What was odd, by kind, with the first place of each.
fn findings(report: &ImportReport) -> Vec<String> {
    let mut first: BTreeMap<&str, &Told> = BTreeMap::new();
    for told in &report.told {
        first.entry(&told.kind).or_insert(told);
    }
    let mut lines = Vec::new();
    for (kind, count) in &report.total.findings {
        lines.push(match first.get(kind.as_str()) {
            Some(told) => {
                format!("imported as it is: {}: {}; first: {}", told.text, counted(*count, "message"), told.place)
            }
            None => format!("imported as it is: {kind}: {} of an earlier run", counted(*count, "message")),
        });
    }
    let lost = report.told.iter().filter(|told| !told.imported);
    lines.extend(lost.map(|told| format!("NOT IMPORTED: {}: {}", told.place, told.text)));
    lines
}

fn totals(report: &ImportReport) -> Vec<String> {
    let total = &report.total;
    let mut lines = Vec::new();
    for (count, what) in [
        (total.present, "passed over, in the mailbox already"),
        (total.expunged, "passed over, deleted in the source but not yet cut out of it"),
        (total.program_notes, "passed over, no mail but a program's notes to itself"),
        (total.keywords_lost, "lost a keyword: a mailbox holds 123 different ones"),
        (total.too_large, "NOT IMPORTED, larger than store.message_bytes_max"),
        (total.unreadable, "NOT IMPORTED, cannot be read; mend that and give the command with --again"),
    ] {
        if count > 0 {
            lines.push(format!("{} {what}", counted(count, "message")));
        }
    }
    lines.extend(names(report));
    let did = if report.dry_run { "would import" } else { "imported" };
    lines.push(format!("{did} {}, {}", counted(total.messages, "message"), counted(total.bytes, "byte")));
    lines
}

/// How many mailboxes are named in a line.
const NAMED_MAX: usize = 5;

/// What became of what names messages for mail programs.
fn names(report: &ImportReport) -> Vec<String> {
    let mut lines = Vec::new();
    let mut by_reason: BTreeMap<Option<NewUids>, Vec<&str>> = BTreeMap::new();
    for folder in &report.folders {
        by_reason.entry(folder.new_uids).or_default().push(&folder.to);
    }
    for (reason, mailboxes) in by_reason {
        let shown = mailboxes.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
        let more = mailboxes.len().saturating_sub(NAMED_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        lines.push(match reason {
            None => {
                format!("UIDVALIDITY and UIDs kept: {}, in {shown}{more}", counted(report.total.uids_kept, "message"))
            }
            Some(reason) => format!("new UIDs ({reason}): in {shown}{more}"),
        });
    }
    if report.total.unique_ids_kept > 0 {
        lines.push(format!("POP3 unique-ids kept: {}", counted(report.total.unique_ids_kept, "message")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_folder_in_several_spellings_is_one_import() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("Mail/cur")).unwrap();
        let wanted = folder.path().canonicalize().unwrap().join("Mail");
        for spelling in ["Mail", "Mail/", "./Mail", "Mail/.", "Mail/cur/..", "Mail/../Mail/"] {
            let path = plain(&wanted.parent().unwrap().join(spelling)).unwrap();
            assert_eq!(path.as_os_str(), wanted.as_os_str(), "{spelling}");
        }
        assert_eq!(plain(Path::new("/nowhere/../x")).unwrap(), Path::new("/nowhere/../x"), "left to the server");
    }
}
