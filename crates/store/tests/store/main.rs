//! The store as its callers see it, one module per subject, over the engines that there are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

mod accounts;
mod append;
mod chunks;
mod expunge;
mod fixture;
mod flags;
mod gate;
mod mailboxes;
mod model;
mod moment;
mod notes;
mod origin;
mod sessions;
mod threads;
mod transfer;
mod undelete;
mod verify;
mod writer;
