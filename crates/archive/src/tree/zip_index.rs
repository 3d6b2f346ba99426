//! The index of a zip file: its central directory, and where each file's bytes begin.

use std::{fs::File, io::BufReader};

use postrider_message::days_from_civil;
use zip::{CompressionMethod, ZipArchive};

use super::{Place, Tree, ZipSpan};
use crate::error::ArchiveError;

pub(super) fn read(tree: &mut Tree) -> Result<(), ArchiveError> {
    let root = tree.root.clone();
    let file = File::open(&root).map_err(ArchiveError::io(&root))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| ArchiveError::damaged(&root, error))?;
    for at in 0..archive.len() {
        let entry = match archive.by_index_raw(at) {
            Ok(entry) => entry,
            Err(error) => {
                tree.notes.push(format!("{}: file {at} of the archive cannot be read: {error}", root.display()));
                continue;
            }
        };
        let path = entry.name().map_or_else(|_| String::from_utf8_lossy(entry.name_raw()).into_owned(), Into::into);
        if entry.is_dir() {
            if let Some((parent, name)) = tree.place_of(path.trim_end_matches(['/', '\\']))? {
                tree.directory_in(parent, &name)?;
            }
            continue;
        }
        let (method, begin) = (entry.compression(), entry.data_start());
        let deflated = method == CompressionMethod::Deflated;
        let (Some(begin), true) = (begin, deflated || method == CompressionMethod::Stored) else {
            tree.notes.push(format!("{path}: packed in a way that is not read, passed over"));
            continue;
        };
        if !entry.is_file() || entry.encrypted() {
            tree.notes.push(format!("{path}: encrypted or not a plain file, passed over"));
            continue;
        }
        let Some((directory, name)) = tree.place_of(&path)? else {
            tree.notes.push(format!("{path}: leads out of the archive or too deep, passed over"));
            continue;
        };
        let span = ZipSpan { begin, compressed_bytes: entry.compressed_size(), deflated, crc: entry.crc32() };
        let modified = entry.last_modified().and_then(|moment| {
            let days = days_from_civil(i64::from(moment.year()), moment.month().into(), moment.day().into())?;
            let (hour, minute) = (i64::from(moment.hour()), i64::from(moment.minute()));
            Some(days * 86_400 + hour * 3600 + minute * 60 + i64::from(moment.second()))
        });
        tree.add_file(directory, name, entry.size(), modified, Place::Zip(Box::new(span)))?;
    }
    Ok(())
}
