//! Streams of responses, cut in every way.

use super::*;
use crate::client::fetch::ContentName;
use crate::command::{Section, SectionText};
use proptest::prelude::*;

fn limits() -> ResponseLimits {
    ResponseLimits {
        line_bytes_max: 60,
        literal_bytes_max: 12,
        content_inline_bytes_max: 8,
        content_bytes_max: 100,
        response_bytes_max: 90,
        literals_max: 4,
        streamed_contents_max: 2,
    }
}

/// What comes out of a stream, pieces of a content joined.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Begin(Option<u32>, ContentName, u64),
    Content(Vec<u8>),
    Response(String),
    Refused(Option<String>, ResponseRefusal),
}

fn seen(stream: &[u8], size: usize, limits: ResponseLimits) -> Vec<Seen> {
    let mut framer = ResponseFramer::new(limits);
    let mut input = BytesMut::new();
    let mut found = Vec::new();
    let mut content = Vec::new();
    for portion in stream.chunks(size.max(1)) {
        input.extend_from_slice(portion);
        loop {
            match framer.next(&mut input) {
                ResponseEvent::Incomplete => break,
                ResponseEvent::ContentBegin(begin) => {
                    found.push(Seen::Begin(begin.fetch.uid(), begin.name, begin.length));
                }
                ResponseEvent::ContentPiece(piece) => {
                    assert!(!piece.is_empty());
                    content.extend_from_slice(&piece);
                }
                ResponseEvent::ContentEnd => found.push(Seen::Content(std::mem::take(&mut content))),
                ResponseEvent::Response(frame) => {
                    found.push(Seen::Response(String::from_utf8_lossy(frame.bytes()).into_owned()));
                }
                ResponseEvent::Refused { tag, refusal } => found.push(Seen::Refused(tag, refusal)),
            }
        }
    }
    found
}

fn response(text: &str) -> Seen {
    Seen::Response(text.to_owned())
}

fn whole_message() -> ContentName {
    ContentName::Body(Section { part: Vec::new(), text: SectionText::All })
}

#[test]
fn responses_are_cut_with_their_literals() {
    let cases: Vec<(&str, Vec<Seen>)> = vec![
        ("* OK hi\r\na OK\n", vec![response("* OK hi"), response("a OK")]),
        ("* LIST () \"/\" {5}\r\na\r\nbc\r\n", vec![response("* LIST () \"/\" {5}\r\na\r\nbc")]),
        ("* LIST () \"/\" {3+}\r\nabc\r\n* X\r\n", vec![response("* LIST () \"/\" {3+}\r\nabc"), response("* X")]),
        ("* 1 FETCH (BINARY[1] ~{2}\r\n\0\n)\r\n", vec![response("* 1 FETCH (BINARY[1] ~{2}\r\n\0\n)")]),
        // texts for people announce nothing
        ("* OK see {5}\r\n* X\r\n", vec![response("* OK see {5}"), response("* X")]),
        (
            "a1 NO {5}\r\n+ go {5}\r\nhuh {5}\r\n",
            vec![response("a1 NO {5}"), response("+ go {5}"), response("huh {5}")],
        ),
        ("a NO [X \"]\" y] {5}\r\n* X\r\n", vec![response("a NO [X \"]\" y] {5}"), response("* X")]),
        ("* NO [BADCHARSET ({5}\r\nUTF-8)] no {3}\r\n", vec![response("* NO [BADCHARSET ({5}\r\nUTF-8)] no {3}")]),
        ("* X {0}\r\n\r\n\r\n", vec![response("* X {0}\r\n"), response("")]),
    ];
    for (stream, expected) in cases {
        for size in 1..=stream.len() {
            assert_eq!(seen(stream.as_bytes(), size, limits()), expected, "{stream:?} by {size}");
        }
    }
}

#[test]
fn large_contents_are_handed_out_in_pieces() {
    let stream =
        "* 3 FETCH (UID 7 BODY[] {10}\r\n0123456789 FLAGS () BODY[TEXT] {9}\r\n012345678 RFC822 {1}\r\nx)\r\n* X\r\n";
    let text = ContentName::Body(Section { part: Vec::new(), text: SectionText::Text });
    let expected = vec![
        Seen::Begin(Some(7), whole_message(), 10),
        Seen::Content(b"0123456789".to_vec()),
        Seen::Begin(Some(7), text, 9),
        Seen::Content(b"012345678".to_vec()),
        response("* 3 FETCH (UID 7 BODY[] {10}\r\n FLAGS () BODY[TEXT] {9}\r\n RFC822 {1}\r\nx)"),
        response("* X"),
    ];
    let limits = ResponseLimits { line_bytes_max: 100, ..limits() };
    for size in 1..=stream.len() {
        assert_eq!(seen(stream.as_bytes(), size, limits), expected, "by {size}");
    }
}

