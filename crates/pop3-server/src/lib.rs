//! POP3 sessions: a maildrop is the INBOX as it was at login (RFC 1939).
//!
//! [`serve`] runs one client's session over any stream; what sessions share is a [`Pop3Service`]. Grammar is
//! `pop3-proto`'s, mail is the store's, credentials are the accounts'; here is only what POP3 does with them.
//!
//! Three decisions shape it. A maildrop is a snapshot: messages that arrive later are seen at the next login, and
//! one that an IMAP session removed meanwhile is reported as gone, not as something else. A maildrop is locked by a table
//! in the service, not in the store: the lock is POP3's own affair, and other protocols go on beside it. And nothing is
//! deleted but by QUIT, in one change of the store that is durable before it is answered; a session that ends in any
//! other way leaves everything as it was.

mod command;
mod language;
mod maildrop;
mod occupancy;
mod options;
mod service;
mod session;
mod text;

pub use language::Language;
pub use options::{Pop3Options, Utf8ForAscii};
pub use service::Pop3Service;
pub use session::serve;
