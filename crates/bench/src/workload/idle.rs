//! What a connection costs that does nothing.

use std::fs;

use anyhow::Result;

use crate::driver::ImapConnection;
use crate::site::{Sample, Site};

/// Growth of the server's memory by each connection that is logged in, has its inbox selected and is in IDLE.
pub fn proportional(site: &Site<'_>) -> Result<Sample> {
    // Accounts that are in memory belong to the accounts, not to the connections.
    for number in 0..site.scale.users {
        ImapConnection::selected(site.server, site.transport, site.user(number)?, "INBOX")?.logout()?;
    }
    site.server.wait_until_quiescent()?;
    let before = site.server.memory()?;
    let count = site.scale.idle.min(descriptors_max() - 200);
    let mut clients = Vec::with_capacity(count);
    for number in 0..count {
        let mut client = ImapConnection::connect_small(site.server)?;
        client.login(site.user(number)?)?;
        client.run("SELECT INBOX")?;
        client.idle()?;
        clients.push(client);
    }
    site.server.wait_until_quiescent()?;
    let after = site.server.memory()?;
    for mut client in clients {
        client.done()?;
        client.logout()?;
    }
    Ok(Sample::figure(after.proportional.saturating_sub(before.proportional) as f64 / 1024.0 / count as f64))
}

/// How many files this process may have open.
fn descriptors_max() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1024)
}
