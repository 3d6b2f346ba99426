//! What the JSON files in a snapshot say.
//!
//! Lists are JSON lines, one message or note in each, below a head line: the repository cuts files where their content says so, and a
//! flag that changed makes only the pieces around it new. Fields that a later version adds are passed over by this one.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use postrider_store::{BlobHash, Flag, SpecialUse, SpecialUses, Uid};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::layout::VERSION;

/// What a file is and which version of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The kind of file.
    pub format: String,
    /// The version of the layout.
    pub version: u32,
}

impl Head {
    /// The head of a file that this program writes.
    pub fn new(format: &str) -> Self {
        Self { format: format.to_owned(), version: VERSION }
    }

    /// Whether this program reads such files.
    pub fn is(&self, format: &str) -> bool {
        self.format == format && self.version == VERSION
    }
}

/// The `format` of [`crate::layout::LAYOUT_FILE`].
pub const LAYOUT_FORMAT: &str = "postrider-backup";
/// The `format` of [`AccountFile`].
pub const ACCOUNT_FORMAT: &str = "postrider-account";
/// The `format` of [`CredentialsFile`].
pub const CREDENTIALS_FORMAT: &str = "postrider-credentials";
/// The `format` of [`MailboxFile`].
pub const MAILBOX_FORMAT: &str = "postrider-mailbox";
/// The `format` in the head line of a list of messages.
pub const MESSAGES_FORMAT: &str = "postrider-messages";
/// The `format` in the head line of a list of notes.
pub const NOTES_FORMAT: &str = "postrider-notes";

/// What is known of an account beside its mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountFile {
    /// What this is.
    #[serde(flatten)]
    pub head: Head,
    /// Its address.
    pub address: String,
    /// Its number in the store that was saved.
    pub account: u32,
    /// The account's mod-sequence.
    pub modseq: u64,
    /// The last UIDVALIDITY that was given out.
    pub uid_validity_last: u32,
    /// The number that the next email would have had.
    pub email_next: u64,
    /// The number that the next mailbox would have had.
    pub mailbox_next: u32,
    /// Subscribed names, those of mailboxes that are gone included.
    pub subscriptions: Vec<String>,
    /// What the caller saves of it: aliases, settings, quota.
    pub info: Value,
}

/// What opens an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CredentialsFile {
    /// What this is.
    #[serde(flatten)]
    pub head: Head,
    /// The account's address.
    pub address: String,
    /// What the caller saves: password hashes, app passwords.
    pub credentials: Value,
}

/// What is known of a mailbox without its messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxFile {
    /// What this is.
    #[serde(flatten)]
    pub head: Head,
    /// Its whole name, `/` between levels.
    pub name: String,
    /// Its number in the store that was saved.
    pub mailbox: u32,
    /// Its UIDVALIDITY.
    pub uid_validity: u32,
    /// The UID that the next message would have had.
    pub uid_next: u32,
    /// The last change to it or its messages.
    pub highest_modseq: u64,
    /// What it is for: names of RFC 6154, without backslash.
    pub special_use: Vec<String>,
    /// Whether it is subscribed.
    pub subscribed: bool,
    /// How many messages it has.
    pub messages: u32,
    /// Their sizes together, in bytes.
    pub bytes: u64,
    /// Keywords that its messages have or had.
    pub keywords: Vec<String>,
}

impl MailboxFile {
    /// What it is for; uses that this program does not know are passed over.
    pub fn special_uses(&self) -> SpecialUses {
        self.special_use
            .iter()
            .filter_map(|name| SpecialUse::parse(name))
            .fold(SpecialUses::NONE, |uses, kind| uses.with(kind))
    }
}

/// The head line of a list of messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagesHead {
    /// What this is.
    #[serde(flatten)]
    pub head: Head,
    /// The mailbox's UIDVALIDITY.
    pub uid_validity: u32,
    /// How many lines follow.
    pub messages: u32,
}

/// A message: what is known of it beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageLine {
    /// Its UID; its file is named so.
    pub uid: u32,
    /// Its size in bytes.
    pub size: u32,
    /// The BLAKE3 hash of its bytes, in hexadecimal.
    #[serde(with = "hexadecimal")]
    pub blake3: BlobHash,
    /// INTERNALDATE, seconds since 1970 (UTC).
    pub received: i64,
    /// When it came into this mailbox (RFC 8514), seconds since 1970 (UTC).
    pub saved: i64,
    /// Its flags, system flags with their backslash.
    pub flags: Vec<String>,
    /// The last change of its flags, or its arrival.
    pub modseq: u64,
    /// The email's number: copies share it.
    pub email: u64,
    /// Its conversation's number, if that could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<u64>,
    /// Its unique-id in POP3, if it has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pop3: Option<String>,
}

