//! Reading: one entry after the other, whatever the form and wherever the files lie.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use crate::{
    date::date_of_header,
    error::ArchiveError,
    finding::{Finding, inspect},
    flag::{Flag, add_flag},
    line_end::to_wire,
    maildir::FileName,
    mbox::{self, Marks, MboxMessage, MboxReader, header_of},
    model::{Entry, Folder, Item, PassedOver, PassedOverReason, Position},
    options::{Expunged, Format, ReadOptions},
    plan::{Plan, Unit, UnitKind, parse_emlx, plan},
    tree::{Container, Content, Tree},
    uidl::UidlParts,
};

/// What was found at a path, and why we think so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// The form; where there are several, the one that says most about its messages.
    pub format: Format,
    /// How many folders.
    pub folders: usize,
    /// How many files are read; an mbox file is one.
    pub files: usize,
    /// How many bytes these files have, unpacked; a compressed file alone does not tell.
    pub bytes: Option<u64>,
    /// All of it in a sentence for people, without its full stop.
    pub sentence: String,
}

/// Looks at what lies at `path` without reading messages.
pub fn detect(path: &Path, options: &ReadOptions) -> Result<Detection, ArchiveError> {
    Reader::open(path, options).map(|reader| reader.detection().clone())
}

/// Reads mail from a file, a directory or an archive.
///
/// Entries come folder by folder, by UID where there are any, then by name; in compressed tar archives as they lie in
/// it. [`Self::next_entry`] holds one message in memory. After an error it may be called again: it goes on with what
/// follows.
pub struct Reader {
    tree: Tree,
    plan: Plan,
    options: ReadOptions,
    detection: Detection,
    at: usize,
    mbox: Option<MboxReader<Content>>,
    /// For each unit how many bytes those before it have.
    begins: Vec<u64>,
    /// How far the file is read that is read now.
    mbox_offset: u64,
}

