//! Servers that are not at their best.

use super::*;
use crate::PullError;
use crate::imap::options::{ImapMode, Verification};

const GOOD: &[u8] = b"Message-ID: <1@x>\r\n\r\ngood\r\n";

const HEAD: &str = r#"
    C: P1 CAPABILITY
    S: * CAPABILITY IMAP4rev1
    S: P1 OK done
    C: P2 LIST "" "*"
    S: * LIST () "/" INBOX
    S: P2 OK done
    C: P3 EXAMINE "INBOX"
    S: * 3 EXISTS
    S: * OK [UIDVALIDITY 7] valid
    S: P3 OK done
    C: P4 UID FETCH 1:* (UID FLAGS)
    S: * 1 FETCH (UID 1 FLAGS ())
    S: * 2 FETCH (UID 2 FLAGS ())
    S: * 3 FETCH (UID 3 FLAGS ())
    S: P4 OK done
    C: P5 UID FETCH 1:3 (UID FLAGS INTERNALDATE RFC822.SIZE)
    S: * 1 FETCH (UID 1 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 27)
    S: * 2 FETCH (UID 2 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 4)
    S: * 3 FETCH (UID 3 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 27)
    S: P5 OK done
"#;

async fn run_with(rest: &str, literals: &[(&str, &[u8])], options: ImapPullOptions) -> (World, ImapReport) {
    let world = World::new(options).await;
    let report = world.run(&Script { text: &format!("{HEAD}{rest}"), literals }).await;
    (world, report)
}

#[tokio::test]
async fn a_message_that_is_left_out_is_asked_for_again_and_then_reported() {
    let rest = r#"
        C: P6 UID FETCH 1:3 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] <good>)
        S: * 3 FETCH (UID 3 BODY[] NIL)
        S: P6 OK done
        C: P7 UID FETCH 2 (UID BODY.PEEK[])
        C: P8 UID FETCH 3 (UID BODY.PEEK[])
        S: * 2 FETCH (UID 2 BODY[] <good>)
        S: P7 OK done
        S: * 3 FETCH (UID 3 BODY[] "")
        S: P8 OK done
        C: P9 UID SEARCH ALL
        S: * SEARCH 1 2 3
        S: P9 OK done
    "#;
    let (world, report) = run_with(rest, &[("good", GOOD)], ImapPullOptions::default()).await;
    assert!(!report.is_complete());
    assert_eq!(world.messages("INBOX").await.len(), 2);
    let told = remarks(&report).join("\n");
    assert!(told.contains("UID 2: the server says that it has 4 bytes, but it has 27"), "{told}");
    assert!(told.contains("UID 3 was not fetched"), "{told}");
}

#[tokio::test]
async fn a_message_that_is_expunged_meanwhile_is_no_loss() {
    let rest = r#"
        C: P6 UID FETCH 1:3 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] <good>)
        S: * 2 EXPUNGE
        S: * 2 FETCH (UID 3 BODY[] <good>)
        S: P6 NO some of the messages no longer exist
        C: P7 UID FETCH 2 (UID BODY.PEEK[])
        S: P7 OK done
        C: P8 UID SEARCH ALL
        S: * SEARCH 1 3
        S: P8 OK done
    "#;
    let (world, report) = run_with(rest, &[("good", GOOD)], ImapPullOptions::default()).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!(world.messages("INBOX").await.len(), 2);
}

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_it() {
    let rest = r#"
        C: P6 UID FETCH 1:3 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] <good>)
        S: P6 NO [LIMIT] slow down
        C: P7 UID FETCH 2:3 (UID BODY.PEEK[])
        S: * 2 FETCH (UID 2 BODY[] <good>)
        S: P7 NO Request is throttled. Suggested Backoff Time: 2 milliseconds
        C: P8 UID FETCH 3 (UID BODY.PEEK[])
        S: * 3 FETCH (UID 3 BODY[] <good>)
        S: P8 OK done
    "#;
    let (world, report) = run_with(rest, &[("good", GOOD)], ImapPullOptions::default()).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!((world.messages("INBOX").await.len(), report.fetched()), (3, 3));
}

#[tokio::test]
async fn a_goodbye_ends_the_run_early_and_the_report_says_what_was_said() {
    let rest = r#"
        C: P6 UID FETCH 1:3 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] <good>)
        S: * BYE we close at five
    "#;
    let (_, report) = run_with(rest, &[("good", GOOD)], ImapPullOptions::default()).await;
    assert!(!report.is_complete());
    let Some(PullError::Temporary { text }) = report.ended_early else { panic!("{:?}", report.ended_early) };
    assert_eq!(text, "we close at five");
}

#[tokio::test]
async fn large_messages_come_alone_and_those_too_large_are_told() {
    let large = vec![b'x'; 300_000];
    let rest = r#"
        C: P6 UID FETCH 1:3 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] <large>)
        S: * 2 FETCH (UID 2 BODY[] <larger>)
        S: * 3 FETCH (UID 3 BODY[] <good>)
        S: P6 OK done
    "#;
    let larger = vec![b'y'; 300_001];
    let options = ImapPullOptions { message_bytes_max: 300_000, group_bytes_max: 1000, ..ImapPullOptions::default() };
    let literals: [(&str, &[u8]); 3] = [("large", &large), ("larger", &larger), ("good", GOOD)];
    let (world, report) = run_with(rest, &literals, options).await;
    assert_eq!(world.messages("INBOX").await.iter().map(|message| message.1.len()).collect::<Vec<_>>(), [300_000, 27]);
    assert!(remarks(&report).join("\n").contains("UID 2 was not fetched: with 300001 bytes"), "{report:#?}");
    assert!(!report.is_complete());
}

