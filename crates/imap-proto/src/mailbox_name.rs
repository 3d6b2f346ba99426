//! Mailbox names: modified UTF-7 or UTF-8 on the wire, Unicode inside (RFC 3501 §5.1.3, RFC 9051 §5.1).
//!
//! What characters a name may hold beyond the encoding's own rules, and that INBOX is one mailbox in all its spellings
//! (but see [`is_inbox`]), is for the session.

use crate::encode::string::{Utf8Quoting, encode_astring, encode_string};
use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

/// Base64 with `,` for `/` and no padding; bits that pad the last octet must be 0.
const BASE64: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// How names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameEncoding {
    /// Modified UTF-7, until the client has enabled something else.
    ModifiedUtf7,
    /// UTF-8, once IMAP4rev2 or `UTF8=ACCEPT` is enabled.
    Utf8,
}

/// Why a name cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// An octet that must not stand for itself.
    #[error("a mailbox name holds an octet that must be encoded")]
    BareOctet,
    /// `&` without `-`, wrong base64, or half a character.
    #[error("a mailbox name is not valid modified UTF-7")]
    Malformed,
    /// Encoded though it need not be, or two encoded runs in a row: one name must have one spelling.
    #[error("a mailbox name is encoded in a superfluous way")]
    NotCanonical,
    /// Not UTF-8.
    #[error("a mailbox name is not valid UTF-8")]
    NotUtf8,
}

/// Decodes a name as the session's encoding has it.
pub fn decode(raw: &[u8], encoding: NameEncoding) -> Result<String, NameError> {
    match encoding {
        NameEncoding::ModifiedUtf7 => decode_modified_utf7(raw),
        NameEncoding::Utf8 => std::str::from_utf8(raw).map(str::to_owned).map_err(|_| NameError::NotUtf8),
    }
}

/// Decodes modified UTF-7; only the one canonical spelling of a name is accepted.
pub fn decode_modified_utf7(raw: &[u8]) -> Result<String, NameError> {
    let mut name = String::with_capacity(raw.len());
    let mut rest = raw;
    let mut after_run = false;
    while let Some((&octet, tail)) = rest.split_first() {
        rest = tail;
        match octet {
            b'&' => {
                let end = memchr::memchr(b'-', rest).ok_or(NameError::Malformed)?;
                let (run, tail) = rest.split_at(end);
                rest = tail.get(1..).unwrap_or_default();
                if run.is_empty() {
                    name.push('&');
                    after_run = false;
                    continue;
                }
                if after_run {
                    return Err(NameError::NotCanonical);
                }
                decode_run(run, &mut name)?;
                after_run = true;
            }
            0x20..=0x7e => {
                name.push(char::from(octet));
                after_run = false;
            }
            _ => return Err(NameError::BareOctet),
        }
    }
    Ok(name)
}

/// Decodes what stands between `&` and `-`: UTF-16 in base64.
fn decode_run(run: &[u8], name: &mut String) -> Result<(), NameError> {
    let octets = BASE64.decode(run).map_err(|_| NameError::Malformed)?;
    let units = octets.chunks(2).map(|pair| match *pair {
        [high, low] => Ok(u16::from_be_bytes([high, low])),
        _ => Err(NameError::Malformed),
    });
    let units = units.collect::<Result<Vec<u16>, NameError>>()?;
    for character in char::decode_utf16(units) {
        let character = character.map_err(|_| NameError::Malformed)?;
        if matches!(character, ' '..='~') {
            return Err(NameError::NotCanonical);
        }
        name.push(character);
    }
    Ok(())
}

/// Encodes a name in modified UTF-7.
pub fn encode_modified_utf7(name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len() + 8);
    let mut run: Vec<u8> = Vec::new();
    for character in name.chars() {
        if !matches!(character, ' '..='~') {
            run.extend(character.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes()));
            continue;
        }
        flush_run(&mut out, &mut run);
        if character == '&' {
            out.extend_from_slice(b"&-");
        } else {
            out.push(character as u8);
        }
    }
    flush_run(&mut out, &mut run);
    out
}

fn flush_run(out: &mut Vec<u8>, run: &mut Vec<u8>) {
    if !run.is_empty() {
        out.push(b'&');
        out.extend_from_slice(BASE64.encode(&*run).as_bytes());
        out.push(b'-');
        run.clear();
    }
}

