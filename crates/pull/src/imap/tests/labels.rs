//! Gmail: each message once, and its labels.

use super::*;
use crate::imap::options::{GmailLabels, ImapMode, Verification};

const ONE: &[u8] = b"Message-ID: <1@x>\r\n\r\none\r\n";
const TWO: &[u8] = b"Message-ID: <2@x>\r\n\r\ntwo\r\n";
const THREE: &[u8] = b"Message-ID: <3@x>\r\n\r\nthree\r\n";

const LITERALS: &[(&str, &[u8])] = &[("one", ONE), ("two", TWO), ("three", THREE)];

const LISTING: &str = r#"
    C: P1 CAPABILITY
    S: * CAPABILITY IMAP4rev1 CONDSTORE X-GM-EXT-1
    S: P1 OK done
    C: P2 LIST "" "*"
    S: * LIST (\HasNoChildren) "/" "INBOX"
    S: * LIST (\HasNoChildren) "/" "Entw&APw-rfe \"neu\""
    S: * LIST (\HasNoChildren) "/" "Work"
    S: * LIST (\HasChildren \Noselect) "/" "[Gmail]"
    S: * LIST (\All \HasNoChildren) "/" "[Gmail]/All Mail"
    S: * LIST (\HasNoChildren \Sent) "/" "[Gmail]/Sent Mail"
    S: * LIST (\Flagged \HasNoChildren) "/" "[Gmail]/Starred"
    S: * LIST (\HasNoChildren \Trash) "/" "[Gmail]/Trash"
    S: P2 OK done
"#;

/// Message 1 is in the inbox, message 2 was sent to oneself, and message 3 archived with labels.
const KEYWORDS: &str = r#"
    C: P3 EXAMINE "INBOX" (CONDSTORE)
    S: * 2 EXISTS
    S: * OK [UIDVALIDITY 1] valid
    S: * OK [HIGHESTMODSEQ 50] so far
    S: P3 OK done
    C: P4 UID FETCH 1:* (UID FLAGS X-GM-LABELS)
    S: * 1 FETCH (X-GM-LABELS ("\\Important" Work) UID 11 FLAGS (\Seen))
    S: * 2 FETCH (X-GM-LABELS ("\\Sent") UID 12 FLAGS ())
    S: P4 OK done
    C: P5 UID FETCH 11:12 (UID FLAGS INTERNALDATE RFC822.SIZE X-GM-LABELS X-GM-MSGID)
    S: * 1 FETCH (X-GM-MSGID 1001 X-GM-LABELS ("\\Important" Work) UID 11 FLAGS (\Seen) INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26)
    S: * 2 FETCH (X-GM-MSGID 1002 X-GM-LABELS ("\\Sent") UID 12 FLAGS () INTERNALDATE " 6-Jan-2026 10:00:00 +0100" RFC822.SIZE 26)
    S: P5 OK done
    C: P6 UID FETCH 11:12 (UID BODY.PEEK[])
    S: * 1 FETCH (UID 11 BODY[] <one>)
    S: * 2 FETCH (UID 12 BODY[] <two>)
    S: P6 OK done
    C: P7 EXAMINE "[Gmail]/Sent Mail" (CONDSTORE)
    S: * 1 EXISTS
    S: * OK [UIDVALIDITY 2] valid
    S: P7 OK done
    C: P8 UID FETCH 1:* (UID FLAGS X-GM-LABELS)
    S: * 1 FETCH (X-GM-LABELS ("\\Inbox") UID 21 FLAGS ())
    S: P8 OK done
    C: P9 EXAMINE "[Gmail]/Trash" (CONDSTORE)
    S: * 0 EXISTS
    S: * OK [UIDVALIDITY 3] valid
    S: P9 OK done
    C: P10 EXAMINE "[Gmail]/All Mail" (CONDSTORE)
    S: * 3 EXISTS
    S: * OK [UIDVALIDITY 4] valid
    S: * OK [HIGHESTMODSEQ 50] so far
    S: P10 OK done
    C: P11 UID FETCH 1:* (UID FLAGS X-GM-LABELS)
    S: * 1 FETCH (X-GM-LABELS ("\\Inbox" "\\Important" Work) UID 31 FLAGS (\Seen))
    S: * 2 FETCH (X-GM-LABELS ("\\Inbox" "\\Sent") UID 32 FLAGS ())
    S: * 3 FETCH (X-GM-LABELS ("\\Starred" "Entw&APw-rfe \"neu\"" "Muy Importante") UID 33 FLAGS (\Flagged))
    S: P11 OK done
    C: P12 UID FETCH 33 (UID FLAGS INTERNALDATE RFC822.SIZE X-GM-LABELS X-GM-MSGID)
    S: * 3 FETCH (X-GM-MSGID 1003 X-GM-LABELS ("\\Starred" "Entw&APw-rfe \"neu\"" "Muy Importante") UID 33 FLAGS (\Flagged) INTERNALDATE " 7-Jan-2026 10:00:00 +0100" RFC822.SIZE 28)
    S: P12 OK done
    C: P13 UID FETCH 33 (UID BODY.PEEK[])
    S: * 3 FETCH (UID 33 BODY[] <three>)
    S: P13 OK done
