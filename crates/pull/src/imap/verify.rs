//! The copy held against the original, message by message.
//!
//! What earlier runs noted is no proof: each message is looked for here, its bytes are read back from the store and hashed,
//! and, if asked for, it is fetched once more and its hash compared. Content is hashed as it comes and never held.

use std::collections::{BTreeMap, BTreeSet};

use postrider_store::{Account, BlobHash, BlobId, StoreError};
use tokio::io::{AsyncRead, AsyncWrite};

use super::bodies::{Arrived, Fetching, Take};
use super::body::{Body, Keep};
use super::connection::ImapConnection;
use super::error::ImapError;
use super::following::place_of;
use super::listing::{Describe, Described};
use super::mailboxes::RemoteMailbox;
use super::memory::{Memory, RemoteKey};
use super::options::{ImapMode, ImapPullOptions, Verification};
use super::recall::{hash_of, recall};
use super::report::{MailboxReport, Remark};
use crate::counted::{agreeing, counted};

/// Differences that are named one by one; more are counted.
const NAMED_MAX: usize = 100;

/// Compares mailboxes.
pub(crate) struct Verifier<'a, S> {
    pub(crate) connection: &'a mut ImapConnection<S>,
    pub(crate) account: &'a Account,
    pub(crate) options: &'a ImapPullOptions,
    pub(crate) key: &'a RemoteKey,
}

/// What was found.
#[derive(Default)]
struct Findings {
    equal: u64,
    differing: Vec<String>,
    remarks: Vec<String>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Verifier<'_, S> {
    /// Compares one mailbox that was worked through.
    pub(crate) async fn verify(&mut self, remote: &RemoteMailbox, report: &mut MailboxReport) -> Result<(), ImapError> {
        let mut memory = Memory::read(self.account, self.key.place(&remote.name)).await?;
        let selected = self.connection.examine(remote, &memory).await?;
        let mut findings = Findings::default();
        if memory.mailbox.as_ref().map(|note| note.uid_validity) != Some(selected.uid_validity) {
            findings.differing.push("the mailbox was numbered anew meanwhile".to_owned());
        }
        let (present, elsewhere): (Vec<u32>, u64) = match selected.exists {
            0 => (Vec::new(), 0),
            _ => self.connection.search_own().await?,
        };
        if present.len() as u64 + elsewhere < u64::from(selected.exists) {
            findings.differing.push(format!(
                "the server says that it has {}, and lists {}",
                counted(selected.exists, "message"),
                present.len()
            ));
        }
        let here = self.here(&mut memory).await?;
        let to_fetch = self.sample(&present);
        for uids in present.chunks(self.options.described_messages_max.max(1) as usize) {
            self.compare(uids, &to_fetch, &memory, &here, &mut findings).await?;
        }
        self.look_for_more(&memory, &present, &mut findings);
        findings.tell(report);
        Ok(())
    }

    /// Those whose content is compared, spread over all.
    fn sample(&self, present: &[u32]) -> BTreeSet<u32> {
        let every = match self.options.verification {
            Verification::None | Verification::Sizes => return BTreeSet::new(),
            Verification::Sample => present.len().div_ceil(self.options.sample_messages_max.max(1) as usize).max(1),
            Verification::Content => 1,
        };
        present.iter().copied().step_by(every).collect()
    }

    /// What is here of the mailbox: UID there, content and size here.
    async fn here(&mut self, memory: &mut Memory) -> Result<BTreeMap<u32, (BlobId, u64)>, ImapError> {
        let Some(mailbox) = recall(self.account, memory, self.options.rehearsal).await? else {
            return Ok(BTreeMap::new());
        };
        let messages = mailbox.messages().ok_or(StoreError::NoMailbox)?;
        let found = memory.messages.iter().filter_map(|(&uid, note)| {
            let entry = place_of(messages, note)?;
            Some((uid, (entry.blob, entry.size.into())))
        });
        Ok(found.collect())
    }

