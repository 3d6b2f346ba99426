//! What is to be read of a tree of files: its folders, and their files in the order in which they are read.
//!
//! Files say what they are by where they lie and how they begin, and one tree may hold several forms, so there is one walk
//! that looks for all of them (or, when told so, for one). What is no mail is counted and told.

mod classify;
mod maildir;

use crate::{
    emlx,
    error::ArchiveError,
    flag::{Flag, add_flag},
    folder_name::{UniqueNames, clean, clean_level},
    mbox::{self, header_of},
    metadata,
    model::{Folder, SpecialUse},
    options::{Format, ReadOptions},
    tree::{Container, DirectoryId, FileId, Tree},
};
use classify::FileKind;

/// How a unit is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnitKind {
    /// A file of messages.
    Mbox,
    /// A message in `cur` or `new`.
    Maildir,
    /// A message alone.
    Eml,
    /// Apple Mail's message.
    Emlx,
    /// A message of a tree that this crate wrote.
    Tree,
}

/// A file that is read.
#[derive(Debug)]
pub(crate) struct Unit {
    pub folder: usize,
    pub file: FileId,
    pub kind: UnitKind,
    pub uid: Option<u32>,
    pub known: Option<Box<Known>>,
}

/// What metadata say of a message.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub flags: Vec<Flag>,
    pub received: Option<i64>,
    pub pop3_uidl: Option<String>,
    pub guid: Option<String>,
    pub bytes: Option<u64>,
    pub blake3: Option<String>,
}

/// What is to be read.
pub(crate) struct Plan {
    pub folders: Vec<Folder>,
    /// For each folder what the letters `a` to `z` of its Maildir file names mean.
    pub letters: Vec<Vec<String>>,
    /// For each folder whether its UIDs are Dovecot's.
    pub have_dovecot_uids: Vec<bool>,
    /// For each folder whether its messages come by ascending UIDs, those without one at the end.
    pub ascend: Vec<bool>,
    pub units: Vec<Unit>,
    pub format: Format,
    pub sentence: String,
    pub notes: Vec<String>,
}

/// A folder while the tree is walked.
struct Draft {
    levels: Vec<String>,
    /// How many of the levels only say where the mail lies: they go if all folders share them.
    context: usize,
    folder: Folder,
    letters: Vec<String>,
    has_dovecot_uids: bool,
    units: Vec<Unit>,
    /// Whether the name is exact, as metadata have it.
    exact: bool,
}

/// Where in the tree the walk is.
#[derive(Debug, Clone, Default)]
struct Where {
    levels: Vec<String>,
    context: usize,
    in_maildir: bool,
    in_apple: bool,
    /// Whether the directories here are accounts.
    holds_accounts: bool,
}

#[derive(Debug, Default)]
struct Counts {
    mbox: usize,
    maildir: usize,
    eml: usize,
    emlx: usize,
    tree: usize,
}

struct Planner<'a> {
    tree: &'a Tree,
    options: &'a ReadOptions,
    drafts: Vec<Draft>,
    counts: Counts,
    notes: Vec<String>,
    ignored: usize,
    ignored_names: Vec<String>,
    foreign: Option<ArchiveError>,
}

/// How many names of files that are no mail are told.
const IGNORED_NAMES_MAX: usize = 5;

/// Walks the tree.
pub(crate) fn plan(tree: &Tree, options: &ReadOptions) -> Result<Plan, ArchiveError> {
    let mut planner = Planner {
        tree,
        options,
        drafts: Vec::new(),
        counts: Counts::default(),
        notes: tree.notes.clone(),
        ignored: 0,
        ignored_names: Vec::new(),
        foreign: None,
    };
    let place = Where::default();
    planner.visit(0, &place)?;
    planner.finish()
}

