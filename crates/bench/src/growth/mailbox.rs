//! One mailbox that grows.

use std::path::Path;

use anyhow::Result;

use super::{Subject, TIMES, mebibytes, milliseconds};
use crate::driver::{ImapConnection, Transport};
use crate::fill::fill_inbox;
use crate::mail::Mail;
use crate::server::{Kind, Server};

pub(super) const SUBJECT: Subject = Subject {
    counted: "messages",
    title: "A growing mailbox",
    note: "Cold is the first SELECT after a start of the server, with the kernel's page cache as it is. Other times are medians \
           of 21. There are 100,000 different messages: in a larger mailbox they come again, and postrider keeps equal \
           messages once, so its disk per message there says nothing of other mail.",
    prefix: "",
    figures: &[
        ("SELECT, cold", "ms"),
        ("SELECT, warm", "ms"),
        ("APPEND", "ms"),
        ("FETCH of the last 50 (FLAGS ENVELOPE)", "ms"),
        ("STORE of one message", "ms"),
        ("memory of all processes after that (PSS)", "MiB"),
        ("anonymous memory of all processes after that", "MiB"),
        ("disk per message", "bytes"),
        ("start-up until the greeting", "ms"),
    ],
    measure,
};

/// One server with one size of mailbox.
fn measure(kind: Kind, binary: &Path, folder: &Path, mail: &Mail, size: usize) -> Result<Vec<f64>> {
    let mut server = Server::start(kind, binary, folder, &[String::from("reader")])?;
    let empty = server.disk_bytes();
    fill_inbox(&server, "reader", mail, 0, size)?;
    let start = server.start_to_be_measured()?.as_secs_f64() * 1000.0;
    let disk = server.disk_bytes().saturating_sub(empty) as f64 / size as f64;
    let mut client = ImapConnection::logged_in(&server, Transport::Plain, server.account("reader")?)?;
    let cold = milliseconds(1, || client.run("SELECT INBOX").map(drop))?;
    let warm = milliseconds(TIMES, || client.run("SELECT INBOX").map(drop))?;
    let append = milliseconds(TIMES, || client.append("INBOX", [mail.message(0)]))?;
    // The messages that were appended are new to everybody; what is asked about now are those before them.
    let last = format!("FETCH {}:{size} (FLAGS ENVELOPE)", size.saturating_sub(49).max(1));
    let fetch = milliseconds(TIMES, || client.run(&last).map(drop))?;
    let mut number = 0;
    let store = milliseconds(TIMES, || {
        number += 1;
        client.run(&format!("STORE {} +FLAGS (\\Flagged)", number * (size / TIMES).max(1) % size + 1)).map(drop)
    })?;
    let [proportional, anonymous] = mebibytes(server.memory()?);
    client.logout()?;
    Ok(vec![cold, warm, append, fetch, store, proportional, anonymous, disk, start])
}
