//! A snapshot, read.

use std::{collections::BTreeMap, sync::Arc};

use postrider_store::{Uid, UidSet};
use rustic_core::{
    IndexedFullStatus, Repository as Library, TreeId,
    repofile::{Node, SnapshotFile},
};
use serde::de::DeserializeOwned;

use crate::{
    error::BackupError,
    layout::{self, RANGE_UIDS},
    manifest::{self, AccountFile, CredentialsFile, Head, MailboxFile, MessageLine, MessagesHead, NoteLine},
    repository::Inner,
    snapshots::{self, SavedAccount, SnapshotId},
};

/// Mailbox names have fewer levels; deeper folders are not ours.
const LEVELS_MAX: usize = 256;

/// A snapshot that can be read.
pub(crate) struct Reader {
    pub(crate) inner: Arc<Inner>,
    pub(crate) library: Library<IndexedFullStatus>,
    pub(crate) snapshot: SnapshotFile,
}

/// A folder with what is in it.
pub(crate) type Nodes = Vec<Node>;

/// A note.
pub(crate) type KeyAndValue = (Vec<u8>, Vec<u8>);

/// An account's folder.
pub(crate) struct AccountFolder {
    pub(crate) file: AccountFile,
    /// The name of its folder.
    pub(crate) path: String,
    pub(crate) nodes: Nodes,
}

/// A mailbox's folder.
pub(crate) struct MailboxFolder {
    pub(crate) file: MailboxFile,
    pub(crate) path: String,
    pub(crate) ranges: Vec<RangeFolder>,
    /// Names of files that do not belong here.
    pub(crate) strangers: Vec<String>,
}

/// A folder of messages.
#[derive(Debug, Clone)]
pub(crate) struct RangeFolder {
    pub(crate) first: u32,
    pub(crate) path: String,
    tree: Option<TreeId>,
}

impl RangeFolder {
    /// Whether messages of `uids` may be in it.
    pub(crate) fn may_hold(&self, uids: &UidSet) -> bool {
        uids.overlaps(Uid(self.first), Uid(self.first.saturating_add(RANGE_UIDS - 1)))
    }
}

/// The messages of a range.
pub(crate) struct Range {
    pub(crate) head: MessagesHead,
    pub(crate) lines: Vec<MessageLine>,
    pub(crate) files: BTreeMap<Uid, Node>,
    pub(crate) strangers: Vec<String>,
}

impl Reader {
    pub(crate) fn open(inner: &Arc<Inner>, snapshot: &SnapshotId) -> Result<Self, BackupError> {
        let library = inner.open_to_read()?;
        let (all, _) = snapshots::read_all(inner, &library)?;
        let snapshot = snapshots::find(all, &snapshot.0)?;
        let reader = Self { inner: Arc::clone(inner), library, snapshot };
        reader.check_layout()?;
        Ok(reader)
    }

    /// Whether the snapshot was written by this program, or one that knew the same layout.
    pub(crate) fn check_layout(&self) -> Result<(), BackupError> {
        let root = self.root()?;
        let node = self.node(&root, layout::LAYOUT_FILE, "")?;
        self.json::<Head>(node, layout::LAYOUT_FILE, manifest::LAYOUT_FORMAT).map(drop)
    }

    pub(crate) fn root(&self) -> Result<Nodes, BackupError> {
        self.nodes(self.snapshot.tree)
    }

    fn nodes(&self, tree: TreeId) -> Result<Nodes, BackupError> {
        Ok(self.inner.checked(self.library.get_tree(&tree))?.nodes)
    }

    /// What is in a folder.
    pub(crate) fn open_folder(&self, folder: &Node, path: &str) -> Result<Nodes, BackupError> {
        match folder.subtree.filter(|_| folder.is_dir()) {
            Some(tree) => self.nodes(tree),
            None => Err(self.inner.damaged(format!("{path} is no folder"))),
        }
    }

