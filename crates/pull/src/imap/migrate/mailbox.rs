//! One mailbox: what is new is copied, and flags that changed since are followed.

use std::collections::{BTreeMap, BTreeSet};

use postrider_imap_proto::command::StoreMode;
use tokio::io::{AsyncRead, AsyncWrite};

use super::copying::Copying;
use super::places::Destination;
use super::{Failure, MigratedMailbox, Migration, place_of_source};
use crate::counted::{agreeing, counted};
use crate::imap::appending::Appends;
use crate::imap::bodies::Fetching;
use crate::imap::body::Keep;
use crate::imap::flags::FlagSet;
use crate::imap::listing::{Access, Describe, Described, Selected};
use crate::imap::mailboxes::RemoteMailbox;
use crate::imap::memory::{Memory, Place};
use crate::imap::report::Remark;

/// Messages by the flags that they are to get, or to lose.
type ByFlags = BTreeMap<FlagSet, Vec<u32>>;

impl<S, T> Migration<'_, S, T>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// Copies what is not at the new server yet.
    pub(super) async fn copy(
        &mut self,
        destination: &Destination,
        report: &mut MigratedMailbox,
    ) -> Result<(), Failure> {
        let source = &destination.source;
        let from = self.old.open_mailbox(source, &Memory::empty(), Access::Read).await.map_err(Failure::Old)?;
        report.messages = from.exists.into();
        let present = self.present(&from, report).await?;
        // What stands in another mailbox, too, comes with that.
        report.messages = report.messages.saturating_sub(self.old.labels.left_out_count());
        let Some(mut to) = self.open_target(destination).await? else {
            // Only a rehearsal has none.
            return self.tell(&present.keys().copied().collect::<Vec<_>>(), report).await;
        };
        if self.is_real() {
            if self.journal.was_broken_off(&source.name) {
                self.new.wait_until_quiet(self.options.fetching.quiet_time).await.map_err(Failure::New)?;
                to.exists = to.exists.max(1);
            }
            self.journal.begin(&source.name, from.uid_validity, &destination.target, to.uid_validity);
            self.journal.flush()?;
        }
        let is_known = self.known(destination, &from, &to);
        let mut new: Vec<u32> = present.keys().copied().filter(|uid| !is_known.contains(uid)).collect();
        new = self.recognise(destination, new, &to, report).await?;
        if !self.is_real() {
            return self.tell(&new, report).await;
        }
        self.follow_flags(destination, &present, &to, report).await?;
        if to.is_read_only && !new.is_empty() {
            let (messages, were) = (counted(new.len(), "message"), agreeing(new.len(), "was", "were"));
            let text = format!("{messages} {were} not copied: the mailbox at the new server can only be read");
            report.remarks.push(Remark::problem(text));
            return Ok(());
        }
        self.send(destination, &new, &to, report).await?;
        self.journal.settled();
        self.journal.flush()?;
        self.find_sent(destination, report).await
    }

    /// UIDs and flags at the old server.
    async fn present(
        &mut self,
        from: &Selected,
        report: &mut MigratedMailbox,
    ) -> Result<BTreeMap<u32, FlagSet>, Failure> {
        if from.exists == 0 {
            return Ok(BTreeMap::new());
        }
        let mut present = self.old.flags_of_all(None).await.map_err(Failure::Old)?;
        // A message whose labels are not told may stand in another mailbox: it is not guessed.
        if (present.len() as u64) < u64::from(from.exists) && !self.old.labels.are_read() {
            for uid in self.old.search_all().await.map_err(Failure::Old)? {
                present.entry(uid).or_default();
            }
        }
        if present.len() as u64 + self.old.labels.left_out_count() < u64::from(from.exists) {
            report.remarks.push(Remark::problem(
                "the old server did not list all messages that it says there are; what it left out could not be copied",
            ));
        }
        Ok(present)
    }

    /// Opens the mailbox at the new server; `None` if a rehearsal has none.
    async fn open_target(&mut self, destination: &Destination) -> Result<Option<Selected>, Failure> {
        let access = match (&destination.existing, self.is_real()) {
            (None, false) => return Ok(None),
            (_, true) => Access::Write,
            (_, false) => Access::Read,
        };
        let remote = self.target_mailbox(destination);
        let selected = self.new.open_mailbox(&remote, &Memory::empty(), access).await.map_err(Failure::New)?;
        Ok(Some(selected))
    }

    pub(super) fn target_mailbox(&self, destination: &Destination) -> RemoteMailbox {
        destination.existing.clone().unwrap_or_else(|| RemoteMailbox {
            raw: self.new.argument(&destination.target),
            name: destination.target.clone(),
            local: String::new(),
            special_use: None,
        })
    }

    /// UIDs at the old server of messages that are remembered.
    fn known(&self, destination: &Destination, from: &Selected, to: &Selected) -> BTreeSet<u32> {
        let mailbox = self.journal.mailbox(&destination.source.name).filter(|mailbox| {
            mailbox.source_validity == from.uid_validity
                && mailbox.target_validity == to.uid_validity
                && mailbox.target == destination.target
        });
        mailbox.map(|mailbox| mailbox.messages.keys().copied().collect()).unwrap_or_default()
    }

    /// Flags that changed at the old server since they were copied change at the new one; others stay.
    async fn follow_flags(
        &mut self,
        destination: &Destination,
        present: &BTreeMap<u32, FlagSet>,
        to: &Selected,
        report: &mut MigratedMailbox,
    ) -> Result<(), Failure> {
        let (mut adding, mut removing, mut changed) = (ByFlags::new(), ByFlags::new(), Vec::new());
        let remembered = self.journal.mailbox(&destination.source.name);
        for (&uid, copied) in remembered.into_iter().flat_map(|mailbox| &mailbox.messages) {
            let Some(now) = present.get(&uid).filter(|now| **now != copied.flags && copied.target > 0) else {
                continue;
            };
            let (more, less) = (now.without(&copied.flags), copied.flags.without(now));
            for (by_flags, flags) in [(&mut adding, more), (&mut removing, less)] {
                let flags = to.permitted.fit(&flags);
                if !flags.is_empty() {
                    by_flags.entry(flags).or_default().push(copied.target);
                }
            }
            changed.push((uid, copied.target, now.clone()));
        }
        for (mode, by_flags) in [(StoreMode::Add, adding), (StoreMode::Remove, removing)] {
            for (flags, uids) in by_flags {
                self.new.store_flags(&uids, mode, &flags, None).await.map_err(Failure::New)?;
                report.flags_changed += uids.len() as u64;
            }
        }
        for (source, target, flags) in changed {
            self.journal.copied(source, target, &flags);
        }
        Ok(self.journal.flush()?)
    }

    /// Fetches and sends.
    async fn send(
        &mut self,
        destination: &Destination,
        new: &[u32],
        to: &Selected,
        report: &mut MigratedMailbox,
    ) -> Result<(), Failure> {
        let mailbox = self.target_mailbox(destination).raw.to_argument();
        let options = self.options.of_source();
        let place = place_of_source(&destination.source.name);
        let share = self.tally.of(self.position);
        let mut missing = Vec::new();
        let mut copying = Copying {
            new: &mut *self.new,
            journal: &mut *self.journal,
            observer: &share,
            refusals_max: u64::from(options.refusals_max),
            appends: Appends::new(self.options.uploads_ahead_max),
            mailbox: &mailbox,
            place: &place,
            permitted: &to.permitted,
            uid_validity: to.uid_validity,
            report,
            again: Vec::new(),
            left_out: BTreeSet::new(),
            total: new.len() as u64,
            retries: 0,
            refused: 0,
            failure: None,
        };
        for uids in new.chunks(options.described_messages_max.max(1) as usize) {
            let described = self.old.describe_with_care(uids, Describe::Plainly, &place).await;
            let mut described = described.map_err(Failure::Old)?;
            let mut wanted: Vec<Described> =
                uids.iter().map(|uid| described.remove(uid).unwrap_or_else(|| Described::unknown(*uid))).collect();
            // What the new server was asked to wait for is fetched once more: it was not held.
            while !wanted.is_empty() {
                let keep = Keep::Whole { bytes_max: options.message_bytes_max };
                let (connection, taker) = (&mut *self.old, &mut copying);
                let (options, place) = (&options, place.clone());
                let mut fetching = Fetching { connection, options, place, keep, taker, held: Vec::new() };
                let fetched = fetching.fetch(wanted).await;
                if let Some(failure) = copying.failure.take() {
                    return Err(failure);
                }
                missing.extend(fetched.map_err(Failure::Old)?);
                copying.drain().await?;
                wanted = std::mem::take(&mut copying.again);
            }
        }
        copying.tell_left_out();
        self.tell_missing(&missing, &place, report).await
    }

    /// Messages that the old server did not give: are they gone, or does it keep them back?
    async fn tell_missing(
        &mut self,
        missing: &[Described],
        place: &Place,
        report: &mut MigratedMailbox,
    ) -> Result<(), Failure> {
        if missing.is_empty() {
            return Ok(());
        }
        let present = self.old.search_all().await.map_err(Failure::Old)?;
        for uid in missing.iter().map(|message| message.uid).filter(|uid| present.contains(uid)) {
            let reason = match self.old.suspects.is_left_out(place, uid) {
                true => "the connection to the old server broke each time it was asked for; the next run asks again",
                false => "the old server lists it, but does not give its content",
            };
            report.remarks.push(Remark::problem(format!("message UID {uid} was not copied: {reason}")));
        }
        Ok(())
    }

    /// A rehearsal: what would be copied.
    async fn tell(&mut self, new: &[u32], report: &mut MigratedMailbox) -> Result<(), Failure> {
        for uids in new.chunks(self.options.fetching.described_messages_max.max(1) as usize) {
            for told in self.old.describe(uids, Describe::Plainly).await.map_err(Failure::Old)?.into_values() {
                report.copied += 1;
                report.copied_bytes += told.told_bytes.unwrap_or(0);
            }
        }
        Ok(())
    }
}
