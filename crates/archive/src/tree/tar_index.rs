//! The index of a tar file.
//!
//! The file is read through once. In a plain one, contents are later found by their offsets. A compressed one has to be
//! read again from its beginning; so that metadata and the first bytes that tell what a file is need no pass of their
//! own, they are kept from the first.

use std::{
    io::Read as _,
    sync::{Arc, Mutex},
};

use bytes::Bytes;

use super::{Compression, HEAD_BYTES, METADATA_NAMES, Place, Sequence, Tree, content, length};
use crate::error::ArchiveError;

/// How many files' beginnings are kept.
const HEADS_MAX: usize = 4096;

/// Whether this is the beginning of a tar file: its first header has a right checksum.
pub(super) fn is_tar(head: &[u8]) -> bool {
    let Some(block) = head.get(..512) else { return false };
    let (before, rest) = block.split_at(148);
    let (checksum, after) = rest.split_at(8);
    let text: String = checksum.iter().map(|byte| char::from(*byte)).collect();
    let Ok(expected) = u32::from_str_radix(text.trim_matches([' ', '\0']), 8) else { return false };
    let sum: u32 = before.iter().chain(after).map(|byte| u32::from(*byte)).sum();
    // The checksum is counted as eight blanks.
    sum + 8 * u32::from(b' ') == expected && block.first() != Some(&0)
}

pub(super) fn read(tree: &mut Tree, compression: Compression) -> Result<(), ArchiveError> {
    let root = tree.root.clone();
    let content = content::open_file(&root, compression, &tree.limits)?;
    let compressed = compression != Compression::None;
    if compressed {
        tree.sequence = Some(Arc::new(Mutex::new(Sequence::new(&root, compression, &tree.limits))));
    }
    let mut capture = Capture { metadata_bytes_left: tree.limits.metadata_bytes_max, heads: 0 };
    let mut archive = tar::Archive::new(content);
    for entry in archive.entries().map_err(ArchiveError::io(&root))? {
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                tree.notes.push(format!("{}: the archive is cut off or damaged: {error}", root.display()));
                break;
            }
        };
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            tree.place_of(&format!("{}/.", path.trim_end_matches('/')))?;
            if let Some((parent, name)) = tree.place_of(path.trim_end_matches('/'))? {
                tree.directory_in(parent, &name)?;
            }
            continue;
        }
        if !(kind.is_file() || kind.is_contiguous()) {
            if !kind.is_pax_global_extensions() {
                tree.notes.push(format!("{path}: not a plain file, passed over"));
            }
            continue;
        }
        let Some((directory, name)) = tree.place_of(&path)? else {
            tree.notes.push(format!("{path}: leads out of the archive or too deep, passed over"));
            continue;
        };
        let (offset, size) = (entry.raw_file_position(), entry.size());
        let modified = entry.header().mtime().ok().and_then(|seconds| i64::try_from(seconds).ok());
        if compressed && let Some(bytes) = capture.read(&name, size, &mut entry) {
            tree.captured.insert(offset, bytes);
        }
        tree.add_file(directory, name, size, modified, Place::Tar(offset))?;
    }
    Ok(())
}

/// What is kept of a compressed tar.
struct Capture {
    metadata_bytes_left: u64,
    heads: usize,
}

impl Capture {
    fn read(&mut self, name: &str, size: u64, entry: &mut impl std::io::Read) -> Option<Bytes> {
        let bytes_max = if METADATA_NAMES.contains(&name) {
            self.metadata_bytes_left
        } else if name.contains(":2,") || [".eml", ".emlx"].iter().any(|end| name.ends_with(end)) || size == 0 {
            return None;
        } else {
            self.heads += 1;
            (self.heads <= HEADS_MAX).then_some(u64::try_from(HEAD_BYTES).unwrap_or(0))?
        };
        let mut bytes = Vec::new();
        // What cannot be read ends the index at the next entry.
        entry.take(bytes_max).read_to_end(&mut bytes).ok()?;
        if METADATA_NAMES.contains(&name) {
            self.metadata_bytes_left = self.metadata_bytes_left.saturating_sub(length(&bytes));
        }
        Some(Bytes::from(bytes))
    }
}
