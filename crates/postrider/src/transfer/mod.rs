//! Mail as files, in and out: the work of `postrider import` and `postrider export`.
//!
//! What files look like is the matter of `postrider-archive`, whose calls block; so each side has a thread that reads or
//! writes files, and a task that works with the store, and between them a channel that holds few groups of messages.
//! That is what bounds memory, however large the mail is.
//!
//! An import does not trust that it will end: each group goes into the store in one commit with a note of how far the files
//! were read ([`ledger`]), so that there is no moment at which a message is in but not noted, or noted but not in.

mod export;
mod feed;
mod folders;
mod hints;
mod import;
mod ledger;
mod present;
mod uids;
mod undelete;
mod wish;

use std::sync::Arc;

use anyhow::Result;
use postrider_accounts::AccountsError;
use postrider_store::Account;

use crate::storage::Storage;

pub use export::{ExportReport, export};
pub use feed::Told;
pub use import::{ImportReport, import};
pub use uids::NewUids;
pub use undelete::{UndeleteDeed, UndeleteReport, UndeleteWish, undelete};
pub use wish::{ExportWish, ImportWish, Pack, SourceForm, TargetForm};

/// How much is handed from one side to the other at once.
#[derive(Debug, Clone, Copy)]
struct GroupLimits {
    /// The size of a group's messages together, in bytes; a larger message goes alone.
    bytes_max: u64,
    /// How many messages a group has.
    messages_max: usize,
    /// How many groups wait in the channel.
    waiting_max: usize,
}

impl Default for GroupLimits {
    fn default() -> Self {
        Self { bytes_max: 8 * 1024 * 1024, messages_max: 1000, waiting_max: 1 }
    }
}

async fn account_of(storage: &Storage, address: &str) -> Result<Arc<Account>> {
    let found = storage.accounts.find(address).await?;
    let id = found.ok_or_else(|| AccountsError::UnknownAccount(address.to_owned()))?.id;
    Ok(storage.store.account(id).await?)
}

/// What a flag is called on the other side; both know the same ones.
fn stored_flag(flag: postrider_archive::Flag) -> postrider_store::Flag {
    use postrider_archive::Flag as File;
    use postrider_store::Flag as Stored;
    match flag {
        File::Seen => Stored::Seen,
        File::Answered => Stored::Answered,
        File::Flagged => Stored::Flagged,
        File::Deleted => Stored::Deleted,
        File::Draft => Stored::Draft,
        File::Keyword(name) => Stored::Keyword(name),
    }
}

/// The same, the other way.
fn file_flag(flag: postrider_store::Flag) -> postrider_archive::Flag {
    use postrider_archive::Flag as File;
    use postrider_store::Flag as Stored;
    match flag {
        Stored::Seen => File::Seen,
        Stored::Answered => File::Answered,
        Stored::Flagged => File::Flagged,
        Stored::Deleted => File::Deleted,
        Stored::Draft => File::Draft,
        Stored::Keyword(name) => File::Keyword(name),
    }
}
