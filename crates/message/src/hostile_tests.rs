//! Everything on hostile input: arbitrary bytes, damaged real messages, and input built to be slow.

use std::time::{Duration, Instant};

use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder as _;
use proptest::prelude::*;

use crate::imap_syntax::{check_body, check_envelope};
use crate::*;

/// The message of RFC 9051 §6.4.5.1, with more hostile neighbours.
const COMPLEX: &str = "From: =?utf-8?q?J=C3=B6?= <j@example.com>, team: a@b, \"c d\"@e;\r\nTo: <@r:x@y>\r\n\
    Subject: Re: caf\u{e9}\r\n\tfolded\r\nDate: Fri, 21 Nov 1997 09:55:06 -0600\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=\"outer\"\r\nContent-Language: en, de\r\n\r\npreamble\r\n\
    --outer\r\n\r\nfirst\r\n\
    --outer\r\nContent-Type: application/octet-stream; name*0*=utf-8''%C3%A9; name*1=.bin\r\n\
    Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"a\\\"b\"\r\n\r\nAAAA\r\n\
    --outer\r\nContent-Type: message/rfc822\r\n\r\nSubject: third\r\nContent-Type: multipart/mixed; boundary=inner\r\n\r\n\
    --inner\r\n\r\n3.1\r\n--inner\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\n<p>3.2\r\n--inner--\r\n\
    --outer\r\nContent-Type: multipart/digest; boundary=\"in ner\"\r\n\r\n--in ner\r\n\r\nSubject: 4.1\r\n\r\ndigest\r\n\
    --in ner--\r\nepilogue\r\n--outer--\r\n";

fn check_everything(raw: &[u8], limits: &MimeLimits) {
    let derived = Derived::of(raw, limits);
    check_envelope(&derived.envelope);
    check_body(&derived.body_structure, true);
    check_body(&derived.body, false);
    let stored = derived.encode();
    assert_eq!(DerivedView::parse(&stored).unwrap().structure().unwrap(), derived.structure);
    let structure = &derived.structure;
    assert_eq!((structure.root.header.start, structure.root.body.end), (0, raw.len()));
    assert_eq!(structure.root.header.end, header_block_bytes(raw));
    for part in structure.parts() {
        assert!(part.header.end <= part.body.start && part.body.end <= raw.len(), "{part:?}");
        assert!(part.body.start <= part.body.end, "{part:?}");
        for child in part.children() {
            assert!(part.body.start <= child.header.start && child.body.end <= part.body.end, "{part:?}");
        }
        let _ = decoded_part(raw, part);
        let _ = part.file_name();
    }
    for needle in ["", "a", "café"] {
        let needle = Needle::new(needle);
        let _ = needle.matches_header_field(&raw[structure.root.header.clone()], "subject");
        assert!(!needle.matches_body(raw, structure) || needle.matches_text(raw, structure));
    }
    let _ = missing_fields(raw);
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), 0usize..30, prop::collection::vec(any::<u8>(), 0..6));
    prop::collection::vec(edit, 0..6).prop_map(|edits| {
        let mut raw = COMPLEX.as_bytes().to_vec();
        for (at, removed, inserted) in edits {
            let start = at.index(raw.len().max(1)).min(raw.len());
            let end = (start + removed).min(raw.len());
            raw.splice(start..end, inserted);
        }
        raw
    })
}

