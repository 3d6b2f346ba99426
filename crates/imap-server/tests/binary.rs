//! BINARY, BINARY.PEEK and BINARY.SIZE: parts without their transfer encoding (RFC 3516, RFC 9051 §6.4.5 and §7.5.2).

mod common;

use common::{Server, server_lines};
use postrider_store::INBOX;

const PARTS: &str = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncaf=C3=A9 =\r\nau lait=0Aend\r\n\
    --b\r\nContent-Type: image/gif\r\nContent-Transfer-Encoding: BASE64\r\n\r\nR0lG\r\nODlh\r\n\
    --b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEKAg==\r\n\
    --b\r\nContent-Type: application/x-own\r\nContent-Transfer-Encoding: x-own\r\n\r\nwhatever\r\n\
    --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n\
    --b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nYQpiDQpj\r\n\
    --b\r\nContent-Type: text/x-script\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\nYQpiDQpj\r\n\
    --b\r\nContent-Type: text/plain; charset=utf-16le\r\nContent-Transfer-Encoding: base64\r\n\r\nYQAKAGIA\r\n\
    --b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\ninner\r\n--c--\r\n\
    --b--\r\n";

async fn server() -> Server {
    let server = Server::start().await;
    server.append(INBOX, Vec::new(), PARTS).await;
    server
}

#[tokio::test]
async fn parts_come_without_their_transfer_encoding() {
    let server = server().await;
    let mut client = server.select().await;
    for (part, form, content) in [
        // RFC 9051 §7.5.2: lines of a text end with CRLF.
        ("1", "", "café au lait\r\nend"),
        ("2", "", "GIF89a"),
        ("3", "~", "\0\u{1}\n\u{2}"),
        ("5", "", "Subject: in\r\nContent-Transfer-Encoding: base64\r\n\r\naGk="),
        ("5.1", "", "hi"),
        ("6", "", "a\r\nb\r\nc"),
        // A file is no line-oriented text: its octets count.
        ("7", "", "a\nb\r\nc"),
        ("8", "~", "a\0\n\0b\0"),
        ("9", "", "--c\r\n\r\ninner\r\n--c--"),
        ("9.1", "", "inner"),
        ("", "", PARTS),
    ] {
        let size = content.len();
        let told = format!("* 1 FETCH (BINARY[{part}] {form}{{{size}}}\r\n{content})\r\nt OK ");
        let answer = client.exchange("t", format!("t FETCH 1 BINARY.PEEK[{part}]\r\n").as_bytes()).await;
        assert!(answer.starts_with(told.as_bytes()), "{part}: {}", answer.escape_ascii());
        client
            .says(&format!("C: s FETCH 1 BINARY.SIZE[{part}]\nS: * 1 FETCH (BINARY.SIZE[{part}] {size})\nS: s OK …"))
            .await;
    }
}

#[tokio::test]
async fn a_partial_counts_in_the_decoded_octets() {
    let server = server().await;
    let mut client = server.select().await;
    for (asked, told) in [
        ("[2]<0.3>", "[2]<0> {3}\r\nGIF"),
        ("[2]<3.30>", "[2]<3> {3}\r\n89a"),
        ("[2]<6.1>", "[2]<6> {0}\r\n"),
        ("[1]<3.2>", "[1]<3> {2}\r\né"),
        ("[3]<1.1>", "[3]<1> {1}\r\n\u{1}"),
    ] {
        let said = server_lines(&format!("* 1 FETCH (BINARY{told})"));
        client.says(&format!("C: p FETCH 1 BINARY.PEEK{asked}\n{said}S: p OK …")).await;
    }
}

#[tokio::test]
async fn an_unknown_transfer_encoding_fails_the_command_but_not_the_rest_of_it() {
    let server = server().await;
    server.fill(INBOX, 1).await;
    let mut client = server.select().await;
    client
        .says(
            r"
            # A FETCH response must hold something (RFC 9051 §9, msg-att).
            C: 1 FETCH 1 BINARY.PEEK[4]
            S: * 1 FETCH (UID 1)
            S: 1 NO [UNKNOWN-CTE] …
            C: 2 FETCH 1 BINARY.SIZE[4]
            S: * 1 FETCH (UID 1)
            S: 2 NO [UNKNOWN-CTE] …
            C: 3 UID FETCH 1 (BINARY.PEEK[4] BINARY.SIZE[2])
            S: * 1 FETCH (UID 1 BINARY.SIZE[2] 6)
            S: 3 NO [UNKNOWN-CTE] …
            C: 4 FETCH 1:2 (BINARY.SIZE[4])
            S: * 1 FETCH (UID 1)
            S: * 2 FETCH (BINARY.SIZE[4] 0)
            S: 4 NO [UNKNOWN-CTE] …
            C: 5 FETCH 1 BODY.PEEK[4]
            S: * 1 FETCH (BODY[4] {8}
            S: whatever)
            S: 5 OK …
            ",
        )
        .await;
}

#[tokio::test]
async fn binary_sets_seen() {
    let server = server().await;
    server
        .selected("C: 1 FETCH 1 BINARY[2]\nS: * 1 FETCH (FLAGS (\\Recent \\Seen) BINARY[2] {6}\nS: GIF89a)\nS: 1 OK …")
        .await;
}
