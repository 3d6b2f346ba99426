//! Several connections to one server.

use std::collections::BTreeMap;
use std::time::Duration;

use postrider_pull::imap::{ImapMode, ImapPullOptions, ImapReport, Verification, pull};
use postrider_pull::{BackoffOptions, ConnectOptions, Credential, Protocol, Remote, Security, Silent};
use postrider_sasl::Password;
use postrider_testkit::server::ServerKind;
use postrider_testkit::{Corpus, ImapClient, Proxy, ServerUnderTest};

use crate::world::{World, mail_there};

/// A server with so many mailboxes of so many messages; their names there and here.
pub fn filled(mailboxes: usize, messages: usize, bytes_max: usize) -> (ServerUnderTest, Vec<String>) {
    let server = ServerUnderTest::start_kind(ServerKind::Dovecot, "", &["alice"]);
    let mut client = ImapClient::of(&server, "alice");
    let mut corpus = Corpus::new(9);
    let names: Vec<String> =
        std::iter::once("INBOX".to_owned()).chain((1..mailboxes).map(|number| format!("Box {number}"))).collect();
    for name in &names {
        if name != "INBOX" {
            client.ok(&format!("CREATE \"{name}\""));
        }
        for _ in 0..messages.div_ceil(500) {
            let messages = corpus.messages(messages.min(500), bytes_max);
            client.append(&format!("\"{name}\""), "\\Seen", &messages).unwrap();
        }
    }
    (server, names)
}

pub async fn pull_with(
    world: &World,
    server: &ServerUnderTest,
    port: u16,
    connections_max: usize,
    options: &ImapPullOptions,
) -> ImapReport {
    let alice = server.account("alice");
    let (host, user) = ("127.0.0.1".to_owned(), alice.address.clone());
    let remote = Remote { protocol: Protocol::Imap, host, port, security: Security::Plain, user };
    let credential = Credential::Password(Password::new(alice.password.clone()));
    let moment = Duration::from_millis(1);
    let backoff = BackoffOptions { wait: moment, wait_temporary: moment, ..BackoffOptions::default() };
    let silence_time_max = Duration::from_secs(20);
    let connect = ConnectOptions { silence_time_max, connections_max, backoff, ..ConnectOptions::default() };
    pull(&remote, &credential, &connect, &world.account, options, &Silent).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_connections_bring_what_is_there_and_a_second_run_needs_one() {
    let (server, names) = filled(5, 120, 8_000);
    let (proxy, world) = (Proxy::start(server.ports().imap), World::new().await);
    let options =
        ImapPullOptions { mode: ImapMode::Mirror, verification: Verification::Content, ..ImapPullOptions::default() };
    let report = pull_with(&world, &server, proxy.port(), 3, &options).await;
    assert!(report.is_complete(), "{report:#?}");
    let told: BTreeMap<&str, (u64, u64)> =
        report.mailboxes.iter().map(|one| (one.remote.as_str(), (one.fetched, one.verified))).collect();
    assert_eq!(told, names.iter().map(|name| (name.as_str(), (120, 120))).collect());
    let pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    let there = mail_there(&mut ImapClient::of(&server, "alice"), &pairs);
    assert_eq!(world.mail().await, there);
    let before = proxy.connections();
    assert!((2..=5).contains(&before), "{before}");
    let again = ImapPullOptions { verification: Verification::None, ..options };
    let report = pull_with(&world, &server, proxy.port(), 3, &again).await;
    assert!(report.is_complete() && report.fetched() == 0, "{report:#?}");
    assert_eq!(proxy.connections(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_one_after_the_other_lose_nothing_and_bring_nothing_twice() {
    let (server, names) = filled(4, 120, 8_000);
    let (proxy, world) = (Proxy::start(server.ports().imap), World::new().await);
    proxy.cut_after(300_000);
    let options = ImapPullOptions { mode: ImapMode::Mirror, ..ImapPullOptions::default() };
    let report = pull_with(&world, &server, proxy.port(), 3, &options).await;
    assert!(report.is_complete(), "{report:#?}");
    let pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    let there = mail_there(&mut ImapClient::of(&server, "alice"), &pairs);
    assert_eq!(world.mail().await, there);
    assert_eq!(report.fetched(), 480);
}
