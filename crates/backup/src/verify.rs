//! A repository is read and held against itself.
//!
//! Three depths. [`Depth::Structure`] follows every reference and holds lists against files without reading mail.
//! [`Depth::Messages`] reads every message back and holds it against the BLAKE3 hash that the store gave it: only this proves
//! that a backup holds the mail. [`Depth::Everything`] also reads every file of the repository, needed or not, and holds it
//! against its name, which is its SHA-256 hash: a byte that was flipped anywhere is found.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use postrider_store::BlobHash;
use rustic_core::{
    CheckOptions, DataId, FileType, Id, IndexedFullStatus, Repository as Library,
    repofile::{Node, SnapshotFile},
};
use sha2::{Digest as _, Sha256};

use crate::{
    blocking::blocking,
    error::{BackupError, Place},
    holdings::Verified,
    layout::{self, RANGE_UIDS},
    manifest::MessageLine,
    observer::{Cancel, Observer, Phase, Progress},
    reader::{AccountFolder, MailboxFolder, Range, RangeFolder, Reader, join},
    repository::{Inner, Repository},
    snapshots::{self, SnapshotId},
};

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// References and lists.
    Structure,
    /// Every message of the snapshots.
    #[default]
    Messages,
    /// Every byte of the repository.
    Everything,
}

/// How a verification is done.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// How much is read.
    pub depth: Depth,
    /// Stops it.
    pub cancel: Cancel,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In which snapshot, if it is about one.
    pub snapshot: Option<SnapshotId>,
    /// In which account, mailbox or message, if it is about one.
    pub place: Option<Place>,
    /// In which file of the repository, if that is known: `data/ab/abcd…`.
    pub file: Option<String>,
    /// What is the matter.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(snapshot) = &self.snapshot {
            write!(f, "snapshot {}: ", snapshot.short())?;
        }
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.what)?;
        match &self.file {
            Some(file) => write!(f, " (file {file})"),
            None => Ok(()),
        }
    }
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VerifyReport {
    /// The snapshots that are as they should be, in words that can be kept: [`Repository::holdings`] asks for them.
    pub verified: Vec<Verified>,
    /// Snapshots that were looked at.
    pub snapshots: u64,
    /// Files of the repository that were held against their names.
    pub files: u64,
    /// Messages in the snapshots, each counted in each.
    pub messages: u64,
    /// Messages that were read; a content that several share is read once.
    pub messages_read: u64,
    /// Their bytes.
    pub bytes_read: u64,
    /// What is not as it should be; empty if all is well.
    pub findings: Vec<Finding>,
    /// What is no fault but may be of interest, such as leftovers of a run that was broken off.
    pub remarks: Vec<String>,
}

impl Repository {
    /// Verifies `snapshots`, or all if there are none in the list. What is wrong is in the report.
    ///
    /// # Errors
    /// [`BackupError::Cancelled`], [`BackupError::NoSnapshot`], or that the repository cannot be reached.
    pub async fn verify(
        &self,
        snapshots: &[SnapshotId],
        options: VerifyOptions,
        observer: Arc<dyn Observer>,
    ) -> Result<VerifyReport, BackupError> {
        let (inner, snapshots) = (Arc::clone(&self.inner), snapshots.to_vec());
        blocking(move |_| {
            let mut verification = Verification {
                inner: &inner,
                options,
                observer,
                report: VerifyReport::default(),
                proven: HashSet::new(),
                snapshot: None,
            };
            verification.run(&snapshots)?;
            Ok(verification.report)
        })
        .await
    }
}

struct Verification<'a> {
    inner: &'a Arc<Inner>,
    options: VerifyOptions,
    observer: Arc<dyn Observer>,
    report: VerifyReport,
    /// What was read and found right: hashes over the pieces that make up a content and its BLAKE3 hash.
    proven: HashSet<[u8; 16]>,
    /// Which snapshot is looked at.
    snapshot: Option<SnapshotId>,
}

