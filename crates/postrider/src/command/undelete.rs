//! `postrider undelete`: bring back mail that was deleted by mistake.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use clap::Args;
use indicatif::{HumanBytes, HumanDuration};
use postrider_message::{days_from_civil, format_internal_date};
use postrider_pull::counted;

use super::{
    Place,
    account::OutputForm,
    block_on, checked_address,
    output::{self, Form},
    progress::Display,
};
use crate::{
    advice::Advise,
    transfer::{UndeleteDeed, UndeleteReport, UndeleteWish},
};

const EXAMPLES: &str = "\
Examples:
  What can be brought back?
    postrider undelete alice@example.org --list
  Everything that was deleted within the last two hours, to where it was:
    postrider undelete alice@example.org --last 2h
  A folder that was deleted with all that was in it:
    postrider undelete alice@example.org --mailbox 'Projects/Tower'
  One message, put aside so that it is easily found:
    postrider undelete alice@example.org --subject 'contract' --from bob --into Found

Messages come back with their flags, and with new UIDs; mail programs show them as new arrivals. For how long deleted mail can be
brought back is set by store.expunged_kept_seconds, a week if nothing else is said. What merely lies in Trash was not deleted:
move it back with any mail program.";

/// Bring back mail that was deleted by mistake, by whichever mail program
///
/// Mail that a mail program has deleted for good, and that of deleted mailboxes, stays in the store for a while. This brings it
/// back, while the server runs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Undelete {
    /// The address of the account
    account: String,
    /// Change nothing; list what can be brought back
    #[arg(long, conflicts_with = "dry_run")]
    list: bool,
    /// Everything that can be brought back
    #[arg(long)]
    all: bool,
    /// Only what was in mailboxes of this name; * stands for any text; can be given several times
    #[arg(long, value_name = "PATTERN")]
    mailbox: Vec<String>,
    /// Only what was deleted at that time or later, in UTC: 2026-11-23 or 2026-11-23T17:30
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "last")]
    since: Option<i64>,
    /// Only what was deleted within that time: 30m, 2h, 3d
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    last: Option<i64>,
    /// Only messages with this text in their subject
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// Only messages from an address or name with this text
    #[arg(long, value_name = "TEXT")]
    from: Option<String>,
    /// Only messages that had these UIDs: 7 or 7,9:12; name their mailbox too
    #[arg(long, value_name = "UIDS", value_parser = parse_uids, requires = "mailbox")]
    uid: Option<Uids>,
    /// Bring them back into this mailbox, made if there is none. Default: where they were
    #[arg(long, value_name = "MAILBOX")]
    into: Option<String>,
    /// Change nothing; tell how many messages would go where
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    form: OutputForm,
}

/// UIDs as the command line names them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Uids(Vec<(u32, u32)>);

impl Undelete {
    pub fn run(self, place: &Place) -> Result<()> {
        let form = self.form.form();
        let wish = self.wish()?;
        let mut display = Display::new(form);
        let report: UndeleteReport = block_on(async {
            let mut control = place.control().await?;
            control.run("/v1/undelete", &wish, |event| display.show(event)).await
        })?;
        drop(display);
        match form {
            Form::Json => output::json(&report),
            Form::Text => output::text(&readable(&report, wish.deed)),
        }
    }

