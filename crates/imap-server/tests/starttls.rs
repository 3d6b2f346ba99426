//! STARTTLS (RFC 9051 §6.2.1) and what it makes possible.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{ALICE, Client, PASSWORD, Server, Setup, tls};
use postrider_sasl::{ChannelBinding, ClientCredentials, ClientExchange, Mechanism, Password};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

async fn server() -> (Server, TlsConnector, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (acceptor, connector) = tls(folder.path());
    (Server::start_with(Setup { tls: Some(acceptor), ..Setup::default() }).await, connector, folder)
}

/// A client from elsewhere that began TLS with these bytes.
async fn start_tls(server: &Server, connector: &TlsConnector, sent: &str) -> Client<TlsStream<DuplexStream>> {
    let mut client = Client(server.connect_from("192.0.2.1:999").0);
    client.says(&format!("S: * OK [CAPABILITY …STARTTLS LOGINDISABLED …\n{sent}\nS: a OK …")).await;
    let name = "localhost".try_into().unwrap();
    Client(connector.connect(name, client.0).await.unwrap())
}

#[tokio::test]
async fn after_starttls_there_is_no_greeting_and_passwords_may_be_sent() {
    let (server, connector, _folder) = server().await;
    let mut client = start_tls(&server, &connector, "C: a STARTTLS").await;
    let text = "
        C: b CAPABILITY
        S: * CAPABILITY IMAP4rev2 IMAP4rev1 SASL-IR LITERAL+ ID ENABLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN…
        S: b OK …
        C: c STARTTLS
        S: c BAD …
        C: d LOGIN alice@example.net secret
        S: d OK [CAPABILITY …";
    client.says(text).await;
}

#[tokio::test]
async fn what_was_sent_before_tls_is_dropped() {
    let (server, connector, _folder) = server().await;
    for injected in ["C: x NOOP", "C- x NO", "C- x LOGIN {100+}"] {
        let mut client = start_tls(&server, &connector, &format!("C: a STARTTLS\n{injected}")).await;
        client.says("C: b NOOP\nS: b OK …").await;
    }
}

#[tokio::test]
async fn scram_plus_binds_the_login_to_the_channel() {
    let (server, connector, _folder) = server().await;
    for (honest, expected) in [(true, "b OK [CAPABILITY "), (false, "b NO ")] {
        let client = start_tls(&server, &connector, "C: a STARTTLS").await;
        let mut exporter = [0_u8; 32];
        let session = client.0.get_ref().1;
        session.export_keying_material(&mut exporter, b"EXPORTER-Channel-Binding", None).unwrap();
        if !honest {
            exporter[0] ^= 1;
        }
        let credentials = ClientCredentials::new(ALICE, Password::from(PASSWORD));
        let binding = ChannelBinding::from(Some(exporter));
        let mut exchange = ClientExchange::new(Mechanism::ScramSha256Plus, credentials, binding).unwrap();
        let mut stream = BufReader::new(client.0);
        let initial = STANDARD.encode(exchange.initial_response().unwrap().unwrap());
        stream
            .get_mut()
            .write_all(format!("b AUTHENTICATE SCRAM-SHA-256-PLUS {initial}\r\n").as_bytes())
            .await
            .unwrap();
        let answer = loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            let Some(challenge) = line.strip_prefix("+ ") else { break line };
            let response = exchange.step(&STANDARD.decode(challenge.trim_end()).unwrap()).unwrap();
            stream.get_mut().write_all(format!("{}\r\n", STANDARD.encode(response)).as_bytes()).await.unwrap();
        };
        assert!(answer.starts_with(expected), "{answer}");
        assert_eq!(exchange.finish().is_ok(), honest);
    }
}
