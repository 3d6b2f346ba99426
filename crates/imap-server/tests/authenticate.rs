//! AUTHENTICATE (RFC 9051 §6.2.2, RFC 4959, RFC 7677).

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{ALICE, BOB, Client, PASSWORD, PLAIN, Server};
use postrider_sasl::{ChannelBinding, ClientCredentials, ClientExchange, Mechanism, Password};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

/// Runs a mechanism as a client does; gives the tagged answer.
async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    mechanism: Mechanism,
    password: &str,
    initial: bool,
) -> String {
    let credentials = ClientCredentials::new(ALICE, Password::from(password));
    let mut exchange = ClientExchange::new(mechanism, credentials, ChannelBinding::from(None)).unwrap();
    let mut stream = BufReader::new(stream);
    let mut first = exchange.initial_response().unwrap();
    let response = first.take_if(|_| initial).map(|bytes| format!(" {}", STANDARD.encode(bytes))).unwrap_or_default();
    let command = format!("a AUTHENTICATE {}{response}\r\n", mechanism.name());
    stream.get_mut().write_all(command.as_bytes()).await.unwrap();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let Some(challenge) = line.strip_prefix("+ ") else { return line };
        let challenge = STANDARD.decode(challenge.trim_end()).unwrap();
        let answer = match first.take() {
            Some(first) => first,
            None => exchange.step(&challenge).unwrap(),
        };
        stream.get_mut().write_all(format!("{}\r\n", STANDARD.encode(answer)).as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn every_mechanism_works_with_and_without_an_initial_response() {
    let server = Server::start().await;
    for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256] {
        for initial in [true, false] {
            let mut client = Client(server.connect());
            client.says("S: * OK …").await;
            let answer = authenticate(&mut client.0, mechanism, PASSWORD, initial).await;
            assert!(answer.starts_with("a OK [CAPABILITY "), "{mechanism:?} {initial}: {answer}");
            client.says("C: b SELECT INBOX\nS…\nS: b OK [READ-WRITE] …").await;
        }
    }
}

#[tokio::test]
async fn every_mechanism_refuses_a_wrong_password_and_the_client_may_try_again() {
    let server = Server::start().await;
    for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256] {
        let mut client = Client(server.connect());
        client.says("S: * OK …").await;
        let answer = authenticate(&mut client.0, mechanism, "wrong", true).await;
        assert!(answer.starts_with("a NO [AUTHENTICATIONFAILED] "), "{mechanism:?}: {answer}");
        let answer = authenticate(&mut client.0, mechanism, PASSWORD, true).await;
        assert!(answer.starts_with("a OK "), "{mechanism:?}: {answer}");
    }
}

#[tokio::test]
async fn plain_and_login_look_like_this_on_the_wire() {
    let server = Server::start().await;
    let text = format!(
        "
        S: * OK …
        C: a AUTHENTICATE PLAIN
        S: +…
        C: {PLAIN}
        S: a OK [CAPABILITY …"
    );
    Client(server.connect()).says(&text).await;
    let (user, password) = (STANDARD.encode(ALICE), STANDARD.encode(PASSWORD));
    let text = format!(
        "
        S: * OK …
        C: a authenticate login
        S: + VXNlcm5hbWU6
        C: {user}
        S: + UGFzc3dvcmQ6
        C: {password}
        S: a OK [CAPABILITY …"
    );
    Client(server.connect()).says(&text).await;
}

#[tokio::test]
async fn a_client_may_cancel() {
    let server = Server::start().await;
    let text = "
        S: * OK …
        C: a AUTHENTICATE PLAIN
        S: +…
        C: *
        S: a BAD …
        C: b AUTHENTICATE LOGIN
        S: + VXNlcm5hbWU6
        C: *
        S: b BAD …
        C: c NOOP
        S: c OK …";
    Client(server.connect()).says(text).await;
}

#[tokio::test]
async fn what_is_no_base64_or_no_known_mechanism_is_refused() {
    let server = Server::start().await;
    let text = "
        S: * OK …
        C: a AUTHENTICATE PLAIN !!!
        S: a BAD …
        C: b AUTHENTICATE PLAIN
        S: +…
        C: not base64!
        S: b BAD …
        C: c AUTHENTICATE X-UNKNOWN
        S: c NO …
        C: g AUTHENTICATE PLAIN =
        S: g BAD …
        C: d AUTHENTICATE SCRAM-SHA-256-PLUS
        S: d NO …
        C: e AUTHENTICATE
        S: e BAD …
        C: f NOOP
        S: f OK …";
    Client(server.connect()).says(text).await;
}

#[tokio::test]
async fn nobody_may_act_for_somebody_else() {
    let server = Server::start().await;
    let plain = STANDARD.encode(format!("{BOB}\0{ALICE}\0{PASSWORD}"));
    let text = format!("S: * OK …\nC: a AUTHENTICATE PLAIN {plain}\nS: a NO …");
    Client(server.connect()).says(&text).await;
    let plain = STANDARD.encode(format!("{ALICE}\0{ALICE}\0{PASSWORD}"));
    let text = format!("S: * OK …\nC: a AUTHENTICATE PLAIN {plain}\nS: a OK …");
    Client(server.connect()).says(&text).await;
}

#[tokio::test]
async fn commands_pipelined_behind_an_initial_response_are_done_after_it() {
    let server = Server::start().await;
    let text = format!(
        "
        S: * OK …
        C: a AUTHENTICATE PLAIN {PLAIN}
        C: b NAMESPACE
        S: a OK …
        S: * NAMESPACE …
        S: b OK …"
    );
    Client(server.connect()).says_in_pieces(&text, 1).await;
}
