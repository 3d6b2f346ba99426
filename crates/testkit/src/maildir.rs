//! Maildir folders, as the programs under test leave them behind, and what identifies a message.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A message in a Maildir folder.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    /// Its file.
    pub file: PathBuf,
    /// Its bytes, line ends as in the file.
    pub raw: Vec<u8>,
    /// Its flags as IMAP names them, in lower case.
    pub flags: BTreeSet<String>,
}

/// What the letters behind `:2,` mean.
const LETTERS: [(char, &str); 5] =
    [('D', "\\draft"), ('F', "\\flagged"), ('R', "\\answered"), ('S', "\\seen"), ('T', "\\deleted")];

/// The messages of one Maildir folder; none when there is no such folder.
///
/// # Panics
/// When a file cannot be read.
#[must_use]
pub fn read(folder: &Path) -> Vec<StoredMessage> {
    let mut messages = Vec::new();
    for part in ["cur", "new"] {
        let Ok(entries) = fs::read_dir(folder.join(part)) else { continue };
        for file in entries.map(|entry| entry.unwrap().path()) {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let letters = name.split_once(":2,").map_or("", |(_, letters)| letters);
            let flags = LETTERS.iter().filter(|(letter, _)| letters.contains(*letter));
            let flags = flags.map(|(_, flag)| (*flag).to_owned()).collect();
            messages.push(StoredMessage { raw: fs::read(&file).unwrap(), file, flags });
        }
    }
    messages.sort_by(|one, other| one.file.cmp(&other.file));
    messages
}

/// The folder's messages as Message-ID and flags, for comparison with a mailbox.
///
/// # Panics
/// When two messages have one Message-ID.
#[must_use]
pub fn identities(folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut identities = BTreeMap::new();
    for message in read(folder) {
        let id = message_id(&message.raw);
        assert!(identities.insert(id.clone(), message.flags).is_none(), "{id} is twice in {}", folder.display());
    }
    identities
}

/// Makes an empty Maildir folder.
///
/// # Panics
/// When it cannot be made.
pub fn create(folder: &Path) {
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(folder.join(part)).unwrap();
    }
}

/// Puts a message into a Maildir folder, with line ends as Unix has them.
///
/// # Panics
/// When it cannot be written.
pub fn put(folder: &Path, name: &str, letters: &str, message: &[u8]) {
    let text: Vec<u8> = without_carriage_returns(message);
    fs::write(folder.join("cur").join(format!("{name}:2,{letters}")), text).unwrap();
}

/// Gives a message other flag letters.
///
/// # Panics
/// When the file cannot be renamed.
pub fn set_letters(message: &StoredMessage, letters: &str) {
    let name = message.file.file_name().unwrap().to_string_lossy().into_owned();
    let stem = name.split(":2,").next().unwrap();
    let cur = message.file.parent().unwrap().parent().unwrap().join("cur");
    fs::rename(&message.file, cur.join(format!("{stem}:2,{letters}"))).unwrap();
}

/// The Message-ID of a message of the corpus.
///
/// # Panics
/// When it has none.
#[must_use]
pub fn message_id(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let line = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("message-id").then(|| value.trim().to_owned())
    });
    line.unwrap_or_else(|| panic!("no Message-ID in {text}"))
}

/// What follows the header, line ends as Unix has them: the part of a message that no program on the way may change.
#[must_use]
pub fn body(message: &[u8]) -> Vec<u8> {
    let text = without_carriage_returns(message);
    let start = text.windows(2).position(|pair| pair == b"\n\n").map_or(text.len(), |at| at + 2);
    text[start..].to_vec()
}

/// Compares bodies by Message-ID and, when they differ, shows the first that does.
///
/// # Panics
/// When they differ.
pub fn assert_same_bodies(got: &BTreeMap<String, Vec<u8>>, sent: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(got.keys().collect::<Vec<_>>(), sent.keys().collect::<Vec<_>>(), "the messages");
    for (id, body) in sent {
        let got = String::from_utf8_lossy(&got[id]);
        assert_eq!(got, String::from_utf8_lossy(body), "the body of {id}");
    }
}

/// Says that a received message is the one that was sent, below the trace header lines that servers add on top.
///
/// # Panics
/// When it is another.
pub fn assert_ends_with(received: &[u8], sent: &[u8]) {
    let (shown, expected) = (String::from_utf8_lossy(received), String::from_utf8_lossy(sent));
    assert!(received.ends_with(sent), "--- received\n{shown}\n--- does not end with\n{expected}");
}

fn without_carriage_returns(message: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(message.len());
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(content) => {
                text.extend_from_slice(content);
                text.push(b'\n');
            }
            None => text.extend_from_slice(line),
        }
    }
    text
}
