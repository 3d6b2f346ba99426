//! `postrider pull` and `postrider migrate` with Cyrus: names below `INBOX.` and without, QRESYNC, special uses, mailbox ids,
//! and what it refuses to keep.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed expectation is a failed test"
)]

mod remote;

use postrider_testkit::{Corpus, ImapClient, ServerKind, ServerUnderTest, SplitMix64, corpus::Kind};
use remote::{
    Names, POSTRIDER, Pair, append, assert_same, assert_same_contents, disturb::disturb, hears_of_new_mail, mail,
    messages, migrate, migrated, pop3_contents, seed,
};
use serde_json::Value;

/// How Cyrus wrote names before it was 3.0, and still does where its administrators want so.
const BELOW_INBOX: &str = "unixhierarchysep: no\naltnamespace: no\n";

/// It keeps 8-bit octets in headers as they are.
const EIGHT_BIT: &str = "munge8bit: no\n";

const MAILBOXES: [(&str, usize); 5] =
    [("INBOX", 70), ("Work", 45), ("Work/2026/Q1", 30), ("Entw&APw-rfe &U,BTFw-", 20), ("Lists/a b", 20)];

fn start(names: Names) -> Pair {
    let settings = if names == Names::PLAIN { EIGHT_BIT.to_owned() } else { EIGHT_BIT.to_owned() + BELOW_INBOX };
    Pair::start(ServerKind::Cyrus, names, &settings)
}

#[test]
fn a_mirror_of_cyrus_is_exact_and_follows_what_happens_there() {
    mirror(Names::PLAIN);
}

#[test]
fn a_mirror_of_cyrus_with_names_below_inbox_is_exact_and_follows_what_happens_there() {
    mirror(Names::BELOW_INBOX);
}

fn mirror(names: Names) {
    let mut pair = start(names);
    pair.fill(&MAILBOXES);
    let (url, mirror) = (pair.imaps(), ["--mode", "mirror", "--verify"]);
    assert_eq!(pair.fetched(&url, &["--mode", "mirror", "--dry-run"]), 185);
    assert_eq!(pair.fetched(&url, &["--mode", "mirror", "--verify=content"]), 185);
    pair.assert_same("at first");
    assert_eq!(pair.fetched(&url, &mirror), 0);

    let mut there = pair.client_there();
    there.ok("SELECT INBOX");
    there.ok("UID STORE 3:20 -FLAGS.SILENT (\\Seen $Forwarded)");
    there.ok("UID STORE 5:9 +FLAGS.SILENT (\\Flagged new \\Deleted)");
    there.ok("UID EXPUNGE 6:8");
    there.ok(&format!("UID MOVE 30:33 {}", names.there("Work")));
    append(&mut there, &names.there("Work"), &Corpus::new(3).messages(3, 2_000));
    // The four that were moved are there under new numbers.
    assert_eq!(pair.fetched(&url, &mirror), 7);
    pair.assert_same("after changes");

    // A renamed mailbox keeps its messages, and its id.
    there.ok(&format!("RENAME \"{}\" \"{}\"", names.there("Lists/a b"), names.there("Lists/c")));
    assert_eq!(pair.fetched(&url, &mirror), 0);
    let here = pair.mail_here();
    assert!(here.contains_key("Lists/c") && !here.contains_key("Lists/a b"), "{:?}", here.keys());
    pair.assert_same("after a rename");

    // A mailbox that was made again under its name is another one.
    let (again, aside) = (names.there("Work/2026/Q1"), names.there("Aside"));
    there.ok(&format!("CREATE {aside}"));
    there.ok(&format!("SELECT {again}"));
    there.ok(&format!("UID COPY 1:4 {aside}"));
    there.ok(&format!("SELECT {aside}"));
    there.ok(&format!("DELETE {again}"));
    there.ok(&format!("CREATE {again}"));
    there.ok(&format!("UID COPY 1:* {again}"));
    append(&mut there, &again, &Corpus::new(4).messages(2, 2_000));
    let refused = pair.run(&url, &mirror).failure();
    assert!(refused.stdout.contains("--yes"), "{}", refused.said());
    let _ = pair.pulled(&url, &["--mode", "mirror", "--verify=content", "--yes"]);
    pair.assert_same("after a mailbox was made again");
    assert_eq!(pair.fetched(&url, &mirror), 0);
    pair.check();
}

