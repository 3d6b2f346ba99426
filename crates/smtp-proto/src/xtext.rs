//! The encoding of values that parameters could not carry otherwise (RFC 3461 §4).

/// Reads `xtext = *( xchar / hexchar )`; `None` if it is none.
///
/// `quirk_lower_case_hexchar`: the digits must be upper case, and some senders' are not; both are read.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => decoded.push(hexadecimal(bytes.next()?)? << 4 | hexadecimal(bytes.next()?)?),
            b'=' => return None,
            b'!'..=b'~' => decoded.push(byte),
            _ => return None,
        }
    }
    Some(decoded)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Writes bytes as xtext.
pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |value: u8| DIGITS.get(usize::from(value & 15)).copied().unwrap_or(b'0').into();
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'+' | b'=' | 0..=b' ' | 127.. => text.extend(['+', digit(byte >> 4), digit(byte)]),
            _ => text.push(byte.into()),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn examples_are_read() {
        for (text, expected) in [
            ("e+3Dmc2@example.com", Some("e=mc2@example.com")),
            ("QQ314159", Some("QQ314159")),
            ("a+2bb+20c", Some("a+b c")),
            ("", Some("")),
            ("+", None),
            ("+4", None),
            ("+4G", None),
            ("a=b", None),
            ("a b", None),
            ("ä", None),
        ] {
            assert_eq!(decode(text), expected.map(|text| text.as_bytes().to_vec()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
    }
}
