//! LOGIN (RFC 9051 §6.2.3).

mod common;

use common::{Client, Server};

#[tokio::test]
async fn a_user_may_be_an_atom_a_quoted_string_or_a_literal() {
    let server = Server::start().await;
    for arguments in [
        "alice@example.net secret",
        "\"alice@example.net\" \"secret\"",
        "{17+}\nC: alice@example.net {6+}\nC: secret",
        "ALICE@Example.NET secret",
    ] {
        let text = format!("S: * OK …\nC: a LOGIN {arguments}\nS: a OK [CAPABILITY …");
        Client(server.connect()).says(&text).await;
    }
}

#[tokio::test]
async fn a_synchronising_literal_is_invited() {
    let server = Server::start().await;
    let text = "
        S: * OK …
        C: a LOGIN {17}
        S: + …
        C: alice@example.net {6}
        S: + …
        C: secret
        S: a OK [CAPABILITY …";
    Client(server.connect()).says(text).await;
}

#[tokio::test]
async fn wrong_names_and_wrong_passwords_get_the_same_answer() {
    let server = Server::start().await;
    let text = "
        S: * OK …
        C: a LOGIN alice@example.net wrong
        S: a NO [AUTHENTICATIONFAILED] Wrong user name or password
        C: b LOGIN nobody@example.net secret
        S: b NO [AUTHENTICATIONFAILED] Wrong user name or password
        C: c LOGIN alice@example.net secret
        S: c OK …";
    Client(server.connect()).says(text).await;
}

#[tokio::test]
async fn a_login_that_is_no_utf8_or_has_too_few_words_is_bad() {
    let server = Server::start().await;
    let text = "
        S: * OK …
        C: a LOGIN alice@example.net
        S: a BAD …
        C: b LOGIN
        S: b BAD …
        C: c LOGIN alice@example.net secret more
        S: c BAD …";
    Client(server.connect()).says(text).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_log_in_is_told_goodbye() {
    let server = Server::start().await;
    // The transcript itself waits 20 seconds for a line, the server a minute.
    let mut client = Client(server.connect());
    client.says("S: * OK …").await;
    tokio::time::sleep(std::time::Duration::from_secs(55)).await;
    client.says("S: * BYE Autologout; idle for too long\nS closes").await;
}