#[test]
fn an_archive_of_cyrus_keeps_what_goes_there_and_uses_what_is_for_the_same_use_here() {
    let pair = start(Names::PLAIN);
    pair.fill(&[("INBOX", 40), ("Lists", 6), ("Work", 30)]);
    let mut there = pair.client_there();
    there.ok("CREATE Papierkorb (USE (\\Trash))");
    there.ok("CREATE Gesendet (USE (\\Sent))");
    append(&mut there, "Papierkorb", &Corpus::new(5).messages(6, 2_000));
    append(&mut there, "Gesendet", &Corpus::new(6).messages(6, 2_000));
    let url = pair.imaps();
    assert_eq!(pair.fetched(&url, &["--verify=content"]), 88);
    let here = pair.mail_here();
    assert_eq!(here.keys().map(String::as_str).collect::<Vec<_>>(), ["INBOX", "Lists", "Sent", "Trash", "Work"]);
    assert_eq!(here["Trash"], messages(&mut there, "Papierkorb"));
    assert_eq!(here["Sent"], messages(&mut there, "Gesendet"));

    there.ok("SELECT Work");
    there.ok("UID STORE 1:20 +FLAGS.SILENT (\\Deleted)");
    there.ok("UID EXPUNGE 1:20");
    there.ok("UID STORE 21:30 +FLAGS.SILENT (done)");
    there.ok("SELECT INBOX");
    there.ok("DELETE Lists");
    let mut client = pair.client_here();
    client.ok("SELECT INBOX");
    client.ok("UID STORE 1:4 +FLAGS.SILENT (\\Deleted)");
    client.ok("UID EXPUNGE 1:4");
    client.ok("UID STORE 5:10 +FLAGS.SILENT (mine)");
    assert_eq!(pair.fetched(&url, &["--verify"]), 0);
    let counts = |mailbox: &str, flag: &str| {
        let messages = messages(&mut pair.client_here(), mailbox);
        (messages.len(), messages.iter().filter(|(_, flags, _)| flags.contains(flag)).count())
    };
    assert_eq!(counts("Work", "done"), (30, 10));
    assert_eq!(counts("INBOX", "mine"), (36, 6));
    assert_eq!(counts("Lists", "done").0, 6);
}

#[test]
fn changes_on_both_sides_come_together() {
    for names in [Names::PLAIN, Names::BELOW_INBOX] {
        let mut pair = start(names);
        let mut random = SplitMix64::new(seed());
        let mut corpus = Corpus::new(seed() + 1);
        let both = corpus.messages(5, 4_000);
        append(&mut pair.client_there(), "INBOX", &corpus.messages(20, 8_000));
        append(&mut pair.client_here(), "INBOX", &corpus.messages(20, 8_000));
        append(&mut pair.client_there(), "INBOX", &both);
        append(&mut pair.client_here(), "INBOX", &both);
        let url = pair.imaps();
        let _ = pair.pulled(&url, &["--mode", "sync", "--verify=content"]);
        pair.assert_same("at first");
        assert_eq!(pair.mail_here()["INBOX"].len(), 45);
        for round in 0..4 {
            let (mut there, mut here) = (pair.client_there(), pair.client_here());
            for step in 0..10 {
                let number = round * 100 + step;
                match random.chance(50) {
                    true => disturb(&mut there, names, &mut random, &mut corpus, number),
                    false => disturb(&mut here, Names::PLAIN, &mut random, &mut corpus, number),
                }
            }
            let _ = pair.pulled(&url, &["--mode", "sync", "--verify", "--yes"]);
            pair.assert_same(&format!("round {round}"));
            let again = pair.pulled(&url, &["--mode", "sync"]);
            assert_eq!((&again["fetched"], &again["uploaded"]), (&Value::from(0), &Value::from(0)), "{again:#}");
        }
        pair.check();
    }
}

