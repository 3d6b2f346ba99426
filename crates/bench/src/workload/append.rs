//! APPEND: each message with a command of its own, each connection to a mailbox of its own.

use anyhow::Result;

use crate::driver::ImapConnection;
use crate::site::{Sample, Site};

/// With so many connections at once.
pub fn run(site: &Site<'_>, connections: usize) -> Result<Sample> {
    let each = each(site.scale.stored, connections);
    let mailbox = |number: usize| format!("Append{number}");
    let (timing, count) = site.concurrently(
        connections,
        |number| {
            let mut client = ImapConnection::logged_in(site.server, site.transport, site.user(number)?)?;
            client.run(&format!("CREATE {}", mailbox(number)))?;
            Ok(client)
        },
        |number, mut client| {
            for turn in 0..each {
                client.append(&mailbox(number), [site.mail.message(number * each + turn)])?;
            }
            Ok(each as u64)
        },
    )?;
    for number in 0..connections {
        let mut client = ImapConnection::logged_in(site.server, site.transport, site.user(number)?)?;
        client.run(&format!("DELETE {}", mailbox(number)))?;
    }
    Ok(Sample::rate(count as f64, timing, count))
}

/// Messages of each connection: 16 connections have five times as many as one, 64 ten times.
pub fn each(alone: usize, connections: usize) -> usize {
    match connections {
        0 | 1 => alone,
        2..=16 => (5 * alone / connections).max(1),
        _ => (10 * alone / connections).max(1),
    }
}
