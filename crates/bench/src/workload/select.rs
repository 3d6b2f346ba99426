//! SELECT of a mailbox that is in use, and of one that nobody has asked for yet.

use anyhow::Result;

use crate::driver::ImapConnection;
use crate::site::{Sample, Site};

/// Commands in one write. One at a time the figure would be that of the kernel's wake-ups and hardly of the servers.
const PIPELINED: usize = 16;

/// The large mailbox, again and again.
pub fn warm(site: &Site<'_>) -> Result<Sample> {
    let mut client = site.inbox()?;
    let (timing, times, ()) = site.repeated(|| {
        let tags: Vec<u32> = (0..PIPELINED).map(|_| client.queue("SELECT INBOX")).collect();
        client.flush()?;
        tags.into_iter().try_for_each(|tag| client.finish(tag).map(drop))
    })?;
    client.logout()?;
    Ok(Sample::rate(times * PIPELINED as f64, timing, 0))
}

/// The same, each command sent when the one before it is answered.
pub fn one_at_a_time(site: &Site<'_>) -> Result<Sample> {
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
