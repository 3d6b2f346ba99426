//! Why an administrative change or a look-up failed.

use postrider_engine::EngineError;

use crate::AddressError;

/// Why the accounts could not do what was asked. After any of these nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AccountsError {
    /// This is no address that can have mail here.
    #[error("{address:?} is not a valid address: {reason}")]
    InvalidAddress {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: AddressError,
    },
    /// An account or alias has this address already.
    #[error("{0} exists already")]
    AddressTaken(String),
    /// No account has this address.
    #[error("there is no account {0}")]
    UnknownAccount(String),
    /// There is no such alias.
    #[error("there is no alias {0}")]
    UnknownAlias(String),
    /// An alias leads to an address that is neither an account nor an alias.
    #[error("the target {0} is neither an account nor an alias")]
    UnknownTarget(String),
    /// An alias would lead through more aliases than the limit allows.
    #[error("the alias {0} would lead through too many others")]
    AliasTooDeep(String),
    /// An alias without targets, or with too many.
    #[error("an alias needs between 1 and {0} targets")]
    AliasTargets(usize),
    /// An empty password, or one beyond the limit.
    #[error("a password needs between 1 and {0} bytes")]
    PasswordLength(usize),
    /// An empty label, one beyond the limit, or one with control characters.
    #[error("a label needs between 1 and {0} printable bytes")]
    InvalidLabel(usize),
    /// The account has an app password of this label already.
    #[error("there is an app password {0:?} already")]
    LabelTaken(String),
    /// The account has no app password of this label.
    #[error("there is no app password {0:?}")]
    UnknownLabel(String),
    /// The account has as many app passwords as it may have.
    #[error("no more than {0} app passwords are allowed")]
    TooManyAppPasswords(usize),
    /// No account ids are left; they are never used twice.
    #[error("no account ids are left")]
    IdsExhausted,
    /// A record was written by a newer version of this program.
    #[error("the record of {what} has version {version}, newer than this program knows")]
    Newer {
        /// Which record.
        what: String,
        /// The version it says it has.
        version: u32,
    },
    /// A record cannot be read.
    #[error("the record of {what} is damaged: {reason}")]
    Damaged {
        /// Which record.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The engine below failed; a conflict that did not go away after many tries is among these.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A password could not be hashed: wrong parameters, or no memory.
    #[error("hashing a password failed: {0}")]
    Hashing(String),
    /// The system gave no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
    /// A background task ended early, as happens while the process shuts down.
    #[error("the work was interrupted")]
    Interrupted,
}
