//! Content-Transfer-Encoding: decoders that work piece by piece, and the decoded form of a part for BINARY.
//!
//! They never fail on content: octets that are no base64 are skipped and a stray `=` in quoted-printable stands for
//! itself, as mail programs do. Only an encoding whose name is unknown is an error (RFC 9051 §7.5.2, UNKNOWN-CTE).

use std::borrow::Cow;

use memchr::memchr2;

use crate::charset::Charset;
use crate::header::slice;
use crate::line_ends::with_crlf;
use crate::preview::part_charset;
use crate::structure::Part;

/// RFC 2045 §6.1
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransferEncoding {
    /// `7bit`, also when the field is missing.
    #[default]
    SevenBit,
    /// `8bit`
    EightBit,
    /// `binary`
    Binary,
    /// `base64`
    Base64,
    /// `quoted-printable`
    QuotedPrintable,
    /// Any other name.
    Unknown,
}

impl TransferEncoding {
    /// Finds an encoding by its name.
    pub fn find(name: &[u8]) -> Self {
        match name.to_ascii_lowercase().as_slice() {
            b"7bit" | b"" => Self::SevenBit,
            b"8bit" => Self::EightBit,
            b"binary" => Self::Binary,
            b"base64" => Self::Base64,
            b"quoted-printable" => Self::QuotedPrintable,
            _ => Self::Unknown,
        }
    }

    /// True when the octets stand for themselves.
    pub fn is_identity(self) -> bool {
        matches!(self, Self::SevenBit | Self::EightBit | Self::Binary)
    }
}

/// The part's Content-Transfer-Encoding is not known, so it cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown content transfer encoding {name:?}")]
pub struct UnknownEncoding {
    /// The encoding's name, in lower case.
    pub name: String,
}

/// The body of `part` without its transfer encoding (RFC 3516), a text with CRLF for each line end.
pub fn decoded_part<'a>(raw: &'a [u8], part: &Part) -> Result<Cow<'a, [u8]>, UnknownEncoding> {
    let decoded = without_encoding(slice(raw, part.body.clone()), part)?;
    if !has_text_lines(part) {
        return Ok(decoded);
    }
    Ok(match decoded {
        Cow::Borrowed(text) => with_crlf(text),
        Cow::Owned(text) => match with_crlf(&text) {
            Cow::Owned(lines) => Cow::Owned(lines),
            Cow::Borrowed(_) => Cow::Owned(text),
        },
    })
}

/// RFC 9051 §7.5.2: lines of a text end with CRLF when BINARY sends it. That is not said of files, whose octets count,
/// and in charsets whose units are wider an octet of 10 is no LF.
fn has_text_lines(part: &Part) -> bool {
    let is_ascii_compatible = || match part_charset(part) {
        Charset::Streaming(encoding) => encoding.is_ascii_compatible(),
        Charset::Guess => true,
        Charset::Whole(_) => false,
    };
    part.media_type == "text" && !part.is_attachment() && is_ascii_compatible()
}

fn without_encoding<'a>(body: &'a [u8], part: &Part) -> Result<Cow<'a, [u8]>, UnknownEncoding> {
    if part.transfer_encoding().is_identity() {
        return Ok(Cow::Borrowed(body));
    }
    let mut decoder =
        Decoder::new(part.transfer_encoding()).ok_or_else(|| UnknownEncoding { name: part.encoding.clone() })?;
    let mut decoded = Vec::with_capacity(body.len());
    decoder.decode(body, &mut decoded);
    decoder.finish(&mut decoded);
    Ok(Cow::Owned(decoded))
}

/// A transfer decoder that is fed piece by piece; the result does not depend on where the pieces are cut.
pub(crate) enum Decoder {
    Identity,
    Base64(Base64Decoder),
    QuotedPrintable(QuotedPrintableDecoder),
}

impl Decoder {
    /// Nothing for an unknown encoding.
    pub(crate) fn new(encoding: TransferEncoding) -> Option<Self> {
        match encoding {
            TransferEncoding::SevenBit | TransferEncoding::EightBit | TransferEncoding::Binary => Some(Self::Identity),
            TransferEncoding::Base64 => Some(Self::Base64(Base64Decoder::default())),
            TransferEncoding::QuotedPrintable => Some(Self::QuotedPrintable(QuotedPrintableDecoder::default())),
            TransferEncoding::Unknown => None,
        }
    }

