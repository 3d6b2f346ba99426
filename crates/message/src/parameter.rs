//! Structured MIME fields: `type/subtype; name=value` with the continuations and charsets of RFC 2231.

use std::collections::HashMap;

use memchr::memchr;

use crate::charset::{Charset, guess_text};
use crate::decode::hex_value;
use crate::encoded_word::decode_encoded_words;

/// One parameter of Content-Type or Content-Disposition, its RFC 2231 pieces joined and decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// In lower case. RFC 9051 §7.5.2: it ends in `*` when the value was given with a charset.
    pub name: String,
    /// In UTF-8. Encoded words, which do not belong here but are common, stay as they are.
    pub value: String,
}

/// Finds a parameter for use: the form with a charset is preferred to the plain one, encoded words are decoded.
pub(crate) fn find_parameter(parameters: &[Parameter], name: &str) -> Option<String> {
    let extended = parameters.iter().find(|parameter| parameter.name.strip_suffix('*') == Some(name));
    let found = extended.or_else(|| parameters.iter().find(|parameter| parameter.name == name))?;
    Some(decode_encoded_words(found.value.as_bytes()))
}

/// Skips white space and comments (RFC 5322 §3.2.2, nested, perhaps never closed).
pub(crate) fn skip_comments(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_start();
        if text.first() != Some(&b'(') {
            return text;
        }
        text = text.get(comment_bytes(text)..).unwrap_or_default();
    }
}

/// Length of the comment that `text` starts with, parentheses included.
pub(crate) fn comment_bytes(text: &[u8]) -> usize {
    let mut depth = 0usize;
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' if depth == 1 => return at + 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    text.len()
}

/// RFC 2045 §5.1: `token`, but 8-bit characters are let through.
fn token(text: &[u8]) -> (&[u8], &[u8]) {
    let is_end =
        |byte: &u8| byte.is_ascii_whitespace() || byte.is_ascii_control() || b"()<>@,;:\\\"/[]?=".contains(byte);
    let length = text.iter().position(is_end).unwrap_or(text.len());
    text.split_at_checked(length).unwrap_or((text, b""))
}

/// `type "/" subtype` and the rest of the field; nothing when the field does not say a type.
pub(crate) fn parse_media_type(value: &[u8]) -> Option<(String, String, &[u8])> {
    let (media_type, rest) = token(skip_comments(value));
    let rest = skip_comments(skip_comments(rest).strip_prefix(b"/")?);
    let (subtype, rest) = token(rest);
    if media_type.is_empty() || subtype.is_empty() {
        return None;
    }
    Some((guess_text(&media_type.to_ascii_lowercase()), guess_text(&subtype.to_ascii_lowercase()), rest))
}

/// The first token of a value in lower case, and what follows it.
pub(crate) fn parse_token(value: &[u8]) -> (String, &[u8]) {
    let (token, rest) = token(skip_comments(value));
    (guess_text(&token.to_ascii_lowercase()), rest)
}

/// All parameters in `text`, at most `parameters_max` of them before continuations are joined.
pub(crate) fn parse_parameters(mut text: &[u8], parameters_max: usize) -> Vec<Parameter> {
    let mut raw = Vec::new();
    while raw.len() < parameters_max {
        text = skip_comments(text);
        if text.is_empty() {
            break;
        }
        if let Some(rest) = text.strip_prefix(b";") {
            text = rest;
            continue;
        }
        let (name, rest) = parameter_name(text);
        let rest = skip_comments(rest);
        match rest.strip_prefix(b"=").filter(|_| !name.is_empty()) {
            Some(rest) => {
                let (value, rest) = parameter_value(skip_comments(rest));
                raw.push((guess_text(&name.to_ascii_lowercase()), value));
                text = rest;
            }
            // Not a parameter: go on after the next semicolon, or after the word when there is none.
            None => text = memchr(b';', rest).and_then(|at| rest.get(at..)).unwrap_or_default(),
        }
    }
    join_continuations(raw)
}

fn parameter_name(text: &[u8]) -> (&[u8], &[u8]) {
    let length = text.iter().position(|byte| byte.is_ascii_whitespace() || b"=;()\"".contains(byte));
    text.split_at_checked(length.unwrap_or(text.len())).unwrap_or((text, b""))
}

fn parameter_value(text: &[u8]) -> (Vec<u8>, &[u8]) {
    if text.first() == Some(&b'"') {
        return quoted_string(text);
    }
    // Unquoted values with spaces are common in file names: all up to the semicolon, but no comment.
    let end = memchr(b';', text).unwrap_or(text.len());
    let (value, rest) = text.split_at_checked(end).unwrap_or((text, b""));
    let comment = memchr::memmem::find(value, b" (").unwrap_or(value.len());
    (value.get(..comment).unwrap_or(value).trim_ascii_end().to_vec(), rest)
}

/// The content of a quoted string at the start of `text` without its quoting (to the end when it is never closed).
pub(crate) fn quoted_string(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut content = Vec::new();
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => {
                content.push(byte);
                escaped = false;
            }
            b'\\' => escaped = true,
            b'"' => return (content, text.get(at + 1..).unwrap_or_default()),
            _ => content.push(byte),
        }
    }
    (content, b"")
}

struct Piece {
    number: u32,
    is_encoded: bool,
    value: Vec<u8>,
}

/// `name*0*` and so on: base name, number, and whether the value is percent-encoded (RFC 2231 §3, §4).
fn split_name(name: &str) -> Option<(&str, u32, bool)> {
    let (base, suffix) = name.split_once('*')?;
    if suffix.is_empty() {
        return Some((base, 0, true));
    }
    let (digits, is_encoded) = suffix.strip_suffix('*').map_or((suffix, false), |digits| (digits, true));
    digits.parse().ok().map(|number| (base, number, is_encoded))
}

