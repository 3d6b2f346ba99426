//! `postrider backup`: the safe.

mod moment;
mod out;
mod proof;
mod restore;
mod run;
mod unread;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use postrider_store::{INBOX, SEPARATOR};

use super::{Place, account::OutputForm};
use crate::control::Control;

const EXAMPLES: &str = "\
To begin, write where backups go into the configuration, best a folder on another disk:
  [backup]
  repository = \"/mnt/disk/mail-backup\"
then:
  postrider backup init
  postrider backup run
A running server then makes a backup each day by itself. Keep a copy of the passphrase file somewhere else: without
it nobody can read the backups.

Is it all there?
  postrider backup list
  postrider backup verify
Somebody lost mail:
  postrider backup restore --account alice@example.org --mailbox Work
  postrider backup restore --account alice@example.org --as-of 2026-11-01 --below Restored
The disk died. Put the configuration and the passphrase file back on the new machine, start the server, and:
  postrider backup restore --everything

The stock program restic reads it too: restic -r REPOSITORY --password-file FILE restore latest --target DIR";

/// Encrypted, incremental copies of all mail, proved to be readable: make them, check them, and bring mail back
///
/// A backup shows all mail as it was at one moment, and is made while the server runs. What an earlier one has is not copied again. The
/// format is restic's, so the mail can be read without postrider, too.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BackupCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the repository that backups go to, and a passphrase for it
    Init {
        #[command(flatten)]
        form: OutputForm,
    },
    Run(run::Run),
    /// Say how the backups are doing: the last one, the next one, whether one is late
    Status {
        #[command(flatten)]
        form: OutputForm,
    },
    /// List all backups that are kept
    List {
        #[command(flatten)]
        form: OutputForm,
    },
    Show(out::Show),
    Verify(proof::Verify),
    Restore(Box<restore::Restore>),
    Extract(out::Extract),
    Prune(run::Prune),
}

impl BackupCommand {
    pub fn run(self, place: &Place) -> Result<ExitCode> {
        let done = |()| ExitCode::SUCCESS;
        match self.action {
            Action::Init { form } => run::init(place, form.form()).map(done),
            Action::Run(command) => command.run(place),
            Action::Status { form } => run::status(place, form.form()),
            Action::List { form } => out::list(place, form.form()).map(done),
            Action::Show(command) => command.run(place).map(done),
            Action::Verify(command) => command.run(place),
            Action::Restore(command) => command.run(place),
            Action::Extract(command) => command.run(place).map(done),
            Action::Prune(command) => command.run(place).map(done),
        }
    }
}

/// The way to the safe, if what answers there has read what the configuration says of the repository.
async fn safe(place: &Place) -> Result<Control> {
    unread::refuse_unread(place, place.control().await?).await
}

/// The same, but makes the data folder if there is none.
async fn safe_or_new(place: &Place) -> Result<Control> {
    unread::refuse_unread(place, place.control_or_new().await?).await
}

/// A mailbox's name as the store has it: the inbox's is the same in any letter case (RFC 9051 §5.1).
fn mailbox_name(given: String) -> String {
    let given = given.trim_end_matches(SEPARATOR);
    let (first, rest) = given.split_at(given.find(SEPARATOR).unwrap_or(given.len()));
    if first.eq_ignore_ascii_case(INBOX) { format!("{INBOX}{rest}") } else { given.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inbox_is_found_however_it_is_written() {
        for (given, name) in [
            ("inbox", "INBOX"),
            ("Inbox/Old", "INBOX/Old"),
            ("Work/inbox", "Work/inbox"),
            ("inboxes", "inboxes"),
            ("Work/", "Work"),
        ] {
            assert_eq!(mailbox_name(given.to_owned()), name);
        }
    }
}
