//! Letter case is folded for comparison: Unicode's upper and then lower case mapping, character by character.
//!
//! That is what `i;unicode-casemap` (RFC 5051) does, without its decomposition: a letter and its accent match only where
//! they are written alike. Searches fold all text that they look at, so runs of ASCII are folded as a whole, and
//! the letters of the most common scripts without a look into Unicode's tables. A test compares every character.

use encoding_rs::Encoding;

/// Octets that are looked at together.
const BLOCK_BYTES: usize = 16;

/// Folds case for comparison.
pub fn fold_case(text: &str) -> String {
    let mut folded = Vec::with_capacity(text.len());
    fold_into(text, &mut folded);
    String::from_utf8(folded).unwrap_or_default()
}

/// Appends `text` with its case folded.
pub(crate) fn fold_into(text: &str, folded: &mut Vec<u8>) {
    folded.reserve(text.len() + BLOCK_BYTES);
    let mut rest = text;
    loop {
        let (blocks, tail) = rest.as_bytes().as_chunks::<BLOCK_BYTES>();
        let whole = blocks.iter().position(|block| !block.is_ascii());
        let ascii = match whole {
            Some(blocks) => blocks * BLOCK_BYTES,
            None if tail.is_ascii() => rest.len(),
            None => rest.len() - tail.len(),
        };
        let (ascii, mixed) = rest.split_at_checked(ascii).unwrap_or((rest, ""));
        if !ascii.is_empty() {
            fold_ascii_into(ascii.as_bytes(), folded);
        }
        if mixed.is_empty() {
            return;
        }
        rest = fold_some_into(mixed, folded);
    }
}

/// Appends ASCII with its case folded.
pub(crate) fn fold_ascii_into(ascii: &[u8], folded: &mut Vec<u8>) {
    let start = folded.len();
    folded.extend_from_slice(ascii);
    folded.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
}

/// Folds the characters of about a block and answers what is left.
fn fold_some_into<'a>(text: &'a str, folded: &mut Vec<u8>) -> &'a str {
    let mut characters = text.chars();
    while text.len() - characters.as_str().len() < BLOCK_BYTES {
        let Some(character) = characters.next() else { break };
        let code = u32::from(character);
        match code {
            0..0x80 => folded.push((code as u8).to_ascii_lowercase()),
            0x80..0x800 => match TWO_BYTES.get(code as usize - 0x80) {
                Some(pair) if *pair != [0; 2] => folded.extend_from_slice(pair),
                _ => fold_seldom_into(character, folded),
            },
            _ if knows_no_case(character) => {
                let mut octets = [0; 4];
                folded.extend_from_slice(character.encode_utf8(&mut octets).as_bytes());
            }
            _ => fold_seldom_into(character, folded),
        }
    }
    characters.as_str()
}

#[cold]
fn fold_seldom_into(character: char, folded: &mut Vec<u8>) {
    let mut octets = [0; 4];
    for lower in character.to_uppercase().flat_map(char::to_lowercase) {
        folded.extend_from_slice(lower.encode_utf8(&mut octets).as_bytes());
    }
}

/// What the characters of two octets fold to, from U+0080; where that is not told by [`fold_of_two_bytes`], zeros.
static TWO_BYTES: [[u8; 2]; 0x780] = {
    let mut table = [[0; 2]; 0x780];
    let mut at = 0;
    while at < table.len() {
        table[at] = fold_of_two_bytes(at as u32 + 0x80);
        at += 1;
    }
    table
};

/// The fold, in UTF-8, of Latin 1, Greek, Cyrillic and some scripts that know no case.
const fn fold_of_two_bytes(code: u32) -> [u8; 2] {
    let lower = match code {
        // ß
        0xdf => return *b"ss",
        0xc0..=0xd6 | 0xd8..=0xde | 0x391..=0x3a1 | 0x3a3..=0x3ab | 0x410..=0x42f => code + 0x20,
        0x400..=0x40f => code + 0x50,
        0x80..=0xb4 | 0xb6..=0xbf | 0xd7 | 0xe0..=0xff | 0x3ac..=0x3af | 0x3b1..=0x3c1 | 0x3c3..=0x3ce => code,
        0x430..=0x45f | 0x590..=0x7ff => code,
        _ => return [0; 2],
    };
    [0xc0 | (lower >> 6) as u8, 0x80 | (lower & 0x3f) as u8]
}

/// Scripts and signs that are their own fold.
fn knows_no_case(character: char) -> bool {
    matches!(character,
        '\u{800}'..='\u{109f}' | '\u{2000}'..='\u{206f}' | '\u{20a0}'..='\u{20cf}' | '\u{2190}'..='\u{23ff}'
        | '\u{2500}'..='\u{27ff}' | '\u{2e80}'..='\u{a63f}' | '\u{ac00}'..='\u{d7a3}' | '\u{1f300}'..='\u{1faff}')
}

