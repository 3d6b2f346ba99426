//! Writing: folder by folder, message by message.
//!
//! All is written under a temporary name beside the target, synced, and renamed at the end: the target is there as a whole
//! or not at all. What a broken-off run left is used by the next: the caller hands in the same messages in the same
//! order, and those that are already there are not written again ([`Written::AlreadyThere`]). Messages that the
//! caller no longer hands in do not stay either. A zip alone is begun anew, since its index stands at its end.

mod maildir;
mod mbox;
mod resume;
mod sink;
mod tar_sink;
mod tree;
mod zip_sink;

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    error::ArchiveError,
    flag::Flag,
    model::{Folder, Item},
};
use maildir::MaildirFolder;
use mbox::MboxFile;
use sink::{DirectorySink, Sink};
use tree::TreeFolder;

/// The forms in which mail is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WriteFormat {
    /// One file in mboxrd form, for one folder.
    MboxFile,
    /// A directory of files in mboxrd form, subfolders as Thunderbird has them.
    Mbox,
    /// Maildir++ with Dovecot's files for UIDs, keywords and subscriptions.
    Maildir,
    /// A directory for each folder with `.eml` files, byte for byte, and a `folder.json`.
    Tree,
}

/// In what the files lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Packing {
    /// In a directory.
    #[default]
    Directory,
    /// In a tar file.
    Tar,
    /// In a zip file.
    Zip,
}

/// What happens when the target exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Existing {
    /// Nothing is written.
    #[default]
    Refuse,
    /// It is replaced at the end, when the new one is complete.
    Replace,
}

/// What a writer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOptions {
    /// The form.
    pub format: WriteFormat,
    /// In what the files lie; mbox files lie in directories only.
    pub packing: Packing,
    /// What happens when the target exists.
    pub existing: Existing,
    /// Whether mbox files get fields for flags, keywords and UIDs.
    pub state_fields: StateFields,
}

/// Whether mbox files get fields for flags, keywords and UIDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum StateFields {
    /// Status, X-Status, X-Keywords, X-UID and so on, which mail programs read, on top of each header.
    #[default]
    Write,
    /// Nothing but the messages.
    Omit,
}

impl WriteOptions {
    /// A directory (or file) of that form, nothing overwritten.
    pub fn new(format: WriteFormat) -> Self {
        Self {
            format,
            packing: Packing::default(),
            existing: Existing::default(),
            state_fields: StateFields::default(),
        }
    }
}

/// A message to be written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outgoing<'a> {
    /// Its bytes.
    pub raw: &'a [u8],
    /// Its flags.
    pub flags: &'a [Flag],
    /// When it was received, in seconds since 1970 (UTC). Where it is not known, its header is asked.
    pub received: Option<i64>,
    /// Its UID. No two messages of a folder have the same.
    pub uid: Option<u32>,
    /// Its unique id in POP3.
    pub pop3_uidl: Option<&'a str>,
}

impl<'a> From<&'a Item> for Outgoing<'a> {
    fn from(item: &'a Item) -> Self {
        let Item { raw, flags, received, uid, pop3_uidl, .. } = item;
        Self { raw, flags, received: *received, uid: *uid, pop3_uidl: pop3_uidl.as_deref() }
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It was written.
    New,
    /// An earlier run had written it.
    AlreadyThere,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// How many folders.
    pub folders: u64,
    /// How many messages, those of an earlier run included.
    pub messages: u64,
    /// How many of them an earlier run had written.
    pub already_there: u64,
    /// How many the form cannot hold byte for byte: mbox ends every message with a line end, and text files have one
    /// kind of line ends. The tree holds all.
    pub inexact: u64,
    /// How many lost a keyword: Maildir has letters for 26 in a folder.
    pub keywords_lost: u64,
}

/// The folder that is being written.
enum Open {
    None,
    Mbox(MboxFile),
    Maildir(MaildirFolder),
    Tree(TreeFolder),
}

/// Writes mail.
pub struct Writer {
    target: PathBuf,
    partial: PathBuf,
    options: WriteOptions,
    sink: Option<Sink>,
    open: Open,
    names: crate::folder_name::UniqueNames,
    subscribed: Vec<Vec<String>>,
    has_inbox: bool,
    summary: Summary,
}

impl Writer {
    /// Begins to write, or goes on where an earlier run was broken off.
    pub fn create(target: &Path, options: &WriteOptions) -> Result<Self, ArchiveError> {
        if options.existing == Existing::Refuse && target.symlink_metadata().is_ok() {
            return Err(ArchiveError::TargetExists { path: target.to_owned() });
        }
        let is_mbox = matches!(options.format, WriteFormat::Mbox | WriteFormat::MboxFile);
        if is_mbox && options.packing != Packing::Directory {
            let reason = "mbox files are not packed; write a tree or Maildir";
            return Err(ArchiveError::Unsupported { path: target.to_owned(), reason });
        }
        let partial = sibling(target, "partial")?;
        let sink = match (options.format, options.packing) {
            (WriteFormat::MboxFile, _) => None,
            (_, Packing::Directory) => Some(Sink::Directory(DirectorySink::open(&partial)?)),
            (_, Packing::Tar) => Some(Sink::Tar(tar_sink::TarSink::open(&partial)?)),
            (_, Packing::Zip) => Some(Sink::Zip(Box::new(zip_sink::ZipSink::open(&partial)?))),
        };
        Ok(Self {
            target: target.to_owned(),
            partial,
            options: options.clone(),
            sink,
            open: Open::None,
            names: crate::folder_name::UniqueNames::default(),
            subscribed: Vec::new(),
            has_inbox: false,
            summary: Summary::default(),
        })
    }