"#;

/// Message 1 was archived and has another label, message 3 went to the inbox and lost one.
const KEYWORDS_AGAIN: &str = r#"
    C: P3 EXAMINE "INBOX" (CONDSTORE)
    S: * 2 EXISTS
    S: * OK [UIDVALIDITY 1] valid
    S: * OK [HIGHESTMODSEQ 50] so far
    S: P3 OK done
    C: P4 UID FETCH 1:* (UID FLAGS X-GM-LABELS)
    S: * 1 FETCH (X-GM-LABELS ("\\Sent" Work) UID 12 FLAGS ())
    S: * 2 FETCH (X-GM-LABELS ("\\Starred" "Muy Importante") UID 13 FLAGS (\Flagged))
    S: P4 OK done
    C: P5 UID FETCH 13 (UID FLAGS INTERNALDATE RFC822.SIZE X-GM-LABELS X-GM-MSGID)
    S: * 2 FETCH (X-GM-MSGID 1003 X-GM-LABELS ("\\Starred" "Muy Importante") UID 13 FLAGS (\Flagged) INTERNALDATE " 7-Jan-2026 10:00:00 +0100" RFC822.SIZE 28)
    S: P5 OK done
    C: P6 EXAMINE "[Gmail]/Sent Mail" (CONDSTORE)
    S: * 1 EXISTS
    S: * OK [UIDVALIDITY 2] valid
    S: P6 OK done
    C: P7 UID FETCH 1:* (UID FLAGS X-GM-LABELS)
    S: * 1 FETCH (X-GM-LABELS ("\\Inbox" Work) UID 21 FLAGS ())
    S: P7 OK done
    C: P8 EXAMINE "[Gmail]/Trash" (CONDSTORE)
    S: * 0 EXISTS
    S: * OK [UIDVALIDITY 3] valid
    S: P8 OK done
    C: P9 EXAMINE "[Gmail]/All Mail" (CONDSTORE)
    S: * 3 EXISTS
    S: * OK [UIDVALIDITY 4] valid
    S: * OK [HIGHESTMODSEQ 50] so far
    S: P9 OK done
    C: P10 UID FETCH 1:* (UID FLAGS X-GM-LABELS)
    S: * 1 FETCH (X-GM-LABELS ("\\Important" "Other") UID 31 FLAGS (\Seen))
    S: * 2 FETCH (X-GM-LABELS ("\\Inbox" "\\Sent" Work) UID 32 FLAGS ())
    S: * 3 FETCH (X-GM-LABELS ("\\Inbox" "\\Starred" "Muy Importante") UID 33 FLAGS (\Flagged))
    S: P10 OK done
    C: P11 UID FETCH 31 (UID FLAGS INTERNALDATE RFC822.SIZE X-GM-LABELS X-GM-MSGID)
    S: * 1 FETCH (X-GM-MSGID 1001 X-GM-LABELS ("\\Important" "Other") UID 31 FLAGS (\Seen) INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26)
    S: P11 OK done
"#;

async fn gmail(mode: ImapMode, labels: GmailLabels) -> World {
    World::new(ImapPullOptions { mode, gmail_labels: Some(labels), ..ImapPullOptions::default() }).await
}

async fn run(world: &World, text: &str) -> ImapReport {
    let report = world.run(&Script { text: &[LISTING, text].concat(), literals: LITERALS }).await;
    assert!(report.ended_early.is_none(), "{report:#?}");
    assert!(report.is_complete(), "{report:#?}");
    report
}

/// The content of each message in a mailbox here, and its flags.
async fn stand(world: &World, mailbox: &str) -> Vec<(String, String)> {
    let messages = world.messages(mailbox).await;
    let word = |text: String| text.rsplit("\r\n\r\n").next().unwrap_or_default().trim().to_owned();
    messages.into_iter().map(|(_, text, flags)| (word(text), flags)).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(text, flags)| ((*text).to_owned(), (*flags).to_owned())).collect()
}