    /// Appends what `piece` decodes to.
    pub(crate) fn decode(&mut self, piece: &[u8], decoded: &mut Vec<u8>) {
        match self {
            Self::Identity => decoded.extend_from_slice(piece),
            Self::Base64(decoder) => decoder.decode(piece, decoded),
            Self::QuotedPrintable(decoder) => decoder.decode(piece, decoded),
        }
    }

    /// Appends what is still held back at the end of the body.
    pub(crate) fn finish(&mut self, decoded: &mut Vec<u8>) {
        match self {
            Self::Identity => {}
            Self::Base64(decoder) => decoder.finish(decoded),
            Self::QuotedPrintable(decoder) => decoder.finish(decoded),
        }
    }
}

/// Stands in [`BASE64_VALUES`] for octets that are no digits.
const NO_DIGIT: u8 = 0xff;

/// The value of each base64 digit.
const BASE64_VALUES: [u8; 256] = {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < digits.len() {
        values[digits[value] as usize] = value as u8;
        value += 1;
    }
    values
};

fn base64_value(digit: u8) -> u8 {
    BASE64_VALUES.get(usize::from(digit)).copied().unwrap_or(NO_DIGIT)
}

/// RFC 2045 §6.8; octets outside the alphabet are ignored, data may go on after padding.
#[derive(Default)]
pub(crate) struct Base64Decoder {
    group: u32,
    digits: u8,
}

impl Base64Decoder {
    pub(crate) fn decode(&mut self, piece: &[u8], decoded: &mut Vec<u8>) {
        decoded.reserve(piece.len() / 4 * 3 + 3);
        let mut rest = piece;
        loop {
            if self.digits == 0 {
                rest = decode_groups(rest, decoded);
            }
            let Some((byte, after)) = rest.split_first() else { return };
            self.decode_byte(*byte, decoded);
            rest = after;
        }
    }

    fn decode_byte(&mut self, byte: u8, decoded: &mut Vec<u8>) {
        let digit = match base64_value(byte) {
            NO_DIGIT if byte == b'=' => return self.finish(decoded),
            NO_DIGIT => return,
            digit => digit,
        };
        self.group = self.group << 6 | u32::from(digit);
        self.digits += 1;
        if self.digits == 4 {
            let [_, first, second, third] = self.group.to_be_bytes();
            decoded.extend_from_slice(&[first, second, third]);
            *self = Self::default();
        }
    }

    pub(crate) fn finish(&mut self, decoded: &mut Vec<u8>) {
        let [_, first, second, _] = (self.group << (6 * (4 - u32::from(self.digits.min(4))))).to_be_bytes();
        match self.digits {
            2 => decoded.push(first),
            3 => decoded.extend_from_slice(&[first, second]),
            _ => {}
        }
        *self = Self::default();
    }
}

/// Decodes whole groups of four digits up to the first that is none, and answers what is left.
fn decode_groups<'a>(encoded: &'a [u8], decoded: &mut Vec<u8>) -> &'a [u8] {
    let (groups, _) = encoded.as_chunks::<4>();
    let mut done = 0;
    for group in groups {
        let [a, b, c, d] = group.map(base64_value);
        if (a | b | c | d) & 0x80 != 0 {
            break;
        }
        let bits = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
        let [_, first, second, third] = bits.to_be_bytes();
        decoded.extend_from_slice(&[first, second, third]);
        done += 4;
    }
    encoded.get(done..).unwrap_or_default()
}

/// The most white space held back because the line might end after it, in octets.
const HELD_BYTES_MAX: usize = 1024;

/// Text in many languages has an escape every few octets: so many are looked at before a search for the next begins.
const NEAR_BYTES: usize = 12;

/// RFC 2045 §6.7
#[derive(Default)]
pub(crate) struct QuotedPrintableDecoder {
    /// White space, or the start of an escape: its meaning depends on what comes next.
    held: Vec<u8>,
}

