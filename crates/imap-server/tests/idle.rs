//! IDLE (RFC 9051 §6.3.13, RFC 2177).

mod common;

use std::time::Duration;

use common::{ALICE, Client, LOGIN, Server, Setup, message};
use postrider_imap_server::ImapOptions;
use postrider_net::shutdown_channel;
use postrider_store::{Flag, INBOX};

#[tokio::test]
async fn news_of_other_sessions_are_told_as_they_happen() {
    let server = Server::with_messages(2).await;
    let mut idler = server.select().await;
    let mut other = server.select().await;
    idler.says("C: a IDLE\nS: + …").await;
    other.says("C: a STORE 1 +FLAGS.SILENT (\\Deleted)\nS: a OK …").await;
    idler.says("S: * 1 FETCH (UID 1 FLAGS (\\Recent \\Deleted))").await;
    server.append(INBOX, vec![Flag::Seen], message(3)).await;
    idler.says("S: * 3 EXISTS\nS: * 3 RECENT").await;
    other.says("C: a EXPUNGE\nS: * 1 EXPUNGE\nS: * 2 EXISTS\nS: * 0 RECENT\nS: a OK …").await;
    idler.says("S: * 1 EXPUNGE\nC: DONE\nS: a OK …\nC: b NOOP\nS: b OK …").await;
}

#[tokio::test]
async fn what_happened_before_idle_is_told_at_once() {
    let server = Server::with_messages(1).await;
    let mut client = server.select().await;
    server.append(INBOX, Vec::new(), message(2)).await;
    client.says("C: a IDLE\nS: + …\nS: * 2 EXISTS\nS: * 2 RECENT\nC: done\nS: a OK …").await;
}

#[tokio::test]
async fn idle_works_without_a_mailbox_and_with_done_in_the_same_write() {
    let server = Server::start().await;
    server.session("C: a IDLE\nC: DONE\nC: b NOOP\nS: + …\nS: a OK …\nS: b OK …").await;
    server.login().await.says_in_pieces("C: a IDLE\nC: DONE\nC: b NOOP\nS: + …\nS: a OK …\nS: b OK …", 1).await;
}

#[tokio::test]
async fn anything_else_than_done_ends_idle_with_bad() {
    Server::start().await.session("C: a IDLE\nS: + …\nC: b NOOP\nS: a BAD …\nC: c NOOP\nS: c OK …").await;
}

#[tokio::test(start_paused = true)]
async fn an_idling_client_gets_a_line_now_and_then_and_is_logged_out_in_the_end() {
    let times = ImapOptions {
        keepalive: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(35),
        ..ImapOptions::default()
    };
    let server = Server::start_with(Setup { imap: times, ..Setup::default() }).await;
    let text = "
        C: a IDLE
        S: + …
        S: * OK …
        S: * OK …
        S: * OK …
        S: * OK …
        S: * BYE Autologout; idle for too long
        S closes";
    server.session(text).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_logged_out() {
    let times = ImapOptions { idle_timeout: Duration::from_secs(15), ..ImapOptions::default() };
    let server = Server::start_with(Setup { imap: times, ..Setup::default() }).await;
    server.session("C: a NOOP\nS: a OK …\nS: * BYE Autologout; idle for too long\nS closes").await;
}

#[tokio::test]
async fn a_server_that_stops_says_goodbye_in_every_state() {
    let (trigger, shutdown) = shutdown_channel();
    let server = Server::start_with(Setup { shutdown, ..Setup::default() }).await;
    let mut clients: Vec<Client<_>> = Vec::new();
    for text in ["S: * OK …", LOGIN, &format!("{LOGIN}C: a IDLE\nS: + …"), "S: * OK …\nC: a AUTHENTICATE PLAIN\nS: +…"]
    {
        let mut client = Client(server.connect());
        client.says(text).await;
        clients.push(client);
    }
    trigger.request();
    for client in &mut clients {
        client.says("S: * BYE The server is shutting down\nS closes").await;
    }
}

#[tokio::test]
async fn a_mailbox_that_is_deleted_ends_idle_in_it() {
    let server = Server::start().await;
    let account = server.account(ALICE).await;
    let id = account.create_mailbox("here", Default::default()).await.unwrap();
    let mut client = server.login().await;
    client.says("C: a SELECT here\nS…\nS: a OK …\nC: b IDLE\nS: + …").await;
    account.delete_mailbox(id).await.unwrap();
    client.says("S: * BYE …deleted…\nS closes").await;
}
