//! `[[pull]]`: other servers whose mail the running server fetches, and `[schedule]`: how many at a time.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use postrider_pull::{BackoffOptions, ConnectOptions, Fingerprint, Protocol, Remote, imap::PushOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Rate, Span};
use crate::pull::{Comparison, Follow, GmailLabels};

/// One account elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PullEntry {
    /// Where the mail is, as in `"imaps://alice@mail.example.org"`; `docs/pull.md` tells the forms.
    pub url: String,
    /// The address of the account here that gets the mail.
    pub into: String,
    /// What it is called in `postrider pull status` and in the log. Left out: the URL.
    #[serde(default)]
    pub name: Option<String>,
    /// How often it is fetched, as in `"15m"` or `"1h"`. A little chance is added, so that not all entries begin at one moment.
    #[serde(default = "every")]
    pub every: Span,
    /// IMAP: keep a connection open on which the server tells of new mail (IDLE, and NOTIFY for all mailboxes), and fetch at
    /// once. `every` goes on beside it, and alone where the server cannot.
    #[serde(default)]
    pub push: bool,
    /// How long one IDLE lasts before the next is begun; less than 29 minutes. Shorter where something on the way, such as a
    /// router, forgets silent connections.
    #[serde(default = "push_renew")]
    pub push_renew: Span,
    /// A file whose first line is the password there. It is read at each run.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// A command, run by the shell as the server's user, whose first line is the password there.
    #[serde(default)]
    pub password_command: Option<String>,
    /// The name of an environment variable of the server that holds the password there.
    #[serde(default)]
    pub password_variable: Option<String>,
    /// Log in with OAuth 2.0: the file that `postrider pull authorize` made. The server's user must be able to write it, as it gets
    /// new tokens.
    #[serde(default)]
    pub oauth2_file: Option<PathBuf>,
    /// Log in with OAuth 2.0: a command, run by the shell as the server's user, whose first line is an access token.
    #[serde(default)]
    pub oauth2_token_command: Option<String>,
    /// Believe certificates of the authorities in this PEM file, and of no others.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Believe the one certificate with this SHA-256 fingerprint, and no other.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// IMAP: what becomes of changes, as `--mode` of `postrider pull`.
    #[serde(default)]
    pub mode: Follow,
    /// IMAP: what becomes of Gmail's labels, as `--gmail-labels` of `postrider pull`. Left out: `"mailboxes"`.
    #[serde(default)]
    pub gmail_labels: Option<GmailLabels>,
    /// IMAP: names of mailboxes here that are fetched, `*` stands for anything; none: all.
    #[serde(default)]
    pub include: Vec<String>,
    /// IMAP: names of mailboxes here that are not fetched.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// POP3: the mailbox here that gets the mail. Left out: INBOX.
    #[serde(default)]
    pub mailbox: Option<String>,
    /// POP3: remove mail there, `"now"` once it is surely here, or `"after-backup"` once a verified backup holds it, too. Left
    /// out, mail stays there, or for `keep_days`.
    #[serde(default)]
    pub delete: Option<Delete>,
    /// POP3: remove mail there so many days after it was first seen; with `delete = "after-backup"`, not before a backup holds
    /// it.
    #[serde(default)]
    pub keep_days: Option<u32>,
    /// Compare after each run: `"listing"`, whether each message there is here, `"sample"`, every byte of some, too, or `"content"`,
    /// every byte of all of them.
    #[serde(default)]
    pub verify: Option<Comparison>,
    /// Bytes per second, sent and received, as in `"500K"` or `"2M"`. Left out, there is no such bound.
    #[serde(default)]
    pub max_rate: Option<Rate>,
    /// IMAP: connections at a time, by which mailboxes are worked on side by side where there is much to fetch. Providers bound
    /// them for each user. A sync, and Gmail with its labels, use one.
    #[serde(default = "connections")]
    pub connections: usize,
    /// IMAP: compress what passes, where the server offers it.
    #[serde(default = "compress")]
    pub compress: bool,
    /// Tries in a row that bring nothing before a run is given up until the next one is due.
    #[serde(default = "tries")]
    pub tries: u32,
    /// How long the server may say nothing before the connection counts as broken, as in `"90s"`.
    #[serde(default = "silence")]
    pub silence: Span,
}

/// When mail is removed on a POP3 server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Delete {
    /// Once it is surely here.
    Now,
    /// Once a backup holds it, too.
    AfterBackup,
}

fn every() -> Span {
    Span(Duration::from_secs(15 * 60))
}

fn push_renew() -> Span {
    Span(PushOptions::default().renew_after)
}

fn compress() -> bool {
    true
}

fn connections() -> usize {
    ConnectOptions::default().connections_max
}

fn tries() -> u32 {
    BackoffOptions::default().tries_max
}

