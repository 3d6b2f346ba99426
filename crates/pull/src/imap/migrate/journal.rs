//! What a migration remembers: a file of JSON lines that only grows.
//!
//! A line is written and synced after the new server said that it has a message, so what the file says is true. What the
//! file does not say may be true all the same, for as many messages as were on the way when the run was killed: the next
//! run looks for those at the new server before it sends anything. A line that was being written when the power went is
//! cut off. A database would do no more for one writer that only ever adds, and a file of lines can be looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::imap::flags::FlagSet;

/// The file's name within the folder of a migration.
const FILE: &str = "journal.jsonl";

/// The version of the lines.
const VERSION: u32 = 1;

/// Why a migration's memory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It cannot be read or written.
    #[error("cannot use {path}: {source}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process is at it.
    #[error("{0} is in use: the same migration is under way already")]
    InUse(PathBuf),
    /// It is of another migration.
    #[error("{path} is of another migration, from {from} to {to}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Where that one comes from.
        from: String,
        /// Where it goes.
        to: String,
    },
    /// A line cannot be read.
    #[error("line {line} of {path} cannot be read; it is of a newer version of this program, or damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    /// The first one: what this is a journal of.
    Migration { version: u32, from: String, to: String },
    /// A mailbox, by its name at the old server, is copied into one at the new server. What was said of it before, under
    /// other UIDVALIDITYs, holds no more.
    Mailbox { source: String, source_validity: u32, target: String, target_validity: u32 },
    /// A message of the mailbox that was named last is at the new server: UIDs there and there, 0 if it is not known, and the
    /// flags that were copied.
    Message(u32, u32, String),
    /// All that was sent to the mailbox that was named last was answered for.
    Settled,
}

/// What is known of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct JournalMailbox {
    pub(crate) source_validity: u32,
    /// The name at the new server.
    pub(crate) target: String,
    pub(crate) target_validity: u32,
    /// By UID at the old server.
    pub(crate) messages: BTreeMap<u32, Copied>,
}

/// A message that is at the new server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copied {
    /// Its UID there; 0 if it is not known.
    pub(crate) target: u32,
    /// Its flags at the old server when they were copied.
    pub(crate) flags: FlagSet,
}

/// A migration's memory, open for writing.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    mailboxes: BTreeMap<String, JournalMailbox>,
    /// The mailbox that was named last.
    current: Option<String>,
    /// Mailboxes to which messages were on their way when a run ended.
    broken_off: BTreeSet<String>,
    /// Lines that are not written yet.
    pending: Vec<u8>,
    pending_lines: usize,
}

impl Journal {
    /// Opens the memory of the migration between two accounts, in this folder; makes it if there is none.
    ///
    /// # Errors
    /// When it is in use, of another migration, or damaged.
    pub fn open(folder: &Path, from: &str, to: &str) -> Result<Self, JournalError> {
        let path = folder.join(FILE);
        let failed = |source| JournalError::File { path: path.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).clone();
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse(path)),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        // A line without its end was being written when the machine stopped.
        let whole = text.iter().rposition(|octet| *octet == b'\n').map_or(0, |end| end + 1);
        text.truncate(whole);
        file.set_len(whole as u64).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        let mut journal = Self {
            path: path.clone(),
            file,
            mailboxes: BTreeMap::new(),
            current: None,
            broken_off: BTreeSet::new(),
            pending: Vec::new(),
            pending_lines: 0,
        };
        journal.replay(&text, from, to)?;
        if text.is_empty() {
            let (from, to) = (from.to_owned(), to.to_owned());
            journal.push(&Record::Migration { version: VERSION, from, to });
            journal.flush()?;
            // The file's name must last, too.
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(journal)
    }

    fn replay(&mut self, text: &[u8], from: &str, to: &str) -> Result<(), JournalError> {
        for (number, line) in text.split(|octet| *octet == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
            let damaged = || JournalError::Damaged { path: self.path.clone(), line: number + 1 };
            match serde_json::from_slice(line).map_err(|_| damaged())? {
                Record::Migration { version, .. } if version > VERSION => return Err(damaged()),
                Record::Migration { from: theirs, to: others, .. } if theirs != from || others != to => {
                    return Err(JournalError::Foreign { path: self.path.clone(), from: theirs, to: others });
                }
                Record::Migration { .. } => {}
                Record::Mailbox { source, source_validity, target, target_validity } => {
                    self.learn_mailbox(&source, source_validity, &target, target_validity);
                    self.broken_off.insert(source);
                }
                Record::Settled => {
                    if let Some(current) = &self.current {
                        self.broken_off.remove(current);
                    }
                }
                Record::Message(source, target, flags) => {
                    let current = self.current.as_ref().and_then(|name| self.mailboxes.get_mut(name));
                    let mailbox = current.ok_or_else(damaged)?;
                    mailbox.messages.insert(source, Copied { target, flags: FlagSet::from_words(&flags) });
                }
            }
        }
        Ok(())
    }