impl QuotedPrintableDecoder {
    pub(crate) fn decode(&mut self, piece: &[u8], decoded: &mut Vec<u8>) {
        decoded.reserve(piece.len());
        let mut rest = piece;
        while let Some((byte, after)) = rest.split_first() {
            if self.held.is_empty() {
                rest = self.decode_run(rest, decoded);
            } else {
                self.decode_byte(*byte, decoded);
                rest = after;
            }
        }
    }

    /// Decodes up to the next escape or line end while nothing is held back; answers what is left.
    fn decode_run<'a>(&mut self, encoded: &'a [u8], decoded: &mut Vec<u8>) -> &'a [u8] {
        let is_end = |byte: &u8| matches!(byte, b'=' | b'\n');
        let start = decoded.len();
        for byte in encoded.iter().take(NEAR_BYTES).take_while(|byte| !is_end(byte)) {
            decoded.push(*byte);
        }
        let near = decoded.len() - start;
        let (_, mut rest) = encoded.split_at_checked(near).unwrap_or((encoded, b""));
        if near == NEAR_BYTES {
            let (run, after) =
                rest.split_at_checked(memchr2(b'=', b'\n', rest).unwrap_or(rest.len())).unwrap_or((rest, b""));
            decoded.extend_from_slice(run);
            rest = after;
        }
        match rest {
            [b'=', high, low, after @ ..] => match (hex_value(*high), hex_value(*low)) {
                (Some(high), Some(low)) => {
                    decoded.push(high << 4 | low);
                    return after;
                }
                _ if (*high, *low) == (b'\r', b'\n') => return after,
                _ => self.held.push(b'='),
            },
            [b'=', ..] => self.held.push(b'='),
            // White space at the end of a run may be the end of a line.
            _ => {
                let run = decoded.get(start..).unwrap_or_default();
                let spaces = run.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
                let (_, space) = encoded.split_at_checked(run.len() - spaces).unwrap_or_default();
                decoded.truncate(decoded.len() - spaces);
                space.iter().take(spaces).for_each(|byte| self.hold(*byte, decoded));
                if let [line_feed, ..] = rest {
                    self.decode_byte(*line_feed, decoded);
                }
            }
        }
        rest.get(1..).unwrap_or_default()
    }

    fn decode_byte(&mut self, byte: u8, decoded: &mut Vec<u8>) {
        if self.held.first() == Some(&b'=') && self.escape(byte, decoded) {
            return;
        }
        match byte {
            b'=' => {
                decoded.append(&mut self.held);
                self.held.push(b'=');
            }
            b' ' | b'\t' | b'\r' => self.hold(byte, decoded),
            b'\n' => {
                // RFC 2045 §6.7 rule 3: white space at the end of a line was added on the way.
                let has_cr = self.held.last() == Some(&b'\r');
                self.held.clear();
                decoded.extend_from_slice(if has_cr { b"\r\n" } else { b"\n" });
            }
            _ => {
                decoded.append(&mut self.held);
                decoded.push(byte);
            }
        }
    }

    fn hold(&mut self, byte: u8, decoded: &mut Vec<u8>) {
        if self.held.len() >= HELD_BYTES_MAX {
            decoded.append(&mut self.held);
        }
        self.held.push(byte);
    }

    /// Goes on with an escape; false when `byte` does not belong to it any more.
    fn escape(&mut self, byte: u8, decoded: &mut Vec<u8>) -> bool {
        match (self.held.as_slice(), byte) {
            // RFC 2045 §6.7 rule 5: a soft line break, perhaps with white space added before its line end.
            ([b'='] | [b'=', b' ' | b'\t' | b'\r', ..], b'\n') => self.held.clear(),
            ([b'='] | [b'=', b' ' | b'\t' | b'\r', ..], b' ' | b'\t' | b'\r') if self.held.len() < HELD_BYTES_MAX => {
                self.held.push(byte);
            }
            ([b'='], _) if hex_value(byte).is_some() => self.held.push(byte),
            ([b'=', high], _) => match (hex_value(*high), hex_value(byte)) {
                (Some(high), Some(low)) => {
                    self.held.clear();
                    decoded.push(high << 4 | low);
                }
                _ => return self.give_up(decoded),
            },
            _ => return self.give_up(decoded),
        }
        true
    }

    fn give_up(&mut self, decoded: &mut Vec<u8>) -> bool {
        decoded.append(&mut self.held);
        false
    }

    pub(crate) fn finish(&mut self, decoded: &mut Vec<u8>) {
        // A "=" before the end is a soft line break whose line end belongs to the boundary.
        let is_soft_break = matches!(self.held.as_slice(), [b'='] | [b'=', b' ' | b'\t' | b'\r', ..]);
        match is_soft_break {
            true => self.held.clear(),
            false => decoded.append(&mut self.held),
        }
    }
}

