//! Who has mail here: addresses, aliases, credentials, app passwords, settings, and who may log in.
//!
//! [`Accounts`] keeps its records in the engine under account id 0 (the layout is in `keys`), and serves every
//! question from memory: the whole directory is read when it is opened and changed after each durable change. That is
//! right for one node; where several share an engine, each would need a hint that another changed something. Changes
//! themselves are safe even then, since every one names the records it was computed from and is computed again when
//! they turn out to have changed.
//!
//! Logging in is the other half. Passwords are kept as Argon2id, beside SCRAM keys where SCRAM is offered, and
//! app passwords as keyed BLAKE3 (they are random, so nothing slow is needed). A password that was right lately
//! is remembered, hashed, for a while, because mail programs log in far more often than people do. Failures are
//! slowed and throttled; `throttle` argues how that is done without locking owners out.
//!
//! What this crate deliberately does not know: any protocol, what a message or mailbox is, and the engine behind the
//! trait. Removing an account here removes its credentials; its mail is the store's.

mod account;
mod address;
mod administration;
mod alias;
mod app_password;
mod carried;
mod directory;
mod error;
mod exchange;
mod generate;
mod hashing;
mod keys;
mod login;
mod options;
mod persistence;
mod recent;
mod record;
mod throttle;
mod verified;

pub use account::{AccountEntry, AccountSettings, Accounts, AppPasswordEntry, Pop3Delete};
pub use address::{Address, AddressError, parse_address};
pub use alias::AliasEntry;
pub use carried::{CarriedAccount, Credentials};
pub use directory::{Delivery, Resolution};
pub use error::AccountsError;
pub use exchange::{Exchange, Step};
pub use generate::generate_password;
pub use login::{Login, LoginConnection, LoginError, Service};
pub use options::{AccountsOptions, Cleartext, HashingOptions, ThrottleOptions};
pub use postrider_sasl::{Mechanism, Password};
pub use postrider_store::AccountId;
