//! From one server that follows a script to another.

use std::path::Path;

use super::*;
use crate::imap::migrate::{Journal, MigrationOptions, MigrationReport, run_migration};

const ONE: &[u8] = b"Message-ID: <1@x>\r\n\r\none\r\n";
const TWO: &[u8] = b"Message-ID: <2@x>\r\n\r\ntwo\r\n";
const LITERALS: &[(&str, &[u8])] =
    &[("one", ONE), ("two", TWO), ("id1", b"Message-ID: <1@x>\r\n\r\n"), ("id2", b"Message-ID: <2@x>\r\n\r\n")];

/// A server that has two messages, named the way of Courier.
const OLD: &str = r#"
    C: P1 CAPABILITY
    S: * CAPABILITY IMAP4rev1 NAMESPACE
    S: P1 OK done
    C: P2 NAMESPACE
    S: * NAMESPACE (("INBOX." ".")) NIL NIL
    S: P2 OK done
    C: P3 LIST "" "*"
    S: * LIST () "." INBOX
    S: * LIST () "." "INBOX.Work.&U,BTFw-"
    S: P3 OK done
    C: P4 LSUB "" "*"
    S: * LSUB () "." "INBOX.Work.&U,BTFw-"
    S: P4 OK done
    C: P5 EXAMINE "INBOX"
    S: * 0 EXISTS
    S: * OK [UIDVALIDITY 3] valid
    S: P5 OK done
    C: P6 EXAMINE "INBOX.Work.&U,BTFw-"
    S: * 2 EXISTS
    S: * OK [UIDVALIDITY 4] valid
    S: P6 OK done
    C: P7 UID FETCH 1:* (UID FLAGS)
    S: * 1 FETCH (UID 4 FLAGS (\Seen work))
    S: * 2 FETCH (UID 6 FLAGS ())
    S: P7 OK done
"#;

const FETCHED: &str = r#"
    C: P8 UID FETCH 4,6 (UID FLAGS INTERNALDATE RFC822.SIZE)
    S: * 1 FETCH (UID 4 FLAGS (\Seen work) INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26)
    S: * 2 FETCH (UID 6 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26)
    S: P8 OK done
    C: P9 UID FETCH 4,6 (UID BODY.PEEK[])
    S: * 1 FETCH (UID 4 BODY[] <one>)
    S: * 2 FETCH (UID 6 BODY[] <two>)
    S: P9 OK done
"#;

/// A server that takes no names but plain ones, and no keywords, and tells no UIDs.
const NEW: &str = r#"
    C: P1 CAPABILITY
    S: * CAPABILITY IMAP4rev1 LITERAL+
    S: P1 OK done
    C: P2 LIST "" "*"
    S: * LIST () "/" INBOX
    S: P2 OK done
    C: P3 SELECT "INBOX"
    S: * 0 EXISTS
    S: * OK [UIDVALIDITY 8] valid
    S: P3 OK done
    C: P4 CREATE "Work/&U,BTFw-"
    S: P4 NO no such letters
    C: P5 CREATE "Work/__"
    S: P5 OK done
    C: P6 SUBSCRIBE "Work/__"
    S: P6 OK done
    C: P7 SELECT "Work/__"
    S: * 0 EXISTS
    S: * OK [UIDVALIDITY 9] valid
    S: * OK [PERMANENTFLAGS (\Seen \Flagged)] limited
    S: P7 OK done
    C: P8 APPEND "Work/__" (\Seen) " 5-Jan-2026 09:00:00 +0000" {26+}
    C: @one
    C: P9 APPEND "Work/__" " 5-Jan-2026 09:00:00 +0000" {26+}
    C: @two
"#;

async fn migrate(folder: &Path, old: &str, new: &str) -> MigrationReport {
    let settings = ImapConnectionOptions { wait: std::time::Duration::from_millis(1), ..Default::default() };
    let (old, old_server) = Script { text: old, literals: LITERALS }.play();
    let (new, new_server) = Script { text: new, literals: LITERALS }.play();
    let (mut old, mut new) = (ImapConnection::new(old, settings), ImapConnection::new(new, settings));
    old.prepare_session().await.unwrap();
    new.prepare_session().await.unwrap();
    let mut journal = Journal::open(folder, "old", "new").unwrap();
    let mut options = MigrationOptions::default();
    options.fetching.quiet_time = std::time::Duration::from_millis(1);
    let report = run_migration(&mut old, &mut new, &mut journal, &options, &Silent).await;
    drop((old, new));
    old_server.await.unwrap();
    new_server.await.unwrap();
    report
}

