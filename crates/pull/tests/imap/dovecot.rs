//! Everything that a run must do, against Dovecot.

use postrider_pull::imap::{Consent, ImapMode, ImapPullOptions, Rehearsal, Verification};
use postrider_testkit::server::ServerKind;
use postrider_testkit::{Corpus, ImapClient, ServerUnderTest, SplitMix64};

use crate::proxy::cutting_proxy;
use crate::world::{World, mail_there};

/// Names there and here.
const MAILBOXES: [(&str, &str); 6] = [
    ("INBOX", "INBOX"),
    ("Work", "Work"),
    ("Work/2026", "Work/2026"),
    ("Entw&APw-rfe &U,BTFw-", "Entwürfe 台北"),
    ("Lists/a b", "Lists/a b"),
    ("Trash", "Trash"),
];

const FLAGS: [&str; 6] =
    ["", "\\Seen", "\\Seen \\Answered", "\\Flagged $Forwarded", "Work-1 \\Draft", "\\Seen \\Deleted"];

fn dovecot() -> ServerUnderTest {
    ServerUnderTest::start_kind(ServerKind::Dovecot, "", &["alice"])
}

/// Fills the server with varied messages.
fn fill(client: &mut ImapClient, count: usize) {
    let mut corpus = Corpus::new(4);
    for (number, (name, _)) in MAILBOXES.iter().enumerate() {
        if *name != "INBOX" {
            client.ok(&format!("CREATE \"{name}\""));
        }
        let messages = corpus.messages(count / (number + 1), 60_000);
        for (messages, flags) in messages.chunks(count / 12 + 1).zip(FLAGS.iter().cycle()) {
            client.append(&format!("\"{name}\""), flags, messages).unwrap();
        }
    }
}

