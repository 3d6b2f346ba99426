//! The note of how far an import is, kept in the store beside the account's mail.
//!
//! It is written in the same commit as the messages that it speaks of. Its name is made of what the import is: the same
//! files to the same place are the same import.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use postrider_archive::{Finding, PassedOverReason};
use postrider_store::{Account, BlobHash, Note};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

/// What an import did, all its runs together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Messages imported.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages that were there already and were not imported a second time.
    pub present: u64,
    /// Messages that were deleted in the source but not yet cut out of its file.
    pub expunged: u64,
    /// Entries that are no mail but a program's notes to itself.
    pub program_notes: u64,
    /// Messages beyond the store's bound, which were not imported.
    pub too_large: u64,
    /// Files that could not be read.
    pub unreadable: u64,
    /// Messages that kept their UIDs.
    pub uids_kept: u64,
    /// Messages that kept their POP3 unique-ids.
    pub unique_ids_kept: u64,
    /// Messages that lost a keyword because their mailbox cannot hold more different ones.
    pub keywords_lost: u64,
    /// What is odd about messages that were imported, by kind.
    pub findings: BTreeMap<String, u64>,
}

impl Tally {
    /// How many entries of the source are dealt with.
    pub fn entries(&self) -> u64 {
        self.messages + self.present + self.expunged + self.program_notes + self.not_imported()
    }

    /// How many messages are in the source and not in the account.
    pub fn not_imported(&self) -> u64 {
        self.too_large + self.unreadable
    }

    /// Counts something that is not handed out.
    pub(super) fn pass_over(&mut self, reason: &PassedOverReason) {
        *match reason {
            PassedOverReason::Expunged => &mut self.expunged,
            PassedOverReason::FolderInternalData => &mut self.program_notes,
            PassedOverReason::TooLarge(_) => &mut self.too_large,
            PassedOverReason::Unreadable(_) => &mut self.unreadable,
        } += 1;
    }

    /// Counts what is odd about a message.
    pub(super) fn find(&mut self, finding: &Finding) {
        *self.findings.entry(kind(finding).to_owned()).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.present += other.present;
        self.expunged += other.expunged;
        self.program_notes += other.program_notes;
        self.too_large += other.too_large;
        self.unreadable += other.unreadable;
        self.uids_kept += other.uids_kept;
        self.unique_ids_kept += other.unique_ids_kept;
        self.keywords_lost += other.keywords_lost;
        for (kind, count) in &other.findings {
            *self.findings.entry(kind.clone()).or_default() += count;
        }
    }
}

/// A finding's kind, for programs.
pub(super) fn kind(finding: &Finding) -> &'static str {
    match finding {
        Finding::Empty => "empty",
        Finding::NoHeader => "no_header",
        Finding::NulBytes => "nul_bytes",
        Finding::EightBitHeader => "eight_bit_header",
        Finding::BareLineEnd => "bare_line_end",
        Finding::LongLine => "long_line",
        Finding::WrongContentLength => "wrong_content_length",
        Finding::NoEmptyLineBefore => "no_empty_line_before",
        Finding::FromLineInText => "from_line_in_text",
        Finding::OddFromLine => "odd_from_line",
        Finding::Cut => "cut",
        Finding::WrongSize => "wrong_size",
        Finding::WrongHash => "wrong_hash",
        Finding::Partial => "partial",
        Finding::BadMetadata(_) => "bad_metadata",
    }
}

/// Whether messages that are there already are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Doubles {
    /// Everything is taken: it is the first time.
    #[default]
    Take,
    /// What the mailbox holds already is passed over.
    PassOver,
}

/// How far an import is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    version: u32,
    /// For people who look into the store.
    source: String,
    pub finished: bool,
    pub doubles: Doubles,
    /// Where reading goes on.
    pub position: Option<String>,
    pub tally: Tally,
}

impl Ledger {
    pub fn new(source: &Path, doubles: Doubles) -> Self {
        Self { version: VERSION, source: source.display().to_string(), doubles, ..Self::default() }
    }

    /// The note's name: the same for the same files to the same place.
    pub fn key(source: &Path, under: Option<&str>) -> String {
        let mut named = source.as_os_str().as_encoded_bytes().to_vec();
        // No path holds a NUL.
        named.push(0);
        named.extend_from_slice(under.unwrap_or_default().as_bytes());
        format!("import/{}", BlobHash::of(&named))
    }

    /// What an earlier run noted.
    pub async fn read(account: &Account, key: &str) -> Result<Option<Self>> {
        let mut found = None;
        account
            .notes(key.as_bytes(), |name, value| {
                if name == key.as_bytes() {
                    found = Some(value.to_vec());
                }
            })
            .await?;
        let Some(value) = found else { return Ok(None) };
        let ledger: Self = serde_json::from_slice(&value).context("the note of an earlier import cannot be read")?;
        Ok(Some(ledger).filter(|ledger| ledger.version == VERSION))
    }

    pub fn note(&self, key: &str) -> Result<Note> {
        Ok(Note { key: key.as_bytes().to_vec(), value: Some(serde_json::to_vec(self)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_named_by_its_files_and_its_target() {
        let key = |path: &str, under| Ledger::key(Path::new(path), under);
        assert_eq!(key("/a", None), key("/a", None));
        assert_ne!(key("/a", None), key("/a", Some("b")));
        assert_ne!(key("/a", Some("b")), key("/ab", None));
        assert!(key("/a", None).len() <= postrider_store::NOTE_KEY_BYTES_MAX);
    }

    #[test]
    fn tallies_add_up() {
        let mut one = Tally { messages: 1, bytes: 10, too_large: 1, ..Tally::default() };
        let mut other = Tally { present: 2, ..Tally::default() };
        other.find(&Finding::Cut);
        other.find(&Finding::Cut);
        one.add(&other);
        one.add(&other);
        assert_eq!((one.entries(), one.not_imported(), one.findings.get("cut")), (6, 1, Some(&4)));
    }
}
