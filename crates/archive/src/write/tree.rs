//! A tree of `.eml` files: the one form that holds everything, byte for byte.

use super::{
    MessageNames, Outgoing, Written, received_of,
    sink::{Content, METADATA_DATE, Sink},
};
use crate::{
    error::ArchiveError,
    folder_name::file_name,
    metadata::{self, MessageRow},
    model::Folder,
};

pub(super) struct TreeFolder {
    path: String,
    folder: Folder,
    names: MessageNames,
    /// About 250 bytes for each message.
    rows: Vec<MessageRow>,
}

impl TreeFolder {
    pub fn begin(levels: &[String], folder: &Folder) -> Self {
        let levels: Vec<String> = levels.iter().map(|level| directory_name(level)).collect();
        Self { path: levels.join("/"), folder: folder.clone(), names: MessageNames::default(), rows: Vec::new() }
    }

    pub fn add(&mut self, sink: &mut Sink, message: &Outgoing<'_>) -> Result<Written, ArchiveError> {
        let hash = blake3::hash(message.raw);
        let file = format!("{}.eml", self.names.take(message, &hash));
        let path = format!("{}/{file}", self.path);
        let written = sink.put(&path, message.raw, received_of(message), Content::Immutable)?;
        self.rows.push(MessageRow {
            file,
            uid: message.uid,
            flags: message.flags.iter().map(|flag| flag.name().to_owned()).collect(),
            received: message.received,
            pop3_uidl: message.pop3_uidl.map(str::to_owned),
            bytes: u64::try_from(message.raw.len()).unwrap_or(0),
            blake3: hash.to_hex().to_string(),
        });
        Ok(written)
    }

    pub fn finish(self, sink: &mut Sink) -> Result<(), ArchiveError> {
        let path = format!("{}/{}", self.path, metadata::FILE_NAME);
        let mut bytes = Vec::new();
        metadata::encode(&mut bytes, &self.folder, self.rows.iter()).map_err(ArchiveError::io(&path))?;
        sink.put(&path, &bytes, METADATA_DATE, Content::Changing).map(drop)
    }
}

/// A level as a directory's name that is no message's and not the metadata's.
fn directory_name(level: &str) -> String {
    let name = file_name(level);
    match name == metadata::FILE_NAME || name.to_lowercase().ends_with(".eml") {
        true => format!("{name}_"),
        false => name,
    }
}
