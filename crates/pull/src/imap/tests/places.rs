//! Where mail goes here, and how it is known again.

use bytes::Bytes;
use postrider_store::Uid;

use super::*;
use crate::imap::memory::Memory;
use crate::imap::options::{Consent, ImapMode, Rehearsal};
use crate::imap::recall::recall;

const ONE: &[u8] = b"Message-ID: <1@x>\r\n\r\none\r\n";
const TWO: &[u8] = b"Message-ID: <2@x>\r\n\r\ntwo\r\n";
const LITERALS: &[(&str, &[u8])] = &[("one", ONE), ("two", TWO), ("id1", b"Message-ID: <1@x>\r\n\r\n")];

/// An empty INBOX and a mailbox of the name with two messages.
fn two_messages(listing: &str, name: &str, code: &str) -> String {
    format!(
        r#"C: P1 CAPABILITY
        S: * CAPABILITY IMAP4rev1
        S: P1 OK done
        C: P2 LIST "" "*"
        S: * LIST () "/" INBOX
        S: * LIST {listing}
        S: P2 OK done
        C: P3 EXAMINE "INBOX"
        S: * 0 EXISTS
        S: * OK [UIDVALIDITY 1] valid
        S: P3 OK done
        C: P4 EXAMINE "{name}"
        S: * 2 EXISTS
        S: * OK [UIDVALIDITY 7] valid
        {code}
        S: P4 OK done
        C: P5 UID FETCH 1:* (UID FLAGS)
        S: * 1 FETCH (UID 1 FLAGS (\Seen))
        S: * 2 FETCH (UID 2 FLAGS ())
        S: P5 OK done
        C: P6 UID FETCH 1:2 (UID FLAGS INTERNALDATE RFC822.SIZE)
        S: * 1 FETCH (UID 1 FLAGS (\Seen) INTERNALDATE " 5-Jan-2026 10:00:00 +0000" RFC822.SIZE 26)
        S: * 2 FETCH (UID 2 FLAGS () INTERNALDATE " 6-Jan-2026 10:00:00 +0000" RFC822.SIZE 26)
        S: P6 OK done
        C: P7 UID FETCH 1:2 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] <one>)
        S: * 2 FETCH (UID 2 BODY[] <two>)
        S: P7 OK done"#
    )
}

async fn run_text(world: &World, text: &str) -> ImapReport {
    let report = world.run(&Script { text, literals: LITERALS }).await;
    assert!(report.is_complete(), "{report:#?}");
    report
}

async fn uids(world: &World, name: &str) -> Vec<u32> {
    world.messages(name).await.into_iter().map(|(uid, _, _)| uid).collect()
}

