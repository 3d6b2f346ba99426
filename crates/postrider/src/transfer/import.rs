//! An import: from files into an account.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow};
use postrider_archive::{ArchiveError, Folder, Pop3UidlFormat, Position, ReadLimits, ReadOptions, Reader};
use postrider_store::{
    Account, Flag, Floors, INBOX, KEYWORD_BYTES_MAX, KEYWORDS_MAX, KeywordTable, Mailbox, MailboxId, MailboxOrigin,
    NewMessage, Note, SpecialUses, StoreError, Uid, UidValidity, own_unique_id,
};
use serde::{Deserialize, Serialize};
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};

use super::{
    GroupLimits, ImportWish, account_of,
    feed::{Feed, Group, Told},
    folders::{Target, targets},
    hints::{Who, explain, explain_store},
    ledger::{Doubles, Ledger, Tally},
    present::Present,
    uids::{Decisions, NewUids, Numbering, Run, Uids, decide},
};
use crate::{
    advice::{Advise, with_hint},
    control::{Administration, Progress, Reporter},
    storage::Storage,
};

/// How many single messages are told of; beyond that they are only counted.
const TOLD_MAX: usize = 100_000;

/// What an import found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// What the files are, in a sentence.
    pub found: String,
    /// Whether it was finished before, so that nothing was done.
    pub finished_before: bool,
    /// How many entries an earlier run had dealt with, where this one went on with it.
    pub continued_after: Option<u64>,
    /// Whether nothing was to be changed.
    pub dry_run: bool,
    /// What people should know of the files.
    pub notes: Vec<String>,
    /// Where each folder went.
    pub folders: Vec<FolderReport>,
    /// What was done, by all runs together.
    pub total: Tally,
    /// What is to be told of single messages, by this run.
    pub told: Vec<Told>,
    /// How many more there are.
    pub told_left_out: u64,
}

/// Where a folder went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderReport {
    /// Its name in the source.
    pub from: String,
    /// The mailbox.
    pub to: String,
    /// Whether the mailbox was made for it.
    pub created: bool,
    /// Messages imported by this run.
    pub messages: u64,
    /// Why its messages get new UIDs; they keep theirs if it does not say.
    pub new_uids: Option<NewUids>,
}

/// Imports what lies at a path.
pub async fn import(administration: &Administration, wish: &ImportWish, reporter: &Reporter) -> Result<ImportReport> {
    let Administration { storage, server, turns, .. } = administration;
    let (account, who) = (account_of(storage, &wish.account).await?, Who::of(server.as_ref()));
    let key = Ledger::key(&wish.path, wish.under.as_deref());
    let turn = turns.begin(&account, &format!("import {key}")).await?;
    let _turn = turn
        .ok_or_else(|| anyhow!("this import is under way already"))
        .advise("wait for the command that does it, or end that one first")?;
    let pop3_uidl_format = wish.pop3_uidl_format.parse::<Pop3UidlFormat>().advise(UIDL_FORMAT_HINT)?;
    let before = Ledger::read(&account, &key).await?;
    let run = match &before {
        None => Run::First,
        Some(_) if wish.again || wish.dry_run => Run::Again,
        Some(_) => Run::Resumed,
    };
    let decided = Decisions::read(&account, &key).await?;
    let earlier = before.filter(|_| !wish.again && !wish.dry_run);
    if let Some(ledger) = earlier.as_ref().filter(|ledger| ledger.finished) {
        return Ok(ImportReport { finished_before: true, total: ledger.tally.clone(), ..ImportReport::default() });
    }
    let doubles = if wish.again { Doubles::PassOver } else { Doubles::Take };
    let begun = earlier.as_ref().filter(|ledger| ledger.position.is_some());
    let continued_after = begun.map(|ledger| ledger.tally.entries());
    let ledger = earlier.unwrap_or_else(|| Ledger::new(&wish.path, doubles));
    let reader =
        open(storage, wish, pop3_uidl_format, ledger.position.clone()).await?.map_err(|error| explain(error, who))?;
    let found = reader.detection().sentence.clone();
    reporter.note(format!("found: {found}")).await;
    let targets = targets(reader.folders(), &account.state(), wish.under.as_deref(), storage.store.options());
    let mut import = Import {
        account,
        key,
        ledger,
        keeps: if wish.new_uids { Keeps::Nothing } else { Keeps::WhatCanBe },
        decisions: Decisions::default(),
        mailboxes: Vec::new(),
        present: HashMap::new(),
        report: ImportReport {
            found,
            continued_after,
            dry_run: wish.dry_run,
            notes: reader.notes().to_vec(),
            ..ImportReport::default()
        },
        // An mbox file does not tell how many messages it holds.
        entries_total: (reader.detection().format != postrider_archive::Format::Mbox)
            .then(|| u64::try_from(reader.detection().files).unwrap_or(0)),
        bytes_done: reader.bytes_done(),
        bytes_total: reader.detection().bytes,
    };
    import.decide(&reader, &targets, &decided, run);
    import.prepare_mailboxes(reader.folders(), &targets).await.map_err(explain_store)?;
    import.run(storage, reader, reporter, who).await.map_err(explain_store)
}

