//! SEARCH: every key, and how keys go together (RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 5032).

mod common;

use common::{Client, NOW, Server};
use postrider_store::{Flag, INBOX};
use tokio::io::DuplexStream;

/// Asks with SEARCH and expects these sequence numbers.
async fn finds(client: &mut Client<DuplexStream>, keys: &str, numbers: &[u32]) {
    let numbers: String = numbers.iter().map(|number| format!(" {number}")).collect();
    client.says(&format!("C: s SEARCH {keys}\nS: * SEARCH{numbers}\nS: s OK …")).await;
}

/// Messages 1 to 7, which have something of everything.
async fn library() -> Server {
    let server = Server::start().await;
    let keyword = |name: &str| Flag::Keyword(name.to_owned());
    let messages: [(i64, Vec<Flag>, &str); 7] = [
        (
            NOW - 10 * 86_400,
            vec![Flag::Answered, Flag::Seen],
            "Date: Sat, 4 Nov 2023 23:30:00 -0500\r\nFrom: Fred Foobar <fred@example.com>\r\nTo: alice@example.net\r\n\
             Cc: carol@example.org\r\nBcc: hidden@example.org\r\nSubject: Great plans\r\nX-Empty:\r\n\r\nNothing new under the sun\r\n",
        ),
        (
            NOW - 9 * 86_400,
            vec![Flag::Flagged, keyword("$Work")],
            "Date: Sun, 5 Nov 2023 00:30:00 +0900\r\nFrom: =?utf-8?q?J=C3=B6rg?= <joerg@example.com>\r\nTo: bob@example.net\r\n\
             Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n =?utf-8?b?IGF1cyBCZXJsaW4=?=\r\nX-Priority: 1\r\n\r\nfirst\r\n",
        ),
        (
            NOW - 86_400,
            vec![Flag::Deleted, Flag::Draft],
            "Date: Mon, 6 Nov 2023 12:00:00 +0000\r\nFrom: eve@example.com\r\nSubject: parts\r\n\
             Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: base64\r\n\r\nTsOkaGUgZGVzIEZsdXNzZXM=\r\n--b\r\n\
             Content-Type: application/octet-stream; name=\"ledger.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\nc2VjcmV0IGxlZGdlcg==\r\n--b--\r\n",
        ),
        (
            NOW - 3_600,
            vec![Flag::Seen],
            "From: Fred Foobar <fred@example.com>\r\nSubject: no date\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
             a soft=\r\n break and caf=E9 =\r\nnoir\r\n",
        ),
        (
            NOW,
            Vec::new(),
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nFrom: dave@example.com\r\nSubject: enclosed\r\n\
             Content-Type: message/rfc822\r\n\r\nSubject: inner tidings\r\n\r\ninner text\r\n",
        ),
        (
            NOW + 60,
            vec![Flag::Seen, keyword("$Work")],
            "Subject: large\r\n\r\n0123456789\r\n0123456789\r\n0123456789\r\n",
        ),
        (NOW + 120, Vec::new(), "\r\n"),
    ];
    for (received, flags, raw) in messages {
        server.set_clock(received);
        server.append(INBOX, flags, raw).await;
    }
    server.set_clock(NOW + 120);
    server
}

#[tokio::test]
async fn flags_and_keywords_are_found() {
    let server = library().await;
    let mut client = server.select().await;
    for (keys, numbers) in [
        ("ALL", &[1, 2, 3, 4, 5, 6, 7][..]),
        ("ANSWERED", &[1]),
        ("UNANSWERED", &[2, 3, 4, 5, 6, 7]),
        ("DELETED", &[3]),
        ("UNDELETED", &[1, 2, 4, 5, 6, 7]),
        ("DRAFT", &[3]),
        ("UNDRAFT", &[1, 2, 4, 5, 6, 7]),
        ("FLAGGED", &[2]),
        ("UNFLAGGED", &[1, 3, 4, 5, 6, 7]),
        ("SEEN", &[1, 4, 6]),
        ("UNSEEN", &[2, 3, 5, 7]),
        ("KEYWORD $work", &[2, 6]),
        ("UNKEYWORD $Work", &[1, 3, 4, 5, 7]),
        ("KEYWORD $Never", &[]),
        ("UNKEYWORD $Never", &[1, 2, 3, 4, 5, 6, 7]),
        ("RECENT", &[1, 2, 3, 4, 5, 6, 7]),
        ("NEW", &[2, 3, 5, 7]),
        ("OLD", &[]),
    ] {
        finds(&mut client, keys, numbers).await;
    }
    // The first session was shown them; here they are recent no more (RFC 3501 §2.3.2).
    let mut second = server.select().await;
    finds(&mut second, "OLD SEEN", &[1, 4, 6]).await;
    finds(&mut second, "NEW", &[]).await;
}