fn keywords(system: &str, names: &[&str]) -> String {
    let names = names.iter().map(|name| format!("Keyword({name:?})"));
    std::iter::once(system.to_owned()).filter(|system| !system.is_empty()).chain(names).collect::<Vec<_>>().join(" ")
}

/// Flags in an order of their own.
fn sorted(mut messages: Vec<(String, String)>) -> Vec<(String, String)> {
    for (_, flags) in &mut messages {
        let mut words: Vec<&str> = flags.split(' ').collect();
        words.sort_unstable();
        *flags = words.join(" ");
    }
    messages.sort();
    messages
}

#[tokio::test]
async fn each_message_stands_in_one_mailbox_and_its_labels_are_keywords() {
    for mode in [ImapMode::Archive, ImapMode::Mirror] {
        let world = gmail(mode, GmailLabels::Keywords).await;
        let report = run(&world, KEYWORDS).await;
        assert_eq!(report.fetched(), 3);
        let inbox = [("one", keywords("Seen", &["$Important", "Work"])), ("two", String::new())];
        let inbox: Vec<_> = inbox.iter().map(|(text, flags)| (*text, flags.as_str())).collect();
        assert_eq!(sorted(stand(&world, "INBOX").await), sorted(pairs(&inbox)));
        let flags = keywords("Flagged", &["Entw&APw-rfe__neu_", "Muy_Importante"]);
        assert_eq!(sorted(stand(&world, "Archive").await), sorted(pairs(&[("three", &flags)])));
        assert_eq!(stand(&world, "Sent").await, []);
        assert!(world.account.state().find("Work").is_none());
    }
}

#[tokio::test]
async fn changes_of_labels_are_followed_and_nothing_comes_over_the_wire_twice() {
    let world = gmail(ImapMode::Mirror, GmailLabels::Keywords).await;
    run(&world, KEYWORDS).await;
    run(&world, KEYWORDS_AGAIN).await;
    let three = keywords("Flagged", &["Muy_Importante"]);
    let two = keywords("", &["Work"]);
    assert_eq!(sorted(stand(&world, "INBOX").await), sorted(pairs(&[("three", &three), ("two", &two)])));
    let one = keywords("Seen", &["$Important", "Other"]);
    assert_eq!(sorted(stand(&world, "Archive").await), sorted(pairs(&[("one", &one)])));
}

#[tokio::test]
async fn in_an_archive_a_message_that_moves_stays_where_it_came_and_comes_no_second_time() {
    let world = gmail(ImapMode::Archive, GmailLabels::Keywords).await;
    run(&world, KEYWORDS).await;
    let report = run(&world, KEYWORDS_AGAIN).await;
    assert_eq!(report.fetched(), 0);
    let contents = |messages: Vec<(String, String)>| messages.into_iter().map(|(text, _)| text).collect::<Vec<_>>();
    assert_eq!(contents(stand(&world, "INBOX").await), ["one", "two"]);
    assert_eq!(contents(stand(&world, "Archive").await), ["three"]);
}

