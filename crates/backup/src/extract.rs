//! Files out of a snapshot.

use std::{
    fs::{self, File, FileTimes, OpenOptions},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use postrider_store::{BlobHash, Uid};
use rustic_core::repofile::Node;

use crate::{
    blocking::blocking,
    error::{BackupError, Place},
    layout,
    observer::{Cancel, Observer, Phase, Progress},
    reader::{Reader, join},
    repository::Repository,
    snapshots::SnapshotId,
};

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extracted {
    /// Files of messages.
    pub messages: u64,
    /// All files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Repository {
    /// Writes what is at `path` in a snapshot (`ADDRESS/Mailbox`, `ADDRESS/Mailbox/…/17.eml`, or nothing for all) into the folder
    /// `to`, under the same names. Files that are there already are not touched: then it fails.
    pub async fn extract(
        &self,
        snapshot: &SnapshotId,
        path: &str,
        to: PathBuf,
        cancel: Cancel,
        observer: Arc<dyn Observer>,
    ) -> Result<Extracted, BackupError> {
        let (inner, snapshot, path) = (Arc::clone(&self.inner), snapshot.clone(), path.to_owned());
        blocking(move |_| {
            let reader = Reader::open(&inner, &snapshot)?;
            let mut extraction = Extraction { reader: &reader, cancel, observer, done: Extracted::default() };
            extraction.extract(path.trim_matches('/'), &to)?;
            Ok(extraction.done)
        })
        .await
    }

    /// A message's bytes, held against their hash.
    pub async fn extract_message(
        &self,
        snapshot: &SnapshotId,
        address: &str,
        mailbox: &str,
        uid: Uid,
    ) -> Result<Vec<u8>, BackupError> {
        let (inner, snapshot) = (Arc::clone(&self.inner), snapshot.clone());
        let (address, name) = (address.to_owned(), mailbox.to_owned());
        blocking(move |_| {
            let place = Place::message(&address, &name, uid);
            let none = || BackupError::NoPath { snapshot: snapshot.short().to_owned(), path: place.to_string() };
            let reader = Reader::open(&inner, &snapshot)?;
            let mailbox = reader.mailbox(&reader.account(&address)?, &name)?;
            let wanted = layout::range_of(uid);
            let range = mailbox.ranges.iter().find(|range| range.first == wanted).ok_or_else(none)?;
            let messages = reader.range(range)?;
            let line = messages.lines.iter().find(|line| line.uid() == uid).ok_or_else(none)?;
            let node = messages.files.get(&uid).ok_or_else(none)?;
            let bytes = reader.bytes(node, &join(&range.path, &node.name))?;
            match BlobHash::of(&bytes) == line.blake3 {
                true => Ok(bytes),
                false => Err(inner.damaged(format!("{place} is not what its BLAKE3 hash says"))),
            }
        })
        .await
    }
}

struct Extraction<'a> {
    reader: &'a Reader,
    cancel: Cancel,
    observer: Arc<dyn Observer>,
    done: Extracted,
}

impl Extraction<'_> {
    fn extract(&mut self, path: &str, to: &Path) -> Result<(), BackupError> {
        let mut nodes = self.reader.root()?;
        let mut here = String::new();
        let mut last = None;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let next = join(&here, name);
            if let Some(folder) = last.take() {
                nodes = self.reader.open_folder(&folder, &here)?;
            }
            let found = nodes.iter().find(|node| node.name == name).cloned();
            last = Some(found.ok_or_else(|| BackupError::NoPath {
                snapshot: SnapshotId::of(&self.reader.snapshot).short().to_owned(),
                path: next.clone(),
            })?);
            here = next;
        }
        let wanted = last.map_or(nodes, |node| vec![node]);
        create_folder(to)?;
        let mut waiting: Vec<(Node, PathBuf)> = wanted.into_iter().map(|node| (node, to.to_owned())).collect();
        while let Some((node, folder)) = waiting.pop() {
            if self.cancel.is_cancelled() {
                return Err(BackupError::Cancelled);
            }
            let target = self.target(&folder, &node)?;
            if node.is_dir() {
                create_folder(&target)?;
                let below = self.reader.open_folder(&node, &node.name)?;
                waiting.extend(below.into_iter().map(|node| (node, target.clone())));
            } else if node.is_file() {
                self.write(&node, &target)?;
            }
        }
        Ok(())
    }

    /// Names of our own making are harmless; others' are looked at.
    fn target(&self, folder: &Path, node: &Node) -> Result<PathBuf, BackupError> {
        let name = Path::new(&node.name);
        match name.file_name().is_some_and(|only| only == name.as_os_str()) {
            true => Ok(folder.join(name)),
            false => Err(self.reader.inner.damaged(format!("`{}` is no file name", node.name))),
        }
    }

    fn write(&mut self, node: &Node, target: &Path) -> Result<(), BackupError> {
        let failed = |error| BackupError::File { path: target.to_owned(), error };
        let file = OpenOptions::new().write(true).create_new(true).open(target).map_err(failed)?;
        let mut writer = BufWriter::new(file);
        self.reader.inner.checked(self.reader.library.dump(node, &mut writer))?;
        writer.flush().map_err(failed)?;
        set_time(writer.get_ref(), node);
        self.done.files += 1;
        self.done.messages += u64::from(layout::parse_message_file(&node.name).is_some());
        self.done.bytes += node.meta.size;
        self.observer.progress(Progress {
            phase: Phase::Extracting,
            messages: self.done.messages,
            messages_total: None,
            bytes: self.done.bytes,
        });
        Ok(())
    }
}

/// A time that the file system cannot have is no reason to fail.
fn set_time(file: &File, node: &Node) {
    let seconds = node.meta.mtime.map(|time| time.as_second()).and_then(|seconds| u64::try_from(seconds).ok());
    if let Some(seconds) = seconds {
        let _ = file.set_times(FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(seconds)));
    }
}

fn create_folder(path: &Path) -> Result<(), BackupError> {
    fs::create_dir_all(path).map_err(|error| BackupError::File { path: path.to_owned(), error })
}