impl Reader {
    /// Opens what lies at `path`: reads names and metadata, no messages.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self, ArchiveError> {
        let tree = Tree::open(path, &options.limits)?;
        let plan = plan(&tree, options)?;
        let mut begins = Vec::with_capacity(plan.units.len());
        let mut total: Option<u64> = Some(0);
        for unit in &plan.units {
            begins.push(total.unwrap_or(0));
            let bytes = tree.content_bytes(unit.file);
            total = total.and_then(|total| total.checked_add(bytes?));
        }
        let detection = Detection {
            format: plan.format,
            folders: plan.folders.len(),
            files: plan.units.len(),
            bytes: total,
            sentence: plan.sentence.clone(),
        };
        Ok(Self { tree, plan, options: options.clone(), detection, at: 0, mbox: None, begins, mbox_offset: 0 })
    }

    /// What was found.
    pub fn detection(&self) -> &Detection {
        &self.detection
    }

    /// How many bytes of the files were read or passed over so far, of those that [`Detection::bytes`] counts.
    pub fn bytes_done(&self) -> u64 {
        match self.begins.get(self.at) {
            Some(begin) if self.mbox.is_some() => begin.saturating_add(self.mbox_offset),
            Some(begin) => *begin,
            None => self.detection.bytes.unwrap_or(self.mbox_offset),
        }
    }

    /// All folders, those without messages too.
    pub fn folders(&self) -> &[Folder] {
        &self.plan.folders
    }

    /// Whether a folder's messages come by ascending UIDs, with those that have none at the end. They do but in compressed tar
    /// archives, where they come as they lie in it. What an mbox file says within is not known before it is read.
    pub fn uids_ascend(&self, folder: usize) -> bool {
        self.plan.ascend.get(folder).copied().unwrap_or(false)
    }

    /// What people should know: files that were not read, names that were changed.
    pub fn notes(&self) -> &[String] {
        &self.plan.notes
    }

    /// Goes on after the entry that had this position.
    pub fn resume(&mut self, position: &Position) -> Result<(), ArchiveError> {
        let unknown = || ArchiveError::UnknownPosition { path: self.tree.root.clone(), position: position.to_string() };
        let found = self.plan.units.iter().position(|unit| self.unit_name(unit) == position.file);
        let at = found.ok_or_else(unknown)?;
        let unit = self.plan.units.get(at).ok_or_else(unknown)?;
        match position.offset {
            None => (self.at, self.mbox) = (at + 1, None),
            Some(offset) => {
                if unit.kind != UnitKind::Mbox {
                    return Err(unknown());
                }
                let variant = self.open_mbox(unit)?.variant();
                let content = self.tree.read_from(unit.file, offset)?;
                self.mbox = Some(MboxReader::resume(content, offset, variant, &self.options.limits));
                self.mbox_offset = offset;
                self.at = at;
            }
        }
        Ok(())
    }

    /// The next message, or something that is passed over; nothing at the end.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ArchiveError> {
        loop {
            let Some(unit) = self.plan.units.get(self.at) else { return Ok(None) };
            if unit.kind != UnitKind::Mbox {
                let entry = self.read_single(unit);
                self.at += 1;
                return entry.map(Some);
            }
            let (folder, name, path) = (unit.folder, self.unit_name(unit), self.tree.path(unit.file));
            let mut reader = match self.mbox.take() {
                Some(reader) => reader,
                None => match self.open_mbox(unit) {
                    Ok(reader) => reader,
                    Err(error) => {
                        self.at += 1;
                        return Ok(Some(passed_over(
                            folder,
                            &path,
                            name,
                            PassedOverReason::Unreadable(error.to_string()),
                        )));
                    }
                },
            };
            match reader.read_message() {
                Ok(Some(message)) => {
                    let damage = reader.inner_mut().damage();
                    self.mbox = Some(reader);
                    self.mbox_offset = message.next_offset;
                    return Ok(Some(self.mbox_entry(folder, &path, name, message, damage)));
                }
                Ok(None) => self.at += 1,
                Err(error) => {
                    self.at += 1;
                    return Ok(Some(passed_over(folder, &path, name, PassedOverReason::Unreadable(error.to_string()))));
                }
            }
        }
    }

    fn open_mbox(&self, unit: &Unit) -> Result<MboxReader<Content>, ArchiveError> {
        let content = self.tree.read(unit.file)?;
        let path = self.tree.path(unit.file);
        MboxReader::new(content, self.options.mbox_variant, &self.options.limits).map_err(ArchiveError::io(path))
    }

    /// What a position calls the file: a Maildir file's flags and its way from `new` to `cur` do not change it.
    fn unit_name(&self, unit: &Unit) -> String {
        let Some(file) = self.tree.file(unit.file).filter(|_| unit.kind == UnitKind::Maildir) else {
            return self.tree.relative_path(unit.file);
        };
        let mut levels = self.tree.levels(file.directory);
        levels.pop();
        levels.push(FileName::parse(&file.name).base.to_owned());
        levels.join("/")
    }

    fn mbox_entry(
        &self,
        folder: usize,
        path: &Path,
        file: String,
        message: MboxMessage,
        damage: Option<Finding>,
    ) -> Entry {
        let position = Position { offset: Some(message.next_offset), file };
        let place = || format!("{}, byte {}", path.display(), message.offset);
        let passed =
            |reason| Entry::PassedOver(PassedOver { folder, place: place(), reason, position: position.clone() });
        if let Some(bytes) = message.too_large_bytes {
            return passed(PassedOverReason::TooLarge(bytes));
        }
        let header = header_of(&message.raw, self.options.limits.header_bytes_max);
        let marks = Marks::of(header);
        if self.options.expunged == Expunged::PassOver {
            if marks.expunged {
                return passed(PassedOverReason::Expunged);
            }
            if mbox::is_internal_data(header) {
                return passed(PassedOverReason::FolderInternalData);
            }
        }
        let received = message.date.or_else(|| date_of_header(header));
        let raw = mbox::remove_added_fields(message.raw);
        let mut findings = message.findings;
        findings.extend(damage);
        inspect(&raw, &mut findings);
        Entry::Message(Item {
            folder,
            raw: Bytes::from(raw),
            flags: marks.flags,
            received,
            uid: marks.uid,
            pop3_uidl: marks.pop3_uidl,
            place: place(),
            position,
            findings,
        })
    }

    /// Reads a file that is one message.
    fn read_single(&self, unit: &Unit) -> Result<Entry, ArchiveError> {
        let (name, path) = (self.unit_name(unit), self.tree.path(unit.file));
        let unreadable =
            |reason: String| passed_over(unit.folder, &path, name.clone(), PassedOverReason::Unreadable(reason));
        let mut findings = Vec::new();
        let bytes = match self.read_whole(unit, &path, &mut findings) {
            Ok(Whole::Bytes(bytes)) => bytes,
            Ok(Whole::TooLarge(bytes)) => {
                return Ok(passed_over(unit.folder, &path, name, PassedOverReason::TooLarge(bytes)));
            }
            Err(error) => return Ok(unreadable(error.to_string())),
        };
        Ok(Entry::Message(self.single_item(unit, name, bytes, findings)))
    }

    fn read_whole(&self, unit: &Unit, path: &Path, findings: &mut Vec<Finding>) -> Result<Whole, ArchiveError> {
        let limit = self.options.limits.message_bytes_max;
        let size = self.tree.file(unit.file).map_or(0, |file| file.size);
        // What an archive says of sizes is not relied upon, only used to get the room in one piece.
        let capacity = usize::try_from(size.min(limit).min(64 * 1024 * 1024)).unwrap_or(0);
        let mut bytes = Vec::with_capacity(capacity.saturating_add(1));
        let mut content = self.tree.read(unit.file)?;
        (&mut content).take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(ArchiveError::io(path))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
            return Ok(Whole::TooLarge(size));
        }
        findings.extend(content.damage());
        Ok(Whole::Bytes(bytes))
    }

    fn single_item(&self, unit: &Unit, name: String, bytes: Vec<u8>, mut findings: Vec<Finding>) -> Item {
        let file = self.tree.file(unit.file);
        let file_name = file.map_or("", |file| &*file.name);
        let modified = file.and_then(|file| file.modified);
        let known = unit.known.as_deref();
        let mut flags = Vec::new();
        let mut received = known.and_then(|known| known.received);
        let raw = match unit.kind {
            UnitKind::Tree => {
                let hash = known.and_then(|known| known.blake3.as_deref());
                if hash.is_some_and(|hash| hash != blake3::hash(&bytes).to_hex().as_str()) {
                    findings.push(Finding::WrongHash);
                }
                if known.and_then(|known| known.bytes).is_some_and(|size| u64::try_from(bytes.len()) != Ok(size)) {
                    findings.push(Finding::WrongSize);
                }
                bytes
            }
            UnitKind::Maildir => {
                let parsed = FileName::parse(file_name);
                let letters = self.plan.letters.get(unit.folder).map(Vec::as_slice).unwrap_or_default();
                flags = parsed.flags(letters);
                // A zip's dates are local time, and to two seconds.
                received = match self.tree.container {
                    Container::Zip => parsed.delivered.or(modified),
                    _ => modified.or(parsed.delivered),
                };
                let file_bytes = bytes.len();
                let raw = to_wire(bytes);
                parsed.check_sizes(file_bytes, raw.len(), &mut findings);
                raw
            }
            UnitKind::Emlx => {
                let emlx = parse_emlx(bytes);
                (flags, received) = (emlx.flags, emlx.received);
                findings.extend(emlx.findings);
                if file_name.ends_with(".partial.emlx") {
                    findings.push(Finding::Partial);
                }
                to_wire(emlx.raw)
            }
            UnitKind::Eml | UnitKind::Mbox => to_wire(bytes),
        };
        known.into_iter().flat_map(|known| &known.flags).for_each(|flag: &Flag| add_flag(&mut flags, flag.clone()));
        if unit.kind != UnitKind::Tree {
            // The file may have been copied since: what the message says is nearer to the truth.
            let header = header_of(&raw, self.options.limits.header_bytes_max);
            received = received.or_else(|| date_of_header(header)).or(modified);
        }
        inspect(&raw, &mut findings);
        Item {
            folder: unit.folder,
            raw: Bytes::from(raw),
            flags,
            received,
            uid: unit.uid,
            pop3_uidl: known.and_then(|known| known.pop3_uidl.clone()).or_else(|| self.made_uidl(unit)),
            place: self.tree.path(unit.file).display().to_string(),
            position: Position { offset: None, file: name },
            findings,
        }
    }
}