/// Opens the files, and goes to the position.
async fn open(
    storage: &Storage,
    wish: &ImportWish,
    pop3_uidl_format: Pop3UidlFormat,
    position: Option<String>,
) -> Result<Result<Reader, ArchiveError>> {
    let message_bytes_max = storage.store.options().message_bytes_max;
    let options = ReadOptions {
        format: wish.form.into(),
        limits: ReadLimits { message_bytes_max, ..ReadLimits::default() },
        pop3_uidl_format: Some(pop3_uidl_format),
        ..ReadOptions::default()
    };
    let path = wish.path.clone();
    let position: Option<Position> = match position {
        Some(text) => Some(text.parse().context("the note of an earlier import cannot be read")?),
        None => None,
    };
    let opening = spawn_blocking(move || {
        let mut reader = Reader::open(&path, &options)?;
        match position {
            Some(position) => reader.resume(&position).map(|()| reader),
            None => Ok(reader),
        }
    });
    opening.await.context("reading the files failed")
}

/// What a wrong format of unique-ids calls for.
const UIDL_FORMAT_HINT: &str = "give it as Dovecot's configuration has it: doveconf pop3_uidl_format";

/// Whether what names messages for mail programs is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    WhatCanBe,
    Nothing,
}

/// An import that is under way.
struct Import {
    account: Arc<Account>,
    /// The name of its note.
    key: String,
    ledger: Ledger,
    keeps: Keeps,
    decisions: Decisions,
    /// For each folder its mailbox; in a dry run there may be none yet.
    mailboxes: Vec<Option<MailboxId>>,
    present: HashMap<String, Present>,
    report: ImportReport,
    entries_total: Option<u64>,
    /// How much of the files was read.
    bytes_done: u64,
    bytes_total: Option<u64>,
}

impl Import {
    /// Decides for all folders whether they keep their UIDs.
    fn decide(&mut self, reader: &Reader, targets: &[Target], decided: &Decisions, run: Run) {
        let mut folders_of: BTreeMap<&str, u32> = BTreeMap::new();
        for target in targets {
            *folders_of.entry(&target.name).or_default() += 1;
        }
        let (state, mut kept) = (self.account.state(), BTreeSet::new());
        for at in inbox_first(targets) {
            let (Some(folder), Some(target)) = (reader.folders().get(at), targets.get(at)) else { continue };
            let name = target.name.as_str();
            let mut uids = if self.keeps == Keeps::Nothing {
                Uids::New(NewUids::AskedFor)
            } else if folders_of.get(name).is_some_and(|folders| *folders > 1) {
                Uids::New(NewUids::SeveralFolders)
            } else if folder.uid_validity.is_some() && !reader.uids_ascend(at) {
                Uids::New(NewUids::Unsorted)
            } else {
                decide(folder, name, &state, decided.get(name), run)
            };
            if uids.kept().is_some_and(|numbering| !kept.insert(numbering.uid_validity)) {
                uids = Uids::New(NewUids::UidValidityTaken);
            }
            self.decisions.set(name, uids);
        }
    }

    /// Finds or makes all mailboxes. What is meant to be done is noted before.
    async fn prepare_mailboxes(&mut self, folders: &[Folder], targets: &[Target]) -> Result<()> {
        if !self.report.dry_run {
            self.account.write_notes(self.notes()?).await?;
        }
        let decided = self.decisions.clone();
        let mut prepared = Vec::with_capacity(targets.len());
        for at in inbox_first(targets) {
            let (Some(folder), Some(target)) = (folders.get(at), targets.get(at)) else { continue };
            prepared.push((at, self.prepare_mailbox(folder, target).await?));
        }
        prepared.sort_by_key(|(at, _)| *at);
        (self.mailboxes, self.report.folders) = prepared.into_iter().map(|(_, prepared)| prepared).unzip();
        if self.decisions != decided && !self.report.dry_run {
            self.account.write_notes(self.notes()?).await?;
        }
        Ok(())
    }

