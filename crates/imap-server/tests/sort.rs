//! SORT (RFC 5256, RFC 5267 §3, RFC 5957).

mod common;

use common::{NOW, Server};
use postrider_store::INBOX;

/// Messages that each criterion puts into an order of its own.
async fn letters() -> Server {
    let server = Server::start().await;
    for (arrival, raw) in [
        (
            50,
            "Date: Mon, 1 Jan 2024 12:00:00 +0000\r\nFrom: Zoe <anna@example.com>\r\nTo: y@x\r\nCc: c@x\r\n\
             Subject: Re: zebra\r\n\r\nlonger than all others, by far\r\n",
        ),
        // Later by its clock, earlier in UTC.
        (
            40,
            "Date: Mon, 1 Jan 2024 13:00:00 +0200\r\nFrom: bob@example.com\r\nTo: Xaver <z@x>\r\n\
             Subject: [list] =?utf-8?q?=C3=84pfel?=\r\n\r\nb\r\n",
        ),
        // No date: the moment of its arrival counts. No To, no Cc: they are empty and come first.
        (-10_000_000, "From: \"carl\" <Bob@example.com>\r\nSubject: Apfel\r\n\r\nccc\r\n"),
        (
            30,
            "Date: Tue, 2 Jan 2024 12:00:00 +0000\r\nFrom: =?utf-8?q?=C3=81d=C3=A1m?= <dora@example.com>\r\n\
             To: z@a\r\nCc: A@x\r\nSubject: ZEBRA\r\n\r\ndddd\r\n",
        ),
    ] {
        server.set_clock(NOW + arrival);
        server.append(INBOX, Vec::new(), raw).await;
    }
    server.set_clock(NOW + 100);
    server
}

#[tokio::test]
async fn every_criterion_has_its_order() {
    let server = letters().await;
    let mut client = server.select().await;
    for (criteria, order) in [
        ("ARRIVAL", "3 4 2 1"),
        ("REVERSE ARRIVAL", "1 2 4 3"),
        ("DATE", "3 2 1 4"),
        ("REVERSE DATE", "4 1 2 3"),
        ("SIZE", "3 2 4 1"),
        ("REVERSE SIZE", "1 4 2 3"),
        // Base subjects; `Ä` is an `A` with a mark behind it, so `Äpfel` comes after `Apfel` and before `Z`.
        ("SUBJECT", "3 2 1 4"),
        // Of equal subjects the mailbox's order stays (RFC 5256 §3).
        ("REVERSE SUBJECT", "1 4 2 3"),
        ("SUBJECT REVERSE DATE", "3 2 4 1"),
        // anna, bob, Bob, dora
        ("FROM", "1 2 3 4"),
        ("FROM REVERSE ARRIVAL", "1 2 3 4"),
        ("FROM ARRIVAL", "1 3 2 4"),
        // none, y, z, z
        ("TO", "3 1 2 4"),
        ("CC", "2 3 4 1"),
        // Ádám, bob@example.com, carl, Zoe
        ("DISPLAYFROM", "4 2 3 1"),
        ("REVERSE DISPLAYFROM", "1 3 2 4"),
        // none, Xaver, y@x, z@a
        ("DISPLAYTO", "3 2 1 4"),
        // What is said twice counts where it stands first.
        ("REVERSE DATE SUBJECT DATE", "4 1 2 3"),
    ] {
        let text = format!("C: a SORT ({criteria}) UTF-8 ALL\nS: * SORT {order}\nS: a OK …");
        client.says(&text).await;
    }
}

