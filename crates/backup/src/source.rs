//! A moment of the store as a tree of files.
//!
//! The library asks for the entries one after the other, on threads of its own, and opens those that it wants to read. Entries
//! come depth first, those of a folder in the order of their names' bytes: only so does the library find each in the snapshot
//! before. Nothing is kept but the rows of the mailboxes on the way down and the entries of one range; bodies are read piece by piece.

mod content;
mod folder;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use postrider_store::{AccountId, AccountState, Entry, Mailbox, Moment, Snapshot, StoreError, Uid};
use rustic_core::{
    ReadSource, ReadSourceEntry, RusticResult,
    jiff::Timestamp,
    repofile::{Metadata, Node, NodeType},
};
use tokio::runtime::Handle;

use crate::{
    error::{BackupError, Place},
    gate::Ledger,
    layout::{self, Stamp},
    manifest::{self, Head, MailboxFile, MessageLine, MessagesHead},
    observer::{Cancel, Observer, Phase, Progress},
};

pub(crate) use content::Content;
use content::{Body, Notes, measure_notes};
use folder::Folder;

/// An account to be saved.
pub(crate) struct SourceAccount {
    pub(crate) id: AccountId,
    pub(crate) address: Arc<str>,
    /// Files that lie in its folder, beside mailboxes: name and content.
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
    pub(crate) state: Arc<AccountState>,
}

/// What everybody who reads has in common.
pub(crate) struct Shared {
    pub(crate) moment: Arc<Moment>,
    pub(crate) handle: Handle,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) cancel: Cancel,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) counters: Counters,
    pub(crate) messages_total: u64,
}

/// What was done so far.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) mailboxes: AtomicU64,
    pub(crate) messages: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) bodies_read: AtomicU64,
    pub(crate) bytes_read: AtomicU64,
}

impl Shared {
    /// Whether there is no use in going on.
    pub(crate) fn is_over(&self) -> bool {
        if self.cancel.is_cancelled() {
            self.ledger.fail(BackupError::Cancelled);
        }
        self.ledger.has_failed()
    }

    pub(crate) fn tell(&self) {
        self.observer.progress(Progress {
            phase: Phase::Saving,
            messages: self.counters.messages.load(Ordering::Relaxed),
            messages_total: Some(self.messages_total),
            bytes: self.counters.bytes_read.load(Ordering::Relaxed),
        });
    }
}

/// Accounts' mail at one moment, as files.
pub(crate) struct MailSource {
    pub(crate) shared: Arc<Shared>,
    pub(crate) accounts: Arc<Vec<SourceAccount>>,
}

impl ReadSource for MailSource {
    type Open = Content;
    type Iter = Entries;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Entries {
        let mut entries =
            Entries { shared: Arc::clone(&self.shared), accounts: Arc::clone(&self.accounts), steps: Vec::new() };
        entries.begin();
        entries
    }
}

/// Something on the way through the tree that is still to be done.
enum Step {
    /// An entry that is known in full.
    Ready(Box<ReadSourceEntry<Content>>),
    /// An account's folder.
    Account { path: PathBuf, account: usize },
    /// A mailbox's folder, or one that only has others below it.
    Folder { path: PathBuf, account: usize, folder: Folder },
    /// A folder of messages.
    Range { path: PathBuf, account: usize, mailbox: Arc<OpenMailbox>, rows: (u32, u32) },
}

/// A mailbox on whose messages the walk is.
struct OpenMailbox {
    mailbox: Arc<Mailbox>,
    messages: Snapshot,
    /// The unique-ids that messages brought from other POP3 servers.
    unique_ids: BTreeMap<Uid, String>,
}

/// Walks through the tree.
pub(crate) struct Entries {
    shared: Arc<Shared>,
    accounts: Arc<Vec<SourceAccount>>,
    /// What is to be done, the next step last.
    steps: Vec<Step>,
}

impl Iterator for Entries {
    type Item = RusticResult<ReadSourceEntry<Content>>;

    fn next(&mut self) -> Option<Self::Item> {
        // After a failure there will be no snapshot, whatever else were read.
        while !self.shared.is_over() {
            let step = self.steps.pop()?;
            match self.take_step(step) {
                Ok(entry) => return Some(Ok(entry)),
                Err(error) => self.shared.ledger.fail(error),
            }
        }
        None
    }
}

impl Entries {
    fn begin(&mut self) {
        let mut steps = Vec::new();
        let head = Head::new(manifest::LAYOUT_FORMAT);
        match json_file(&head).map_err(|reason| self.source_error(Place::default(), reason)) {
            Ok(content) => {
                steps.push((String::from(layout::LAYOUT_FILE), file(layout::LAYOUT_FILE.into(), content, 0)))
            }
            Err(error) => self.shared.ledger.fail(error),
        }
        for (account, source) in self.accounts.iter().enumerate() {
            let name = layout::encode_level(&source.address);
            steps.push((name.clone(), Step::Account { path: name.into(), account }));
        }
        self.push_sorted(steps);
    }