    fn notes(&self) -> Result<Vec<Note>> {
        Ok(vec![self.ledger.note(&self.key)?, self.decisions.note(&self.key)?])
    }

    /// Finds or makes a folder's mailbox.
    async fn prepare_mailbox(&mut self, folder: &Folder, target: &Target) -> Result<(Option<MailboxId>, FolderReport)> {
        let known = self.account.state().find(&target.name).cloned();
        let created = known.is_none();
        let decided = self.decisions.get(&target.name).unwrap_or(Uids::New(NewUids::BegunBefore));
        let (id, uids) = match known {
            None if self.report.dry_run => (None, decided),
            known if self.report.dry_run => (known.map(|known| known.id), decided),
            known => {
                let (id, uids) = make(&self.account, target, known.as_deref(), decided).await?;
                (Some(id), uids)
            }
        };
        self.decisions.set(&target.name, uids);
        // What a mail program is not to show, nobody has told; what is new would else stay unseen.
        let subscribes = folder.subscribed.unwrap_or(created);
        if subscribes && !self.report.dry_run && !self.account.state().is_subscribed(&target.name) {
            self.account.subscribe(&target.name, true).await?;
        }
        let (from, to, new_uids) = (folder.name.join("/"), target.name.clone(), uids.new_because());
        Ok((id, FolderReport { from, to, created, messages: 0, new_uids }))
    }

    async fn run(mut self, storage: &Storage, reader: Reader, reporter: &Reporter, who: Who) -> Result<ImportReport> {
        let (mut groups, feeding) = self.start_feed(storage, reader);
        while let Some(group) = groups.recv().await {
            self.take(group.map_err(|error| explain(error, who))?).await?;
            reporter.progress(|| self.progress());
        }
        // A thread that broke down has read no end.
        feeding.await.context("reading the files failed")?;
        self.ledger.finished = true;
        if !self.report.dry_run {
            self.raise_uid_next().await?;
            self.account.write_notes(vec![self.ledger.note(&self.key)?]).await?;
        }
        self.report.total = self.ledger.tally;
        Ok(self.report)
    }

    fn start_feed(
        &self,
        storage: &Storage,
        reader: Reader,
    ) -> (mpsc::Receiver<Result<Group, ArchiveError>>, JoinHandle<()>) {
        let limits = GroupLimits::default();
        let (out, groups) = mpsc::channel(limits.waiting_max);
        let account = Arc::clone(&self.account);
        let (runtime, now) = (Handle::current(), storage.store.now());
        let message_bytes_max = storage.store.options().message_bytes_max;
        let feeding = spawn_blocking(move || {
            Feed { account: &account, runtime, now, message_bytes_max, limits, out }.run(reader);
        });
        (groups, feeding)
    }

    /// Stores a group, and with it the note of how far we are.
    async fn take(&mut self, group: Group) -> Result<()> {
        let Group { folder, mut messages, tally, told, position, bytes_done, .. } = group;
        self.bytes_done = bytes_done;
        let mut tally = tally;
        if self.ledger.doubles == Doubles::PassOver {
            messages = self.without_doubles(folder, messages, &mut tally).await?;
        }
        let mailbox = self.mailboxes.get(folder).copied().flatten();
        if let Some(mailbox) = mailbox.and_then(|id| self.account.state().mailbox(id).cloned()) {
            tally.keywords_lost = fit_keywords(&mut messages, &mailbox.record.keywords);
        }
        if self.keeps == Keeps::Nothing {
            messages.iter_mut().for_each(|message| message.unique_id = None);
        }
        let first_new = self.admit_uids(folder, mailbox, &mut messages);
        let count = u64::try_from(messages.len())?;
        tally.messages = count;
        tally.uids_kept = messages.iter().map(|message| u64::from(message.uid.is_some())).sum();
        tally.unique_ids_kept = messages.iter().map(|message| u64::from(message.unique_id.is_some())).sum();
        tally.bytes = messages.iter().map(|message| u64::try_from(message.raw.len()).unwrap_or(0)).sum();
        self.ledger.tally.add(&tally);
        self.ledger.position = Some(position.to_string());
        if let Some(report) = self.report.folders.get_mut(folder) {
            report.messages += count;
        }
        self.tell(told);
        if self.report.dry_run {
            return Ok(());
        }
        let notes = vec![self.ledger.note(&self.key)?];
        match (mailbox, count) {
            (_, 0) => self.account.write_notes(notes).await?,
            (Some(mailbox), _) => {
                let messages = self.append_before(folder, mailbox, messages, first_new).await?;
                self.append(mailbox, messages, notes).await?;
            }
            (None, _) => return Err(anyhow!("a message belongs to no folder of its files")),
        }
        Ok(())
    }

