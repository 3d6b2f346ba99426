//! The commands, one file for each family.

mod capability;
mod delete;
mod language;
mod listing;
mod login;
mod quit;
mod retrieve;
mod tls;
