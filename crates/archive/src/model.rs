//! What readers hand out and writers take: folders and messages with what is known of them beside their bytes.

use std::{fmt, str::FromStr};

use bytes::Bytes;

use crate::{finding::Finding, flag::Flag};

/// What a folder is for (RFC 6154 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpecialUse {
    /// Messages that are kept but no longer looked at.
    Archive,
    /// Messages that are being written.
    Drafts,
    /// Unwanted messages.
    Junk,
    /// Messages that were sent.
    Sent,
    /// Messages that were thrown away.
    Trash,
}

impl SpecialUse {
    /// What a folder is for, going by the name that programs give it; only for folders at the top.
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name.to_lowercase().as_str() {
            "archive" | "archives" => Self::Archive,
            "drafts" => Self::Drafts,
            "junk" | "spam" | "junk e-mail" | "junk email" => Self::Junk,
            "sent" | "sent mail" | "sent items" | "sent messages" | "sent-mail" => Self::Sent,
            "trash" | "deleted items" | "deleted messages" => Self::Trash,
            _ => return None,
        })
    }
}

/// A folder of mail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Folder {
    /// Its name, level by level; `["INBOX"]` is the inbox.
    pub name: Vec<String>,
    /// What it is for, as metadata say or its name tells.
    pub special_use: Option<SpecialUse>,
    /// UIDVALIDITY, where known. UIDs are worth nothing without it.
    pub uid_validity: Option<u32>,
    /// The next UID, where known: beyond those of all messages that metadata know.
    pub uid_next: Option<u32>,
    /// The keywords that the folder knows; messages may have others.
    pub keywords: Vec<String>,
    /// Whether it is subscribed to, where known.
    pub subscribed: Option<bool>,
}

impl Folder {
    /// A folder of which nothing but its name is known.
    pub fn new<S: Into<String>>(name: impl IntoIterator<Item = S>) -> Self {
        Self { name: name.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

/// A message, its bytes and what is known beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The folder's place in [`crate::Reader::folders`].
    pub folder: usize,
    /// The message with CRLF line ends.
    pub raw: Bytes,
    /// Its flags, in no particular order, none twice.
    pub flags: Vec<Flag>,
    /// When it was received, in seconds since 1970 (UTC).
    pub received: Option<i64>,
    /// Its UID.
    pub uid: Option<u32>,
    /// Its unique id in POP3: as noted, or as [`crate::ReadOptions::pop3_uidl_format`] makes it for the inbox of a Dovecot.
    pub pop3_uidl: Option<String>,
    /// Where it lies, for people.
    pub place: String,
    /// Where reading goes on after it.
    pub position: Position,
    /// What is odd about it.
    pub findings: Vec<Finding>,
}

/// What a reader comes upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A message.
    Message(Item),
    /// Something that is not handed out.
    PassedOver(PassedOver),
}

/// Something that is not handed out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The folder's place in [`crate::Reader::folders`].
    pub folder: usize,
    /// Where it lies, for people.
    pub place: String,
    /// Why.
    pub reason: PassedOverReason,
    /// Where reading goes on after it.
    pub position: Position,
}

/// Why something is not handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassedOverReason {
    /// It was expunged, but not yet cut out of the file.
    Expunged,
    /// It is not mail but what a program noted for itself in the folder.
    FolderInternalData,
    /// It is larger than a message may be, in bytes.
    TooLarge(u64),
    /// The file cannot be read.
    Unreadable(String),
}

impl fmt::Display for PassedOverReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expunged => formatter.write_str("deleted, but not yet removed from the file"),
            Self::FolderInternalData => formatter.write_str("not mail but a program's note to itself"),
            Self::TooLarge(bytes) => write!(formatter, "too large: {bytes} bytes"),
            Self::Unreadable(reason) => write!(formatter, "cannot be read: {reason}"),
        }
    }
}

/// Where reading goes on: after the entry that it came with. It is text, to be kept and parsed again; what it holds is
/// the reader's own matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// Offset in an mbox file at which the next message begins; nothing: the whole file was read.
    pub(crate) offset: Option<u64>,
    /// The file, as its path below what was opened; a Maildir file without its flags, since those change.
    pub(crate) file: String,
}

/// Text that is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a position in mail files")]
pub struct PositionError;

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            Some(offset) => write!(formatter, "1:{offset}:{}", self.file),
            None => write!(formatter, "1::{}", self.file),
        }
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let rest = text.strip_prefix("1:").ok_or(PositionError)?;
        let (offset, file) = rest.split_once(':').ok_or(PositionError)?;
        let offset = match offset {
            "" => None,
            digits => Some(digits.parse().map_err(|_| PositionError)?),
        };
        Ok(Self { offset, file: file.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_text_and_back() {
        for position in [
            Position { offset: None, file: "cur/1:2".to_owned() },
            Position { offset: Some(7), file: "a:b/ü".to_owned() },
        ] {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for text in ["", "1", "1:", "1:x:y", "2:3:y", "1:-1:y"] {
            assert_eq!(text.parse::<Position>(), Err(PositionError), "{text}");
        }
    }
}
