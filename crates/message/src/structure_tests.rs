//! Places and numbers of parts, as RFC 9051 §6.4.5.1 wants them.

use crate::structure::{MimeLimits, PartKind, SectionKind, Structure};

/// The complex message of RFC 9051 §6.4.5.1; each text says its own number.
const COMPLEX: &str = "Subject: top\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\npreamble\r\n\
    --a\r\nContent-Type: text/plain\r\n\r\ntext 1\r\n\
    --a\r\nContent-Type: application/octet-stream\r\n\r\nbytes 2\r\n\
    --a\r\nContent-Type: message/rfc822\r\n\r\n\
    Subject: 3\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\n\r\ntext 3.1\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\nbytes 3.2\r\n--b--\r\n\
    --a\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n\
    --c\r\nContent-Type: image/gif\r\n\r\ngif 4.1\r\n\
    --c\r\nContent-Type: message/rfc822\r\n\r\n\
    Subject: 4.2\r\nContent-Type: multipart/mixed; boundary=d\r\n\r\n\
    --d\r\n\r\ntext 4.2.1\r\n\
    --d\r\nContent-Type: multipart/alternative; boundary=e\r\n\r\n\
    --e\r\n\r\ntext 4.2.2.1\r\n--e\r\nContent-Type: text/richtext\r\n\r\ntext 4.2.2.2\r\n--e--\r\n\
    --d--\r\n--c--\r\nepilogue of 4\r\n--a--\r\nepilogue\r\n";

fn parsed(raw: &str) -> Structure {
    Structure::parse(raw.as_bytes(), &MimeLimits::default())
}

fn section<'a>(raw: &'a str, numbers: &[u32], kind: SectionKind) -> Option<&'a str> {
    parsed(raw).section(raw.len(), numbers, kind).map(|range| &raw[range])
}

#[test]
fn parts_are_numbered_as_in_the_example_of_the_rfc() {
    use SectionKind::{All, Header, Mime, Text};
    for (numbers, kind, content) in [
        (&[][..], All, Some(COMPLEX)),
        (&[], Mime, None),
        (&[1], All, Some("text 1")),
        (&[1], Mime, Some("Content-Type: text/plain\r\n\r\n")),
        (&[1], Header, None),
        (&[1], Text, None),
        (&[1, 1], All, None),
        (&[2], All, Some("bytes 2")),
        (&[3], Mime, Some("Content-Type: message/rfc822\r\n\r\n")),
        (&[3], Header, Some("Subject: 3\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n")),
        (&[3, 1], All, Some("text 3.1")),
        (&[3, 1], Mime, Some("\r\n")),
        (&[3, 2], All, Some("bytes 3.2")),
        (&[3, 3], All, None),
        (&[4, 1], All, Some("gif 4.1")),
        (&[4, 1], Mime, Some("Content-Type: image/gif\r\n\r\n")),
        (&[4], Header, None),
        (&[4, 2], Header, Some("Subject: 4.2\r\nContent-Type: multipart/mixed; boundary=d\r\n\r\n")),
        (&[4, 2, 1], All, Some("text 4.2.1")),
        (&[4, 2, 2, 1], All, Some("text 4.2.2.1")),
        (&[4, 2, 2, 2], All, Some("text 4.2.2.2")),
        (&[5], All, None),
        (&[0], All, None),
    ] {
        assert_eq!(section(COMPLEX, numbers, kind), content, "{numbers:?} {kind:?}");
    }
    assert!(
        section(COMPLEX, &[], Text).is_some_and(|text| text.starts_with("preamble") && text.ends_with("epilogue\r\n"))
    );
    assert!(section(COMPLEX, &[3], Text).is_some_and(|text| text.starts_with("--b\r\n") && text.ends_with("--b--")));
    assert!(section(COMPLEX, &[3], All).is_some_and(|text| text.starts_with("Subject: 3") && text.ends_with("--b--")));
    assert!(section(COMPLEX, &[4], All).is_some_and(|text| text.starts_with("--c") && text.ends_with("epilogue of 4")));
}

#[test]
fn a_message_without_parts_has_part_1() {
    for raw in ["Subject: x\r\n\r\nbody\r\n", "Content-Type: image/png\r\n\r\nbody\r\n", "A: b\n\nbody\r\n"] {
        assert_eq!(section(raw, &[1], SectionKind::All), Some("body\r\n"));
        assert_eq!(section(raw, &[2], SectionKind::All), None);
        assert_eq!(section(raw, &[1, 1], SectionKind::All), None);
    }
    assert_eq!(section("A: b", &[], SectionKind::Header), Some("A: b"));
    assert_eq!(section("A: b", &[1], SectionKind::All), Some(""));
}