    /// Puts steps on the pile so that the one whose name comes first is done first.
    fn push_sorted(&mut self, mut steps: Vec<(String, Step)>) {
        steps.sort_by(|(a, _), (b, _)| b.as_bytes().cmp(a.as_bytes()));
        self.steps.extend(steps.into_iter().map(|(_, step)| step));
    }

    fn take_step(&mut self, step: Step) -> Result<ReadSourceEntry<Content>, BackupError> {
        match step {
            Step::Ready(entry) => Ok(*entry),
            Step::Account { path, account } => self.enter_account(path, account),
            Step::Folder { path, account, folder } => self.enter_folder(path, account, folder),
            Step::Range { path, account, mailbox, rows } => self.enter_range(path, account, &mailbox, rows),
        }
    }

    fn account(&self, account: usize) -> Result<&SourceAccount, BackupError> {
        self.accounts.get(account).ok_or_else(|| BackupError::Ended(String::from("an account is not in the list")))
    }

    fn enter_account(&mut self, path: PathBuf, account: usize) -> Result<ReadSourceEntry<Content>, BackupError> {
        let source = self.account(account)?;
        let mut steps: Vec<(String, Step)> = source
            .files
            .iter()
            .map(|(name, content)| ((*name).to_owned(), file(path.join(name), content.clone(), 0)))
            .collect();
        let notes = measure_notes(&self.shared, source.id, &source.address)?;
        if let Some((size, hash)) = notes {
            let (shared, address) = (Arc::clone(&self.shared), Arc::clone(&source.address));
            let notes = Content::Notes(Notes { shared, account: source.id, address, size });
            let entry = file_entry(path.join(layout::NOTES_FILE), size, Stamp::new(&hash, 0), notes);
            steps.push((layout::NOTES_FILE.to_owned(), Step::Ready(Box::new(entry))));
        }
        for (name, folder) in Folder::tree(&source.state) {
            steps.push((name.clone(), Step::Folder { path: path.join(&name), account, folder }));
        }
        self.push_sorted(steps);
        Ok(directory_entry(path, 0))
    }

    fn enter_folder(
        &mut self,
        path: PathBuf,
        account: usize,
        folder: Folder,
    ) -> Result<ReadSourceEntry<Content>, BackupError> {
        let mut steps = Vec::new();
        let mut newest = 0;
        if let Some(mailbox) = folder.mailbox {
            let source = self.account(account)?;
            let name = &mailbox.record.name;
            let place = || Place::mailbox(&source.address, name);
            let messages = self.wait(&place, self.shared.moment.messages(source.id, mailbox.id))?;
            let is_subscribed = source.state.is_subscribed(name);
            let head = json_file(&mailbox_file(&mailbox, &messages, is_subscribed))
                .map_err(|reason| self.source_error(place(), reason))?;
            steps.push((layout::MAILBOX_FILE.to_owned(), file(path.join(layout::MAILBOX_FILE), head, 0)));
            let unique_ids = match mailbox.record.unique_ids {
                0 => BTreeMap::new(),
                _ => self.wait(&place, self.shared.moment.unique_ids(source.id, mailbox.id))?,
            };
            let open = Arc::new(OpenMailbox { mailbox, messages, unique_ids });
            for (first, rows) in folder::ranges(&open.messages) {
                let name = layout::range_folder(first);
                let (path, mailbox) = (path.join(&name), Arc::clone(&open));
                steps.push((name, Step::Range { path, account, mailbox, rows }));
            }
            newest = open.messages.iter().map(|entry| entry.saved).max().unwrap_or(0);
            self.shared.counters.mailboxes.fetch_add(1, Ordering::Relaxed);
        }
        for (name, folder) in folder.below {
            steps.push((name.clone(), Step::Folder { path: path.join(&name), account, folder }));
        }
        self.push_sorted(steps);
        Ok(directory_entry(path, newest))
    }

    fn enter_range(
        &mut self,
        path: PathBuf,
        account: usize,
        open: &OpenMailbox,
        (low, high): (u32, u32),
    ) -> Result<ReadSourceEntry<Content>, BackupError> {
        let rows: Vec<Entry> = open.messages.range(low, high).map(|(_, entry)| *entry).collect();
        let lines = self.describe(account, open, &rows)?;
        let mailbox = &open.mailbox;
        let source = self.account(account)?;
        let mut manifest = Vec::with_capacity(rows.len() * 280);
        let uid_validity = mailbox.record.uid_validity.0;
        let head =
            MessagesHead { head: Head::new(manifest::MESSAGES_FORMAT), uid_validity, messages: rows.len() as u32 };
        let written = manifest::push_line(&mut manifest, &head)
            .and_then(|()| lines.iter().try_for_each(|line| manifest::push_line(&mut manifest, line)));
        written.map_err(|error| {
            self.source_error(Place::mailbox(&source.address, &mailbox.record.name), error.to_string())
        })?;
        let newest = rows.iter().map(|row| row.saved).max().unwrap_or(0);
        let mut steps =
            vec![(layout::MESSAGES_FILE.to_owned(), file(path.join(layout::MESSAGES_FILE), manifest, newest))];
        let mailbox_name: Arc<str> = Arc::from(mailbox.record.name.as_str());
        for (row, line) in rows.iter().zip(&lines) {
            let name = layout::message_file(row.uid);
            let body = Body {
                shared: Arc::clone(&self.shared),
                account: source.id,
                address: Arc::clone(&source.address),
                mailbox: Arc::clone(&mailbox_name),
                uid: row.uid,
                blob: row.blob,
                size: row.size.into(),
                hash: line.blake3,
            };
            let stamp = Stamp::new(&line.blake3.0, row.received);
            let entry = file_entry(path.join(&name), row.size.into(), stamp, Content::Body(body));
            steps.push((name, Step::Ready(Box::new(entry))));
        }
        let counters = &self.shared.counters;
        counters.messages.fetch_add(rows.len() as u64, Ordering::Relaxed);
        counters.bytes.fetch_add(rows.iter().map(|row| u64::from(row.size)).sum(), Ordering::Relaxed);
        self.shared.tell();
        self.push_sorted(steps);
        Ok(directory_entry(path, newest))
    }

