//! The base subject of RFC 5256 §2.1, by which messages sort and thread.

use crate::header::decode_unstructured;

/// A subject without the marks of replies and forwards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BaseSubject {
    /// What is left; in its original case, to be compared without regard to case.
    pub text: String,
    /// Whether a mark of a reply or forward was removed (RFC 5256 §3, THREAD=REFERENCES step 5).
    pub is_reply_or_forward: bool,
}

/// Extracts the base subject from the value of a Subject field.
///
/// The numbers below are the steps of RFC 5256 §2.1. Leading blobs that no `re:` follows are taken off in one go, so
/// that a subject of a million brackets is no work; the result is that of taking them one by one.
pub fn base_subject(field_value: &[u8]) -> BaseSubject {
    // (1)
    let decoded = decode_unstructured(field_value);
    let words: Vec<&str> = decoded.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect();
    let subject = words.join(" ");
    let mut text = subject.as_str();
    let mut is_reply_or_forward = false;
    loop {
        // (2)
        text = text.trim_end_matches(' ');
        while let Some(rest) = strip_suffix(text, "(fwd)") {
            text = rest.trim_end_matches(' ');
            is_reply_or_forward = true;
        }
        // (3) to (5)
        while let Some(rest) = strip_leader(text) {
            is_reply_or_forward |= !text.starts_with(' ');
            text = rest;
        }
        text = strip_blobs(text);
        // (6)
        match strip_prefix(text, "[fwd:").and_then(|inner| inner.strip_suffix(']')) {
            Some(inner) => {
                text = inner;
                is_reply_or_forward = true;
            }
            None => return BaseSubject { text: text.to_owned(), is_reply_or_forward },
        }
    }
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn strip_suffix<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let (rest, end) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    end.eq_ignore_ascii_case(suffix).then_some(rest)
}

/// `subj-leader = (*subj-blob subj-refwd) / WSP`
fn strip_leader(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix(' ') {
        return Some(rest);
    }
    let mut rest = text;
    while let Some(after) = strip_blob(rest) {
        rest = after;
    }
    strip_refwd(rest)
}

/// `subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"`
fn strip_refwd(text: &str) -> Option<&str> {
    let rest = ["re", "fwd", "fw"].iter().find_map(|mark| strip_prefix(text, mark))?.trim_start_matches(' ');
    strip_blob(rest).unwrap_or(rest).strip_prefix(':')
}

/// `subj-blob = "[" *BLOBCHAR "]" *WSP`
fn strip_blob(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?;
    let end = inner.find(['[', ']'])?;
    Some(inner.get(end..)?.strip_prefix(']')?.trim_start_matches(' '))
}

/// Takes leading blobs off as long as something remains.
fn strip_blobs(mut text: &str) -> &str {
    while let Some(rest) = strip_blob(text).filter(|rest| !rest.is_empty()) {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_of_replies_and_forwards_are_removed() {
        for (subject, base, is_reply_or_forward) in [
            ("Hello", "Hello", false),
            ("  Hello \t big\r\n world ", "Hello big world", false),
            ("Re: Hello", "Hello", true),
            ("RE : Hello", "Hello", true),
            ("re: fw: FWD: Hello (fwd) (FWD)", "Hello", true),
            ("Re[2]: Hello", "Hello", true),
            ("Re [x] : Hello", "Hello", true),
            ("[list] Re: Hello", "Hello", true),
            ("[list] [x] Hello", "Hello", false),
            ("Re: [list] Re: [x] Hello", "Hello", true),
            ("[fwd: Hello]", "Hello", true),
            ("[Fwd: Re: [list] Hello (fwd)] (fwd)", "Hello", true),
            ("[fwd: [fwd: a] ]", "a", true),
            ("[list]", "[list]", false),
            ("[a] [b]", "[b]", false),
            ("Re: [a]", "[a]", true),
            ("Re:", "", true),
            ("(fwd)", "", true),
            ("Reply: x", "Reply: x", false),
            ("=?utf-8?q?Re:_caf=C3=A9?=", "café", true),
            ("[a[b] c", "[a[b] c", false),
            ("", "", false),
        ] {
            let expected = BaseSubject { text: base.to_owned(), is_reply_or_forward };
            assert_eq!(base_subject(subject.as_bytes()), expected, "{subject}");
        }
    }

    #[test]
    fn many_marks_are_linear_work() {
        let blobs = "[a]".repeat(200_000);
        assert_eq!(base_subject(blobs.as_bytes()).text, "[a]");
        assert_eq!(base_subject("[fwd:".repeat(200_000).as_bytes()).text.len(), 1_000_000);
        let nested = format!("{}x{}", "[fwd:".repeat(100_000), "]".repeat(100_000));
        assert_eq!(base_subject(nested.as_bytes()).text, "x");
        assert_eq!(base_subject("re:".repeat(200_000).as_bytes()).text, "");
    }

    proptest! {
        #[test]
        fn a_base_subject_is_its_own_base(subject in "(re|fwd?|\\[|\\]|:| |\\(fwd\\)|a|\\[fwd:){0,12}") {
            let once = base_subject(subject.as_bytes()).text;
            prop_assert_eq!(&base_subject(once.as_bytes()).text, &once);
        }
    }
}
