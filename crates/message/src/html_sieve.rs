//! A quick look at HTML that tells most texts a phrase cannot be read in, so that few need to be rendered.
//!
//! A reader of HTML sees words that markup divides (`o<b>pen</b>`), phrases over line ends, and characters that are written
//! as entities. All of it is found by rendering the text and searching again, which costs much more than the first search.
//! The sieve follows a phrase through the source instead, from each place where it may begin: white space stands for
//! white space, tags are stepped over, and wherever it would take more to be sure, the answer is "perhaps". It is
//! never "no" for a text in which rendering finds the phrase; a property test compares the two.

use memchr::{memchr, memchr2_iter, memmem};

/// Names of entities, in lower case, that stand for no white space, ASCII letter or digit, in whichever letter case they are written.
const SIGNS: [&[u8]; 26] = [
    b"nbsp", b"amp", b"lt", b"gt", b"quot", b"apos", b"copy", b"reg", b"trade", b"hellip", b"bull", b"middot",
    b"lsquo", b"rsquo", b"ldquo", b"rdquo", b"laquo", b"raquo", b"ndash", b"mdash", b"euro", b"zwnj", b"zwj", b"shy",
    b"ensp", b"emsp",
];

/// Elements whose content is not shown.
const HIDDEN: [&[u8]; 4] = [b"head", b"style", b"script", b"template"];

/// Steps the sieve takes for each octet of a text before it gives up, and for a short text.
const STEPS_PER_BYTE: usize = 4;
const STEPS_MIN: usize = 1024;

/// A phrase, prepared.
#[derive(Debug, Clone)]
pub(crate) struct HtmlSieve {
    /// Folded, without white space at its ends.
    phrase: Vec<u8>,
    first_word: memmem::Finder<'static>,
    /// Whether the phrase is one word of a needle that had no white space: where it stands undivided it was found already.
    is_needle: bool,
    /// Octets with which a word that begins like the first one may break off.
    breaks: [bool; 256],
}

/// Whether a place can still be what was sought.
#[derive(PartialEq)]
enum Answer {
    No,
    Perhaps,
}

impl HtmlSieve {
    pub(crate) fn new(folded_needle: &[u8]) -> Self {
        let phrase = trim(folded_needle);
        let word = phrase.split(|byte| is_space(*byte)).next().unwrap_or_default();
        let mut breaks = [false; 256];
        for byte in word.split_last().map_or(&[][..], |(_, before)| before) {
            if let Some(slot) = breaks.get_mut(usize::from(*byte)) {
                *slot = true;
            }
        }
        Self {
            phrase: phrase.to_vec(),
            first_word: memmem::Finder::new(word).into_owned(),
            is_needle: word.len() == folded_needle.len(),
            breaks,
        }
    }

    /// Whether the phrase may be found in what a reader sees of `folded`, which is HTML that does not contain it as it stands.
    pub(crate) fn may_match(&self, folded: &[u8]) -> bool {
        let Some(first) = self.phrase.first() else { return true };
        let word = self.first_word.needle();
        let mut steps = folded.len().saturating_mul(STEPS_PER_BYTE).saturating_add(STEPS_MIN);
        let rest_of_phrase = self.phrase.get(word.len()..).unwrap_or_default();
        if !self.is_needle {
            let mut start = 0;
            // Where a word repeats itself, one place may begin within another.
            while let Some(at) = folded.get(start..).and_then(|rest| self.first_word.find(rest)) {
                start += at + 1;
                if follow(folded, start - 1 + word.len(), rest_of_phrase, &mut steps) == Answer::Perhaps {
                    return true;
                }
            }
        }
        memchr2_iter(b'<', b'&', folded).any(|at| {
            let is_entity = folded.get(at) == Some(&b'&');
            (is_entity && entity(folded, at, *first) == Answer::Perhaps) || self.goes_on(folded, at, &mut steps)
        })
    }

    /// Whether the first word begins just before markup at `at` and the phrase goes on behind it.
    fn goes_on(&self, folded: &[u8], at: usize, steps: &mut usize) -> bool {
        let before = folded.get(..at).unwrap_or_default();
        let may_break = |byte: &u8| self.breaks.get(usize::from(*byte)) == Some(&true);
        if !before.last().is_some_and(may_break) {
            return false;
        }
        let word = self.first_word.needle();
        (1..word.len()).any(|length| {
            let (head, rest) = self.phrase.split_at_checked(length).unwrap_or_default();
            *steps = steps.saturating_sub(1);
            before.ends_with(head) && follow(folded, at, rest, steps) == Answer::Perhaps
        })
    }
}