#[tokio::test]
async fn names_and_keywords_that_the_new_server_refuses_are_mapped_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let answers = r#"
    S: P8 OK taken
    S: P9 OK taken
    C: P10 NOOP
    S: P10 OK done
    C: P11 UID SEARCH ALL
    S: * SEARCH 1 2
    S: P11 OK done
    C: P12 UID FETCH 1:2 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)])
    S: * 1 FETCH (UID 1 FLAGS (\Seen) INTERNALDATE " 5-Jan-2026 09:00:00 +0000" RFC822.SIZE 26 BODY[HEADER.FIELDS (Message-ID)] <id1>)
    S: * 2 FETCH (UID 2 FLAGS () INTERNALDATE " 5-Jan-2026 09:00:00 +0000" RFC822.SIZE 26 BODY[HEADER.FIELDS (Message-ID)] <id2>)
    S: P12 OK done
    "#;
    let described = r#"
    C: P10 UID FETCH 4,6 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)])
    S: * 1 FETCH (UID 4 FLAGS (\Seen work) INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26 BODY[HEADER.FIELDS (Message-ID)] <id1>)
    S: * 2 FETCH (UID 6 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26 BODY[HEADER.FIELDS (Message-ID)] <id2>)
    S: P10 OK done
    "#;
    let report = migrate(folder.path(), &format!("{OLD}{FETCHED}{described}"), &format!("{NEW}{answers}")).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!(report.copied(), 2);
    let said = format!("{:?}", report.mailboxes[1].remarks);
    assert!(said.contains("Work/__") && said.contains("work"), "{said}");
}

#[tokio::test]
async fn what_was_taken_without_an_answer_is_found_and_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let report = migrate(folder.path(), &format!("{OLD}{FETCHED}"), &format!("{NEW}S: P8 OK taken")).await;
    assert!(report.ended_early.is_some() && !report.is_complete());
    let new = r#"
    C: P1 CAPABILITY
    S: * CAPABILITY IMAP4rev1 LITERAL+
    S: P1 OK done
    C: P2 LIST "" "*"
    S: * LIST () "/" INBOX
    S: * LIST () "/" "Work/__"
    S: P2 OK done
    C: P3 SELECT "INBOX"
    S: * 0 EXISTS
    S: * OK [UIDVALIDITY 8] valid
    S: P3 OK done
    C: P4 SUBSCRIBE "Work/__"
    S: P4 OK done
    C: P5 SELECT "Work/__"
    S: * 2 EXISTS
    S: * OK [UIDVALIDITY 9] valid
    S: P5 OK done
    C: P6 UID SEARCH ALL
    S: * SEARCH 1 2
    S: P6 OK done
    C: P7 NOOP
    S: P7 OK done
    C: P8 UID SEARCH ALL
    S: * SEARCH 1 2
    S: P8 OK done
    C: P9 UID SEARCH ALL
    S: * SEARCH 1 2
    S: P9 OK done
    C: P10 UID FETCH 1:2 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)])
    S: * 1 FETCH (UID 1 FLAGS (\Seen) INTERNALDATE " 5-Jan-2026 09:00:00 +0000" RFC822.SIZE 26 BODY[HEADER.FIELDS (Message-ID)] <id1>)
    S: * 2 FETCH (UID 2 FLAGS () INTERNALDATE " 5-Jan-2026 09:00:00 +0000" RFC822.SIZE 26 BODY[HEADER.FIELDS (Message-ID)] <id2>)
    S: P10 OK done
    C: P11 NOOP
    S: P11 OK done
    C: P12 UID SEARCH ALL
    S: * SEARCH 1 2
    S: P12 OK done
    C: P13 UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)])
    S: * 1 FETCH (UID 1 FLAGS (\Seen) INTERNALDATE " 5-Jan-2026 09:00:00 +0000" RFC822.SIZE 26 BODY[HEADER.FIELDS (Message-ID)] <id1>)
    S: P13 OK done
    "#;
    let old = r#"
    C: P8 UID FETCH 6 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)])
    S: * 2 FETCH (UID 6 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26 BODY[HEADER.FIELDS (Message-ID)] <id2>)
    S: P8 OK done
    C: P9 UID FETCH 4 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)])
    S: * 1 FETCH (UID 4 FLAGS (\Seen work) INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26 BODY[HEADER.FIELDS (Message-ID)] <id1>)
    S: P9 OK done
    "#;
    let report = migrate(folder.path(), &format!("{OLD}{old}"), new).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!((report.copied(), report.mailboxes[1].recognised), (0, 1));
}
