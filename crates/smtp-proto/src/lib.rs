//! The grammar of SMTP, submission and LMTP: command lines to [`Command`]s, message content to bytes, replies to bytes.
//!
//! Covers RFC 5321, 2033 (LMTP), 6409 (submission), and the extensions SIZE (1870), PIPELINING (2920), 8BITMIME
//! (6152), CHUNKING and BINARYMIME (3030), SMTPUTF8 (6531), STARTTLS (3207), AUTH (4954), DSN (3461) and enhanced status
//! codes (2034, 3463).
//!
//! What this crate does not know: sockets, time, the order of commands, who may send to whom. Everything that
//! decides where a message ends stands in one small file, [`mod@data`], because a server and its peers that
//! disagree about that can be made to forge mail for one another.

pub mod address;
pub mod command;
pub mod data;
pub mod extension;
pub mod parameter;
pub mod reply;
pub mod trace;
pub mod xtext;

pub use address::{AddressError, AddressLiteral, ForwardPath, Host, Mailbox, ReversePath};
pub use command::{Chunk, Command, InitialResponse, Mail, ParseError, Position, Recipient, parse_command};
pub use data::{BareLineEnds, DataReader};
pub use extension::Extensions;
pub use parameter::{
    Body, MailParameters, Notify, OriginalRecipient, ParameterError, RecipientParameters, Return, Submitter,
};
pub use reply::{EnhancedCode, encode_reply};
pub use trace::{Dialect, Protocol, ReceivedBy, count_received_fields, date_time, received_field, return_path_field};
