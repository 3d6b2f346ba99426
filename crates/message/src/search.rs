//! SEARCH for text (RFC 9051 §6.4.4): substrings of decoded text, in any case.
//!
//! What is searched is told by the structure ([`SearchedPart`]), so that a caller reads those stretches of a message and
//! no others. Each is decoded, folded and searched by itself, piece by piece: a text of any size needs a few kilobytes.

use memchr::{memchr_iter, memchr3, memmem};

pub(crate) use crate::fold::fold_case;
use crate::fold::{fold_ascii_into, fold_into};
use crate::header::{Fields, decode_unstructured, slice};
use crate::html_sieve::HtmlSieve;
use crate::searched::{Form, SearchScope, SearchedPart};
use crate::structure::Structure;
use crate::text_scan::{self, PIECE_BYTES, SearchBuffers};

/// Stands between the fields of a header that are searched together: no field has one when it is unfolded.
const BETWEEN_FIELDS: u8 = b'\n';

/// A text to be searched for.
#[derive(Debug, Clone)]
pub struct Needle {
    finder: memmem::Finder<'static>,
    sieve: HtmlSieve,
}

impl Needle {
    /// Prepares the search for `text_utf8`; an empty text is found everywhere.
    pub fn new(text_utf8: &str) -> Self {
        let folded = fold_case(text_utf8);
        let finder = memmem::Finder::new(folded.as_bytes()).into_owned();
        Self { finder, sieve: HtmlSieve::new(folded.as_bytes()) }
    }

    /// True for the empty text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Octets of the folded text.
    pub(crate) fn len(&self) -> usize {
        self.finder.needle().len()
    }

    pub(crate) fn sieve(&self) -> &HtmlSieve {
        &self.sieve
    }

    /// Finds the text, folded, in what is folded as by [`fold_case`].
    pub fn finder(&self) -> &memmem::Finder<'static> {
        &self.finder
    }

    /// True when `folded`, of which the case is folded already, contains the needle.
    pub fn is_in(&self, folded: &[u8]) -> bool {
        self.finder.find(folded).is_some()
    }

    /// True when `text` contains the needle.
    pub fn matches_str(&self, text: &str) -> bool {
        self.is_in(fold_case(text).as_bytes())
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
        self.matches(raw, structure, SearchScope::Body)
    }

    /// TEXT: the header, MIME headers included, or the body.
    pub fn matches_text(&self, raw: &[u8], structure: &Structure) -> bool {
        self.matches(raw, structure, SearchScope::Text)
    }

    fn matches(&self, raw: &[u8], structure: &Structure, scope: SearchScope) -> bool {
        let mut buffers = SearchBuffers::default();
        let parts = structure.searched_parts();
        let mut parts = parts.iter().filter(|part| part.is_in(scope));
        self.is_empty() || parts.any(|part| self.matches_part(slice(raw, part.range.clone()), part, &mut buffers))
    }

    /// True when `octets`, which lie at `part`'s range of the message, contain the needle.
    pub fn matches_part(&self, octets: &[u8], part: &SearchedPart, buffers: &mut SearchBuffers) -> bool {
        let is_found = match part.form {
            _ if self.is_empty() => true,
            Form::Header => self.matches_block(octets, buffers),
            Form::Text(form) => text_scan::contains(self, octets, form, buffers),
        };
        buffers.trim();
        is_found
    }

    fn matches_block(&self, block: &[u8], buffers: &mut SearchBuffers) -> bool {
        let folded = &mut buffers.folded;
        folded.clear();
        let is_plain = block.is_ascii() && !has_encoded_words(block);
        // The needle could be found across two fields: they are looked at one by one.
        let bytes_max = if self.finder.needle().contains(&BETWEEN_FIELDS) { 0 } else { PIECE_BYTES };
        for field in Fields::new(block) {
            // A name is ASCII, or it is none.
            fold_ascii_into(field.name, folded);
            folded.extend_from_slice(b": ");
            match is_plain {
                true => unfold_into(field.value, folded),
                false => fold_into(&decode_unstructured(field.value), folded),
            }
            if folded.len() > bytes_max {
                if self.is_in(folded) {
                    return true;
                }
                folded.clear();
            } else {
                folded.push(BETWEEN_FIELDS);
            }
        }
        self.is_in(folded)
    }
}

/// False where it is certain that no encoded word is in the block.
fn has_encoded_words(block: &[u8]) -> bool {
    memchr_iter(b'=', block).any(|at| block.get(at + 1) == Some(&b'?'))
}

/// Appends a value of ASCII as [`unfold`](crate::unfold) has it, with its case folded.
fn unfold_into(value: &[u8], folded: &mut Vec<u8>) {
    let is_kept = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0);
    let start = value.iter().position(is_kept).unwrap_or(value.len());
    let end = value.iter().rposition(is_kept).map_or(start, |last| last + 1);
    let mut rest = slice(value, start..end);
    while let Some(at) = memchr3(b'\r', b'\n', 0, rest) {
        fold_ascii_into(slice(rest, 0..at), folded);
        rest = slice(rest, at + 1..rest.len());
    }
    fold_ascii_into(rest, folded);
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
    fn values_are_unfolded_in_place() {
        for value in [&b""[..], b" ", b" \r\n ", b" A\r\n b\n\tC\0 \r\n", b"  Plain ", b"\0a\0\0b\0", b"a"] {
            let mut folded = Vec::new();
            unfold_into(value, &mut folded);
            assert_eq!(folded, crate::header::unfold(value).to_ascii_lowercase(), "{value:?}");
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
}