    /// Ends the folder before, if any, and begins this one.
    pub fn begin_folder(&mut self, folder: &Folder) -> Result<(), ArchiveError> {
        self.end_folder()?;
        let levels = self.names.take(folder.name.clone());
        self.summary.folders += 1;
        self.has_inbox |= levels.iter().eq(["INBOX"]);
        if folder.subscribed == Some(true) {
            self.subscribed.push(levels.clone());
        }
        let fields = self.options.state_fields;
        self.open = match (self.options.format, &mut self.sink) {
            (WriteFormat::MboxFile, _) if self.summary.folders > 1 => {
                let reason = "one mbox file holds one folder";
                return Err(ArchiveError::Unsupported { path: self.target.clone(), reason });
            }
            (WriteFormat::MboxFile, _) | (_, None) => Open::Mbox(MboxFile::open(&self.partial, folder, fields)?),
            (WriteFormat::Mbox, Some(sink)) => {
                let path = mbox::path_of(&levels);
                Open::Mbox(MboxFile::open(&sink.prepare(&path)?, folder, fields)?)
            }
            (WriteFormat::Maildir, Some(sink)) => Open::Maildir(MaildirFolder::begin(sink, &levels, folder)?),
            (WriteFormat::Tree, Some(_)) => Open::Tree(TreeFolder::begin(&levels, folder)),
        };
        Ok(())
    }

    /// Writes a message into the folder that was begun last.
    pub fn add(&mut self, message: &Outgoing<'_>) -> Result<Written, ArchiveError> {
        let written = match (&mut self.open, &mut self.sink) {
            (Open::Mbox(file), _) => file.add(message, &mut self.summary)?,
            (Open::Maildir(folder), Some(sink)) => folder.add(sink, message, &mut self.summary)?,
            (Open::Tree(folder), Some(sink)) => folder.add(sink, message)?,
            _ => {
                let reason = "a message belongs to a folder, and none was begun";
                return Err(ArchiveError::Unsupported { path: self.target.clone(), reason });
            }
        };
        self.summary.messages += 1;
        self.summary.already_there += u64::from(written == Written::AlreadyThere);
        Ok(written)
    }

    fn end_folder(&mut self) -> Result<(), ArchiveError> {
        match (std::mem::replace(&mut self.open, Open::None), &mut self.sink) {
            (Open::Mbox(file), _) => file.finish(),
            (Open::Maildir(folder), Some(sink)) => folder.finish(sink),
            (Open::Tree(folder), Some(sink)) => folder.finish(sink),
            _ => Ok(()),
        }
    }

    /// Completes everything and gives it its name.
    pub fn finish(mut self) -> Result<Summary, ArchiveError> {
        self.end_folder()?;
        if let Some(mut sink) = self.sink.take() {
            if self.options.format == WriteFormat::Maildir {
                // Other folders lie in the inbox: without it this would be no Maildir.
                if !self.has_inbox {
                    maildir::make_directories(&mut sink, "")?;
                }
                maildir::finish(&mut sink, &self.subscribed)?;
            }
            sink.finish()?;
        } else if self.summary.folders == 0 {
            fs::write(&self.partial, b"").map_err(ArchiveError::io(&self.partial))?;
        }
        self.rename()?;
        Ok(self.summary)
    }

    fn rename(&self) -> Result<(), ArchiveError> {
        let exists = self.target.symlink_metadata().is_ok();
        if exists && self.options.existing == Existing::Refuse {
            return Err(ArchiveError::TargetExists { path: self.target.clone() });
        }
        let replaced = sibling(&self.target, "replaced")?;
        if exists {
            fs::rename(&self.target, &replaced).map_err(ArchiveError::io(&self.target))?;
        }
        fs::rename(&self.partial, &self.target).map_err(ArchiveError::io(&self.target))?;
        if let Some(parent) = self.target.parent() {
            sink::sync_directory(parent)?;
        }
        if exists {
            let is_directory = replaced.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
            let removed = if is_directory { fs::remove_dir_all(&replaced) } else { fs::remove_file(&replaced) };
            removed.map_err(ArchiveError::io(&replaced))?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Writer").field("target", &self.target).finish_non_exhaustive()
    }
}

/// A hidden name beside the target.
fn sibling(target: &Path, end: &str) -> Result<PathBuf, ArchiveError> {
    let reason = "a target needs a name";
    let name = target.file_name().ok_or_else(|| ArchiveError::Unsupported { path: target.to_owned(), reason })?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".");
    hidden.push(end);
    Ok(target.with_file_name(hidden))
}

/// Names for messages in a folder. They begin with the UID, so that they sort by it, and hold the content's hash: a file
/// of that name and of the right size needs not be written again.
#[derive(Debug, Default)]
struct MessageNames {
    taken: std::collections::HashSet<Box<str>>,
}

impl MessageNames {
    fn take(&mut self, message: &Outgoing<'_>, hash: &blake3::Hash) -> String {
        let hash: String = hash.to_hex().chars().take(20).collect();
        let name = message.uid.map_or_else(|| hash.clone(), |uid| format!("{uid:010}-{hash}"));
        let mut candidate = name.clone();
        let mut number = 2;
        while !self.taken.insert(candidate.as_str().into()) {
            candidate = format!("{name}-{number}");
            number += 1;
        }
        candidate
    }
}

/// When it was received: as known, or as its header tells.
fn received_of(message: &Outgoing<'_>) -> i64 {
    let header = crate::mbox::header_of(message.raw, 256 * 1024);
    message.received.or_else(|| crate::date::date_of_header(header)).unwrap_or(0)
}