fn silence() -> Span {
    Span(ConnectOptions::default().silence_time_max)
}

/// How the entries are worked through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Runs at one time.
    pub runs_max: usize,
    /// Runs at one time against one server there. Connections that wait for news do not count.
    pub runs_per_server_max: usize,
    /// Connections at one time against one server there, of all runs together. A run has one in any case, and more where this and
    /// its own `connections` leave room. Connections that wait for news do not count.
    pub connections_per_server_max: usize,
    /// After the start and a reload, entries begin within this time, each at a moment chosen by chance.
    pub start_within: Span,
    /// The longest pause of an entry that fails again and again; the pause begins at `every` and doubles.
    pub failure_pause: Span,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            runs_max: 4,
            runs_per_server_max: 2,
            connections_per_server_max: 6,
            start_within: Span(Duration::from_secs(30)),
            failure_pause: Span(Duration::from_secs(6 * 3600)),
        }
    }
}

impl PullEntry {
    /// What it is called.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.url)
    }

    /// What tells it from others: the mailbox there and the account here.
    pub fn identity(&self) -> Option<String> {
        let remote: Remote = self.url.parse().ok()?;
        Some(format!("{:?} {} {}", remote.protocol, remote.memory_name(), self.into.to_lowercase()))
    }

    /// Files it names.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [self.password_file.as_mut(), self.oauth2_file.as_mut(), self.ca_file.as_mut()].into_iter().flatten()
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let remote = match self.url.parse::<Remote>() {
            Ok(remote) => Some(remote),
            Err(error) => {
                problems.push(format!("url: {error}"));
                None
            }
        };
        if !self.into.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty()) {
            problems.push(format!("into: {:?} is no address; write it as in alice@example.org", self.into));
        }
        let sources = [
            self.password_file.is_some(),
            self.password_command.is_some(),
            self.password_variable.is_some(),
            self.oauth2_file.is_some(),
            self.oauth2_token_command.is_some(),
        ];
        if sources.iter().filter(|given| **given).count() != 1 {
            let names = "password_file, password_command, password_variable, oauth2_file and oauth2_token_command";
            problems.push(format!("a password is needed: set one of {names}, and only one"));
        }
        if self.ca_file.is_some() && self.fingerprint.is_some() {
            problems.push("ca_file and fingerprint exclude one another".to_owned());
        }
        if let Some(Err(error)) = self.fingerprint.as_deref().map(str::parse::<Fingerprint>) {
            problems.push(format!("fingerprint: {error}"));
        }
        if self.delete == Some(Delete::Now) && self.keep_days.is_some() {
            problems.push("delete = \"now\" and keep_days exclude one another".to_owned());
        }
        if self.gmail_labels.is_some() && self.mode == Follow::Sync {
            problems.push("gmail_labels: with mode = \"sync\" mailboxes are what IMAP shows; leave one out".to_owned());
        }
        if self.every.0.is_zero() {
            problems.push("every: 0 would never pause".to_owned());
        }
        if self.push_renew.0.is_zero() || self.push_renew.0 >= Duration::from_secs(29 * 60) {
            problems
                .push("push_renew: servers end a connection after 29 minutes; write less, as in \"28m\"".to_owned());
        }
        if self.connections == 0 {
            problems.push("connections: with 0 nothing could be fetched".to_owned());
        }
        if self.tries == 0 {
            problems.push("tries: 0 would never connect".to_owned());
        }
        if self.silence.0.is_zero() {
            problems.push("silence: no connection could stand in no time".to_owned());
        }
        problems.extend(remote.and_then(|remote| self.misplaced(remote.protocol)));
        problems
    }

    /// What belongs to the other protocol.
    fn misplaced(&self, protocol: Protocol) -> Option<String> {
        let of_imap = [
            (self.push, "push"),
            (self.mode != Follow::default(), "mode"),
            (self.gmail_labels.is_some(), "gmail_labels"),
            (!self.include.is_empty(), "include"),
            (!self.exclude.is_empty(), "exclude"),
            (self.connections != connections(), "connections"),
        ];
        let of_pop3 = [
            (self.mailbox.is_some(), "mailbox"),
            (self.delete.is_some(), "delete"),
            (self.keep_days.is_some(), "keep_days"),
        ];
        let (misplaced, home) = match protocol {
            Protocol::Pop3 => (of_imap.as_slice(), "IMAP"),
            Protocol::Imap => (of_pop3.as_slice(), "POP3"),
        };
        let names: Vec<&str> = misplaced.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name).collect();
        (!names.is_empty()).then(|| format!("{} has a meaning for {home} only", names.join(", ")))
    }
}

