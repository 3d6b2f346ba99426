//! `postrider pull` and `postrider migrate` with Courier: names below `INBOX.`, neither CONDSTORE nor MOVE nor LITERAL+, and
//! UIDVALIDITY that is told anew until somebody opens the mailbox for writing.
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
    messages, migrated, pop3_contents, seed,
};
use serde_json::Value;

const NAMES: Names = Names::BELOW_INBOX;

const MAILBOXES: [(&str, usize); 5] =
    [("INBOX", 60), ("Work", 40), ("Work/2026/Q1", 25), ("Entw&APw-rfe &U,BTFw-", 15), ("Lists/a b", 15)];

fn start() -> Pair {
    Pair::start(ServerKind::Courier, NAMES, "")
}

/// Courier keeps the numbers that it gave when a mailbox is opened for writing, as every mail program does.
fn open_all(client: &mut ImapClient) {
    for name in remote::mailboxes(client) {
        client.ok(&format!("SELECT \"{name}\""));
    }
}

#[test]
fn a_mirror_of_courier_is_exact_and_follows_what_happens_there() {
    let mut pair = start();
    pair.fill(&MAILBOXES);
    let mut there = pair.client_there();
    open_all(&mut there);
    let (url, mirror) = (pair.imaps(), ["--mode", "mirror", "--verify"]);
    assert_eq!(pair.fetched(&url, &["--mode", "mirror", "--dry-run"]), 155);
    assert_eq!(pair.fetched(&url, &["--mode", "mirror", "--verify=content"]), 155);
    pair.assert_same("at first");
    // Once more by the other way into TLS, which is another server to the memory.
    assert_eq!(pair.fetched(&pair.url("imap", pair.there.ports().imap), &mirror), 0);
    assert_eq!(pair.fetched(&url, &mirror), 0);

    there.ok("SELECT INBOX");
    there.ok("UID STORE 3:20 -FLAGS.SILENT (\\Seen $Forwarded)");
    there.ok("UID STORE 5:9 +FLAGS.SILENT (\\Flagged new \\Deleted)");
    there.ok("UID EXPUNGE 6:8");
    there.ok("UID COPY 30:33 INBOX.Work");
    append(&mut there, "INBOX.Work", &Corpus::new(3).messages(3, 2_000));
    assert_eq!(pair.fetched(&url, &mirror), 7);
    pair.assert_same("after changes");

    there.ok("RENAME \"INBOX.Lists.a b\" INBOX.Lists.c");
    // It numbers a renamed mailbox anew: nothing tells that it is not another one.
    let refused = pair.run(&url, &mirror).failure();
    assert!(refused.stdout.contains("--yes"), "{}", refused.said());
    assert_eq!(pair.fetched(&url, &["--mode", "mirror", "--verify", "--yes"]), 0);
    pair.assert_same("after a rename");

    // A mailbox that was made again under its name is another one.
    there.ok("CREATE INBOX.Aside");
    there.ok("SELECT INBOX.Work.2026.Q1");
    there.ok("UID COPY 1:4 INBOX.Aside");
    there.ok("SELECT INBOX.Aside");
    there.ok("DELETE INBOX.Work.2026.Q1");
    there.ok("CREATE INBOX.Work.2026.Q1");
    there.ok("UID COPY 1:* INBOX.Work.2026.Q1");
    append(&mut there, "INBOX.Work.2026.Q1", &Corpus::new(4).messages(2, 2_000));
    open_all(&mut there);
    let refused = pair.run(&url, &mirror).failure();
    assert!(refused.stdout.contains("--yes"), "{}", refused.said());
    let _ = pair.pulled(&url, &["--mode", "mirror", "--verify=content", "--yes"]);
    pair.assert_same("after a mailbox was made again");
    assert_eq!(pair.fetched(&url, &mirror), 0);
    pair.check();
}

#[test]
fn an_archive_of_courier_keeps_what_goes_there_and_a_wrong_password_is_told() {
    let pair = start();
    pair.fill(&[("INBOX", 30), ("Lists", 6), ("Work", 30)]);
    let mut there = pair.client_there();
    open_all(&mut there);
    let url = pair.imaps();
    assert_eq!(pair.fetched(&url, &["--verify=content"]), 66);
    there.ok("SELECT INBOX.Work");
    there.ok("UID STORE 1:20 +FLAGS.SILENT (\\Deleted)");
    there.ok("UID EXPUNGE 1:20");
    there.ok("UID STORE 21:30 +FLAGS.SILENT (done)");
    there.ok("DELETE INBOX.Lists");
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
    assert_eq!(counts("INBOX", "mine"), (26, 6));
    assert_eq!(counts("Lists", "done").0, 6);

    for (scheme, port) in [("imaps", pair.there.ports().imaps), ("pop3s", pair.there.ports().pop3s)] {
        let url = format!("{scheme}://nobody@example.test@127.0.0.1:{port}");
        let refused = pair.run(&url, &[]);
        assert_eq!(refused.status.code(), Some(2), "{}", refused.said());
        assert!(refused.stderr.contains("look at user name and password"), "{}", refused.said());
    }
}

