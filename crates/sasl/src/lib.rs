//! Login mechanisms as state machines: PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS
//! (RFC 5802, RFC 7677), the server's side and the client's; and, for who has an access token instead of a password, OAUTHBEARER
//! (RFC 7628) and XOAUTH2 ([`BearerExchange`]).
//!
//! A [`ServerExchange`] takes the client's responses, already base64-decoded, and answers with the next
//! challenge or with a question to its caller: is this password right, what are this user's SCRAM keys?
//! A [`ClientExchange`] is its mirror image. Neither reads a socket, looks anything up or waits; the one
//! slow thing here is the key derivation ([`ScramKeys::derive`], and the client's first SCRAM challenge).
//!
//! What this crate deliberately does not know: where credentials are kept, what an account is, how a protocol
//! frames a challenge, and how failures are slowed down. It asks for stored keys rather than being handed a
//! trait to look them up with, so that the look-up may be asynchronous without anything here being so.

mod bearer;
mod binding;
mod client;
mod error;
mod limits;
mod login;
mod mechanism;
mod plain;
mod prepare;
mod scram;
mod secret;
mod server;

pub use bearer::{BearerCredentials, BearerExchange, BearerMechanism, BearerMessage, parse_bearer};
pub use binding::ChannelBinding;
pub use client::{ClientCredentials, ClientExchange};
pub use error::SaslError;
pub use limits::Limits;
pub use mechanism::Mechanism;
pub use prepare::prepare;
pub use scram::keys::ScramKeys;
pub use secret::Password;
pub use server::{ServerExchange, ServerStep};
