//! The records of an account and their bytes.

use crate::{
    codec::{Decoder, Encoder},
    error::StoreError,
    flags::{FlagBits, KeywordTable},
    identifier::{BlobHash, BlobId, EmailId, MailboxId, ModSeq, ThreadId, Uid, UidValidity},
    snapshot::Entry,
    special_use::SpecialUses,
    uid_set::UidSet,
};

const VERSION: u8 = 1;

/// Counters of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// The last change.
    pub modseq: ModSeq,
    /// Changes up to and with this one are no longer in the log.
    pub changes_trimmed: ModSeq,
    /// The next mailbox's id.
    pub mailbox_next: u32,
    /// The next email's id.
    pub email_next: u64,
    /// The next blob's id.
    pub blob_next: u64,
    /// The last UIDVALIDITY that was given out; a later one is larger.
    pub uid_validity_last: u32,
}

impl AccountRecord {
    /// A new account's.
    pub(crate) fn new() -> Self {
        Self {
            modseq: ModSeq(1),
            changes_trimmed: ModSeq(1),
            mailbox_next: 1,
            email_next: 1,
            blob_next: 1,
            uid_validity_last: 0,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        Encoder::new(VERSION)
            .u64(self.modseq.0)
            .u64(self.changes_trimmed.0)
            .u32(self.mailbox_next)
            .u64(self.email_next)
            .u64(self.blob_next)
            .u32(self.uid_validity_last)
            .finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut decoder = Decoder::new(bytes, VERSION, "account")?;
        let record = Self {
            modseq: ModSeq(decoder.u64()?),
            changes_trimmed: ModSeq(decoder.u64()?),
            mailbox_next: decoder.u32()?,
            email_next: decoder.u64()?,
            blob_next: decoder.u64()?,
            uid_validity_last: decoder.u32()?,
        };
        decoder.finish()?;
        Ok(record)
    }
}

/// What is known of a mailbox without its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxRecord {
    /// Its full name, `/` between levels; the inbox is `INBOX`.
    pub name: String,
    /// Its UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// The UID that the next message will have.
    pub uid_next: Uid,
    /// The last change to it or its messages.
    pub highest_modseq: ModSeq,
    /// Messages from this UID on were not yet shown to any session (`\Recent`, RFC 3501 §2.3.2).
    pub recent_from: Uid,
    /// What it is for.
    pub special_use: SpecialUses,
    /// Its messages, counted.
    pub counts: Counts,
    /// How many of them are in no sealed chunk yet.
    pub rows_open: u32,
    /// UIDs below this one are for messages that bring them from elsewhere: others get no smaller one.
    pub uid_floor: Uid,
    /// How many messages have a unique-id that they brought from another POP3 server.
    pub unique_ids: u32,
    /// The keywords that its messages have or had.
    pub keywords: KeywordTable,
}

/// What is remembered of a mailbox that is gone, lest its UIDs are given to other messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GoneMailbox {
    /// Which it was.
    pub(crate) mailbox: MailboxId,
    /// The UIDs below this one were given out, or might have been.
    pub(crate) uid_next: Uid,
}

impl GoneMailbox {
    pub(crate) fn encode(self) -> Vec<u8> {
        Encoder::new(VERSION).u32(self.mailbox.0).u32(self.uid_next.0).finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut decoder = Decoder::new(bytes, VERSION, "gone mailbox")?;
        let record = Self { mailbox: MailboxId(decoder.u32()?), uid_next: Uid(decoder.u32()?) };
        decoder.finish()?;
        Ok(record)
    }
}

/// A mailbox's messages, counted. Kept in step with every change, so that STATUS never looks at messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All messages.
    pub messages: u32,
    /// Those without `\Seen`.
    pub unseen: u32,
    /// Those with `\Deleted`.
    pub deleted: u32,
    /// Their sizes together, in bytes.
    pub bytes: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, entry: &Entry) {
        self.messages += 1;
        self.unseen += u32::from(!entry.flags.contains(FlagBits::SEEN));
        self.deleted += u32::from(entry.flags.contains(FlagBits::DELETED));
        self.bytes += u64::from(entry.size);
    }

    pub(crate) fn subtract(&mut self, entry: &Entry) {
        self.messages = self.messages.saturating_sub(1);
        self.unseen = self.unseen.saturating_sub(u32::from(!entry.flags.contains(FlagBits::SEEN)));
        self.deleted = self.deleted.saturating_sub(u32::from(entry.flags.contains(FlagBits::DELETED)));
        self.bytes = self.bytes.saturating_sub(u64::from(entry.size));
    }
}

impl MailboxRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let head = Encoder::new(VERSION)
            .text(&self.name)
            .u32(self.uid_validity.0)
            .u32(self.uid_next.0)
            .u64(self.highest_modseq.0)
            .u32(self.recent_from.0)
            .u8(self.special_use.to_bits())
            .u32(self.counts.messages)
            .u32(self.counts.unseen)
            .u32(self.counts.deleted)
            .u64(self.counts.bytes)
            .u32(self.rows_open)
            .u32(self.uid_floor.0)
            .u32(self.unique_ids)
            .u32(self.keywords.names().len() as u32);
        self.keywords.names().iter().fold(head, |encoder, name| encoder.text(name)).finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut decoder = Decoder::new(bytes, VERSION, "mailbox")?;
        let record = Self {
            name: decoder.text()?,
            uid_validity: UidValidity(decoder.u32()?),
            uid_next: Uid(decoder.u32()?),
            highest_modseq: ModSeq(decoder.u64()?),
            recent_from: Uid(decoder.u32()?),
            special_use: SpecialUses::from_bits(decoder.u8()?),
            counts: Counts {
                messages: decoder.u32()?,
                unseen: decoder.u32()?,
                deleted: decoder.u32()?,
                bytes: decoder.u64()?,
            },
            rows_open: decoder.u32()?,
            uid_floor: Uid(decoder.u32()?),
            unique_ids: decoder.u32()?,
            keywords: KeywordTable::from_names(decoder.list(Decoder::text)?),
        };
        decoder.finish()?;
        Ok(record)
    }
}