    /// What a folder that keeps its UIDs gave out.
    fn numbering(&self, folder: usize) -> Option<Numbering> {
        let report = self.report.folders.get(folder)?;
        self.decisions.get(&report.to)?.kept()
    }

    /// Takes away UIDs that are not kept. Answers how many messages come before the first that gets a new one.
    fn admit_uids(&self, folder: usize, mailbox: Option<MailboxId>, messages: &mut [NewMessage]) -> usize {
        let Some(numbering) = self.numbering(folder) else {
            messages.iter_mut().for_each(|message| message.uid = None);
            return messages.len();
        };
        let state = self.account.state();
        let next = match mailbox.and_then(|id| state.mailbox(id)) {
            Some(found) if found.record.uid_validity.0 == numbering.uid_validity => found.record.uid_next,
            // In a dry run, of one that is to be made.
            _ => Uid(1),
        };
        numbering.admit(next.0, messages)
    }

    /// Appends what comes before the first message with a new UID, where that one would get a UID that the source gave out:
    /// in a mailbox that was made when the source had not come so far. Answers the rest. That is no commit with the
    /// rest, but such a run passes over what is there.
    async fn append_before(
        &mut self,
        folder: usize,
        mailbox: MailboxId,
        mut messages: Vec<NewMessage>,
        first_new: usize,
    ) -> Result<Vec<NewMessage>> {
        let Some(numbering) = self.numbering(folder).filter(|_| first_new < messages.len()) else {
            return Ok(messages);
        };
        let state = self.account.state();
        let is_safe = |found: &Mailbox| found.record.uid_next.max(found.record.uid_floor).0 >= numbering.uid_next;
        if self.ledger.doubles == Doubles::Take || state.mailbox(mailbox).is_none_or(|found| is_safe(found)) {
            return Ok(messages);
        }
        let rest = messages.split_off(first_new);
        if !messages.is_empty() {
            self.append(mailbox, messages, Vec::new()).await?;
        }
        let uid_next = vec![(mailbox, Uid(numbering.uid_next))];
        self.account.raise(Floors { uid_next, ..Floors::default() }).await?;
        Ok(rest)
    }

    /// Appends messages, and corrects the count of what they kept; it was noted before it was known.
    async fn append(&mut self, mailbox: MailboxId, messages: Vec<NewMessage>, notes: Vec<Note>) -> Result<()> {
        let uids_wished: u64 = messages.iter().map(|message| u64::from(message.uid.is_some())).sum();
        let unique_ids: Vec<Option<String>> = messages.iter().map(|message| message.unique_id.clone()).collect();
        let appended = self.account.append_noting(mailbox, messages, notes).await?;
        // One that is made of what names the message here, too, is not noted.
        let own = |uid| own_unique_id(self.account.id(), appended.uid_validity, uid);
        let named = unique_ids.iter().zip(appended.uids.iter());
        let kept_as_own = named.filter(|(wished, uid)| wished.as_deref().is_some_and(|wished| wished == own(*uid)));
        let unique_ids_kept = u64::from(appended.unique_ids_kept) + u64::try_from(kept_as_own.count())?;
        let unique_ids_wished = u64::try_from(unique_ids.iter().flatten().count())?;
        let tally = &mut self.ledger.tally;
        tally.uids_kept = tally.uids_kept.saturating_sub(uids_wished.saturating_sub(appended.uids_kept.into()));
        tally.unique_ids_kept = tally.unique_ids_kept.saturating_sub(unique_ids_wished.saturating_sub(unique_ids_kept));
        Ok(())
    }

    /// No message that comes later gets a UID that the source gave out.
    async fn raise_uid_next(&self) -> Result<()> {
        let state = self.account.state();
        let kept = self.report.folders.iter().filter_map(|report| {
            let numbering = self.decisions.get(&report.to)?.kept()?;
            let mailbox = state.find(&report.to)?;
            let is_ours = mailbox.record.uid_validity == UidValidity(numbering.uid_validity);
            is_ours.then_some((mailbox.id, Uid(numbering.uid_next)))
        });
        let uid_next: Vec<_> = kept.collect();
        match uid_next.is_empty() {
            true => Ok(()),
            false => Ok(self.account.raise(Floors { uid_next, ..Floors::default() }).await?),
        }
    }