#[tokio::test]
async fn keys_are_joined_by_and_or_not_and_parentheses() {
    let server = library().await;
    let mut client = server.select().await;
    for (keys, numbers) in [
        ("SEEN KEYWORD $Work", &[6][..]),
        ("OR SEEN FLAGGED", &[1, 2, 4, 6]),
        ("NOT SEEN", &[2, 3, 5, 7]),
        ("NOT NOT SEEN", &[1, 4, 6]),
        ("NOT (SEEN KEYWORD $Work)", &[1, 2, 3, 4, 5, 7]),
        ("OR (SEEN NOT ANSWERED) (DELETED DRAFT)", &[3, 4, 6]),
        ("OR OR ANSWERED FLAGGED DRAFT UNSEEN", &[2, 3]),
        ("OR NOT SUBJECT plans SUBJECT plans", &[1, 2, 3, 4, 5, 6, 7]),
        ("UNSEEN OR FROM eve SUBJECT enclosed", &[3, 5]),
        ("NOT BODY inner NOT BODY sun UNDELETED", &[2, 4, 6, 7]),
        ("(((1:3)))", &[1, 2, 3]),
    ] {
        finds(&mut client, keys, numbers).await;
    }
    for keys in ["", "()", "OR SEEN", "NOT", "FROM", "NOSUCH", "HEADER Subject", "SEEN)", "UID", "LARGER x"] {
        client.says(&format!("C: b SEARCH {keys}\nS: b BAD …")).await;
        client.says("C: n NOOP\nS: n OK …").await;
    }
}

#[tokio::test]
async fn headers_are_searched_as_a_reader_reads_them() {
    let server = library().await;
    let mut client = server.select().await;
    client.says("C: e ENABLE IMAP4rev2\nS: * ENABLED IMAP4rev2\nS: e OK …").await;
    for (keys, all) in [
        ("FROM foobar", "1,4"),
        ("FROM \"fred@EXAMPLE\"", "1,4"),
        ("FROM \"jörg\"", "2"),
        ("FROM \"JÖRG\"", "2"),
        ("TO alice", "1"),
        ("CC carol", "1"),
        ("BCC hidden", "1"),
        ("TO carol", ""),
        ("SUBJECT plan", "1"),
        ("SUBJECT \"grüße aus berlin\"", "2"),
        ("SUBJECT \"AUS B\"", "2"),
        ("HEADER X-Priority 1", "2"),
        ("HEADER x-empty \"\"", "1"),
        ("HEADER X-Empty a", ""),
        ("HEADER Subject \"\"", "1:6"),
        ("HEADER X-None \"\"", ""),
        ("HEADER Content-Type multipart", "3"),
        ("NOT HEADER Subject \"\"", "7"),
        // Headers of enclosed messages are not the message's own.
        ("SUBJECT tidings", ""),
    ] {
        let all = if all.is_empty() { String::new() } else { format!(" ALL {all}") };
        client.says(&format!("C: s SEARCH {keys}\nS: * ESEARCH (TAG \"s\"){all}\nS: s OK …")).await;
    }
}