#[test]
fn mail_moves_from_cyrus_and_to_cyrus() {
    let old = ServerUnderTest::start_with(ServerKind::Cyrus, POSTRIDER, &["alice"], EIGHT_BIT);
    let new = ServerUnderTest::start_kind(ServerKind::Postrider, POSTRIDER, &["bob", "alice"]);
    let mut client = ImapClient::of(&old, "alice");
    let mut corpus = Corpus::new(seed());
    for (name, count) in MAILBOXES {
        let _ = client.command(&format!("CREATE \"{name}\"")).unwrap();
        append(&mut client, name, &corpus.messages(count, 30_000));
    }
    assert_eq!(migrated(&old, &new, &["--dry-run"]), 185);
    assert_eq!(migrated(&old, &new, &["--verify=content"]), 185);
    let moved = mail(&mut ImapClient::of(&new, "bob"), Names::PLAIN);
    assert_same(&moved, &mail(&mut client, Names::PLAIN), "from Cyrus");
    assert_eq!(migrated(&old, &new, &["--verify"]), 0);
    drop(old);

    // And on, to a Cyrus that writes names otherwise.
    let settings = EIGHT_BIT.to_owned() + BELOW_INBOX;
    let next = ServerUnderTest::start_with(ServerKind::Cyrus, POSTRIDER, &["bob"], &settings);
    let mut client = ImapClient::of(&new, "alice");
    for (name, messages) in &moved {
        let _ = client.command(&format!("CREATE \"{name}\"")).unwrap();
        append(&mut client, name, &messages.iter().map(|(raw, ..)| raw.clone()).collect::<Vec<_>>());
    }
    append(&mut client, "Trash", &corpus.messages(3, 2_000));
    assert_eq!(migrated(&new, &next, &["--verify=content"]), 188);
    let mut arrived = ImapClient::of(&next, "bob");
    assert_same(&mail(&mut arrived, Names::BELOW_INBOX), &mail(&mut client, Names::PLAIN), "to Cyrus");
    let listed = arrived.ok("LIST (SPECIAL-USE) \"\" * RETURN (SPECIAL-USE)").untagged.concat();
    assert!(String::from_utf8_lossy(&listed).contains("\\Trash"), "{}", String::from_utf8_lossy(&listed));
    client.ok("SELECT Work");
    client.ok("UID STORE 1:5 +FLAGS.SILENT (\\Flagged later)");
    append(&mut client, "Work", &corpus.messages(4, 2_000));
    assert_eq!(migrated(&new, &next, &["--verify"]), 4);
    assert_same(&mail(&mut arrived, Names::BELOW_INBOX), &mail(&mut client, Names::PLAIN), "later");
}

/// Appends bytes as they are, NUL included (RFC 9051 §6.3.12).
fn append_binary(client: &mut ImapClient, message: &[u8]) {
    let tag = client.send(&[format!("APPEND INBOX ~{{{}+}}\r\n", message.len()).as_bytes(), message].concat()).unwrap();
    let answer = client.answer(&tag).unwrap();
    assert_eq!(answer.status, "OK", "{}", answer.text);
}

#[test]
fn nul_in_mail_of_cyrus_comes_as_it_is() {
    // It answers BODY[] with a literal8 then.
    let with_nul = b"Subject: nul\r\n\r\na\0b\r\n\0\0\r\n";
    let pair = start(Names::PLAIN);
    append_binary(&mut pair.client_there(), with_nul);
    append(&mut pair.client_there(), "INBOX", &Corpus::new(9).messages(3, 2_000));
    assert_eq!(pair.fetched(&pair.imaps(), &["--verify=content"]), 4);
    let mut here = pair.client_here();
    here.ok("EXAMINE INBOX");
    let kept = here.ok("FETCH 1 (BINARY.PEEK[])").fetches();
    assert_eq!(kept[0].items["BINARY[]"], with_nul);
}