    fn wish(self) -> Result<UndeleteWish> {
        let deed = match (self.list, self.dry_run) {
            (true, _) => UndeleteDeed::List,
            (_, true) => UndeleteDeed::DryRun,
            _ => UndeleteDeed::Undelete,
        };
        let is_narrowed = !self.mailbox.is_empty()
            || self.since.is_some()
            || self.last.is_some()
            || self.subject.is_some()
            || self.from.is_some();
        if deed == UndeleteDeed::Undelete && !is_narrowed && !self.all {
            let unclear: Result<_> = Err(anyhow!("it is not said what is to be brought back"));
            return unclear.advise("look with --list first; then say --last 2h, --mailbox NAME and the like, or --all");
        }
        Ok(UndeleteWish {
            account: checked_address(&self.account)?,
            mailboxes: self.mailbox,
            since: self.since.or_else(|| self.last.map(|span| now().saturating_sub(span))),
            subject: self.subject,
            from: self.from,
            uids: self.uid.map(|uids| uids.0),
            into: self.into,
            deed,
        })
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// A day, or a day and a time of it, in UTC.
fn parse_time(text: &str) -> Result<i64, String> {
    let wrong = || "write it as 2026-11-23 or 2026-11-23T17:30".to_owned();
    let (day, time) = text.trim_end_matches('Z').split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
    let [year, month, day] = *day.splitn(3, '-').map(number).collect::<Result<Vec<_>, _>>()? else {
        return Err(wrong());
    };
    let time = time.splitn(3, ':').map(number).collect::<Result<Vec<_>, _>>()?;
    let (hour, minute, second) = match *time {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return Err(wrong()),
    };
    if hour > 23 || minute > 59 || second > 60 {
        return Err(wrong());
    }
    let days = days_from_civil(year.into(), month, day).ok_or_else(wrong)?;
    Ok(days * 86_400 + i64::from(hour * 3600 + minute * 60 + second))
}

/// A number of minutes, hours or days, in seconds.
fn parse_span(text: &str) -> Result<i64, String> {
    let wrong = || "write it as 30m, 2h or 3d".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let count: u32 = text.trim_end_matches(unit).parse().map_err(|_| wrong())?;
    Ok(i64::from(count) * seconds)
}

fn parse_uids(text: &str) -> Result<Uids, String> {
    let number = |text: &str| match text.parse::<u32>() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("write it as 7 or 7,9:12".to_owned()),
    };
    let range = |part: &str| match part.split_once(':') {
        Some((low, high)) => number(low).and_then(|low| Ok((low, number(high)?))).map(|(a, b)| (a.min(b), a.max(b))),
        None => number(part).map(|number| (number, number)),
    };
    text.split(',').map(range).collect::<Result<Vec<_>, _>>().map(Uids)
}

fn readable(report: &UndeleteReport, deed: UndeleteDeed) -> String {
    let UndeleteReport { messages, bytes, mailboxes, kept_seconds, list } = report;
    let mut text = String::new();
    for message in list {
        text.push_str(&format!(
            "{}  {}  UID {}  {}  {}\n",
            format_internal_date(message.expunged_at, 0),
            shown(&message.mailbox),
            message.uid,
            shown(&message.from),
            shown(&message.subject)
        ));
    }
    if *messages == 0 {
        text.push_str("no such message can be brought back");
        match kept_seconds {
            0 => text.push_str("; this server keeps none (store.expunged_kept_seconds)\n"),
            seconds => {
                let kept = HumanDuration(std::time::Duration::from_secs(*seconds));
                text.push_str(&format!("; deleted mail is kept for {kept}\n"));
            }
        }
        return text;
    }
    let size = HumanBytes(*bytes);
    match deed {
        UndeleteDeed::List => {
            text.push_str(&format!("{}, {size}, can be brought back\n", counted(*messages, "message")))
        }
        UndeleteDeed::DryRun | UndeleteDeed::Undelete => {
            let verb = if deed == UndeleteDeed::DryRun { "would bring back" } else { "brought back" };
            for (name, count) in mailboxes {
                text.push_str(&format!("{verb} {} to {}\n", counted(*count, "message"), shown(name)));
            }
            text.push_str(&format!("{verb} {}, {size}\n", counted(*messages, "message")));
        }
    }
    text
}

/// What mail says must not steer the terminal.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_utc() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("2026-11-23", Some(1_795_392_000)),
            ("2026-11-23T17:30", Some(1_795_455_000)),
            ("2026-11-23 17:30:05", Some(1_795_455_005)),
            ("2026-11-23T17:30Z", Some(1_795_455_000)),
            ("2026-02-30", None),
            ("2026-11", None),
            ("yesterday", None),
            ("2026-11-23T25:00", None),
            ("2026-11-23T", None),
        ] {
            assert_eq!(parse_time(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn spans_have_a_unit() {
        for (text, expected) in [
            ("30m", Some(1800)),
            ("2h", Some(7200)),
            ("3d", Some(259_200)),
            ("2", None),
            ("h", None),
            ("", None),
            ("2y", None),
            ("-2h", None),
            ("2é", None),
        ] {
            assert_eq!(parse_span(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn uids_are_numbers_and_ranges() {
        assert_eq!(parse_uids("7,12:9").unwrap(), Uids(vec![(7, 7), (9, 12)]));
        for text in ["", "0", "a", "1:", "1,,2"] {
            assert!(parse_uids(text).is_err(), "{text}");
        }
    }
}
