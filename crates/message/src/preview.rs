//! The preview of RFC 8970: the first words a reader would see.

use mail_parser::decoders::html::html_to_text;

use crate::charset::Charset;
use crate::decode::Decoder;
use crate::header::slice;
use crate::structure::{Part, PartKind, Structure};

/// RFC 8970 §3.3: SHOULD be at most 200 characters.
const PREVIEW_CHARACTERS_MAX: usize = 200;
/// Octets of the encoded body that are looked at, more only where the text in fewer does not fill a preview; text behind
/// the last bound is not reached.
const ENCODED_BYTES: [usize; 4] = [1024, 8 * 1024, 64 * 1024, 256 * 1024];

/// The preview, or nothing where the message has no text to show (the server then answers with an empty string).
pub fn preview(raw: &[u8], structure: &Structure) -> Option<String> {
    let part = first_text(&structure.root)?;
    let mut text = String::new();
    for bytes in ENCODED_BYTES {
        text = collapse(&readable_text(raw, part, bytes));
        // One short, as the last character may be a gap and a letter that did not fit any more.
        if part.body.len() <= bytes || text.chars().count() + 1 >= PREVIEW_CHARACTERS_MAX {
            break;
        }
    }
    (!text.is_empty()).then_some(text)
}

/// The first plain or HTML text that is meant to be shown. Enclosed messages are somebody else's words.
fn first_text(part: &Part) -> Option<&Part> {
    match &part.kind {
        PartKind::Multipart(children) => children.iter().find_map(first_text),
        PartKind::Message(_) => None,
        PartKind::Leaf => {
            let is_shown = !part.is_attachment() && !part.body.is_empty();
            (is_shown && (part.is("text", "plain") || part.is("text", "html"))).then_some(part)
        }
    }
}

/// The text of a leaf, decoded, without HTML markup; of its encoded body the first `encoded_bytes_max` octets count.
pub(crate) fn readable_text(raw: &[u8], part: &Part, encoded_bytes_max: usize) -> String {
    let body = slice(raw, part.body.clone());
    let is_cut = body.len() > encoded_bytes_max;
    let body = slice(body, 0..body.len().min(encoded_bytes_max));
    let Some(mut decoder) = Decoder::new(part.transfer_encoding()) else { return String::new() };
    let mut decoded = Vec::with_capacity(body.len());
    decoder.decode(body, &mut decoded);
    decoder.finish(&mut decoded);
    if is_cut {
        // Half a character at the cut would make UTF-8 look like something else.
        let last = decoded.iter().rposition(|octet| *octet < 0x80 || *octet >= 0xc0).unwrap_or(0);
        if decoded.get(last).is_some_and(|octet| *octet >= 0xc0) {
            decoded.truncate(last);
        }
    }
    let text = part_charset(part).decode(&decoded);
    if part.is("text", "html") { html_to_text(&text) } else { text }
}

/// The charset which a part names.
pub(crate) fn part_charset(part: &Part) -> Charset {
    part.parameter("charset").map_or(Charset::Guess, |charset| Charset::find(charset.as_bytes()))
}

/// One space for each run of white space and control characters, cut at the limit.
fn collapse(text: &str) -> String {
    let is_gap = |character: char| {
        character.is_whitespace() || character.is_control() || matches!(character, '\u{200b}'..='\u{200f}' | '\u{feff}')
    };
    let mut collapsed = String::new();
    let mut characters = 0;
    let mut gap = false;
    for character in text.chars() {
        if is_gap(character) {
            gap = characters > 0;
            continue;
        }
        let needed = 1 + usize::from(gap);
        if characters + needed > PREVIEW_CHARACTERS_MAX {
            break;
        }
        if std::mem::take(&mut gap) {
            collapsed.push(' ');
        }
        collapsed.push(character);
        characters += needed;
    }
    collapsed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::MimeLimits;

    fn preview_of(raw: &[u8]) -> Option<String> {
        preview(raw, &Structure::parse(raw, &MimeLimits::default()))
    }

    #[test]
    fn the_first_shown_text_is_previewed() {
        for (raw, expected) in [
            ("\r\n  Hello,\r\n\r\n\tworld!\r\n", Some("Hello, world!")),
            (
                "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nY2Fmw6k=\r\n",
                Some("café"),
            ),
            (
                "Content-Type: text/html\r\n\r\n<html><head><title>t</title></head><body><p>Hi <b>you</b> &amp; me</p></body>",
                Some("Hi you & me"),
            ),
            (
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment\r\n\r\nno\r\n\
                 --b\r\nContent-Type: image/png\r\n\r\nno\r\n--b\r\n\r\nyes\r\n--b--",
                Some("yes"),
            ),
            ("Content-Type: application/pdf\r\n\r\nx", None),
            ("Content-Type: text/plain\r\nContent-Transfer-Encoding: x-own\r\n\r\nx", None),
            ("Subject: x\r\n\r\n \r\n", None),
        ] {
            assert_eq!(preview_of(raw.as_bytes()).as_deref(), expected, "{raw}");
        }
    }

    #[test]
    fn a_preview_is_the_same_whatever_the_text_behind_it() {
        let markup = format!("<html><head><style>{}</style></head><body>", "p { margin: 0 }".repeat(500));
        for (head, text) in [
            ("Content-Type: text/plain\r\n\r\n", "naïve café — ".repeat(40)),
            ("Content-Type: text/plain; charset=utf-8\r\n\r\n", "日本語の".repeat(60)),
            ("Content-Type: text/html\r\n\r\n", format!("{markup}{}", "<b>où</b> &amp; quand ".repeat(100))),
            ("Content-Type: text/plain\r\n\r\n", format!("{}few words", " \r\n".repeat(20_000))),
        ] {
            let alone = preview_of(format!("{head}{text}").as_bytes()).unwrap();
            for more in 0..7 {
                let longer = format!("{head}{text}{}{}", "x".repeat(more), " é".repeat(90_000));
                let longer = preview_of(longer.as_bytes()).unwrap();
                assert!(longer.starts_with(&alone), "{alone} / {longer}");
                assert!(longer.chars().count() >= 199);
            }
        }
    }

    #[test]
    fn a_preview_has_at_most_200_characters() {
        let raw = format!("\r\n{}", "é ".repeat(1000));
        assert_eq!(preview_of(raw.as_bytes()).unwrap().chars().count(), 199);
        let raw = format!("\r\n{}", "é".repeat(1000));
        assert_eq!(preview_of(raw.as_bytes()).unwrap().chars().count(), 200);
    }
}
