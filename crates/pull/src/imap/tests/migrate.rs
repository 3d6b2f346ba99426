//! From one server that follows a script to another.

use std::path::Path;

use super::*;
use crate::imap::migrate::{
    Journal, MigrationAccount, MigrationError, MigrationOptions, MigrationReport, migrate as migrate_on, run_migration,
};
use crate::{BackoffOptions, ConnectOptions, Credential, Protocol, Remote, Security, Stop, StopTrigger};
use postrider_sasl::Password;

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

/// What the new server is asked when it had taken both messages and answered for one.
const NEW_AGAIN: &str = r#"
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

const OLD_AGAIN: &str = r#"
    C: P8 UID FETCH 6 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)])
    S: * 2 FETCH (UID 6 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26 BODY[HEADER.FIELDS (Message-ID)] <id2>)
    S: P8 OK done
    C: P9 UID FETCH 4 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)])
    S: * 1 FETCH (UID 4 FLAGS (\Seen work) INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26 BODY[HEADER.FIELDS (Message-ID)] <id1>)
    S: P9 OK done
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
    let report = migrate(folder.path(), &format!("{OLD}{OLD_AGAIN}"), NEW_AGAIN).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!((report.copied(), report.mailboxes[1].recognised), (0, 1));
}

const WELCOME: &str = "S: * PREAUTH at your service\n";

/// Migrates between ports of this machine, each of which plays one script for each connection.
async fn migrate_over(old: &[String], new: &[String], stop: &Stop) -> Result<MigrationReport, MigrationError> {
    let folder = tempfile::tempdir().unwrap();
    let (from, old_server) = listen(old).await;
    let (to, new_server) = listen(new).await;
    let remote = |port| {
        let (host, user) = ("127.0.0.1".to_owned(), "alice".to_owned());
        Remote { protocol: Protocol::Imap, host, port, security: Security::Plain, user }
    };
    let moment = std::time::Duration::from_millis(1);
    let backoff = BackoffOptions { wait: moment, wait_temporary: moment, wait_throttled: moment, ..Default::default() };
    let connect = ConnectOptions { backoff, stop: stop.clone(), ..ConnectOptions::default() };
    let credential = Credential::Password(Password::new("x"));
    let (from, to) = (remote(from), remote(to));
    let account = |remote| MigrationAccount { remote, credential: &credential, connect: &connect };
    let mut journal = Journal::open(folder.path(), "old", "new").unwrap();
    let mut options = MigrationOptions::default();
    options.fetching.quiet_time = moment;
    let report = migrate_on(account(&from), account(&to), &mut journal, &options, &Silent).await;
    for server in [old_server, new_server] {
        match stop.is_requested() {
            true => server.abort(),
            false => server.await.unwrap(),
        }
    }
    report
}

async fn listen(texts: &[String]) -> (u16, tokio::task::JoinHandle<()>) {
    let texts: Vec<String> = texts.iter().map(|text| format!("{WELCOME}{text}")).collect();
    let scripts: Vec<Script<'_>> = texts.iter().map(|text| Script { text, literals: LITERALS }).collect();
    Script::listen(&scripts).await
}

