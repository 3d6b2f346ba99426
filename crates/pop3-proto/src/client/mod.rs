//! The client's side of POP3: replies read, commands written.
//!
//! As the server's side it knows no sockets, time or states. Status lines come without their end, from whoever frames
//! lines, and are read by [`parse_reply`]. Multi-line answers are read as they come: messages by [`DotUnstuffer`], in
//! bounded memory, listings by [`ListingReader`], line by line. Which reply answers which command, with pipelining or
//! without, is the caller's, as is whether an answer is multi-line (RFC 2449 §3 leaves that to the command).
//!
//! What is accepted is wider than the standards, because this side must get mail out of any server.

mod capability;
mod command;
mod listing;
mod multiline;
mod reply;

pub use capability::{AnnouncedCapability, ServerCapabilities};
pub use command::{
    CommandLines, EncodeError, InitialResponseSupport, encode_apop, encode_command, encode_sasl_response,
};
pub use listing::{
    DropListing, SizeLine, UniqueIdLine, parse_drop_listing, parse_size_line, parse_unique_id_line,
    parse_unique_id_reply,
};
pub use multiline::{DotUnstuffer, LineEnds, ListingLine, ListingReader, Progress};
pub use reply::{FailureKind, Greeting, ReceivedCode, Reply, StatusLine, parse_greeting, parse_reply};

/// The line that gives up a SASL exchange (RFC 5034 §4).
pub const SASL_CANCEL: &[u8] = b"*\r\n";