#[test]
fn memory_stays_small_while_a_message_passes() {
    let mut framer = ResponseFramer::new(ResponseLimits::default());
    let mut input = BytesMut::from("* 1 FETCH (BODY[] {60000000}\r\n");
    assert!(matches!(framer.next(&mut input), ResponseEvent::ContentBegin(_)));
    let mut taken = 0;
    for _ in 0..6000 {
        input.extend_from_slice(&[b'x'; 10_000]);
        while let ResponseEvent::ContentPiece(piece) = framer.next(&mut input) {
            taken += piece.len();
        }
        assert!(input.len() <= 10_000);
    }
    assert_eq!(taken, 60_000_000);
    input.extend_from_slice(b" UID 5)\r\n");
    let ResponseEvent::Response(frame) = framer.next(&mut input) else { panic!("the response must end") };
    assert_eq!(&frame.bytes()[..], b"* 1 FETCH (BODY[] {60000000}\r\n UID 5)");
    assert!(framer.is_between_responses() && framer.held.is_empty());
}

#[test]
fn what_exceeds_a_limit_is_dropped_and_the_next_response_is_whole() {
    use ResponseRefusal::*;
    let long = "x".repeat(61);
    let refused = |tag: Option<&str>, refusal| Seen::Refused(tag.map(str::to_owned), refusal);
    let cases: Vec<(String, Vec<Seen>)> = vec![
        (format!("* {long}\r\n* X\r\n"), vec![refused(None, LineTooLong), response("* X")]),
        (format!("a9 OK {long} {{5}}\r\n* X\r\n"), vec![refused(Some("a9"), LineTooLong), response("* X")]),
        (
            format!("* LIST {long} {{5}}\r\n12345 {{1}}\r\nx\r\n* X\r\n"),
            vec![refused(None, LineTooLong), response("* X")],
        ),
        (
            String::from("* LIST () \"/\" {13}\r\n0123456789abc\r\n* X\r\n"),
            vec![refused(None, LiteralTooLarge { bytes: 13 }), response("* X")],
        ),
        // an ENVELOPE is no content
        (
            String::from("* 1 FETCH (ENVELOPE (NIL {13}\r\n0123456789abc))\r\n* X\r\n"),
            vec![refused(None, LiteralTooLarge { bytes: 13 }), response("* X")],
        ),
        (
            format!("* 1 FETCH (BODY[] {{101}}\r\n{})\r\n* X\r\n", "y".repeat(101)),
            vec![refused(None, LiteralTooLarge { bytes: 101 }), response("* X")],
        ),
        (
            String::from("* X {1}\r\na {1}\r\na {1}\r\na {1}\r\na {1}\r\na\r\n* X\r\n"),
            vec![refused(None, TooManyLiterals), response("* X")],
        ),
        (
            format!("* 1 FETCH (BODY[] {{10}}\r\n0123456789 {long})\r\n* X\r\n"),
            vec![
                Seen::Begin(None, whole_message(), 10),
                Seen::Content(b"0123456789".to_vec()),
                refused(None, LineTooLong),
                response("* X"),
            ],
        ),
    ];
    for (stream, expected) in cases {
        for size in 1..=stream.len() {
            assert_eq!(seen(stream.as_bytes(), size, limits()), expected, "{stream:?} by {size}");
        }
    }
}

#[test]
fn literals_that_are_dropped_tell_how_much_is_to_come() {
    let mut framer = ResponseFramer::new(limits());
    let mut input = BytesMut::from("* X {999999999999}\r\nabc");
    assert_eq!(framer.next(&mut input), ResponseEvent::Incomplete);
    assert_eq!(framer.dropping(), Some(999_999_999_996));
    framer.reset();
    input.clear();
    assert!(framer.is_between_responses());
}

fn token() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "* ",
        "+ ",
        "a1 ",
        "OK ",
        "1 FETCH (",
        "BODY[] ",
        "UID 3 ",
        "{2}\r\n",
        "{9}\r\n",
        "{12}\r\n",
        "~{30}\r\n",
        "{200}\r\n",
        "\r\n",
        "\n",
        "\r",
        ")",
        "[X",
        "]",
        "\"",
        "\\",
        "xx",
        "0123456789",
        " ",
        "{5}",
        "(",
    ])
}

proptest! {
    #[test]
    fn the_portions_do_not_matter(tokens in prop::collection::vec(token(), 0..60), size in 1usize..40) {
        let stream = tokens.concat().into_bytes();
        let whole = seen(&stream, stream.len(), limits());
        prop_assert_eq!(&seen(&stream, size, limits()), &whole);
        prop_assert_eq!(&seen(&stream, 1, limits()), &whole);
    }

    #[test]
    fn any_octets_are_taken(stream in prop::collection::vec(any::<u8>(), 0..200), size in 1usize..40) {
        let whole = seen(&stream, stream.len(), limits());
        prop_assert_eq!(seen(&stream, size, limits()), whole);
    }
}