/// Appends a name as an astring.
pub fn encode_mailbox(out: &mut Vec<u8>, name: &str, encoding: NameEncoding) {
    match encoding {
        NameEncoding::ModifiedUtf7 if needs_encoding(name) => {
            encode_astring(out, &encode_modified_utf7(name), Utf8Quoting::LiteralOnly);
        }
        NameEncoding::ModifiedUtf7 => encode_astring(out, name.as_bytes(), Utf8Quoting::LiteralOnly),
        NameEncoding::Utf8 => encode_astring(out, name.as_bytes(), Utf8Quoting::Allowed),
    }
}

/// Appends a name as a string, never as an atom.
pub fn encode_mailbox_string(out: &mut Vec<u8>, name: &str, encoding: NameEncoding) {
    match encoding {
        NameEncoding::ModifiedUtf7 => encode_string(out, &encode_modified_utf7(name), Utf8Quoting::LiteralOnly),
        NameEncoding::Utf8 => encode_string(out, name.as_bytes(), Utf8Quoting::Allowed),
    }
}

fn needs_encoding(name: &str) -> bool {
    name.bytes().any(|octet| octet == b'&' || !matches!(octet, b' '..=b'~'))
}

/// Whether a name is INBOX, in any spelling (RFC 9051 §5.1).
pub fn is_inbox(name: &str) -> bool {
    name.eq_ignore_ascii_case("INBOX")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_have_one_spelling() {
        let cases: [(&str, &str); 8] = [
            ("INBOX", "INBOX"),
            ("", ""),
            ("Entwürfe", "Entw&APw-rfe"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Q&A", "Q&-A"),
            ("&&é&", "&-&-&AOk-&-"),
            ("😀", "&2D3eAA-"),
            ("a\tb", "a&AAk-b"),
        ];
        for (name, encoded) in cases {
            assert_eq!(encode_modified_utf7(name), encoded.as_bytes(), "{name}");
            assert_eq!(decode_modified_utf7(encoded.as_bytes()).as_deref(), Ok(name), "{encoded}");
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        let cases: [(&[u8], NameError); 11] = [
            (b"&Jjo!", NameError::Malformed),
            (b"&U,BTFw-&ZeVnLIqe-", NameError::NotCanonical),
            (b"&AGE-", NameError::NotCanonical),
            (b"&AOkAYQ-", NameError::NotCanonical),
            (b"&AOk", NameError::Malformed),
            (b"&AOl-", NameError::Malformed),
            (b"&2D0-", NameError::Malformed),
            (b"&3gA-", NameError::Malformed),
            (b"&A-", NameError::Malformed),
            (b"&U/BTFw-", NameError::Malformed),
            ("é".as_bytes(), NameError::BareOctet),
        ];
        for (raw, error) in cases {
            assert_eq!(decode_modified_utf7(raw), Err(error), "{}", String::from_utf8_lossy(raw));
        }
        assert_eq!(decode(b"\xff", NameEncoding::Utf8), Err(NameError::NotUtf8));
        assert_eq!(decode(b"&AOk-", NameEncoding::Utf8).as_deref(), Ok("&AOk-"));
    }

    #[test]
    fn a_mailbox_is_written_as_the_session_wants_it() {
        let cases: [(&str, NameEncoding, &str); 7] = [
            ("INBOX", NameEncoding::ModifiedUtf7, "INBOX"),
            ("Sent Items", NameEncoding::ModifiedUtf7, "\"Sent Items\""),
            ("Entwürfe", NameEncoding::ModifiedUtf7, "Entw&APw-rfe"),
            ("Entwürfe", NameEncoding::Utf8, "\"Entwürfe\""),
            ("Q&A", NameEncoding::Utf8, "Q&A"),
            ("Q&A", NameEncoding::ModifiedUtf7, "Q&-A"),
            ("nil", NameEncoding::Utf8, "\"nil\""),
        ];
        for (name, encoding, expected) in cases {
            let mut out = Vec::new();
            encode_mailbox(&mut out, name, encoding);
            assert_eq!(out, expected.as_bytes(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_name_survives(name in any::<String>()) {
            prop_assert_eq!(decode_modified_utf7(&encode_modified_utf7(&name)), Ok(name));
        }

        #[test]
        fn what_decodes_is_canonical(raw in proptest::collection::vec(prop_oneof![Just(b'&'), Just(b'-'), 0x20u8..0x7f], 0..30)) {
            if let Ok(name) = decode_modified_utf7(&raw) {
                prop_assert_eq!(encode_modified_utf7(&name), raw);
            }
        }
    }
}
