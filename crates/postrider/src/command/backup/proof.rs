//! `postrider backup verify`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use indicatif::HumanBytes;

use super::moment::Which;
use crate::{
    backup::{VerifyAnswer, VerifyWish},
    command::{
        Place,
        account::OutputForm,
        block_on,
        output::{self, Form},
        progress::Display,
    },
};

/// Prove that a backup can be read: every message is read back and held against its hash
///
/// Exit status 1 if anything is wrong.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postrider backup verify                (the newest backup)
  postrider backup verify --all          (every backup, and every byte of the repository)
  postrider backup verify --rehearse     (also restore it into a store that is thrown away, and compare)")]
pub struct Verify {
    #[command(flatten)]
    which: Which,
    /// Verify every backup and read every file of the repository
    #[arg(long, conflicts_with_all = ["snapshot", "as_of"])]
    all: bool,
    /// Also restore into a throw-away store in the data folder, which needs as much room as the mail, and compare what is there
    #[arg(long)]
    rehearse: bool,
    #[command(flatten)]
    form: OutputForm,
}

impl Verify {
    pub fn run(self, place: &Place) -> Result<ExitCode> {
        let wish = VerifyWish { when: self.which.when()?, all: self.all, rehearse: self.rehearse };
        let mut display = Display::new(self.form.form());
        let answer: VerifyAnswer = block_on(async {
            let mut control = place.control().await?;
            control.run("/v1/backup/verify", &wish, |event| display.show(event)).await
        })?;
        drop(display);
        match self.form.form() {
            Form::Json => output::json(&answer)?,
            Form::Text => output::text(&told(&answer))?,
        }
        Ok(if answer.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

/// The outcome for people; the last line is the verdict.
pub fn told(answer: &VerifyAnswer) -> String {
    let mut text = String::new();
    for finding in &answer.findings {
        text.push_str(finding);
        text.push('\n');
    }
    if answer.rehearsed_messages > 0 {
        text.push_str(&format!("restored {} messages elsewhere and compared them there\n", answer.rehearsed_messages));
    }
    let verdict = match answer.findings.len() {
        0 => "everything is right".to_owned(),
        1 => "1 FAULT".to_owned(),
        count => format!("{count} FAULTS"),
    };
    text.push_str(&format!(
        "read back {} messages ({}) of backup {}: {verdict}\n",
        answer.messages_read,
        HumanBytes(answer.bytes),
        answer.snapshots.join(" ")
    ));
    text
}
