//! Why the store could not do what was asked.

use postrider_engine::EngineError;

use crate::identifier::AccountId;

/// Why the store could not do what was asked. Nothing of a change that failed was kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The account has no mail here.
    #[error("account {0} does not exist in the store")]
    NoAccount(AccountId),
    /// The account is there already.
    #[error("account {0} exists in the store already")]
    AccountExists(AccountId),
    /// The mailbox does not exist, or does no longer.
    #[error("the mailbox does not exist")]
    NoMailbox,
    /// A mailbox of that name exists.
    #[error("a mailbox of that name exists already")]
    MailboxExists,
    /// The name cannot be a mailbox's.
    #[error("not a possible mailbox name: {0}")]
    BadName(&'static str),
    /// What was asked cannot be done to INBOX.
    #[error("INBOX cannot be deleted")]
    InboxStays,
    /// Another mailbox has that special use.
    #[error("another mailbox has this special use already")]
    SpecialUseTaken,
    /// A bound of the account was reached.
    #[error("limit reached: {0}")]
    Limit(&'static str),
    /// The message is larger than the store takes.
    #[error("the message is larger than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: u64,
    },
    /// The store's format is not this program's.
    #[error(
        "the store has format {found}; this program reads format {known}. Nothing was changed: use the program that wrote it"
    )]
    Format {
        /// What is there.
        found: u8,
        /// What we know.
        known: u8,
    },
    /// A record does not say what it should.
    #[error("the store is damaged: {0}; run `postrider check`")]
    Damaged(String),
    /// The account's writer ended.
    #[error("the store is shutting down")]
    Closed,
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
