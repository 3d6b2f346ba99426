//! FETCH of sections: the parts of a message, subsets of its header, partials (RFC 9051 §6.4.5 and §6.4.5.1).

#![allow(clippy::unwrap_used)]

mod common;

use common::{Client, Server, server_lines};
use postrider_store::INBOX;
use tokio::io::DuplexStream;

/// The complex message of RFC 9051 §6.4.5.1.
const COMPLEX: &str = "From: Carol <carol@example.com>\r\n\
    To: alice@example.net,\r\n bob@example.net\r\n\
    Subject: complex\r\n\
    Received: one\r\n\
    X-Subject: other\r\n\
    received: two\r\n\
    Content-Type: multipart/mixed; boundary=top\r\n\
    \r\n\
    preamble\r\n\
    --top\r\nContent-Type: text/plain\r\n\r\none\r\n\
    --top\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n\
    --top\r\nContent-Type: message/rfc822\r\nContent-ID: <three@example.com>\r\n\r\n\
    Subject: three\r\nFrom: dave@example.com\r\nContent-Type: multipart/mixed; boundary=three\r\n\r\n\
    --three\r\n\r\nthree one\r\n--three\r\nContent-Type: application/octet-stream\r\n\r\nthree two\r\n--three--\r\n\
    --top\r\nContent-Type: multipart/mixed; boundary=four\r\n\r\n\
    --four\r\nContent-Type: image/gif\r\nContent-ID: <gif@example.com>\r\nContent-Transfer-Encoding: base64\r\n\r\nR0lG\r\n\
    --four\r\nContent-Type: message/rfc822\r\n\r\n\
    Subject: four two\r\nContent-Type: multipart/mixed; boundary=inner\r\n\r\n\
    --inner\r\n\r\nfour two one\r\n--inner\r\nContent-Type: multipart/alternative; boundary=alt\r\n\r\n\
    --alt\r\n\r\nplain\r\n--alt\r\nContent-Type: text/richtext\r\n\r\nrich\r\n--alt--\r\n\r\n--inner--\r\n\r\n\
    --four--\r\n\r\n\
    --top--\r\nepilogue\r\n";

async fn server_with(raw: &str) -> Server {
    let server = Server::start().await;
    server.append(INBOX, Vec::new(), raw).await;
    server
}

/// Asks for a section of message 1 and expects this content, or NIL.
async fn section_is(client: &mut Client<DuplexStream>, section: &str, content: Option<&str>) {
    let told = match content {
        Some(content) => format!("{{{}}}\r\n{content}", content.len()),
        None => "NIL".to_owned(),
    };
    let said = server_lines(&format!("* 1 FETCH (BODY[{section}] {told})"));
    client.says(&format!("C: s FETCH 1 BODY.PEEK[{section}]\n{said}S: s OK …")).await;
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text.find(start).unwrap();
    &text[from..from + text[from..].find(end).unwrap()]
}

