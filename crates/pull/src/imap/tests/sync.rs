//! Both sides follow each other.

use std::time::Duration;

use postrider_store::{Flag, FlagMode, MailboxId, SpecialUses, StoreFlags, Uid, UidSet};

use super::*;
use crate::imap::options::{Consent, ImapMode};

const ONE: &[u8] = b"Message-ID: <1@x>\r\n\r\none\r\n";
const TWO: &[u8] = b"Message-ID: <2@x>\r\n\r\ntwo\r\n";
const BARE: &[u8] = b"Message-ID: <2@x>\n\ntwo\n";
const ALTERED: &[u8] = b"X-Seen: by the server\r\nMessage-ID: <2@x>\r\n\r\ntwo\r\n";

const LITERALS: &[(&str, &[u8])] = &[
    ("one", ONE),
    ("two", TWO),
    ("altered", ALTERED),
    ("id1", b"Message-ID: <1@x>\r\n\r\n"),
    ("id2", b"Message-ID: <2@x>\r\n\r\n"),
];

/// 5 January 2026, 9 o'clock (UTC).
const FIFTH: i64 = 1_767_603_600;

/// From a server that has nothing but IMAP4rev1, up to the moment when a message that is only here was sent.
const FIRST: &str = r#"
    C: P1 CAPABILITY
    S: * CAPABILITY IMAP4rev1
    S: P1 OK done
    C: P2 LIST "" "*"
    S: * LIST () "/" INBOX
    S: P2 OK done
    C: P3 SELECT "INBOX"
    S: * 1 EXISTS
    S: * OK [UIDVALIDITY 7] valid
    S: * OK [PERMANENTFLAGS (\Seen \Flagged \Deleted)] no keywords
    S: P3 OK [READ-WRITE] done
    C: P4 UID FETCH 1:* (UID FLAGS)
    S: * 1 FETCH (UID 4 FLAGS (\Flagged))
    S: P4 OK done
    C: P5 UID FETCH 4 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)])
    S: * 1 FETCH (UID 4 FLAGS (\Flagged) INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26 BODY[HEADER.FIELDS (Message-ID)] <id1>)
    S: P5 OK done
    C: P6 UID FETCH 4 (UID FLAGS INTERNALDATE RFC822.SIZE)
    S: * 1 FETCH (UID 4 FLAGS (\Flagged) INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26)
    S: P6 OK done
    C: P7 UID FETCH 4 (UID BODY.PEEK[])
    S: * 1 FETCH (UID 4 BODY[] <one>)
    S: P7 OK done
    C: P8 APPEND "INBOX" (\Seen) " 5-Jan-2026 09:00:00 +0000" {26}
    S: + go on
    C: @two
"#;

/// What a server without UIDPLUS says then, and is asked.
const FOUND: &str = r#"
    S: P8 OK taken
    C: P9 NOOP
    S: * 2 EXISTS
    S: P9 OK done
    C: P10 UID SEARCH ALL
    S: * SEARCH 4 5
    S: P10 OK done
    C: P11 UID FETCH 5 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)])
    S: * 2 FETCH (UID 5 FLAGS (\Seen) INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26 BODY[HEADER.FIELDS (Message-ID)] <id2>)
    S: P11 OK done
"#;

async fn world() -> World {
    let options = ImapPullOptions {
        mode: ImapMode::Sync,
        include: vec!["INBOX".into(), "Work".into()],
        quiet_time: Duration::from_millis(1),
        ..ImapPullOptions::default()
    };
    World::new(options).await
}

impl World {
    fn id(&self, name: &str) -> MailboxId {
        self.account.state().find(name).unwrap().id
    }

    async fn deliver(&self, name: &str, content: &[u8], flags: Vec<Flag>) {
        let message = self.account.prepare(content.to_vec().into(), flags, FIFTH).await;
        self.account.append(self.id(name), vec![message]).await.unwrap();
    }

    async fn play(&self, text: &str) -> ImapReport {
        self.run(&Script { text, literals: LITERALS }).await
    }

