//! `postrider backup verify`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use indicatif::HumanBytes;
use postrider_pull::{agreeing, counted};

use super::moment::Which;
use crate::{
    backup::{LivingAnswer, VerifyAnswer, VerifyWish},
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
  postrider backup verify --rehearse     (also restore it into a store that is thrown away, and compare
                                          that with the backup and with the living store)")]
pub struct Verify {
    #[command(flatten)]
    which: Which,
    /// Verify every backup and read every file of the repository
    #[arg(long, conflicts_with_all = ["snapshot", "as_of"])]
    all: bool,
    /// Also restore into a throw-away store in the data folder, which needs as much room as the mail, and compare what is there with
    /// the backup and with the living store: what changed since is counted, what differs without that is a fault
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
            let mut control = super::safe_or_new(place).await?;
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
        let rehearsed = counted(answer.rehearsed_messages, "message");
        let them = agreeing(answer.rehearsed_messages, "it", "them");
        text.push_str(&format!("restored {rehearsed} elsewhere and compared {them} there\n"));
    }
    answer.living.iter().for_each(|living| text.push_str(&told_of_living(living)));
    let verdict = match answer.findings.len() {
        0 => "everything is right".to_owned(),
        count => counted(count, "fault").to_uppercase(),
    };
    let messages = counted(answer.messages, "message");
    let read = if answer.messages == answer.messages_read {
        messages
    } else {
        format!("{} of {messages}", counted(answer.messages_read, "different content"))
    };
    text.push_str(&format!(
        "read back {read} ({}) of backup {}: {verdict}\n",
        HumanBytes(answer.bytes),
        answer.snapshots.join(" ")
    ));
    text
}

fn told_of_living(living: &LivingAnswer) -> String {
    let LivingAnswer { snapshot, accounts, messages, came, gone, flags_changed, .. } = living;
    if *accounts == 0 {
        return format!("there is no living store of backup {snapshot} here: compared with the backup alone\n");
    }
    let mut text = format!(
        "held {} of backup {snapshot} against the living store: {came} came since, {gone} gone since, \
         {flags_changed} with other flags since\n",
        counted(*messages, "message")
    );
    let mailboxes = [
        (living.mailboxes_came, "made since"),
        (living.mailboxes_gone, "gone since"),
        (living.mailboxes_renamed, "renamed since"),
    ];
    for (count, what) in mailboxes.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!("mailboxes {what}: {count}\n"));
    }
    for account in &living.accounts_gone {
        text.push_str(&format!("the account {account} is gone since\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_that_several_messages_share_are_told_as_what_they_are() {
        let mut answer = VerifyAnswer { messages: 7, messages_read: 7, ..VerifyAnswer::default() };
        assert!(told(&answer).starts_with("read back 7 messages ("));
        answer.messages_read = 3;
        assert!(told(&answer).starts_with("read back 3 different contents of 7 messages ("));
    }

    #[test]
    fn what_changed_since_is_told_and_that_there_is_no_living_store() {
        let snapshot = String::from("abcd");
        let mut living = LivingAnswer {
            snapshot,
            accounts: 1,
            messages: 7,
            came: 12,
            gone: 3,
            flags_changed: 5,
            ..LivingAnswer::default()
        };
        let told = told_of_living(&living);
        assert!(told.contains("12 came since, 3 gone since, 5 with other flags since"), "{told}");
        assert_eq!(told.lines().count(), 1);
        (living.mailboxes_renamed, living.accounts_gone) = (1, vec![String::from("a@b")]);
        assert_eq!(told_of_living(&living).lines().count(), 3);
        assert!(told_of_living(&LivingAnswer::default()).contains("no living store"));
    }
}
