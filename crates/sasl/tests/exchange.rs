//! The client's half against the server's, and each against a peer that misbehaves.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, also in its helpers")]

use postrider_sasl::{
    ChannelBinding, ClientCredentials, ClientExchange, Limits, Mechanism, Password, SaslError, ScramKeys,
    ServerExchange, ServerStep,
};
use proptest::prelude::*;

const ITERATIONS: u32 = 4096;
const EXPORTED: ChannelBinding = ChannelBinding::TlsExporter([7; 32]);

/// Plays the keeper of credentials: one user, `anna` with the password `pencil`.
struct Keeper {
    keys: ScramKeys,
}

impl Keeper {
    fn new() -> Self {
        Self { keys: ScramKeys::derive(&Password::new("pencil"), b"0123456789abcdef", ITERATIONS) }
    }

    /// Runs a login to its end and tells the user and the identity to act as.
    fn run(
        &self,
        client: &mut ClientExchange,
        server: &mut ServerExchange,
        initial: Initial,
    ) -> Result<(String, Option<String>), SaslError> {
        let mut response = match initial {
            Initial::Sent => client.initial_response()?.unwrap_or_default(),
            Initial::Awaited => Vec::new(),
        };
        loop {
            let challenge = match server.step(&response)? {
                ServerStep::Challenge(challenge) => challenge,
                ServerStep::NeedScramKeys { user } => {
                    let keys =
                        if user == "anna" { self.keys.clone() } else { ScramKeys::decoy(&[9; 32], &user, ITERATIONS) };
                    match server.provide_keys(keys)? {
                        ServerStep::Challenge(challenge) => challenge,
                        other => panic!("{other:?}"),
                    }
                }
                ServerStep::VerifyPassword { authorization, user, password } => {
                    let right = user == "anna" && password == Password::new("pencil");
                    return if right { Ok((user, authorization)) } else { Err(SaslError::Failed) };
                }
                ServerStep::Done { user, authorization, final_message } => {
                    assert_eq!(client.finish(), Err(SaslError::ServerUnproven));
                    assert!(client.step(&final_message)?.is_empty());
                    return Ok((user, authorization));
                }
            };
            response = client.step(&challenge)?;
        }
    }
}

#[derive(Clone, Copy)]
enum Initial {
    Sent,
    Awaited,
}

fn client(mechanism: Mechanism, user: &str, password: &str, binding: ChannelBinding) -> ClientExchange {
    ClientExchange::new(mechanism, ClientCredentials::new(user, Password::new(password)), binding).unwrap()
}

#[test]
fn every_mechanism_logs_in_with_and_without_an_initial_response() {
    let keeper = Keeper::new();
    for mechanism in Mechanism::ALL {
        for initial in [Initial::Sent, Initial::Awaited] {
            let binding = if mechanism.binds_channel() { EXPORTED } else { ChannelBinding::None };
            let mut client = client(mechanism, "anna", "pencil", binding);
            let mut server = ServerExchange::new(mechanism, binding);
            let outcome = keeper.run(&mut client, &mut server, initial);
            assert_eq!(outcome, Ok(("anna".to_owned(), None)), "{mechanism}");
            assert_eq!(client.finish(), Ok(()), "{mechanism}");
        }
    }
}

#[test]
fn a_wrong_password_and_an_unknown_user_fail_alike() {
    let keeper = Keeper::new();
    for mechanism in Mechanism::ALL {
        for (user, password) in [("anna", "pen"), ("bert", "pencil")] {
            let mut client = client(mechanism, user, password, EXPORTED);
            let server_binding = if mechanism.binds_channel() { EXPORTED } else { ChannelBinding::None };
            let mut server = ServerExchange::new(mechanism, server_binding);
            let outcome = keeper.run(&mut client, &mut server, Initial::Sent);
            assert_eq!(outcome, Err(SaslError::Failed), "{mechanism} {user}");
        }
    }
}

