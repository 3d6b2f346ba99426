//! The copy held against the original: what the journal says is no proof.

use std::collections::BTreeMap;

use tokio::io::{AsyncRead, AsyncWrite};

use super::matching::text_hashes;
use super::places::Destination;
use super::{Failure, MigratedMailbox, Migration, MigrationVerification, place_of_source, place_of_target};
use crate::counted::{agreeing, counted};
use crate::imap::listing::{Access, Describe, Described};
use crate::imap::memory::Memory;
use crate::imap::report::Remark;

/// Differences that are named one by one; more are counted.
const NAMED_MAX: usize = 100;

#[derive(Default)]
struct Findings {
    differing: Vec<String>,
    notices: Vec<String>,
    other_sizes: u64,
}

impl<S, T> Migration<'_, S, T>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// Compares one mailbox that was copied.
    pub(super) async fn verify(
        &mut self,
        destination: &Destination,
        report: &mut MigratedMailbox,
    ) -> Result<(), Failure> {
        let source = &destination.source;
        let from = self.old.open_mailbox(source, &Memory::empty(), Access::Read).await.map_err(Failure::Old)?;
        let target = self.target_mailbox(destination);
        let to = self.new.open_mailbox(&target, &Memory::empty(), Access::Read).await.map_err(Failure::New)?;
        let mut findings = Findings::default();
        let remembered = self.journal.mailbox(&source.name).cloned().unwrap_or_default();
        if (remembered.source_validity, remembered.target_validity) != (from.uid_validity, to.uid_validity) {
            findings.differing.push("a mailbox was numbered anew meanwhile".to_owned());
        }
        let present: Vec<u32> = match from.exists {
            0 => Vec::new(),
            _ => self.old.search_own().await.map_err(Failure::Old)?.0,
        };
        let every = match self.options.verification {
            MigrationVerification::Content => 1,
            _ => present.len().div_ceil(self.options.sample_messages_max.max(1)).max(1),
        };
        let mut position = 0;
        for uids in present.chunks(self.options.fetching.described_messages_max.max(1) as usize) {
            let mut pairs = BTreeMap::new();
            for &uid in uids {
                match remembered.messages.get(&uid) {
                    None => findings.differing.push(format!("UID {uid} was not copied")),
                    Some(copied) if copied.target == 0 => {
                        findings.notices.push(format!("UID {uid} was taken, but where it is there is not known"));
                    }
                    Some(copied) => drop(pairs.insert(uid, copied.target)),
                }
            }
            let is_sample = |position: usize| position.is_multiple_of(every);
            self.compare(destination, &pairs, position, &is_sample, &mut findings, report).await?;
            position += pairs.len();
        }
        findings.tell(report);
        Ok(())
    }

    async fn compare(
        &mut self,
        destination: &Destination,
        pairs: &BTreeMap<u32, u32>,
        first: usize,
        is_sample: &(dyn Fn(usize) -> bool + Sync),
        findings: &mut Findings,
        report: &mut MigratedMailbox,
    ) -> Result<(), Failure> {
        let sources: Vec<u32> = pairs.keys().copied().collect();
        let mut targets: Vec<u32> = pairs.values().copied().collect();
        targets.sort_unstable();
        let here = self.old.describe(&sources, Describe::Plainly).await.map_err(Failure::Old)?;
        let there = self.new.describe(&targets, Describe::Plainly).await.map_err(Failure::New)?;
        let mut to_read: BTreeMap<u32, (Described, Described)> = BTreeMap::new();
        for (position, (source, target)) in pairs.iter().enumerate() {
            let Some(old) = here.get(source) else { continue };
            let Some(new) = there.get(target) else {
                findings.differing.push(format!("UID {source} was copied, but is not at the new server any more"));
                continue;
            };
            report.verified += 1;
            let is_same_size = old.told_bytes.is_some() && old.told_bytes == new.told_bytes;
            findings.other_sizes += u64::from(!is_same_size);
            if !is_same_size || is_sample(first + position) {
                to_read.insert(*source, (old.clone(), new.clone()));
            }
        }
        self.compare_contents(destination, to_read, findings, report).await
    }

    async fn compare_contents(
        &mut self,
        destination: &Destination,
        pairs: BTreeMap<u32, (Described, Described)>,
        findings: &mut Findings,
        report: &mut MigratedMailbox,
    ) -> Result<(), Failure> {
        let options = self.options.of_source();
        let old = pairs.values().map(|(old, _)| old.clone()).collect();
        let new = pairs.values().map(|(_, new)| new.clone()).collect();
        let (hashes_here, _) = text_hashes(self.old, &options, &place_of_source(&destination.source.name), old)
            .await
            .map_err(Failure::Old)?;
        let (hashes_there, _) =
            text_hashes(self.new, &options, &place_of_target(&destination.target), new).await.map_err(Failure::New)?;
        for (uid, (_, new)) in pairs {
            match (hashes_here.get(&uid), hashes_there.get(&new.uid)) {
                (Some(one), Some(other)) if one == other => report.contents_verified += 1,
                (Some(_), Some(_)) => findings.differing.push(format!(
                    "UID {uid}: the content at the new server (UID {}) is not that at the old one",
                    new.uid
                )),
                _ => findings.differing.push(format!("UID {uid}: a server does not give its content")),
            }
        }
        Ok(())
    }
}

impl Findings {
    fn tell(self, report: &mut MigratedMailbox) {
        let more = self.differing.len().saturating_sub(NAMED_MAX);
        let named = self.differing.into_iter().take(NAMED_MAX);
        report.remarks.extend(named.map(|text| Remark::problem(format!("differs: {text}"))));
        if more > 0 {
            report.remarks.push(Remark::problem(format!("differs: {}", counted(more, "more message"))));
        }
        if self.other_sizes > 0 {
            report.remarks.push(Remark::notice(format!(
                "{} {} another size at the new server than at the old one; the content was compared",
                counted(self.other_sizes, "message"),
                agreeing(self.other_sizes, "has", "have")
            )));
        }
        report.remarks.extend(self.notices.into_iter().take(NAMED_MAX).map(Remark::notice));
    }
}
