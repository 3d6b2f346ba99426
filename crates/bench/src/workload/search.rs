//! SEARCH: by what is known of each message, and through all text.

use anyhow::Result;

use crate::site::{Sample, Site};

const SUBJECT: &str = "SEARCH SUBJECT \"harbour stamp\"";
const TEXT: &str = "SEARCH TEXT \"green seven rider window\"";

/// Subjects.
pub fn subject(site: &Site<'_>) -> Result<Sample> {
    repeated(site, SUBJECT)
}

/// The same, for the first time.
pub fn subject_first(site: &Site<'_>) -> Result<Sample> {
    first(site, SUBJECT)
}

/// Flags, dates and sizes.
pub fn columns(site: &Site<'_>) -> Result<Sample> {
    repeated(site, "SEARCH UNSEEN SINCE 1-Jun-2025 LARGER 10000")
}

/// Headers and text of all messages, for words that hardly occur.
pub fn text(site: &Site<'_>) -> Result<Sample> {
    repeated(site, TEXT)
}

/// The same, for the first time.
pub fn text_first(site: &Site<'_>) -> Result<Sample> {
    first(site, TEXT)
}

/// Text of all messages.
pub fn body(site: &Site<'_>) -> Result<Sample> {
    repeated(site, "SEARCH BODY \"quiet report cloud paper\"")
}

/// A command that looks at the whole large mailbox, again and again. Once before, so that what a server remembers of the
/// mailbox is there; what that costs is told by [`first`].
pub fn repeated(site: &Site<'_>, command: &str) -> Result<Sample> {
    let mut client = site.inbox()?;
    client.run(command)?;
    let (timing, times, totals) = site.repeated(|| client.run(command))?;
    client.logout()?;
    Ok(Sample::rate(times * site.scale.messages as f64, timing, totals.hits))
}

/// Such a command once, of a server that was just started.
pub fn first(site: &Site<'_>, command: &str) -> Result<Sample> {
    let mut client = site.inbox()?;
    let (timing, totals) = site.timed(|| client.run(command))?;
    client.logout()?;
    Ok(Sample::rate(site.scale.messages as f64, timing, totals.hits))
}