#[tokio::test]
async fn the_parts_of_the_complex_message_are_where_the_rfc_has_them() {
    let server = server_with(COMPLEX).await;
    let mut client = server.select().await;
    let (header, text) = COMPLEX.split_at(COMPLEX.find("preamble").unwrap());
    let three = between(COMPLEX, "Subject: three", "\r\n--top\r\nContent-Type: multipart/mixed; boundary=four");
    let (three_header, three_text) = three.split_at(three.find("--three").unwrap());
    let four = between(COMPLEX, "--four\r\nContent-Type: image", "\r\n--top--");
    let four_two = between(COMPLEX, "Subject: four two", "\r\n--four--");
    let (four_two_header, four_two_text) = four_two.split_at(four_two.find("--inner").unwrap());
    for (section, content) in [
        ("", COMPLEX),
        ("HEADER", header),
        ("TEXT", text),
        ("1", "one"),
        ("1.MIME", "Content-Type: text/plain\r\n\r\n"),
        ("2", "AAECAw=="),
        ("3", three),
        ("3.MIME", "Content-Type: message/rfc822\r\nContent-ID: <three@example.com>\r\n\r\n"),
        ("3.HEADER", three_header),
        ("3.TEXT", three_text),
        ("3.1", "three one"),
        ("3.1.MIME", "\r\n"),
        ("3.2", "three two"),
        ("4", four),
        ("4.1", "R0lG"),
        (
            "4.1.MIME",
            "Content-Type: image/gif\r\nContent-ID: <gif@example.com>\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        ),
        ("4.2", four_two),
        ("4.2.HEADER", four_two_header),
        ("4.2.TEXT", four_two_text),
        ("4.2.1", "four two one"),
        ("4.2.2", between(four_two, "--alt\r\n\r\nplain", "\r\n--inner--")),
        ("4.2.2.1", "plain"),
        ("4.2.2.2", "rich"),
        ("4.2.2.2.MIME", "Content-Type: text/richtext\r\n\r\n"),
        ("HEADER.FIELDS (SUBJECT)", "Subject: complex\r\n\r\n"),
        ("3.HEADER.FIELDS (SUBJECT)", "Subject: three\r\n\r\n"),
        ("4.2.HEADER.FIELDS.NOT (Content-Type)", "Subject: four two\r\n\r\n"),
    ] {
        section_is(&mut client, section, Some(content)).await;
    }
}

#[tokio::test]
async fn a_part_that_is_not_there_is_nil() {
    let server = server_with(COMPLEX).await;
    let mut client = server.select().await;
    for section in [
        "5",
        "1.1",
        "1.HEADER",
        "1.TEXT",
        "2.HEADER.FIELDS (Subject)",
        "3.3",
        "4.HEADER",
        "4.3.MIME",
        "4.2.2.3",
        "4294967295",
        "1.2.3.4.5.6.7.8.9",
    ] {
        section_is(&mut client, section, None).await;
    }
    client
        .says("C: p FETCH 1 (BODY.PEEK[7]<0.10> BINARY.PEEK[7] BINARY.SIZE[7])\nS: * 1 FETCH (BODY[7]<0> NIL BINARY[7] NIL BINARY.SIZE[7] 0)\nS: p OK …")
        .await;
}

#[tokio::test]
async fn a_message_that_is_no_multipart_has_part_one() {
    let server = server_with("Subject: plain\r\nX-A: b\r\n\r\nbody\r\n").await;
    let mut client = server.select().await;
    section_is(&mut client, "1", Some("body\r\n")).await;
    section_is(&mut client, "1.MIME", Some("Subject: plain\r\nX-A: b\r\n\r\n")).await;
    section_is(&mut client, "2", None).await;
    section_is(&mut client, "1.1", None).await;
    section_is(&mut client, "1.HEADER", None).await;
}

#[tokio::test]
async fn header_fields_are_chosen_by_name_in_their_order() {
    let server = server_with(COMPLEX).await;
    let mut client = server.select().await;
    for (names, content) in [
        ("HEADER.FIELDS (RECEIVED)", "Received: one\r\nreceived: two\r\n\r\n"),
        ("HEADER.FIELDS (X-Subject TO)", "To: alice@example.net,\r\n bob@example.net\r\nX-Subject: other\r\n\r\n"),
        ("HEADER.FIELDS (X-None)", "\r\n"),
        ("HEADER.FIELDS (\"subject\")", "Subject: complex\r\n\r\n"),
        (
            "HEADER.FIELDS.NOT (to FROM received)",
            "Subject: complex\r\nX-Subject: other\r\nContent-Type: multipart/mixed; boundary=top\r\n\r\n",
        ),
        ("HEADER.FIELDS.NOT (From To Subject X-Subject Received Content-Type)", "\r\n"),
    ] {
        let unquoted = names.replace('"', "");
        let said = server_lines(&format!("* 1 FETCH (BODY[{unquoted}] {{{}}}\r\n{content})", content.len()));
        client.says(&format!("C: h FETCH 1 BODY.PEEK[{names}]\n{said}S: h OK …")).await;
    }
}

#[tokio::test]
async fn a_header_without_a_blank_line_gets_none() {
    // RFC 9051 §6.4.5.1: "except in the case of a message that has no body and no blank line".
    let server = server_with("Subject: all\r\nTo: a@b\r\n").await;
    let mut client = server.select().await;
    for (section, content) in [
        ("HEADER", "Subject: all\r\nTo: a@b\r\n"),
        ("HEADER.FIELDS (Subject)", "Subject: all\r\n"),
        ("HEADER.FIELDS.NOT (Subject)", "To: a@b\r\n"),
        ("HEADER.FIELDS (Cc)", ""),
        ("TEXT", ""),
        ("1", ""),
    ] {
        section_is(&mut client, section, Some(content)).await;
    }
}

#[tokio::test]
async fn partials_are_cut_at_the_end_and_name_their_origin() {
    let server = server_with("Subject: x\r\n\r\n0123456789").await;
    let mut client = server.select().await;
    for (asked, told) in [
        ("BODY.PEEK[TEXT]<0.4>", "BODY[TEXT]<0> {4}\r\n0123"),
        ("BODY.PEEK[TEXT]<4.4>", "BODY[TEXT]<4> {4}\r\n4567"),
        ("BODY.PEEK[TEXT]<8.100>", "BODY[TEXT]<8> {2}\r\n89"),
        ("BODY.PEEK[TEXT]<10.1>", "BODY[TEXT]<10> {0}\r\n"),
        ("BODY.PEEK[TEXT]<9999999999.1>", "BODY[TEXT]<9999999999> {0}\r\n"),
        ("BODY.PEEK[TEXT]<1.9223372036854775807>", "BODY[TEXT]<1> {9}\r\n123456789"),
        ("BODY.PEEK[]<10.6>", "BODY[]<10> {6}\r\n\r\n\r\n01"),
        ("BODY.PEEK[1]<2.1>", "BODY[1]<2> {1}\r\n2"),
        ("BODY.PEEK[HEADER.FIELDS (Subject)]<9.100>", "BODY[HEADER.FIELDS (Subject)]<9> {5}\r\nx\r\n\r\n"),
        ("BODY.PEEK[HEADER.FIELDS (Subject)]<99.1>", "BODY[HEADER.FIELDS (Subject)]<99> {0}\r\n"),
        ("BODY.PEEK[HEADER.FIELDS (Subject)]<0.10>", "BODY[HEADER.FIELDS (Subject)]<0> {10}\r\nSubject: x"),
        ("BODY.PEEK[HEADER.FIELDS.NOT (To)]<8.4>", "BODY[HEADER.FIELDS.NOT (To)]<8> {4}\r\n x\r\n"),
        ("BODY.PEEK[HEADER]<9.1>", "BODY[HEADER]<9> {1}\r\nx"),
        ("BINARY.PEEK[1]<7.9>", "BINARY[1]<7> {3}\r\n789"),
    ] {
        client.says(&format!("C: p FETCH 1 {asked}\n{}S: p OK …", server_lines(&format!("* 1 FETCH ({told})")))).await;
    }
    client
        .says("C: q FETCH 1 (BODY.PEEK[TEXT]<0.1> BODY.PEEK[TEXT]<9.5>)\nS: * 1 FETCH (BODY[TEXT]<0> {1}\nS: 0 BODY[TEXT]<9> {1}\nS: 9)\nS: q OK …")
        .await;
}

#[tokio::test]
async fn no_literal_holds_a_nul_and_offsets_stay_true() {
    let raw = "Subject: a\0b\r\nX: c\r\n\r\nd\0e";
    let server = server_with(raw).await;
    let mut client = server.select().await;
    section_is(&mut client, "", Some("Subject: a?b\r\nX: c\r\n\r\nd?e")).await;
    section_is(&mut client, "TEXT", Some("d?e")).await;
    section_is(&mut client, "HEADER.FIELDS (SUBJECT)", Some("Subject: a?b\r\n\r\n")).await;
    client.says("C: 1 FETCH 1 (BINARY.PEEK[1] RFC822.SIZE)\nS: * 1 FETCH (RFC822.SIZE 25 BINARY[1] ~{3}\nS: d\0e)\nS: 1 OK …").await;
    client
        .says(&format!(
            "C: 2 FETCH 1 BINARY.PEEK[]\n{}S: 2 OK …",
            server_lines(&format!("* 1 FETCH (BINARY[] ~{{25}}\r\n{raw})"))
        ))
        .await;
    // Where the octets asked for hold no NUL a plain literal will do.
    client.says("C: 3 FETCH 1 BINARY.PEEK[1]<2.1>\nS: * 1 FETCH (BINARY[1]<2> {1}\nS: e)\nS: 3 OK …").await;
    let answer = client.exchange("4", b"4 FETCH 1 (ENVELOPE BODYSTRUCTURE PREVIEW)\r\n").await;
    assert!(!answer.contains(&0));
}

#[tokio::test]
async fn a_header_too_long_to_be_kept_is_read_from_the_message_in_its_turn() {
    let server = Server::start().await;
    let filler = "X-Filler: 0123456789\r\n".repeat(2000);
    for (number, filler) in ["", &filler, "X-A: b\r\n", &filler].into_iter().enumerate() {
        let raw = format!("Subject: s{number}\r\n{filler}To: t\0{number}\r\n\r\nbody\r\n");
        server.append(INBOX, Vec::new(), raw).await;
    }
    let mut client = server.select().await;
    for (asked, told, length, cut) in [
        ("HEADER.FIELDS (TO SUBJECT)", "Subject: sN\r\nTo: t?N\r\n\r\n", 24, ""),
        ("HEADER.FIELDS (Subject to)", "ct: sN\r\nTo", 10, "<5.10>"),
        ("HEADER.FIELDS.NOT (X-Filler X-A Subject)", "To: t?N\r\n\r\n", 11, ""),
    ] {
        let answer =
            client.exchange("tag", format!("tag FETCH 1:* (UID BODY.PEEK[{asked}]{cut})\r\n").as_bytes()).await;
        let origin =
            cut.split('.').next().filter(|cut| !cut.is_empty()).map(|cut| format!("{cut}>")).unwrap_or_default();
        let mut expected = String::new();
        for number in 0..4 {
            let told = told.replace('N', &number.to_string());
            let uid = number + 1;
            expected += &format!("* {uid} FETCH (UID {uid} BODY[{asked}]{origin} {{{length}}}\r\n{told})\r\n");
        }
        assert!(answer.starts_with(expected.as_bytes()), "{asked}: {}", answer.escape_ascii());
    }
    let answer = client.exchange("tag", b"tag FETCH 1:* RFC822.HEADER\r\n").await;
    assert_eq!(memchr::memmem::find_iter(&answer, b"RFC822.HEADER {").count(), 4);
    assert_eq!(memchr::memmem::find_iter(&answer, b"X-Filler: 0123456789\r\n").count(), 4000);
}

#[tokio::test]
async fn a_message_larger_than_a_group_passes_through_unchanged() {
    let line = "0123456789abcdefghijklmnopqrstuvwxyz the quick brown fox jumps over it\r\n";
    let body = line.repeat(3 * 1024 * 1024 / line.len());
    let raw = format!(
        "Subject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{body}\r\n--b\r\n\r\nsmall\r\n--b--\r\n"
    );
    let server = server_with(&raw).await;
    server.fill(INBOX, 1).await;
    let mut client = server.select().await;
    let size = raw.len();
    let large = body.len();
    for (asked, told) in [
        ("BODY.PEEK[]", format!("BODY[] {{{size}}}\r\n{raw}")),
        (
            "(UID BODY.PEEK[2] BODY.PEEK[1] BODY.PEEK[HEADER.FIELDS (SUBJECT)])",
            format!(
                "UID 1 BODY[2] {{5}}\r\nsmall BODY[1] {{{large}}}\r\n{body} BODY[HEADER.FIELDS (SUBJECT)] {{18}}\r\nSubject: large\r\n\r\n"
            ),
        ),
        ("BINARY.PEEK[1]", format!("BINARY[1] {{{large}}}\r\n{body}")),
        ("BODY.PEEK[1]<100000.2000000>", format!("BODY[1]<100000> {{2000000}}\r\n{}", &body[100_000..2_100_000])),
        ("(BODY.PEEK[] BODY.PEEK[9])", format!("BODY[] {{{size}}}\r\n{raw} BODY[9] NIL")),
    ] {
        let answer = client.exchange("tag", format!("tag FETCH 1 {asked}\r\n").as_bytes()).await;
        let expected = format!("* 1 FETCH ({told})\r\ntag OK ");
        assert!(answer.starts_with(expected.as_bytes()), "{asked}: {}", answer[answer.len() - 60..].escape_ascii());
    }
    // A small message behind it still comes behind it.
    let answer = client.exchange("tag", b"tag FETCH 1:2 BODY.PEEK[TEXT]\r\n").await;
    let last = b"* 2 FETCH (BODY[TEXT] {8}\r\ntext 1\r\n)\r\ntag OK ";
    assert!(memchr::memmem::find(&answer, last).is_some());
}

#[tokio::test]
async fn large_content_without_nul_stays_large_content_without_nul() {
    let body = "x\0".repeat(600 * 1024);
    let server = server_with(&format!("Subject: nul\r\n\r\n{body}")).await;
    let mut client = server.select().await;
    let answer = client.exchange("tag", b"tag FETCH 1 BODY.PEEK[TEXT]\r\n").await;
    assert!(answer.starts_with(format!("* 1 FETCH (BODY[TEXT] {{{}}}\r\nx?x?", body.len()).as_bytes()));
    assert!(!answer.contains(&0));
    let answer = client.exchange("tag", b"tag FETCH 1 BINARY.PEEK[1]\r\n").await;
    assert!(answer.starts_with(format!("* 1 FETCH (BINARY[1] ~{{{}}}\r\n{body}", body.len()).as_bytes()));
}

#[tokio::test]
async fn many_large_messages_come_whole() {
    let server = Server::start().await;
    let texts: Vec<String> = (0..12).map(|number| format!("{number:04}").repeat(20_000 + 7_000 * number)).collect();
    for text in &texts {
        server.append(INBOX, Vec::new(), format!("Subject: x\r\n\r\n{text}")).await;
    }
    let mut client = server.select().await;
    let answer = client.exchange("tag", b"tag FETCH 1:* BODY.PEEK[TEXT]\r\n").await;
    let mut expected = String::new();
    for (number, text) in (1..).zip(&texts) {
        expected += &format!("* {number} FETCH (BODY[TEXT] {{{}}}\r\n{text})\r\n", text.len());
    }
    assert!(answer.starts_with(format!("{expected}tag OK").as_bytes()));
}