    async fn flag(&self, uid: u32, mode: FlagMode, flag: Flag) {
        let uids = [Uid(uid)].into_iter().collect();
        let wish = StoreFlags { mailbox: self.id("INBOX"), uids, mode, flags: vec![flag], unchanged_since: None };
        self.account.store_flags(wish).await.unwrap();
    }

    async fn remove(&self, uid: u32) {
        let uids: UidSet = [Uid(uid)].into_iter().collect();
        self.account.expunge(self.id("INBOX"), Some(uids), postrider_store::ExpungeOnly::Named).await.unwrap();
    }
}

/// What a run says that finds `flags` and is then asked `rest`.
fn later(capabilities: &str, condition: &str, rest: &str) -> String {
    let condstore = if capabilities.contains("CONDSTORE") { " (CONDSTORE)" } else { "" };
    format!(
        r#"
        C: P1 CAPABILITY
        S: * CAPABILITY IMAP4rev1{capabilities}
        S: P1 OK done
        C: P2 LIST "" "*"
        S: * LIST () "/" INBOX
        S: P2 OK done
        C: P3 SELECT "INBOX"{condstore}
        {condition}
        S: P3 OK [READ-WRITE] done
        {rest}
        "#
    )
}

const UNCHANGED: &str = r#"
        C: P4 UID FETCH 1:* (UID FLAGS)
        S: * 1 FETCH (UID 4 FLAGS (\Flagged))
        S: * 2 FETCH (UID 5 FLAGS (\Seen))
        S: P4 OK done
"#;

const TWO_OF_7: &str = "S: * 2 EXISTS\n S: * OK [UIDVALIDITY 7] valid";

async fn after_the_first_run() -> World {
    let world = world().await;
    world.deliver("INBOX", TWO, vec![Flag::Seen]).await;
    let report = world.play(&format!("{FIRST}{FOUND}")).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!((report.fetched(), report.uploaded()), (1, 1));
    world
}

#[tokio::test]
async fn without_uidplus_what_was_sent_is_found_and_a_second_run_has_nothing_to_do() {
    let world = after_the_first_run().await;
    let report = world.play(&later("", TWO_OF_7, UNCHANGED)).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!(world.messages("INBOX").await.len(), 2);
}

#[tokio::test]
async fn an_append_whose_answer_got_lost_is_not_done_again() {
    let world = world().await;
    world.deliver("INBOX", TWO, vec![Flag::Seen]).await;
    let report = world.play(FIRST).await;
    assert!(report.ended_early.is_some());
    let second = format!(
        r#"
        C: P1 CAPABILITY
        S: * CAPABILITY IMAP4rev1 UIDPLUS
        S: P1 OK done
        C: P2 LIST "" "*"
        S: * LIST () "/" INBOX
        S: P2 OK done
        C: P3 EXAMINE "INBOX"
        S: * 1 EXISTS
        S: P3 OK [READ-ONLY] done
        C: P4 UID SEARCH ALL
        S: * SEARCH 4
        S: P4 OK done
        C: P5 NOOP
        S: * 2 EXISTS
        S: P5 OK done
        C: P6 UID SEARCH ALL
        S: * SEARCH 4 5
        S: P6 OK done
        C: P7 NOOP
        S: P7 OK done
        C: P8 UID SEARCH ALL
        S: * SEARCH 4 5
        S: P8 OK done
        C: P9 SELECT "INBOX"
        {TWO_OF_7}
        S: P9 OK [READ-WRITE] done
        C: P10 UID FETCH 1:* (UID FLAGS)
        S: * 1 FETCH (UID 4 FLAGS (\Flagged))
        S: * 2 FETCH (UID 5 FLAGS (\Seen))
        S: P10 OK done
        C: P11 UID FETCH 5 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)])
        S: * 2 FETCH (UID 5 FLAGS (\Seen) INTERNALDATE " 5-Jan-2026 09:00:00 +0000" RFC822.SIZE 26 BODY[HEADER.FIELDS (Message-ID)] <id2>)
        S: P11 OK done
    "#
    );
    let report = world.play(&second).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!((report.uploaded(), report.mailboxes[0].recognised), (0, 1));
    assert_eq!(world.messages("INBOX").await.len(), 2);
}

