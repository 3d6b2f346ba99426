//! The grammar of IMAP4rev2 and IMAP4rev1 (RFC 9051, RFC 3501) and of the extensions we speak.
//!
//! Three steps, none of which knows sockets, sessions or the store: [`framing`] cuts a whole command out of a stream,
//! [`parse`] turns it into a value of [`command`], and [`encode`] writes responses. Framing stands apart from parsing,
//! so that a command that cannot be parsed still has a known end, and the connection goes on behind it.
//!
//! The client's side of all this, more forgiving, is [`client`].

pub mod client;
pub mod command;
pub mod encode;
pub mod framing;
pub mod list_pattern;
pub mod mailbox_name;
pub mod parse;
pub mod set;

mod calendar;

pub use framing::{Frame, FrameLimits, Framer, Refusal};
pub use parse::{
    ParseError, ParseErrorKind, ParseLimits, parse_authenticate_response, parse_command, parse_command_within,
};
