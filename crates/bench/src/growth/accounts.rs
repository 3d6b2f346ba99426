//! Accounts that grow in number, each with a few messages.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use postrider_testkit::random::SplitMix64;
use postrider_testkit::server::Account;

use super::{Subject, duration, mebibytes};
use crate::driver::{ImapConnection, LmtpConnection, Transport};
use crate::mail::Mail;
use crate::server::{Kind, Server};
use crate::site::user;
use crate::statistics::median;

/// Messages in each inbox.
const MESSAGES: usize = 3;
/// Accounts that are looked at: as many as there are, at most these.
const SAMPLED_MAX: usize = 50;
/// Recipients of a message when accounts are filled; RFC 5321 §4.5.3.1.8 promises as many.
const RECIPIENTS: usize = 100;

pub(super) const SUBJECT: Subject = Subject {
    counted: "accounts",
    title: "A growing number of accounts",
    note: "Each account has three messages. Times are medians over 50 accounts picked at random, or as many as there are, none of \
           which was used since the start. postrider hashes passwords with Argon2id, which makes the first login of an \
           account dear on purpose; Dovecot and Cyrus compare them in the clear here.",
    prefix: "accounts-",
    figures: &[
        ("start-up until the greeting", "ms"),
        ("memory just started (PSS)", "MiB"),
        ("login, first of an account", "ms"),
        ("SELECT, first of an account", "ms"),
        ("APPEND, first of an account", "ms"),
        ("delivery by LMTP to one account after the other", "ms"),
        ("memory of all processes after that (PSS)", "MiB"),
        ("anonymous memory of all processes after that", "MiB"),
        ("disk per account", "KiB"),
    ],
    measure,
};

/// One server with so many accounts.
fn measure(kind: Kind, binary: &Path, folder: &Path, mail: &Mail, count: usize) -> Result<Vec<f64>> {
    let locals: Vec<String> = (0..count).map(user).collect();
    let mut server = Server::start(kind, binary, folder, &locals)?;
    fill(&server, mail)?;
    let start = server.start_to_be_measured()?.as_secs_f64() * 1000.0;
    let disk = server.disk_bytes() as f64 / 1024.0 / count as f64;
    let [started, _] = mebibytes(server.memory()?);
    let (mut logins, mut selects, mut appends, mut deliveries) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // Delivery goes to the second half of what is picked, which nobody has logged in to.
    let picked = pick(&server, 2 * SAMPLED_MAX);
    let (used, delivered) = picked.split_at(picked.len().div_ceil(2));
    for account in used {
        let mut client = ImapConnection::connect_small(&server, Transport::Plain)?;
        logins.push(duration(|| client.login(account))?);
        selects.push(duration(|| client.run("SELECT INBOX").map(drop))?);
        appends.push(duration(|| client.append("INBOX", [mail.message(0)]))?);
        client.logout()?;
    }
    let mut client = LmtpConnection::connect(&server)?;
    for account in if delivered.is_empty() { used } else { delivered } {
        deliveries.push(duration(|| client.deliver(&account.address, mail.message(1)))?);
    }
    let [proportional, anonymous] = mebibytes(server.memory()?);
    let [login, select, append, delivery] = [logins, selects, appends, deliveries].map(|values| median(&values));
    Ok(vec![start, started, login, select, append, delivery, proportional, anonymous, disk])
}

/// Delivers to all accounts, many at a time.
fn fill(server: &Server, mail: &Mail) -> Result<()> {
    let mut client = LmtpConnection::connect(server)?;
    for (turn, accounts) in server.accounts().chunks(RECIPIENTS).enumerate() {
        let recipients: Vec<&str> = accounts.iter().map(|account| account.address.as_str()).collect();
        for message in 0..MESSAGES {
            client.deliver_to_all(&recipients, mail.message(turn * MESSAGES + message))?;
        }
    }
    Ok(())
}

/// So many accounts at random, or all.
fn pick(server: &Server, count: usize) -> Vec<&Account> {
    let accounts = server.accounts();
    let mut random = SplitMix64::new(accounts.len() as u64);
    let mut places = BTreeSet::new();
    while places.len() < count.min(accounts.len()) {
        places.insert(random.below(accounts.len()));
    }
    // In no order: the set's own is that of their numbers.
    let mut picked: Vec<&Account> = places.into_iter().filter_map(|place| accounts.get(place)).collect();
    for place in (1..picked.len()).rev() {
        picked.swap(place, random.below(place + 1));
    }
    picked
}
