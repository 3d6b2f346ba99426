//! The collation `i;unicode-casemap` (RFC 5051): the form in which SORT and THREAD compare texts (RFC 5256 §7).
//!
//! A key is made once, when a message arrives or is first sorted; from then on octets are compared, as the RFC says.
//! Every character is taken by itself: its titlecase of one character, then its compatibility decomposition. Marks
//! that stand in an unusual order stay in it, which RFC 5051 §4 allows.

use unicode_normalization::char::decompose_compatible;

/// The text as `i;unicode-casemap` compares it: keys are equal where the collation calls texts equal, and their
/// octets are in its order.
pub fn collation_key(text: &str) -> String {
    let mut key = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let ascii_bytes = rest.bytes().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
        let (ascii, other) = rest.split_at_checked(ascii_bytes).unwrap_or((rest, ""));
        let start = key.len();
        key.push_str(ascii);
        if let Some(pushed) = key.get_mut(start..) {
            pushed.make_ascii_uppercase();
        }
        let mut characters = other.chars();
        if let Some(character) = characters.next() {
            decompose_compatible(titlecase(character), |part| key.push(part));
        }
        rest = characters.as_str();
    }
    key
}

/// The titlecase mapping of UnicodeData.txt, which is always one character. What the standard library has is the full
/// uppercase mapping of SpecialCasing.txt.
fn titlecase(character: char) -> char {
    match character {
        // Digraphs whose second letter stays small.
        'Ǆ'..='ǆ' => 'ǅ',
        'Ǉ'..='ǉ' => 'ǈ',
        'Ǌ'..='ǌ' => 'ǋ',
        'Ǳ'..='ǳ' => 'ǲ',
        // Georgian capitals are for whole words only.
        'ა'..='ჺ' | 'ჽ'..='ჿ' => character,
        // Greek with iota below; the capitals lie eight and nine places on.
        '\u{1F80}'..='\u{1FAF}' => char::from_u32(u32::from(character) | 8).unwrap_or(character),
        '\u{1FB3}' | '\u{1FC3}' | '\u{1FF3}' => char::from_u32(u32::from(character) + 9).unwrap_or(character),
        _ => {
            let mut upper = character.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(single), None) => single,
                // What SpecialCasing.txt alone maps, such as ß.
                _ => character,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_titlecased_and_decomposed() {
        let table = [
            ("", ""),
            ("Budget 2026", "BUDGET 2026"),
            // RFC 5051 §2
            ("\u{01C4}", "Dz\u{030C}"),
            ("\u{01C6}", "Dz\u{030C}"),
            ("ǌ", "Nj"),
            ("ǳ", "Dz"),
            ("Grüße", "GRU\u{0308}ßE"),
            ("gru\u{0308}ßE", "GRU\u{0308}ßE"),
            ("été", "E\u{0301}TE\u{0301}"),
            // A ligature has no titlecase of its own and is taken apart as it stands.
            ("ﬁn", "fiN"),
            ("ｆｕｌｌ", "FULL"),
            ("²", "2"),
            ("привет", "ПРИВЕТ"),
            ("й", "И\u{0306}"),
            ("ᾳ", "\u{0391}\u{0345}"),
            ("ᾀ", "\u{0391}\u{0313}\u{0345}"),
            ("ᾈ", "\u{0391}\u{0313}\u{0345}"),
            ("ა", "ა"),
            ("각", "\u{1100}\u{1161}\u{11A8}"),
            ("日本語", "日本語"),
            ("\u{FB2C}", "\u{05E9}\u{05BC}\u{05C1}"),
        ];
        for (text, expected) in table {
            assert_eq!(collation_key(text), expected, "{text:?}");
        }
    }

    #[test]
    fn order_is_that_of_octets_after_folding() {
        let mut texts = ["zebra", "Apfel", "Äpfel", "apfelmus", "Zoo", "日本", "10"];
        texts.sort_by_key(|text| collation_key(text));
        assert_eq!(texts, ["10", "Apfel", "apfelmus", "Äpfel", "zebra", "Zoo", "日本"]);
    }

    #[test]
    fn every_character_keeps_its_key_in_either_case_where_unicode_maps_one_to_one() {
        for character in ('\u{0}'..='\u{2FFFF}').filter(|character| !('ა'..='ჿ').contains(character)) {
            let upper: String = character.to_uppercase().collect();
            let mut characters = upper.chars();
            if let (Some(single), None) = (characters.next(), characters.next()) {
                let original = collation_key(character.encode_utf8(&mut [0; 4]));
                assert_eq!(original, collation_key(single.encode_utf8(&mut [0; 4])), "{character:?}");
            }
        }
    }
}