/// What each octet of a charset of single octets folds to.
pub(crate) struct OctetFolds {
    pub(crate) encoding: &'static Encoding,
    /// For octets from 128: how many octets of UTF-8, and these.
    folds: [(u8, [u8; 7]); 128],
}

impl OctetFolds {
    /// Nothing where a fold has too many octets, which is so in no charset known.
    pub(crate) fn new(encoding: &'static Encoding) -> Option<Self> {
        let mut folds = [(0, [0; 7]); 128];
        for (octet, (length, octets)) in (128..=255u8).zip(&mut folds) {
            let folded = fold_case(&encoding.decode_without_bom_handling(&[octet]).0);
            octets.get_mut(..folded.len())?.copy_from_slice(folded.as_bytes());
            *length = folded.len() as u8;
        }
        Some(Self { encoding, folds })
    }

    /// Appends the text of `octets` with its case folded.
    pub(crate) fn fold_into(&self, octets: &[u8], folded: &mut Vec<u8>) {
        folded.reserve(octets.len());
        let mut rest = octets;
        loop {
            let (blocks, tail) = rest.as_chunks::<BLOCK_BYTES>();
            let ascii = match blocks.iter().position(|block| !block.is_ascii()) {
                Some(blocks) => blocks * BLOCK_BYTES,
                None if tail.is_ascii() => rest.len(),
                None => rest.len() - tail.len(),
            };
            let (ascii, mixed) = rest.split_at_checked(ascii).unwrap_or((rest, b""));
            if !ascii.is_empty() {
                fold_ascii_into(ascii, folded);
            }
            let (block, after) = mixed.split_at_checked(BLOCK_BYTES).unwrap_or((mixed, b""));
            if block.is_empty() {
                return;
            }
            block.iter().for_each(|octet| self.fold_octet_into(*octet, folded));
            rest = after;
        }
    }

    fn fold_octet_into(&self, octet: u8, folded: &mut Vec<u8>) {
        match self.folds.get(usize::from(octet.wrapping_sub(128))).filter(|_| octet >= 128) {
            None => folded.push(octet.to_ascii_lowercase()),
            Some((2, [first, second, ..])) => folded.extend_from_slice(&[*first, *second]),
            Some((length, octets)) => {
                folded.extend_from_slice(octets.get(..usize::from(*length)).unwrap_or_default());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_folded_beyond_ascii() {
        for (left, right) in [("ΣΊΣΥΦΟΣ", "σίσυφος"), ("ÀÉ", "àé"), ("ПРИВЕТ", "привет"), ("\u{212a}", "k")]
        {
            assert_eq!(fold_case(left), fold_case(right));
        }
    }

    #[test]
    fn every_character_is_folded_as_unicode_has_it() {
        let (mut expected, mut folded) = (String::new(), Vec::new());
        for character in '\0'..=char::MAX {
            expected.clear();
            expected.extend(character.to_uppercase().flat_map(char::to_lowercase));
            folded.clear();
            fold_into(character.encode_utf8(&mut [0; 4]), &mut folded);
            assert_eq!(folded, expected.as_bytes(), "{character:?}");
            // The sieve for HTML rests on it: markup comes from markup.
            let is_letter = |byte: u8| !byte.is_ascii() || byte.is_ascii_lowercase();
            assert!(character.is_ascii() || expected.bytes().all(is_letter), "{character:?}");
        }
    }

    #[test]
    fn octets_fold_to_what_their_text_does() {
        let octets: Vec<u8> = (0..=255u8).chain(0..40).chain((128..=255).rev()).collect();
        for label in ["windows-1252", "windows-1253", "iso-8859-7", "koi8-r", "windows-874", "iso-8859-8", "macintosh"]
        {
            let encoding = Encoding::for_label(label.as_bytes()).unwrap();
            assert!(encoding.is_single_byte());
            let mut folded = Vec::new();
            OctetFolds::new(encoding).unwrap().fold_into(&octets, &mut folded);
            let expected = fold_case(&encoding.decode_without_bom_handling(&octets).0);
            assert_eq!(String::from_utf8(folded).unwrap(), expected, "{label}");
        }
    }

    #[test]
    fn runs_of_ascii_end_where_they_end() {
        for length in 0..70 {
            let text = format!("{}É{}", "A".repeat(length), "B".repeat(40));
            assert_eq!(fold_case(&text), format!("{}é{}", "a".repeat(length), "b".repeat(40)));
        }
    }
}
