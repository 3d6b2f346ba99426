//! Identifiers and counters: a newtype for each, so that one cannot be taken for another.

use std::fmt;

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

identifier!(
    /// An account; 0 is the system's own key range. Never used again after the account is gone.
    AccountId(u32)
);
identifier!(
    /// A mailbox within its account; survives renaming, never used again.
    MailboxId(u32)
);
identifier!(
    /// A message's unique identifier within a mailbox (RFC 9051 §2.3.1.1), from 1.
    Uid(u32)
);
identifier!(
    /// The value that tells one life of a mailbox name from the next (RFC 9051 §2.3.1.1).
    UidValidity(u32)
);
identifier!(
    /// A mod-sequence: one counter for all changes of an account (RFC 7162 §3.1), from 1.
    ModSeq(u64)
);
identifier!(
    /// A message as a person sees it: content, received date and thread. Copies of it share the id, as RFC 8474 §5.1 asks.
    EmailId(u64)
);
identifier!(
    /// Raw bytes of a message within its account; messages of equal bytes share one.
    BlobId(u64)
);
identifier!(
    /// A conversation: the id of the email that began it.
    ThreadId(u64)
);

/// The name of a blob's content: its BLAKE3 hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobHash(pub [u8; 32]);

impl BlobHash {
    /// The hash of `raw`.
    pub fn of(raw: &[u8]) -> Self {
        Self(*blake3::hash(raw).as_bytes())
    }
}

impl fmt::Display for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        blake3::Hash::from_bytes(self.0).to_hex().fmt(f)
    }
}
