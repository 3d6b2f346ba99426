//! SEARCH for text (RFC 9051 §6.4.4): substrings of decoded text, in any case.
//!
//! Case is folded with Unicode's upper and then lower case mapping, which is what `i;unicode-casemap` (RFC 5051)
//! does, without its decomposition: a letter and its accent match only where they are written alike. Bodies are
//! decoded, folded and searched piece by piece, so an attachment of any size needs a few kilobytes.

use encoding_rs::{CoderResult, Encoding, UTF_8, WINDOWS_1252};
use memchr::memmem;

use crate::charset::{Charset, guess_text};
use crate::decode::Decoder;
use crate::header::{Field, Fields, decode_unstructured, slice};
use crate::preview::{part_charset, readable_text};
use crate::structure::{Part, PartKind, Structure};

/// Octets of an encoded body that are decoded at a time.
const PIECE_BYTES: usize = 16 * 1024;
/// HTML up to this size is searched once more without its markup.
const HTML_BYTES_MAX: usize = 1024 * 1024;

/// Folds case for comparison.
pub fn fold_case(text: &str) -> String {
    let mut folded = Vec::with_capacity(text.len());
    fold_into(text, &mut folded);
    String::from_utf8(folded).unwrap_or_default()
}

fn fold_into(text: &str, folded: &mut Vec<u8>) {
    if text.is_ascii() {
        let start = folded.len();
        folded.extend_from_slice(text.as_bytes());
        folded.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
        return;
    }
    let mut octets = [0; 4];
    for character in text.chars() {
        if character.is_ascii() {
            folded.push((character as u8).to_ascii_lowercase());
            continue;
        }
        for lower in character.to_uppercase().flat_map(char::to_lowercase) {
            folded.extend_from_slice(lower.encode_utf8(&mut octets).as_bytes());
        }
    }
}

/// A text to be searched for.
#[derive(Debug, Clone)]
pub struct Needle {
    finder: memmem::Finder<'static>,
}

impl Needle {
    /// Prepares the search for `text_utf8`; an empty text is found everywhere.
    pub fn new(text_utf8: &str) -> Self {
        Self { finder: memmem::Finder::new(fold_case(text_utf8).as_bytes()).into_owned() }
    }

    /// True for the empty text.
    pub fn is_empty(&self) -> bool {
        self.finder.needle().is_empty()
    }

    /// True when `text` contains the needle.
    pub fn matches_str(&self, text: &str) -> bool {
        self.finder.find(fold_case(text).as_bytes()).is_some()
    }

    /// HEADER, FROM, SUBJECT and the like: looks at the text of all fields of that name, decoded (RFC 9051 §6.4.4). The
    /// empty needle matches where there is such a field.
    pub fn matches_header_field(&self, header_block: &[u8], field_name: &str) -> bool {
        Fields::new(header_block)
            .filter(|field| field.is(field_name.as_bytes()))
            .any(|field| self.matches_str(&decode_unstructured(field.value)))
    }

    /// BODY: the decoded text parts and the headers of enclosed messages; not the message's own header.
    pub fn matches_body(&self, raw: &[u8], structure: &Structure) -> bool {
        self.is_empty() || self.matches_part(raw, &structure.root, Headers::OfMessages)
    }

    /// TEXT: the header, MIME headers included, or the body.
    pub fn matches_text(&self, raw: &[u8], structure: &Structure) -> bool {
        self.is_empty()
            || self.matches_block(slice(raw, structure.root.header.clone()))
            || self.matches_part(raw, &structure.root, Headers::OfAllParts)
    }

    fn matches_part(&self, raw: &[u8], part: &Part, headers: Headers) -> bool {
        match &part.kind {
            PartKind::Leaf => part.media_type == "text" && self.matches_leaf(raw, part),
            PartKind::Multipart(children) => children.iter().any(|child| {
                (headers == Headers::OfAllParts && self.matches_block(slice(raw, child.header.clone())))
                    || self.matches_part(raw, child, headers)
            }),
            PartKind::Message(message) => {
                self.matches_block(slice(raw, message.header.clone())) || self.matches_part(raw, message, headers)
            }
        }
    }

    fn matches_block(&self, block: &[u8]) -> bool {
        Fields::new(block).any(|field| self.matches_field(&field))
    }

    fn matches_field(&self, field: &Field<'_>) -> bool {
        let name = guess_text(field.name);
        self.matches_str(&format!("{name}: {}", decode_unstructured(field.value)))
    }

    fn matches_leaf(&self, raw: &[u8], part: &Part) -> bool {
        let body = slice(raw, part.body.clone());
        let found = match part_charset(part) {
            Charset::Streaming(encoding) => self.scan(body, part, encoding).is_found,
            Charset::Guess => self.scan_guessing(body, part),
            Charset::Whole(_) => self.matches_str(&readable_text(raw, part, body.len())),
        };
        // Words that markup or an entity divides are found in the text a reader sees.
        found
            || (part.is("text", "html")
                && body.len() <= HTML_BYTES_MAX
                && self.matches_str(&readable_text(raw, part, HTML_BYTES_MAX)))
    }

