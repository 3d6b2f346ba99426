//! A text part is searched as it is decoded: piece by piece, without a copy where the octets allow it.
//!
//! Most text is ASCII, or is until its first umlaut: such pieces mean the same in nearly all charsets, so they are folded
//! straight from where they lie. HTML is decoded as a whole, because what the first look does not find may be found in
//! the text without its markup; the sieve tells for most that it will not.

use encoding_rs::{CoderResult, Encoding, UTF_8, WINDOWS_1252};
use mail_parser::decoders::html::html_to_text;

use crate::charset::Charset;
use crate::decode::{Decoder, TransferEncoding};
use crate::fold::{OctetFolds, fold_ascii_into, fold_into};
use crate::search::Needle;
use crate::searched::TextForm;

/// Octets of an encoded body that are decoded at a time.
pub(crate) const PIECE_BYTES: usize = 8 * 1024;
/// HTML up to this size is searched once more without its markup.
const HTML_BYTES_MAX: usize = 1024 * 1024;
/// Buffers that grew beyond this many octets are given back.
const KEPT_BYTES_MAX: usize = 128 * 1024;

/// Room for what a search decodes and folds, to be used again for the next part.
#[derive(Default)]
pub struct SearchBuffers {
    octets: Vec<u8>,
    text: String,
    pub(crate) folded: Vec<u8>,
    /// Of the charset that was met last.
    octet_folds: Option<Box<OctetFolds>>,
}

impl SearchBuffers {
    pub(crate) fn trim(&mut self) {
        self.octets.clear();
        self.octets.shrink_to(KEPT_BYTES_MAX);
        self.text.clear();
        self.text.shrink_to(KEPT_BYTES_MAX);
        self.folded.clear();
        self.folded.shrink_to(KEPT_BYTES_MAX);
    }
}

/// Whether the text of a part contains the needle, which is not empty.
pub(crate) fn contains(needle: &Needle, body: &[u8], form: TextForm, buffers: &mut SearchBuffers) -> bool {
    // An unknown transfer encoding is searched as it stands, and not shown to a reader.
    let is_shown = form.encoding != TransferEncoding::Unknown;
    match form.charset {
        Charset::Whole(_) => is_shown && needle.matches_str(&readable(body, form)),
        _ if form.is_html && is_shown && body.len() <= HTML_BYTES_MAX => html_contains(needle, body, form, buffers),
        Charset::Streaming(encoding) => scan(needle, body, form.encoding, encoding, buffers).is_found,
        Charset::Guess => {
            let scanned = scan(needle, body, form.encoding, UTF_8, buffers);
            let mut again = || scan(needle, body, form.encoding, WINDOWS_1252, buffers).is_found;
            scanned.is_found || (scanned.is_malformed && again())
        }
    }
}

fn readable(body: &[u8], form: TextForm) -> String {
    let mut decoded = Vec::new();
    let octets = without_encoding(body, form.encoding, &mut decoded);
    let text = form.charset.decode(octets);
    if form.is_html { html_to_text(&text) } else { text }
}

fn without_encoding<'a>(body: &'a [u8], encoding: TransferEncoding, decoded: &'a mut Vec<u8>) -> &'a [u8] {
    match Decoder::new(encoding) {
        None | Some(Decoder::Identity) => body,
        Some(mut decoder) => {
            decoded.clear();
            decoder.decode(body, decoded);
            decoder.finish(decoded);
            decoded
        }
    }
}

/// Looks at the source, then, unless the sieve tells that it is not needed, at what a reader sees: words that markup or
/// an entity divides are found there.
fn html_contains(needle: &Needle, body: &[u8], form: TextForm, buffers: &mut SearchBuffers) -> bool {
    let SearchBuffers { octets, folded, .. } = buffers;
    let octets = without_encoding(body, form.encoding, octets);
    let mut look = |text: &str| {
        folded.clear();
        fold_into(text, folded);
        needle.is_in(folded) || (needle.sieve().may_match(folded) && needle.matches_str(&html_to_text(text)))
    };
    match form.charset {
        Charset::Streaming(encoding) => look(&encoding.decode_without_bom_handling(octets).0),
        Charset::Guess | Charset::Whole(_) => match std::str::from_utf8(octets) {
            Ok(text) => look(text),
            // What is not valid is shown as windows-1252; the source is searched in both readings.
            Err(_) => {
                look(&WINDOWS_1252.decode_without_bom_handling(octets).0)
                    || needle.matches_str(&UTF_8.decode_without_bom_handling(octets).0)
            }
        },
    }
}

/// The folds of a charset of single octets, made where they are not at hand.
fn folds_of<'a>(charset: &'static Encoding, kept: &'a mut Option<Box<OctetFolds>>) -> Option<&'a OctetFolds> {
    if !charset.is_single_byte() {
        return None;
    }
    if kept.as_ref().is_none_or(|folds| folds.encoding != charset) {
        *kept = OctetFolds::new(charset).map(Box::new);
    }
    kept.as_deref()
}

struct Scan {
    is_found: bool,
    is_malformed: bool,
}

/// Searches a text of any length, a piece at a time.
fn scan(
    needle: &Needle,
    body: &[u8],
    encoding: TransferEncoding,
    charset: &'static Encoding,
    buffers: &mut SearchBuffers,
) -> Scan {
    let SearchBuffers { octets, text, folded, octet_folds } = buffers;
    let mut transfer = Decoder::new(encoding).unwrap_or(Decoder::Identity);
    let mut decoder = charset.new_decoder_without_bom_handling();
    // ASCII means ASCII until the decoder has seen something else.
    let mut is_plain = charset.is_ascii_compatible();
    let mut scan = Scan { is_found: false, is_malformed: false };
    let needle_bytes = needle.len();
    folded.clear();
    let mut pieces = body.chunks(PIECE_BYTES.max(needle_bytes)).peekable();
    while let Some(piece) = pieces.next() {
        let is_last = pieces.peek().is_none();
        let decoded = match &mut transfer {
            Decoder::Identity => piece,
            transfer => {
                octets.clear();
                transfer.decode(piece, octets);
                if is_last {
                    transfer.finish(octets);
                }
                octets.as_slice()
            }
        };
        if is_plain && decoded.is_ascii() {
            fold_ascii_into(decoded, folded);
        } else if let Some(folds) = folds_of(charset, octet_folds) {
            folds.fold_into(decoded, folded);
        } else {
            is_plain = false;
            text.clear();
            text.reserve(decoder.max_utf8_buffer_length(decoded.len()).unwrap_or(0));
            let (result, _, is_malformed) = decoder.decode_to_string(decoded, text, is_last);
            debug_assert_eq!(result, CoderResult::InputEmpty);
            scan.is_malformed |= is_malformed;
            fold_into(text, folded);
        }
        if needle.is_in(folded) {
            scan.is_found = true;
            return scan;
        }
        // What begins in this piece may end in the next.
        folded.drain(..folded.len() - folded.len().min(needle_bytes.saturating_sub(1)));
    }
    scan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::{MimeLimits, Structure};

    #[test]
    fn a_match_across_pieces_is_found() {
        for at in PIECE_BYTES - 8..PIECE_BYTES + 2 {
            let raw = format!("\r\n{}nEEdle{}", "x".repeat(at), "y".repeat(PIECE_BYTES));
            let structure = Structure::parse(raw.as_bytes(), &MimeLimits::default());
            assert!(Needle::new("Needle").matches_body(raw.as_bytes(), &structure), "{at}");
            assert!(!Needle::new("needles").matches_body(raw.as_bytes(), &structure), "{at}");
        }
    }
}