#[test]
fn changes_on_both_sides_come_together() {
    let mut pair = start();
    let mut random = SplitMix64::new(seed());
    let mut corpus = Corpus::new(seed() + 1);
    let both = corpus.messages(5, 4_000);
    append(&mut pair.client_there(), "INBOX", &corpus.messages(20, 8_000));
    append(&mut pair.client_here(), "INBOX", &corpus.messages(20, 8_000));
    append(&mut pair.client_there(), "INBOX", &both);
    append(&mut pair.client_here(), "INBOX", &both);
    open_all(&mut pair.client_there());
    let url = pair.imaps();
    let _ = pair.pulled(&url, &["--mode", "sync", "--verify=content"]);
    pair.assert_same("at first");
    assert_eq!(pair.mail_here()["INBOX"].len(), 45);
    for round in 0..5 {
        let (mut there, mut here) = (pair.client_there(), pair.client_here());
        for step in 0..10 {
            let number = round * 100 + step;
            match random.chance(50) {
                true => disturb(&mut there, NAMES, &mut random, &mut corpus, number),
                false => disturb(&mut here, Names::PLAIN, &mut random, &mut corpus, number),
            }
        }
        open_all(&mut there);
        let _ = pair.pulled(&url, &["--mode", "sync", "--verify", "--yes"]);
        pair.assert_same(&format!("round {round}"));
        let again = pair.pulled(&url, &["--mode", "sync"]);
        assert_eq!((&again["fetched"], &again["uploaded"]), (&Value::from(0), &Value::from(0)), "{again:#}");
    }
    pair.check();
}

#[test]
fn mail_moves_from_courier_and_to_courier() {
    let old = ServerUnderTest::start_kind(ServerKind::Courier, POSTRIDER, &["alice"]);
    let new = ServerUnderTest::start_kind(ServerKind::Postrider, POSTRIDER, &["bob", "alice"]);
    let mut client = ImapClient::of(&old, "alice");
    let mut corpus = Corpus::new(seed());
    for (name, count) in MAILBOXES {
        let name = NAMES.there(name);
        let _ = client.command(&format!("CREATE \"{name}\"")).unwrap();
        append(&mut client, &name, &corpus.messages(count, 30_000));
    }
    open_all(&mut client);
    assert_eq!(migrated(&old, &new, &["--dry-run"]), 155);
    assert_eq!(migrated(&old, &new, &["--verify=content"]), 155);
    let moved = mail(&mut ImapClient::of(&new, "bob"), Names::PLAIN);
    assert_same(&moved, &mail(&mut client, NAMES), "from Courier");
    assert_eq!(migrated(&old, &new, &["--verify"]), 0);
    drop(old);

    let next = ServerUnderTest::start_kind(ServerKind::Courier, POSTRIDER, &["bob"]);
    let mut client = ImapClient::of(&new, "alice");
    for (name, messages) in &moved {
        let _ = client.command(&format!("CREATE \"{name}\"")).unwrap();
        append(&mut client, name, &messages.iter().map(|(raw, ..)| raw.clone()).collect::<Vec<_>>());
    }
    assert_eq!(migrated(&new, &next, &["--verify=content"]), 155);
    let mut arrived = ImapClient::of(&next, "bob");
    assert_same(&mail(&mut arrived, NAMES), &mail(&mut client, Names::PLAIN), "to Courier");
    client.ok("SELECT Work");
    client.ok("UID STORE 1:5 +FLAGS.SILENT (\\Flagged later)");
    append(&mut client, "Work", &corpus.messages(4, 2_000));
    assert_eq!(migrated(&new, &next, &["--verify"]), 4);
    assert_same(&mail(&mut arrived, NAMES), &mail(&mut client, Names::PLAIN), "later");
}

#[test]
fn mail_is_fetched_from_courier_by_pop3_and_removed_there() {
    // Who does not say UTF8 gets reports about messages with UTF-8 in their headers, instead of these messages.
    let pair = start();
    let mut corpus = Corpus::new(seed());
    let mut all = corpus.messages(120, 20_000);
    all.push(all[3].clone());
    all.push(b"Subject: dots\r\n\r\n.\r\n..\r\nend.\r\n.".to_vec());
    all.push(b"Subject: no end of line\r\n\r\nno end".to_vec());
    all.push(corpus.message_of(Kind::Attachments, 4 << 20));
    append(&mut pair.client_there(), "INBOX", &all);
    let there = pop3_contents(&pair.there);
    let here = || messages(&mut pair.client_here(), "INBOX").into_iter().map(|(raw, ..)| raw).collect::<Vec<_>>();
    let url = pair.url("pop3s", pair.there.ports().pop3s);
    let kept = pair.pulled(&url, &["--keep", "--verify=content"]);
    assert_eq!((&kept["fetched"], &kept["removed_there"]), (&Value::from(124), &Value::from(0)), "{kept:#}");
    assert_same_contents(&here(), &there);
    assert_eq!(pair.fetched(&url, &[]), 0);
    append(&mut pair.client_there(), "INBOX", &corpus.messages(3, 2_000));
    let there = pop3_contents(&pair.there);
    let removed = pair.pulled(&url, &["--delete", "--verify"]);
    assert_eq!((&removed["fetched"], &removed["removed_there"]), (&Value::from(3), &Value::from(127)), "{removed:#}");
    assert!(pop3_contents(&pair.there).is_empty());
    assert_same_contents(&here(), &there);
    // STLS is another port, and so another server; there is nothing any more.
    assert_eq!(pair.fetched(&pair.url("pop3", pair.there.ports().pop3), &["--delete"]), 0);
}

#[test]
fn a_running_server_hears_of_new_mail_in_courier() {
    // It looks every second.
    hears_of_new_mail(&mut Pair::start(ServerKind::Courier, NAMES, "IMAP_IDLE_TIMEOUT=1\n"));
}