fn mail_like() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "\r\n",
        "\n",
        "\r",
        "\0",
        "--b",
        "--",
        "Content-Type: multipart/mixed; boundary=b\r\n",
        "\r\n\r\n",
        "From: ",
        "To: ",
        "<",
        ">",
        "@",
        "\"",
        "\\",
        "(",
        ")",
        ":",
        ";",
        ",",
        "[",
        "]",
        "=?utf-8?q?",
        "?=",
        "=",
        "é",
        "\u{7f}",
        "Content-Type: message/rfc822\r\n",
        "Content-Disposition: ",
        "Content-Language: ",
        "Content-Type: ",
        "a",
        " ",
        "Content-Transfer-Encoding: base64\r\n",
        "*0*=",
        "multipart/x; boundary=c\r\n\r\n--c\r\n",
        "Subject: ",
        "{3}\r\n",
        "&amp;",
        "<!--",
        "text/html",
        "charset=utf-7",
        "+AGE-",
        "NIL",
        "Date: ",
        "1 Jan 2000",
    ]);
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_bytes_are_answered_validly(raw in prop::collection::vec(any::<u8>(), 0..400)) {
        check_everything(&raw, &MimeLimits::default());
    }

    #[test]
    fn damaged_messages_are_answered_validly(raw in mutated()) {
        let derived = Derived::of(&raw, &MimeLimits::default());
        assert_codec_reads("ENVELOPE", &derived.envelope);
        assert_codec_reads("BODYSTRUCTURE", &derived.body_structure);
        check_everything(&raw, &MimeLimits::default());
        check_everything(&raw, &MimeLimits { nesting_depth_max: 1, parts_max: 3, parameters_max: 1, ..MimeLimits::default() });
    }

    #[test]
    fn what_looks_like_mail_is_answered_validly(raw in mail_like()) {
        check_everything(&raw, &MimeLimits::default());
    }

    #[test]
    fn charsets_and_texts_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        for charset in ["utf-7", "ibm850", "utf-16", "iso-2022-jp", "hz-gb-2312", "gb18030", "big5", "x"] {
            let _ = decode_charset(charset, &bytes);
            let _ = charset_to_utf8(charset, &bytes);
        }
        let _ = base_subject(&bytes);
        let _ = decode_encoded_words(&bytes);
        let _ = has_bare_line_ends(&bytes);
    }
}

/// Sends a rendering through an independent parser.
fn assert_codec_reads(item: &str, rendered: &[u8]) {
    let line = [b"* 1 FETCH (", item.as_bytes(), b" ", rendered, b")\r\n"].concat();
    let shown = String::from_utf8_lossy(&line);
    let (rest, _) = ResponseCodec::default().decode(&line).unwrap_or_else(|error| panic!("{error:?}: {shown}"));
    assert!(rest.is_empty(), "{shown}");
}

#[test]
fn imap_codec_reads_what_is_rendered() {
    for raw in [
        COMPLEX,
        "",
        "Subject: \"quoted\\\"\r\n\r\nx",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA",
        "Content-Type: image/png\r\nContent-Disposition: inline\r\nContent-Location: x\r\nContent-Language: en\r\n\r\n",
    ] {
        let derived = Derived::of(raw.as_bytes(), &MimeLimits::default());
        assert_codec_reads("ENVELOPE", &derived.envelope);
        assert_codec_reads("BODYSTRUCTURE", &derived.body_structure);
        assert_codec_reads("BODY", &derived.body);
    }
}

#[test]
fn work_is_linear_in_hostile_input() {
    let repeated = |head: &str, piece: &str| format!("{head}{}", piece.repeat(600_000 / piece.len()));
    let nested: String = (0..20_000)
        .map(|level| format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"))
        .collect();
    for raw in [
        repeated("To: ", "a,"),
        repeated("To: ", "("),
        repeated("To: ", "<@a,"),
        repeated("To: ", "g:;"),
        repeated("To: ", "[\""),
        repeated("Subject: ", "=?a "),
        repeated("Subject: ", "=?utf-8?q?=41?= "),
        repeated("Subject: ", "[a]"),
        repeated("Subject: ", "\r\n "),
        repeated("", "A:\r\n"),
        repeated("References: ", "<a@b>"),
        repeated("References: ", "<"),
        repeated("Date: ", "(-"),
        repeated("Content-Type: text/plain", "; a*0=b"),
        repeated("Content-Type: text/plain; a=", "(\""),
        repeated("Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--b\r\n"),
        repeated("Content-Type: multipart/mixed; boundary=b\r\n\r\n", "\n--"),
        repeated("", "Content-Type: message/rfc822\r\n\r\n"),
        repeated("Content-Type: text/html\r\n\r\n", "<a&<!--"),
        repeated("Content-Transfer-Encoding: quoted-printable\r\n\r\n", "= "),
        nested,
    ] {
        let started = Instant::now();
        check_everything(raw.as_bytes(), &MimeLimits::default());
        // Without optimisation this takes well under a second; anything quadratic takes minutes.
        assert!(started.elapsed() < Duration::from_secs(20), "{}", &raw[..60]);
    }
}
