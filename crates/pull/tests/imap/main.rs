//! Fetching by IMAP from real servers: Debian's Dovecot.
#![allow(clippy::unwrap_used, reason = "in a test, a failed expectation is a failed test")]

mod dovecot;
mod proxy;
mod side_by_side;
mod world;