    fn node<'a>(&self, nodes: &'a [Node], name: &str, path: &str) -> Result<&'a Node, BackupError> {
        nodes.iter().find(|node| node.name == name).ok_or_else(|| self.no_path(&join(path, name)))
    }

    fn no_path(&self, path: &str) -> BackupError {
        BackupError::NoPath { snapshot: SnapshotId::of(&self.snapshot).short().to_owned(), path: path.to_owned() }
    }

    /// A file's whole content.
    pub(crate) fn bytes(&self, node: &Node, path: &str) -> Result<Vec<u8>, BackupError> {
        let mut bytes = Vec::with_capacity(usize::try_from(node.meta.size).unwrap_or(0).min(64 << 20));
        self.inner.checked(self.library.dump(node, &mut bytes))?;
        match bytes.len() as u64 == node.meta.size {
            true => Ok(bytes),
            false => Err(self.inner.damaged(format!("{path} is {} bytes long, not {}", bytes.len(), node.meta.size))),
        }
    }

    /// A JSON file that begins with a head.
    fn json<T: DeserializeOwned>(&self, node: &Node, path: &str, format: &str) -> Result<T, BackupError> {
        let bytes = self.bytes(node, path)?;
        self.check_head(&bytes, path, format)?;
        serde_json::from_slice(&bytes).map_err(|error| self.inner.damaged(format!("{path}: {error}")))
    }

    fn check_head(&self, json: &[u8], path: &str, format: &str) -> Result<(), BackupError> {
        let head: Head =
            serde_json::from_slice(json).map_err(|error| self.inner.damaged(format!("{path}: {error}")))?;
        if head.is(format) {
            return Ok(());
        }
        Err(BackupError::Layout {
            path: path.to_owned(),
            found: format!("{} {}", head.format, head.version),
            known: format!("{format} {}", layout::VERSION),
        })
    }

    /// The accounts in the snapshot.
    pub(crate) fn accounts(&self) -> Result<Vec<AccountFolder>, BackupError> {
        self.account_nodes()?.iter().map(|node| self.open_account(node)).collect()
    }

    /// The folders of accounts.
    pub(crate) fn account_nodes(&self) -> Result<Nodes, BackupError> {
        Ok(self.root()?.into_iter().filter(Node::is_dir).collect())
    }

    pub(crate) fn open_account(&self, node: &Node) -> Result<AccountFolder, BackupError> {
        let path = node.name.clone();
        let nodes = self.open_folder(node, &path)?;
        let file = self.node(&nodes, layout::ACCOUNT_FILE, &path)?;
        let file = self.json(file, &join(&path, layout::ACCOUNT_FILE), manifest::ACCOUNT_FORMAT)?;
        Ok(AccountFolder { file, path, nodes })
    }

    /// The account with an address.
    pub(crate) fn account(&self, address: &str) -> Result<AccountFolder, BackupError> {
        let root = self.root()?;
        let name = layout::encode_level(address);
        let folder = root.iter().find(|node| node.name == name && node.is_dir());
        self.open_account(folder.ok_or_else(|| self.no_path(&format!("account {address}")))?)
    }

    /// What the caller saved of an account.
    pub(crate) fn saved_account(&self, account: &AccountFolder) -> Result<SavedAccount, BackupError> {
        let credentials = account.nodes.iter().find(|node| node.name == layout::CREDENTIALS_FILE);
        let credentials = credentials.map(|node| {
            let path = join(&account.path, layout::CREDENTIALS_FILE);
            self.json::<CredentialsFile>(node, &path, manifest::CREDENTIALS_FORMAT)
        });
        Ok(SavedAccount {
            address: account.file.address.clone(),
            info: account.file.info.clone(),
            credentials: credentials.transpose()?.map(|file| file.credentials),
            subscriptions: account.file.subscriptions.clone(),
        })
    }

    /// The notes of an account.
    pub(crate) fn notes(&self, account: &AccountFolder) -> Result<Vec<KeyAndValue>, BackupError> {
        let Some(node) = account.nodes.iter().find(|node| node.name == layout::NOTES_FILE) else {
            return Ok(Vec::new());
        };
        let path = join(&account.path, layout::NOTES_FILE);
        let bytes = self.bytes(node, &path)?;
        let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        self.check_head(lines.next().unwrap_or_default(), &path, manifest::NOTES_FORMAT)?;
        let notes = lines.map(|line| {
            let note = serde_json::from_slice::<NoteLine>(line).ok().and_then(|note| note.decode());
            note.ok_or_else(|| self.inner.damaged(format!("{path} holds a line that is no note")))
        });
        notes.collect()
    }

    /// The mailboxes of an account, those above others first.
    pub(crate) fn mailboxes(&self, account: &AccountFolder) -> Result<Vec<MailboxFolder>, BackupError> {
        let mut found = Vec::new();
        self.walk(account, &mut |mailbox| {
            found.push(mailbox?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Visits the mailboxes of an account; what cannot be read is visited too.
    pub(crate) fn walk(
        &self,
        account: &AccountFolder,
        visit: &mut dyn FnMut(Result<MailboxFolder, BackupError>) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let folders = account.nodes.iter().filter(|node| node.is_dir());
        let mut waiting: Vec<(String, Node, usize)> =
            folders.map(|node| (join(&account.path, &node.name), node.clone(), 1)).collect();
        waiting.reverse();
        while let Some((path, node, level)) = waiting.pop() {
            if level > LEVELS_MAX {
                visit(Err(self.inner.damaged(format!("{path} is too deep"))))?;
                continue;
            }
            let nodes = match self.open_folder(&node, &path) {
                Ok(nodes) => nodes,
                Err(error) => {
                    visit(Err(error))?;
                    continue;
                }
            };
            if nodes.iter().any(|node| !node.is_dir() || layout::parse_range_folder(&node.name).is_some()) {
                visit(self.open_mailbox(&nodes, &path))?;
            }
            let below = nodes.into_iter().rev();
            let below = below.filter(|node| node.is_dir() && layout::parse_range_folder(&node.name).is_none());
            waiting.extend(below.map(|node| (join(&path, &node.name), node, level + 1)));
        }
        Ok(())
    }

    fn open_mailbox(&self, nodes: &[Node], path: &str) -> Result<MailboxFolder, BackupError> {
        let node = self.node(nodes, layout::MAILBOX_FILE, path)?;
        let file = self.json(node, &join(path, layout::MAILBOX_FILE), manifest::MAILBOX_FORMAT)?;
        let ranges = nodes.iter().filter_map(|node| {
            let first = layout::parse_range_folder(&node.name)?;
            Some(RangeFolder { first, path: join(path, &node.name), tree: node.subtree })
        });
        let strangers = nodes.iter().filter(|node| !node.is_dir() && node.name != layout::MAILBOX_FILE);
        Ok(MailboxFolder {
            file,
            path: path.to_owned(),
            ranges: ranges.collect(),
            strangers: strangers.map(|node| node.name.clone()).collect(),
        })
    }

    /// The mailbox with a name.
    pub(crate) fn mailbox(&self, account: &AccountFolder, name: &str) -> Result<MailboxFolder, BackupError> {
        let mut path = account.path.clone();
        let mut nodes = account.nodes.clone();
        for level in layout::mailbox_folders(name) {
            let next = join(&path, &level);
            let folder = nodes.iter().find(|node| node.name == level && node.is_dir());
            let folder = folder.ok_or_else(|| self.no_path(&format!("mailbox {name}")))?;
            nodes = self.open_folder(folder, &next)?;
            path = next;
        }
        self.open_mailbox(&nodes, &path)
    }

    /// The messages of a range: their lines and their files.
    pub(crate) fn range(&self, range: &RangeFolder) -> Result<Range, BackupError> {
        let path = &range.path;
        let tree = range.tree.ok_or_else(|| self.inner.damaged(format!("{path} is no folder")))?;
        let nodes = self.nodes(tree)?;
        let node = self.node(&nodes, layout::MESSAGES_FILE, path)?;
        let list = join(path, layout::MESSAGES_FILE);
        let bytes = self.bytes(node, &list)?;
        let bad = |error: serde_json::Error| self.inner.damaged(format!("{list}: {error}"));
        let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let head = lines.next().unwrap_or_default();
        self.check_head(head, &list, manifest::MESSAGES_FORMAT)?;
        let head = serde_json::from_slice(head).map_err(bad)?;
        let lines = lines.map(|line| serde_json::from_slice(line).map_err(bad)).collect::<Result<_, _>>()?;
        let mut files = BTreeMap::new();
        let mut strangers = Vec::new();
        for node in nodes {
            match layout::parse_message_file(&node.name).filter(|_| node.is_file()) {
                Some(uid) => drop(files.insert(uid, node)),
                None if node.name == layout::MESSAGES_FILE => {}
                None => strangers.push(node.name),
            }
        }
        Ok(Range { head, lines, files, strangers })
    }
}

/// A name in a folder.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}
