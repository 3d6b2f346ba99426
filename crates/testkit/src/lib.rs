//! What tests share. Nothing here is linked into the shipped binary.
//!
//! - [`transcript`]: a protocol conversation written down as `C:` and `S:` lines, replayed against any stream;
//! - [`random`] and [`corpus`]: seeded numbers and seeded, realistic mail;
//! - [`program`]: real mail programs, run with a time limit;
//! - [`proxy`]: what stands between client and server, and cuts or holds the connection;
//! - [`server`]: the server under test, ours or Dovecot, in a folder and on ports of its own;
//! - [`small_disk`]: a disk that is soon full;
//! - [`imap_client`], [`mailbox_view`] and [`lmtp_client`]: the smallest clients that can say what a server did;
//! - [`maildir`]: what mail programs leave behind.
//!
//! It knows the wire only. It uses none of the workspace's other crates, so that a black-box test cannot share a
//! mistake with the server it tests, and so that the kit builds while everything else is being rebuilt.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test support: a failed expectation is a failed test, and its message is the product"
)]

pub mod corpus;
pub mod imap_client;
pub mod lmtp_client;
pub mod mailbox_view;
pub mod maildir;
pub mod program;
pub mod proxy;
pub mod random;
pub mod server;
pub mod small_disk;
pub mod transcript;

pub use corpus::Corpus;
pub use imap_client::ImapClient;
pub use lmtp_client::LmtpClient;
pub use mailbox_view::MailboxView;
pub use program::Program;
pub use proxy::Proxy;
pub use random::{SplitMix64, seed_from_environment};
pub use server::{ServerKind, ServerUnderTest};
pub use small_disk::SmallDisk;
pub use transcript::{transcript, transcript_in_pieces};
