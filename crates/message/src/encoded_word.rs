//! Encoded words of RFC 2047 (with the language suffix of RFC 2231 §5).
//!
//! More lenient than the grammar, since mail is: words may be longer than 75 octets, may touch other text, and a
//! character may be split between neighbouring words of one charset, for which their octets are joined before the
//! charset is decoded.

use memchr::memmem;

use crate::charset::{Charset, guess_text};
use crate::decode::{Base64Decoder, hex_value};

/// Octets of the longest charset name looked for.
const CHARSET_BYTES_MAX: usize = 64;

/// Decodes all encoded words in an unfolded value; other 8-bit text is read as UTF-8, else as windows-1252.
pub fn decode_encoded_words(value: &[u8]) -> String {
    let mut reader = Reader { text: String::with_capacity(value.len()), charset: &[], octets: Vec::new() };
    let mut plain_start = 0;
    let mut position = 0;
    let mut close = 0;
    while let Some(at) = memmem::find(value.get(position..).unwrap_or_default(), b"=?").map(|at| at + position) {
        // Without a closing mark ahead no word can follow. Its place is remembered, so that a row of "=?" is linear.
        if close < at + 2 {
            match memmem::find(value.get(at + 2..).unwrap_or_default(), b"?=") {
                Some(ahead) => close = at + 2 + ahead,
                None => break,
            }
        }
        match encoded_word(value.get(at..).unwrap_or_default()) {
            Some(word) => {
                reader.plain(value.get(plain_start..at).unwrap_or_default(), Followed::ByWord);
                position = at + word.length;
                plain_start = position;
                reader.word(word);
            }
            None => position = at + 2,
        }
    }
    reader.plain(value.get(plain_start..).unwrap_or_default(), Followed::ByNothing);
    reader.text
}

struct Word<'a> {
    charset: &'a [u8],
    octets: Vec<u8>,
    length: usize,
}

#[derive(PartialEq)]
enum Followed {
    ByWord,
    ByNothing,
}

struct Reader<'a> {
    text: String,
    charset: &'a [u8],
    octets: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn plain(&mut self, bytes: &[u8], followed: Followed) {
        // RFC 2047 §6.2: white space between two encoded words is not shown.
        let between_words = followed == Followed::ByWord && !self.charset.is_empty();
        if between_words && bytes.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        self.flush();
        self.text.push_str(&guess_text(bytes));
    }

    fn word(&mut self, word: Word<'a>) {
        if !self.charset.eq_ignore_ascii_case(word.charset) {
            self.flush();
        }
        self.charset = word.charset;
        self.octets.extend_from_slice(&word.octets);
    }

    fn flush(&mut self) {
        if !self.charset.is_empty() {
            self.text.push_str(&Charset::find(self.charset).decode(&self.octets));
            self.charset = &[];
            self.octets.clear();
        }
    }
}

/// `encoded-word = "=?" charset "?" encoding "?" encoded-text "?="`, at the start of `value`.
fn encoded_word(value: &[u8]) -> Option<Word<'_>> {
    let rest = value.strip_prefix(b"=?")?;
    let window = rest.get(..rest.len().min(CHARSET_BYTES_MAX))?;
    let (charset, _) = window.split_at_checked(memchr::memchr(b'?', window)?)?;
    if charset.is_empty() || charset.iter().any(|byte| !byte.is_ascii_graphic()) {
        return None;
    }
    let [b'?', encoding, b'?', text @ ..] = rest.get(charset.len()..)? else { return None };
    let is_base64 = match encoding {
        b'B' | b'b' => true,
        b'Q' | b'q' => false,
        _ => return None,
    };
    let text = text.get(..memmem::find(text, b"?=")?)?;
    let octets = if is_base64 { decode_b(text) } else { decode_q(text) };
    Some(Word { charset, octets, length: 2 + charset.len() + 3 + text.len() + 2 })
}

fn decode_b(text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut decoder = Base64Decoder::default();
    decoder.decode(text, &mut octets);
    decoder.finish(&mut octets);
    octets
}

// RFC 2047 §4.2
fn decode_q(mut text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    while let [first, rest @ ..] = text {
        text = rest;
        match (*first, rest) {
            (b'_', _) => octets.push(b' '),
            (b'=', [high, low, after @ ..]) => match (hex_value(*high), hex_value(*low)) {
                (Some(high), Some(low)) => {
                    octets.push(high << 4 | low);
                    text = after;
                }
                _ => octets.push(b'='),
            },
            (other, _) => octets.push(other),
        }
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_decoded_as_in_rfc_2047() {
        for (value, text) in [
            ("=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"),
            ("=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=", "Keld Jørn Simonsen"),
            (
                "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
                "If you can read this you understand the example.",
            ),
            // RFC 2047 §8
            ("(=?ISO-8859-1?Q?a?=)", "(a)"),
            ("(=?ISO-8859-1?Q?a?= b)", "(a b)"),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("(=?ISO-8859-1?Q?a?=   =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"),
            // one character in two words
            ("=?utf-8?B?w6k=?= =?utf-8?q?=C3?= =?UTF-8?B?qQ==?=", "éé"),
            ("=?utf-8*en?q?x?=", "x"),
        ] {
            assert_eq!(decode_encoded_words(value.as_bytes()), text, "{value}");
        }
    }

    #[test]
    fn what_is_no_word_stays() {
        for value in ["=?", "=?utf-8?q?open", "=?utf-8?x?a?=", "=??q?a?=", "=?a b?q?c?=", "a =?= b", "=?utf-8?=?="] {
            assert_eq!(decode_encoded_words(value.as_bytes()), value, "{value}");
        }
    }

    #[test]
    fn broken_octets_in_a_word_are_kept() {
        assert_eq!(decode_encoded_words(b"=?utf-8?q?a=ZZb=4?="), "a=ZZb=4");
    }
}