impl Planner<'_> {
    fn wants(&self, format: Format) -> bool {
        matches!(self.options.format, Format::Detect) || self.options.format == format
    }

    fn visit(&mut self, directory: DirectoryId, place: &Where) -> Result<(), ArchiveError> {
        if self.wants(Format::Tree)
            && let Some(file) = self.tree.file_in(directory, metadata::FILE_NAME)
            && metadata::is_ours(&self.tree.head(file)?)
        {
            self.plan_tree_folder(directory, place, file)?;
        } else if self.wants(Format::Maildir) && maildir::is_maildir(self.tree, directory) {
            return self.plan_maildir(directory, place);
        } else {
            self.plan_files(directory, place)?;
        }
        let children: Vec<(String, DirectoryId)> =
            self.tree.directories_in(directory).map(|(name, id)| (name.to_owned(), id)).collect();
        for (name, child) in children {
            if classify::is_dbox(self.tree, &name, child) {
                self.foreign = Some(ArchiveError::NotReadHere {
                    path: self.tree.directory_path(child),
                    what: "Dovecot's own dbox format",
                    instead: "let Dovecot hand the mail out and fetch it by IMAP",
                });
                continue;
            }
            self.visit(child, &self.below(directory, place, &name, child))?;
        }
        Ok(())
    }

    /// The place of `child`, which is no Maildir subfolder, in `directory`.
    fn below(&self, directory: DirectoryId, place: &Where, name: &str, child: DirectoryId) -> Where {
        let mut below = Where { holds_accounts: false, ..place.clone() };
        if let Some(apple) = name.strip_suffix(".mbox") {
            below.in_apple = true;
            below.levels.push(apple.to_owned());
        } else if place.in_apple {
            // Apple's messages lie in directories that only mean something to it.
        } else if classify::is_transparent(name) {
            below.holds_accounts = true;
        } else {
            below.levels.push(name.strip_suffix(".sbd").unwrap_or(name).to_owned());
            let is_context = place.holds_accounts || classify::is_uuid(name) || self.is_way(directory, child);
            below.context += usize::from(is_context && place.levels.len() == place.context);
        }
        below
    }

    /// Whether a directory of an archive is only the way to the mail: alone in its own, and without files.
    fn is_way(&self, directory: DirectoryId, child: DirectoryId) -> bool {
        matches!(self.tree.container, Container::Tar(_) | Container::Zip)
            && self.tree.directories_in(directory).count() == 1
            && self.tree.files_in(directory).next().is_none()
            && self.tree.files_in(child).next().is_none()
    }

    fn draft(&mut self, place: &Where, name: Option<&str>) -> &mut Draft {
        let mut levels = place.levels.clone();
        levels.extend(name.map(str::to_owned));
        let context = place.context.min(levels.len());
        self.push_draft(Draft {
            levels,
            context,
            folder: Folder::default(),
            letters: Vec::new(),
            has_dovecot_uids: false,
            units: Vec::new(),
            exact: false,
        })
    }

    fn push_draft(&mut self, draft: Draft) -> &mut Draft {
        let at = self.drafts.len();
        self.drafts.push(draft);
        &mut self.drafts[at]
    }

    fn ignore(&mut self, name: &str) {
        self.ignored += 1;
        if self.ignored_names.len() < IGNORED_NAMES_MAX {
            self.ignored_names.push(name.to_owned());
        }
    }

    /// The files of a directory that is neither Maildir nor ours.
    fn plan_files(&mut self, directory: DirectoryId, place: &Where) -> Result<(), ArchiveError> {
        let mut single = Vec::new();
        let files: Vec<(FileId, String)> =
            self.tree.files_in(directory).map(|(id, file)| (id, file.name.to_string())).collect();
        for (id, name) in files {
            let kind = match classify::classify(self.tree, self.options, directory, id, &name) {
                Ok(kind) => kind,
                Err(error) => {
                    self.notes.push(format!("{error}: passed over"));
                    continue;
                }
            };
            match kind {
                FileKind::Mbox => self.plan_mbox(id, &name, place)?,
                FileKind::Eml | FileKind::Emlx => {
                    let kind = if kind == FileKind::Eml { UnitKind::Eml } else { UnitKind::Emlx };
                    self.counts.eml += usize::from(kind == UnitKind::Eml);
                    self.counts.emlx += usize::from(kind == UnitKind::Emlx);
                    single.push(Unit { folder: 0, file: id, kind, uid: None, known: None });
                }
                FileKind::Foreign(what, instead) => {
                    let path = self.tree.path(id);
                    self.notes.push(format!("{}: {what}, not read; {instead}", path.display()));
                    self.foreign = Some(ArchiveError::NotReadHere { path, what, instead });
                }
                FileKind::Sidecar => {}
                FileKind::Other => self.ignore(&name),
            }
        }
        if !single.is_empty() {
            // Apple spreads a folder over several directories.
            match self.drafts.iter_mut().find(|draft| place.in_apple && draft.levels == place.levels) {
                Some(draft) => draft.units.append(&mut single),
                None => self.draft(place, None).units = single,
            }
        }
        Ok(())
    }

    fn plan_mbox(&mut self, file: FileId, name: &str, place: &Where) -> Result<(), ArchiveError> {
        let head = self.tree.head(file)?;
        let message = head.iter().position(|byte| *byte == b'\n').and_then(|end| head.get(end + 1..));
        let base = mbox::imap_base(header_of(message.unwrap_or_default(), head.len()));
        self.counts.mbox += 1;
        // Apple exports a folder as `Name.mbox/mbox`.
        let level = match place.in_apple && name == "mbox" {
            true => None,
            false => Some(classify::folder_of_file(name)),
        };
        let draft = self.draft(place, level);
        if let Some((validity, last, keywords)) = base {
            draft.folder.uid_validity = Some(validity);
            draft.folder.uid_next = last.checked_add(1);
            draft.folder.keywords = keywords;
        }
        draft.units.push(Unit { folder: 0, file, kind: UnitKind::Mbox, uid: None, known: None });
        Ok(())
    }

    /// A folder that this crate wrote.
    fn plan_tree_folder(&mut self, directory: DirectoryId, place: &Where, file: FileId) -> Result<(), ArchiveError> {
        let bytes = self.tree.metadata(file)?;
        let (mut folder, rows) = match metadata::parse(&bytes) {
            Ok(parsed) => parsed,
            Err(reason) => {
                let path = self.tree.path(file);
                self.notes.push(format!("{}: cannot be read, so only messages are: {reason}", path.display()));
                return self.plan_files(directory, place);
            }
        };
        self.counts.tree += 1;
        let last = rows.iter().filter_map(|row| row.uid).max();
        folder.uid_next = folder.uid_next.max(last.map(|last| last.saturating_add(1)));
        let mut units = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(file) = self.tree.file_in(directory, &row.file) else {
                self.notes.push(format!("{}: {} is missing", self.tree.root.display(), row.file));
                continue;
            };
            let mut flags = Vec::new();
            row.flags.iter().filter_map(|name| Flag::parse(name)).for_each(|flag| add_flag(&mut flags, flag));
            let known = Known {
                flags,
                received: row.received,
                pop3_uidl: row.pop3_uidl.filter(|uidl| mbox::is_uidl(uidl)),
                bytes: Some(row.bytes),
                blake3: Some(row.blake3),
                ..Known::default()
            };
            units.push(Unit { folder: 0, file, kind: UnitKind::Tree, uid: row.uid, known: Some(Box::new(known)) });
        }
        let listed: std::collections::BTreeSet<FileId> = units.iter().map(|unit| unit.file).collect();
        for (id, entry) in self.tree.files_in(directory) {
            if entry.name.ends_with(".eml") && !listed.contains(&id) {
                units.push(Unit { folder: 0, file: id, kind: UnitKind::Eml, uid: None, known: None });
            }
        }
        let levels = folder.name.clone();
        let letters = Vec::new();
        self.push_draft(Draft { levels, context: 0, folder, letters, has_dovecot_uids: false, units, exact: true });
        Ok(())
    }

    fn finish(mut self) -> Result<Plan, ArchiveError> {
        if self.drafts.is_empty() {
            return Err(self.nothing_found());
        }
        if self.ignored > 0 {
            let names = self.ignored_names.join(", ");
            self.notes.push(match self.ignored {
                1 => format!("1 file is no mail and was not read: {names}"),
                count => format!("{count} files are no mail and were not read, such as {names}"),
            });
        }
        let shared = shared_context(&self.drafts);
        let root_name = self.tree.root.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut plan = Plan {
            folders: Vec::new(),
            letters: Vec::new(),
            have_dovecot_uids: Vec::new(),
            ascend: Vec::new(),
            units: Vec::new(),
            format: self.format(),
            sentence: self.sentence(),
            notes: self.notes,
        };
        let mut names = UniqueNames::default();
        for draft in &mut self.drafts {
            draft.levels.drain(..if draft.exact { 0 } else { shared.min(draft.levels.len()) });
            if draft.levels.is_empty() {
                let is_maildir = draft.units.iter().all(|unit| unit.kind == UnitKind::Maildir);
                let name = if is_maildir { "INBOX" } else { classify::folder_of_file(&root_name) };
                draft.levels.push(clean_level(name));
            }
        }
        self.drafts.sort_by(|one, other| one.levels.cmp(&other.levels));
        for draft in self.drafts {
            let number = plan.folders.len();
            let wanted = clean(draft.levels);
            let name = names.take(wanted.clone());
            if name != wanted {
                plan.notes.push(format!(
                    "there are several folders {}: one is now {}",
                    wanted.join("/"),
                    name.join("/")
                ));
            }
            let special_use = draft.folder.special_use.or_else(|| match name.as_slice() {
                [level] if !draft.exact => SpecialUse::of_name(level),
                _ => None,
            });
            plan.folders.push(Folder { name, special_use, ..draft.folder });
            plan.letters.push(draft.letters);
            plan.have_dovecot_uids.push(draft.has_dovecot_uids);
            plan.units.extend(draft.units.into_iter().map(|unit| Unit { folder: number, ..unit }));
        }
        // Stable: within a folder, and in one place of a stream, the order of names stays.
        plan.units.sort_by_key(|unit| match self.tree.container {
            Container::Tar(_) => (self.tree.stream_offset(unit.file), unit.folder, unit.uid.unwrap_or(u32::MAX)),
            _ => (0, unit.folder, unit.uid.unwrap_or(u32::MAX)),
        });
        plan.ascend = ascend(plan.folders.len(), &plan.units);
        Ok(plan)
    }

    fn nothing_found(&mut self) -> ArchiveError {
        if let Some(foreign) = self.foreign.take() {
            return foreign;
        }
        let reason = match self.ignored_names.first() {
            Some(first) if self.ignored == 1 => format!("its only file does not look like mail: {first}"),
            Some(first) => format!("{} files, none of which looks like mail, such as {first}", self.ignored),
            None => "it is empty, or none of its files looks like mail".to_owned(),
        };
        ArchiveError::Unrecognised { path: self.tree.root.clone(), reason }
    }

    fn format(&self) -> Format {
        let counts = &self.counts;
        let by_count = [
            (counts.tree, Format::Tree),
            (counts.maildir, Format::Maildir),
            (counts.mbox, Format::Mbox),
            (counts.emlx, Format::Emlx),
            (counts.eml, Format::Eml),
        ];
        by_count.iter().find(|(count, _)| *count > 0).map_or(Format::Detect, |(_, format)| *format)
    }

    /// What was found and why we think so.
    fn sentence(&self) -> String {
        let counts = &self.counts;
        let parts = [
            (
                counts.tree,
                "folder written by postrider (it has a folder.json)",
                "folders written by postrider (each has a folder.json)",
            ),
            (
                counts.maildir,
                "Maildir folder (a directory with cur and new)",
                "Maildir folders (directories with cur and new)",
            ),
            (counts.mbox, "mbox file (it begins with \"From \")", "mbox files (they begin with \"From \")"),
            (counts.emlx, "Apple Mail message (a file named .emlx)", "Apple Mail messages (files named .emlx)"),
            (
                counts.eml,
                "single message (a file named .eml, or numbered as MH does)",
                "single messages (files named .eml, or numbered as MH does)",
            ),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }))
            .collect();
        let container = match self.tree.container {
            Container::Directory => "a directory with".to_owned(),
            Container::File(compression) | Container::Tar(compression) => {
                let kind = if matches!(self.tree.container, Container::Tar(_)) { "a tar archive" } else { "a file" };
                let packed = format!(" compressed with {}", compression.name());
                let packed = if compression == crate::tree::Compression::None { "" } else { &packed };
                format!("{kind}{packed} with")
            }
            Container::Zip => "a zip archive with".to_owned(),
        };
        format!("{container} {}", parts.join(", "))
    }
}

/// For each folder whether its units come by ascending UIDs; what has none comes after them, whatever it is.
fn ascend(folders: usize, units: &[Unit]) -> Vec<bool> {
    let mut last: Vec<Option<u32>> = vec![Some(0); folders];
    let mut ascend = vec![true; folders];
    for unit in units {
        let (Some(last), Some(ascends)) = (last.get_mut(unit.folder), ascend.get_mut(unit.folder)) else { continue };
        *ascends &= unit.uid.is_none() || last.is_some_and(|last| unit.uid > Some(last));
        *last = unit.uid;
    }
    ascend
}

/// How many leading levels all folders share that only say where the mail lies.
fn shared_context(drafts: &[Draft]) -> usize {
    let inexact = || drafts.iter().filter(|draft| !draft.exact);
    let Some(first) = inexact().next() else { return 0 };
    let bound = inexact().map(|draft| draft.context).min().unwrap_or(0);
    let is_shared = |at: &usize| inexact().all(|draft| draft.levels.get(*at) == first.levels.get(*at));
    (0..bound).take_while(is_shared).count()
}

pub(crate) use emlx::parse_emlx;
