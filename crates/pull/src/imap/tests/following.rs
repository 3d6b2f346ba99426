//! The second run.

use super::*;
use crate::imap::options::{Consent, ImapMode};

const ONE: &[u8] = b"Message-ID: <1@x>\r\n\r\none\0\r\n";
const TWO: &[u8] = b"Message-ID: <2@x>\r\n\r\ntwo\r\n";
const THREE: &[u8] = b"Message-ID: <3@x>\r\n\r\nthree\r\n";

const LITERALS: &[(&str, &[u8])] = &[
    ("one", ONE),
    ("two", TWO),
    ("three", THREE),
    ("id1", b"Message-ID: <1@x>\r\n\r\n"),
    ("id2", b"Message-ID: <2@x>\r\n\r\n"),
    ("id3", b"Message-ID: <3@x>\r\n\r\n"),
];

/// Two messages, from a server that has nothing but IMAP4rev1.
const FIRST: &str = r#"
    C: P1 CAPABILITY
    S: * CAPABILITY IMAP4rev1
    S: P1 OK done
    C: P2 LIST "" "*"
    S: * LIST () "/" INBOX
    S: P2 OK done
    C: P3 EXAMINE "INBOX"
    S: * 2 EXISTS
    S: * 0 RECENT
    S: * OK [UIDVALIDITY 7] valid
    S: P3 OK [READ-ONLY] done
    C: P4 UID FETCH 1:* (UID FLAGS)
    S: * 1 FETCH (UID 4 FLAGS (\Seen \Deleted))
    S: * 2 FETCH (UID 6 FLAGS (\Recent work))
    S: P4 OK done
    C: P5 UID FETCH 4,6 (UID FLAGS INTERNALDATE RFC822.SIZE)
    S: * 1 FETCH (UID 4 FLAGS (\Seen \Deleted) INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 27)
    S: * 2 FETCH (UID 6 FLAGS (work) INTERNALDATE " 6-Jan-2026 10:00:00 +0100" RFC822.SIZE 26)
    S: P5 OK done
    C: P6 UID FETCH 4,6 (UID BODY.PEEK[])
    S: * 1 FETCH (UID 4 BODY[] <one>)
    S: * 9 EXISTS
    S: * 2 FETCH (BODY[] <two> UID 6)
    S: P6 OK done
"#;

async fn after_the_first_run(mode: ImapMode) -> World {
    let world = World::new(ImapPullOptions { mode, ..ImapPullOptions::default() }).await;
    let report = world.run(&Script { text: FIRST, literals: LITERALS }).await;
    assert!(report.is_complete(), "{report:#?}");
    world
}

fn text(content: &[u8]) -> String {
    String::from_utf8_lossy(content).into_owned()
}

#[tokio::test]
async fn everything_is_taken_as_it_is_and_an_archive_takes_no_deleted_flag() {
    let world = after_the_first_run(ImapMode::Archive).await;
    let expected = vec![(1, text(ONE), "Seen".to_owned()), (2, text(TWO), "Keyword(\"work\")".to_owned())];
    assert_eq!(world.messages("INBOX").await, expected);
    let world = after_the_first_run(ImapMode::Mirror).await;
    assert_eq!(world.messages("INBOX").await[0].2, "Deleted Seen");
    let inbox = world.account.mailbox(world.account.state().find("INBOX").unwrap().id).await.unwrap();
    assert_eq!(inbox.messages().unwrap().get(1).unwrap().received, 1_767_603_600);
}

#[tokio::test]
async fn condstore_tells_what_changed_and_a_search_what_vanished() {
    let world = after_the_first_run(ImapMode::Mirror).await;
    let second = r#"
        C: P1 CAPABILITY
        S: * CAPABILITY IMAP4rev1 CONDSTORE
        S: P1 OK done
        C: P2 LIST "" "*"
        S: * LIST () "/" INBOX
        S: P2 OK done
        C: P3 EXAMINE "INBOX" (CONDSTORE)
        S: * 2 EXISTS
        S: * OK [UIDVALIDITY 7] valid
        S: * OK [HIGHESTMODSEQ 90] so far
        S: P3 OK done
        C: P4 UID FETCH 1:* (UID FLAGS)
        S: * 1 FETCH (UID 4 FLAGS (\Seen))
        S: * 2 FETCH (UID 6 FLAGS (work))
        S: P4 OK done
    "#;
    assert!(world.run(&Script { text: second, literals: LITERALS }).await.is_complete());
    assert_eq!(world.messages("INBOX").await[0].2, "Seen");
    let third = r#"
        C: P1 CAPABILITY
        S: * CAPABILITY IMAP4rev1 CONDSTORE
        S: P1 OK done
        C: P2 LIST "" "*"
        S: * LIST () "/" INBOX
        S: P2 OK done
        C: P3 EXAMINE "INBOX" (CONDSTORE)
        S: * 2 EXISTS
        S: * OK [UIDVALIDITY 7] valid
        S: * OK [HIGHESTMODSEQ 95] so far
        S: P3 OK done
        C: P4 UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 90)
        S: * 2 FETCH (UID 9 FLAGS () MODSEQ (93))
        S: P4 OK done
        C: P5 UID SEARCH ALL
        S: * SEARCH 6 9
        S: P5 OK done
        C: P6 UID FETCH 9 (UID FLAGS INTERNALDATE RFC822.SIZE)
        S: * 2 FETCH (UID 9 FLAGS () INTERNALDATE " 7-Jan-2026 10:00:00 +0100" RFC822.SIZE 28)
        S: P6 OK done
        C: P7 UID FETCH 9 (UID BODY.PEEK[])
        S: * 2 FETCH (UID 9 BODY[] <three>)
        S: P7 OK done
    "#;
    let report = world.run(&Script { text: third, literals: LITERALS }).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!((report.mailboxes[0].removed, report.fetched()), (1, 1));
    assert_eq!(world.messages("INBOX").await.iter().map(|(uid, _, _)| *uid).collect::<Vec<_>>(), [2, 3]);
    let fourth = r#"
        C: P1 CAPABILITY
        S: * CAPABILITY IMAP4rev1 CONDSTORE
        S: P1 OK done
        C: P2 LIST "" "*"
        S: * LIST () "/" INBOX
        S: P2 OK done
        C: P3 EXAMINE "INBOX" (CONDSTORE)
        S: * 2 EXISTS
        S: * OK [UIDVALIDITY 7] valid
        S: * OK [HIGHESTMODSEQ 95] so far
        S: P3 OK done
    "#;
    assert!(world.run(&Script { text: fourth, literals: LITERALS }).await.is_complete());
}