fn goodbye(tag: &str) -> String {
    format!("C: {tag} LOGOUT\nS: * BYE\nS: {tag} OK\n")
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_anew_and_the_migration_goes_on() {
    let old = [format!("{OLD}{FETCHED}"), format!("{OLD}{OLD_AGAIN}{}", goodbye("P10"))];
    let new = [format!("{NEW}S: P8 OK taken"), format!("{NEW_AGAIN}{}", goodbye("P14"))];
    let report = migrate_over(&old, &new, &Stop::default()).await.unwrap();
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!((report.copied(), report.mailboxes[1].recognised), (1, 1));
}

/// What the new server is asked when it took the first message only, up to where it is sent the second again.
const NEW_WITH_ONE: &str = r#"
    C: P1 CAPABILITY
    S: * CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS
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
    S: * 1 EXISTS
    S: * OK [UIDVALIDITY 9] valid
    S: P5 OK done
    C: P6 UID SEARCH ALL
    S: * SEARCH 1
    S: P6 OK done
    C: P7 NOOP
    S: P7 OK done
    C: P8 UID SEARCH ALL
    S: * SEARCH 1
    S: P8 OK done
    C: P9 UID SEARCH ALL
    S: * SEARCH 1
    S: P9 OK done
"#;

#[tokio::test]
async fn a_message_at_which_the_new_server_breaks_off_is_left_out_and_told() {
    let asked = r#"
    C: P8 UID FETCH 6 (UID FLAGS INTERNALDATE RFC822.SIZE)
    S: * 2 FETCH (UID 6 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26)
    S: P8 OK done
    C: P9 UID FETCH 6 (UID BODY.PEEK[])
    S: * 2 FETCH (UID 6 BODY[] <two>)
    S: P9 OK done
    "#;
    let breaks = "C: P10 APPEND \"Work/__\" \" 5-Jan-2026 09:00:00 +0000\" {26+}\nC: @two\n";
    let new = NEW.replace("LITERAL+", "LITERAL+ UIDPLUS");
    let again = format!("{OLD}{asked}");
    let old = [format!("{OLD}{FETCHED}"), again.clone(), format!("{again}{}", goodbye("P10"))];
    let new = [
        format!("{new}S: P8 OK [APPENDUID 9 1] taken"),
        format!("{NEW_WITH_ONE}{breaks}"),
        format!("{NEW_WITH_ONE}{}", goodbye("P10")),
    ];
    let report = migrate_over(&old, &new, &Stop::default()).await.unwrap();
    assert!(report.ended_early.is_none() && !report.is_complete(), "{report:#?}");
    assert_eq!(report.copied(), 1);
    let said = format!("{:?}", report.mailboxes[1].remarks);
    assert!(said.contains("UID 6 was not copied: the connection to the new server broke each time"), "{said}");
}

#[tokio::test]
async fn a_stop_ends_a_migration_with_what_was_copied() {
    let (trigger, stop) = StopTrigger::new();
    trigger.request();
    let silent = ["C: P1 CAPABILITY".to_owned()];
    let ended = migrate_over(&silent, &silent, &stop).await;
    assert!(matches!(ended, Err(MigrationError::Stopped)), "{ended:#?}");
}

/// A Gmail account: message 1 is in the inbox and has a label, message 2 was archived without one.
const GMAIL: &str = r#"
    C: P1 CAPABILITY
    S: * CAPABILITY IMAP4rev1 X-GM-EXT-1
    S: P1 OK done
    C: P2 LIST "" "*"
    S: * LIST () "/" "INBOX"
    S: * LIST () "/" "Work"
    S: * LIST (\Noselect) "/" "[Gmail]"
    S: * LIST (\All) "/" "[Gmail]/All Mail"
    S: * LIST (\Flagged) "/" "[Gmail]/Starred"
    S: P2 OK done
    C: P3 LSUB "" "*"
    S: P3 OK done
    C: P4 EXAMINE "INBOX"
    S: * 1 EXISTS
    S: * OK [UIDVALIDITY 1] valid
    S: P4 OK done
    C: P5 UID FETCH 1:* (UID FLAGS)
    S: * 1 FETCH (UID 11 FLAGS ())
    S: P5 OK done
    C: P6 UID FETCH 11 (UID FLAGS INTERNALDATE RFC822.SIZE X-GM-MSGID)
    S: * 1 FETCH (X-GM-MSGID 1001 UID 11 FLAGS () INTERNALDATE " 5-Jan-2026 09:00:00 +0000" RFC822.SIZE 26)
    S: P6 OK done
    C: P7 UID FETCH 11 (UID BODY.PEEK[])
    S: * 1 FETCH (UID 11 BODY[] <one>)
    S: P7 OK done
    C: P8 EXAMINE "Work"
    S: * 1 EXISTS
    S: * OK [UIDVALIDITY 2] valid
    S: P8 OK done
    C: P9 UID FETCH 1:* (UID FLAGS)
    S: * 1 FETCH (UID 21 FLAGS ())
    S: P9 OK done
    C: P10 UID FETCH 21 (UID FLAGS INTERNALDATE RFC822.SIZE X-GM-MSGID)
    S: * 1 FETCH (X-GM-MSGID 1001 UID 21 FLAGS () INTERNALDATE " 5-Jan-2026 09:00:00 +0000" RFC822.SIZE 26)
    S: P10 OK done
    C: P11 UID FETCH 21 (UID BODY.PEEK[])
    S: * 1 FETCH (UID 21 BODY[] <one>)
    S: P11 OK done
    C: P12 EXAMINE "[Gmail]/All Mail"
    S: * 2 EXISTS
    S: * OK [UIDVALIDITY 3] valid
    S: P12 OK done
    C: P13 UID FETCH 1:* (UID FLAGS X-GM-LABELS)
    S: * 1 FETCH (X-GM-LABELS ("\\Inbox" Work) UID 31 FLAGS ())
    S: * 2 FETCH (X-GM-LABELS ("\\Starred") UID 32 FLAGS (\Flagged))
    S: P13 OK done
    C: P14 UID FETCH 32 (UID FLAGS INTERNALDATE RFC822.SIZE X-GM-LABELS X-GM-MSGID)
    S: * 2 FETCH (X-GM-MSGID 1002 X-GM-LABELS ("\\Starred") UID 32 FLAGS (\Flagged) INTERNALDATE " 5-Jan-2026 09:00:00 +0000" RFC822.SIZE 26)
    S: P14 OK done
    C: P15 UID FETCH 32 (UID BODY.PEEK[])
    S: * 2 FETCH (UID 32 BODY[] <two>)
    S: P15 OK done
"#;

/// What a server hears that gets it; its archive is the one that is named.
fn gets_gmail(listing: &str, archive: &str) -> String {
    let append = |tag: &str, mailbox: &str, flags: &str, name: &str, answer: &str| {
        let date = "\" 5-Jan-2026 09:00:00 +0000\"";
        format!(
            "C: {tag} APPEND \"{mailbox}\" {flags}{date} {{26+}}\nC: @{name}\nS: {tag} OK [APPENDUID {answer}] taken\n"
        )
    };
    let select = |tag: &str, mailbox: &str, validity: u32| {
        format!(
            "C: {tag} SELECT \"{mailbox}\"\nS: * 0 EXISTS\nS: * OK [UIDVALIDITY {validity}] valid\nS: {tag} OK done\n"
        )
    };
    let made = !listing.contains(archive);
    let mut heard = format!(
        "C: P1 CAPABILITY\nS: * CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS SPECIAL-USE LIST-EXTENDED CREATE-SPECIAL-USE\nS: P1 OK done\n\
         C: P2 LIST (SPECIAL-USE) \"\" \"*\"\n{listing}S: P2 OK done\n"
    )
    .replace("LIST (SPECIAL-USE) \"\" \"*\"", "LIST \"\" \"*\" RETURN (SPECIAL-USE)");
    heard += &(select("P3", "INBOX", 5) + &append("P4", "INBOX", "", "one", "5 1"));
    heard += &(select("P5", "Work", 6) + &append("P6", "Work", "", "one", "6 1"));
    let mut next = 7;
    if made {
        heard += &format!("C: P7 CREATE \"{archive}\" (USE (\\Archive))\nS: P7 OK done\n");
        next = 8;
    }
    heard += &select(&format!("P{next}"), archive, 7);
    heard + &append(&format!("P{}", next + 1), archive, "(\\Flagged) ", "two", "7 1")
}

#[tokio::test]
async fn mail_of_gmail_without_a_label_goes_to_the_archive_and_nothing_goes_there_twice() {
    let plain = "S: * LIST () \"/\" INBOX\nS: * LIST () \"/\" Work\n";
    for (listing, archive) in
        [(plain.to_owned(), "Archive"), (format!("{plain}S: * LIST (\\Archive) \"/\" Old/Kept\n"), "Old/Kept")]
    {
        let folder = tempfile::tempdir().unwrap();
        let report = migrate(folder.path(), GMAIL, &gets_gmail(&listing, archive)).await;
        assert!(report.is_complete(), "{report:#?}");
        let all = report.mailboxes.last().unwrap();
        assert_eq!((all.target.as_str(), all.messages, all.copied), (archive, 1, 1));
    }
}
