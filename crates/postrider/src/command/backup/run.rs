//! `postrider backup init`, `run`, `status` and `prune`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use indicatif::HumanBytes;
use postrider_backup::Location;
use postrider_pull::{agreeing, counted};

use super::{
    moment::{ago, now, readable},
    unread::{self, Unread},
};
use crate::{
    backup::{InitAnswer, Keep, PruneAnswer, PruneWish, RunAnswer, RunWish, SafeStatus},
    command::{
        Place,
        account::OutputForm,
        block_on, checked_address,
        output::{self, Form},
        progress::Display,
    },
};

pub fn init(place: &Place, form: Form) -> Result<()> {
    let answer: InitAnswer = block_on(async { super::safe_or_new(place).await?.post("/v1/backup/init", &()).await })?;
    if form == Form::Json {
        return output::json(&answer);
    }
    output::line(&format!("made a backup repository: {}", answer.repository))?;
    let file = answer.passphrase_file.display();
    output::line(&match answer.made_passphrase {
        true => format!("its passphrase is in {file}, which was made now"),
        false => format!("its passphrase is in {file}"),
    })?;
    output::line("KEEP A COPY OF THE PASSPHRASE ELSEWHERE: without it nobody can read the backups")?;
    output::line("next: postrider backup run")
}

/// Make a backup now
///
/// Exit status 1 if it was read back (--verify) and something was wrong.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postrider backup run
  postrider backup run --verify                      (and read everything back)
  postrider backup run --account alice@example.org   (an extra one of one account)")]
pub struct Run {
    /// Only this account; can be given several times
    #[arg(long, value_name = "ACCOUNT")]
    account: Vec<String>,
    /// Read the backup back afterwards and compare every message
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    form: OutputForm,
}

