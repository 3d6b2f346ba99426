//! One mailbox, from what is noted of it to the note at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use postrider_store::{Account, Mailbox, MailboxId, StoreError, Uid};
use tokio::io::{AsyncRead, AsyncWrite};

use super::bodies::Fetching;
use super::body::Keep;
use super::connection::ImapConnection;
use super::crew::Board;
use super::error::ImapError;
use super::flags::{FlagSet, KeywordRoom};
use super::following::{Following, place_of};
use super::keeping::{Keeping, unnoted};
use super::labels::KnownMessages;
use super::listing::{Changes, Describe, Described, Selected};
use super::mailboxes::RemoteMailbox;
use super::memory::{MailboxNote, Memory, Place, RemoteKey};
use super::options::{ImapMode, ImapPullOptions, Rehearsal};
use super::places::{find_place, make_place};
use super::recall::recall;
use super::rematch::rematch;
use super::report::{MailboxReport, Remark};
use super::room::{Reserved, Room};
use crate::counted::{agreeing, counted};
use crate::observer::Observer;

/// Messages that must agree before a mailbox is taken for one that was renamed.
const PROOF_MESSAGES_MAX: usize = 50;

/// Works through mailboxes, one after the other.
pub(crate) struct Worker<'a, S> {
    pub(crate) connection: &'a mut ImapConnection<S>,
    pub(crate) account: &'a Account,
    pub(crate) options: &'a ImapPullOptions,
    pub(crate) key: &'a RemoteKey,
    pub(crate) observer: &'a dyn Observer,
    /// Mailboxes that are noted and not there any more.
    pub(crate) gone: Vec<MailboxNote>,
    /// Mailboxes here that have their counterpart there.
    pub(crate) taken: BTreeSet<MailboxId>,
    /// Messages of a Gmail account that are here.
    pub(crate) known: KnownMessages,
    /// What is left of the account's quota, shared by all that fetch into it.
    pub(crate) room: &'a Room,
}