    fn tell(&mut self, told: Vec<Told>) {
        let room = TOLD_MAX.saturating_sub(self.report.told.len());
        self.report.told_left_out += u64::try_from(told.len().saturating_sub(room)).unwrap_or(0);
        self.report.told.extend(told.into_iter().take(room));
    }

    /// The messages whose content is not in the mailbox yet.
    async fn without_doubles(
        &mut self,
        folder: usize,
        messages: Vec<NewMessage>,
        tally: &mut Tally,
    ) -> Result<Vec<NewMessage>> {
        let name = self.report.folders.get(folder).map(|report| report.to.clone()).unwrap_or_default();
        if !self.present.contains_key(&name) {
            let present = match self.mailboxes.get(folder).copied().flatten() {
                Some(id) => Present::of(&*self.account.mailbox(id).await?),
                None => Present::default(),
            };
            self.present.insert(name.clone(), present);
        }
        let Some(present) = self.present.get_mut(&name) else { return Ok(messages) };
        let mut new = Vec::with_capacity(messages.len());
        for message in messages {
            match present.insert(&self.account, &message.raw).await? {
                true => tally.present += 1,
                false => new.push(message),
            }
        }
        Ok(new)
    }

    fn progress(&self) -> Progress {
        let tally = &self.ledger.tally;
        Progress {
            doing: if self.report.dry_run { "reading" } else { "importing" }.to_owned(),
            messages: tally.entries(),
            messages_total: self.entries_total,
            bytes: self.bytes_done,
            bytes_total: self.bytes_total,
        }
    }
}

/// The places of targets, that of INBOX in front: where folders have the same UIDVALIDITY the first keeps it, and INBOX has
/// the most to lose.
fn inbox_first(targets: &[Target]) -> Vec<usize> {
    let (mut order, others): (Vec<_>, Vec<_>) =
        targets.iter().enumerate().partition(|(_, target)| target.name == INBOX);
    order.extend(others);
    order.into_iter().map(|(at, _)| at).collect()
}

/// Finds or makes a mailbox, and tells whether it keeps its UIDs in the end.
async fn make(account: &Account, target: &Target, known: Option<&Mailbox>, decided: Uids) -> Result<(MailboxId, Uids)> {
    let mut uids = decided;
    if let (Uids::Kept(numbering), Some(mailbox)) = (decided, known) {
        if mailbox.record.uid_validity.0 == numbering.uid_validity {
            return Ok((mailbox.id, decided));
        }
        // Somebody used it since it was decided.
        if mailbox.record.counts.messages > 0 {
            uids = Uids::New(NewUids::HasMessages);
        }
    }
    let origin = match (uids, known) {
        (Uids::New(_), Some(mailbox)) => return Ok((mailbox.id, uids)),
        (Uids::New(_), None) => MailboxOrigin::default(),
        (Uids::Kept(numbering), _) => numbering.origin(),
    };
    // What is replaced is for what it was.
    let special_use = target.special_use.filter(|_| known.is_none());
    match account
        .create_mailbox_from(&target.name, special_use.map_or(SpecialUses::NONE, SpecialUses::from), origin)
        .await
    {
        Ok(made) if made.uid_validity_kept || uids.kept().is_none() => Ok((made.id, uids)),
        Ok(made) => Ok((made.id, Uids::New(NewUids::UidValidityTaken))),
        // Somebody was faster.
        Err(StoreError::MailboxExists) => {
            let found = account.state().find(&target.name).map(|mailbox| mailbox.id).ok_or(StoreError::NoMailbox)?;
            Ok((found, Uids::New(uids.new_because().unwrap_or(NewUids::HasMessages))))
        }
        Err(error) => {
            let error = anyhow::Error::from(error).context(format!("cannot make the mailbox {}", target.name));
            Err(with_hint(error, "choose another place with --under; nothing of this folder was imported"))
        }
    }
}

/// Takes away keywords beyond those that the mailbox can hold; answers how many messages lost one.
fn fit_keywords(messages: &mut [NewMessage], known: &KeywordTable) -> u64 {
    let mut added: Vec<String> = Vec::new();
    let mut lost = 0;
    for message in messages {
        let before = message.flags.len();
        message.flags.retain(|flag| {
            let Flag::Keyword(name) = flag else { return true };
            if known.position(name).is_some() || added.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                return true;
            }
            let fits = name.len() <= KEYWORD_BYTES_MAX && known.names().len() + added.len() < KEYWORDS_MAX;
            if fits {
                added.push(name.clone());
            }
            fits
        });
        lost += u64::from(message.flags.len() < before);
    }
    lost
}
