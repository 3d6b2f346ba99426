//! The store as its callers see it, one module per subject, over the engines that there are.

mod accounts;
mod append;
mod expunge;
mod fixture;
mod flags;
mod gate;
mod mailboxes;
mod model;
mod sessions;
mod threads;
mod transfer;
mod verify;
mod writer;