#[tokio::test]
async fn a_mailbox_with_a_use_goes_to_the_accounts_own_for_it() {
    let world = World::new(ImapPullOptions::default()).await;
    let report = run_text(&world, &two_messages(r#"(\Sent) "/" Gesendet"#, "Gesendet", "")).await;
    assert_eq!(report.mailboxes[1].local, "Sent");
    assert_eq!(uids(&world, "Sent").await, [1, 2]);
    assert!(world.account.state().find("Gesendet").is_none());
}

#[tokio::test]
async fn mail_that_is_here_already_is_recognised_and_never_removed() {
    let mirror = ImapPullOptions { mode: ImapMode::Mirror, consent: Consent::Given, ..ImapPullOptions::default() };
    let world = World::new(mirror).await;
    let sent = world.account.state().find("Sent").unwrap().id;
    let message = world.account.prepare(Bytes::from_static(TWO), Vec::new(), 5).await;
    world.account.append(sent, vec![message]).await.unwrap();
    let report = run_text(&world, &two_messages(r#"() "/" Sent"#, "Sent", "")).await;
    assert_eq!((report.mailboxes[1].recognised, report.fetched()), (1, 1));
    assert_eq!(uids(&world, "Sent").await, [1, 2]);
    let emptied = r#"
        C: P1 CAPABILITY
        S: * CAPABILITY IMAP4rev1
        S: P1 OK done
        C: P2 LIST "" "*"
        S: * LIST () "/" INBOX
        S: * LIST () "/" Sent
        S: P2 OK done
        C: P3 EXAMINE "INBOX"
        S: * 0 EXISTS
        S: * OK [UIDVALIDITY 1] valid
        S: P3 OK done
        C: P4 EXAMINE "Sent"
        S: * 0 EXISTS
        S: * OK [UIDVALIDITY 7] valid
        S: P4 OK done
    "#;
    run_text(&world, emptied).await;
    assert_eq!(uids(&world, "Sent").await, [1], "what this pull did not bring stays");
}

/// The listing and what is selected of the second run, in which the mailbox is called `name`.
fn again(listing: &str, name: &str, code: &str, rest: &str) -> String {
    format!(
        r#"C: P1 CAPABILITY
        S: * CAPABILITY IMAP4rev1
        S: P1 OK done
        C: P2 LIST "" "*"
        S: * LIST () "/" INBOX
        S: * LIST {listing}
        S: P2 OK done
        C: P3 EXAMINE "INBOX"
        S: * 0 EXISTS
        S: * OK [UIDVALIDITY 1] valid
        S: P3 OK done
        C: P4 EXAMINE "{name}"
        S: * 2 EXISTS
        {code}
        S: P4 OK done
        {rest}"#
    )
}

const SAME_FLAGS: &str = r#"
        C: P5 UID FETCH 1:* (UID FLAGS)
        S: * 1 FETCH (UID 1 FLAGS (\Seen))
        S: * 2 FETCH (UID 2 FLAGS ())
        S: P5 OK done"#;

#[tokio::test]
async fn a_renamed_mailbox_is_known_by_its_id() {
    let world = World::new(ImapPullOptions::default()).await;
    let id = "S: * OK [MAILBOXID (F77)] id";
    run_text(&world, &two_messages(r#"() "/" Work"#, "Work", id)).await;
    let codes = format!("S: * OK [UIDVALIDITY 7] valid\n{id}");
    let report = run_text(&world, &again(r#"() "/" Play"#, "Play", &codes, SAME_FLAGS)).await;
    assert_eq!(report.mailboxes[1].local, "Play");
    assert_eq!(uids(&world, "Play").await, [1, 2]);
    assert!(world.account.state().find("Work").is_none());
}

#[tokio::test]
async fn a_mailbox_that_belongs_to_the_same_place_takes_over_what_is_there() {
    let world = World::new(ImapPullOptions::default()).await;
    run_text(&world, &two_messages(r#"(\Sent) "/" Gesendet"#, "Gesendet", "")).await;
    let rest = r#"
        C: P5 UID SEARCH ALL
        S: * SEARCH 1 2
        S: P5 OK done
        C: P6 UID FETCH 1:2 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)])
        S: * 1 FETCH (UID 1 FLAGS () INTERNALDATE " 9-Jan-2026 10:00:00 +0000" RFC822.SIZE 26 BODY[HEADER.FIELDS (Message-ID)] "")
        S: * 2 FETCH (UID 2 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:00 +0000" RFC822.SIZE 26 BODY[HEADER.FIELDS (Message-ID)] <id1>)
        S: P6 OK done
        C: P7 UID FETCH 1:* (UID FLAGS)
        S: * 1 FETCH (UID 1 FLAGS ())
        S: * 2 FETCH (UID 2 FLAGS (\Seen))
        S: P7 OK done
        C: P8 UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE)
        S: * 1 FETCH (UID 1 FLAGS () INTERNALDATE " 9-Jan-2026 10:00:00 +0000" RFC822.SIZE 26)
        S: P8 OK done
        C: P9 UID FETCH 1 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] <two>)
        S: P9 OK done"#;
    let code = "S: * OK [UIDVALIDITY 9] valid";
    let report = run_text(&world, &again(r#"(\Sent) "/" "Sent Items""#, "Sent Items", code, rest)).await;
    assert_eq!((report.mailboxes[1].recognised, report.fetched()), (2, 0), "{report:#?}");
    assert_eq!(uids(&world, "Sent").await, [1, 2]);
}

#[tokio::test]
async fn uids_that_were_foretold_wrongly_are_found_by_content_after_a_crash() {
    let world = World::new(ImapPullOptions::default()).await;
    run_text(&world, &two_messages(r#"() "/" Work"#, "Work", "")).await;
    let place = RemoteKey::new("example.org", 993, "alice").place("Work");
    let mut memory = Memory::read(&world.account, place.clone()).await.unwrap();
    // As if two others had come first, and nobody had set it right.
    memory.mailbox.as_mut().unwrap().certain_before = Uid(1);
    memory.messages.get_mut(&1).unwrap().local = Uid(2);
    memory.messages.get_mut(&2).unwrap().local = Uid(3);
    world.account.write_notes(memory.writing()).await.unwrap();
    recall(&world.account, &mut memory, Rehearsal::Real).await.unwrap().unwrap();
    let locals = |memory: &Memory| memory.messages.values().map(|note| note.local.0).collect::<Vec<_>>();
    assert_eq!(locals(&memory), [1, 2]);
    assert_eq!(locals(&Memory::read(&world.account, place).await.unwrap()), [1, 2]);
}

#[tokio::test]
async fn a_mailbox_that_was_removed_here_is_fetched_anew_and_one_renamed_here_is_followed() {
    let world = World::new(ImapPullOptions::default()).await;
    run_text(&world, &two_messages(r#"() "/" Work"#, "Work", "")).await;
    let id = world.account.state().find("Work").unwrap().id;
    world.account.rename_mailbox(id, "Mine").await.unwrap();
    let code = "S: * OK [UIDVALIDITY 7] valid";
    let report = run_text(&world, &again(r#"() "/" Work"#, "Work", code, SAME_FLAGS)).await;
    assert_eq!((report.mailboxes[1].local.as_str(), report.fetched()), ("Mine", 0));
    world.account.delete_mailbox(id).await.unwrap();
    let report = run_text(&world, &two_messages(r#"() "/" Work"#, "Work", "")).await;
    assert_eq!(report.fetched(), 2);
    assert_eq!(uids(&world, "Work").await, [1, 2]);
}
