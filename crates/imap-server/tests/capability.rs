//! The greeting and CAPABILITY: what is offered in which state (RFC 9051 §6.1.1 and §7.1).

mod common;

use common::{Client, PLAIN, Server, Setup, tls};

#[tokio::test]
async fn the_greeting_holds_the_capabilities_and_capability_repeats_them() {
    let server = Server::start().await;
    let text = "
        S: * OK [CAPABILITY IMAP4rev2 IMAP4rev1 SASL-IR LITERAL+ ID ENABLE AUTH=…] …
        C: a CAPABILITY
        S: * CAPABILITY IMAP4rev2 IMAP4rev1 SASL-IR LITERAL+ ID ENABLE AUTH=…AUTH=PLAIN…
        S: a OK …
        C: b LOGOUT
        S: * BYE …
        S: b OK …
        S closes";
    Client(server.connect()).says(text).await;
}

#[tokio::test]
async fn login_and_authenticate_tell_the_capabilities_that_count_from_then_on() {
    let server = Server::start().await;
    let after = "IMAP4rev2 IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE …CONDSTORE QRESYNC…APPENDLIMIT=52428800";
    let text = format!(
        "
        S: * OK [CAPABILITY …
        C: a LOGIN alice@example.net secret
        S: a OK [CAPABILITY {after}] …
        C: b CAPABILITY
        S: * CAPABILITY {after}
        S: b OK …"
    );
    Client(server.connect()).says(&text).await;
    let text = format!("S: * OK …\nC: a AUTHENTICATE PLAIN {PLAIN}\nS: a OK [CAPABILITY {after}] …");
    Client(server.connect()).says(&text).await;
}

#[tokio::test]
async fn without_protection_login_is_disabled_and_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (acceptor, _) = tls(folder.path());
    let server = Server::start_with(Setup { tls: Some(acceptor), ..Setup::default() }).await;
    let text = format!(
        "
        S: * OK [CAPABILITY IMAP4rev2 IMAP4rev1 SASL-IR LITERAL+ ID ENABLE STARTTLS LOGINDISABLED AUTH=SCRAM-SHA-256] …
        C: a LOGIN alice@example.net secret
        S: a NO [PRIVACYREQUIRED] …
        C: b AUTHENTICATE PLAIN {PLAIN}
        S: b NO [PRIVACYREQUIRED] …
        C: c AUTHENTICATE LOGIN
        S: c NO [PRIVACYREQUIRED] …
        C: d NOOP
        S: d OK …"
    );
    Client(server.connect_from("192.0.2.1:999").0).says(&text).await;
}

#[tokio::test]
async fn starttls_is_offered_only_where_it_is_possible() {
    let folder = tempfile::tempdir().unwrap();
    let (acceptor, _) = tls(folder.path());
    let server = Server::start_with(Setup { tls: Some(acceptor), ..Setup::default() }).await;
    Client(server.connect()).says("S: * OK [CAPABILITY …ENABLE STARTTLS AUTH=…").await;
    let server = Server::start().await;
    let text = "
        S: * OK [CAPABILITY …ENABLE AUTH=…
        C: a STARTTLS
        S: a BAD …
        C: b NOOP
        S: b OK …";
    Client(server.connect()).says(text).await;
}

#[tokio::test]
async fn each_command_is_refused_in_a_state_in_which_it_makes_no_sense() {
    let server = Server::start().await;
    let mut client = Client(server.connect());
    client.says("S: * OK …").await;
    for command in
        ["SELECT INBOX", "LIST \"\" *", "ENABLE CONDSTORE", "IDLE", "UNAUTHENTICATE", "FETCH 1 FLAGS", "CLOSE"]
    {
        client.says(&format!("C: a {command}\nS: a BAD …\nC: b NOOP\nS: b OK …")).await;
    }
    client.says("C: login LOGIN alice@example.net secret\nS: login OK …").await;
    for command in [
        "LOGIN alice@example.net secret",
        "AUTHENTICATE PLAIN",
        "STARTTLS",
        "FETCH 1 FLAGS",
        "CLOSE",
        "UNSELECT",
        "EXPUNGE",
    ] {
        client.says(&format!("C: a {command}\nS: a BAD …\nC: b NOOP\nS: b OK …")).await;
    }
}
