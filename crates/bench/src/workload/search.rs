//! SEARCH: by what is known of each message, and through all text.

use anyhow::Result;

use crate::site::{Sample, Site};

/// Subjects.
pub fn subject(site: &Site<'_>) -> Result<Sample> {
    run(site, "SEARCH SUBJECT \"harbour stamp\"")
}

/// Flags, dates and sizes.
pub fn columns(site: &Site<'_>) -> Result<Sample> {
    run(site, "SEARCH UNSEEN SINCE 1-Jun-2025 LARGER 10000")
}

/// Headers and text of all messages, for words that hardly occur.
pub fn text(site: &Site<'_>) -> Result<Sample> {
    run(site, "SEARCH TEXT \"green seven rider window\"")
}

/// Text of all messages.
pub fn body(site: &Site<'_>) -> Result<Sample> {
    run(site, "SEARCH BODY \"quiet report cloud paper\"")
}

fn run(site: &Site<'_>, command: &str) -> Result<Sample> {
    let mut client = site.inbox()?;
    let (timing, times, totals) = site.repeated(|| client.run(command))?;
    client.logout()?;
    Ok(Sample::rate(times * site.scale.messages as f64, timing, totals.hits))
}
