//! The unique-ids that a POP3 server made of what it knew, where it did not note them.
//!
//! Dovecot's `pop3_uidl_format` says how. Nothing beside the mail tells what it was set to, so the caller does; the
//! default is Dovecot's own.

use std::{fmt::Write as _, str::FromStr};

use crate::mbox::is_uidl;

/// How many zeros and digits a number may have: more than a unique-id (RFC 1939 §7) can hold.
const WIDTH_MAX: usize = 70;

/// Dovecot's setting `pop3_uidl_format`, as versions 2.0 to 2.3 write it (`%08Xu%08Xv`) or as 2.4 does
/// (`%{uid | hex(8)}%{uidvalidity | hex(8)}`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pop3UidlFormat {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Number { of: Number, hexadecimal: bool, digits: usize },
    FileName,
    Guid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Uid,
    UidValidity,
}

/// What unique-ids are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UidlParts<'a> {
    pub uid: u32,
    pub uid_validity: u32,
    /// The file's name without flags.
    pub base: &'a str,
    /// The message's GUID, where it is not the file's name.
    pub guid: Option<&'a str>,
}

/// Text that is no format of unique-ids, or one that cannot be made from files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no pop3_uidl_format of %u (UID), %v (UIDVALIDITY), %f (file name), %g (GUID)")]
pub struct Pop3UidlFormatError(String);

impl Default for Pop3UidlFormat {
    fn default() -> Self {
        let number = |of| Piece::Number { of, hexadecimal: true, digits: 8 };
        Self { pieces: vec![number(Number::Uid), number(Number::UidValidity)] }
    }
}

impl FromStr for Pop3UidlFormat {
    type Err = Pop3UidlFormatError;

    fn from_str(text: &str) -> Result<Self, Pop3UidlFormatError> {
        let error = || Pop3UidlFormatError(text.to_owned());
        let (mut pieces, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let Some(variable) = rest.strip_prefix('%') else {
                let end = rest.find('%').unwrap_or(rest.len());
                let (literal, after) = rest.split_at(end);
                pieces.push(Piece::Text(literal.to_owned()));
                rest = after;
                continue;
            };
            let (piece, after) = match variable.strip_prefix('{') {
                Some(long) => {
                    let (inside, after) = long.split_once('}').ok_or_else(error)?;
                    (parse_long(inside).ok_or_else(error)?, after)
                }
                None => parse_short(variable).ok_or_else(error)?,
            };
            pieces.push(piece);
            rest = after;
        }
        let names_a_message =
            |piece: &Piece| !matches!(piece, Piece::Text(_) | Piece::Number { of: Number::UidValidity, .. });
        if pieces.iter().any(names_a_message) { Ok(Self { pieces }) } else { Err(error()) }
    }
}

/// What follows a `%`: digits that say how wide, `X` for hexadecimal, a letter.
fn parse_short(variable: &str) -> Option<(Piece, &str)> {
    let digits_end = variable.find(|c: char| !c.is_ascii_digit())?;
    let (digits, rest) = variable.split_at(digits_end);
    let (hexadecimal, rest) = match rest.strip_prefix('X') {
        Some(after) => (true, after),
        None => (false, rest),
    };
    let mut letters = rest.chars();
    let letter = letters.next()?;
    // Without a zero in front, Dovecot cuts off instead of filling up.
    let is_plain = digits.is_empty() && !hexadecimal;
    let width = match digits {
        "" => 0,
        digits => digits.strip_prefix('0')?.parse().ok().filter(|width| *width <= WIDTH_MAX)?,
    };
    let piece = match letter {
        '%' if is_plain => Piece::Text("%".to_owned()),
        'u' => Piece::Number { of: Number::Uid, hexadecimal, digits: width },
        'v' => Piece::Number { of: Number::UidValidity, hexadecimal, digits: width },
        'f' if is_plain => Piece::FileName,
        'g' if is_plain => Piece::Guid,
        _ => return None,
    };
    Some((piece, letters.as_str()))
}

