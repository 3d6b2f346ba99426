//! Charsets to UTF-8.
//!
//! `encoding_rs` comes first because it is strict, streams and is safe on any input; `mail-parser` fills in what the
//! web's list of encodings lacks (UTF-7, IBM850 and the like). Mail that names no charset, or a wrong one, is read as
//! UTF-8 when it is valid UTF-8 and as windows-1252 otherwise.

use encoding_rs::{Encoding, WINDOWS_1252};
use mail_parser::decoders::charsets::{DecoderFnc, map::charset_decoder};

/// How the octets of a text are to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Charset {
    /// An encoding that can be decoded piece by piece.
    Streaming(&'static Encoding),
    /// A charset that is decoded in one go.
    Whole(DecoderFnc),
    /// No charset, US-ASCII or an unknown one: decided by looking at the octets.
    Guess,
}

impl Charset {
    /// Finds a charset by its MIME name, without an RFC 2231 language suffix.
    pub(crate) fn find(label: &[u8]) -> Self {
        let label = label.split(|&byte| byte == b'*').next().unwrap_or_default().trim_ascii();
        if label.eq_ignore_ascii_case(b"us-ascii") || label.eq_ignore_ascii_case(b"ascii") {
            return Self::Guess;
        }
        match Encoding::for_label(label) {
            Some(encoding) => Self::Streaming(encoding),
            None => known_elsewhere(label).map_or(Self::Guess, Self::Whole),
        }
    }

    /// Decodes everything; what cannot be decoded becomes U+FFFD.
    pub(crate) fn decode(self, bytes: &[u8]) -> String {
        match self {
            Self::Streaming(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
            Self::Whole(decode) => decode(bytes),
            Self::Guess => match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
            },
        }
    }
}

// Names in the table of mail-parser have at most 45 octets; longer ones would be compared by their start.
fn known_elsewhere(label: &[u8]) -> Option<DecoderFnc> {
    (1..=45).contains(&label.len()).then(|| charset_decoder(label)).flatten()
}

/// Reads `bytes` in the charset of that name; what cannot be decoded becomes U+FFFD, an unknown charset is guessed.
pub fn decode_charset(charset: &str, bytes: &[u8]) -> String {
    Charset::find(charset.as_bytes()).decode(bytes)
}

/// Strict conversion for SEARCH CHARSET: nothing when the charset is unknown (RFC 9051 §6.4.4: BADCHARSET) or the
/// octets are not valid in it.
pub fn charset_to_utf8(charset: &str, bytes: &[u8]) -> Option<String> {
    let label = charset.trim().as_bytes();
    if label.eq_ignore_ascii_case(b"us-ascii") {
        return std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii()).map(str::to_owned);
    }
    match Encoding::for_label_no_replacement(label) {
        Some(encoding) => {
            encoding.decode_without_bom_handling_and_without_replacement(bytes).map(std::borrow::Cow::into_owned)
        }
        // An encoding that only knows U+FFFD is as good as unknown.
        None if Encoding::for_label(label).is_some() => None,
        None => known_elsewhere(label).map(|decode| decode(bytes)).filter(|text| !text.contains('\u{fffd}')),
    }
}

/// UTF-8 when it is, windows-1252 otherwise: how unlabelled 8-bit text in headers is read.
pub(crate) fn guess_text(bytes: &[u8]) -> String {
    Charset::Guess.decode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_charsets_become_utf_8() {
        for (charset, bytes, text) in [
            ("UTF-8", "é".as_bytes(), Some("é")),
            ("utf-8", b"\xff", None),
            ("US-ASCII", b"abc", Some("abc")),
            ("US-ASCII", b"\xe9", None),
            ("ISO-8859-1", b"\xe9", Some("é")),
            ("koi8-r", b"\xf0\xd2", Some("Пр")),
            ("iso-2022-jp", b"\x1b$B%O\x1b(B", Some("ハ")),
            ("utf-7", b"+AOk-", Some("é")),
            ("iso-2022-kr", b"abc", None),
            ("no-such-charset", b"abc", None),
            ("", b"abc", None),
        ] {
            assert_eq!(charset_to_utf8(charset, bytes).as_deref(), text, "{charset}");
        }
    }

    #[test]
    fn unknown_charsets_are_guessed_when_reading_mail() {
        assert_eq!(decode_charset("x-unknown", "é".as_bytes()), "é");
        assert_eq!(decode_charset("us-ascii", b"\xe9"), "é");
        assert_eq!(decode_charset("iso-8859-1*fr", b"\xe9"), "é");
    }
}