#[test]
fn an_authorization_identity_is_handed_through() {
    let keeper = Keeper::new();
    for mechanism in [Mechanism::Plain, Mechanism::ScramSha256] {
        let mut credentials = ClientCredentials::new("anna", Password::new("pencil"));
        credentials.authorization = Some("bo,s=s".into());
        let mut client = ClientExchange::new(mechanism, credentials, ChannelBinding::None).unwrap();
        let mut server = ServerExchange::new(mechanism, ChannelBinding::None);
        let outcome = keeper.run(&mut client, &mut server, Initial::Sent);
        assert_eq!(outcome, Ok(("anna".to_owned(), Some("bo,s=s".to_owned()))), "{mechanism}");
    }
}

// RFC 5802 §6
#[test]
fn channel_binding_is_enforced_for_every_pair_of_flags() {
    let other = ChannelBinding::TlsExporter([8; 32]);
    let (plus, plain) = (Mechanism::ScramSha256Plus, Mechanism::ScramSha256);
    let table = [
        ("neither side can", plain, ChannelBinding::None, plain, ChannelBinding::None, true),
        ("the client cannot", plain, ChannelBinding::None, plain, EXPORTED, true),
        ("the server cannot, and the client says y", plain, EXPORTED, plain, ChannelBinding::None, true),
        ("the offer of PLUS was taken away in between", plain, EXPORTED, plain, EXPORTED, false),
        ("both bind", plus, EXPORTED, plus, EXPORTED, true),
        ("both bind, to two connections", plus, EXPORTED, plus, other, false),
        ("bound under the unbound name", plus, EXPORTED, plain, EXPORTED, false),
        ("unbound under the bound name", plain, ChannelBinding::None, plus, EXPORTED, false),
        ("the server has no data", plus, EXPORTED, plus, ChannelBinding::None, false),
    ];
    for (name, client_mechanism, client_binding, server_mechanism, server_binding, succeeds) in table {
        let mut client = client(client_mechanism, "anna", "pencil", client_binding);
        let mut server = ServerExchange::new(server_mechanism, server_binding);
        let outcome = Keeper::new().run(&mut client, &mut server, Initial::Sent);
        assert_eq!(outcome.is_ok(), succeeds, "{name}: {outcome:?}");
    }
    let credentials = ClientCredentials::new("anna", Password::new("pencil"));
    let unbound = ClientExchange::new(plus, credentials, ChannelBinding::None);
    assert!(matches!(unbound, Err(SaslError::BindingMissing)));
}

#[test]
fn other_binding_types_are_refused() {
    let mut server = ServerExchange::new(Mechanism::ScramSha256Plus, EXPORTED);
    let outcome = server.step(b"p=tls-unique,,n=anna,r=abc");
    assert!(matches!(outcome, Err(SaslError::ChannelBinding(_))));
}

#[test]
fn an_exchange_that_failed_stays_over() {
    let mut server = ServerExchange::new(Mechanism::Plain, ChannelBinding::None);
    assert!(matches!(server.step(b"nonsense"), Err(SaslError::Malformed(_))));
    assert_eq!(server.step(b"\0anna\0pencil"), Err(SaslError::OutOfOrder));
    let mut server = ServerExchange::new(Mechanism::Plain, ChannelBinding::None);
    assert_eq!(server.step(b""), Ok(ServerStep::Challenge(Vec::new())));
    assert!(matches!(server.step(b""), Err(SaslError::Malformed(_))));
    let keys = ScramKeys::decoy(&[0; 32], "anna", ITERATIONS);
    assert_eq!(server.provide_keys(keys), Err(SaslError::OutOfOrder));
}

#[test]
fn a_server_that_waits_for_keys_takes_no_response() {
    let mut server = ServerExchange::new(Mechanism::ScramSha256, ChannelBinding::None);
    assert_eq!(server.step(b"n,,n=anna,r=abc"), Ok(ServerStep::NeedScramKeys { user: "anna".into() }));
    assert_eq!(server.step(b"x"), Err(SaslError::OutOfOrder));
}

#[test]
fn messages_beyond_the_bound_are_refused_unread() {
    let limits = Limits { message_bytes_max: 10, ..Limits::default() };
    let mut server = ServerExchange::with_limits(Mechanism::Plain, ChannelBinding::None, limits);
    assert_eq!(server.step(b"\0anna\0pencil"), Err(SaslError::TooLong));
}