    async fn compare(
        &mut self,
        uids: &[u32],
        sample: &BTreeSet<u32>,
        memory: &Memory,
        here: &BTreeMap<u32, (BlobId, u64)>,
        findings: &mut Findings,
    ) -> Result<(), ImapError> {
        let mut described = self.connection.describe_with_care(uids, Describe::Plainly, &memory.place).await?;
        let mut to_fetch = Vec::new();
        for &uid in uids {
            let told = described.remove(&uid);
            let Some(note) = memory.messages.get(&uid) else {
                findings.differing.push(format!("UID {uid} is there and was never fetched"));
                continue;
            };
            if note.is_elsewhere() {
                findings.equal += 1;
                continue;
            }
            let Some(&(blob, bytes)) = here.get(&uid) else {
                let text = format!("UID {uid} was fetched, and was removed here since");
                match self.options.mode {
                    ImapMode::Archive => findings.remarks.push(text),
                    ImapMode::Mirror | ImapMode::Sync => findings.differing.push(text),
                }
                continue;
            };
            if hash_of(self.account, blob, bytes).await? != Some(note.hash) {
                findings.differing.push(format!("UID {uid}: the store does not give back what was fetched"));
                continue;
            }
            match told {
                None => findings.differing.push(format!("UID {uid}: the server does not tell its size")),
                Some(told) if sample.contains(&uid) => to_fetch.push(told),
                Some(told) => findings.compare_size(uid, told.told_bytes, bytes),
            }
        }
        self.compare_contents(to_fetch, memory, findings).await
    }

    async fn compare_contents(
        &mut self,
        wanted: Vec<Described>,
        memory: &Memory,
        findings: &mut Findings,
    ) -> Result<(), ImapError> {
        let (connection, options) = (&mut *self.connection, self.options);
        let place = memory.place.clone();
        let mut taker = Comparing { memory, findings };
        let mut fetching =
            Fetching { connection, options, place, keep: Keep::Hash, taker: &mut taker, held: Vec::new() };
        for missing in fetching.fetch(wanted).await? {
            findings.differing.push(format!("UID {}: the server does not give its content", missing.uid));
        }
        Ok(())
    }

    /// In an exact copy nothing is left that is not there any more.
    fn look_for_more(&self, memory: &Memory, present: &[u32], findings: &mut Findings) {
        let more =
            memory.messages.keys().filter(|uid| present.binary_search(uid).is_err()).count() + memory.orphans.len();
        if more > 0 && self.options.mode != ImapMode::Archive {
            let (messages, are) = (counted(more, "message"), agreeing(more, "is", "are"));
            findings.differing.push(format!("{messages} {are} here and not there any more"));
        }
    }
}

impl Findings {
    fn compare_size(&mut self, uid: u32, told: Option<u64>, bytes: u64) {
        self.equal += 1;
        if let Some(told) = told.filter(|told| *told != bytes) {
            self.remarks.push(format!("UID {uid} has {bytes} bytes here, and {told} as the server tells it"));
        }
    }

    fn tell(self, report: &mut MailboxReport) {
        report.verified += self.equal;
        let more = self.differing.len().saturating_sub(NAMED_MAX);
        let named = self.differing.into_iter().take(NAMED_MAX);
        report.remarks.extend(named.map(|text| Remark::problem(format!("differs: {text}"))));
        if more > 0 {
            report.remarks.push(Remark::problem(format!("differs: {}", counted(more, "more message"))));
        }
        report.remarks.extend(self.remarks.into_iter().take(NAMED_MAX).map(Remark::notice));
    }
}

/// Compares hashes as they come.
struct Comparing<'a> {
    memory: &'a Memory,
    findings: &'a mut Findings,
}

impl Take for Comparing<'_> {
    async fn take(&mut self, messages: Vec<Arrived>) -> Result<(), ImapError> {
        for message in messages {
            let uid = message.described.uid;
            let Some(note) = self.memory.messages.get(&uid) else { continue };
            match &message.body {
                Body::Hashed { hash, bytes } if *hash == note.hash => {
                    self.findings.compare_size(uid, message.described.told_bytes, *bytes);
                }
                _ => self.findings.differing.push(format!(
                    "UID {uid}: the content there is not what is here (here {})",
                    BlobHash::to_string(&note.hash)
                )),
            }
        }
        Ok(())
    }
}
