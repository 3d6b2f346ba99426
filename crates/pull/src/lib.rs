//! Mail fetched from other servers, by POP3 and IMAP, into an account of this one.
//!
//! A [`Remote`] says where the mail is, [`connect`] opens the way there, and [`pop3`] and `imap` go it. What they share is the
//! promise: nothing twice, nothing lost, whatever interrupts a run. It is kept by noting what was fetched in the same
//! batch that stores it ([`postrider_store::Account::append_noting`]), so that there is never a message without its note or a note without
//! its message.
//!
//! What this crate does not know: where passwords are kept, how a run is asked for, and how it is shown. It is told of the
//! one by [`Credential`], and tells of itself through [`Observer`] and [`Report`].

mod backoff;
mod backup;
mod connect;
mod counted;
pub mod discovery;
mod error;
mod https;
pub mod imap;
mod located;
mod notes;
pub mod oauth;
mod observer;
mod persevere;
pub mod pop3;
mod received;
mod remote;
mod report;

pub use backoff::{Backoff, BackoffOptions, Chance, Remedy};
pub use backup::{BackupUnknown, Backups, Held};
pub use connect::{Compression, ConnectOptions, Connection, Fingerprint, Pace, Stop, StopTrigger, Trust, connect};
pub use counted::{agreeing, counted};
pub use error::{CertificateProblem, PullError};
pub use https::{HttpsClient, HttpsError, HttpsOptions, HttpsResponse, HttpsUrl};
pub use notes::{MailboxLookup, NoteTranslation};
pub use observer::{Observer, Silent};
pub use remote::{Credential, Protocol, Remote, RemoteError, Security};
pub use report::{Difference, NotFetched, NotFetchedReason, Report, Verification};
