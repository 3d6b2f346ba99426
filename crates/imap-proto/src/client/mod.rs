//! The client's side of IMAP: responses cut and read, commands written.
//!
//! The mirror of the rest of this crate, in the same three steps: [`framing`] cuts a whole response out of a stream and
//! hands out large contents in pieces, [`parse_response`] turns it into a [`Response`], and [`command`] writes commands
//! as steps between which a continuation request must be awaited. None of them knows sockets, TLS, time, or the state of
//! a connection: which command may be given when, and which response answers which, is the caller's.
//!
//! The grammar accepted is wider than the standards': this side must get mail out of any server.

pub mod capability;
pub mod code;
pub mod command;
pub mod fetch;
pub mod framing;
pub mod mailbox;
pub mod response;

mod parse;

pub use capability::Capabilities;
pub use code::{FailureKind, ResponseCode};
pub use command::{ClientCommand, Dialect, EncodeError, Step, encode_client_command};
pub use fetch::{Content, ContentName, Fetch, FetchItem, PartialFetch};
pub use framing::{ResponseEvent, ResponseFrame, ResponseFramer, ResponseLimits, ResponseRefusal};
pub use mailbox::{ReceivedMailbox, mailbox_argument};
pub use parse::{ResponseParseLimits, parse_response, parse_response_within};
pub use response::{
    Continuation, Esearch, Greeting, Listing, MailboxStatus, Namespaces, Numbers, ReceivedNamespace, Response,
    StatusResponse, ThreadMember,
};
