//! The accounts from outside: administration, resolution of recipients, logins, throttling.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, also in its helpers")]

mod administration;
mod alias;
mod exchange;
mod fixture;
mod login;
mod throttle;