fn join_continuations(raw: Vec<(String, Vec<u8>)>) -> Vec<Parameter> {
    let mut parameters: Vec<Parameter> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut pieces: Vec<(usize, Vec<Piece>)> = Vec::new();
    for (name, value) in raw {
        match split_name(&name) {
            None => parameters.push(Parameter { name, value: guess_text(&value) }),
            Some((base, number, is_encoded)) => {
                let at = *places.entry(base.to_owned()).or_insert_with(|| {
                    parameters.push(Parameter { name: base.to_owned(), value: String::new() });
                    pieces.push((parameters.len() - 1, Vec::new()));
                    pieces.len() - 1
                });
                if let Some((_, pieces)) = pieces.get_mut(at) {
                    pieces.push(Piece { number, is_encoded, value });
                }
            }
        }
    }
    for (at, mut pieces) in pieces {
        pieces.sort_by_key(|piece| piece.number);
        if let Some(parameter) = parameters.get_mut(at) {
            join_pieces(&pieces, parameter);
        }
    }
    parameters
}

fn join_pieces(pieces: &[Piece], parameter: &mut Parameter) {
    let mut charset: &[u8] = b"";
    let mut octets = Vec::new();
    // A gap ends the value: what comes after it would be read in the wrong place.
    let contiguous = pieces.iter().zip(0..).take_while(|(piece, number)| piece.number == *number);
    for (piece, number) in contiguous {
        let mut value = piece.value.as_slice();
        if number == 0 && piece.is_encoded {
            let mut fields = value.splitn(3, |&byte| byte == b'\'');
            if let (Some(name), Some(_), Some(text)) = (fields.next(), fields.next(), fields.next()) {
                charset = name;
                value = text;
            }
        }
        match piece.is_encoded {
            true => percent_decode(value, &mut octets),
            false => octets.extend_from_slice(value),
        }
    }
    // RFC 9051 §7.5.2: a value that came with a charset is returned as the parameter "foo*", in UTF-8.
    if pieces.iter().any(|piece| piece.is_encoded) {
        parameter.name.push('*');
    }
    parameter.value = Charset::find(charset).decode(&octets);
}

fn percent_decode(mut value: &[u8], octets: &mut Vec<u8>) {
    while let [first, rest @ ..] = value {
        value = rest;
        match (*first, rest) {
            (b'%', [high, low, after @ ..]) => match (hex_value(*high), hex_value(*low)) {
                (Some(high), Some(low)) => {
                    octets.push(high << 4 | low);
                    value = after;
                }
                _ => octets.push(b'%'),
            },
            (other, _) => octets.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        parse_parameters(text.as_bytes(), 100).into_iter().map(|p| (p.name, p.value)).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn media_types_are_read_with_comments_and_odd_spacing() {
        for (value, expected) in [
            ("Text/Plain; x=y", Some(("text", "plain", "; x=y"))),
            (" (a) text (b) / (c) html (d)", Some(("text", "html", " (d)"))),
            ("text", None),
            ("/plain", None),
            ("", None),
            ("text/plain charset=utf-8", Some(("text", "plain", " charset=utf-8"))),
        ] {
            let found = parse_media_type(value.as_bytes());
            let found = found.as_ref().map(|(t, s, rest)| (t.as_str(), s.as_str(), std::str::from_utf8(rest).unwrap()));
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn parameters_are_read_leniently() {
        for (text, expected) in [
            ("; charset=us-ascii (Plain text)", &[("charset", "us-ascii")][..]),
            ("; charset=\"us-ascii\"", &[("charset", "us-ascii")]),
            (" charset=utf-8 ;; name = \"a\\\"b;c\" ", &[("charset", "utf-8"), ("name", "a\"b;c")]),
            ("; filename=my file.txt; x", &[("filename", "my file.txt")]),
            ("; junk; =x; a=1", &[("a", "1")]),
            ("; a=\"open", &[("a", "open")]),
            ("; A=", &[("a", "")]),
            ("(((", &[]),
        ] {
            assert_eq!(parsed(text), pairs(expected), "{text}");
        }
    }

    #[test]
    fn rfc_2231_pieces_are_joined_and_decoded() {
        for (text, expected) in [
            ("; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/pub\"", &[("url", "ftp://cs.utk.edu/pub")][..]),
            ("; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", &[("title*", "This is ***fun***")]),
            (
                "; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
                &[("title*", "This is even more ***fun*** isn't it!")],
            ),
            ("; f*1*=%A9; x=y; f*0*=utf-8''%C3", &[("f*", "é"), ("x", "y")]),
            ("; f=plain; f*=iso-8859-1''%E9", &[("f", "plain"), ("f*", "é")]),
            ("; f*0=a; f*2=c", &[("f", "a")]),
            ("; f*=no-charset%2", &[("f*", "no-charset%2")]),
        ] {
            assert_eq!(parsed(text), pairs(expected), "{text}");
        }
    }

    #[test]
    fn a_parameter_for_use_prefers_the_form_with_a_charset() {
        let parameters = parse_parameters(b"; f=plain; f*=utf-8''%C3%A9; g==?utf-8?q?=C3=A9?=", 100);
        assert_eq!(find_parameter(&parameters, "f").as_deref(), Some("é"));
        assert_eq!(find_parameter(&parameters, "g").as_deref(), Some("é"));
        assert_eq!(find_parameter(&parameters, "h"), None);
    }
}