#[test]
fn a_replayed_proof_is_refused_because_the_nonce_is_another() {
    let keeper = Keeper::new();
    let mut first = ServerExchange::new(Mechanism::ScramSha256, ChannelBinding::None);
    let mut client = client(Mechanism::ScramSha256, "anna", "pencil", ChannelBinding::None);
    let opening = client.initial_response().unwrap().unwrap();
    first.step(&opening).unwrap();
    let Ok(ServerStep::Challenge(challenge)) = first.provide_keys(keeper.keys.clone()) else { panic!("no challenge") };
    let proof = client.step(&challenge).unwrap();
    let mut second = ServerExchange::new(Mechanism::ScramSha256, ChannelBinding::None);
    second.step(&opening).unwrap();
    second.provide_keys(keeper.keys.clone()).unwrap();
    assert!(matches!(second.step(&proof), Err(SaslError::Malformed(_))));
    assert!(matches!(first.step(&proof), Ok(ServerStep::Done { .. })));
}

#[test]
fn a_client_refuses_a_server_that_cheats() {
    let salt = "MDEyMzQ1Njc4OWFiY2RlZg==";
    let begin = || {
        let mut client = client(Mechanism::ScramSha256, "anna", "pencil", ChannelBinding::None);
        let opening = String::from_utf8(client.initial_response().unwrap().unwrap()).unwrap();
        (client, opening.rsplit_once("r=").unwrap().1.to_owned())
    };
    let (mut client, _) = begin();
    assert!(client.step(format!("r=another,s={salt},i=4096").as_bytes()).is_err(), "another nonce");
    let (mut client, nonce) = begin();
    assert!(client.step(format!("r={nonce},s={salt},i=4096").as_bytes()).is_err(), "nothing added to the nonce");
    for iterations in [1, 4095, u32::MAX] {
        let (mut client, nonce) = begin();
        let challenge = format!("r={nonce}x,s={salt},i={iterations}");
        assert!(client.step(challenge.as_bytes()).is_err(), "{iterations} iterations");
    }
    let (mut client, nonce) = begin();
    client.step(format!("r={nonce}x,s={salt},i=4096").as_bytes()).unwrap();
    assert_eq!(client.step(b"v=AAAA"), Err(SaslError::ServerUnproven));
    assert!(client.finish().is_err());
    let (mut client, nonce) = begin();
    client.step(format!("r={nonce}x,s={salt},i=4096").as_bytes()).unwrap();
    assert_eq!(client.step(b"e=other-error"), Err(SaslError::Refused("other-error".into())));
}

proptest! {
    #[test]
    fn no_bytes_make_a_server_panic(responses in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..4)) {
        for mechanism in Mechanism::ALL {
            let mut server = ServerExchange::new(mechanism, EXPORTED);
            for response in &responses {
                if let Ok(ServerStep::NeedScramKeys { user }) = server.step(response) {
                    let _ = server.provide_keys(ScramKeys::decoy(&[0; 32], &user, ITERATIONS));
                }
            }
        }
    }

    #[test]
    fn any_name_and_password_pass_through_plain_and_login(user in "[^\0]{1,40}", password in "[^\0]{1,40}") {
        for mechanism in [Mechanism::Plain, Mechanism::Login] {
            let mut client = client(mechanism, &user, &password, ChannelBinding::None);
            let mut server = ServerExchange::new(mechanism, ChannelBinding::None);
            let mut response = client.initial_response().unwrap().unwrap_or_default();
            let (read_user, read_password) = loop {
                match server.step(&response).unwrap() {
                    ServerStep::VerifyPassword { user, password, .. } => break (user, password),
                    ServerStep::Challenge(challenge) => response = client.step(&challenge).unwrap(),
                    other => panic!("{other:?}"),
                }
            };
            prop_assert_eq!(&read_user, &user);
            prop_assert_eq!(read_password.expose(), &password);
        }
    }
}