#[tokio::test]
async fn qresync_tells_all_in_one_answer_and_is_not_believed_if_it_does_not_add_up() {
    let world = after_the_first_run(ImapMode::Mirror).await;
    let head = r#"
        C: P1 CAPABILITY
        S: * CAPABILITY IMAP4rev1 ENABLE CONDSTORE QRESYNC
        S: P1 OK done
        C: P2 ENABLE CONDSTORE QRESYNC
        S: * ENABLED CONDSTORE QRESYNC
        S: P2 OK done
        C: P3 LIST "" "*"
        S: * LIST () "/" INBOX
        S: P3 OK done
    "#;
    let second = r#"
        C: P4 EXAMINE "INBOX" (CONDSTORE)
        S: * 2 EXISTS
        S: * OK [UIDVALIDITY 7] valid
        S: * OK [HIGHESTMODSEQ 50] so far
        S: P4 OK done
        C: P5 UID FETCH 1:* (UID FLAGS)
        S: * 1 FETCH (UID 4 FLAGS (\Seen))
        S: * 2 FETCH (UID 6 FLAGS (work))
        S: P5 OK done
    "#;
    assert!(world.run(&Script { text: &format!("{head}{second}"), literals: LITERALS }).await.is_complete());
    let third = r#"
        C: P4 EXAMINE "INBOX" (QRESYNC (7 50))
        S: * 1 EXISTS
        S: * OK [UIDVALIDITY 7] valid
        S: * OK [HIGHESTMODSEQ 60] so far
        S: * VANISHED (EARLIER) 1:5
        S: * 1 FETCH (UID 6 FLAGS (\Flagged) MODSEQ (58))
        S: P4 OK done
    "#;
    let report = world.run(&Script { text: &format!("{head}{third}"), literals: LITERALS }).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!(world.messages("INBOX").await, [(2, text(TWO), "Flagged".to_owned())]);
    // The server claims that all vanished, and that there is one message.
    let fourth = r#"
        C: P4 EXAMINE "INBOX" (QRESYNC (7 60))
        S: * 1 EXISTS
        S: * OK [UIDVALIDITY 7] valid
        S: * OK [HIGHESTMODSEQ 61] so far
        S: * VANISHED (EARLIER) 1:9
        S: P4 OK done
        C: P5 UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 60)
        S: P5 OK done
    "#;
    assert!(world.run(&Script { text: &format!("{head}{fourth}"), literals: LITERALS }).await.is_complete());
    assert_eq!(world.messages("INBOX").await.len(), 1);
}

