//! Maildir folders in a tree: with subfolders as Maildir++ has them (`.A.B` beside `cur`), or as directories in
//! directories.

use std::collections::HashMap;

use super::{Draft, Known, Planner, Unit, UnitKind, Where};
use crate::{
    error::ArchiveError,
    flag::{Flag, add_keyword},
    folder_name::decode_level,
    maildir::{FileName, UidList, UidRow, parse_courier_keywords, parse_keywords, parse_subscriptions},
    model::Folder,
    tree::{DirectoryId, Tree},
};

/// Whether a directory is a Maildir folder.
pub(super) fn is_maildir(tree: &Tree, directory: DirectoryId) -> bool {
    tree.child(directory, "cur").is_some() || tree.child(directory, "new").is_some()
}

impl Planner<'_> {
    /// A Maildir folder and those below it.
    pub(super) fn plan_maildir(&mut self, directory: DirectoryId, place: &Where) -> Result<(), ArchiveError> {
        let is_top = !place.in_maildir;
        let context = if is_top { place.levels.len() } else { place.context };
        let first = self.drafts.len();
        self.plan_maildir_folder(directory, place.levels.clone(), context)?;
        let children: Vec<(String, DirectoryId)> =
            self.tree.directories_in(directory).map(|(name, id)| (name.to_owned(), id)).collect();
        for (name, child) in children {
            if matches!(name.as_str(), "cur" | "new" | "tmp" | "courierimapkeywords" | "courierimaphieracl") {
                continue;
            }
            let mut levels = place.levels.clone();
            let dotted = name.strip_prefix('.').filter(|dotted| !dotted.is_empty());
            if let Some(dotted) = dotted.filter(|_| is_maildir(self.tree, child)) {
                levels.extend(dotted.split('.').map(decode_level));
                self.plan_maildir_folder(child, levels, context)?;
            } else if dotted.is_none() {
                levels.push(decode_level(&name));
                self.visit(child, &Where { levels, context, in_maildir: true, ..Where::default() })?;
            }
        }
        if is_top {
            self.mark_subscribed(directory, first, place.levels.len())?;
        }
        Ok(())
    }

    fn plan_maildir_folder(
        &mut self,
        directory: DirectoryId,
        levels: Vec<String>,
        context: usize,
    ) -> Result<(), ArchiveError> {
        let folder_path = self.tree.root.join(self.tree.levels(directory).join("/"));
        self.counts.maildir += 1;
        let uids = self.uid_list(directory)?;
        if uids.bad_lines > 0 {
            self.notes.push(format!(
                "{}: lines of its list of UIDs that cannot be read: {}",
                folder_path.display(),
                uids.bad_lines
            ));
        }
        let letters = match self.tree.file_in(directory, "dovecot-keywords") {
            Some(file) => parse_keywords(&self.tree.metadata(file)?),
            None => Vec::new(),
        };
        let courier = self.courier_keywords(directory)?;
        let mut units = Vec::new();
        for part in ["cur", "new"] {
            let Some(part) = self.tree.child(directory, part) else { continue };
            for (id, file) in self.tree.files_in(part).filter(|(_, file)| !file.name.starts_with('.')) {
                let base = FileName::parse(&file.name).base;
                let row = uids.row(base);
                let keywords = courier.get(base).map(Vec::as_slice).unwrap_or_default();
                units.push(Unit {
                    folder: 0,
                    file: id,
                    kind: UnitKind::Maildir,
                    uid: row.map(|row| row.uid),
                    known: known(base, row, keywords),
                });
            }
        }
        let unfinished = self.tree.child(directory, "tmp").map_or(0, |tmp| self.tree.files_in(tmp).count());
        if unfinished > 0 {
            self.notes
                .push(format!("{}: unfinished files in tmp that were not read: {unfinished}", folder_path.display()));
        }
        let mut folder = Folder { uid_validity: uids.validity, uid_next: uids.floor(), ..Folder::default() };
        folder.keywords = letters.iter().filter(|name| !name.is_empty()).cloned().collect();
        let has_dovecot_uids = uids.is_dovecot;
        self.push_draft(Draft { levels, context, folder, letters, has_dovecot_uids, units, exact: false });
        Ok(())
    }

    fn uid_list(&mut self, directory: DirectoryId) -> Result<UidList, ArchiveError> {
        type Parser = fn(&[u8]) -> Option<UidList>;
        let lists: [(&str, Parser); 2] =
            [("dovecot-uidlist", UidList::parse_dovecot), ("courierimapuiddb", UidList::parse_courier)];
        for (name, parse) in lists {
            if let Some(file) = self.tree.file_in(directory, name) {
                match parse(&self.tree.metadata(file)?) {
                    Some(list) => return Ok(list),
                    None => self.notes.push(format!("{}: cannot be read", self.tree.path(file).display())),
                }
            }
        }
        Ok(UidList::default())
    }

    /// Courier keeps keywords in a directory; its file `:list` has them all.
    fn courier_keywords(&self, directory: DirectoryId) -> Result<HashMap<String, Vec<String>>, ArchiveError> {
        let list =
            self.tree.child(directory, "courierimapkeywords").and_then(|keywords| self.tree.file_in(keywords, ":list"));
        list.map_or_else(|| Ok(HashMap::new()), |file| Ok(parse_courier_keywords(&self.tree.metadata(file)?)))
    }

    /// Notes which of the folders planned since `first` are subscribed to.
    fn mark_subscribed(&mut self, top: DirectoryId, first: usize, context: usize) -> Result<(), ArchiveError> {
        let names = ["subscriptions", "courierimapsubscribed"];
        let Some(file) = names.iter().find_map(|name| self.tree.file_in(top, name)) else { return Ok(()) };
        let subscribed = parse_subscriptions(&self.tree.metadata(file)?);
        for draft in self.drafts.iter_mut().skip(first) {
            let levels = draft.levels.get(context..).unwrap_or_default();
            let is_inbox = |name: &Vec<String>| levels.is_empty() && name.iter().eq(["INBOX"]);
            draft.folder.subscribed = Some(subscribed.iter().any(|name| name == levels || is_inbox(name)));
        }
        Ok(())
    }
}

fn known(base: &str, row: Option<&UidRow>, keywords: &[String]) -> Option<Box<Known>> {
    let (pop3_uidl, guid) =
        row.map_or((None, None), |row| (row.pop3_uidl.as_ref().and_then(|noted| noted.of(base)), row.guid.clone()));
    if pop3_uidl.is_none() && guid.is_none() && keywords.is_empty() {
        return None;
    }
    let mut flags: Vec<Flag> = Vec::new();
    keywords.iter().for_each(|name| add_keyword(&mut flags, name));
    Some(Box::new(Known { flags, pop3_uidl, guid, ..Known::default() }))
}