    /// The manifest's lines of some messages.
    fn describe(&self, account: usize, open: &OpenMailbox, rows: &[Entry]) -> Result<Vec<MessageLine>, BackupError> {
        let source = self.account(account)?;
        let mailbox = &open.mailbox;
        let place = || Place::mailbox(&source.address, &mailbox.record.name);
        let moment = &self.shared.moment;
        let emails: Vec<_> = rows.iter().map(|row| row.email).collect();
        let blobs: Vec<_> = rows.iter().map(|row| row.blob).collect();
        let emails = self.wait(&place, moment.emails(source.id, &emails))?;
        let hashes = self.wait(&place, moment.hashes(source.id, &blobs))?;
        let described = rows.iter().zip(emails).zip(hashes).map(|((row, email), hash)| {
            let blake3 = hash.ok_or_else(|| {
                let place = Place::message(&source.address, &mailbox.record.name, row.uid);
                self.source_error(place, String::from("the message's content is not in the store"))
            })?;
            let flags = mailbox.record.keywords.flags(row.flags);
            Ok(MessageLine {
                uid: row.uid.0,
                size: row.size,
                blake3,
                received: row.received,
                saved: row.saved,
                flags: flags.iter().map(manifest::encode_flag).collect(),
                modseq: row.modseq.0,
                email: row.email.0,
                thread: email.map(|email| email.thread.0),
                pop3: open.unique_ids.get(&row.uid).cloned(),
            })
        });
        described.collect()
    }

    fn wait<T>(
        &self,
        place: &dyn Fn() -> Place,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, BackupError> {
        self.shared.handle.block_on(work).map_err(|error| self.source_error(place(), error.to_string()))
    }

    fn source_error(&self, place: Place, reason: String) -> BackupError {
        BackupError::Source { place: Box::new(place), reason }
    }
}

fn mailbox_file(mailbox: &Mailbox, messages: &Snapshot, is_subscribed: bool) -> MailboxFile {
    let record = &mailbox.record;
    MailboxFile {
        head: Head::new(manifest::MAILBOX_FORMAT),
        name: record.name.clone(),
        mailbox: mailbox.id.0,
        uid_validity: record.uid_validity.0,
        uid_next: record.uid_next.0,
        highest_modseq: record.highest_modseq.0,
        special_use: record.special_use.iter().map(|kind| kind.name().to_owned()).collect(),
        subscribed: is_subscribed,
        messages: messages.len(),
        bytes: record.counts.bytes,
        keywords: record.keywords.names().to_vec(),
    }
}

/// A small JSON file, indented for people.
pub(crate) fn json_file<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| error.to_string())?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn file(path: PathBuf, content: Vec<u8>, seconds: i64) -> Step {
    let stamp = Stamp::new(blake3::hash(&content).as_bytes(), seconds);
    Step::Ready(Box::new(file_entry(path, content.len() as u64, stamp, Content::Bytes(content))))
}

fn file_entry(path: PathBuf, size: u64, stamp: Stamp, content: Content) -> ReadSourceEntry<Content> {
    let mtime = timestamp(stamp.mtime_seconds, 0);
    let ctime = timestamp(stamp.ctime_seconds, stamp.ctime_nanoseconds);
    let meta = Metadata { mode: Some(0o600), mtime, atime: mtime, ctime, size, ..Metadata::default() };
    let node = Node::new_node(path.file_name().unwrap_or_default(), NodeType::File, meta);
    ReadSourceEntry { path, node, open: Some(content) }
}

fn directory_entry(path: PathBuf, seconds: i64) -> ReadSourceEntry<Content> {
    // The type bits are those of Go's os.FileMode, which restic's format took over.
    let mtime = timestamp(Stamp::new(&[0; 32], seconds).mtime_seconds, 0);
    let meta = Metadata { mode: Some(0o700 | 1 << 31), mtime, atime: mtime, ctime: mtime, ..Metadata::default() };
    let node = Node::new_node(path.file_name().unwrap_or_default(), NodeType::Dir, meta);
    ReadSourceEntry { path, node, open: None }
}

fn timestamp(seconds: i64, nanoseconds: i32) -> Option<Timestamp> {
    Timestamp::new(seconds, nanoseconds).ok()
}
