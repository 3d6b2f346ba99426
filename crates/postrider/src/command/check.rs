//! `postrider check`: proof that every byte is there and right.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use postrider_pull::counted;

use super::{
    Place,
    account::OutputForm,
    block_on,
    output::{self, Form},
    progress::Display,
};
use crate::{control::CheckBody, storage::CheckReport};

/// Check that all mail is there and undamaged
///
/// Reads every message and holds it against its hash, every index against what it points to. Works while the server runs.
/// Exit status 1 if anything is wrong.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postrider check
  postrider check --rebuild    (after a finding about derived answers or counters)")]
pub struct Check {
    /// First make anew what can be derived from the messages
    #[arg(long)]
    rebuild: bool,
    #[command(flatten)]
    form: OutputForm,
}

impl Check {
    pub fn run(self, place: &Place) -> Result<ExitCode> {
        let body = CheckBody { rebuild: self.rebuild };
        let mut display = Display::new(self.form.form());
        let report: CheckReport = block_on(async {
            let mut control = place.control().await?;
            control.run("/v1/check", &body, |event| display.show(event)).await
        })?;
        drop(display);
        match self.form.form() {
            Form::Json => output::json(&report)?,
            Form::Text => output::text(&readable(&report, self.rebuild))?,
        }
        Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

fn readable(report: &CheckReport, rebuilt: bool) -> String {
    let mut text = String::new();
    if rebuilt {
        let CheckReport { rebuilt_messages, rebuilt_mailboxes, .. } = report;
        text.push_str(&format!(
            "rebuilt: {}, {}\n",
            counted(*rebuilt_messages, "message"),
            counted(*rebuilt_mailboxes, "mailbox")
        ));
    }
    for finding in &report.findings {
        text.push_str(finding);
        text.push('\n');
    }
    let CheckReport { accounts, messages, bytes, .. } = report;
    let verdict = match report.findings.len() {
        0 => "no faults".to_owned(),
        count => counted(count, "fault"),
    };
    let (accounts, messages) = (counted(*accounts, "account"), counted(*messages, "message"));
    text.push_str(&format!("checked {accounts}, {messages}, {}: {verdict}\n", counted(*bytes, "byte")));
    text
}