/// Message 1 is in the inbox and has a label, message 2 has none, message 3 two.
const MAILBOXES: &str = r#"
    C: P3 EXAMINE "INBOX" (CONDSTORE)
    S: * 1 EXISTS
    S: * OK [UIDVALIDITY 1] valid
    S: P3 OK done
    C: P4 UID FETCH 1:* (UID FLAGS)
    S: * 1 FETCH (UID 11 FLAGS (\Seen))
    S: P4 OK done
    C: P5 UID FETCH 11 (UID FLAGS INTERNALDATE RFC822.SIZE X-GM-MSGID)
    S: * 1 FETCH (X-GM-MSGID 1001 UID 11 FLAGS (\Seen) INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26)
    S: P5 OK done
    C: P6 UID FETCH 11 (UID BODY.PEEK[])
    S: * 1 FETCH (UID 11 BODY[] <one>)
    S: P6 OK done
    C: P7 EXAMINE "Entw&APw-rfe \"neu\"" (CONDSTORE)
    S: * 1 EXISTS
    S: * OK [UIDVALIDITY 5] valid
    S: P7 OK done
    C: P8 UID FETCH 1:* (UID FLAGS)
    S: * 1 FETCH (UID 51 FLAGS ())
    S: P8 OK done
    C: P9 UID FETCH 51 (UID FLAGS INTERNALDATE RFC822.SIZE X-GM-MSGID)
    S: * 1 FETCH (X-GM-MSGID 1003 UID 51 FLAGS () INTERNALDATE " 7-Jan-2026 10:00:00 +0100" RFC822.SIZE 28)
    S: P9 OK done
    C: P10 UID FETCH 51 (UID BODY.PEEK[])
    S: * 1 FETCH (UID 51 BODY[] <three>)
    S: P10 OK done
    C: P11 EXAMINE "Work" (CONDSTORE)
    S: * 2 EXISTS
    S: * OK [UIDVALIDITY 6] valid
    S: P11 OK done
    C: P12 UID FETCH 1:* (UID FLAGS)
    S: * 1 FETCH (UID 61 FLAGS (\Seen))
    S: * 2 FETCH (UID 62 FLAGS ())
    S: P12 OK done
    C: P13 UID FETCH 61:62 (UID FLAGS INTERNALDATE RFC822.SIZE X-GM-MSGID)
    S: * 1 FETCH (X-GM-MSGID 1001 UID 61 FLAGS (\Seen) INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26)
    S: * 2 FETCH (X-GM-MSGID 1003 UID 62 FLAGS () INTERNALDATE " 7-Jan-2026 10:00:00 +0100" RFC822.SIZE 28)
    S: P13 OK done
    C: P14 EXAMINE "[Gmail]/Sent Mail" (CONDSTORE)
    S: * 0 EXISTS
    S: * OK [UIDVALIDITY 2] valid
    S: P14 OK done
    C: P15 EXAMINE "[Gmail]/Trash" (CONDSTORE)
    S: * 0 EXISTS
    S: * OK [UIDVALIDITY 3] valid
    S: P15 OK done
    C: P16 EXAMINE "[Gmail]/All Mail" (CONDSTORE)
    S: * 3 EXISTS
    S: * OK [UIDVALIDITY 4] valid
    S: P16 OK done
    C: P17 UID FETCH 1:* (UID FLAGS X-GM-LABELS)
    S: * 1 FETCH (X-GM-LABELS ("\\Inbox" Work) UID 31 FLAGS (\Seen))
    S: * 2 FETCH (X-GM-LABELS ("\\Important" Hidden) UID 32 FLAGS ())
    S: * 3 FETCH (X-GM-LABELS ("Entw&APw-rfe \"neu\"" Work) UID 33 FLAGS ())
    S: P17 OK done
    C: P18 UID FETCH 32 (UID FLAGS INTERNALDATE RFC822.SIZE X-GM-LABELS X-GM-MSGID)
    S: * 2 FETCH (X-GM-MSGID 1002 X-GM-LABELS ("\\Important" Hidden) UID 32 FLAGS () INTERNALDATE " 6-Jan-2026 10:00:00 +0100" RFC822.SIZE 26)
    S: P18 OK done
    C: P19 UID FETCH 32 (UID BODY.PEEK[])
    S: * 2 FETCH (UID 32 BODY[] <two>)
    S: P19 OK done
"#;

/// Message 1 left the inbox, and message 3 lost both labels.
const MAILBOXES_AGAIN: &str = r#"
    C: P3 EXAMINE "INBOX" (CONDSTORE)
    S: * 0 EXISTS
    S: * OK [UIDVALIDITY 1] valid
    S: P3 OK done
    C: P4 EXAMINE "Entw&APw-rfe \"neu\"" (CONDSTORE)
    S: * 0 EXISTS
    S: * OK [UIDVALIDITY 5] valid
    S: P4 OK done
    C: P5 EXAMINE "Work" (CONDSTORE)
    S: * 1 EXISTS
    S: * OK [UIDVALIDITY 6] valid
    S: P5 OK done
    C: P6 UID FETCH 1:* (UID FLAGS)
    S: * 1 FETCH (UID 61 FLAGS (\Seen))
    S: P6 OK done
    C: P7 EXAMINE "[Gmail]/Sent Mail" (CONDSTORE)
    S: * 0 EXISTS
    S: * OK [UIDVALIDITY 2] valid
    S: P7 OK done
    C: P8 EXAMINE "[Gmail]/Trash" (CONDSTORE)
    S: * 0 EXISTS
    S: * OK [UIDVALIDITY 3] valid
    S: P8 OK done
    C: P9 EXAMINE "[Gmail]/All Mail" (CONDSTORE)
    S: * 3 EXISTS
    S: * OK [UIDVALIDITY 4] valid
    S: P9 OK done
    C: P10 UID FETCH 1:* (UID FLAGS X-GM-LABELS)
    S: * 1 FETCH (X-GM-LABELS (Work) UID 31 FLAGS (\Seen))
    S: * 2 FETCH (X-GM-LABELS ("\\Important" Hidden) UID 32 FLAGS ())
    S: * 3 FETCH (X-GM-LABELS () UID 33 FLAGS ())
    S: P10 OK done
    C: P11 UID FETCH 33 (UID FLAGS INTERNALDATE RFC822.SIZE X-GM-LABELS X-GM-MSGID)
    S: * 3 FETCH (X-GM-MSGID 1003 X-GM-LABELS () UID 33 FLAGS () INTERNALDATE " 7-Jan-2026 10:00:00 +0100" RFC822.SIZE 28)
    S: P11 OK done