#[tokio::test]
async fn new_numbers_are_matched_by_size_date_and_message_id() {
    let world = after_the_first_run(ImapMode::Mirror).await;
    let second = r#"
        C: P1 CAPABILITY
        S: * CAPABILITY IMAP4rev1
        S: P1 OK done
        C: P2 LIST "" "*"
        S: * LIST () "/" INBOX
        S: P2 OK done
        C: P3 EXAMINE "INBOX"
        S: * 2 EXISTS
        S: * OK [UIDVALIDITY 8] valid
        S: P3 OK done
        C: P4 UID SEARCH ALL
        S: * SEARCH 1 2
        S: P4 OK done
        C: P5 UID FETCH 1:2 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)])
        S: * 1 FETCH (UID 1 FLAGS (\Answered) INTERNALDATE " 6-Jan-2026 10:00:00 +0100" RFC822.SIZE 26 BODY[HEADER.FIELDS ("Message-ID")] <id2>)
        S: * 2 FETCH (UID 2 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:01 +0100" RFC822.SIZE 27 BODY[HEADER.FIELDS ("Message-ID")] <id1>)
        S: P5 OK done
        C: P6 UID FETCH 1:* (UID FLAGS)
        S: * 1 FETCH (UID 1 FLAGS (\Answered))
        S: * 2 FETCH (UID 2 FLAGS (\Seen))
        S: P6 OK done
        C: P7 UID FETCH 2 (UID FLAGS INTERNALDATE RFC822.SIZE)
        S: * 2 FETCH (UID 2 FLAGS (\Seen) INTERNALDATE " 5-Jan-2026 10:00:01 +0100" RFC822.SIZE 27)
        S: P7 OK done
        C: P8 UID FETCH 2 (UID BODY.PEEK[])
        S: * 2 FETCH (UID 2 BODY[] <one>)
        S: P8 OK done
    "#;
    let report = world.run(&Script { text: second, literals: LITERALS }).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!((report.mailboxes[0].recognised, report.fetched()), (2, 0), "one by likeness, one by content");
    let found = world.messages("INBOX").await;
    assert_eq!(found.iter().map(|(uid, _, _)| *uid).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(found[1].2, "Answered");
}

#[tokio::test]
async fn what_the_new_numbers_leave_out_goes_only_with_consent() {
    let mut world = after_the_first_run(ImapMode::Mirror).await;
    let empty = |validity: u32| {
        format!(
            "C: P1 CAPABILITY
            S: * CAPABILITY IMAP4rev1
            S: P1 OK done
            C: P2 LIST \"\" \"*\"
            S: * LIST () \"/\" INBOX
            S: P2 OK done
            C: P3 EXAMINE \"INBOX\"
            S: * 0 EXISTS
            S: * OK [UIDVALIDITY {validity}] valid
            S: P3 OK done"
        )
    };
    let renumbered = format!("{}\nC: P4 UID SEARCH ALL\nS: * SEARCH\nS: P4 OK done", empty(8));
    let report = world.run(&Script { text: &renumbered, literals: LITERALS }).await;
    assert!(!report.is_complete(), "{report:#?}");
    assert_eq!(world.messages("INBOX").await.len(), 2);
    world.options.consent = Consent::Given;
    let report = world.run(&Script { text: &empty(8), literals: LITERALS }).await;
    assert!(report.is_complete(), "{report:#?}");
    assert!(world.messages("INBOX").await.is_empty());
}

#[tokio::test]
async fn a_server_that_was_set_back_is_not_believed_to_mean_the_same_by_a_uid() {
    let world = after_the_first_run(ImapMode::Archive).await;
    // UID 6 was lost there and is now another message.
    let second = r#"
        C: P1 CAPABILITY
        S: * CAPABILITY IMAP4rev1
        S: P1 OK done
        C: P2 LIST "" "*"
        S: * LIST () "/" INBOX
        S: P2 OK done
        C: P3 EXAMINE "INBOX"
        S: * 1 EXISTS
        S: * OK [UIDVALIDITY 7] valid
        S: * OK [UIDNEXT 5] next
        S: P3 OK done
        C: P4 UID SEARCH ALL
        S: * SEARCH 4
        S: P4 OK done
        C: P5 UID FETCH 4 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)])
        S: * 1 FETCH (UID 4 FLAGS () INTERNALDATE " 7-Jan-2026 10:00:00 +0100" RFC822.SIZE 28 BODY[HEADER.FIELDS (Message-ID)] <id3>)
        S: P5 OK done
        C: P6 UID FETCH 1:* (UID FLAGS)
        S: * 1 FETCH (UID 4 FLAGS ())
        S: P6 OK done
        C: P7 UID FETCH 4 (UID FLAGS INTERNALDATE RFC822.SIZE)
        S: * 1 FETCH (UID 4 FLAGS () INTERNALDATE " 7-Jan-2026 10:00:00 +0100" RFC822.SIZE 28)
        S: P7 OK done
        C: P8 UID FETCH 4 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 4 BODY[] <three>)
        S: P8 OK done
    "#;
    let report = world.run(&Script { text: second, literals: LITERALS }).await;
    assert!(report.is_complete(), "{report:#?}");
    let contents: Vec<String> = world.messages("INBOX").await.into_iter().map(|(_, content, _)| content).collect();
    assert_eq!(contents, [text(ONE), text(TWO), text(THREE)]);
}

#[tokio::test]
async fn what_a_server_says_cannot_command_a_terminal() {
    let world = World::new(ImapPullOptions::default()).await;
    let script = "
        C: P1 CAPABILITY
        S: * CAPABILITY IMAP4rev1
        S: P1 OK done
        C: P2 LIST \"\" \"*\"
        S: * LIST () \"/\" INBOX
        S: P2 OK done
        C: P3 EXAMINE \"INBOX\"
        S: P3 NO \u{1b}[2J gone
    ";
    let report = world.run(&Script { text: script, literals: &[] }).await;
    assert!(!report.is_complete());
    assert!(remarks(&report).iter().all(|remark| !remark.contains('\u{1b}')), "{report:#?}");
}
