//! Accounts' mail: mailboxes, emails, flags, changes and snapshots.
//!
//! The store knows no protocol and no particular engine. Three ideas carry it.
//!
//! *One writer for each account.* Changes are handed to the account's task, which commits them in groups ([`Account`]). So
//! there are no locks in protocol code and no lost updates, and a caller that gets its answer knows the change to be on
//! stable storage.
//!
//! *Snapshots.* A mailbox's messages are an immutable [`Snapshot`]; what a session has to tell its client is the
//! [`difference`] between the one it knows and the one that is. Versions share what did not change.
//!
//! *Answers computed once.* What mail programs ask again and again is derived when a message arrives and stored beside it
//! ([`Account::derived`]); it can always be rebuilt from the message ([`Store::rebuild`]).
//!
//! Flags belong to a place (mailbox and UID), not to an email: IMAP's copies have flags of their own but one EMAILID
//! (RFC 8474 §5.1). An email knows all its places.

mod account;
mod change;
mod chunk;
mod codec;
mod columns;
mod digest;
mod digest_page;
mod directory;
mod draft;
mod error;
mod expunged;
mod flags;
mod identifier;
mod keys;
mod load;
mod message;
mod moment;
mod options;
mod pages;
mod read;
mod record;
mod rows;
mod sealed;
mod snapshot;
mod source;
mod special_use;
mod state;
mod store;
mod text_order;
mod uid_set;
mod unique_id;
mod verify;
mod writer;

pub use account::Account;
pub use change::{
    append::Appended,
    copy::{Copied, Transfer},
    expunge::ExpungeOnly,
    note::{NOTE_KEY_BYTES_MAX, Note},
    origin::{CreatedMailbox, MailboxOrigin, UidValidityWish},
    raise::Floors,
    store_flags::{FlagMode, StoreFlags, StoredFlags},
};
pub use digest::{SearchDigest, SortDigest, SortTable};
pub use digest_page::{FieldPresence, SortText};
pub use error::StoreError;
pub use expunged::{ExpungedKey, ExpungedMessages, ExpungedSelection, Swept, UndeleteInto, Undeleted};
pub use flags::{Flag, FlagBits, KEYWORD_BYTES_MAX, KEYWORDS_MAX, KeywordTable};
pub use identifier::{AccountId, BlobHash, BlobId, EmailId, MailboxId, ModSeq, ThreadId, Uid, UidValidity};
pub use message::NewMessage;
pub use moment::{Moment, NoteRecord, Removals};
pub use options::StoreOptions;
pub use postrider_engine::EngineError;
pub use record::{AccountRecord, Counts, EmailRecord, MailboxRecord};
pub use snapshot::{Difference, Entry, Snapshot, difference, merge_without_expunges};
pub use special_use::{SpecialUse, SpecialUses};
pub use state::{AccountState, INBOX, Mailbox, SEPARATOR};
pub use store::{Now, Store, system_now};
pub use text_order::{TextOrder, rank_texts_by_octets};
pub use uid_set::UidSet;
pub use unique_id::{UNIQUE_ID_BYTES_MAX, own_unique_id};
pub use verify::{Rebuilt, Verification};
