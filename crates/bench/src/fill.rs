//! Fills a server with mail, and lets it answer once what it may remember.

use anyhow::{Context, Result};

use crate::driver::{ImapConnection, Transport};
use crate::mail::Mail;
use crate::server::Server;
use crate::site::{Scale, user};

/// Messages that are stored with one command.
const APPENDED_TOGETHER: usize = 100;

/// The local parts of all accounts.
pub fn accounts(scale: &Scale) -> Vec<String> {
    let mut locals = vec![String::from("reader")];
    locals.extend((0..scale.users).map(user));
    for prefix in ["pop", "dele"] {
        locals.extend((0..scale.pop3_accounts).map(|number| format!("{prefix}{number:03}")));
    }
    locals
}

/// Fills all accounts.
pub fn fill(server: &Server, mail: &Mail, scale: &Scale) -> Result<()> {
    fill_inbox(server, "reader", mail, 0, scale.messages)?;
    for number in 0..scale.users {
        fill_inbox(server, &user(number), mail, number * scale.user_messages, scale.user_messages)?;
    }
    for number in 0..scale.pop3_accounts {
        let local = format!("pop{number:03}");
        fill_inbox(server, &local, mail, number * scale.pop3_messages, scale.pop3_messages)?;
    }
    warm(server)
}

/// Puts `count` messages, from the `first` on, into an inbox.
pub fn fill_inbox(server: &Server, local: &str, mail: &Mail, first: usize, count: usize) -> Result<()> {
    let mut client = ImapConnection::logged_in(server, Transport::Plain, server.account(local)?)?;
    let numbers: Vec<usize> = (first..first + count).collect();
    for numbers in numbers.chunks(APPENDED_TOGETHER) {
        client
            .append("INBOX", numbers.iter().map(|&number| mail.message(number)))
            .inspect_err(|_| eprintln!("the end of {}'s log:\n{}", server.kind().name(), server.log_end()))
            .with_context(|| format!("cannot fill {local} of {}", server.kind().name()))?;
    }
    client.logout()
}

/// The first answers make the peer's cache file; only later ones are measured.
fn warm(server: &Server) -> Result<()> {
    let mut client = ImapConnection::selected(server, Transport::Plain, server.account("reader")?, "INBOX")?;
    client.run("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)")?;
    client.run(
        "FETCH 1:* BODY.PEEK[HEADER.FIELDS (DATE FROM TO CC SUBJECT MESSAGE-ID REFERENCES IN-REPLY-TO CONTENT-TYPE)]",
    )?;
    client.logout()
}