pub(crate) fn encode_entry(entry: &Entry) -> Vec<u8> {
    let [low, high] = entry.flags.to_words();
    Encoder::new(VERSION)
        .u32(entry.size)
        .u64(low)
        .u64(high)
        .u64(entry.modseq.0)
        .u64(entry.email.0)
        .u64(entry.blob.0)
        .i64(entry.received)
        .i64(entry.saved)
        .u8(entry.ends_with_crlf.into())
        .finish()
}

pub(crate) fn decode_entry(uid: Uid, bytes: &[u8]) -> Result<Entry, StoreError> {
    let mut decoder = Decoder::new(bytes, VERSION, "entry")?;
    let entry = Entry {
        uid,
        size: decoder.u32()?,
        flags: FlagBits::from_words([decoder.u64()?, decoder.u64()?]),
        modseq: ModSeq(decoder.u64()?),
        email: EmailId(decoder.u64()?),
        blob: BlobId(decoder.u64()?),
        received: decoder.i64()?,
        saved: decoder.i64()?,
        ends_with_crlf: decoder.u8()? != 0,
    };
    decoder.finish()?;
    Ok(entry)
}

/// An email, wherever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailRecord {
    /// Its bytes.
    pub blob: BlobId,
    /// When it was received, seconds since 1970 (UTC).
    pub received: i64,
    /// Its conversation.
    pub thread: ThreadId,
    /// The mailboxes and UIDs it has.
    pub places: Vec<(MailboxId, Uid)>,
}

impl EmailRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let head =
            Encoder::new(VERSION).u64(self.blob.0).i64(self.received).u64(self.thread.0).u32(self.places.len() as u32);
        self.places.iter().fold(head, |encoder, (mailbox, uid)| encoder.u32(mailbox.0).u32(uid.0)).finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut decoder = Decoder::new(bytes, VERSION, "email")?;
        let record = Self {
            blob: BlobId(decoder.u64()?),
            received: decoder.i64()?,
            thread: ThreadId(decoder.u64()?),
            places: decoder.list(|place| Ok((MailboxId(place.u32()?), Uid(place.u32()?))))?,
        };
        decoder.finish()?;
        Ok(record)
    }
}

/// A message's raw bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRecord {
    /// Their name.
    pub hash: BlobHash,
    /// How many there are.
    pub size: u32,
    /// How many emails have them; with none left the blob goes.
    pub emails: u32,
}

impl BlobRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        Encoder::new(VERSION).raw(&self.hash.0).u32(self.size).u32(self.emails).finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut decoder = Decoder::new(bytes, VERSION, "blob")?;
        let record = Self { hash: BlobHash(decoder.hash()?), size: decoder.u32()?, emails: decoder.u32()? };
        decoder.finish()?;
        Ok(record)
    }
}

/// What one change did to one mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxChange {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// What happened.
    pub kind: ChangeKind,
    /// To which messages; empty for changes of the mailbox itself.
    pub uids: UidSet,
}

/// What happened to messages or a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Messages came.
    Added,
    /// Messages' flags changed.
    Flags,
    /// Messages went for good.
    Expunged,
    /// The mailbox was made, renamed or given another use.
    Mailbox,
    /// The mailbox was removed.
    MailboxRemoved,
}

/// A row of the change log: everything that one mod-sequence stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRecord {
    /// When, seconds since 1970 (UTC).
    pub when: i64,
    /// What.
    pub changes: Vec<MailboxChange>,
}

impl ChangeRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let head = Encoder::new(VERSION).i64(self.when).u32(self.changes.len() as u32);
        self.changes
            .iter()
            .fold(head, |encoder, change| {
                let kind = match change.kind {
                    ChangeKind::Added => 1,
                    ChangeKind::Flags => 2,
                    ChangeKind::Expunged => 3,
                    ChangeKind::Mailbox => 4,
                    ChangeKind::MailboxRemoved => 5,
                };
                encoder.u32(change.mailbox.0).u8(kind).uids(&change.uids)
            })
            .finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut decoder = Decoder::new(bytes, VERSION, "change")?;
        let when = decoder.i64()?;
        let changes = decoder.list(|change| {
            let mailbox = MailboxId(change.u32()?);
            let kind = match change.u8()? {
                1 => ChangeKind::Added,
                2 => ChangeKind::Flags,
                3 => ChangeKind::Expunged,
                4 => ChangeKind::Mailbox,
                5 => ChangeKind::MailboxRemoved,
                other => return Err(StoreError::Damaged(format!("a change has the unknown kind {other}"))),
            };
            Ok(MailboxChange { mailbox, kind, uids: change.uids()? })
        })?;
        decoder.finish()?;
        Ok(Self { when, changes })
    }
}
