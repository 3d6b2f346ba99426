//! SASLprep (RFC 4013): one form for names and passwords that look the same.

use std::borrow::Cow;

/// SASLprep's form of a text, or `None` where it forbids it: a control character, a code point that Unicode 3.2
/// does not know, or directions of writing mixed in a way that RFC 3454 §6 refuses.
pub fn prepare(text: &str) -> Option<Cow<'_, str>> {
    stringprep::saslprep(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 4013 §3
    #[test]
    fn the_examples_of_the_standard_are_prepared_as_it_says() {
        let table = [
            ("I\u{00AD}X", Some("IX")),
            ("user", Some("user")),
            ("USER", Some("USER")),
            ("\u{00AA}", Some("a")),
            ("\u{2168}", Some("IX")),
            ("\u{0007}", None),
            ("\u{0627}\u{0031}", None),
        ];
        for (text, expected) in table {
            assert_eq!(prepare(text).as_deref(), expected, "{text:?}");
        }
    }
}