/// Follows what is left of a phrase through the source from `at`.
fn follow(folded: &[u8], mut at: usize, mut phrase: &[u8], steps: &mut usize) -> Answer {
    while let Some(next) = phrase.first() {
        let Some(gap) = gap(folded, at, steps) else { return Answer::Perhaps };
        match (is_space(*next), gap.has_space, gap.has_tag) {
            // A tag may end a line, and the renderer passes over white space behind some.
            (true, true, _) | (true, _, true) => phrase = trim_start(phrase),
            (false, true, false) => return Answer::No,
            _ => {}
        }
        // A phrase does not end with white space.
        let Some((next, rest)) = phrase.split_first() else { return Answer::Perhaps };
        match folded.get(gap.end) {
            Some(b'&') => return entity(folded, gap.end, *next),
            Some(here) if here == next => {}
            _ => return Answer::No,
        }
        at = gap.end + 1;
        phrase = rest;
    }
    Answer::Perhaps
}

/// White space and tags between two characters that are shown.
struct Gap {
    end: usize,
    has_space: bool,
    has_tag: bool,
}

/// Steps over white space and tags; nothing where that would need a closer look.
fn gap(folded: &[u8], start: usize, steps: &mut usize) -> Option<Gap> {
    let mut gap = Gap { end: start, has_space: false, has_tag: false };
    loop {
        *steps = steps.checked_sub(1)?;
        match folded.get(gap.end) {
            Some(byte) if is_space(*byte) => {
                gap.has_space = true;
                gap.end += 1;
            }
            Some(b'<') => {
                let rest = folded.get(gap.end + 1..).unwrap_or_default();
                // Behind a tag that does not end nothing is shown.
                let length = memchr(b'>', rest).unwrap_or(rest.len());
                *steps = steps.checked_sub(length / 16)?;
                let tag = rest.get(..length).unwrap_or_default();
                // A tag may begin anew within a tag.
                let name = tag.rsplit(|byte| *byte == b'<').next().unwrap_or_default();
                let name_start = name.iter().position(|byte| !is_space(*byte) && *byte != b'/').unwrap_or(name.len());
                let name = name.get(name_start..).unwrap_or_default();
                if memchr(b'!', tag).is_some() || HIDDEN.iter().any(|hidden| name.starts_with(hidden)) {
                    return None;
                }
                gap.has_tag = true;
                gap.end += length + 2;
            }
            _ => return Some(gap),
        }
    }
}

/// Whether the `&` at `at` can be shown as a text that begins with `next`.
fn entity(folded: &[u8], at: usize, next: u8) -> Answer {
    if !next.is_ascii_alphanumeric() && !is_space(next) {
        return Answer::Perhaps;
    }
    let rest = folded.get(at + 1..).unwrap_or_default();
    let is_end = |byte: &u8| is_space(*byte) || matches!(byte, b'<' | b'&' | b';');
    let Some(length) = rest.iter().position(is_end) else { return Answer::No };
    let name = rest.get(..length).unwrap_or_default();
    // Without a semicolon it is no entity, and the sign stands for itself.
    if rest.get(length) != Some(&b';') || SIGNS.contains(&name) || is_number_of_no_letter(name) {
        return Answer::No;
    }
    Answer::Perhaps
}

/// `#160`: a character that is no white space and neither is nor folds to ASCII letters or digits. Others are not told
/// apart.
fn is_number_of_no_letter(name: &[u8]) -> bool {
    let digits = name.strip_prefix(b"#").filter(|digits| digits.len() <= 6 && digits.iter().all(u8::is_ascii_digit));
    let code = digits.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok());
    matches!(code, Some(33..=47u32 | 160..=191 | 0x2000..=0x206f | 0x20a0..=0x20cf | 0x2190..=0x23ff))
}

/// White space as the renderer knows it.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn trim_start(mut phrase: &[u8]) -> &[u8] {
    while let Some((_, rest)) = phrase.split_first().filter(|(first, _)| is_space(**first)) {
        phrase = rest;
    }
    phrase
}

