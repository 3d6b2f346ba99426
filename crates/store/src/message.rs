//! A message on its way into the store.

use bytes::Bytes;
use postrider_message::{Derived, DerivedView, MimeLimits};

use crate::{
    flags::Flag,
    identifier::{BlobHash, Uid},
};

/// References beyond this many are not looked at for threading: the last ones are the nearest relatives.
const THREAD_REFERENCES_MAX: usize = 20;

/// Messages larger than this are prepared on a thread of their own, so that sessions beside go on.
const INLINE_BYTES_MAX: usize = 256 * 1024;

/// What is stored beside a message's bytes, made of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DerivedValues {
    /// As [`DerivedView`] reads it.
    pub(crate) answers: Bytes,
    /// As [`postrider_message::IndexedHeader`] reads it.
    pub(crate) header: Bytes,
}

impl DerivedValues {
    pub(crate) fn of(raw: &[u8], limits: &MimeLimits) -> Self {
        let derived = Derived::of(raw, limits);
        Self { answers: Bytes::from(derived.encode()), header: Bytes::from(derived.header) }
    }
}

/// A message with everything that is computed once, ready to be stored.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Its bytes.
    pub raw: Bytes,
    /// Flags to begin with.
    pub flags: Vec<Flag>,
    /// INTERNALDATE, seconds since 1970 (UTC).
    pub received: i64,
    /// The UID that it had elsewhere, if it is to keep it: it does where UIDs still ascend then (RFC 9051 §2.3.1.1), and gets
    /// the next one where they would not.
    pub uid: Option<Uid>,
    /// When it came into its mailbox elsewhere (RFC 8514), seconds since 1970 (UTC); `None` is now.
    pub saved: Option<i64>,
    /// The unique-id that it had on another POP3 server (RFC 1939 §7), if it is to keep it: it does unless POP3 cannot say it,
    /// or another message of the mailbox has it.
    pub unique_id: Option<String>,
    pub(crate) hash: BlobHash,
    pub(crate) derived: DerivedValues,
    pub(crate) thread_keys: Vec<[u8; 16]>,
}

impl NewMessage {
    /// Hashes and parses `raw`.
    pub async fn prepare(raw: Bytes, flags: Vec<Flag>, received: i64, limits: &MimeLimits) -> Self {
        if raw.len() <= INLINE_BYTES_MAX {
            return Self::prepare_now(raw, flags, received, limits);
        }
        let (job_raw, job_limits) = (raw.clone(), limits.clone());
        let job_flags = flags.clone();
        let job = tokio::task::spawn_blocking(move || Self::prepare_now(job_raw, job_flags, received, &job_limits));
        match job.await {
            Ok(message) => message,
            // The blocking pool is gone only while the program ends; then doing it here is as good.
            Err(_) => Self::prepare_now(raw, flags, received, limits),
        }
    }

    fn prepare_now(raw: Bytes, flags: Vec<Flag>, received: i64, limits: &MimeLimits) -> Self {
        let hash = BlobHash::of(&raw);
        let derived = DerivedValues::of(&raw, limits);
        let thread_keys = thread_keys(&derived.answers);
        Self { raw, flags, received, uid: None, saved: None, unique_id: None, hash, derived, thread_keys }
    }
}

/// The index keys under which a message is found by its relatives: each of its own id and those it refers to, with
/// its base subject, so that a new subject begins a new thread (RFC 8621 §3). White space and letter case make no new one.
pub(crate) fn thread_keys(derived: &[u8]) -> Vec<[u8; 16]> {
    let Ok(view) = DerivedView::parse(derived) else { return Vec::new() };
    let letters = view.base_subject().chars().filter(|c| !c.is_whitespace());
    let subject: String = letters.flat_map(char::to_lowercase).collect();
    let references: Vec<_> = view.references().collect();
    let nearest = references.len().saturating_sub(THREAD_REFERENCES_MAX);
    let ids = view.message_id().into_iter().chain(references.into_iter().skip(nearest));
    let mut keys: Vec<[u8; 16]> = ids
        .map(|id| {
            let mut hasher = blake3::Hasher::new();
            hasher.update(id.as_bytes()).update(&[0]).update(subject.as_bytes());
            let mut key = [0; 16];
            hasher.finalize_xof().fill(&mut key);
            key
        })
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    keys.retain(|key| seen.insert(*key));
    keys
}
