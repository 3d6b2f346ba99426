//! `postrider pull` when things go wrong: the other server dies in the middle, the connection breaks or stands still, the disk
//! is full, mailboxes change their numbers and names while they are fetched, and mail is as mail should not be.
//!
//! Whatever happens, a run that did not bring everything says so, and in the end every mailbox is here with every message
//! once, as an independent client gets it from the other server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "in a test, a failed expectation is a failed test"
)]

mod broken;
mod changing;
mod courier;
mod full_disk;
mod large;
mod odd;
mod pair;
mod pop3;
