//! Administration over HTTP and JSON, on a socket file in the data folder that only the server's user can open.
//!
//! There is one implementation of every administrative deed: the handlers in [`server`]. The command line always makes an HTTP
//! request; it travels through the socket when a server runs, and is handed to the same handlers in
//! this process when none does, so the two cannot drift apart.

mod api;
mod client;
mod error;
mod job;
mod server;

pub use api::{
    AccountBody, AccountSummary, AliasBody, AliasSummary, AppPasswordBody, AppPasswordSummary, CheckBody, Failure,
    ListeningStatus, NewAppPassword, PasswordBody, SettingsBody,
};
pub use client::{Control, SOCKET, Stopped, segment};
pub use job::{Event, Progress, Reporter};
pub use server::{Administration, ServerHandle, metrics_router, router};