/// `uid`, `uid | hex`, `uid | hex(8)` and so on.
fn parse_long(inside: &str) -> Option<Piece> {
    let (name, filter) = inside.split_once('|').map_or((inside, None), |(name, filter)| (name, Some(filter.trim())));
    let (hexadecimal, digits) = match filter {
        None => (false, 0),
        Some("hex") => (true, 0),
        Some(filter) => {
            let digits = filter.strip_prefix("hex(")?.strip_suffix(')')?.trim().parse().ok();
            (true, digits.filter(|digits| *digits <= WIDTH_MAX)?)
        }
    };
    Some(match name.trim() {
        "uid" => Piece::Number { of: Number::Uid, hexadecimal, digits },
        "uidvalidity" => Piece::Number { of: Number::UidValidity, hexadecimal, digits },
        "filename" if !hexadecimal => Piece::FileName,
        "guid" if !hexadecimal => Piece::Guid,
        _ => return None,
    })
}

impl Pop3UidlFormat {
    /// The unique-id of a message, if POP3 can say it.
    pub(crate) fn apply(&self, parts: UidlParts<'_>) -> Option<String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::FileName => text.push_str(parts.base),
                Piece::Guid => text.push_str(parts.guid.unwrap_or(parts.base)),
                Piece::Number { of, hexadecimal, digits } => {
                    let number = match of {
                        Number::Uid => parts.uid,
                        Number::UidValidity => parts.uid_validity,
                    };
                    // Writing to a string does not fail.
                    let _ = match hexadecimal {
                        true => write!(text, "{number:0digits$x}"),
                        false => write!(text, "{number:0digits$}"),
                    };
                }
            }
        }
        is_uidl(&text).then_some(text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test, a failed expectation is a failed test")]
mod tests {
    use super::*;

    const PARTS: UidlParts<'_> = UidlParts { uid: 26, uid_validity: 0x5f00_0001, base: "1.M2.host,S=5", guid: None };

    #[test]
    fn unique_ids_are_made_as_dovecot_makes_them() {
        for (format, expected) in [
            ("%08Xu%08Xv", "0000001a5f000001"),
            ("%08Xv%08Xu", "5f0000010000001a"),
            ("%{uid | hex(8)}%{uidvalidity|hex(8)}", "0000001a5f000001"),
            ("%v.%u", "1593835521.26"),
            ("%v-%u", "1593835521-26"),
            ("UID%u%%", "UID26%"),
            ("%05u", "00026"),
            ("%{uid | hex}", "1a"),
            ("%f", "1.M2.host,S=5"),
            ("%g", "1.M2.host,S=5"),
            ("%{guid}", "1.M2.host,S=5"),
        ] {
            assert_eq!(format.parse::<Pop3UidlFormat>().unwrap().apply(PARTS).as_deref(), Some(expected), "{format}");
        }
        let guid = "%g".parse::<Pop3UidlFormat>().unwrap().apply(UidlParts { guid: Some("abc"), ..PARTS });
        assert_eq!(guid.as_deref(), Some("abc"));
        assert_eq!("%08Xu%08Xv".parse(), Ok(Pop3UidlFormat::default()));
    }

    #[test]
    fn what_names_no_message_or_cannot_be_made_is_refused() {
        for format in
            ["", "x", "%v", "%", "%0", "%8u", "%m", "%Mf", "%099u", "%{uid", "%{uid | hex(x)}", "%{x}", "%08f"]
        {
            assert!(format.parse::<Pop3UidlFormat>().is_err(), "{format}");
        }
        let long = "x".repeat(71);
        for base in ["a b", "", long.as_str()] {
            assert_eq!("%f".parse::<Pop3UidlFormat>().unwrap().apply(UidlParts { base, ..PARTS }), None, "{base}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[%0-9Xuvfg{} |hex()iéd]{0,30}", base: String) {
            if let Ok(format) = text.parse::<Pop3UidlFormat>() {
                format.apply(UidlParts { base: &base, ..PARTS });
            }
        }
    }
}
