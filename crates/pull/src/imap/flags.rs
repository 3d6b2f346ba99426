//! Flags there and here.
//!
//! Only what a client may set counts: `\Recent` is the session's, and another `\flag` has no meaning here. A keyword
//! that could not be said to our own clients, or has no room in the mailbox's table, is left out and reported.

use std::collections::BTreeSet;

use postrider_imap_proto::command::Flag as WireFlag;
use postrider_imap_proto::encode::NewKeywords;
use postrider_store::{Flag, KEYWORD_BYTES_MAX, KEYWORDS_MAX, KeywordTable};

use super::report::{MailboxReport, Remark};

/// Keywords without room that are named.
const LEFT_OUT_NAMED_MAX: usize = 10;

const SYSTEM: [(u8, Flag); 5] =
    [(1, Flag::Answered), (2, Flag::Flagged), (4, Flag::Deleted), (8, Flag::Seen), (16, Flag::Draft)];

const WIRE_SYSTEM: [(u8, WireFlag); 5] = [
    (1, WireFlag::Answered),
    (2, WireFlag::Flagged),
    (4, WireFlag::Deleted),
    (8, WireFlag::Seen),
    (16, WireFlag::Draft),
];

const SYSTEM_WORDS: [(u8, &str); 5] =
    [(1, "\\Answered"), (2, "\\Flagged"), (4, "\\Deleted"), (8, "\\Seen"), (16, "\\Draft")];

/// A message's flags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct FlagSet {
    system: u8,
    /// In small letters, as letter case does not matter, each once.
    keywords: BTreeSet<Keyword>,
}

/// A keyword; compared without letter case, kept as it was written.
#[derive(Debug, Clone)]
struct Keyword(String);

impl Keyword {
    fn folded(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.bytes().map(|octet| octet.to_ascii_lowercase())
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Keyword {}

impl PartialOrd for Keyword {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Keyword {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.folded().cmp(other.folded())
    }
}

impl FlagSet {
    /// The flags that a server tells.
    pub(crate) fn from_wire(flags: &[WireFlag]) -> Self {
        let mut set = Self::default();
        for flag in flags {
            match flag {
                WireFlag::Answered => set.insert(&Flag::Answered),
                WireFlag::Flagged => set.insert(&Flag::Flagged),
                WireFlag::Deleted => set.insert(&Flag::Deleted),
                WireFlag::Seen => set.insert(&Flag::Seen),
                WireFlag::Draft => set.insert(&Flag::Draft),
                WireFlag::Keyword(name) if is_keyword(name) => set.insert_keyword(name.clone()),
                WireFlag::Keyword(_) | WireFlag::Recent | WireFlag::Extension(_) => {}
            }
        }
        set
    }

    /// The flags that a message has here.
    pub(crate) fn from_store(flags: &[Flag]) -> Self {
        let mut set = Self::default();
        flags.iter().for_each(|flag| set.insert(flag));
        set
    }

    /// The flags, for a server.
    pub(crate) fn to_wire(&self) -> Vec<WireFlag> {
        let system = WIRE_SYSTEM.iter().filter(|(bit, _)| self.system & bit != 0).map(|(_, flag)| flag.clone());
        system.chain(self.keywords().map(|name| WireFlag::Keyword(name.to_owned()))).collect()
    }

    /// The flags as words with spaces between, as IMAP writes them.
    pub(crate) fn to_words(&self) -> String {
        let system = SYSTEM_WORDS.iter().filter(|(bit, _)| self.system & bit != 0).map(|(_, word)| *word);
        system.chain(self.keywords()).collect::<Vec<&str>>().join(" ")
    }

    /// Reads [`Self::to_words`].
    pub(crate) fn from_words(words: &str) -> Self {
        let mut set = Self::default();
        for word in words.split_ascii_whitespace() {
            match SYSTEM_WORDS.iter().find(|(_, known)| *known == word) {
                Some((bit, _)) => set.system |= bit,
                None => set.insert_keyword(word.to_owned()),
            }
        }
        set
    }

    pub(crate) fn from_system_bits(system: u8) -> Self {
        Self { system, keywords: BTreeSet::new() }
    }

    pub(crate) fn system_bits(&self) -> u8 {
        self.system
    }

    pub(crate) fn keywords(&self) -> impl Iterator<Item = &str> + '_ {
        self.keywords.iter().map(|keyword| keyword.0.as_str())
    }

    pub(crate) fn insert_keyword(&mut self, name: String) {
        self.keywords.insert(Keyword(name));
    }

    fn insert(&mut self, flag: &Flag) {
        match flag {
            Flag::Keyword(name) => self.insert_keyword(name.clone()),
            system => self.system |= SYSTEM.iter().find(|(_, known)| known == system).map_or(0, |(bit, _)| *bit),
        }
    }

    /// Without `\Deleted`.
    #[must_use]
    pub(crate) fn without_deleted(mut self) -> Self {
        self.system &= !4;
        self
    }

    /// The flags here that are not in `other`.
    pub(crate) fn without(&self, other: &Self) -> Self {
        Self {
            system: self.system & !other.system,
            keywords: self.keywords.difference(&other.keywords).cloned().collect(),
        }
    }

    /// The flags of both.
    pub(crate) fn union(&self, other: &Self) -> Self {
        Self { system: self.system | other.system, keywords: self.keywords.union(&other.keywords).cloned().collect() }
    }

    /// The flags that both have.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        Self {
            system: self.system & other.system,
            keywords: self.keywords.intersection(&other.keywords).cloned().collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.system == 0 && self.keywords.is_empty()
    }