#[tokio::test]
async fn bodies_are_searched_without_their_encodings() {
    let server = library().await;
    let mut client = server.select().await;
    for (keys, numbers) in [
        ("BODY \"under the SUN\"", &[1][..]),
        ("BODY plans", &[]),
        ("TEXT plans", &[1]),
        ("TEXT nothing", &[1]),
        ("BODY \"des flusses\"", &[3]),
        ("BODY TsOkaGU", &[]),
        ("BODY \"secret ledger\"", &[]),
        ("TEXT ledger.bin", &[3]),
        ("BODY \"soft break\"", &[4]),
        ("BODY \"inner text\"", &[5]),
        ("BODY tidings", &[5]),
        ("TEXT tidings", &[5]),
        ("BODY \"\"", &[1, 2, 3, 4, 5, 6, 7]),
        ("TEXT \"\"", &[1, 2, 3, 4, 5, 6, 7]),
        ("BODY \"9\\\\\"", &[]),
    ] {
        finds(&mut client, keys, numbers).await;
    }
    client.says("C: l SEARCH CHARSET UTF-8 BODY {5+}\nC: nähe\nS: * SEARCH 3\nS: l OK …").await;
    client.says("C: t SEARCH CHARSET ISO-8859-1 BODY caf\nS: * SEARCH 4\nS: t OK …").await;
    client.says("C: u SEARCH BODY \"café noir\"\nS: * SEARCH 4\nS: u OK …").await;
    let answer = client.exchange("v", b"v SEARCH CHARSET iso-8859-1 BODY {9+}\r\ncaf\xe9 noir\r\n").await;
    assert!(answer.starts_with(b"* SEARCH 4\r\nv OK"), "{}", answer.escape_ascii());
}

#[tokio::test]
async fn sizes_and_sets_are_found() {
    let server = library().await;
    let mut client = server.select().await;
    // Message 7 has 2 octets, message 6 has 54.
    for (keys, numbers) in [
        ("SMALLER 2", &[][..]),
        ("SMALLER 3", &[7]),
        ("LARGER 1 SMALLER 55", &[6, 7]),
        ("LARGER 54 6:7", &[]),
        ("LARGER 53 6:7", &[6]),
        ("LARGER 5000000000", &[]),
        ("2,4:5", &[2, 4, 5]),
        ("*", &[7]),
        ("6:*", &[6, 7]),
        ("*:6", &[6, 7]),
        ("UID 2,100", &[2]),
        ("UID 100:*", &[7]),
        ("UID 1:3 NOT 2", &[1, 3]),
        ("NOT 1:6", &[7]),
    ] {
        finds(&mut client, keys, numbers).await;
    }
    client.says("C: b SEARCH 8\nS: b BAD …\nC: c SEARCH 0\nS: c BAD …").await;
}

#[tokio::test]
async fn internal_dates_are_compared_by_day() {
    let server = library().await;
    let mut client = server.select().await;
    for (keys, numbers) in [
        ("BEFORE 5-Nov-2023", &[1][..]),
        ("BEFORE 4-Nov-2023", &[]),
        ("ON 4-Nov-2023", &[1]),
        ("ON \"5-Nov-2023\"", &[2]),
        ("SINCE 14-Nov-2023", &[4, 5, 6, 7]),
        ("SINCE 05-Nov-2023 BEFORE 14-nov-2023", &[2, 3]),
        ("SINCE 15-Nov-2023", &[]),
    ] {
        finds(&mut client, keys, numbers).await;
    }
    for date in ["31-Nov-2023", "1-Foo-2023", "1-Nov-23", "2023-11-01", "0-Nov-2023"] {
        client.says(&format!("C: b SEARCH ON {date}\nS: b BAD …")).await;
    }
}

#[tokio::test]
async fn sent_dates_are_the_days_as_they_were_written() {
    let server = library().await;
    let mut client = server.select().await;
    for (keys, numbers) in [
        // 23:30 -0500 is the next day in UTC, and 00:30 +0900 the day before: both are disregarded (RFC 9051 §6.4.4).
        ("SENTON 4-Nov-2023", &[1][..]),
        ("SENTON 5-Nov-2023", &[2]),
        ("SENTBEFORE 6-Nov-2023", &[1, 2]),
        ("SENTSINCE 6-Nov-2023 1:3", &[3]),
        ("SENTSINCE 5-Nov-2023 SENTBEFORE 6-Nov-2023", &[2]),
        // Without a Date field the arrival counts.
        ("SENTON 14-Nov-2023", &[4, 5, 6, 7]),
    ] {
        finds(&mut client, keys, numbers).await;
    }
}

