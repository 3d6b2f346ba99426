//! Patterns of LIST and LSUB: `*` matches anything, `%` anything but the separator (RFC 9051 §6.3.9).
//!
//! All positions in the pattern that a name's beginning can have reached are kept at once, so a match takes time in
//! proportion to pattern times name, whatever the pattern; backtracking was refused, as `%a%a%a…` would blow it up.

use crate::mailbox_name::is_inbox;

/// A pattern, joined with its reference name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    elements: Vec<Element>,
    separator: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Octet(u8),
    /// `*`
    Anything,
    /// `%`
    WithinLevel,
}

impl Pattern {
    /// Joins reference and pattern, both decoded. They are simply put together: our names have no notion of an
    /// absolute one (RFC 9051 §6.3.9.1 leaves the interpretation to the server). The separator must be ASCII.
    pub fn new(reference: &str, pattern: &str, separator: char) -> Self {
        let mut elements: Vec<Element> = Vec::with_capacity(reference.len() + pattern.len());
        for octet in reference.bytes().chain(pattern.bytes()) {
            let element = match octet {
                b'*' => Element::Anything,
                b'%' => Element::WithinLevel,
                octet => Element::Octet(octet),
            };
            // Two wildcards in a row match what the stronger of them does.
            match (elements.last_mut(), element) {
                (Some(Element::Anything), Element::Anything | Element::WithinLevel)
                | (Some(Element::WithinLevel), Element::WithinLevel) => {}
                (Some(last @ Element::WithinLevel), Element::Anything) => *last = Element::Anything,
                _ => elements.push(element),
            }
        }
        Self { elements, separator: u8::try_from(separator).unwrap_or(b'/') }
    }

    /// Whether the whole name matches. INBOX, alone or as the first level, matches in any spelling.
    pub fn matches(&self, name: &str) -> bool {
        let first_level = name.split(char::from(self.separator)).next().unwrap_or_default();
        let caseless_octets = if is_inbox(first_level) { first_level.len() } else { 0 };
        // reached[i]: the elements before i match the octets seen so far.
        let mut reached = vec![false; self.elements.len() + 1];
        let mut next = reached.clone();
        if let Some(start) = reached.first_mut() {
            *start = true;
        }
        self.skip_wildcards(&mut reached);
        for (position, octet) in name.bytes().enumerate() {
            self.step(&reached, &mut next, octet, position < caseless_octets);
            std::mem::swap(&mut reached, &mut next);
            if !reached.contains(&true) {
                return false;
            }
        }
        reached.last() == Some(&true)
    }

    fn step(&self, reached: &[bool], next: &mut [bool], octet: u8, caseless: bool) {
        next.fill(false);
        for (index, element) in self.elements.iter().enumerate() {
            if reached.get(index) != Some(&true) {
                continue;
            }
            let (stays, moves) = match *element {
                Element::Octet(wanted) => (false, wanted == octet || (caseless && wanted.eq_ignore_ascii_case(&octet))),
                Element::Anything => (true, false),
                Element::WithinLevel => (octet != self.separator, false),
            };
            let target = if moves { index + 1 } else { index };
            if let (true, Some(slot)) = (stays || moves, next.get_mut(target)) {
                *slot = true;
            }
        }
        self.skip_wildcards(next);
    }

    /// A wildcard may match nothing: who stands before it stands behind it as well.
    fn skip_wildcards(&self, reached: &mut [bool]) {
        for (index, element) in self.elements.iter().enumerate() {
            let skips = !matches!(element, Element::Octet(_)) && reached.get(index) == Some(&true);
            if let (true, Some(slot)) = (skips, reached.get_mut(index + 1)) {
                *slot = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wildcards_match_as_the_standard_says() {
        let cases: [(&str, &str, &str, bool); 22] = [
            ("", "*", "a/b/c", true),
            ("", "%", "a", true),
            ("", "%", "a/b", false),
            ("", "%/%", "a/b", true),
            ("", "%/%", "a/b/c", false),
            ("", "*%", "a/b/c", true),
            ("", "%*", "a/b/c", true),
            ("a/", "%", "a/b", true),
            ("a/", "", "a/", true),
            ("a", "*", "abc", true),
            ("", "a*c", "abbbc", true),
            ("", "a*c", "abbbd", false),
            ("", "*a%b", "x/a/ab", true),
            ("", "%b*", "x/b", false),
            ("", "inbox", "INBOX", true),
            ("", "InB%", "INBOX", true),
            ("", "inbox/%", "INBOX/work", true),
            ("", "inbox/WORK", "INBOX/work", false),
            ("", "work", "Work", false),
            ("", "*/inbox", "a/INBOX", false),
            ("", "", "a", false),
            ("", "Entw%", "Entwürfe", true),
        ];
        for (reference, pattern, name, expected) in cases {
            assert_eq!(Pattern::new(reference, pattern, '/').matches(name), expected, "{reference}{pattern} ~ {name}");
        }
    }

    #[test]
    fn a_vicious_pattern_takes_no_longer_than_another() {
        let pattern = Pattern::new("", &"%a*".repeat(200), '/');
        assert!(!pattern.matches(&"a".repeat(150)));
        assert!(pattern.matches(&"a".repeat(1000)));
    }

    /// The definition itself, by backtracking.
    fn matches_by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|taken| matches_by_definition(rest, &name[taken..])),
            Some((b'%', rest)) => (0..=name.len())
                .take_while(|&taken| !name[..taken].contains(&b'/'))
                .any(|taken| matches_by_definition(rest, &name[taken..])),
            Some((octet, rest)) => name.first() == Some(octet) && matches_by_definition(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn the_fast_way_finds_what_the_definition_says(pattern in "[ab/*%]{0,8}", name in "[ab/]{0,8}") {
            let expected = matches_by_definition(pattern.as_bytes(), name.as_bytes());
            prop_assert_eq!(Pattern::new("", &pattern, '/').matches(&name), expected);
        }
    }
}
