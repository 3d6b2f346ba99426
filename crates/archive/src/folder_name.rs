//! Folder names: decoded, cleaned, made unique, and turned into names of files.

use std::collections::BTreeSet;

use postrider_imap_proto::mailbox_name::{decode_modified_utf7, encode_modified_utf7};

/// The longest level of a name, in characters.
const LEVEL_CHARS_MAX: usize = 200;

/// A level of a name in modified UTF-7; as it is where it is none, since many programs write UTF-8.
pub(crate) fn decode_level(level: &str) -> String {
    decode_modified_utf7(level.as_bytes()).unwrap_or_else(|_| level.to_owned())
}

/// A level as Maildir++ has it in a directory's name: no dot, no slash, not hidden.
pub(crate) fn encode_level(level: &str) -> String {
    let level: String = level.chars().map(|c| if matches!(c, '.' | '/') { '_' } else { c }).collect();
    String::from_utf8_lossy(&encode_modified_utf7(&level)).into_owned()
}

/// A level of a name that every mailbox can have: no separators, no control characters, not empty.
pub(crate) fn clean_level(level: &str) -> String {
    let visible = level.chars().map(|c| match c {
        '/' | '\\' => '_',
        c if c.is_control() => '_',
        c => c,
    });
    let cleaned: String = visible.take(LEVEL_CHARS_MAX).collect();
    match cleaned.trim() {
        "" => "_".to_owned(),
        cleaned => cleaned.to_owned(),
    }
}

/// A name whose levels can be mailbox names. `Inbox` alone is INBOX in any spelling (RFC 9051 §5.1).
pub(crate) fn clean(name: Vec<String>) -> Vec<String> {
    let mut levels: Vec<String> = name.iter().map(|level| clean_level(level)).collect();
    if let Some(first) = levels.first_mut().filter(|level| level.eq_ignore_ascii_case("inbox")) {
        "INBOX".clone_into(first);
    }
    levels
}

/// Gives out names that differ, also in case, since file systems and people confuse those that do not.
#[derive(Debug, Default)]
pub(crate) struct UniqueNames {
    taken: BTreeSet<Vec<String>>,
}

impl UniqueNames {
    /// The name, or one like it that is not taken.
    pub fn take(&mut self, name: Vec<String>) -> Vec<String> {
        let folded = |name: &[String]| name.iter().map(|level| level.to_lowercase()).collect::<Vec<_>>();
        let mut candidate = name.clone();
        let mut number = 2;
        while !self.taken.insert(folded(&candidate)) {
            candidate.clone_from(&name);
            if let Some(last) = candidate.last_mut() {
                last.push_str(&format!(" ({number})"));
            }
            number += 1;
        }
        candidate
    }
}

/// A level as the name of a directory on any file system.
pub(crate) fn file_name(level: &str) -> String {
    let safe = |c: char| if c.is_control() || r#"<>:"/\|?*"#.contains(c) { '_' } else { c };
    let mut name: String = clean_level(level).chars().map(safe).collect();
    // Bytes, not characters, are what file systems count.
    while name.len() > 180 {
        name.pop();
    }
    let name = name.trim_end_matches(['.', ' ']).to_owned();
    match name.starts_with('.') || name.is_empty() {
        true => format!("_{name}"),
        false => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned() {
        for (name, expected) in
            [(vec!["Inbox"], vec!["INBOX"]), (vec!["a/b", "c\u{1}"], vec!["a_b", "c_"]), (vec![" "], vec!["_"])]
        {
            assert_eq!(clean(name.into_iter().map(str::to_owned).collect()), expected);
        }
        assert_eq!(decode_level("&APw-ber"), "über");
        assert_eq!(decode_level("R&D"), "R&D");
        assert_eq!(encode_level("a.ü"), "a_&APw-");
        for (level, expected) in [("..", "_"), (".x", "_.x"), ("a:b", "a_b"), ("a. ", "a")] {
            assert_eq!(file_name(level), expected);
        }
    }

    #[test]
    fn names_are_made_unique() {
        let mut names = UniqueNames::default();
        for (name, expected) in [("a", "a"), ("A", "A (2)"), ("a", "a (3)"), ("b", "b")] {
            assert_eq!(names.take(vec![name.to_owned()]), [expected]);
        }
    }
}
