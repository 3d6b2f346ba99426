//! Which flag or keyword a label becomes.

use postrider_imap_proto::mailbox_name::encode_modified_utf7;
use postrider_store::KEYWORD_BYTES_MAX;

use super::Label;
use crate::imap::flags::FlagSet;

/// Letters of a hash that make a keyword that had to be cut its own.
const HASH_LETTERS: usize = 8;

/// As in [`FlagSet::system_bits`].
const FLAGGED: u8 = 2;
const DRAFT: u8 = 16;

/// What a label is here. Labels that say nothing but where a message stands are nothing.
pub(super) fn flags_of(label: &Label) -> FlagSet {
    let mut flags = FlagSet::default();
    match label {
        Label::System(name) => match name.as_str() {
            "inbox" | "sent" | "trash" | "spam" | "junk" | "all" => {}
            "starred" => flags = FlagSet::from_system_bits(FLAGGED),
            "draft" | "drafts" => flags = FlagSet::from_system_bits(DRAFT),
            // RFC 8457 §2
            "important" => flags.insert_keyword("$Important".to_owned()),
            other => flags.insert_keyword(bounded(format!("${}", atom(other)))),
        },
        Label::User(name) => {
            let atom = atom(name);
            // Keywords with a dollar mean something (RFC 5788), which a label does not.
            flags.insert_keyword(bounded(if atom.starts_with('$') { format!("_{atom}") } else { atom }));
        }
    }
    flags
}

/// The text as an atom (RFC 9051 §9): what is not ASCII in modified UTF-7, as in mailbox names, and `_` for every other character
/// that cannot stand in one, spaces above all.
fn atom(text: &str) -> String {
    let illegal = |c: char| {
        c.is_ascii() && (!c.is_ascii_graphic() || matches!(c, '(' | ')' | '{' | '%' | '*' | '"' | '\\' | ']'))
    };
    let legal: String = text.chars().map(|c| if illegal(c) { '_' } else { c }).collect();
    let atom = String::from_utf8_lossy(&encode_modified_utf7(&legal)).into_owned();
    if atom.is_empty() { "_".to_owned() } else { atom }
}

/// Cut where it is longer than a keyword can be, in such a way that two labels do not become one.
fn bounded(atom: String) -> String {
    if atom.len() <= KEYWORD_BYTES_MAX {
        return atom;
    }
    let hash: String = blake3::hash(atom.as_bytes()).to_hex().chars().take(HASH_LETTERS).collect();
    let start: String = atom.chars().take(KEYWORD_BYTES_MAX - HASH_LETTERS - 1).collect();
    format!("{start}-{hash}")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn words(raw: &str) -> String {
        flags_of(&Label::parse(&Bytes::copy_from_slice(raw.as_bytes()), None)).to_words()
    }

    #[test]
    fn labels_become_keywords_that_can_be_said() {
        for (label, expected) in [
            ("Work", "Work"),
            ("Muy Importante", "Muy_Importante"),
            ("Work/2026", "Work/2026"),
            ("say \"hi\" (now)", "say__hi___now_"),
            ("Entw&APw-rfe", "Entw&APw-rfe"),
            ("R&-D", "R&-D"),
            ("100%", "100_"),
            ("$Junk", "_$Junk"),
            ("[Imap]/Sent", "[Imap_/Sent"),
            ("\\Important", "$Important"),
            ("\\Starred", "\\Flagged"),
            ("\\Draft", "\\Draft"),
            ("\\Muted", "$muted"),
            ("\\Inbox", ""),
            ("\\Sent", ""),
        ] {
            assert_eq!(words(label), expected, "{label}");
        }
    }

    #[test]
    fn long_labels_are_cut_and_stay_different() {
        let (one, two) = (words(&format!("{}1", "x".repeat(300))), words(&format!("{}2", "x".repeat(300))));
        assert!(one.len() <= KEYWORD_BYTES_MAX && one != two);
    }

    proptest! {
        #[test]
        fn every_label_is_a_keyword_that_is_read_back(name in "\\PC{1,300}") {
            let words = flags_of(&Label::User(name)).to_words();
            prop_assert!(words.len() <= KEYWORD_BYTES_MAX && !words.contains(' ') && words.is_ascii());
            let wire = postrider_imap_proto::command::Flag::Keyword(words.clone());
            prop_assert_eq!(FlagSet::from_wire(&[wire]).to_words(), words);
        }
    }
}