/// One line for each value of the entries that cannot be meant.
pub(super) fn problems(entries: &[PullEntry]) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut seen, mut names) = (BTreeMap::new(), BTreeMap::new());
    for (number, entry) in (1..).zip(entries) {
        let place = format!("pull {number} ({})", entry.name());
        problems.extend(entry.problems().into_iter().map(|problem| format!("{place}: {problem}")));
        if let Some(before) = entry.identity().and_then(|identity| seen.insert(identity, number)) {
            problems.push(format!("{place}: entry {before} fetches the same mailbox into the same account"));
        }
        if let Some(before) = names.insert(entry.name(), number)
            && entry.name.is_some()
        {
            problems.push(format!("{place}: entry {before} has the same name"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "url = \"imaps://alice@mail.example.org\"\ninto = \"alice@example.com\"\n";

    fn entry(text: &str) -> PullEntry {
        toml::from_str(&format!("{GOOD}{text}")).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn an_entry_needs_little() {
        let entry = entry("password_file = \"p\"\n");
        assert_eq!(problems(std::slice::from_ref(&entry)), Vec::<String>::new());
        assert_eq!((entry.every, entry.push, entry.compress, entry.tries), (every(), false, true, 5));
        assert_eq!(entry.push_renew.to_string(), "28m");
    }

    #[test]
    fn what_cannot_be_meant_is_said_with_what_to_write() {
        let pop3 = |text: &str| PullEntry { url: "pop3s://a@b.example".into(), ..entry(text) };
        let password = "password_file = \"p\"\n";
        for (entry, part) in [
            (entry(""), "pull 1 (imaps://alice@mail.example.org): a password is needed"),
            (entry("password_file = \"p\"\npassword_command = \"c\"\n"), "only one"),
            (PullEntry { url: "example.org".into(), ..entry(password) }, "url: \"example.org\" does not begin with"),
            (PullEntry { into: "alice".into(), ..entry(password) }, "into: \"alice\" is no address"),
            (entry(&format!("{password}every = \"0s\"\n")), "every: 0"),
            (entry(&format!("{password}mode = \"sync\"\ngmail_labels = \"keywords\"\n")), "gmail_labels: with mode"),
            (entry("oauth2_file = \"f\"\noauth2_token_command = \"c\"\n"), "only one"),
            (entry(&format!("{password}push_renew = \"29m\"\n")), "push_renew: servers end"),
            (entry(&format!("{password}connections = 0\n")), "connections: with 0"),
            (entry(&format!("{password}tries = 0\n")), "tries: 0"),
            (entry(&format!("{password}silence = \"0s\"\n")), "silence: "),
            (entry(&format!("{password}fingerprint = \"ab\"\n")), "fingerprint: a fingerprint is 64"),
            (entry(&format!("{password}ca_file = \"c\"\nfingerprint = \"{}\"\n", "00".repeat(32))), "exclude"),
            (
                entry(&format!("{password}delete = \"now\"\nkeep_days = 3\n")),
                "delete, keep_days has a meaning for POP3",
            ),
            (pop3(&format!("{password}push = true\ninclude = [\"a\"]\n")), "push, include has a meaning for IMAP"),
            (pop3(&format!("{password}delete = \"now\"\nkeep_days = 3\n")), "exclude one another"),
        ] {
            let found = problems(std::slice::from_ref(&entry)).join("; ");
            assert!(found.contains(part), "{part:?} in {found:?}");
        }
        let both = pop3(&format!("{password}delete = \"after-backup\"\nkeep_days = 3\n"));
        assert_eq!(problems(&[both]), Vec::<String>::new());
    }

    #[test]
    fn one_mailbox_is_fetched_into_one_account_by_one_entry() {
        let one = entry("password_file = \"p\"\n");
        let same =
            PullEntry { url: "imap://alice@MAIL.example.org".into(), into: "Alice@example.com".into(), ..one.clone() };
        let other = PullEntry { into: "bob@example.com".into(), ..one.clone() };
        assert_eq!(problems(&[one.clone(), other]), Vec::<String>::new());
        let found = problems(&[one.clone(), same]).join("; ");
        assert!(found.contains("entry 1 fetches the same mailbox into the same account"), "{found}");
        let named = |url: &str| PullEntry { name: Some("x".into()), url: url.into(), ..one.clone() };
        let found = problems(&[named("imaps://a@b.example"), named("imaps://c@d.example")]).join("; ");
        assert!(found.contains("entry 1 has the same name"), "{found}");
    }

    #[test]
    fn mistyped_values_are_errors_of_the_file() {
        for wrong in ["every = \"15\"", "max_rate = \"fast\"", "mode = \"copy\"", "delete = \"later\"", "evry = \"1h\""]
        {
            assert!(toml::from_str::<PullEntry>(&format!("{GOOD}{wrong}\n")).is_err(), "{wrong}");
        }
    }
}