#[tokio::test]
async fn a_message_that_the_server_alters_is_known_by_its_id_and_one_with_bare_lines_by_its_text() {
    for (here, there, size) in [(TWO, "altered", 49), (BARE, "two", 26)] {
        let world = world().await;
        world.deliver("INBOX", here, vec![Flag::Seen]).await;
        let found = format!(
            r#"
            S: P8 OK taken
            C: P9 NOOP
            S: P9 OK done
            C: P10 UID SEARCH ALL
            S: * SEARCH 4 5
            S: P10 OK done
            C: P11 UID FETCH 5 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)])
            S: * 2 FETCH (UID 5 FLAGS (\Seen) INTERNALDATE " 5-Jan-2026 09:00:00 +0000" RFC822.SIZE {size} BODY[HEADER.FIELDS (Message-ID)] <id2>)
            S: P11 OK done
            C: P12 UID FETCH 5 (UID FLAGS INTERNALDATE RFC822.SIZE)
            S: * 2 FETCH (UID 5 FLAGS (\Seen) INTERNALDATE " 5-Jan-2026 09:00:00 +0000" RFC822.SIZE {size})
            S: P12 OK done
            C: P13 UID FETCH 5 (UID BODY.PEEK[])
            S: * 2 FETCH (UID 5 BODY[] <{there}>)
            S: P13 OK done
        "#
        );
        // What differs from outside is fetched to see; what is alike need not be.
        let found = if there == "two" && size == here.len() { FOUND.to_owned() } else { found };
        let report = world.play(&format!("{FIRST}{found}")).await;
        assert!(report.is_complete(), "{report:#?}");
        assert_eq!(world.messages("INBOX").await.len(), 2);
        let report = world.play(&later("", TWO_OF_7, UNCHANGED)).await;
        assert!(report.is_complete(), "{report:#?}");
        assert_eq!(world.messages("INBOX").await.len(), 2);
    }
}

#[tokio::test]
async fn flags_are_merged_and_a_keyword_that_is_not_kept_there_stays_here() {
    let world = after_the_first_run().await;
    world.flag(1, FlagMode::Remove, Flag::Seen).await;
    world.flag(2, FlagMode::Add, Flag::Keyword("work".into())).await;
    let condition = format!("{TWO_OF_7}\n S: * OK [PERMANENTFLAGS (\\Seen \\Flagged \\Deleted)] no keywords");
    let script = later(
        "",
        &condition,
        r#"
        C: P4 UID FETCH 1:* (UID FLAGS)
        S: * 1 FETCH (UID 4 FLAGS (\Flagged \Seen))
        S: * 2 FETCH (UID 5 FLAGS (\Seen))
        S: P4 OK done
        C: P5 UID STORE 5 -FLAGS.SILENT (\Seen)
        S: P5 OK done
    "#,
    );
    let report = world.play(&script).await;
    assert!(report.is_complete(), "{report:#?}");
    let flags: Vec<String> = world.messages("INBOX").await.into_iter().map(|(_, _, flags)| flags).collect();
    assert_eq!(flags, ["", "Flagged Seen Keyword(\"work\")"]);
    // It is not tried again and again.
    let again = later(
        "",
        &condition,
        r#"
        C: P4 UID FETCH 1:* (UID FLAGS)
        S: * 1 FETCH (UID 4 FLAGS (\Flagged \Seen))
        S: * 2 FETCH (UID 5 FLAGS ())
        S: P4 OK done
    "#,
    );
    assert!(world.play(&again).await.is_complete());
}

