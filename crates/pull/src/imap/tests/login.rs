//! How somebody gets in.

use postrider_imap_proto::client::FailureKind;
use postrider_sasl::{ChannelBinding, Password};

use super::script::Script;
use crate::imap::{ImapConnection, ImapConnectionOptions, ImapError};
use crate::remote::Credential;

async fn log_in(text: &str) -> Result<(), ImapError> {
    let (stream, server) = Script { text, literals: &[] }.play();
    let (mut connection, _) = ImapConnection::open(stream, ImapConnectionOptions::default()).await?;
    let credential = Credential::Password(Password::new("secret"));
    let outcome = connection.log_in("alice", &credential, ChannelBinding::None).await;
    drop(connection);
    server.await.unwrap();
    outcome
}

#[tokio::test]
async fn the_old_command_is_the_last_resort() {
    let script = r#"
        S: * OK hello
        C: P1 CAPABILITY
        S: * CAPABILITY IMAP4rev1
        S: P1 OK done
        C: P2 LOGIN "alice" "secret"
        S: P2 OK in
        C: P3 CAPABILITY
        S: * CAPABILITY IMAP4rev1
        S: P3 OK done
    "#;
    log_in(script).await.unwrap();
}

#[tokio::test]
async fn plain_goes_behind_a_continuation_where_it_must_and_extensions_are_enabled() {
    let script = r#"
        S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN LOGINDISABLED] hello
        C: P1 AUTHENTICATE PLAIN
        S: +
        C: AGFsaWNlAHNlY3JldA==
        S: P1 OK [CAPABILITY IMAP4rev1 ID ENABLE CONDSTORE QRESYNC UTF8=ACCEPT] in
        C: P2 ID ("name" "postrider" "version" "0.1.0")
        S: * ID NIL
        S: P2 OK done
        C: P3 ENABLE CONDSTORE QRESYNC UTF8=ACCEPT
        S: * ENABLED QRESYNC
        S: P3 OK done
    "#;
    log_in(script).await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_told_apart_from_a_busy_server() {
    let script = r#"
        S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello
        C: P1 AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==
        S: P1 NO never heard of you
    "#;
    let Err(ImapError::Refused { kind, text, .. }) = log_in(script).await else { panic!("it must fail") };
    assert_eq!((kind, text.as_str()), (FailureKind::Credentials, "never heard of you"));
    let script = r#"
        S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello
        C: P1 AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==
        S: P1 NO [UNAVAILABLE] come back
    "#;
    assert!(matches!(log_in(script).await, Err(ImapError::Refused { kind: FailureKind::Temporary, .. })));
}

#[tokio::test]
async fn a_server_that_will_not_have_us_says_why() {
    let Err(ImapError::Bye { text, kind }) = log_in("S: * BYE Too many connections from you").await else {
        panic!("it must fail")
    };
    assert_eq!((text.as_str(), kind), ("Too many connections from you", FailureKind::Throttled));
    assert!(matches!(log_in("S: HTTP/1.1 400 Bad Request").await, Err(ImapError::NoGreeting)));
    assert!(matches!(log_in("").await, Err(ImapError::Closed)));
    let script = "S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=GSSAPI] hello";
    let Err(ImapError::NoMechanism { offered }) = log_in(script).await else { panic!("it must fail") };
    assert_eq!(offered, "GSSAPI");
}
