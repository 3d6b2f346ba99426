//! SEARCH and ESEARCH responses (RFC 3501 §7.2.5, RFC 9051 §7.3.6, RFC 4731 §3.1, RFC 7162 §3.1.5).

use super::encode_number;
use super::string::{Utf8Quoting, encode_string};
use super::uid_set::encode_uid_set;
use crate::command::Numbering;

/// An ESEARCH response; what is `None` is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EsearchResponse<'a> {
    /// The tag of the command that is answered.
    pub tag: Option<&'a str>,
    /// What the numbers are.
    pub numbering: Numbering,
    /// `MIN`, the first of a result that is sorted (RFC 5267 §3.1); a search that found nothing has none.
    pub min: Option<u32>,
    /// `MAX`, the last
    pub max: Option<u32>,
    /// `ALL`, in the order of the result; no range is not told, since a set cannot be empty (RFC 4731 §3.1).
    pub all: Option<&'a [(u32, u32)]>,
    /// `COUNT`
    pub count: Option<u32>,
    /// `MODSEQ` (RFC 7162 §3.1.5)
    pub modseq: Option<u64>,
}

/// Appends `* SEARCH …` with single numbers, and `(MODSEQ n)` where a search by mod-sequence found something.
pub fn encode_search(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = u32>, modseq: Option<u64>) {
    encode_numbers(out, b"* SEARCH", numbers, modseq);
}

/// Appends a response that is numbers, each behind a space, and `(MODSEQ n)`.
pub(super) fn encode_numbers(
    out: &mut Vec<u8>,
    name: &[u8],
    numbers: impl IntoIterator<Item = u32>,
    modseq: Option<u64>,
) {
    out.extend_from_slice(name);
    for number in numbers {
        out.push(b' ');
        encode_number(out, number);
    }
    if let Some(modseq) = modseq {
        out.extend_from_slice(b" (MODSEQ ");
        encode_number(out, modseq);
        out.push(b')');
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends `* ESEARCH …`.
pub fn encode_esearch(out: &mut Vec<u8>, response: &EsearchResponse<'_>) {
    out.extend_from_slice(b"* ESEARCH");
    if let Some(tag) = response.tag {
        out.extend_from_slice(b" (TAG ");
        encode_string(out, tag.as_bytes(), Utf8Quoting::LiteralOnly);
        out.push(b')');
    }
    if response.numbering == Numbering::Uid {
        out.extend_from_slice(b" UID");
    }
    encode_figure(out, b" MIN ", response.min.map(u64::from));
    encode_figure(out, b" MAX ", response.max.map(u64::from));
    if let Some(ranges) = response.all.filter(|ranges| !ranges.is_empty()) {
        out.extend_from_slice(b" ALL ");
        encode_uid_set(out, ranges);
    }
    encode_figure(out, b" COUNT ", response.count.map(u64::from));
    encode_figure(out, b" MODSEQ ", response.modseq);
    out.extend_from_slice(b"\r\n");
}

fn encode_figure(out: &mut Vec<u8>, name: &[u8], figure: Option<u64>) {
    if let Some(number) = figure {
        out.extend_from_slice(name);
        encode_number(out, number);
    }
}
