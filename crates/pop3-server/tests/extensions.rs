//! STLS, CAPA in each state, LANG.

mod support;

use postrider_testkit::transcript;
use rustls::pki_types::ServerName;
use support::{Server, Setup, tls};

#[tokio::test]
async fn stls_protects_what_follows_and_forgets_what_went_before() {
    let folder = tempfile::tempdir().unwrap();
    let (acceptor, connector) = tls(folder.path());
    let server = Server::with_two_messages(Setup { tls: Some(acceptor), ..Setup::default() }).await;
    let (mut client, _) = server.connect_from("192.0.2.1:4000");
    // What is sent along with STLS, somebody in between may have put there.
    transcript(
        &mut client,
        "
        S: +OK …
        C: CAPA
        S…
        S: STLS
        S…
        S: .
        C: STLS
        C: USER mrose@example.com
        S: +OK Begin TLS negotiation
        ",
    )
    .await;
    let client = connector.connect(ServerName::try_from("localhost").unwrap(), client).await.unwrap();
    transcript(
        client,
        "
        C: PASS tanstaaf
        S: -ERR USER comes first
        C: STLS
        S: -ERR TLS is active already
        C: CAPA
        S: +OK Capability list follows
        S: TOP
        S: UIDL
        S: RESP-CODES
        S: AUTH-RESP-CODE
        S: PIPELINING
        S: USER
        S: UTF8 USER
        S: LANG
        S: SASL …PLAIN…
        S: EXPIRE NEVER
        S: IMPLEMENTATION postrider
        S: .
        C: USER mrose@example.com
        S: +OK …
        C: PASS tanstaaf
        S: +OK 2 messages (320 octets)
        C: CAPA
        S…
        S: USER
        S…
        S: .
        C: QUIT
        S: +OK Goodbye
        S closes
        ",
    )
    .await;
}

#[tokio::test]
async fn stls_is_refused_where_it_cannot_be() {
    let server = Server::start(Setup::default()).await;
    transcript(server.connect(), "S: +OK …\nC: STLS\nS: -ERR TLS is not available").await;
    server.after_login("C: STLS\nS: -ERR You are logged in already").await;
    let folder = tempfile::tempdir().unwrap();
    let (acceptor, _) = tls(folder.path());
    let server = Server::start(Setup { tls: Some(acceptor), ..Setup::default() }).await;
    transcript(server.connect(), "S: +OK …\nC: UTF8\nS: +OK …\nC: STLS\nS: -ERR STLS comes before UTF8").await;
}

#[tokio::test]
async fn texts_follow_the_language_that_was_chosen() {
    let server = Server::start(Setup::default()).await;
    let text = "
        C: LANG
        S: +OK Language listing follows
        S: en English
        S: de Deutsch
        S: .
        C: LANG MUL
        S: -ERR This language is not available
        C: LANG de-AT
        S: +OK de Sprache gewechselt
        C: RETR 1
        S: -ERR Diese Nachricht gibt es nicht
        C: LANG uga
        S: -ERR Diese Sprache gibt es hier nicht
        C: LANG *
        S: +OK en Language changed
        C: RETR 1
        S: -ERR No such message
        ";
    server.after_login_in_any_pieces(text).await;
}