/// A mailbox there that is selected, and its place here.
pub(crate) struct Opened {
    selected: Selected,
    /// `None` only in a rehearsal.
    local: Option<Arc<Mailbox>>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin + Send> Worker<'a, S> {
    /// Selects a mailbox, unless that was done, and finds its place here.
    pub(crate) async fn open(
        &mut self,
        remote: &RemoteMailbox,
        selected: Option<Selected>,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<Opened, ImapError> {
        let selected = match selected {
            Some(selected) => selected,
            None => self.connection.examine(remote, memory).await?,
        };
        if memory.mailbox.is_none() {
            self.follow_rename(remote, &selected, memory, report).await?;
        }
        let local = self.place(remote, memory, report).await?;
        if let Some(mailbox) = &local {
            self.taken.insert(mailbox.id);
            report.local.clone_from(&mailbox.record.name);
        }
        Ok(Opened { selected, local })
    }

    /// Brings a mailbox up to date that is open.
    pub(crate) async fn bring(
        &mut self,
        remote: &RemoteMailbox,
        opened: Opened,
        mut memory: Memory,
        report: &mut MailboxReport,
        board: &Board,
    ) -> Result<(), ImapError> {
        let Opened { selected, local } = opened;
        let stored = memory.mailbox.clone();
        if let Some(mailbox) = &local {
            let note = note_of(remote, &selected, stored.as_ref(), mailbox);
            let before = memory.mailbox.replace(note).map_or(0, |note| note.uid_validity);
            self.follow_numbering(before, &selected, &mut memory, report).await?;
        }
        report.messages = selected.exists.into();
        let mut changes = self.connection.changes(&selected, &memory).await?;
        if !changes.is_whole {
            report.remarks.push(Remark::problem(
                "the server did not list all messages that it says there are; what it left out could not be fetched",
            ));
        }
        match local {
            Some(mailbox) => {
                self.take_back(&mut changes, &mut memory).await?;
                self.follow(&mailbox, &mut changes, &mut memory, report).await?;
                board.expect(changes.new.len() as u64);
                self.fetch_new(&mailbox, changes.new, &mut memory, report).await?;
                self.finish(&mailbox, &selected, stored.as_ref(), &mut memory, report).await
            }
            // Only a rehearsal has no mailbox to put them into.
            None => self.tell_new(&changes.new, report).await,
        }
    }

    /// A mailbox that is new there may be one that had another name: by its id (RFC 8474), because it has the
    /// UIDVALIDITY and the messages of one that is gone, or because it belongs into the same place here, as after a
    /// change of the server's prefix.
    pub(crate) async fn follow_rename(
        &mut self,
        remote: &RemoteMailbox,
        selected: &Selected,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        let (found, numbers_last) = self.former(remote, selected).await?;
        let Some(position) = found else { return Ok(()) };
        let before = self.gone.remove(position);
        let name = &before.name;
        let mut old = Memory::read(self.account, self.key.place(name)).await?;
        report.remarks.push(Remark::notice(format!("it was called {name:?} before")));
        let mut notes = old.forgetting();
        if let Some(note) = &mut old.mailbox {
            note.name.clone_from(&remote.name);
            if !numbers_last {
                note.uid_validity = 0;
            }
        }
        *memory = Memory { place: memory.place.clone(), ..old };
        notes.extend(memory.writing());
        if self.options.rehearsal == Rehearsal::Dry {
            return Ok(());
        }
        self.account.write_notes(notes).await?;
        if remote.special_use.is_none()
            && self.account.state().find(&remote.local).is_none()
            && let Err(error) = self.account.rename_mailbox(before.local, &remote.local).await
        {
            report.remarks.push(Remark::notice(format!("the mailbox here keeps its name: {error}")));
        }
        Ok(())
    }

    /// Where among the mailboxes that are gone this one is, and whether its UIDs are the same.
    async fn former(
        &mut self,
        remote: &RemoteMailbox,
        selected: &Selected,
    ) -> Result<(Option<usize>, bool), ImapError> {
        let by_id = |note: &MailboxNote| !note.mailbox_id.is_empty() && note.mailbox_id == selected.mailbox_id;
        if let Some(found) = self.gone.iter().position(by_id) {
            return Ok((Some(found), true));
        }
        for position in 0..self.gone.len() {
            let Some(note) = self.gone.get(position) else { break };
            if note.uid_validity == 0 || note.uid_validity != selected.uid_validity {
                continue;
            }
            let old = Memory::read(self.account, self.key.place(&note.name)).await?;
            if self.has_messages_of(&old).await? {
                return Ok((Some(position), true));
            }
        }
        let place = find_place(self.account, remote, &self.taken);
        Ok((self.gone.iter().position(|note| Some(note.local) == place), false))
    }

    /// Whether the mailbox that is selected has the messages that are noted, as far as a sample tells.
    async fn has_messages_of(&mut self, old: &Memory) -> Result<bool, ImapError> {
        let uids: Vec<u32> = old.messages.keys().copied().take(PROOF_MESSAGES_MAX).collect();
        if uids.is_empty() {
            return Ok(false);
        }
        let described = self.connection.describe(&uids, Describe::WithMessageId).await?;
        let agrees = |told: &Described| {
            old.messages.get(&told.uid).is_some_and(|note| {
                told.told_bytes == Some(note.told_bytes)
                    && told.received == Some(note.received)
                    && told.message_id == note.message_id
            })
        };
        Ok(!described.is_empty() && described.values().all(agrees))
    }

    /// The mailbox here: the one that is noted, wherever it is now, or a new one. `None` only in a rehearsal.
    async fn place(
        &mut self,
        remote: &RemoteMailbox,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<Option<Arc<Mailbox>>, ImapError> {
        if let Some(mailbox) = recall(self.account, memory, self.options.rehearsal).await? {
            return Ok(Some(mailbox));
        }
        let is_real = self.options.rehearsal == Rehearsal::Real;
        if memory.mailbox.is_some() {
            report.remarks.push(Remark::notice("the mailbox here is gone: its messages are fetched anew"));
            if is_real {
                self.account.write_notes(memory.forgetting()).await?;
            }
            memory.mailbox = None;
            memory.messages.clear();
            memory.orphans.clear();
        }
        let id = match find_place(self.account, remote, &self.taken) {
            Some(id) => id,
            None if is_real => make_place(self.account, remote, &self.taken).await?,
            None => return Ok(None),
        };
        Ok(Some(self.account.mailbox(id).await?))
    }

    /// Messages are known again where the server has numbered them anew.
    pub(crate) async fn follow_numbering(
        &mut self,
        before: u32,
        selected: &Selected,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        let lasts = selected.uid_validity != 0 && before == selected.uid_validity && !selected.is_set_back;
        if lasts {
            return Ok(());
        }
        if memory.messages.is_empty() && memory.orphans.is_empty() {
            if let Some(mailbox) = &mut memory.mailbox {
                mailbox.uid_validity = selected.uid_validity;
                mailbox.modseq = 0;
            }
            return Ok(());
        }
        let noted = memory.messages.len() + memory.orphans.len();
        let (notes, recognised) = rematch(self.connection, memory, selected.uid_validity, self.options).await?;
        report.recognised += recognised;
        report.remarks.push(Remark::notice(format!(
            "the server numbered the mailbox anew: {recognised} of {} recognised by size, date and Message-ID",
            counted(noted, "message")
        )));
        if self.options.rehearsal == Rehearsal::Real {
            self.account.write_notes(notes).await?;
        }
        Ok(())
    }

    /// Messages that had been taken for vanished and are there again.
    pub(crate) async fn take_back(&mut self, changes: &mut Changes, memory: &mut Memory) -> Result<(), ImapError> {
        let mut notes = Vec::new();
        changes.new.retain(|uid| match memory.messages.get_mut(uid).filter(|note| note.is_gone) {
            Some(note) => {
                note.is_gone = false;
                notes.push(memory.place.message(*uid, Some(note)));
                false
            }
            None => true,
        });
        if !notes.is_empty() && self.options.rehearsal == Rehearsal::Real {
            self.account.write_notes(notes).await?;
        }
        Ok(())
    }

    async fn follow(
        &mut self,
        mailbox: &Mailbox,
        changes: &mut Changes,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        let mut keywords = KeywordRoom::new(&mailbox.record.keywords);
        let (account, options) = (self.account, self.options);
        let mut following = Following { account, options, mailbox: mailbox.id, memory, report };
        following.flags(&changes.flags, &mut keywords).await?;
        self.known
            .hold(&self.connection.labels, account, self.key, following.memory, &changes.vanished, options)
            .await?;
        following.vanished(&changes.vanished).await?;
        keywords.tell_left_out(report);
        if self.options.mode == ImapMode::Mirror {
            // What was removed here and is still there comes again: the copy is exact.
            let messages = mailbox.messages().ok_or(StoreError::NoMailbox)?;
            let lost = memory.messages.iter().filter(|(_, note)| !note.is_gone && place_of(messages, note).is_none());
            changes.new.extend(lost.map(|(&uid, _)| uid));
            changes.new.sort_unstable();
            changes.new.dedup();
        }
        Ok(())
    }

    async fn fetch_new(
        &mut self,
        mailbox: &Mailbox,
        new: Vec<u32>,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        if self.options.rehearsal == Rehearsal::Dry {
            return self.tell_new(&new, report).await;
        }
        let told = self.fetch(mailbox, &new, memory, report).await?;
        if told.is_empty() {
            return Ok(());
        }
        let mut keywords = KeywordRoom::new(&mailbox.record.keywords);
        let (account, options) = (self.account, self.options);
        Following { account, options, mailbox: mailbox.id, memory, report }.flags(&told, &mut keywords).await
    }

    /// Fetches messages and keeps them. Answers the flags there of those that were recognised by their content.
    pub(crate) async fn fetch(
        &mut self,
        mailbox: &Mailbox,
        new: &[u32],
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<BTreeMap<u32, FlagSet>, ImapError> {
        if new.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut keeping = Keeping {
            account: self.account,
            observer: self.observer,
            mode: self.options.mode,
            mailbox: mailbox.id,
            memory,
            report,
            keywords: KeywordRoom::new(&mailbox.record.keywords),
            unnoted: BTreeMap::new(),
            flags_of_recognised: BTreeMap::new(),
            text_hashes: BTreeMap::new(),
            odd_sizes: 0,
            now: unix_now(),
            total: new.len() as u64,
        };
        keeping.unnoted = unnoted(mailbox, keeping.memory);
        let mut missing = Vec::new();
        for uids in new.chunks(self.options.described_messages_max.max(1) as usize) {
            let described = self.connection.describe_with_care(uids, Describe::Plainly, &keeping.memory.place).await?;
            let (wanted, _reserved) = self.fetchable(uids, described, &mut keeping).await;
            let labels = &self.connection.labels;
            let wanted = self.known.take_known(labels, self.key, wanted, &mut keeping, self.options).await?;
            let keep = Keep::Whole { bytes_max: self.options.message_bytes_max };
            let (connection, options) = (&mut *self.connection, self.options);
            let place = keeping.memory.place.clone();
            let mut fetching = Fetching { connection, options, place, keep, taker: &mut keeping, held: Vec::new() };
            missing.extend(fetching.fetch(wanted).await?);
            let labels = &self.connection.labels;
            self.known.remember(labels, self.account, self.key, keeping.memory, uids).await?;
        }
        keeping.finish();
        let told = keeping.flags_of_recognised;
        self.tell_missing(&missing, &memory.place, report).await?;
        Ok(told)
    }

    /// Those messages that may be fetched.
    async fn fetchable(
        &mut self,
        uids: &[u32],
        mut described: BTreeMap<u32, Described>,
        keeping: &mut Keeping<'_>,
    ) -> (Vec<Described>, Option<Reserved<'a>>) {
        let (account, room, message_bytes_max) = (self.account, self.room, self.options.message_bytes_max);
        let sizes = described.values().filter_map(|told| told.told_bytes).filter(|size| *size <= message_bytes_max);
        let all_bytes = sizes.fold(0, u64::saturating_add);
        let reserved = match self.options.account_bytes_max {
            None => None,
            Some(max) => {
                let free = || max.saturating_sub(account.state().bytes_used());
                Some(room.reserve(all_bytes, free).await)
            }
        };
        let room = reserved.as_ref().map(Reserved::bytes);
        let (mut wanted, mut bytes, mut left) = (Vec::with_capacity(uids.len()), 0u64, 0u64);
        for uid in uids {
            // One that is not described may be gone by now, or left out: it is asked for all the same.
            let told = described.remove(uid).unwrap_or_else(|| Described::unknown(*uid));
            let size = told.told_bytes.unwrap_or(0);
            if size > message_bytes_max {
                keeping.remark_too_large(*uid, size);
            } else if room.is_some_and(|room| bytes.saturating_add(size) > room) {
                left += 1;
            } else {
                bytes = bytes.saturating_add(size);
                wanted.push(told);
            }
        }
        if left > 0 {
            keeping.report.remarks.push(Remark::problem(format!(
                "{} {} not fetched: the account's quota leaves no room for {}",
                counted(left, "message"),
                agreeing(left, "was", "were"),
                agreeing(left, "it", "them")
            )));
        }
        (wanted, reserved)
    }

    /// Messages that the server did not give: are they gone, or does it keep them back?
    async fn tell_missing(
        &mut self,
        missing: &[Described],
        place: &Place,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        if missing.is_empty() {
            return Ok(());
        }
        let present = self.connection.search_all().await?;
        for uid in missing.iter().map(|message| message.uid).filter(|uid| present.contains(uid)) {
            let reason = match self.connection.suspects.is_left_out(place, uid) {
                true => "the connection broke each time it was asked for; the next run asks again",
                false => "the server lists it, but does not give its content",
            };
            report.remarks.push(Remark::problem(format!("message UID {uid} was not fetched: {reason}")));
        }
        Ok(())
    }

    /// A rehearsal: what would be fetched.
    pub(crate) async fn tell_new(&mut self, new: &[u32], report: &mut MailboxReport) -> Result<(), ImapError> {
        for uids in new.chunks(self.options.described_messages_max.max(1) as usize) {
            for told in self.connection.describe(uids, Describe::Plainly).await?.into_values() {
                report.fetched += 1;
                report.fetched_bytes += told.told_bytes.unwrap_or(0);
            }
        }
        Ok(())
    }

    /// Notes how far everything was followed.
    async fn finish(
        &mut self,
        mailbox: &Mailbox,
        selected: &Selected,
        stored: Option<&MailboxNote>,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        if report.remarks.iter().all(|remark| remark.weight == super::report::Weight::Notice) {
            let (account, options) = (self.account, self.options);
            Following { account, options, mailbox: mailbox.id, memory, report }.orphans().await?;
        }
        if self.options.rehearsal == Rehearsal::Dry {
            return Ok(());
        }
        let next = self.account.state().mailbox(mailbox.id).map_or(Uid(1), |mailbox| mailbox.record.uid_next);
        if let Some(note) = &mut memory.mailbox {
            note.modseq = selected.modseq;
            // Mail that others deliver here is no reason to write.
            if stored.is_none_or(|stored| stored.certain_before < note.certain_before) || report.fetched > 0 {
                note.certain_before = next;
            }
        }
        if memory.mailbox.as_ref() != stored {
            self.account.write_notes(vec![memory.place.mailbox(memory.mailbox.as_ref())]).await?;
        }
        Ok(())
    }
}

impl Described {
    /// A message of which the server told nothing but that it is there.
    pub(crate) fn unknown(uid: u32) -> Self {
        Self { uid, told_bytes: None, received: None, flags: FlagSet::default(), message_id: 0 }
    }
}

/// The note as it stands while the mailbox is worked on.
pub(crate) fn note_of(
    remote: &RemoteMailbox,
    selected: &Selected,
    stored: Option<&MailboxNote>,
    mailbox: &Mailbox,
) -> MailboxNote {
    let stored = stored.filter(|stored| stored.local == mailbox.id);
    MailboxNote {
        name: remote.name.clone(),
        uid_validity: stored.map_or(selected.uid_validity, |stored| stored.uid_validity),
        modseq: stored.map_or(0, |stored| stored.modseq),
        mailbox_id: selected.mailbox_id.clone(),
        local: mailbox.id,
        local_validity: mailbox.record.uid_validity,
        certain_before: stored.map_or(mailbox.record.uid_next, |stored| stored.certain_before),
        local_name: stored.map_or_else(String::new, |stored| stored.local_name.clone()),
        local_modseq: stored.map_or(0, |stored| stored.local_modseq),
    }
}

fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
