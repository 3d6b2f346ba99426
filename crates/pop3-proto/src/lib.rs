//! The grammar of POP3: command lines to [`Command`]s, and answers to bytes.
//!
//! Covers RFC 1939 and its extensions: CAPA and response codes (RFC 2449, 3206), STLS (RFC 2595), AUTH
//! with an initial response (RFC 5034), UTF8 and LANG (RFC 6856). APOP is left out of the server's side on purpose: it needs
//! passwords that are stored readable. The client's side is [`client`].
//!
//! What this crate does not know: sockets, time, states of a session, accounts and mail. It sees a message only
//! as chunks of bytes on their way to a client, which [`DotStuffer`] makes transparent and [`TopCutter`]
//! cuts, so that a message of any size passes through in bounded memory.

mod capability;
pub mod client;
mod command;
mod response;
mod stuffing;
mod top;

pub use capability::{Capabilities, Expiry, LoginDelay, Scope};
pub use command::{Command, InitialResponse, Language, MessageNumber, ParseError, Password, parse_command};
pub use response::{
    ResponseCode, encode_continuation, encode_end, encode_err, encode_line, encode_number_line, encode_ok,
    encode_unique_id_line,
};
pub use stuffing::{DotStuffer, LastLine, octets_sent};
pub use top::TopCutter;
