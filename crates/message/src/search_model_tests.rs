//! Searches find what a straightforward reading of the same rules finds: the model decodes everything, folds every
//! character and renders all HTML.

use encoding_rs::{UTF_8, WINDOWS_1252};
use mail_parser::decoders::html::html_to_text;
use proptest::prelude::*;

use crate::charset::Charset;
use crate::decode::{Decoder, TransferEncoding};
use crate::derived::Derived;
use crate::derived_view::DerivedView;
use crate::header::{Field, Fields, decode_unstructured, slice};
use crate::preview::part_charset;
use crate::search::Needle;
use crate::structure::{MimeLimits, Part, PartKind, Structure};

fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// Folded texts; a needle is found where one of them has it.
#[derive(Default)]
struct Model {
    body: Vec<String>,
    /// What TEXT looks at beside the body.
    headers: Vec<String>,
}

impl Model {
    fn of(raw: &[u8], structure: &Structure) -> Self {
        let mut model = Self::default();
        model.headers.extend(block(slice(raw, structure.root.header.clone())));
        model.add_part(raw, &structure.root);
        model
    }

    fn add_part(&mut self, raw: &[u8], part: &Part) {
        match &part.kind {
            PartKind::Leaf if part.media_type == "text" => self.body.extend(leaf(slice(raw, part.body.clone()), part)),
            PartKind::Leaf => {}
            PartKind::Multipart(children) => {
                for child in children {
                    self.headers.extend(block(slice(raw, child.header.clone())));
                    self.add_part(raw, child);
                }
            }
            PartKind::Message(message) => {
                self.body.extend(block(slice(raw, message.header.clone())));
                self.add_part(raw, message);
            }
        }
    }

    fn finds(&self, needle: &str) -> (bool, bool) {
        let needle = fold(needle);
        let has = |texts: &[String]| needle.is_empty() || texts.iter().any(|text| text.contains(&needle));
        (has(&self.body), has(&self.body) || has(&self.headers))
    }
}

fn block(block: &[u8]) -> Vec<String> {
    let text = |field: Field<'_>| {
        let name = String::from_utf8_lossy(field.name).into_owned();
        fold(&format!("{name}: {}", decode_unstructured(field.value)))
    };
    Fields::new(block).map(text).collect()
}

fn leaf(body: &[u8], part: &Part) -> Vec<String> {
    let mut octets = Vec::new();
    let is_known = part.transfer_encoding() != TransferEncoding::Unknown;
    let mut decoder = Decoder::new(part.transfer_encoding()).unwrap_or(Decoder::Identity);
    decoder.decode(body, &mut octets);
    decoder.finish(&mut octets);
    let shown = part_charset(part).decode(&octets);
    let is_html = is_known && part.is("text", "html");
    let mut texts = Vec::new();
    match part_charset(part) {
        Charset::Whole(_) if is_known && !is_html => texts.push(fold(&shown)),
        Charset::Whole(_) => {}
        Charset::Streaming(_) => texts.push(fold(&shown)),
        Charset::Guess => {
            let (text, is_malformed) = UTF_8.decode_without_bom_handling(&octets);
            texts.push(fold(&text));
            if is_malformed {
                texts.push(fold(&WINDOWS_1252.decode_without_bom_handling(&octets).0));
            }
        }
    }
    if is_html {
        texts.push(fold(&html_to_text(&shown)));
    }
    texts
}

const TYPES: [&str; 16] = [
    "text/plain",
    "text/plain; charset=us-ascii",
    "text/plain; charset=utf-8",
    "text/plain; charset=iso-8859-1",
    "text/plain; charset=shift_jis",
    "text/plain; charset=iso-2022-jp",
    "text/plain; charset=utf-16",
    "text/plain; charset=utf-7",
    "text/plain; charset=gb18030",
    "text/plain; charset=iso-2022-kr",
    "text/html",
    "text/html; charset=utf-8",
    "text/html; charset=iso-8859-15",
    "text/html; charset=utf-7",
    "text/calendar; charset=koi8-r",
    "application/octet-stream; name=\"Bin\u{c4}r\"",
];

const ENCODINGS: [&str; 6] = ["7bit", "8bit", "quoted-printable", "base64", "base64", "x-unknown"];

const WORDS: [&[u8]; 44] = [
    b"a",
    b"b",
    b"A b",
    b"Open",
    b"door",
    b" ",
    b" ",
    b"\r\n",
    b"\t",
    b"  \r\n",
    b"=\r\n",
    b"=",
    b"=C3=A9",
    b"=FC",
    b"&",
    b"&eacute;",
    b"&nbsp;",
    b"&#97;",
    b"<b>",
    b"</b>",
    b"<br>",
    b"<p>",
    b"<",
    b">",
    b"<style>",
    b"</style>",
    b"<!--",
    b"-->",
    b"\xc3\xa9",
    b"\xc3\x89",
    b"\xc3\x9f",
    b"\xfc",
    b"\xe9",
    b"\xe2\x84\xaa",
    b"SS",
    b"k",
    b"\x1b$B%O\x1b(B",
    b"\x82\xa0",
    b"+AOk-",
    b"\0",
    b";",
    b"\xf0\x9f\x90\x8e",
    b"\xce\xa3\xcf\x83\xcf\x82",
    b"ab",
];