    fn scan_guessing(&self, body: &[u8], part: &Part) -> bool {
        let scan = self.scan(body, part, UTF_8);
        scan.is_found || (scan.is_malformed && self.scan(body, part, WINDOWS_1252).is_found)
    }

    fn scan(&self, body: &[u8], part: &Part, encoding: &'static Encoding) -> Scan {
        // An unknown transfer encoding is searched as it stands.
        let mut transfer = Decoder::new(part.transfer_encoding()).unwrap_or(Decoder::Identity);
        let mut charset = encoding.new_decoder_without_bom_handling();
        let needle_bytes = self.finder.needle().len();
        let mut scan = Scan { is_found: false, is_malformed: false };
        let mut window = Vec::new();
        let mut octets = Vec::new();
        let mut text = String::new();
        let mut pieces = body.chunks(PIECE_BYTES.max(needle_bytes)).peekable();
        while let Some(piece) = pieces.next() {
            let is_last = pieces.peek().is_none();
            octets.clear();
            transfer.decode(piece, &mut octets);
            if is_last {
                transfer.finish(&mut octets);
            }
            text.clear();
            text.reserve(charset.max_utf8_buffer_length(octets.len()).unwrap_or(0));
            let (result, _, malformed) = charset.decode_to_string(&octets, &mut text, is_last);
            debug_assert_eq!(result, CoderResult::InputEmpty);
            scan.is_malformed |= malformed;
            fold_into(&text, &mut window);
            if self.finder.find(&window).is_some() {
                scan.is_found = true;
                return scan;
            }
            // What begins in this piece may end in the next.
            window.drain(..window.len() - window.len().min(needle_bytes.saturating_sub(1)));
        }
        scan
    }
}

struct Scan {
    is_found: bool,
    is_malformed: bool,
}

/// Which headers count beside the message's own.
#[derive(Clone, Copy, PartialEq)]
enum Headers {
    OfMessages,
    OfAllParts,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::MimeLimits;

    const MESSAGE: &str = "From: =?utf-8?q?J=C3=B6rg?= <joerg@example.com>\r\nSubject: Great\r\n\tnews\r\nX-Empty:\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\
        Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nStra=\r\n=C3=9Fe\r\n\
        --b\r\nContent-Type: text/html; name=\"page.html\"\r\n\r\n<p>caf&eacute; <b>o</b>pen</p>\r\n\
        --b\r\nContent-Type: application/pdf\r\n\r\nsecret\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: enclosed\r\n\r\nin\u{e9}side\r\n--b--\r\n";

    fn matches(needle: &str) -> (bool, bool) {
        // The enclosed text is windows-1252 without saying so.
        let raw: Vec<u8> = MESSAGE.chars().map(|character| character as u8).collect();
        let structure = Structure::parse(&raw, &MimeLimits::default());
        let needle = Needle::new(needle);
        (needle.matches_body(&raw, &structure), needle.matches_text(&raw, &structure))
    }

    #[test]
    fn body_and_text_look_where_the_rfc_says() {
        for (needle, in_body, in_text) in [
            ("", true, true),
            ("STRASSE", true, true),
            ("straße", true, true),
            ("café open", true, true),
            ("eacute", true, true),
            ("ENCLOSED", true, true),
            ("INÉSIDE", true, true),
            ("great\tnews", false, true),
            ("jörg", false, true),
            ("PAGE.html", false, true),
            ("subject: great", false, true),
            ("secret", false, false),
            ("preamble", false, false),
        ] {
            assert_eq!(matches(needle), (in_body, in_text), "{needle}");
        }
    }

    #[test]
    fn header_fields_match_as_they_are_decoded() {
        let header = MESSAGE.as_bytes();
        for (field, needle, found) in [
            ("FROM", "JÖRG", true),
            ("From", "=?UTF-8?q?", false),
            ("from", "joerg@", true),
            ("X-Empty", "", true),
            ("X-Empty", "a", false),
            ("X-None", "", false),
            ("Subject", "great\tnews", true),
        ] {
            assert_eq!(Needle::new(needle).matches_header_field(header, field), found, "{field} {needle}");
        }
    }

    #[test]
    fn a_match_across_pieces_is_found() {
        for at in PIECE_BYTES - 8..PIECE_BYTES + 2 {
            let raw = format!("\r\n{}nEEdle{}", "x".repeat(at), "y".repeat(PIECE_BYTES));
            let structure = Structure::parse(raw.as_bytes(), &MimeLimits::default());
            assert!(Needle::new("Needle").matches_body(raw.as_bytes(), &structure), "{at}");
            assert!(!Needle::new("needles").matches_body(raw.as_bytes(), &structure), "{at}");
        }
    }

    #[test]
    fn case_is_folded_beyond_ascii() {
        for (left, right) in [("ΣΊΣΥΦΟΣ", "σίσυφος"), ("ÀÉ", "àé"), ("ПРИВЕТ", "привет"), ("\u{212a}", "k")]
        {
            assert_eq!(fold_case(left), fold_case(right));
        }
    }
}
