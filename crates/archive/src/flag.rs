//! Flags, and how mail files write them: Maildir's letters, mbox's Status fields, Mozilla's and Apple's bits.

use std::fmt;

/// A flag of a message. Keywords keep their spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flag {
    /// Read.
    Seen,
    /// Replied to.
    Answered,
    /// Marked as important.
    Flagged,
    /// Marked for removal.
    Deleted,
    /// Not finished.
    Draft,
    /// Any other, such as `$Forwarded`.
    Keyword(String),
}

/// What Maildir's `P` (passed), Mozilla's and Apple's bits mean.
const FORWARDED: &str = "$Forwarded";

impl Flag {
    /// The flag with this name: `\Seen`, or a keyword. Nothing where the name could be neither.
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(system) = name.strip_prefix('\\') {
            let known = [Self::Seen, Self::Answered, Self::Flagged, Self::Deleted, Self::Draft];
            return known.into_iter().find(|flag| flag.name().trim_start_matches('\\').eq_ignore_ascii_case(system));
        }
        let is_atom = |c: char| c.is_ascii_graphic() && !"(){%*\"\\]".contains(c);
        (!name.is_empty() && name.chars().all(is_atom)).then(|| Self::Keyword(name.to_owned()))
    }

    /// Its name: `\Seen`, or the keyword.
    pub fn name(&self) -> &str {
        match self {
            Self::Seen => "\\Seen",
            Self::Answered => "\\Answered",
            Self::Flagged => "\\Flagged",
            Self::Deleted => "\\Deleted",
            Self::Draft => "\\Draft",
            Self::Keyword(name) => name,
        }
    }

    /// The keyword, if it is one.
    pub fn as_keyword(&self) -> Option<&str> {
        match self {
            Self::Keyword(name) => Some(name),
            _ => None,
        }
    }

    fn forwarded() -> Self {
        Self::Keyword(FORWARDED.to_owned())
    }

    fn is_forwarded(&self) -> bool {
        matches!(self, Self::Keyword(name) if name.eq_ignore_ascii_case(FORWARDED))
    }

    /// Maildir's letter for it; keywords have letters of their folder's own.
    pub(crate) fn maildir_letter(&self) -> Option<char> {
        Some(match self {
            Self::Draft => 'D',
            Self::Flagged => 'F',
            Self::Answered => 'R',
            Self::Seen => 'S',
            Self::Deleted => 'T',
            flag if flag.is_forwarded() => 'P',
            Self::Keyword(_) => return None,
        })
    }

    /// What one of Maildir's capital letters means.
    pub(crate) fn of_maildir_letter(letter: char) -> Option<Self> {
        Some(match letter {
            'D' => Self::Draft,
            'F' => Self::Flagged,
            'P' => Self::forwarded(),
            'R' => Self::Answered,
            'S' => Self::Seen,
            'T' => Self::Deleted,
            _ => return None,
        })
    }

    /// What a letter of `Status` or `X-Status` means.
    pub(crate) fn of_status_letter(letter: u8) -> Option<Self> {
        Some(match letter {
            b'R' => Self::Seen,
            b'A' => Self::Answered,
            b'F' => Self::Flagged,
            b'D' => Self::Deleted,
            b'T' => Self::Draft,
            _ => return None,
        })
    }

    /// The flags of `X-Mozilla-Status`; see also [`MOZILLA_EXPUNGED`].
    pub(crate) fn of_mozilla_bits(bits: u32) -> Vec<Self> {
        let table = [(0x1, Self::Seen), (0x2, Self::Answered), (0x4, Self::Flagged), (0x1000, Self::forwarded())];
        table.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, flag)| flag).collect()
    }

    /// The flags of the `flags` key of an `.emlx` file.
    pub(crate) fn of_apple_bits(bits: u64) -> Vec<Self> {
        let table = [
            (1, Self::Seen),
            (1 << 1, Self::Deleted),
            (1 << 2, Self::Answered),
            (1 << 4, Self::Flagged),
            (1 << 6, Self::Draft),
            (1 << 8, Self::forwarded()),
        ];
        table.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, flag)| flag).collect()
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The bit of `X-Mozilla-Status` of a message that is gone but not yet cut out of its file.
pub(crate) const MOZILLA_EXPUNGED: u32 = 0x8;

/// Adds a flag unless it is there; keywords are equal in any letter case (RFC 9051 §2.3.2).
pub(crate) fn add_flag(flags: &mut Vec<Flag>, flag: Flag) {
    if !flags.iter().any(|known| known.name().eq_ignore_ascii_case(flag.name())) {
        flags.push(flag);
    }
}

/// Adds the keyword, if it can be one: what it could not hold becomes `_`. Thunderbird's `$label1` stays as it is.
pub(crate) fn add_keyword(flags: &mut Vec<Flag>, name: &str) {
    let cleaned: String =
        name.chars().map(|c| if c.is_ascii_graphic() && !"(){%*\"\\]".contains(c) { c } else { '_' }).collect();
    if let Some(flag) = Flag::parse(&cleaned) {
        add_flag(flags, flag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_flags_and_back() {
        for name in ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "$Junk", "work"] {
            assert_eq!(Flag::parse(name).map(|flag| flag.name().to_owned()).as_deref(), Some(name));
        }
        assert_eq!(Flag::parse("\\seen"), Some(Flag::Seen));
        for name in ["", "\\Recent", "a b", "ü", "a]"] {
            assert_eq!(Flag::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_flag_is_there_once() {
        let mut flags = vec![Flag::Keyword("Work".to_owned())];
        add_keyword(&mut flags, "work");
        add_keyword(&mut flags, "to do");
        assert_eq!(flags, [Flag::Keyword("Work".to_owned()), Flag::Keyword("to_do".to_owned())]);
    }
}