fn content() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..25);
    // Some are so long that they are searched in several pieces.
    (words, prop_oneof![40 => Just(0usize), 1 => 8_180usize..8_200, 1 => 16_370usize..16_400]).prop_map(
        |(words, filler)| {
            let mut content = b"x".repeat(filler);
            words.iter().for_each(|word| content.extend_from_slice(word));
            content
        },
    )
}

fn part() -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(TYPES.to_vec()), prop::sample::select(ENCODINGS.to_vec()), content()).prop_map(
        |(media_type, encoding, content)| {
            let mut part =
                format!("Content-Type: {media_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n").into_bytes();
            match encoding {
                "base64" => part.extend_from_slice(base64(&content).as_bytes()),
                _ => part.extend_from_slice(&content),
            }
            part
        },
    )
}

fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in octets.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - group.len()));
        for at in 0..=group.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]));
        }
        text.push_str(&"=".repeat(3 - group.len()));
        if text.len() % 78 > 70 {
            text.push_str("\r\n");
        }
    }
    text
}

fn header() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![
        &b"Subject: Open door\r\nX-Long: a\r\n\tb\r\n"[..],
        b"Subject: =?utf-8?q?caf=C3=A9?=\r\n =?utf-8?q?_b?=\r\nno field\r\nTo:\r\n",
        b"SUBJECT : caf\xe9 ab\r\nFrom: \xc3\x89\0va\r\n",
        b"Subject: =?utf-8?q?a=0Ab?=\r\n",
        b"",
    ])
    .prop_map(<[u8]>::to_vec)
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let single = (header(), part()).prop_map(|(header, part)| [header, part].concat());
    let multipart = (header(), prop::collection::vec((part(), any::<bool>()), 0..4)).prop_map(|(header, parts)| {
        let mut raw = header;
        raw.extend_from_slice(b"Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble");
        for (part, is_enclosed) in parts {
            raw.extend_from_slice(b"\r\n--b\r\n");
            if is_enclosed {
                raw.extend_from_slice(b"Content-Type: message/rfc822\r\n\r\nSubject: Enclosed\r\n");
            }
            raw.extend_from_slice(&part);
        }
        raw.extend_from_slice(b"\r\n--b--\r\nepilogue");
        raw
    });
    prop_oneof![single, multipart]
}

/// Needles that are there, nearly there and not there.
fn needles(raw: &[u8], structure: &Structure, start: usize, length: usize) -> Vec<String> {
    let cut = |text: &str| -> String {
        let characters: Vec<char> = text.chars().collect();
        let start = if characters.len() > 8000 { characters.len() - 1 - start % 60 } else { start };
        characters.iter().skip(start % (characters.len() + 1)).take(length).collect()
    };
    let mut needles: Vec<String> = [
        "a",
        "b open",
        "É",
        "é b",
        "ss",
        "K",
        "σς",
        "ab",
        "\u{fffd}",
        "door\r\n",
        ": ",
        "open door\n",
        "ü",
        "xa",
        "xxA b",
    ]
    .map(str::to_owned)
    .into();
    for part in structure.parts().filter(|part| part.kind == PartKind::Leaf) {
        let mut octets = Vec::new();
        let mut decoder = Decoder::new(part.transfer_encoding()).unwrap_or(Decoder::Identity);
        decoder.decode(slice(raw, part.body.clone()), &mut octets);
        decoder.finish(&mut octets);
        let text = part_charset(part).decode(&octets);
        needles.extend([cut(&text), cut(&html_to_text(&text)), cut(&text).to_uppercase()]);
    }
    needles.extend(
        Fields::new(slice(raw, structure.root.header.clone())).map(|field| cut(&decode_unstructured(field.value))),
    );
    needles
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn searches_find_what_the_model_finds(raw in message(), start in 0usize..80, length in 1usize..8) {
        let structure = Structure::parse(&raw, &MimeLimits::default());
        let stored = Derived::of(&raw, &MimeLimits::default()).encode();
        let skimmed = DerivedView::parse(&stored).unwrap().searched_parts().unwrap();
        prop_assert_eq!(format!("{skimmed:?}"), format!("{:?}", structure.searched_parts()));
        let model = Model::of(&raw, &structure);
        for text in needles(&raw, &structure, start, length) {
            let needle = Needle::new(&text);
            let found = (needle.matches_body(&raw, &structure), needle.matches_text(&raw, &structure));
            prop_assert_eq!(found, model.finds(&text), "{:?} in {:?}", text, raw.escape_ascii().to_string());
        }
    }
}
