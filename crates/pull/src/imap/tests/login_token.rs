//! How somebody gets in who has an access token.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use postrider_sasl::{ChannelBinding, Password};

use super::script::Script;
use crate::https::{HttpsOptions, stub::Stub};
use crate::imap::{ImapConnection, ImapConnectionOptions, ImapError};
use crate::oauth::{AuthorizationServer, ClientIdentity, CredentialFile, Granted, StoredCredential, Tokens};
use crate::remote::Credential;

async fn log_in(tokens: Tokens, text: &str) -> Result<(), ImapError> {
    let (stream, server) = Script { text, literals: &[] }.play();
    let (mut connection, _) = ImapConnection::open(stream, ImapConnectionOptions::default()).await?;
    connection.server = Some((String::from("h"), 993));
    let outcome = connection.log_in("a@b", &Credential::OAuth2(tokens.into()), ChannelBinding::None).await;
    drop(connection);
    server.await.unwrap();
    outcome
}

fn given() -> Tokens {
    Tokens::given(Password::new("t"))
}

fn bearer(token: &str) -> String {
    STANDARD.encode(format!("n,a=a@b,\x01host=h\x01port=993\x01auth=Bearer {token}\x01\x01"))
}

fn xoauth2(token: &str) -> String {
    STANDARD.encode(format!("user=a@b\x01auth=Bearer {token}\x01\x01"))
}

#[tokio::test]
async fn the_standard_mechanism_goes_first_with_its_response_in_the_command_or_behind_it() {
    for (capabilities, sent) in [
        ("SASL-IR AUTH=XOAUTH2 AUTH=PLAIN AUTH=OAUTHBEARER", format!("C: P1 AUTHENTICATE OAUTHBEARER {}", bearer("t"))),
        ("AUTH=OAUTHBEARER", format!("C: P1 AUTHENTICATE OAUTHBEARER\nS: +\nC: {}", bearer("t"))),
        ("SASL-IR AUTH=XOAUTH2", format!("C: P1 AUTHENTICATE XOAUTH2 {}", xoauth2("t"))),
    ] {
        let script =
            format!("S: * OK [CAPABILITY IMAP4rev1 {capabilities}] hi\n{sent}\nS: P1 OK [CAPABILITY IMAP4rev1] in\n");
        log_in(given(), &script).await.unwrap();
    }
    let error = log_in(given(), "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi").await;
    assert!(matches!(error, Err(ImapError::NoMechanism { offered }) if offered == "PLAIN"));
}

#[tokio::test]
async fn a_refusal_is_ended_properly_and_told() {
    let said = STANDARD.encode(r#"{"status":"invalid_token","scope":"mail"}"#);
    // RFC 7628 §3.2.3: a single ^A; XOAUTH2: an empty line.
    for (mechanism, initial, end) in [("OAUTHBEARER", bearer("t"), "AQ=="), ("XOAUTH2", xoauth2("t"), "")] {
        let script = format!(
            "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH={mechanism}] hi
             C: P1 AUTHENTICATE {mechanism} {initial}
             S: + {said}
             C: {end}
             S: P1 NO [AUTHENTICATIONFAILED] not you"
        );
        let Err(ImapError::Token { text }) = log_in(given(), &script).await else { panic!("it must fail") };
        assert_eq!(text, "not you (invalid_token, it wants a token for the scope mail)");
    }
    let busy = format!(
        "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi\nC: P1 AUTHENTICATE XOAUTH2 {}\nS: P1 NO [UNAVAILABLE] later",
        xoauth2("t")
    );
    assert!(matches!(log_in(given(), &busy).await, Err(ImapError::Refused { .. })));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let names = ["login.example"];
    let stub = Stub::start(&names, |_, _, _| {
        ("200 OK", String::new(), String::from(r#"{"access_token":"new","token_type":"Bearer","expires_in":60}"#))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let server = AuthorizationServer {
        issuer: None,
        token_endpoint: "https://login.example/".parse().unwrap(),
        authorization_endpoint: None,
        device_endpoint: None,
    };
    let granted =
        Granted { access_token: Password::new("old"), refresh_token: Some(Password::new("r")), expires_in: None };
    let client = ClientIdentity { id: String::from("us"), secret: None };
    let file = CredentialFile::at(folder.path().join("c"));
    file.write(&StoredCredential::new(&server, client, String::new(), granted)).unwrap();
    let options: HttpsOptions = stub.options(&names);
    let script = format!(
        "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi\nC: P1 AUTHENTICATE XOAUTH2 {}\nS: P1 NO expired\n\
         C: P2 AUTHENTICATE XOAUTH2 {}\nS: P2 OK [CAPABILITY IMAP4rev1] in",
        xoauth2("old"),
        xoauth2("new")
    );
    log_in(Tokens::kept_with(file.clone(), options), &script).await.unwrap();
    assert_eq!(stub.asked().len(), 1);
    assert!(fs::read_to_string(file.path()).unwrap().contains("\"new\""));
}