/// The value of a hexadecimal digit in either case.
pub(crate) fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(encoding: TransferEncoding, pieces: &[&[u8]]) -> Vec<u8> {
        let mut decoder = Decoder::new(encoding).unwrap();
        let mut decoded = Vec::new();
        for piece in pieces {
            decoder.decode(piece, &mut decoded);
        }
        decoder.finish(&mut decoded);
        decoded
    }

    #[test]
    fn base64_is_read_leniently() {
        for (encoded, decoded) in [
            (&b"aGVsbG8="[..], &b"hello"[..]),
            (b"aGVs\r\nbG8=\r\n", b"hello"),
            (b"aGVsbG8", b"hello"),
            (b"a G!V*sbG8=aGk=", b"hellohi"),
            (b"a", b""),
            (b"====", b""),
            (b"", b""),
        ] {
            assert_eq!(decode(TransferEncoding::Base64, &[encoded]), decoded, "{encoded:?}");
        }
    }

    #[test]
    fn quoted_printable_is_read_leniently() {
        for (encoded, decoded) in [
            (&b"caf=C3=A9"[..], "café".as_bytes()),
            (b"a=\r\nb=\nc= \t\r\nd", b"abcd"),
            (b"end  \r\nnext\t\n", b"end\r\nnext\n"),
            (b"1=2 x=zz ==41 =4", b"1=2 x=zz =A =4"),
            (b"tail=", b"tail"),
            (b"a \t", b"a \t"),
            (b"a\rb", b"a\rb"),
        ] {
            assert_eq!(decode(TransferEncoding::QuotedPrintable, &[encoded]), decoded, "{encoded:?}");
        }
    }

    #[test]
    fn an_unknown_encoding_is_an_error() {
        assert!(Decoder::new(TransferEncoding::find(b"x-uuencode")).is_none());
        assert_eq!(TransferEncoding::find(b"BASE64"), TransferEncoding::Base64);
    }

    proptest! {
        #[test]
        fn runs_are_decoded_as_their_bytes_are(bytes in "[=A-Fa-f0-9 \t\r\n]{0,60}", spaces in 0usize..3000) {
            let bytes = [bytes.as_bytes(), &b" ".repeat(spaces), b"\n", bytes.as_bytes()].concat();
            let mut byte_by_byte = (Vec::new(), Vec::new());
            let (mut base64, mut quoted) = (Base64Decoder::default(), QuotedPrintableDecoder::default());
            for byte in &bytes {
                base64.decode_byte(*byte, &mut byte_by_byte.0);
                quoted.decode_byte(*byte, &mut byte_by_byte.1);
            }
            base64.finish(&mut byte_by_byte.0);
            quoted.finish(&mut byte_by_byte.1);
            prop_assert_eq!(decode(TransferEncoding::Base64, &[&bytes]), byte_by_byte.0);
            prop_assert_eq!(decode(TransferEncoding::QuotedPrintable, &[&bytes]), byte_by_byte.1);
        }

        #[test]
        fn pieces_do_not_matter(bytes in "[=A-Fa-f0-9 \t\r\n]{0,40}", cut in 0usize..40) {
            let bytes = bytes.as_bytes();
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            for encoding in [TransferEncoding::Base64, TransferEncoding::QuotedPrintable] {
                prop_assert_eq!(decode(encoding, &[bytes]), decode(encoding, &[head, tail]));
            }
        }
    }
}
