//! The outcome of a pull, for people.

use postrider_pull::{agreeing, counted};

use crate::pull::{Compared, ImapOutcome, Left, MailboxOutcome, Outcome, Pop3Outcome, PullAnswer};

/// The answer in lines; the last one is the verdict.
pub fn readable(answer: &PullAnswer) -> String {
    let mut lines = match &answer.outcome {
        Outcome::Pop3(outcome) => pop3(outcome, answer.dry_run),
        Outcome::Imap(outcome) => imap(outcome, answer.dry_run),
    };
    if let Some(failure) = &answer.ended_early {
        lines.push(format!("ENDED EARLY: {}", failure.error));
        lines.extend(failure.hint.iter().map(|hint| format!("hint: {hint}")));
    }
    let verdict = match (answer.complete, answer.dry_run, answer.ended_early.is_some()) {
        (true, true, _) => "nothing was changed",
        (true, false, _) => "done",
        (false, _, true) => "NOT COMPLETE: the run ended early; what was fetched is here, run it again to go on",
        (false, _, false) => "NOT COMPLETE: see above for what is missing or was left undone",
    };
    lines.push(verdict.to_owned());
    lines.join("\n") + "\n"
}

fn pop3(outcome: &Pop3Outcome, dry_run: bool) -> Vec<String> {
    let mut lines = outcome.plan.clone();
    if !dry_run {
        lines.push(format!(
            "{} there: {} fetched, {} here already, {} received",
            counted(outcome.there, "message"),
            outcome.fetched,
            outcome.known,
            counted(outcome.bytes, "byte")
        ));
    }
    if outcome.removed_there > 0 {
        lines.push(format!("{} removed there", counted(outcome.removed_there, "message")));
    }
    if outcome.waiting_for_backup > 0 {
        lines.push(waiting(outcome.waiting_for_backup));
    }
    lines.extend(told("NOT FETCHED", &outcome.not_fetched));
    lines.extend(told("not removed there", &outcome.not_removed));
    if let Some(verified) = &outcome.verified {
        lines.extend(compared(verified));
    }
    lines
}

fn compared(verified: &Compared) -> Vec<String> {
    let mut lines: Vec<String> = told("MISSING", &verified.missing).collect();
    lines.extend(told("differs", &verified.remarks));
    let how = match verified.contents {
        0 => String::from("read back from the store"),
        count => format!("read back from the store, {count} of them fetched again and compared byte for byte"),
    };
    let verdict = match verified.missing.len() {
        0 => String::from("nothing is missing"),
        count => format!("{count} {} MISSING", agreeing(count, "IS", "ARE")),
    };
    lines.push(format!("verified: {} {how}; {verdict}", counted(verified.messages, "message")));
    lines
}

fn imap(outcome: &ImapOutcome, dry_run: bool) -> Vec<String> {
    let mut lines: Vec<String> = outcome.mailboxes.iter().flat_map(mailbox).collect();
    lines.extend(outcome.notices.iter().map(|notice| format!("note: {notice}")));
    lines.extend(outcome.problems.iter().map(|problem| format!("PROBLEM: {problem}")));
    let did = if dry_run { "would be fetched" } else { "fetched" };
    let (mailboxes, bytes) = (counted(outcome.mailboxes.len(), "mailbox"), counted(outcome.bytes_received, "byte"));
    let mut line = format!("{mailboxes}: {} {did}, {bytes} received", counted(outcome.fetched, "message"));
    if outcome.uploaded > 0 {
        line.push_str(&format!(
            ", {} {}",
            counted(outcome.uploaded, "message"),
            if dry_run { "would be sent" } else { "sent" }
        ));
    }
    lines.push(line);
    lines
}

fn mailbox(mailbox: &MailboxOutcome) -> Vec<String> {
    let mut line = format!("{} -> {}: {} there", mailbox.remote, mailbox.local, counted(mailbox.messages, "message"));
    for (count, what) in [
        (mailbox.fetched, "fetched"),
        (mailbox.recognised, "here already"),
        (mailbox.flags_changed, "with other flags"),
        (mailbox.vanished, "vanished there"),
        (mailbox.removed, "removed here"),
        (mailbox.uploaded, "sent"),
        (mailbox.flags_changed_there, "with other flags there"),
        (mailbox.removed_there, "removed there"),
        (mailbox.verified, "verified"),
    ] {
        if count > 0 {
            line.push_str(&format!(", {count} {what}"));
        }
    }
    let mut lines = vec![line];
    lines.extend(mailbox.notices.iter().map(|notice| format!("  note: {notice}")));
    lines.extend(mailbox.problems.iter().map(|problem| format!("  PROBLEM: {problem}")));
    lines
}

fn told<'a>(what: &'a str, left: &'a [Left]) -> impl Iterator<Item = String> + 'a {
    left.iter().map(move |left| format!("{what}: {}: {}", left.message, left.reason))
}

fn waiting(count: u64) -> String {
    let (stay, them) = (agreeing(count, "stays", "stay"), agreeing(count, "it", "them"));
    format!("{} {stay} there until a backup holds {them}", counted(count, "message"))
}
