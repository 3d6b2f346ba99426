//! SELECT of a mailbox that is in use.

use anyhow::Result;

use crate::site::{Sample, Site};

/// The large mailbox, again and again.
pub fn warm(site: &Site<'_>) -> Result<Sample> {
    let mut client = site.inbox()?;
    let (timing, times, _) = site.repeated(|| client.run("SELECT INBOX"))?;
    client.logout()?;
    Ok(Sample::rate(times, timing, 0))
}
