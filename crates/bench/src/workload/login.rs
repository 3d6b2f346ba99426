//! Connections that come and go.

use anyhow::Result;

use crate::driver::ImapConnection;
use crate::site::{Sample, Site};

/// Connect, login, logout, until the server has closed; 16 at a time, each of another account.
pub fn run(site: &Site<'_>) -> Result<Sample> {
    let session = |number: usize| -> Result<()> {
        let mut client = ImapConnection::connect_small(site.server, site.transport)?;
        client.login(site.user(number)?)?;
        client.logout()
    };
    // The first login of an account is dear, and rare: every later one is of a password that was seen to be right.
    (0..16).try_for_each(session)?;
    let (timing, count) = site.concurrently(
        16,
        |_| Ok(()),
        |number, ()| {
            (0..site.scale.sessions).try_for_each(|_| session(number))?;
            Ok(site.scale.sessions as u64)
        },
    )?;
    Ok(Sample::rate(count as f64, timing, count))
}
