//! What connections cost that do nothing, and how many of them a server holds.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::driver::ImapConnection;
use crate::process::{self, Memory};
use crate::site::{Sample, Site};

/// A server that has not taken all connections by then keeps what it has.
const TIME_MAX: Duration = Duration::from_secs(180);
/// No connection waits longer for an answer.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// No more connections are opened when the machine has less memory left, in bytes.
const MEMORY_LEFT_MIN: u64 = 2 << 30;
/// Connections from one loopback address: the ports of each are some 28,000, and some of them are still in TIME-WAIT.
const CONNECTIONS_PER_ADDRESS: usize = 2000;
/// Files that this process needs besides connections.
const FILES_BESIDE: usize = 200;

const MEBIBYTE: f64 = 1_048_576.0;

/// Memory of all processes of a server that was just started.
pub fn base(site: &Site<'_>) -> Result<Sample> {
    site.server.wait_until_quiescent()?;
    let memory = site.server.memory()?;
    Ok(Sample { memory: Some(memory), ..Sample::figure(memory.proportional as f64 / MEBIBYTE) })
}

/// Growth of the server's memory by each connection that is logged in, has its inbox selected and is in IDLE.
pub fn proportional(site: &Site<'_>) -> Result<Sample> {
    let before = memory_with_accounts(site)?;
    let count = site.scale.idle.min(process::files_max().saturating_sub(FILES_BESIDE)).max(1);
    let clients = (0..count).map(|number| open(site, number)).collect::<Result<Vec<_>>>()?;
    site.server.wait_until_quiescent()?;
    let after = site.server.memory()?;
    let answered = close(clients);
    ensure!(answered == count, "{answered} of {count} idle connections answered");
    let growth = after.proportional.saturating_sub(before.proportional) as f64;
    Ok(Sample { memory: Some(after), ..Sample::figure(growth / 1024.0 / count as f64) })
}

/// As many such connections as are wanted, at once; the figure is how many there were and answered at the end.
pub fn held(site: &Site<'_>) -> Result<Sample> {
    memory_with_accounts(site)?;
    let wanted = site.scale.held.min(process::files_max().saturating_sub(FILES_BESIDE));
    let begin = Instant::now();
    let mut clients = Vec::with_capacity(wanted);
    while clients.len() < wanted {
        if begin.elapsed() > TIME_MAX {
            eprintln!("    {} connections after {} s: no more", clients.len(), TIME_MAX.as_secs());
            break;
        }
        if clients.len() % 100 == 0 && process::memory_left() < MEMORY_LEFT_MIN {
            eprintln!("    {} connections, and the machine's memory is used up: no more", clients.len());
            break;
        }
        match open(site, clients.len()) {
            Ok(client) => clients.push(client),
            Err(error) => {
                eprintln!("    {} connections, then: {error:#}", clients.len());
                break;
            }
        }
    }
    site.server.wait_until_quiescent()?;
    let memory = site.server.memory()?;
    Ok(Sample { memory: Some(memory), ..Sample::figure(close(clients) as f64) })
}

/// Memory when all accounts have been used once: what they take is theirs, not that of connections.
fn memory_with_accounts(site: &Site<'_>) -> Result<Memory> {
    for number in 0..site.scale.users {
        ImapConnection::selected(site.server, site.transport, site.user(number)?, "INBOX")?.logout()?;
    }
    site.server.wait_until_quiescent()?;
    site.server.memory()
}

/// A connection in IDLE, its inbox selected, from one of several loopback addresses.
fn open(site: &Site<'_>, number: usize) -> Result<ImapConnection> {
    let source = Ipv4Addr::new(127, 0, 1, (1 + number / CONNECTIONS_PER_ADDRESS % 250) as u8);
    let mut client = ImapConnection::connect_from(site.server, source)?;
    client.socket().set_read_timeout(Some(SILENCE_MAX))?;
    client.login(site.user(number)?)?;
    client.run("SELECT INBOX")?;
    client.idle()?;
    Ok(client)
}

/// Ends them all; tells how many were still served.
fn close(clients: Vec<ImapConnection>) -> usize {
    let served = |mut client: ImapConnection| client.done().and_then(|()| client.logout()).is_ok();
    clients.into_iter().filter_map(|client| served(client).then_some(())).count()
}