#[tokio::test]
async fn older_and_younger_count_seconds_from_now_and_both_hold_the_moment_itself() {
    let server = library().await;
    let mut client = server.select().await;
    for (keys, numbers) in [
        ("YOUNGER 1", &[7][..]),
        ("YOUNGER 59", &[7]),
        ("YOUNGER 60", &[6, 7]),
        ("OLDER 60", &[1, 2, 3, 4, 5, 6]),
        ("OLDER 61", &[1, 2, 3, 4, 5]),
        ("YOUNGER 3720 OLDER 120", &[4, 5]),
        ("OLDER 4294967295", &[]),
        ("YOUNGER 4294967295", &[1, 2, 3, 4, 5, 6, 7]),
    ] {
        finds(&mut client, keys, numbers).await;
    }
    client.says("C: b SEARCH OLDER 0\nS: b BAD …").await;
}

#[tokio::test]
async fn a_charset_that_is_not_known_is_refused_even_where_no_text_is() {
    let server = library().await;
    server
        .selected(
            r#"
            C: 1 SEARCH CHARSET X-NONE ALL
            S: 1 NO [BADCHARSET (US-ASCII UTF-8 ISO-8859-1)] …
            C: 2 SEARCH CHARSET X-NONE SUBJECT a
            S: 2 NO [BADCHARSET …
            C: 3 SEARCH CHARSET US-ASCII ALL
            S: * SEARCH 1 2 3 4 5 6 7
            S: 3 OK …
            C: 4 SEARCH CHARSET "utf-8" SUBJECT "grüße"
            S: * SEARCH 2
            S: 4 OK …
            C: 5 SEARCH CHARSET US-ASCII SUBJECT "grüße"
            S: 5 NO [BADCHARSET …
            # Without a charset it is UTF-8 (RFC 9051 §6.4.4).
            C: 6 SEARCH SUBJECT "grüße"
            S: * SEARCH 2
            S: 6 OK …
            "#,
        )
        .await;
    let mut client = server.select().await;
    let answer = client.exchange("7", b"7 SEARCH SUBJECT {2+}\r\n\xff\xfe\r\n").await;
    assert!(answer.starts_with(b"7 NO [BADCHARSET"), "{}", answer.escape_ascii());
}

#[tokio::test]
async fn with_utf8_accept_a_charset_is_an_error() {
    let server = library().await;
    let mut client = server.select_with("UTF8=ACCEPT").await;
    // RFC 6855 §3
    client.says("C: 1 SEARCH CHARSET UTF-8 ALL\nS: 1 BAD …\nC: 2 UID SEARCH CHARSET UTF-8 ALL\nS: 2 BAD …").await;
    client.says("C: 3 SEARCH SUBJECT \"grüße\"\nS: * SEARCH 2\nS: 3 OK …").await;
}

#[tokio::test]
async fn uid_search_answers_uids() {
    let server = library().await;
    server
        .selected(
            r"
            C: 1 STORE 1:2 +FLAGS.SILENT (\Deleted)
            S: 1 OK …
            C: 2 UID EXPUNGE 1:2
            S: * 1 EXPUNGE
            S: * 1 EXPUNGE
            S: 2 OK …
            C: 3 UID SEARCH SEEN
            S: * SEARCH 4 6
            S: 3 OK …
            C: 4 SEARCH SEEN
            S: * SEARCH 2 4
            S: 4 OK …
            C: 5 UID SEARCH 1:2
            S: * SEARCH 3 4
            S: 5 OK …
            C: 6 UID SEARCH UID 1:4
            S: * SEARCH 3 4
            S: 6 OK …
            C: 7 UID SEARCH UID 1:2
            S: * SEARCH
            S: 7 OK …
            ",
        )
        .await;
}

#[tokio::test]
async fn search_finds_among_many() {
    let server = Server::with_messages(700).await;
    let mut client = server.select().await;
    finds(&mut client, "SUBJECT \"message 69\"", &[69, 690, 691, 692, 693, 694, 695, 696, 697, 698, 699]).await;
    finds(&mut client, "BODY \"text 700\"", &[700]).await;
    finds(&mut client, "OR 300 BODY \"text 299\"", &[299, 300]).await;
    client.says("C: c SEARCH RETURN (COUNT) NOT BODY \"text 7\"\nS: * ESEARCH (TAG \"c\") COUNT 688\nS: c OK …").await;
}

/// A message with text on both sides of an attachment of so many bytes.
fn with_attachment(number: usize, bytes: usize) -> String {
    let attachment = "QUJD".repeat(bytes / 4);
    format!(
        "Subject: carrier {number}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nbefore {number} it\r\n\
         --b\r\nContent-Type: image/png; name=\"picture{number}.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{attachment}\r\n\
         --b\r\nContent-Type: text/html\r\n\r\n<p>behind <b>{number}</b>th</p>\r\n--b--\r\n"
    )
}

#[tokio::test]
async fn text_on_both_sides_of_an_attachment_is_found() {
    let server = Server::start().await;
    for (number, bytes) in [(1, 100), (2, 200_000), (3, 40_000)] {
        server.append(INBOX, Vec::new(), with_attachment(number, bytes)).await;
    }
    let mut client = server.select().await;
    for (keys, numbers) in [
        ("BODY before", &[1, 2, 3][..]),
        ("BODY \"behind 2th\"", &[2]),
        ("TEXT \"behind 3TH\"", &[3]),
        ("TEXT picture2", &[2]),
        ("BODY picture2", &[]),
        ("BODY QUJDQUJD", &[]),
        ("TEXT \"subject: carrier 2\"", &[2]),
        ("TEXT carrier NOT BODY \"before 1\"", &[2, 3]),
        ("OR BODY \"before 3\" TEXT \"carrier 1\"", &[1, 3]),
        ("SUBJECT carrier BODY \"behind 3th\" NOT TEXT picture1", &[3]),
    ] {
        finds(&mut client, keys, numbers).await;
    }
}

/// So many messages that a search of their text is divided, with something to find in some.
async fn many(count: usize) -> Server {
    let server = Server::start().await;
    for number in 1..=count {
        let subject = if number % 7 == 0 { "seventh" } else { "other" };
        let raw = format!(
            "Date: {} Nov 2023 10:00:00 +0000\r\nSubject: {subject} {number}\r\n\r\nnumber {number} of many{}\r\n",
            1 + number % 28,
            if number % 50 == 3 { " fifties" } else { "" },
        );
        let flags = if number % 2 == 0 { vec![Flag::Seen] } else { Vec::new() };
        server.append(INBOX, flags, raw).await;
    }
    server
}

#[tokio::test]
async fn a_search_of_many_messages_finds_what_one_of_few_does() {
    let server = many(700).await;
    let mut client = server.select().await;
    type IsFound = fn(u32) -> bool;
    let numbers = |is_found: IsFound| (1..=700).filter(|number| is_found(*number)).collect::<Vec<u32>>();
    let cases: [(&str, IsFound); 12] = [
        ("BODY fifties", |number| number % 50 == 3),
        ("TEXT fifties SEEN", |_| false),
        ("NOT BODY fifties UNSEEN", |number| number % 50 != 3 && number % 2 == 1),
        ("SUBJECT SEVENTH", |number| number % 7 == 0),
        ("SUBJECT \"\" 690:700", |number| number >= 690),
        ("CC \"\"", |_| false),
        ("NOT SUBJECT seventh 1:20", |number| number <= 20 && number % 7 != 0),
        ("OR SUBJECT seventh BODY fifties", |number| number % 7 == 0 || number % 50 == 3),
        ("SUBJECT seventh BODY fifties", |number| number % 7 == 0 && number % 50 == 3),
        ("SENTON 5-Nov-2023", |number| 1 + number % 28 == 5),
        ("NOT SENTSINCE 3-Nov-2023 SUBJECT seventh", |number| 1 + number % 28 < 3 && number % 7 == 0),
        ("HEADER Date Nov OR SENTBEFORE 2-Nov-2023 TEXT \"number 700 \"", |number| {
            1 + number % 28 < 2 || number == 700
        }),
    ];
    for (keys, is_found) in cases {
        finds(&mut client, keys, &numbers(is_found)).await;
    }
    client.says("C: d STORE 3,7,153 +FLAGS.SILENT (\\Deleted)\nS: d OK …").await;
    let mut other = server.select().await;
    other.says("C: e EXPUNGE\nS: * 3 EXPUNGE\nS: * 6 EXPUNGE\nS: * 151 EXPUNGE\nS: e OK …").await;
    // Messages that are gone but were not told of match nothing that would need a look at them.
    finds(&mut client, "BODY fifties 1:200", &[53, 103]).await;
    finds(&mut client, "NOT BODY fifties 1:8", &[1, 2, 4, 5, 6, 8]).await;
}

#[tokio::test]
async fn the_first_and_the_last_hit_are_those_of_all() {
    let server = many(400).await;
    let mut client = server.select().await;
    for (returns, keys, told) in [
        ("MIN", "BODY fifties", " MIN 3"),
        ("MAX", "BODY fifties", " MAX 353"),
        ("MIN MAX", "BODY fifties", " MIN 3 MAX 353"),
        ("MIN MAX COUNT", "BODY fifties", " MIN 3 MAX 353 COUNT 8"),
        ("MIN MAX", "OR 200 BODY fifties", " MIN 3 MAX 353"),
        ("MIN", "OR 1 BODY fifties", " MIN 1"),
        ("MAX", "OR 399 BODY fifties", " MAX 399"),
        ("MIN MAX", "BODY nothing", ""),
        ("MIN MAX", "BODY \"number 77 of\"", " MIN 77 MAX 77"),
        ("MAX", "SUBJECT seventh", " MAX 399"),
    ] {
        let expected = format!("C: r SEARCH RETURN ({returns}) {keys}\nS: * ESEARCH (TAG \"r\"){told}\nS: r OK …");
        client.says(&expected).await;
    }
    client
        .says("C: s SEARCH RETURN (SAVE MIN MAX) BODY fifties\nS: * ESEARCH (TAG \"s\") MIN 3 MAX 353\nS: s OK …")
        .await;
    finds(&mut client, "$", &[3, 353]).await;
}

#[tokio::test]
async fn headers_too_large_to_be_kept_are_searched_where_they_are() {
    let server = Server::start().await;
    let filler = "X-Filler: filler filler filler filler filler filler\r\n".repeat(8000);
    for (from, subject) in [("one", "alpha"), ("two", "beta")] {
        let raw = format!(
            "From: {from}@example.com\r\n{filler}Subject: {subject}\r\nX-Last: {subject}\r\n\r\nbody {from}\r\n"
        );
        server.append(INBOX, Vec::new(), raw).await;
        server
            .append(
                INBOX,
                Vec::new(),
                format!("From: {from}@example.com\r\n{}\r\n\r\nbody", "To: x@y\r\n".repeat(9000)),
            )
            .await;
    }
    server.append(INBOX, Vec::new(), "Subject: alpha\r\n\r\nsmall\r\n").await;
    let mut client = server.select().await;
    for (keys, numbers) in [
        ("SUBJECT alpha", &[1, 5][..]),
        ("SUBJECT beta BODY two", &[3]),
        ("HEADER X-Last alpha", &[1]),
        ("NOT HEADER X-Filler \"\"", &[2, 4, 5]),
        ("FROM two TO x@", &[4]),
        ("BCC \"\"", &[]),
        ("NOT SUBJECT alpha TEXT \"x-last: beta\"", &[3]),
    ] {
        finds(&mut client, keys, numbers).await;
    }
}
