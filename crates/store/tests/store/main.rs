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
mod notes;
mod sessions;
mod threads;
mod transfer;
mod verify;
mod writer;