impl Verification<'_> {
    fn run(&mut self, wished: &[SnapshotId]) -> Result<(), BackupError> {
        if self.options.depth == Depth::Everything {
            self.check_files()?;
        }
        let library = match self.inner.open(&Arc::default()) {
            Ok(library) => library,
            Err(error) => {
                self.find(None, Some(FileType::Config.dirname().to_owned()), error.to_string());
                return Ok(());
            }
        };
        let (all, unreadable) = snapshots::read_all(self.inner, &library)?;
        for (id, error) in unreadable {
            let file = file_name(FileType::Snapshot, &id);
            if wished.is_empty() || wished.iter().any(|wished| *wished.0 == *id.to_hex().as_str()) {
                self.find(None, Some(file), error.to_string());
            }
        }
        let chosen = match wished.is_empty() {
            true => snapshots::ours(all),
            false => wished.iter().map(|id| snapshots::find(all.clone(), &id.0)).collect::<Result<Vec<_>, _>>()?,
        };
        self.check_structure(&library, &chosen)?;
        match self.inner.checked(library.to_indexed()) {
            Ok(library) => self.check_snapshots(library, chosen),
            Err(error) => {
                self.find(None, None, error.to_string());
                Ok(())
            }
        }
    }

    fn find(&mut self, place: Option<Place>, file: Option<String>, what: String) {
        // Who reads this has done so.
        let what = what.replace("; run `postrider backup verify`", "");
        let finding = Finding { snapshot: self.snapshot.clone(), place, file, what };
        self.observer.note(finding.to_string());
        self.report.findings.push(finding);
    }

    fn go_on(&self) -> Result<(), BackupError> {
        if self.options.cancel.is_cancelled() { Err(BackupError::Cancelled) } else { Ok(()) }
    }

    fn tell(&self, phase: Phase) {
        let (messages, bytes) = (self.report.messages, self.report.bytes_read);
        self.observer.progress(Progress { phase, messages, messages_total: None, bytes });
    }

    /// Holds every file against its name.
    fn check_files(&mut self) -> Result<(), BackupError> {
        let storage = self.inner.storage()?;
        let all = [FileType::Key, FileType::Snapshot, FileType::Index, FileType::Pack];
        for kind in all {
            for id in self.inner.checked(storage.list(kind))? {
                self.go_on()?;
                let file = file_name(kind, &id);
                match storage.read_full(kind, &id) {
                    Err(error) => self.find(None, Some(file), self.inner.error(&error).to_string()),
                    Ok(bytes) if !is_named_by(&id, &bytes) => {
                        let what = String::from("the file is not what its name says: its SHA-256 hash differs");
                        self.find(None, Some(file), what);
                    }
                    Ok(_) => self.report.files += 1,
                }
                self.tell(Phase::Checking);
            }
        }
        Ok(())
    }

    /// The library's own check: indexes against packs, trees against indexes.
    fn check_structure<S: rustic_core::Open>(
        &mut self,
        library: &Library<S>,
        chosen: &[SnapshotFile],
    ) -> Result<(), BackupError> {
        self.go_on()?;
        let mut options = CheckOptions::default();
        options.read_data = self.options.depth == Depth::Everything;
        let trees = chosen.iter().map(|snapshot| snapshot.tree).collect();
        match library.check_with_trees(options, trees) {
            Err(error) => self.find(None, None, self.inner.error(&error).to_string()),
            Ok(results) => {
                for (level, error) in results.0 {
                    // The library does not export the name of the level's type.
                    match format!("{level:?}").as_str() {
                        "Warn" => self.report.remarks.push(error.to_string()),
                        _ => self.find(None, None, error.to_string()),
                    }
                }
            }
        }
        Ok(())
    }

    fn check_snapshots(
        &mut self,
        library: Library<IndexedFullStatus>,
        chosen: Vec<SnapshotFile>,
    ) -> Result<(), BackupError> {
        let repository = library.config().id.to_string();
        let mut library = library;
        for snapshot in chosen {
            let before = self.report.findings.len();
            let id = SnapshotId::of(&snapshot);
            self.snapshot = Some(id.clone());
            self.report.snapshots += 1;
            let reader = Reader { inner: Arc::clone(self.inner), library, snapshot };
            match reader.check_layout() {
                Ok(()) => self.check_accounts(&reader)?,
                Err(error) => self.find(None, None, error.to_string()),
            }
            library = reader.library;
            self.snapshot = None;
            if self.report.findings.len() == before {
                let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                let (repository, depth) = (repository.clone(), self.options.depth);
                self.report.verified.push(Verified { repository, snapshot: id, at, depth });
            }
        }
        // What is damaged in files that all share says nothing good of any snapshot.
        if self.report.findings.iter().any(|finding| finding.snapshot.is_none()) {
            self.report.verified.clear();
        }
        Ok(())
    }

    fn check_accounts(&mut self, reader: &Reader) -> Result<(), BackupError> {
        let nodes = match reader.account_nodes() {
            Ok(nodes) => nodes,
            Err(error) => {
                self.find(None, None, error.to_string());
                return Ok(());
            }
        };
        for node in nodes {
            match reader.open_account(&node) {
                Ok(account) => self.check_account(reader, &account, &node)?,
                Err(error) => self.find(Some(Place::account(&node.name)), None, error.to_string()),
            }
        }
        Ok(())
    }

    fn check_account(&mut self, reader: &Reader, account: &AccountFolder, node: &Node) -> Result<(), BackupError> {
        let address = account.file.address.clone();
        let place = Place::account(&address);
        if layout::encode_level(&address) != node.name {
            self.find(Some(place.clone()), None, format!("the account lies in the folder {}", node.name));
        }
        if let Err(error) = reader.saved_account(account) {
            self.find(Some(place.clone()), None, error.to_string());
        }
        if self.options.depth >= Depth::Messages
            && let Err(error) = reader.notes(account)
        {
            self.find(Some(place.clone()), None, error.to_string());
        }
        reader.walk(account, &mut |mailbox| match mailbox {
            Ok(mailbox) => self.check_mailbox(reader, &address, &account.path, &mailbox),
            Err(error) => {
                self.find(Some(place.clone()), None, error.to_string());
                Ok(())
            }
        })
    }

    fn check_mailbox(
        &mut self,
        reader: &Reader,
        address: &str,
        path: &str,
        mailbox: &MailboxFolder,
    ) -> Result<(), BackupError> {
        let place = Place::mailbox(address, &mailbox.file.name);
        let folders = layout::mailbox_folders(&mailbox.file.name);
        let expected = folders.fold(path.to_owned(), |path, level| join(&path, &level));
        if expected != mailbox.path {
            self.find(Some(place.clone()), None, format!("the mailbox lies in the folder {}", mailbox.path));
        }
        for stranger in &mailbox.strangers {
            self.find(Some(place.clone()), None, format!("there is a file more than there should be: {stranger}"));
        }
        let mut messages = 0;
        for range in &mailbox.ranges {
            self.go_on()?;
            match reader.range(range) {
                Ok(content) => {
                    messages += content.lines.len() as u64;
                    self.check_range(reader, address, mailbox, range, &content)?;
                }
                Err(error) => self.find(Some(place.clone()), None, format!("{}: {error}", range.path)),
            }
        }
        if messages != u64::from(mailbox.file.messages) {
            let what =
                format!("messages that the mailbox lists: {messages}; that it should hold: {}", mailbox.file.messages);
            self.find(Some(place), None, what);
        }
        Ok(())
    }

    fn check_range(
        &mut self,
        reader: &Reader,
        address: &str,
        mailbox: &MailboxFolder,
        range: &RangeFolder,
        content: &Range,
    ) -> Result<(), BackupError> {
        let place = Place::mailbox(address, &mailbox.file.name);
        if content.head.uid_validity != mailbox.file.uid_validity {
            self.find(Some(place.clone()), None, format!("{} is of another UIDVALIDITY", range.path));
        }
        if content.head.messages as usize != content.lines.len() {
            let (listed, expected) = (content.lines.len(), content.head.messages);
            let what = format!("messages that {} lists: {listed}, not {expected}", range.path);
            self.find(Some(place.clone()), None, what);
        }
        for stranger in &content.strangers {
            self.find(Some(place.clone()), None, format!("{} has a file too many: {stranger}", range.path));
        }
        let mut listed = BTreeSet::new();
        for line in &content.lines {
            self.go_on()?;
            let place = Place::message(address, &mailbox.file.name, line.uid());
            let is_here = (range.first..=range.first.saturating_add(RANGE_UIDS - 1)).contains(&line.uid);
            if !is_here || line.uid >= mailbox.file.uid_next || !listed.insert(line.uid()) {
                self.find(Some(place.clone()), None, String::from("the UID cannot be here"));
            }
            match content.files.get(&line.uid()) {
                Some(node) => self.check_message(reader, place, line, node, range),
                None => self.find(Some(place), None, String::from("the message is listed and not there")),
            }
        }
        for uid in content.files.keys().filter(|uid| !listed.contains(uid)) {
            let place = Place::message(address, &mailbox.file.name, *uid);
            self.find(Some(place), None, String::from("the message is there and not listed"));
        }
        self.tell(Phase::ReadingBack);
        Ok(())
    }

    fn check_message(&mut self, reader: &Reader, place: Place, line: &MessageLine, node: &Node, range: &RangeFolder) {
        self.report.messages += 1;
        if node.meta.size != u64::from(line.size) {
            let what = format!("the message is {} bytes long and listed with {}", node.meta.size, line.size);
            self.find(Some(place.clone()), None, what);
        }
        let proof = proof_of(node, &line.blake3);
        if self.options.depth == Depth::Structure || self.proven.contains(&proof) {
            return;
        }
        self.report.messages_read += 1;
        match reader.bytes(node, &join(&range.path, &node.name)) {
            Ok(bytes) if BlobHash::of(&bytes) == line.blake3 => {
                self.report.bytes_read += bytes.len() as u64;
                self.proven.insert(proof);
            }
            Ok(_) => {
                let file = pack_of(reader, node);
                self.find(Some(place), file, String::from("the message is not what its BLAKE3 hash says"));
            }
            Err(error) => {
                let file = pack_of(reader, node);
                self.find(Some(place), file, error.to_string());
            }
        }
    }
}

/// Stands for "these pieces together have this hash".
fn proof_of(node: &Node, hash: &BlobHash) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&hash.0);
    for piece in node.content.iter().flatten() {
        hasher.update(piece.to_hex().as_str().as_bytes());
    }
    let mut proof = [0; 16];
    hasher.finalize_xof().fill(&mut proof);
    proof
}

/// The file of the repository in which a message begins.
fn pack_of(reader: &Reader, node: &Node) -> Option<String> {
    let first: &DataId = node.content.as_ref()?.first()?;
    let entry = reader.library.get_index_entry(first).ok()?;
    Some(file_name(FileType::Pack, &entry.pack))
}

/// Where a file lies, from the repository's folder on.
fn file_name(kind: FileType, id: &Id) -> String {
    let hexadecimal = id.to_hex();
    let name = hexadecimal.as_str();
    match kind {
        FileType::Config => kind.dirname().to_owned(),
        FileType::Pack => format!("{}/{}/{name}", kind.dirname(), name.get(..2).unwrap_or_default()),
        _ => format!("{}/{name}", kind.dirname()),
    }
}

fn is_named_by(id: &Id, bytes: &[u8]) -> bool {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    Id::new(hash) == *id
}
