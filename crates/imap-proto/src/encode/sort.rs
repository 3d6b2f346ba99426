//! SORT responses (RFC 5256 §4). An extended SORT is answered with ESEARCH, as a search is (RFC 5267 §3).

use super::search::encode_numbers;

/// Appends `* SORT …` with the numbers in the order given, and `(MODSEQ n)` where messages that were found by
/// mod-sequence were sorted (RFC 7162 §3.1.9).
pub fn encode_sort(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = u32>, modseq: Option<u64>) {
    encode_numbers(out, b"* SORT", numbers, modseq);
}