fn mirror() -> ImapPullOptions {
    ImapPullOptions { mode: ImapMode::Mirror, ..ImapPullOptions::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_exact_and_a_second_run_fetches_nothing() {
    let server = dovecot();
    let mut client = ImapClient::of(&server, "alice");
    fill(&mut client, 120);
    let world = World::new().await;
    let dry = world.pull(&server, &ImapPullOptions { rehearsal: Rehearsal::Dry, ..mirror() }).await;
    assert!(world.mail().await.is_empty());
    let first = world.pull(&server, &ImapPullOptions { verification: Verification::Content, ..mirror() }).await;
    assert!(first.is_complete(), "{first:#?}");
    assert_eq!(dry.fetched(), first.fetched());
    let there = mail_there(&mut client, &MAILBOXES);
    assert_eq!(world.mail().await, there);
    assert_eq!(first.mailboxes.iter().map(|mailbox| mailbox.verified).sum::<u64>(), first.fetched());
    let second = world.pull(&server, &mirror()).await;
    let touched = |report: &postrider_pull::imap::MailboxReport| report.fetched + report.flags_changed + report.removed;
    assert_eq!(second.mailboxes.iter().map(touched).sum::<u64>(), 0, "{second:#?}");
    assert!(second.bytes_received < 5_000, "{}", second.bytes_received);
    change_there(&mut client);
    let third = world.pull(&server, &mirror()).await;
    assert!(third.is_complete(), "{third:#?}");
    assert_eq!((third.fetched(), third.mailboxes.iter().map(|mailbox| mailbox.removed).sum::<u64>()), (3, 3));
    assert_eq!(world.mail().await, mail_there(&mut client, &MAILBOXES));
    world.store.verify(|_| ()).await.unwrap();
}

/// Flags change, messages come and go.
fn change_there(client: &mut ImapClient) {
    client.ok("SELECT INBOX");
    client.ok("UID STORE 1:5 +FLAGS.SILENT (\\Answered Extra)");
    client.ok("UID STORE 30:60 -FLAGS.SILENT (\\Seen)");
    client.ok("UID STORE 20:22 +FLAGS.SILENT (\\Deleted)");
    client.ok("UID EXPUNGE 20:22");
    let messages = Corpus::new(77).messages(3, 3_000);
    client.append("Work", "\\Seen", &messages).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_keeps_what_vanishes_and_flags_that_changed_here() {
    use postrider_store::{Flag, FlagMode, StoreFlags, Uid};
    let server = dovecot();
    let mut client = ImapClient::of(&server, "alice");
    fill(&mut client, 40);
    let world = World::new().await;
    let options = ImapPullOptions::default();
    assert!(world.pull(&server, &options).await.is_complete());
    let inbox = world.account.state().find("INBOX").unwrap().id;
    let uids = [Uid(1), Uid(2)].into_iter().collect();
    let flags = vec![Flag::Flagged, Flag::Seen];
    let wish = StoreFlags { mailbox: inbox, uids, mode: FlagMode::Add, flags, unchanged_since: None };
    world.account.store_flags(wish).await.unwrap();
    let before = world.mail().await;
    client.ok("SELECT INBOX");
    client.ok("UID STORE 1 +FLAGS.SILENT (\\Answered)");
    client.ok("UID STORE 5:30 +FLAGS.SILENT (\\Deleted)");
    client.ok("UID EXPUNGE 5:30");
    client.ok("DELETE \"Lists/a b\"");
    let second = world.pull(&server, &options).await;
    assert!(second.is_complete(), "{second:#?}");
    let after = world.mail().await;
    let hashes =
        |mail: &crate::world::Mail| -> Vec<String> { mail.values().flatten().map(|(hash, _)| hash.clone()).collect() };
    assert_eq!(hashes(&before), hashes(&after));
    let mailbox = world.account.mailbox(inbox).await.unwrap();
    let flags_of = |uid| mailbox.record.keywords.flags(mailbox.messages().unwrap().find(Uid(uid)).unwrap().1.flags);
    assert_eq!(flags_of(1), [Flag::Answered, Flag::Flagged, Flag::Seen]);
    assert!(after.values().flatten().all(|(_, flags)| !flags.contains("\\deleted")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_removes_much_only_when_told_to() {
    let server = dovecot();
    let mut client = ImapClient::of(&server, "alice");
    fill(&mut client, 60);
    let world = World::new().await;
    assert!(world.pull(&server, &mirror()).await.is_complete());
    let before = world.mail().await;
    client.ok("SELECT INBOX");
    client.ok("UID STORE 1:40 +FLAGS.SILENT (\\Deleted)");
    client.ok("UID EXPUNGE 1:40");
    client.ok("DELETE \"Lists/a b\"");
    for _ in 0..2 {
        let report = world.pull(&server, &mirror()).await;
        assert!(!report.is_complete(), "{report:#?}");
        assert_eq!(world.mail().await, before);
    }
    let told = world.pull(&server, &ImapPullOptions { consent: Consent::Given, ..mirror() }).await;
    assert!(told.is_complete(), "{told:#?}");
    let left: Vec<(&str, &str)> = MAILBOXES.iter().copied().filter(|(name, _)| *name != "Lists/a b").collect();
    assert_eq!(world.mail().await, mail_there(&mut client, &left));
    assert!(world.account.state().find("Lists/a b").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_uidvalidity_costs_no_second_fetch_and_loses_nothing() {
    let server = dovecot();
    let mut client = ImapClient::of(&server, "alice");
    fill(&mut client, 60);
    let world = World::new().await;
    assert!(world.pull(&server, &mirror()).await.is_complete());
    let before = world.mail().await;
    // The same messages under another number, in another order, with one more and one flag less.
    client.ok("CREATE Copy");
    client.ok("SELECT INBOX");
    client.ok("UID STORE 7 -FLAGS.SILENT (\\Seen)");
    client.ok("UID COPY 31:60 Copy");
    client.ok("UID COPY 1:30 Copy");
    client.ok("UID STORE 1:* +FLAGS.SILENT (\\Deleted)");
    client.ok("EXPUNGE");
    client.ok("SELECT Trash");
    client.ok("UID COPY 1:* Copy");
    client.ok("UNSELECT");
    client.ok("DELETE Trash");
    client.ok("RENAME Copy Trash");
    let report = world.pull(&server, &ImapPullOptions { verification: Verification::Content, ..mirror() }).await;
    let trash = report.mailboxes.iter().find(|mailbox| mailbox.remote == "Trash").unwrap();
    assert_eq!((trash.recognised, trash.fetched), (10, 60), "{report:#?}");
    assert_eq!(world.mail().await["Trash"], mail_there(&mut client, &[("Trash", "Trash")])["Trash"]);
    assert_eq!(world.mail().await["INBOX"], before["INBOX"], "so many removals need consent");
    // The same mailbox again, under yet another number: now nothing at all is fetched.
    client.ok("CREATE Copy");
    client.ok("SELECT Trash");
    client.ok("UID COPY 1:* Copy");
    client.ok("UNSELECT");
    client.ok("DELETE Trash");
    client.ok("RENAME Copy Trash");
    let report = world.pull(&server, &mirror()).await;
    assert_eq!(report.fetched(), 0, "{report:#?}");
    assert_eq!(world.mail().await["Trash"], mail_there(&mut client, &[("Trash", "Trash")])["Trash"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_mailbox_is_renamed_here_and_not_fetched_again() {
    let server = dovecot();
    let mut client = ImapClient::of(&server, "alice");
    fill(&mut client, 36);
    let world = World::new().await;
    assert!(world.pull(&server, &mirror()).await.is_complete());
    client.ok("RENAME Work Projects");
    let report = world.pull(&server, &mirror()).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!(report.fetched(), 0, "{report:#?}");
    let renamed = MAILBOXES.map(|(there, here)| match there {
        "Work" => ("Projects", "Projects"),
        "Work/2026" => ("Projects/2026", "Projects/2026"),
        _ => (there, here),
    });
    assert_eq!(world.mail().await, mail_there(&mut client, &renamed));
    assert!(world.account.state().find("Work").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_cost_nothing_and_double_nothing() {
    let server = dovecot();
    let mut client = ImapClient::of(&server, "alice");
    fill(&mut client, 48);
    let there = mail_there(&mut client, &MAILBOXES);
    let options = ImapPullOptions { group_bytes_max: 60_000, group_messages_max: 7, ..mirror() };
    let mut random = SplitMix64::new(5);
    let mut world = World::new().await;
    let mut cuts = 0;
    loop {
        let bytes = random.between(300, 400_000);
        let port = cutting_proxy(server.ports().imap, bytes).await;
        let outcome = world.try_pull_through(&server, port, &options).await;
        if outcome.is_ok_and(|report| report.is_complete()) {
            break;
        }
        cuts += 1;
        assert!(cuts < 200);
        world = world.again().await;
    }
    assert!(cuts > 2, "{cuts}");
    assert_eq!(world.mail().await, there);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_are_dropped_anywhere_cost_nothing_and_double_nothing() {
    let server = dovecot();
    let mut client = ImapClient::of(&server, "alice");
    fill(&mut client, 48);
    let there = mail_there(&mut client, &MAILBOXES);
    let options = ImapPullOptions { group_bytes_max: 60_000, group_messages_max: 5, ..mirror() };
    let mut world = World::new().await;
    for round in 0u64.. {
        assert!(round < 500);
        let time = std::time::Duration::from_micros(2_000 + round * 3_000);
        let run = world.try_pull(&server, server.ports().imap, &options);
        let outcome = tokio::time::timeout(time, run).await;
        if outcome.is_ok_and(|outcome| outcome.unwrap().is_complete()) {
            break;
        }
        world = world.again().await;
    }
    assert_eq!(world.mail().await, there);
}
