//! What can be set of the store.

use postrider_message::MimeLimits;

/// Bounds and habits of the store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The largest message, in bytes.
    pub message_bytes_max: u64,
    /// How many mailboxes an account may have.
    pub mailboxes_max: usize,
    /// The longest mailbox name, in bytes of UTF-8, all levels together.
    pub mailbox_name_bytes_max: usize,
    /// How many levels a mailbox name may have.
    pub mailbox_levels_max: usize,
    /// The most that an account's mail may take, in bytes, where the account has no setting of its own; `None` is no
    /// bound. It is for those who let mail in to ask before they do: the store itself refuses nothing for it.
    pub quota_bytes: Option<u64>,
    /// How many changes an account's log keeps: as far back clients can resynchronise tersely.
    pub changes_kept_max: u64,
    /// How long expunged messages can still be brought back ([`crate::Account::undelete`]), in seconds; 0 lets them go at once.
    pub expunged_kept_seconds: u64,
    /// How many accounts stay in memory after the last session left them.
    pub accounts_resident_max: usize,
    /// How much memory may be held by what was gathered of messages for sorting, threading and searching, in bytes, for all
    /// accounts together. With more mailboxes in use than that is enough for, it is gathered anew for each command.
    pub digest_bytes_max: usize,
    /// Bounds of MIME parsing.
    pub mime: MimeLimits,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            message_bytes_max: 50 * 1024 * 1024,
            mailboxes_max: 10_000,
            mailbox_name_bytes_max: 400,
            mailbox_levels_max: 32,
            quota_bytes: None,
            changes_kept_max: 100_000,
            expunged_kept_seconds: 7 * 24 * 60 * 60,
            accounts_resident_max: 1_000,
            digest_bytes_max: 256 * 1024 * 1024,
            mime: MimeLimits::default(),
        }
    }
}
