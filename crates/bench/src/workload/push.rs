//! How soon people who wait for mail are told of it.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::driver::ImapConnection;
use crate::site::{Sample, Site};
use crate::statistics::median;

const SESSIONS: usize = 10;
const MAILBOX: &str = "Push";
/// A session that is not told by then will not be.
const TIME_MAX: Duration = Duration::from_secs(60);

/// From the moment a message is sent to the one when the last of ten idle sessions knows, in milliseconds.
pub fn run(site: &Site<'_>) -> Result<Sample> {
    let account = site.user(0)?;
    let mut sender = ImapConnection::logged_in(site.server, site.transport, account)?;
    sender.run(&format!("CREATE {MAILBOX}"))?;
    let (told, all_told) = mpsc::channel();
    let mut sockets = Vec::new();
    let mut waiting = Vec::new();
    for _ in 0..SESSIONS {
        let mut client = ImapConnection::selected(site.server, site.transport, account, MAILBOX)?;
        client.idle()?;
        sockets.push(client.socket().try_clone()?);
        let told = told.clone();
        waiting.push(thread::spawn(move || {
            // It ends when the socket is shut down.
            while client.wait_for_exists().is_ok() && told.send(Instant::now()).is_ok() {}
        }));
    }
    let mut milliseconds = Vec::new();
    for turn in 0..site.scale.pushes {
        let begin = Instant::now();
        sender.append(MAILBOX, [site.mail.message(turn)])?;
        let mut last = begin;
        for _ in 0..SESSIONS {
            last = last.max(all_told.recv_timeout(TIME_MAX).context("an idle session was not told")?);
        }
        milliseconds.push((last - begin).as_secs_f64() * 1000.0);
    }
    for socket in sockets {
        socket.shutdown(std::net::Shutdown::Both)?;
    }
    for thread in waiting {
        thread.join().map_err(|_| anyhow::anyhow!("an idle session panicked"))?;
    }
    sender.run(&format!("DELETE {MAILBOX}"))?;
    sender.logout()?;
    Ok(Sample::figure(median(&milliseconds)))
}
