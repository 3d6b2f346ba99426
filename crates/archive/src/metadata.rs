//! `folder.json`: what a tree of `.eml` files keeps beside the messages of one folder.
//!
//! One object; each message stands on a line of its own, so that people and `diff` can read it.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::model::{Folder, SpecialUse};

/// The name of the file.
pub(crate) const FILE_NAME: &str = "folder.json";
/// What says that it is ours.
const FORMAT: &str = "postrider-mail-tree";
/// The version that we write, and the newest that we read.
const VERSION: u32 = 1;

/// Everything but the messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    name: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    special_use: Option<SpecialUse>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid_validity: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid_next: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subscribed: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keywords: Vec<String>,
}

/// A message of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MessageRow {
    pub file: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pop3_uidl: Option<String>,
    pub bytes: u64,
    /// BLAKE3 of the file, in hexadecimal.
    pub blake3: String,
}

#[derive(Deserialize)]
struct Whole {
    #[serde(flatten)]
    header: Header,
    #[serde(default)]
    messages: Vec<MessageRow>,
}

/// Whether a file's beginning is that of a `folder.json` of ours.
pub(crate) fn is_ours(head: &[u8]) -> bool {
    memchr::memmem::find(head, FORMAT.as_bytes()).is_some()
}

/// Reads the file.
pub(crate) fn parse(bytes: &[u8]) -> Result<(Folder, Vec<MessageRow>), String> {
    let whole: Whole = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let header = whole.header;
    if header.format != FORMAT || header.version != VERSION {
        return Err(format!("format {:?} version {} is not known", header.format, header.version));
    }
    let folder = Folder {
        name: header.name,
        special_use: header.special_use,
        uid_validity: header.uid_validity,
        uid_next: header.uid_next,
        keywords: header.keywords,
        subscribed: header.subscribed,
    };
    Ok((folder, whole.messages))
}

/// Writes the file.
pub(crate) fn encode<'a>(
    out: &mut impl Write,
    folder: &Folder,
    rows: impl Iterator<Item = &'a MessageRow>,
) -> io::Result<()> {
    let header = Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        name: folder.name.clone(),
        special_use: folder.special_use,
        uid_validity: folder.uid_validity,
        uid_next: folder.uid_next,
        subscribed: folder.subscribed,
        keywords: folder.keywords.clone(),
    };
    let text = serde_json::to_string(&header)?;
    out.write_all(text.strip_suffix('}').unwrap_or(&text).as_bytes())?;
    out.write_all(b",\"messages\":[")?;
    for (at, row) in rows.enumerate() {
        out.write_all(if at == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, row)?;
    }
    out.write_all(b"\n]}\n")
}
