//! The languages of texts, and how a client's wish finds one (RFC 6856 §3).

/// A language of the server's texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English
    English,
    /// German
    German,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// The language tag (RFC 5646).
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The language's name in the language itself.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
        }
    }

    /// The best language for a range, shortened from its end until one matches (RFC 4647 §3.4): somebody who
    /// asks for `de-AT` is served better by `de` than by a refusal.
    pub fn find(range: &str) -> Option<Self> {
        let mut range = range;
        loop {
            if let Some(found) = Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(range)) {
                return Some(found);
            }
            range = range.rsplit_once('-')?.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_shortened_until_a_language_matches() {
        for (range, expected) in [
            ("en", Some(Language::English)),
            ("EN-us", Some(Language::English)),
            ("de", Some(Language::German)),
            ("de-AT-1996", Some(Language::German)),
            ("d", None),
            ("deu", None),
            ("", None),
        ] {
            assert_eq!(Language::find(range), expected, "{range}");
        }
    }
}