impl Run {
    pub fn run(self, place: &Place) -> Result<ExitCode> {
        let accounts = self.account.iter().map(|account| checked_address(account)).collect::<Result<_>>()?;
        let wish = RunWish { accounts, verify: self.verify };
        let mut display = Display::new(self.form.form());
        let answer: RunAnswer = block_on(async {
            let mut control = super::safe(place).await?;
            control.run("/v1/backup/run", &wish, |event| display.show(event)).await
        })?;
        drop(display);
        match self.form.form() {
            Form::Json => output::json(&answer)?,
            Form::Text => output::text(&told(&answer))?,
        }
        let is_right = answer.verified.is_none_or(|verified| verified.findings.is_empty());
        Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

fn told(answer: &RunAnswer) -> String {
    let RunAnswer { snapshot, bodies_read, .. } = answer;
    let (accounts, mailboxes) = (counted(answer.accounts, "account"), counted(answer.mailboxes, "mailbox"));
    let mut text = format!(
        "backup {snapshot}: {} ({}) in {mailboxes} of {accounts}\n\
         {bodies_read} of them {} new to it; {} written, compressed\n",
        counted(answer.messages, "message"),
        HumanBytes(answer.bytes),
        agreeing(*bodies_read, "was", "were"),
        HumanBytes(answer.bytes_written)
    );
    if let Some(verified) = &answer.verified {
        text.push_str(&super::proof::told(verified));
    }
    text
}

pub fn status(place: &Place, form: Form) -> Result<ExitCode> {
    let status: SafeStatus = block_on(async { place.control().await?.get("/v1/backup").await })?;
    match form {
        Form::Json => output::json(&status)?,
        Form::Text => output::text(&status_beside(unread::named(place).as_deref(), &status, now()))?,
    }
    Ok(if status.late { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// The status that a server gives, beside the repository that the configuration names.
fn status_beside(named: Option<&str>, status: &SafeStatus, now: i64) -> String {
    match unread::unread(named, status.repository.as_deref()) {
        None => readable_status(status, now),
        Some(Unread::Added) => format!("no backups: {}\n", Unread::Added.hint()),
        Some(Unread::Changed) => {
            let named = Location::shown(named.unwrap_or_default());
            let hint = Unread::Changed.hint();
            readable_status(status, now) + &format!("CHANGED        the configuration names {named}: {hint}\n")
        }
    }
}

fn readable_status(status: &SafeStatus, now: i64) -> String {
    let Some(repository) = &status.repository else {
        return "no backups: [backup] in the configuration names no repository\n".to_owned();
    };
    let when = |moment: Option<i64>| {
        moment.map_or("never".to_owned(), |moment| format!("{} ({})", readable(moment), ago(moment, now)))
    };
    let mut lines =
        vec![format!("repository     {repository}"), format!("last backup    {}", when(status.last_success))];
    lines.push(format!("last verified  {}", when(status.last_verified)));
    lines.push(match (status.running, status.next) {
        (true, _) => "next           one is being made now".to_owned(),
        (false, Some(next)) => format!("next           {}", readable(next)),
        (false, None) => "next           when `postrider backup run` is given".to_owned(),
    });
    if let Some(failure) = &status.last_failure {
        lines.push(format!("FAILED         {failure}"));
    }
    if status.late {
        lines.push("LATE           there should have been a backup by now".to_owned());
    }
    lines.join("\n") + "\n"
}

/// Remove old backups that no rule keeps, and win back their space
///
/// What is kept is said by the configuration, or here. The newest backup always stays. Space comes back in two steps: what nothing
/// needs any more is marked, and removed by a later prune, a day on, so that nobody who reads meanwhile loses anything.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postrider backup prune --dry-run
  postrider backup prune --keep-last 3 --keep-daily 14 --keep-monthly 12")]
pub struct Prune {
    /// Keep the newest ones
    #[arg(long, value_name = "COUNT")]
    keep_last: Option<u32>,
    /// Keep the last one of each of so many days
    #[arg(long, value_name = "COUNT")]
    keep_daily: Option<u32>,
    /// Keep the last one of each of so many weeks
    #[arg(long, value_name = "COUNT")]
    keep_weekly: Option<u32>,
    /// Keep the last one of each of so many months
    #[arg(long, value_name = "COUNT")]
    keep_monthly: Option<u32>,
    /// Keep the last one of each of so many years
    #[arg(long, value_name = "COUNT")]
    keep_yearly: Option<u32>,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    form: OutputForm,
}

impl Prune {
    pub fn run(self, place: &Place) -> Result<()> {
        let wish = PruneWish { keep: self.keep(), dry_run: self.dry_run };
        let mut display = Display::new(self.form.form());
        let answer: PruneAnswer = block_on(async {
            let mut control = super::safe(place).await?;
            control.run("/v1/backup/prune", &wish, |event| display.show(event)).await
        })?;
        drop(display);
        if self.form.form() == Form::Json {
            return output::json(&answer);
        }
        for name in &answer.protected {
            output::line(&format!("backup {name} stays beyond the rules: it is the newest one that was read back"))?;
        }
        let removed = if answer.dry_run { "would be removed" } else { "removed" };
        output::text(&format!(
            "{} kept, {} {removed}{}\n{} won back, {} marked to be won back by a later prune, {} in use\n",
            counted(answer.kept.len(), "backup"),
            answer.removed.len(),
            if answer.removed.is_empty() { String::new() } else { format!(": {}", answer.removed.join(" ")) },
            HumanBytes(answer.bytes_freed),
            HumanBytes(answer.bytes_marked),
            HumanBytes(answer.bytes_used),
        ))
    }

    /// What is kept, if it is said here.
    fn keep(&self) -> Option<Keep> {
        let given = [self.keep_last, self.keep_daily, self.keep_weekly, self.keep_monthly, self.keep_yearly];
        given.iter().any(Option::is_some).then(|| {
            let [last, daily, weekly, monthly, yearly] = given.map(Option::unwrap_or_default);
            Keep { last, daily, weekly, monthly, yearly }
        })
    }
}