impl Reader {
    /// The unique-id that Dovecot's POP3 server made of what it knew. It has one mailbox, the inbox (RFC 1939 §3).
    fn made_uidl(&self, unit: &Unit) -> Option<String> {
        let format = self.options.pop3_uidl_format.as_ref()?;
        let folder = self.plan.folders.get(unit.folder)?;
        let is_dovecot = self.plan.have_dovecot_uids.get(unit.folder).copied().unwrap_or(false);
        if !is_dovecot || !folder.name.iter().eq(["INBOX"]) {
            return None;
        }
        let base = FileName::parse(&self.tree.file(unit.file)?.name).base;
        let guid = unit.known.as_ref().and_then(|known| known.guid.as_deref());
        format.apply(UidlParts { uid: unit.uid?, uid_validity: folder.uid_validity?, base, guid })
    }
}

enum Whole {
    Bytes(Vec<u8>),
    TooLarge(u64),
}

fn passed_over(folder: usize, path: &Path, file: String, reason: PassedOverReason) -> Entry {
    let position = Position { offset: None, file };
    Entry::PassedOver(PassedOver { folder, place: PathBuf::from(path).display().to_string(), reason, position })
}

impl Iterator for Reader {
    type Item = Result<Entry, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_entry().transpose()
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Reader")
            .field("detection", &self.detection)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
