//! POP3: reading everything, and fetching everything away.

use std::fmt::Write as _;

use anyhow::Result;
use postrider_testkit::server::Account;

use crate::driver::{ImapConnection, Pop3Connection};
use crate::site::{Sample, Site};

/// Sessions of each connection, one after the other: one alone is soon over.
const READ_TIMES: usize = 5;

/// Sessions of a program that leaves mail on the server.
pub fn read(site: &Site<'_>) -> Result<Sample> {
    let retrieve = commands("RETR", site.scale.pop3_messages);
    sessions(site, "pop", READ_TIMES * site.scale.pop3_messages, |account| {
        let mut bytes = 0;
        for _ in 0..READ_TIMES {
            let mut client = Pop3Connection::logged_in(site.server, account)?;
            client.send("UIDL\r\nLIST\r\n")?;
            client.content()?;
            client.content()?;
            client.send(&retrieve)?;
            for _ in 0..site.scale.pop3_messages {
                bytes += client.content()?;
            }
            client.send("QUIT\r\n")?;
            client.confirmed()?;
        }
        Ok(bytes)
    })
}

/// A session of a program that fetches mail away; the maildrops are filled before.
pub fn empty(site: &Site<'_>) -> Result<Sample> {
    // Half as many as are read: filling takes its time.
    let messages = site.scale.pop3_messages / 2;
    for number in 0..site.scale.pop3_accounts {
        let account = site.server.account(&format!("dele{number:03}"))?;
        let mut client = ImapConnection::logged_in(site.server, site.transport, account)?;
        client.append("INBOX", (0..messages).map(|turn| site.mail.message(number * messages + turn)))?;
        client.logout()?;
    }
    site.server.wait_until_quiescent()?;
    let (retrieve, delete) = (commands("RETR", messages), commands("DELE", messages));
    sessions(site, "dele", messages, |account| {
        let mut client = Pop3Connection::logged_in(site.server, account)?;
        let mut bytes = 0;
        client.send(&retrieve)?;
        for _ in 0..messages {
            bytes += client.content()?;
        }
        client.send(&delete)?;
        for _ in 0..messages {
            client.confirmed()?;
        }
        client.send("QUIT\r\n")?;
        client.confirmed()?;
        Ok(bytes)
    })
}

/// A session of each account at once; `messages` is what each of them handles.
fn sessions(
    site: &Site<'_>,
    prefix: &str,
    messages: usize,
    session: impl Fn(&Account) -> Result<u64> + Sync,
) -> Result<Sample> {
    let accounts = site.scale.pop3_accounts;
    let account = |number: usize| site.server.account(&format!("{prefix}{number:03}"));
    // The first login of an account is dear; it is not what is measured.
    for number in 0..accounts {
        let mut client = Pop3Connection::logged_in(site.server, account(number)?)?;
        client.send("QUIT\r\n")?;
        client.confirmed()?;
    }
    let (timing, bytes) = site.concurrently(accounts, |_| Ok(()), |number, ()| session(account(number)?))?;
    Ok(Sample::rate((accounts * messages) as f64, timing, bytes))
}

fn commands(name: &str, count: usize) -> String {
    (1..=count).fold(String::new(), |mut commands, number| {
        // Writing to a string cannot fail.
        let _ = write!(commands, "{name} {number}\r\n");
        commands
    })
}
