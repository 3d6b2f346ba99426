//! SELECT of a mailbox that is in use, and of one that nobody has asked for yet.

use anyhow::Result;

use crate::driver::ImapConnection;
use crate::site::{Sample, Site};

/// The large mailbox, again and again.
pub fn warm(site: &Site<'_>) -> Result<Sample> {
    let mut client = site.inbox()?;
    let (timing, times, _) = site.repeated(|| client.run("SELECT INBOX"))?;
    client.logout()?;
    Ok(Sample::rate(times, timing, 0))
}

/// The large mailbox, for the first time.
pub fn first(site: &Site<'_>) -> Result<Sample> {
    let mut client = ImapConnection::logged_in(site.server, site.transport, site.reader()?)?;
    let (timing, _) = site.timed(|| client.run("SELECT INBOX"))?;
    client.logout()?;
    Ok(Sample::rate(1.0, timing, 0))
}
