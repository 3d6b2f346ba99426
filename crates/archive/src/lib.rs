//! Mail as files: mbox, Maildir, `.eml` and `.emlx` trees, in directories, tar and zip, to be read and to be written.
//!
//! It knows no server, no store and no protocol (Maildir++ names folders in IMAP's modified UTF-7, hence that dependency).
//!
//! Three decisions shape it. *Everything streams*: an index of names is held, and one message at a time; nothing is
//! unpacked to disk. *Nothing is dropped in silence*: a damaged message is handed out as it is with its [`Finding`]s, and
//! what is not handed out is an [`Entry::PassedOver`]. *All can be resumed*: each entry has a [`Position`], and a
//! [`Writer`] that is handed the same messages again goes on where it was broken off.

mod date;
mod emlx;
mod error;
mod finding;
mod flag;
mod folder_name;
mod line_end;
mod maildir;
mod mbox;
mod metadata;
mod model;
mod options;
mod plan;
mod read;
mod tree;
mod uidl;
mod write;

pub use error::ArchiveError;
pub use finding::Finding;
pub use flag::Flag;
pub use mbox::{MboxMessage, MboxReader};
pub use model::{Entry, Folder, Item, PassedOver, PassedOverReason, Position, PositionError, SpecialUse};
pub use options::{Expunged, Format, MboxVariant, ReadLimits, ReadOptions};
pub use read::{Detection, Reader, detect};
pub use uidl::{Pop3UidlFormat, Pop3UidlFormatError};
pub use write::{Existing, Outgoing, Packing, StateFields, Summary, WriteFormat, WriteOptions, Writer, Written};