#[test]
fn an_enclosed_message_at_the_top_is_part_1() {
    let raw = "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody";
    assert_eq!(section(raw, &[1], SectionKind::All), Some("Subject: in\r\n\r\nbody"));
    assert_eq!(section(raw, &[1], SectionKind::Header), Some("Subject: in\r\n\r\n"));
    assert_eq!(section(raw, &[1, 1], SectionKind::All), Some("body"));
}

/// The bodies of all leaves.
fn leaves(raw: &str) -> Vec<&str> {
    let structure = parsed(raw);
    structure.parts().filter(|part| part.kind == PartKind::Leaf).map(|part| &raw[part.body.clone()]).collect()
}

#[test]
fn odd_boundaries_are_understood() {
    const HEAD: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    for (body, expected) in [
        ("--b\r\n\r\none\r\n--b\r\n\r\ntwo", &["one", "two"][..]),
        ("--b\n\none\n--b--\n", &["one"]),
        ("--b \t\r\n\r\none\r\n\r\n--b-- \r\n", &["one\r\n"]),
        ("--b\r\n\r\n--b--\r\n", &[""]),
        ("--b\r\n--b\r\nA: b\r\n--b--", &["", ""]),
        ("--b\r\n\r\n--bc\r\n--b--c\r\n - --b\r\n--b--", &["--bc\r\n--b--c\r\n - --b"]),
        ("--b--\r\n--b\r\n\r\nepilogue\r\n", &[]),
        ("", &[]),
        ("no parts\r\n", &[]),
        // A missing end boundary inside: the outer one ends both.
        (
            "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--",
            &["one", "two"],
        ),
        // The boundary of the outer multipart used again: the innermost one counts.
        ("--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b--\r\n--b--", &["one"]),
    ] {
        let raw = format!("{HEAD}{body}");
        assert_eq!(leaves(&raw), expected, "{body}");
    }
}

#[test]
fn types_that_cannot_be_opened_become_leaves() {
    for (header, expected) in [
        ("Content-Type: multipart/mixed", ("text", "plain")),
        ("Content-Type: multipart/mixed; boundary=\"\"", ("text", "plain")),
        ("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64", ("application", "octet-stream")),
        ("Content-Type: nonsense", ("text", "plain")),
        ("Content-Type: message/delivery-status", ("message", "delivery-status")),
    ] {
        let root = parsed(&format!("{header}\r\n\r\nbody")).root;
        assert_eq!(
            (root.media_type.as_str(), root.subtype.as_str(), root.kind),
            (expected.0, expected.1, PartKind::Leaf)
        );
    }
}

#[test]
fn limits_leave_the_rest_closed() {
    let raw = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\n\r\none\r\n--b--\r\n--a\r\n\r\ntwo\r\n--a\r\n\r\nthree\r\n--a--";
    let shallow = MimeLimits { nesting_depth_max: 1, ..MimeLimits::default() };
    let structure = Structure::parse(raw.as_bytes(), &shallow);
    assert!(structure.part(&[1]).is_some_and(|part| part.is("application", "octet-stream")));
    assert_eq!(structure.section(raw.len(), &[2], SectionKind::All).map(|range| &raw[range]), Some("two"));
    let few = MimeLimits { parts_max: 4, ..MimeLimits::default() };
    let structure = Structure::parse(raw.as_bytes(), &few);
    assert_eq!(structure.parts().count(), 4);
    assert!(structure.part(&[3]).is_none());
    let none = MimeLimits { parts_max: 0, nesting_depth_max: 0, ..MimeLimits::default() };
    assert_eq!(Structure::parse(raw.as_bytes(), &none).parts().count(), 1);
}

#[test]
fn a_digest_holds_messages_by_default() {
    let raw = "Content-Type: multipart/digest; boundary=a\r\n\r\n--a\r\n\r\nSubject: in\r\n\r\nbody\r\n--a--";
    assert_eq!(section(raw, &[1], SectionKind::Header), Some("Subject: in\r\n\r\n"));
    assert_eq!(section(raw, &[1, 1], SectionKind::All), Some("body"));
}

#[test]
fn fields_are_decoded_for_use() {
    let part = parsed(
        "Content-Type: text/plain; charset=\"UTF-8\"; name=old\r\nContent-Disposition: ATTACHMENT;\r\n filename*=utf-8''%C3%A9\r\n\
         Content-Transfer-Encoding: Base64 (x)\r\n\r\n",
    )
    .root;
    assert_eq!(part.parameter("charset").as_deref(), Some("UTF-8"));
    assert_eq!(part.file_name().as_deref(), Some("é"));
    assert!(part.is_attachment());
    assert_eq!(part.encoding, "base64");
    assert_eq!(part.lines, 0);
}

#[test]
fn lines_are_counted_with_an_unfinished_last_one() {
    for (body, lines) in [("", 0), ("a", 1), ("a\r\n", 1), ("a\r\nb", 2), ("\r\n\r\n", 2)] {
        assert_eq!(parsed(&format!("\r\n{body}")).root.lines, lines, "{body:?}");
    }
}