impl MessageLine {
    /// Its UID.
    pub fn uid(&self) -> Uid {
        Uid(self.uid)
    }

    /// Its flags.
    pub fn flags(&self) -> Vec<Flag> {
        self.flags.iter().map(|text| parse_flag(text)).collect()
    }
}

/// A note, both parts in Base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteLine {
    /// Its name.
    pub key: String,
    /// What is noted.
    pub value: String,
}

impl NoteLine {
    /// Of these bytes.
    pub fn new(key: &[u8], value: &[u8]) -> Self {
        Self { key: STANDARD.encode(key), value: STANDARD.encode(value) }
    }

    /// The bytes; `None` if they are no Base64.
    pub fn decode(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        Some((STANDARD.decode(&self.key).ok()?, STANDARD.decode(&self.value).ok()?))
    }
}

const SYSTEM_FLAGS: [(Flag, &str); 5] = [
    (Flag::Answered, "\\Answered"),
    (Flag::Flagged, "\\Flagged"),
    (Flag::Deleted, "\\Deleted"),
    (Flag::Seen, "\\Seen"),
    (Flag::Draft, "\\Draft"),
];

/// A flag as it is written.
pub fn encode_flag(flag: &Flag) -> String {
    match flag {
        Flag::Keyword(name) => name.clone(),
        system => SYSTEM_FLAGS.iter().find(|(flag, _)| flag == system).map_or("", |(_, name)| name).to_owned(),
    }
}

/// The flag that [`encode_flag`] wrote.
pub fn parse_flag(text: &str) -> Flag {
    let system = SYSTEM_FLAGS.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
    system.map_or_else(|| Flag::Keyword(text.to_owned()), |(flag, _)| flag.clone())
}

/// A JSON line. The types of this module are all such as JSON can say.
pub(crate) fn push_line<T: Serialize>(bytes: &mut Vec<u8>, value: &T) -> Result<(), serde_json::Error> {
    serde_json::to_writer(&mut *bytes, value)?;
    bytes.push(b'\n');
    Ok(())
}

mod hexadecimal {
    use super::{BlobHash, Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(hash: &BlobHash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(hash)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BlobHash, D::Error> {
        super::parse_hash(&String::deserialize(deserializer)?)
    }
}

fn parse_hash<E: serde::de::Error>(text: &str) -> Result<BlobHash, E> {
    blake3::Hash::from_hex(text).map(|hash| BlobHash(*hash.as_bytes())).map_err(E::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> MessageLine {
        MessageLine {
            uid: 7,
            size: 3,
            blake3: BlobHash::of(b"abc"),
            received: -5,
            saved: 1_700_000_000,
            flags: vec![String::from("\\Seen"), String::from("$Junk \"x\"")],
            modseq: 9,
            email: 4,
            thread: Some(4),
            pop3: None,
        }
    }

    #[test]
    fn a_line_is_one_line_and_comes_back() {
        let mut bytes = Vec::new();
        push_line(&mut bytes, &line()).unwrap();
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(serde_json::from_slice::<MessageLine>(&bytes).unwrap(), line());
        assert!(!String::from_utf8(bytes).unwrap().contains("pop3"));
    }

    #[test]
    fn flags_are_written_as_imap_has_them() {
        for (flag, _) in SYSTEM_FLAGS {
            assert_eq!(parse_flag(&encode_flag(&flag)), flag);
        }
        assert_eq!(line().flags(), [Flag::Seen, Flag::Keyword(String::from("$Junk \"x\""))]);
    }

    #[test]
    fn a_head_stands_beside_the_other_fields_and_later_fields_are_passed_over() {
        let json = r#"{"format":"postrider-messages","version":1,"uid_validity":3,"messages":2,"later":true}"#;
        let head: MessagesHead = serde_json::from_str(json).unwrap();
        assert!(head.head.is(MESSAGES_FORMAT) && !head.head.is(NOTES_FORMAT));
        assert!(!Head { version: 2, ..head.head }.is(MESSAGES_FORMAT));
    }

    #[test]
    fn notes_hold_any_bytes() {
        let note = NoteLine::new(&[0, 255], b"\n");
        assert_eq!(note.decode(), Some((vec![0, 255], vec![b'\n'])));
        assert_eq!(NoteLine { key: String::from("*"), ..note }.decode(), None);
    }
}
