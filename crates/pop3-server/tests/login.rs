//! Logging in, and what a session may do before.

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use postrider_accounts::{AccountSettings, Mechanism};
use postrider_pop3_server::Pop3Options;
use postrider_testkit::transcript;
use support::{ADDRESS, LOGIN, PASSWORD, Server, Setup};

/// `\0mrose@example.com\0tanstaaf`
const PLAIN: &str = "AG1yb3NlQGV4YW1wbGUuY29tAHRhbnN0YWFm";

#[tokio::test]
async fn user_and_pass_open_the_maildrop() {
    let server = Server::with_two_messages(Setup::default()).await;
    transcript(
        server.connect(),
        "
        S: +OK postrider at your service
        C: USER mrose@example.com
        S: +OK Send your password
        C: PASS tanstaaf
        S: +OK 2 messages (320 octets)
        C: USER mrose@example.com
        S: -ERR You are logged in already
        C: AUTH PLAIN
        S: -ERR You are logged in already
        C: QUIT
        S: +OK Goodbye
        S closes
        ",
    )
    .await;
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_get_the_same_answers() {
    let server = Server::start(Setup::default()).await;
    transcript(
        server.connect(),
        "
        S: +OK …
        C: USER mrose@example.com
        S: +OK Send your password
        C: PASS wrong
        S: -ERR [AUTH] Authentication failed
        C: PASS tanstaaf
        S: -ERR USER comes first
        C: USER nobody@example.com
        S: +OK Send your password
        C: PASS wrong
        S: -ERR [AUTH] Authentication failed
        C: PASS
        S: -ERR An argument is missing
        C: USER mrose
        S: +OK Send your password
        C: PASS tanstaaf
        S: +OK 0 messages (0 octets)
        ",
    )
    .await;
}

#[tokio::test]
async fn what_needs_a_maildrop_is_refused_before_login() {
    let server = Server::start(Setup::default()).await;
    let commands = ["STAT", "LIST", "LIST 1", "UIDL", "RETR 1", "TOP 1 0", "DELE 1", "RSET", "NOOP"];
    let dialogue: String = commands.iter().map(|command| format!("C: {command}\nS: -ERR Log in first\n")).collect();
    transcript(server.connect(), &format!("S: +OK …\n{dialogue}C: QUIT\nS: +OK Goodbye\nS closes")).await;
}

#[tokio::test]
async fn plain_passwords_are_refused_where_somebody_may_listen() {
    let server = Server::start(Setup::default()).await;
    let (client, _) = server.connect_from("192.0.2.1:4000");
    transcript(
        client,
        "
        S: +OK …
        C: USER mrose@example.com
        S: -ERR Plain passwords need an encrypted connection
        C: PASS tanstaaf
        S: -ERR Plain passwords need an encrypted connection
        C: AUTH PLAIN
        S: -ERR Plain passwords need an encrypted connection
        C: CAPA
        S: +OK …
        S: TOP
        S: UIDL
        S: RESP-CODES
        S: AUTH-RESP-CODE
        S: PIPELINING
        S: UTF8 USER
        S: LANG
        S: SASL SCRAM-SHA-256
        S: EXPIRE NEVER
        S: IMPLEMENTATION postrider
        S: .
        ",
    )
    .await;
}

#[tokio::test]
async fn auth_takes_an_initial_response_or_asks_for_it() {
    let server = Server::with_two_messages(Setup::default()).await;
    let with_initial =
        format!("S: +OK …\nC: AUTH PLAIN {PLAIN}\nS: +OK 2 messages (320 octets)\nC: QUIT\nS: +OK …\nS closes");
    transcript(server.connect(), &with_initial).await;
    let asked =
        format!("S: +OK …\nC: auth plain\nS: + \nC: {PLAIN}\nS: +OK 2 messages (320 octets)\nC: QUIT\nS: +OK …");
    transcript(server.connect(), &asked).await;
    transcript(
        server.connect(),
        "
        S: +OK …
        C: AUTH LOGIN
        S: + VXNlcm5hbWU6
        C: bXJvc2VAZXhhbXBsZS5jb20=
        S: + UGFzc3dvcmQ6
        C: dGFuc3RhYWY=
        S: +OK 2 messages (320 octets)
        ",
    )
    .await;
}

#[tokio::test]
async fn an_exchange_that_goes_wrong_leaves_the_session_usable() {
    let server = Server::start(Setup::default()).await;
    let text = format!(
        "
        S: +OK …
        C: AUTH PLAIN
        S: + {}
        C: *
        S: -ERR Authentication cancelled
        C: AUTH PLAIN
        S: + {}
        C: not base64
        S: -ERR Malformed authentication message
        C: AUTH PLAIN AAA=BBB
        S: -ERR Malformed authentication message
        C: AUTH PLAIN AG1yb3NlQGV4YW1wbGUuY29tAHdyb25n
        S: -ERR [AUTH] Authentication failed
        C: AUTH CRAM-MD5
        S: -ERR No such mechanism
        C: AUTH PLAIN {PLAIN}
        S: +OK 0 messages (0 octets)
        ",
        "", ""
    );
    transcript(server.connect(), &text).await;
}

#[tokio::test]
async fn scram_sends_its_proof_before_success() {
    use postrider_sasl::{ChannelBinding, ClientCredentials, ClientExchange};
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let server = Server::start(Setup::default()).await;
    let (client, _) = server.connect_from("192.0.2.1:4000");
    let mut client = BufReader::new(client);
    let mut line = String::new();
    let mut lines = Vec::new();
    let credentials = ClientCredentials::new(ADDRESS, postrider_sasl::Password::from(PASSWORD));
    let mut exchange = ClientExchange::new(Mechanism::ScramSha256, credentials, ChannelBinding::None).unwrap();
    client.read_line(&mut line).await.unwrap();
    let first = exchange.initial_response().unwrap().unwrap();
    client.write_all(format!("AUTH SCRAM-SHA-256 {}\r\n", encoded(&first)).as_bytes()).await.unwrap();
    for _ in 0..2 {
        line.clear();
        client.read_line(&mut line).await.unwrap();
        let challenge = STANDARD.decode(line.strip_prefix("+ ").expect("a challenge").trim_end()).unwrap();
        let response = exchange.step(&challenge).unwrap();
        client.write_all(format!("{}\r\n", encoded(&response)).as_bytes()).await.unwrap();
        lines.push(line.clone());
    }
    line.clear();
    client.read_line(&mut line).await.unwrap();
    assert_eq!(line, "+OK 0 messages (0 octets)\r\n", "after {lines:?}");
    exchange.finish().unwrap();
}

fn encoded(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[tokio::test]
async fn a_maildrop_is_for_one_session_at_a_time() {
    let server = Server::start(Setup::default()).await;
    let mut first = server.connect();
    transcript(&mut first, LOGIN).await;
    let mut second = server.connect();
    transcript(
        &mut second,
        "
        S: +OK …
        C: USER mrose@example.com
        S: +OK …
        C: PASS tanstaaf
        S: -ERR [IN-USE] Another session is using this maildrop
        ",
    )
    .await;
    transcript(&mut first, "C: QUIT\nS: +OK Goodbye").await;
    // The answer to QUIT is sent after the maildrop is free.
    transcript(&mut second, "C: USER mrose@example.com\nS: +OK …\nC: PASS tanstaaf\nS: +OK …").await;
}

#[tokio::test]
async fn a_broken_connection_frees_the_maildrop() {
    let server = Server::start(Setup::default()).await;
    let (mut client, session) = server.connect_from("127.0.0.1:4000");
    transcript(&mut client, LOGIN).await;
    drop(client);
    session.await.unwrap();
    transcript(server.connect(), LOGIN).await;
}

#[tokio::test]
async fn logins_that_follow_too_soon_are_refused() {
    let pop3 = Pop3Options { login_delay_seconds: 900, ..Pop3Options::default() };
    let server = Server::start(Setup { pop3, ..Setup::default() }).await;
    let quit = "C: QUIT\nS: +OK Goodbye\nS closes";
    transcript(server.connect(), &format!("{LOGIN}{quit}")).await;
    server.clock.fetch_add(899, Ordering::SeqCst);
    let too_soon = "
        S: +OK …
        C: CAPA
        S…
        S: LOGIN-DELAY 900 USER
        S…
        S: .
        C: USER mrose@example.com
        S: +OK …
        C: PASS tanstaaf
        S: -ERR [LOGIN-DELAY] The last login was too short a time ago
        ";
    transcript(server.connect(), too_soon).await;
    server.clock.fetch_add(1, Ordering::SeqCst);
    transcript(server.connect(), &format!("{LOGIN}C: CAPA\nS…\nS: LOGIN-DELAY 900\nS…\nS: .\n{quit}")).await;
    // The account's own setting goes before the server's.
    let settings = AccountSettings { pop3_login_delay_seconds: Some(0), ..AccountSettings::default() };
    server.accounts.set_settings(ADDRESS, settings).await.unwrap();
    transcript(server.connect(), &format!("{LOGIN}{quit}")).await;
}

#[tokio::test]
async fn many_failed_logins_and_many_errors_end_the_session() {
    let pop3 = Pop3Options { login_failures_max: 2, errors_max: 3, ..Pop3Options::default() };
    let server = Server::start(Setup { pop3, ..Setup::default() }).await;
    let failure = "C: USER x\nS: +OK …\nC: PASS y\nS: -ERR [AUTH] …\n";
    transcript(server.connect(), &format!("S: +OK …\n{failure}{failure}S closes")).await;
    let error = "C: XYZZY\nS: -ERR Unknown command\n";
    transcript(server.connect(), &format!("S: +OK …\n{error}{error}{error}S closes")).await;
}

#[tokio::test(start_paused = true)]
async fn silence_ends_the_session_without_a_word() {
    let server = Server::start(Setup::default()).await;
    let (mut client, session) = server.connect_from("127.0.0.1:4000");
    transcript(&mut client, "S: +OK …").await;
    tokio::time::advance(Duration::from_secs(61)).await;
    session.await.unwrap();
    transcript(client, "S closes").await;
}

#[tokio::test]
async fn a_server_that_stops_lets_its_clients_go() {
    let (trigger, shutdown) = postrider_net::shutdown_channel();
    let server = Server::start(Setup { shutdown, ..Setup::default() }).await;
    let mut client = server.connect();
    transcript(&mut client, LOGIN).await;
    trigger.request();
    transcript(client, "S closes").await;
}

#[tokio::test]
async fn a_line_that_is_too_long_is_answered_in_its_place() {
    let pop3 = Pop3Options { line_bytes_max: 255, ..Pop3Options::default() };
    let server = Server::start(Setup { pop3, ..Setup::default() }).await;
    let text = format!(
        "{LOGIN}C: NOOP\nC: NOOP {}\nC: NOOP\nS: +OK Done\nS: -ERR The line is too long\nS: +OK Done",
        "x".repeat(999)
    );
    transcript(server.connect(), &text).await;
}