fn trim(phrase: &[u8]) -> &[u8] {
    let mut phrase = trim_start(phrase);
    while let Some((_, rest)) = phrase.split_last().filter(|(last, _)| is_space(**last)) {
        phrase = rest;
    }
    phrase
}

#[cfg(test)]
mod tests {
    use mail_parser::decoders::html::html_to_text;
    use proptest::prelude::*;

    use super::*;
    use crate::fold::fold_case;

    fn may_match(html: &str, phrase: &str) -> bool {
        HtmlSieve::new(fold_case(phrase).as_bytes()).may_match(fold_case(html).as_bytes())
    }

    #[test]
    fn phrases_that_markup_divides_may_match() {
        for (html, phrase) in [
            ("o<b>pen</b>", "open"),
            ("an <i>open</i>\r\n <b>door</b>", "an open door"),
            ("caf&eacute; now", "café"),
            ("&#113;uiet", "quiet"),
            ("one<br>two", "one\ntwo"),
            ("a<!-- x > y -->b", "ab"),
            ("a<style>x</style>b", "ab"),
            ("stra&szlig;e", "STRASSE"),
            ("x</b> y", "xy"),
            ("aaa\r\nb", "aa b"),
            ("words", ""),
            ("words", " "),
        ] {
            assert!(may_match(html, phrase), "{html} {phrase}");
        }
    }

    #[test]
    fn most_texts_are_told_at_once() {
        for (html, phrase) in [
            ("<p>them</p> <p>me</p>", "meeting"),
            ("<p>quiet report</p> on cloud and paper, quiet&nbsp;report", "quiet report cloud"),
            ("a&nbsp;b &amp; c", "quiet"),
            ("open", "o pen"),
            ("o pen", "open"),
            ("<p>rest", "resting"),
            ("them&nbsp;", "meeting"),
            ("open", "open"),
        ] {
            assert!(!may_match(html, phrase), "{html} {phrase}");
        }
    }

    #[test]
    fn signs_stand_for_no_letters_in_any_letter_case() {
        for sign in SIGNS {
            for cases in 0..1u32 << sign.len() {
                let name: String = (0..sign.len())
                    .map(|at| char::from(if cases >> at & 1 == 1 { sign[at].to_ascii_uppercase() } else { sign[at] }))
                    .collect();
                let shown = fold_case(&html_to_text(&format!("&{name};")));
                let first = shown.as_bytes()[0];
                assert!(!first.is_ascii_alphanumeric() && !is_space(first), "{name} {shown}");
            }
        }
        for code in 0..20_000u32 {
            let name = format!("#{code}");
            let shown = fold_case(&html_to_text(&format!("&{name};")));
            let begins_a_word = shown.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || is_space(byte));
            assert!(!is_number_of_no_letter(name.as_bytes()) || !begins_a_word, "{name} {shown}");
        }
    }

    #[test]
    fn a_text_made_to_take_long_is_given_up() {
        let html = format!("{}<{}>", "a".repeat(3000), "x".repeat(3000)).repeat(50);
        assert!(may_match(&html, &"a".repeat(4000)));
    }

    fn source() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "a",
            "b",
            "ab",
            "ß",
            "É",
            " ",
            "\r\n",
            "\t",
            "<b>",
            "</b>",
            "<br>",
            "<p>",
            "</p>",
            "<",
            ">",
            "&",
            ";",
            "/",
            "!",
            "<!-- a -->",
            "<!--",
            "-->",
            "<style>",
            "</style>",
            "<head>",
            "</head>",
            "&amp;",
            "&#97;",
            "&#x62;",
            "&#160;",
            "&nbsp;",
            "&szlig;",
            "&AMP",
            "<i class='a'>",
            "&lt;",
            "&imath;",
            "i",
            "\u{131}",
            "s",
        ]);
        prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn what_rendering_finds_the_sieve_lets_through(html in source(), start in 0usize..20, length in 1usize..7) {
            let shown = fold_case(&html_to_text(&html));
            let phrase: String = shown.chars().skip(start % (shown.chars().count() + 1)).take(length).collect();
            let is_found = fold_case(&html).contains(&phrase) || may_match(&html, &phrase);
            prop_assert!(is_found, "{:?} is shown as {:?}: {:?}", html, shown, phrase);
        }
    }
}
