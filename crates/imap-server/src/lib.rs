//! IMAP sessions: IMAP4rev2 (RFC 9051) and IMAP4rev1 (RFC 3501), both spoken at once.
//!
//! A session is generic over its stream and opens no socket, so tests and fuzzers drive it over memory. It reads
//! commands one by one and answers them in order, which settles every ambiguity of pipelining (RFC 9051 §5.5).
//!
//! What a client was told of a mailbox is a snapshot that the session holds; what it has to be told is the difference to
//! the newest one. There is one file for each command, and [`facts`] is the table that says when each may run and what
//! may be told beside its answer.

mod answer;
mod capability;
mod command;
mod facts;
mod known;
mod options;
mod selected;
mod service;
mod session;

pub use options::ImapOptions;
pub use service::ImapService;
pub use session::serve;