#[tokio::test]
async fn a_removal_waits_for_the_end_and_spares_what_changed_meanwhile() {
    let world = after_the_first_run().await;
    let condition = format!("{TWO_OF_7}\n S: * OK [HIGHESTMODSEQ 90] so far");
    assert!(world.play(&later(" CONDSTORE UIDPLUS", &condition, UNCHANGED)).await.is_complete());
    world.remove(1).await;
    world.remove(2).await;
    let script = later(
        " CONDSTORE UIDPLUS",
        &condition,
        r#"
        C: P4 SELECT "INBOX" (CONDSTORE)
        S: * 2 EXISTS
        S: * OK [UIDVALIDITY 7] valid
        S: * OK [HIGHESTMODSEQ 91] so far
        S: P4 OK [READ-WRITE] done
        C: P5 UID STORE 4:5 (UNCHANGEDSINCE 90) +FLAGS.SILENT (\Deleted)
        S: P5 OK [MODIFIED 5] one changed
        C: P6 UID EXPUNGE 4
        S: * 1 EXPUNGE
        S: P6 OK done
    "#,
    );
    let report = world.play(&script).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!(report.mailboxes[0].removed_there, 1);
    // The one that changed comes again.
    let script = later(
        " CONDSTORE UIDPLUS",
        "S: * 1 EXISTS\n S: * OK [UIDVALIDITY 7] valid\n S: * OK [HIGHESTMODSEQ 95] so far",
        r#"
        C: P4 UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 90)
        S: * 1 FETCH (UID 5 FLAGS (\Seen \Flagged) MODSEQ (91))
        S: P4 OK done
        C: P5 UID FETCH 5 (UID FLAGS INTERNALDATE RFC822.SIZE)
        S: * 1 FETCH (UID 5 FLAGS (\Seen \Flagged) INTERNALDATE " 5-Jan-2026 09:00:00 +0000" RFC822.SIZE 26)
        S: P5 OK done
        C: P6 UID FETCH 5 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 5 BODY[] <two>)
        S: P6 OK done
    "#,
    );
    let report = world.play(&script).await;
    assert!(report.is_complete(), "{report:#?}");
    let here = world.messages("INBOX").await;
    assert_eq!(here.iter().map(|(_, _, flags)| flags.as_str()).collect::<Vec<_>>(), ["Flagged Seen"]);
}

#[tokio::test]
async fn messages_numbered_anew_there_are_neither_fetched_nor_sent_nor_removed() {
    let world = after_the_first_run().await;
    let script = later(
        "",
        "S: * 1 EXISTS\n S: * OK [UIDVALIDITY 8] new",
        r#"
        C: P4 UID SEARCH ALL
        S: * SEARCH 1
        S: P4 OK done
        C: P5 UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)])
        S: * 1 FETCH (UID 1 FLAGS (\Flagged) INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26 BODY[HEADER.FIELDS (Message-ID)] <id1>)
        S: P5 OK done
        C: P6 UID FETCH 1:* (UID FLAGS)
        S: * 1 FETCH (UID 1 FLAGS (\Flagged))
        S: P6 OK done
        C: P7 APPEND "INBOX" (\Seen) " 5-Jan-2026 09:00:00 +0000" {26}
        S: + go on
        C: @two
        S: P7 OK [APPENDUID 8 2] the one that was lost is there again
    "#,
    );
    let report = world.play(&script).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!((report.fetched(), report.uploaded()), (0, 1));
    assert_eq!(world.messages("INBOX").await.len(), 2);
}