"#;

#[tokio::test]
async fn each_label_is_a_mailbox_and_each_message_comes_over_the_wire_once() {
    let world = gmail(ImapMode::Mirror, GmailLabels::Mailboxes).await;
    run(&world, MAILBOXES).await;
    assert_eq!(stand(&world, "INBOX").await, pairs(&[("one", "Seen")]));
    assert_eq!(stand(&world, "Work").await, pairs(&[("one", "Seen"), ("three", "")]));
    assert_eq!(stand(&world, "Entwürfe \"neu\"").await, pairs(&[("three", "")]));
    assert_eq!(stand(&world, "Archive").await, pairs(&[("two", "")]), "what stands nowhere else");
    run(&world, MAILBOXES_AGAIN).await;
    assert_eq!(stand(&world, "INBOX").await, []);
    assert_eq!(stand(&world, "Work").await, pairs(&[("one", "Seen")]));
    assert_eq!(stand(&world, "Archive").await, pairs(&[("two", ""), ("three", "")]));
}

#[tokio::test]
async fn a_comparison_counts_each_message_where_it_stands() {
    let mut world = gmail(ImapMode::Mirror, GmailLabels::Keywords).await;
    run(&world, KEYWORDS).await;
    world.options.verification = Verification::Sizes;
    let compared = r#"
        C: P12 EXAMINE "INBOX" (CONDSTORE)
        S: * 0 EXISTS
        S: P12 OK done
        C: P13 EXAMINE "[Gmail]/Sent Mail" (CONDSTORE)
        S: * 1 EXISTS
        S: * OK [UIDVALIDITY 2] valid
        S: P13 OK done
        C: P14 UID FETCH 1:* (UID FLAGS X-GM-LABELS)
        S: * 1 FETCH (X-GM-LABELS ("\\Inbox" Work) UID 21 FLAGS ())
        S: P14 OK done
        C: P15 EXAMINE "[Gmail]/Trash" (CONDSTORE)
        S: * 0 EXISTS
        S: * OK [UIDVALIDITY 3] valid
        S: P15 OK done
        C: P16 EXAMINE "[Gmail]/All Mail" (CONDSTORE)
        S: * 3 EXISTS
        S: * OK [UIDVALIDITY 4] valid
        S: P16 OK done
        C: P17 UID FETCH 1:* (UID FLAGS X-GM-LABELS)
        S: * 1 FETCH (X-GM-LABELS () UID 31 FLAGS (\Seen))
        S: * 2 FETCH (X-GM-LABELS ("\\Inbox") UID 32 FLAGS ())
        S: * 3 FETCH (X-GM-LABELS ("\\Inbox") UID 33 FLAGS (\Flagged))
        S: P17 OK done
        C: P18 UID FETCH 31 (UID FLAGS INTERNALDATE RFC822.SIZE X-GM-LABELS X-GM-MSGID)
        S: * 1 FETCH (X-GM-MSGID 1001 X-GM-LABELS () UID 31 FLAGS (\Seen) INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26)
        S: P18 OK done
    "#;
    let text = [LISTING, KEYWORDS_AGAIN, compared].concat();
    let report = world.run(&Script { text: &text, literals: LITERALS }).await;
    let verified = |name: &str| report.mailboxes.iter().find(|mailbox| mailbox.local == name).unwrap();
    assert_eq!(verified("Archive").verified, 1, "{report:#?}");
    assert!(verified("Archive").remarks.is_empty() && verified("Sent").remarks.is_empty(), "{report:#?}");
}
