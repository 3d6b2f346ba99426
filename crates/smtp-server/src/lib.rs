//! SMTP, submission and LMTP sessions: mail comes in, and is stored or refused.
//!
//! [`serve`] runs one client's session over any stream, in one of three roles ([`SmtpRole`]); what sessions share is
//! an [`SmtpService`]. Grammar is `smtp-proto`'s, mail is the store's, addresses and credentials are the accounts'.
//!
//! Three decisions shape it. There is no queue: a message is either durable in every recipient's account when it is
//! answered with 250, or it is refused, so mail for other servers is refused whoever sends it, and an open relay is
//! not a matter of configuration. A message is read, judged and stored by the session that received it, so that its
//! sender gets the real answer and no report need be sent later. And where a message ends is decided in one place,
//! `smtp-proto`'s `DataReader`, by CRLF alone.

mod budget;
mod command;
mod content;
mod delivery;
mod options;
mod reply;
mod service;
mod session;
mod transaction;

pub use options::{BareLineEndPolicy, DetailFolders, SenderPolicy, SmtpOptions};
pub use service::{SmtpRole, SmtpService};
pub use session::serve;