    fn learn_mailbox(&mut self, source: &str, source_validity: u32, target: &str, target_validity: u32) {
        let mailbox = self.mailboxes.entry(source.to_owned()).or_default();
        // UIDs that are no more say nothing (RFC 9051 §2.3.1.1).
        if (mailbox.source_validity, mailbox.target_validity) != (source_validity, target_validity)
            || mailbox.target != target
        {
            let target = target.to_owned();
            *mailbox = JournalMailbox { source_validity, target, target_validity, messages: BTreeMap::new() };
        }
        self.current = Some(source.to_owned());
    }

    /// What is known of a mailbox, by its name at the old server.
    pub(crate) fn mailbox(&self, source: &str) -> Option<&JournalMailbox> {
        self.mailboxes.get(source)
    }

    /// What follows is of this mailbox.
    pub(crate) fn begin(&mut self, source: &str, validity: u32, target: &str, target_validity: u32) {
        self.learn_mailbox(source, validity, target, target_validity);
        // What a connection that breaks leaves on the way is looked for when it is taken up again.
        self.broken_off.insert(source.to_owned());
        let (source, target) = (source.to_owned(), target.to_owned());
        self.push(&Record::Mailbox { source, source_validity: validity, target, target_validity });
    }

    /// Whether messages were on their way to this mailbox when a run, or a connection, ended.
    pub(crate) fn was_broken_off(&self, source: &str) -> bool {
        self.broken_off.contains(source)
    }

    /// Nothing is on its way to the mailbox any more.
    pub(crate) fn settled(&mut self) {
        self.push(&Record::Settled);
        if let Some(current) = &self.current {
            self.broken_off.remove(current);
        }
    }

    /// A message is at the new server. It is not remembered before [`Self::flush`].
    pub(crate) fn copied(&mut self, source: u32, target: u32, flags: &FlagSet) {
        self.push(&Record::Message(source, target, flags.to_words()));
        if let Some(mailbox) = self.current.as_ref().and_then(|name| self.mailboxes.get_mut(name)) {
            mailbox.messages.insert(source, Copied { target, flags: flags.clone() });
        }
    }

    /// How many lines wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.pending_lines
    }

    fn push(&mut self, record: &Record) {
        // Records are plain structures of numbers and texts, which always have a JSON form.
        self.pending.extend(serde_json::to_vec(record).unwrap_or_default());
        self.pending.push(b'\n');
        self.pending_lines += 1;
    }

    /// Makes durable what was pushed.
    pub(crate) fn flush(&mut self) -> Result<(), JournalError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(&self.pending).and_then(|()| self.file.sync_data());
        written.map_err(|source| JournalError::File { path: self.path.clone(), source })?;
        self.pending.clear();
        self.pending_lines = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(words: &str) -> FlagSet {
        FlagSet::from_words(words)
    }

    #[test]
    fn what_was_flushed_is_there_again_and_half_a_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Journal::open(folder.path(), "a", "b");
        let mut journal = open().unwrap();
        journal.begin("INBOX", 7, "INBOX", 9);
        journal.copied(1, 11, &flags("\\Seen work"));
        journal.copied(2, 0, &flags(""));
        journal.flush().unwrap();
        journal.copied(3, 13, &flags(""));
        assert!(matches!(open(), Err(JournalError::InUse(_))));
        drop(journal);
        let path = folder.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        for end in 0..=whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            let journal = open().unwrap();
            let messages = journal.mailbox("INBOX").map_or(0, |mailbox| mailbox.messages.len());
            let lines = whole[..end].iter().filter(|octet| **octet == b'\n').count();
            assert_eq!(messages, lines.saturating_sub(2), "{end}");
        }
        let journal = open().unwrap();
        let first = &journal.mailbox("INBOX").unwrap().messages[&1];
        assert_eq!((first.target, &first.flags), (11, &flags("work \\Seen")));
    }

    #[test]
    fn another_uidvalidity_forgets_and_another_migration_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path(), "a", "b").unwrap();
        journal.begin("INBOX", 7, "INBOX", 9);
        journal.copied(1, 11, &flags(""));
        journal.begin("Other", 1, "Other", 1);
        journal.begin("INBOX", 7, "INBOX", 9);
        assert_eq!(journal.mailbox("INBOX").unwrap().messages.len(), 1);
        journal.begin("INBOX", 8, "INBOX", 9);
        assert_eq!(journal.mailbox("INBOX").unwrap().messages.len(), 0);
        journal.flush().unwrap();
        drop(journal);
        assert!(matches!(Journal::open(folder.path(), "a", "c"), Err(JournalError::Foreign { .. })));
        fs::write(folder.path().join(FILE), "nonsense\n").unwrap();
        assert!(matches!(Journal::open(folder.path(), "a", "b"), Err(JournalError::Damaged { line: 1, .. })));
    }
}
