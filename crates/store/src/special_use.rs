//! What a mailbox is for (RFC 6154 §2, RFC 8457 §3).

/// A special use of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpecialUse {
    /// Messages that are kept but no longer looked at.
    Archive,
    /// Messages that are being written.
    Drafts,
    /// Messages that someone or something took for unwanted.
    Junk,
    /// Messages that were sent.
    Sent,
    /// Messages that were thrown away.
    Trash,
}

impl SpecialUse {
    /// All of them, with the attribute's name without its backslash.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Archive, "Archive"),
        (Self::Drafts, "Drafts"),
        (Self::Junk, "Junk"),
        (Self::Sent, "Sent"),
        (Self::Trash, "Trash"),
    ];

    /// The attribute's name, without its backslash.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// The use whose attribute is `name` (letter case aside), without its backslash.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(kind, _)| *kind)
    }

    fn bit(self) -> u8 {
        match self {
            Self::Archive => 1,
            Self::Drafts => 2,
            Self::Junk => 4,
            Self::Sent => 8,
            Self::Trash => 16,
        }
    }
}

/// A set of special uses: a mailbox may have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpecialUses(u8);

impl SpecialUses {
    /// No special use.
    pub const NONE: Self = Self(0);

    /// The set with `kind`.
    #[must_use]
    pub fn with(self, kind: SpecialUse) -> Self {
        Self(self.0 | kind.bit())
    }

    /// Whether `kind` is inside.
    pub fn contains(self, kind: SpecialUse) -> bool {
        self.0 & kind.bit() != 0
    }

    /// Whether none is inside.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The uses inside.
    pub fn iter(self) -> impl Iterator<Item = SpecialUse> {
        SpecialUse::ALL.into_iter().map(|(kind, _)| kind).filter(move |kind| self.contains(*kind))
    }

    /// Whether the sets share a use.
    pub fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn to_bits(self) -> u8 {
        self.0
    }

    pub(crate) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

impl From<SpecialUse> for SpecialUses {
    fn from(kind: SpecialUse) -> Self {
        Self::NONE.with(kind)
    }
}