#[test]
fn what_cyrus_does_not_take_or_changes_is_told_and_the_rest_is_moved() {
    let old = ServerUnderTest::start_kind(ServerKind::Postrider, POSTRIDER, &["alice"]);
    // As it is by default, it puts X for what is not ASCII in a header.
    let new = ServerUnderTest::start_kind(ServerKind::Cyrus, POSTRIDER, &["bob"]);
    let mut client = ImapClient::of(&old, "alice");
    append_binary(&mut client, b"no header at all\r\n");
    append_binary(&mut client, b"Subject: \xfcber\r\n\r\n8-bit\r\n");
    append_binary(&mut client, b"Subject: bare\r\n\r\na\nb\r\n");
    append_binary(&mut client, b"Subject: good\r\n\r\ngood\r\n");
    let arrived = || -> Vec<String> {
        let messages = messages(&mut ImapClient::of(&new, "bob"), "INBOX").into_iter();
        messages.map(|(raw, ..)| String::from_utf8(raw).unwrap()).collect()
    };
    let said = migrate(&old, &new, &[]).failure().said();
    assert!(
        said.contains("UID 1 was not copied: the new server did not take it: Message contains invalid header"),
        "{said}"
    );
    let expected =
        ["Subject: Xber\r\n\r\n8-bit\r\n", "Subject: bare\r\n\r\na\r\nb\r\n", "Subject: good\r\n\r\ngood\r\n"];
    assert_eq!(arrived(), expected, "{said}");
    let said = migrate(&old, &new, &["--verify=content"]).failure().said();
    assert!(said.contains("differs: UID 1 was not copied"), "{said}");
    assert!(
        said.contains("differs: UID 2: the content at the new server (UID 1) is not that at the old one"),
        "{said}"
    );
    assert_eq!(arrived(), expected, "{said}");
}

/// One mailbox here with mail of all kinds that Cyrus has its own ways with.
#[test]
fn a_sync_with_cyrus_sends_nothing_twice_that_it_refuses_or_changes() {
    let mut pair = Pair::start(ServerKind::Cyrus, Names::PLAIN, "");
    let mut here = pair.client_here();
    append_binary(&mut here, b"Subject: nul\r\n\r\na\0b\r\n");
    append_binary(&mut here, b"Subject: nul \0 in a header\r\n\r\nab\r\n");
    append_binary(&mut here, b"Subject: nul\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\r\n");
    append_binary(&mut here, b"Subject: \xfcber\r\n\r\n8-bit\r\n");
    append_binary(&mut here, b"Subject: bare\r\n\r\na\nb\r\n");
    append_binary(&mut here, b"no header at all\r\n");
    append_binary(&mut here, b"Subject: good\r\n\r\ngood\r\n");
    let url = pair.imaps();
    for _ in 0..3 {
        let said = pair.run(&url, &["--mode", "sync", "--verify"]).failure().said();
        assert!(
            said.contains("Message contains NUL characters") && said.contains("Message contains invalid header"),
            "{said}"
        );
        println!("{said}");
        let mut there = pair.client_there();
        there.ok("EXAMINE INBOX");
        assert_eq!(there.ok("UID SEARCH ALL").search().len(), 5, "{said}");
        assert_eq!(messages(&mut here, "INBOX").len(), 7, "{said}");
    }
    pair.check();
}

#[test]
fn mail_is_fetched_from_cyrus_by_pop3_and_removed_there() {
    let pair = start(Names::PLAIN);
    let mut corpus = Corpus::new(seed());
    let mut all = corpus.messages(150, 20_000);
    all.push(all[3].clone());
    all.push(b"Subject: dots\r\n\r\n.\r\n..\r\nend.\r\n.".to_vec());
    all.push(b"Subject: no end of line\r\n\r\nno end".to_vec());
    all.push(corpus.message_of(Kind::Attachments, 4 << 20));
    append(&mut pair.client_there(), "INBOX", &all);
    let there = pop3_contents(&pair.there);
    let here = || messages(&mut pair.client_here(), "INBOX").into_iter().map(|(raw, ..)| raw).collect::<Vec<_>>();
    let url = pair.url("pop3s", pair.there.ports().pop3s);
    let kept = pair.pulled(&url, &["--keep", "--verify=content"]);
    assert_eq!((&kept["fetched"], &kept["removed_there"]), (&Value::from(154), &Value::from(0)), "{kept:#}");
    assert_same_contents(&here(), &there);
    assert_eq!(pair.fetched(&url, &[]), 0);
    append(&mut pair.client_there(), "INBOX", &corpus.messages(3, 2_000));
    let there = pop3_contents(&pair.there);
    let removed = pair.pulled(&url, &["--delete", "--verify"]);
    assert_eq!((&removed["fetched"], &removed["removed_there"]), (&Value::from(3), &Value::from(157)), "{removed:#}");
    assert!(pop3_contents(&pair.there).is_empty());
    assert_same_contents(&here(), &there);
}

#[test]
fn a_running_server_hears_of_new_mail_in_cyrus() {
    hears_of_new_mail(&mut start(Names::PLAIN));
}
