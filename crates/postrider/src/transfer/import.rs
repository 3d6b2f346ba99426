//! An import: from files into an account.

use std::{collections::HashMap, sync::Arc};

use anyhow::{Context, Result, anyhow};
use postrider_archive::{ArchiveError, Folder, Position, ReadLimits, ReadOptions, Reader};
use postrider_store::{
    Account, Flag, KEYWORD_BYTES_MAX, KEYWORDS_MAX, KeywordTable, MailboxId, NewMessage, SpecialUses, StoreError,
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
    hints::{Who, explain},
    ledger::{Doubles, Ledger, Tally},
    present::Present,
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
    let earlier = Ledger::read(&account, &key).await?.filter(|_| !wish.again && !wish.dry_run);
    if let Some(ledger) = earlier.as_ref().filter(|ledger| ledger.finished) {
        return Ok(ImportReport { finished_before: true, total: ledger.tally.clone(), ..ImportReport::default() });
    }
    let doubles = if wish.again { Doubles::PassOver } else { Doubles::Take };
    let continued_after = earlier.as_ref().map(|ledger| ledger.tally.entries());
    let ledger = earlier.unwrap_or_else(|| Ledger::new(&wish.path, doubles));
    let reader = open(storage, wish, ledger.position.clone()).await?.map_err(|error| explain(error, who))?;
    let found = reader.detection().sentence.clone();
    reporter.note(format!("found: {found}")).await;
    let targets = targets(reader.folders(), &account.state(), wish.under.as_deref(), storage.store.options());
    let mut import = Import {
        account,
        key,
        ledger,
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
    };
    for (folder, target) in reader.folders().iter().zip(targets) {
        import.prepare_mailbox(folder, target).await?;
    }
    import.run(storage, reader, reporter, who).await
}

/// Opens the files, and goes to the position.
async fn open(storage: &Storage, wish: &ImportWish, position: Option<String>) -> Result<Result<Reader, ArchiveError>> {
    let message_bytes_max = storage.store.options().message_bytes_max;
    let options = ReadOptions {
        format: wish.form.into(),
        limits: ReadLimits { message_bytes_max, ..ReadLimits::default() },
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

/// An import that is under way.
struct Import {
    account: Arc<Account>,
    /// The name of its note.
    key: String,
    ledger: Ledger,
    /// For each folder its mailbox; in a dry run there may be none yet.
    mailboxes: Vec<Option<MailboxId>>,
    present: HashMap<String, Present>,
    report: ImportReport,
    entries_total: Option<u64>,
}

impl Import {
    /// Finds or makes a folder's mailbox.
    async fn prepare_mailbox(&mut self, folder: &Folder, target: Target) -> Result<()> {
        let known = self.account.state().find(&target.name).map(|mailbox| mailbox.id);
        let created = known.is_none();
        let id = match known {
            None if !self.report.dry_run => Some(create(&self.account, &target).await?),
            known => known,
        };
        // What a mail program is not to show, nobody has told; what is new would else stay unseen.
        let subscribes = folder.subscribed.unwrap_or(created);
        if subscribes && !self.report.dry_run && !self.account.state().is_subscribed(&target.name) {
            self.account.subscribe(&target.name, true).await?;
        }
        self.mailboxes.push(id);
        let from = folder.name.join("/");
        self.report.folders.push(FolderReport { from, to: target.name, created, messages: 0 });
        Ok(())
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
        let Group { folder, mut messages, tally, told, position, .. } = group;
        let mut tally = tally;
        if self.ledger.doubles == Doubles::PassOver {
            messages = self.without_doubles(folder, messages, &mut tally).await?;
        }
        let mailbox = self.mailboxes.get(folder).copied().flatten();
        if let Some(mailbox) = mailbox.and_then(|id| self.account.state().mailbox(id).cloned()) {
            tally.keywords_lost = fit_keywords(&mut messages, &mailbox.record.keywords);
        }
        let count = u64::try_from(messages.len())?;
        tally.messages = count;
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
            (Some(mailbox), _) => drop(self.account.append_noting(mailbox, messages, notes).await?),
            (None, _) => return Err(anyhow!("a message belongs to no folder of its files")),
        }
        Ok(())
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
            bytes: tally.bytes,
            bytes_total: None,
        }
    }
}

async fn create(account: &Account, target: &Target) -> Result<MailboxId> {
    let uses = target.special_use.map_or(SpecialUses::NONE, SpecialUses::from);
    match account.create_mailbox(&target.name, uses).await {
        Ok(id) => Ok(id),
        // Somebody was faster.
        Err(StoreError::MailboxExists) => {
            account.state().find(&target.name).map(|mailbox| mailbox.id).ok_or_else(|| StoreError::NoMailbox.into())
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