#[tokio::test]
async fn a_list_of_messages_that_is_not_whole_removes_nothing() {
    let rest = r#"
        C: P6 UID FETCH 1:3 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] <good>)
        S: * 2 FETCH (UID 2 BODY[] <good>)
        S: * 3 FETCH (UID 3 BODY[] <good>)
        S: P6 OK done
    "#;
    let mirror = ImapPullOptions { mode: ImapMode::Mirror, ..ImapPullOptions::default() };
    let (world, report) = run_with(rest, &[("good", GOOD)], mirror).await;
    assert!(report.is_complete());
    let second = r#"
        C: P1 CAPABILITY
        S: * CAPABILITY IMAP4rev1
        S: P1 OK done
        C: P2 LIST "" "*"
        S: * LIST () "/" INBOX
        S: P2 OK done
        C: P3 EXAMINE "INBOX"
        S: * 3 EXISTS
        S: * OK [UIDVALIDITY 7] valid
        S: P3 OK done
        C: P4 UID FETCH 1:* (UID FLAGS)
        S: * 1 FETCH (UID 1 FLAGS ())
        S: P4 OK done
        C: P5 UID SEARCH ALL
        S: * SEARCH 1 2
        S: P5 OK done
    "#;
    let report = world.run(&Script { text: second, literals: &[] }).await;
    assert!(!report.is_complete(), "{report:#?}");
    assert_eq!(world.messages("INBOX").await.len(), 3);
    // A list of mailboxes without INBOX is not whole either.
    let third = r#"
        C: P1 CAPABILITY
        S: * CAPABILITY IMAP4rev1
        S: P1 OK done
        C: P2 LIST "" "*"
        S: P2 OK done
    "#;
    let report = world.run(&Script { text: third, literals: &[] }).await;
    assert_eq!(world.messages("INBOX").await.len(), 3);
    assert!(!report.is_complete(), "{report:#?}");
}

#[tokio::test]
async fn a_difference_in_content_is_named() {
    let rest = r#"
        C: P6 UID FETCH 1:3 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] <good>)
        S: * 2 FETCH (UID 2 BODY[] <good>)
        S: * 3 FETCH (UID 3 BODY[] <good>)
        S: P6 OK done
        C: P7 EXAMINE "INBOX"
        S: * 3 EXISTS
        S: * OK [UIDVALIDITY 7] valid
        S: P7 OK done
        C: P8 UID SEARCH ALL
        S: * SEARCH 1 2 3
        S: P8 OK done
        C: P9 UID FETCH 1:3 (UID FLAGS INTERNALDATE RFC822.SIZE)
        S: * 1 FETCH (UID 1 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 27)
        S: * 2 FETCH (UID 2 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 27)
        S: * 3 FETCH (UID 3 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 27)
        S: P9 OK done
        C: P10 UID FETCH 1:3 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] <good>)
        S: * 2 FETCH (UID 2 BODY[] <other>)
        S: * 3 FETCH (UID 3 BODY[] <good>)
        S: P10 OK done
    "#;
    let literals: [(&str, &[u8]); 2] = [("good", GOOD), ("other", b"Message-ID: <1@x>\r\n\r\ngOod\r\n")];
    let options = ImapPullOptions { verification: Verification::Content, ..ImapPullOptions::default() };
    let (_, report) = run_with(rest, &literals, options).await;
    assert!(!report.is_complete());
    assert_eq!(report.mailboxes[0].verified, 2);
    assert!(remarks(&report).join("\n").contains("differs: UID 2"), "{report:#?}");
}

#[tokio::test]
async fn a_message_that_the_server_refuses_does_not_keep_the_others_away() {
    let rest = r#"
        C: P6 UID FETCH 1:3 (UID BODY.PEEK[])
        S: P6 NO [SERVERBUG2] cannot read
        C: P7 UID FETCH 1 (UID BODY.PEEK[])
        C: P8 UID FETCH 2 (UID BODY.PEEK[])
        S: P7 NO cannot read
        C: P9 UID FETCH 3 (UID BODY.PEEK[])
        S: * 2 FETCH (UID 2 BODY[] <good>)
        S: P8 OK done
        S: * 3 FETCH (UID 3 BODY[] <good>)
        S: P9 OK done
        C: P10 UID SEARCH ALL
        S: * SEARCH 1 2 3
        S: P10 OK done
    "#;
    let (world, report) = run_with(rest, &[("good", GOOD)], ImapPullOptions::default()).await;
    assert_eq!(world.messages("INBOX").await.len(), 2);
    assert!(!report.is_complete());
    assert!(remarks(&report).join("\n").contains("UID 1 was not fetched"), "{report:#?}");
}
