//! The sections whose bounds other crates enforce; their defaults are those crates' own.

mod imap;
mod login;
mod pop3;
mod smtp;
mod store;

pub use imap::Imap;
pub use login::Login;
pub use pop3::Pop3;
pub use smtp::Smtp;
pub use store::{Message, Store};