#[tokio::test]
async fn sort_searches_first() {
    letters()
        .await
        .selected(
            r#"
            C: 1 STORE 1,3 +FLAGS.SILENT (\Flagged)
            S: 1 OK …
            C: 2 SORT (SUBJECT) US-ASCII FLAGGED
            S: * SORT 3 1
            S: 2 OK …
            C: 3 SORT (REVERSE DATE) UTF-8 SUBJECT "äpfel"
            S: * SORT 2
            S: 3 OK …
            C: 4 SORT (DATE) UTF-8 OR 1 (2 SUBJECT zebra)
            S: * SORT 1
            S: 4 OK …
            C: 5 SORT (DATE) UTF-8 TEXT "not in mailbox"
            S: * SORT
            S: 5 OK …
            C: 6 SORT (DATE) X-NONE ALL
            S: 6 NO [BADCHARSET (US-ASCII UTF-8 ISO-8859-1)] …
            C: 7 SORT (DATE) US-ASCII SUBJECT "äpfel"
            S: 7 NO [BADCHARSET …
            C: 8 SORT (DATE) UTF-8 9
            S: 8 BAD …
            C: 9 SORT (NOSUCH) UTF-8 ALL
            S: 9 BAD …
            C: 10 SORT (DATE) ALL
            S: 10 BAD …
            "#,
        )
        .await;
}

#[tokio::test]
async fn uid_sort_tells_uids_and_takes_sequence_numbers() {
    letters()
        .await
        .selected(
            r"
            C: 1 STORE 1 +FLAGS.SILENT (\Deleted)
            S: 1 OK …
            C: 2 EXPUNGE
            S: * 1 EXPUNGE
            S: 2 OK …
            C: 3 SORT (REVERSE DATE) UTF-8 ALL
            S: * SORT 3 1 2
            S: 3 OK …
            C: 4 UID SORT (REVERSE DATE) UTF-8 1:2
            S: * SORT 2 3
            S: 4 OK …
            C: 5 UID SORT (REVERSE DATE) UTF-8 UID 4
            S: * SORT 4
            S: 5 OK …
            ",
        )
        .await;
}

#[tokio::test]
async fn an_extended_sort_is_answered_in_the_order_it_has() {
    let server = letters().await;
    let mut client = server.select().await;
    // RFC 5267 §3.1: MIN and MAX are the ends of the sorted messages.
    for (returns, told) in [
        ("", " ALL 4,1:3"),
        ("ALL", " ALL 4,1:3"),
        ("MIN", " MIN 4"),
        ("MAX", " MAX 3"),
        ("COUNT", " COUNT 4"),
        ("COUNT MAX ALL MIN", " MIN 4 MAX 3 ALL 4,1:3 COUNT 4"),
    ] {
        for (command, numbers) in [("SORT", ""), ("UID SORT", " UID")] {
            let text = format!(
                "C: a {command} RETURN ({returns}) (REVERSE DATE) UTF-8 ALL\n\
                 S: * ESEARCH (TAG \"a\"){numbers}{told}\nS: a OK …"
            );
            client.says(&text).await;
        }
    }
    // RFC 5267 §3.2: a range means ascending numbers, so descending ones stand alone.
    client.says("C: b SORT RETURN () (DATE) UTF-8 ALL\nS: * ESEARCH (TAG \"b\") ALL 3,2,1,4\nS: b OK …").await;
    for (returns, told) in [("", ""), ("MIN MAX ALL COUNT", " COUNT 0"), ("MIN", "")] {
        let text =
            format!("C: c SORT RETURN ({returns}) (DATE) UTF-8 ANSWERED\nS: * ESEARCH (TAG \"c\"){told}\nS: c OK …");
        client.says(&text).await;
    }
    client.says("C: d SORT RETURN (UPDATE) (DATE) UTF-8 ALL\nS: d BAD …").await;
}

#[tokio::test]
async fn the_result_of_a_sort_can_be_saved() {
    let server = letters().await;
    let mut client = server.select().await;
    for (returns, told, saved) in [
        ("SAVE", "", "1 2 3 4"),
        ("SAVE ALL", "S: * ESEARCH (TAG \"a\") ALL 4,1:3\n", "1 2 3 4"),
        ("SAVE MIN", "S: * ESEARCH (TAG \"a\") MIN 4\n", "4"),
        ("SAVE MIN MAX", "S: * ESEARCH (TAG \"a\") MIN 4 MAX 3\n", "3 4"),
        ("SAVE MIN COUNT", "S: * ESEARCH (TAG \"a\") MIN 4 COUNT 4\n", "1 2 3 4"),
    ] {
        let text = format!(
            "C: a SORT RETURN ({returns}) (REVERSE DATE) UTF-8 ALL\n{told}S: a OK …\n\
             C: b SEARCH $\nS: * SEARCH {saved}\nS: b OK …\n\
             C: c UID SORT (DATE) UTF-8 $ 1:2\nS…\nS: c OK …"
        );
        client.says(&text).await;
    }
    // RFC 5182 §2.1: a command that fails leaves nothing.
    client
        .says(
            "C: d SORT RETURN (SAVE) (DATE) X-NONE ALL\nS: d NO [BADCHARSET …\n\
             C: e SORT (DATE) UTF-8 $\nS: * SORT\nS: e OK …",
        )
        .await;
}

#[tokio::test]
async fn sorting_by_mod_sequence_tells_the_highest() {
    // RFC 7162 §3.1.9 and §3.1.10
    let server = letters().await;
    let mut client = server.select().await;
    let answer = client.exchange("a", b"a SORT (REVERSE DATE) UTF-8 MODSEQ 1\r\n").await;
    let answer = String::from_utf8(answer).unwrap();
    let modseq = |text: &str, before: &str| -> u64 {
        let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{text:?}"));
        rest.split(|letter: char| !letter.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    let highest = modseq(&answer, "* SORT 4 1 2 3 (MODSEQ ");
    let answer = client.exchange("b", b"b SORT RETURN (MIN MAX) (DATE) UTF-8 MODSEQ 1 NOT 4\r\n").await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(modseq(&answer, "* ESEARCH (TAG \"b\") MIN 3 MAX 1 MODSEQ ") < highest);
    client.says("C: c SORT (DATE) UTF-8 MODSEQ 99999999\nS: * SORT\nS: c OK …").await;
}

#[tokio::test]
async fn a_sort_is_a_sort_in_every_dialect() {
    let server = letters().await;
    // Rev2 answers SEARCH with ESEARCH, but SORT as RFC 5256 has it; its charset stays with UTF8=ACCEPT, too.
    let mut client = server.select_with("IMAP4rev2 UTF8=ACCEPT").await;
    client.says("C: a SORT (SUBJECT) UTF-8 ALL\nS: * SORT 3 2 1 4\nS: a OK …").await;
    let mut client = server.login().await;
    client.says("C: b SORT (SUBJECT) UTF-8 ALL\nS: b BAD …\nC: c THREAD REFERENCES UTF-8 ALL\nS: c BAD …").await;
}

#[tokio::test]
async fn no_expunge_is_told_beside_a_sort_but_beside_a_uid_sort() {
    let server = Server::with_messages(3).await;
    let mut client = server.select().await;
    server.selected("C: a STORE 1 +FLAGS.SILENT (\\Deleted)\nS: a OK …\nC: b EXPUNGE\nS…\nS: b OK …").await;
    client
        .says(
            "C: c SORT (REVERSE SUBJECT) UTF-8 ALL\nS: * SORT 3 2 1\nS: c OK …\n\
             C: d THREAD REFERENCES UTF-8 2:3\nS: * THREAD (2)(3)\nS: d OK …\n\
             C: e UID SORT (REVERSE SUBJECT) UTF-8 ALL\nS: * SORT 3 2 1\nS: * 1 EXPUNGE\nS: e OK …\n\
             C: f UID SORT (REVERSE SUBJECT) UTF-8 ALL\nS: * SORT 3 2\nS: f OK …",
        )
        .await;
}

#[tokio::test]
async fn a_large_mailbox_is_sorted_as_a_small_one() {
    // Enough for the thread that is meant for long work.
    const MESSAGES: u32 = 9_000;
    let server = Server::start().await;
    let account = server.account(common::ALICE).await;
    let inbox = account.state().find(INBOX).unwrap().id;
    let mut batch = Vec::new();
    for number in 0..MESSAGES {
        let raw = format!(
            "Message-ID: <{number}@x>\r\nReferences: <{}@x>\r\nSubject: s\r\n\r\n",
            if number % 100 == 0 { MESSAGES } else { number - 1 }
        );
        batch.push(account.prepare(raw.into(), Vec::new(), NOW - i64::from(number)).await);
        if batch.len() == 500 {
            account.append(inbox, std::mem::take(&mut batch)).await.unwrap();
        }
    }
    let mut client = server.select().await;
    let expected: Vec<String> = (1..=MESSAGES).rev().map(|number| number.to_string()).collect();
    let text = format!("C: a SORT (DATE) UTF-8 ALL\nS: * SORT {}\nS: a OK …", expected.join(" "));
    client.says(&text).await;
    let threads = client.exchange("b", b"b THREAD REFERENCES UTF-8 ALL\r\n").await;
    let threads = String::from_utf8(threads).unwrap();
    // All answer to one message that is not there; each of its answers begins a chain.
    assert_eq!(threads.matches('(').count() as u32, MESSAGES / 100 + 1);
}