    /// The flags, for the store.
    pub(crate) fn to_store(&self) -> Vec<Flag> {
        let system = SYSTEM.iter().filter(|(bit, _)| self.system & bit != 0).map(|(_, flag)| flag.clone());
        system.chain(self.keywords().map(|name| Flag::Keyword(name.to_owned()))).collect()
    }
}

/// Whether our own server could tell it: an atom.
fn is_keyword(name: &str) -> bool {
    let is_atom = |octet: u8| {
        octet.is_ascii_graphic() && !matches!(octet, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
    };
    !name.is_empty() && name.len() <= KEYWORD_BYTES_MAX && name.bytes().all(is_atom)
}

/// The flags that a server keeps in a mailbox (`PERMANENTFLAGS`, RFC 9051 §7.1). By default all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Permitted {
    /// All system flags and keywords, as nothing was told.
    #[default]
    Untold,
    /// Any keyword, and these system flags.
    AnyKeyword {
        /// As in [`FlagSet::system_bits`].
        system: u8,
    },
    /// These and no others.
    Only(FlagSet),
}

impl Permitted {
    /// What a server tells.
    pub(crate) fn from_wire(flags: &[WireFlag], new_keywords: NewKeywords) -> Self {
        let named = FlagSet::from_wire(flags);
        match new_keywords {
            NewKeywords::Allowed => Self::AnyKeyword { system: named.system },
            NewKeywords::Refused => Self::Only(named),
        }
    }

    /// The flags that may be set there.
    pub(crate) fn fit(&self, flags: &FlagSet) -> FlagSet {
        match self {
            Self::Untold => flags.clone(),
            Self::AnyKeyword { system } => FlagSet { system: flags.system & system, keywords: flags.keywords.clone() },
            Self::Only(permitted) => flags.intersection(permitted),
        }
    }
}

/// The room for keywords in a mailbox here.
#[derive(Debug, Clone)]
pub(crate) struct KeywordRoom {
    known: BTreeSet<Keyword>,
    /// Keywords for which there was none.
    pub(crate) left_out: BTreeSet<String>,
}

impl KeywordRoom {
    pub(crate) fn new(table: &KeywordTable) -> Self {
        Self { known: table.names().iter().cloned().map(Keyword).collect(), left_out: BTreeSet::new() }
    }

    /// The flags that find room.
    pub(crate) fn fit(&mut self, flags: &FlagSet) -> FlagSet {
        let mut fitting = FlagSet::from_system_bits(flags.system);
        for keyword in &flags.keywords {
            if self.known.contains(keyword) || self.known.len() < KEYWORDS_MAX {
                self.known.insert(keyword.clone());
                fitting.keywords.insert(keyword.clone());
            } else {
                self.left_out.insert(keyword.0.clone());
            }
        }
        fitting
    }

    /// Tells which keywords found no room.
    pub(crate) fn tell_left_out(&self, report: &mut MailboxReport) {
        if !self.left_out.is_empty() {
            let names: Vec<&str> = self.left_out.iter().map(String::as_str).take(LEFT_OUT_NAMED_MAX).collect();
            report.remarks.push(Remark::notice(format!(
                "keywords were left out, as a mailbox here has no room for more: {}",
                names.join(", ")
            )));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_said_here_is_taken_over() {
        let wire = [
            WireFlag::Seen,
            WireFlag::Recent,
            WireFlag::Extension("Odd".into()),
            WireFlag::Keyword("$Junk".into()),
            WireFlag::Keyword("$junk".into()),
            WireFlag::Keyword("two words".into()),
            WireFlag::Keyword("schön".into()),
        ];
        assert_eq!(FlagSet::from_wire(&wire).to_store(), [Flag::Seen, Flag::Keyword("$Junk".into())]);
    }

    #[test]
    fn a_full_table_leaves_keywords_out_and_tells() {
        let mut room = KeywordRoom::new(&KeywordTable::default());
        for number in 0..KEYWORDS_MAX {
            let flags = FlagSet::from_store(&[Flag::Keyword(format!("k{number}"))]);
            assert_eq!(room.fit(&flags), flags);
        }
        let flags = FlagSet::from_store(&[Flag::Seen, Flag::Keyword("more".into()), Flag::Keyword("K7".into())]);
        assert_eq!(room.fit(&flags), FlagSet::from_store(&[Flag::Seen, Flag::Keyword("k7".into())]));
        assert_eq!(room.left_out.into_iter().collect::<Vec<_>>(), ["more"]);
    }
}
