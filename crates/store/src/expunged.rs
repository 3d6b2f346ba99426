//! Messages that were expunged and can still be brought back.
//!
//! An expunge takes rows out of a mailbox and writes them aside, up to a chunk of them in one record, under the time at
//! which it happened. Nothing else is touched: the emails keep their places, and so the contents stay. That makes expunging
//! cheaper than letting go at once, and undoing it a matter of rows. What is older than the time set is let go in
//! bounded pieces ([`crate::Store::sweep_expunged`]); as records lie in the order of time, the first one tells whether there is
//! anything to do.
//!
//! What is kept counts against no quota and is in no mailbox, so no protocol shows it.

use crate::{
    codec::{Decoder, Encoder},
    error::StoreError,
    flags::KeywordTable,
    identifier::{MailboxId, ModSeq, Uid, UidValidity},
    sealed,
    snapshot::Entry,
    uid_set::UidSet,
};

const VERSION: u8 = 1;

/// Names some messages of one mailbox that were expunged together. Keys ascend by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpungedKey {
    pub(crate) when: i64,
    pub(crate) modseq: ModSeq,
    pub(crate) mailbox: MailboxId,
    /// The smallest UID when they were expunged; it may have been brought back since.
    pub(crate) first: Uid,
}

/// Messages that can be brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpungedMessages {
    /// What names them.
    pub key: ExpungedKey,
    /// When they were expunged, seconds since 1970 (UTC).
    pub expunged_at: i64,
    /// The mailbox that they were in; it may be gone.
    pub mailbox: MailboxId,
    /// The name that it had then.
    pub name: String,
    /// The UIDVALIDITY that it had then.
    pub uid_validity: UidValidity,
    /// What the messages' keywords mean.
    pub keywords: KeywordTable,
    /// The messages as they were, ascending by UID; never none.
    pub messages: Vec<Entry>,
}

/// Which messages to bring back: of each key those UIDs that are kept under it.
pub type ExpungedSelection = Vec<(ExpungedKey, UidSet)>;

/// Where messages are brought back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndeleteInto {
    /// Where they were: the same mailbox, by whatever name, or else the one that has its name now, or else a new one of that
    /// name.
    Original,
    /// The mailbox of this name, made if there is none.
    Named(String),
}

/// Messages that were brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undeleted {
    /// What they were kept under.
    pub key: ExpungedKey,
    /// The UIDs that they had.
    pub source: UidSet,
    /// The mailbox that they are in now.
    pub mailbox: MailboxId,
    /// Its name.
    pub name: String,
    /// Its UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// Their UIDs; the n-th one of `source` has the n-th one of these.
    pub uids: UidSet,
}

/// What a step of letting go did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Messages that are gone for good now.
    pub messages: u64,
    /// Whether there are more that have been kept for long enough.
    pub has_more: bool,
}

/// The record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpungedRecord {
    pub(crate) name: String,
    pub(crate) uid_validity: UidValidity,
    pub(crate) keywords: KeywordTable,
    pub(crate) rows: Vec<Entry>,
}

impl ExpungedRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let names = self.keywords.names();
        let head = Encoder::new(VERSION).text(&self.name).u32(self.uid_validity.0).u32(names.len() as u32);
        let head = names.iter().fold(head, |encoder, name| encoder.text(name));
        let fixed = sealed::encode_fixed(&self.rows);
        head.u32(fixed.len() as u32).raw(&fixed).raw(&sealed::encode_flags(&self.rows)).finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut decoder = Decoder::new(bytes, VERSION, "expunged messages")?;
        let name = decoder.text()?;
        let uid_validity = UidValidity(decoder.u32()?);
        let keywords = KeywordTable::from_names(decoder.list(Decoder::text)?);
        let mut rows = sealed::decode_fixed(decoder.bytes()?)?;
        sealed::decode_flags(decoder.rest(), &mut rows)?;
        if rows.is_empty() || !rows.is_sorted_by(|a, b| a.uid < b.uid) {
            return Err(StoreError::Damaged("expunged messages are not in order".to_owned()));
        }
        Ok(Self { name, uid_validity, keywords, rows })
    }

    pub(crate) fn into_messages(self, key: ExpungedKey) -> ExpungedMessages {
        ExpungedMessages {
            key,
            expunged_at: key.when,
            mailbox: key.mailbox,
            name: self.name,
            uid_validity: self.uid_validity,
            keywords: self.keywords,
            messages: self.rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        flags::FlagBits,
        identifier::{BlobId, EmailId},
    };

    fn record(uids: impl Iterator<Item = u32>) -> ExpungedRecord {
        let row = |uid: u32| Entry {
            uid: Uid(uid),
            size: uid * 3,
            flags: FlagBits::SEEN.union(FlagBits::keyword((uid % 90) as usize)),
            modseq: ModSeq(u64::from(uid) << 20),
            email: EmailId(uid.into()),
            blob: BlobId(7),
            received: -i64::from(uid),
            saved: 1_700_000_000,
            ends_with_crlf: uid.is_multiple_of(2),
        };
        ExpungedRecord {
            name: "Büro/Alt".to_owned(),
            uid_validity: UidValidity(12),
            keywords: KeywordTable::from_names(vec!["$Label".to_owned()]),
            rows: uids.map(row).collect(),
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        for count in [1, 2, 255, 256] {
            let record = record((0..count).map(|number| number * 5 + 3));
            assert_eq!(ExpungedRecord::decode(&record.encode()).unwrap(), record);
        }
    }

    #[test]
    fn a_record_cut_anywhere_is_damaged() {
        let bytes = record(1..9).encode();
        for end in 0..bytes.len() {
            assert!(ExpungedRecord::decode(&bytes[..end]).is_err(), "cut at {end}");
        }
        assert!(ExpungedRecord::decode(&record(0..0).encode()).is_err(), "a record of nothing");
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..90), place in 0..90_usize) {
            let _ = ExpungedRecord::decode(&bytes);
            let mut whole = record(1..5).encode();
            let place = place % whole.len();
            whole.splice(place.., bytes.drain(..));
            let _ = ExpungedRecord::decode(&whole);
        }
    }
}
