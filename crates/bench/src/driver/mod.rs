//! The measuring client: plain sockets and threads, so that it is never the slower side.
//!
//! It looks at answers only as far as it must to know where they end: the ends of lines and the announcements of
//! literals, which it skips in the read buffer without a copy. It counts answers and bytes of literals, so that a server
//! that says less is found out.

mod buffer;
mod imap;
mod lmtp;
mod pop3;
mod stream;
mod tls;

pub use imap::{ImapConnection, Totals};
pub use lmtp::LmtpConnection;
pub use pop3::Pop3Connection;
pub use stream::{Acknowledging, Transport};
pub use tls::configuration as tls_configuration;
