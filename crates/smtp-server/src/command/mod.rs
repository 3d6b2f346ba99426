//! The commands, one file for each family.

mod auth;
mod bdat;
mod data;
mod greeting;
mod inquiry;
mod mail;
mod rcpt;
mod tls;