#[tokio::test]
async fn messages_numbered_anew_here_are_known_by_their_content_and_lost_ones_come_again() {
    let world = world().await;
    let head = |numbers: &str| {
        format!(
            r#"
        C: P1 CAPABILITY
        S: * CAPABILITY IMAP4rev1
        S: P1 OK done
        C: P2 LIST "" "*"
        S: * LIST () "/" INBOX
        S: * LIST () "/" Work
        S: P2 OK done
        C: P3 SELECT "INBOX"
        S: * 0 EXISTS
        S: * OK [UIDVALIDITY 7] valid
        S: P3 OK done
        C: P4 SELECT "Work"
        S: * 2 EXISTS
        S: * OK [UIDVALIDITY 9] valid
        S: P4 OK done
        C: P5 UID FETCH 1:* (UID FLAGS)
        S: * 1 FETCH (UID 1 FLAGS ())
        S: * 2 FETCH (UID 2 FLAGS ())
        S: P5 OK done
        {numbers}
    "#
        )
    };
    let fetch = |uids: &str, messages: &str| {
        format!(
            r#"
        C: P6 UID FETCH {uids} (UID FLAGS INTERNALDATE RFC822.SIZE)
        S: * 1 FETCH (UID 1 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26)
        S: * 2 FETCH (UID 2 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 26)
        S: P6 OK done
        C: P7 UID FETCH {uids} (UID BODY.PEEK[])
        {messages}
        S: P7 OK done
    "#
        )
    };
    let both = "S: * 1 FETCH (UID 1 BODY[] <one>)\n S: * 2 FETCH (UID 2 BODY[] <two>)";
    assert!(world.play(&head(&fetch("1:2", both))).await.is_complete());
    let work = world.id("Work");
    world.account.delete_mailbox(work).await.unwrap();
    world.account.create_mailbox("Work", SpecialUses::NONE).await.unwrap();
    world.deliver("Work", TWO, Vec::new()).await;
    let report = world.play(&head(&fetch("1", "S: * 1 FETCH (UID 1 BODY[] <one>)"))).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!((report.fetched(), report.uploaded()), (1, 0));
    assert_eq!(world.messages("Work").await.len(), 2);
}

#[tokio::test]
async fn an_account_that_is_full_there_keeps_removals_back_and_says_what_to_do() {
    let mut world = after_the_first_run().await;
    world.options.consent = Consent::Given;
    world.remove(1).await;
    world.deliver("INBOX", b"Message-ID: <3@x>\r\n\r\nthree\r\n", Vec::new()).await;
    let script = later(
        "",
        TWO_OF_7,
        &format!(
            r#"
        {UNCHANGED}
        C: P5 APPEND "INBOX" " 5-Jan-2026 09:00:00 +0000" {{28}}
        S: P5 NO [OVERQUOTA] mailbox is full
    "#
        ),
    );
    let report = world.play(&script).await;
    assert!(!report.is_complete() && report.ended_early.is_none(), "{report:#?}");
    let remarks = remarks(&report).join("\n");
    assert!(remarks.contains("make room there") && remarks.contains("removals wait"), "{remarks}");
}

/// A run over INBOX and Work, in which nothing but subscriptions is different.
fn subscribed(names: &str, rest: &str) -> String {
    let lines: String =
        names.split_whitespace().map(|name| format!("S: * LIST (\\Subscribed) \"/\" {name}\n")).collect();
    format!(
        r#"
        C: P1 CAPABILITY
        S: * CAPABILITY IMAP4rev1 LIST-EXTENDED
        S: P1 OK done
        C: P2 LIST "" "*"
        S: * LIST () "/" INBOX
        S: * LIST () "/" Work
        S: P2 OK done
        C: P3 SELECT "INBOX"
        S: * 0 EXISTS
        S: * OK [UIDVALIDITY 7] valid
        S: P3 OK done
        C: P4 SELECT "Work"
        S: * 0 EXISTS
        S: * OK [UIDVALIDITY 8] valid
        S: P4 OK done
        C: P5 LIST (SUBSCRIBED) "" "*"
        {lines}
        S: P5 OK done
        {rest}
        "#
    )
}

#[tokio::test]
async fn subscriptions_that_change_on_one_side_change_on_the_other() {
    let world = world().await;
    let is_subscribed = || world.account.state().is_subscribed("Work");
    world.play(&subscribed("INBOX", "")).await;
    assert!(is_subscribed(), "a mailbox that is made here is subscribed, and that is no change");
    world.play(&subscribed("INBOX Work", "")).await;
    world.play(&subscribed("INBOX", "")).await;
    assert!(!is_subscribed(), "it was unsubscribed there");
    world.account.subscribe("Work", true).await.unwrap();
    world.play(&subscribed("INBOX", "C: P6 SUBSCRIBE \"Work\"\nS: P6 OK done")).await;
    world.account.subscribe("Work", false).await.unwrap();
    world.play(&subscribed("INBOX Work", "C: P6 UNSUBSCRIBE \"Work\"\nS: P6 OK done")).await;
    world.play(&subscribed("INBOX", "")).await;
    assert!(!is_subscribed());
}
