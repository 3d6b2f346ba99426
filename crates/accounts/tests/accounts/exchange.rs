//! Logins by SASL, with a real client at the other end.

use std::sync::Arc;

use postrider_accounts::{Accounts, AccountsOptions, Cleartext, LoginConnection, LoginError, Mechanism, Step};
use postrider_engine::memory::MemoryEngine;
use postrider_sasl::{ChannelBinding, ClientCredentials, ClientExchange};
use tokio::time::Instant;

use crate::fixture::{anna, connection, options, password};

const EXPORTED: [u8; 32] = [7; 32];

fn bound(host: u8) -> LoginConnection {
    LoginConnection { can_bind_channel: true, channel_binding: Some(EXPORTED), ..connection(host) }
}

/// Logs in with a client that binds to what the server has, if the mechanism does.
async fn run(
    accounts: &Accounts,
    mechanism: Mechanism,
    credentials: ClientCredentials,
    connection: &LoginConnection,
) -> Result<postrider_accounts::Login, LoginError> {
    let binding = connection.channel_binding.filter(|_| mechanism.binds_channel());
    let mut client = ClientExchange::new(mechanism, credentials, ChannelBinding::from(binding)).unwrap();
    let mut exchange = accounts.begin(mechanism.name(), connection)?;
    let mut response = client.initial_response().unwrap().unwrap_or_default();
    loop {
        match accounts.step(&mut exchange, &response).await {
            Step::Challenge(challenge) => response = client.step(&challenge).unwrap(),
            Step::Success { login, final_data } => {
                if let Some(data) = final_data {
                    client.step(&data).unwrap();
                }
                client.finish().unwrap();
                return Ok(login);
            }
            Step::Failure(error) => return Err(error),
        }
    }
}

fn credentials(user: &str, word: &str) -> ClientCredentials {
    ClientCredentials::new(user, password(word))
}

#[tokio::test]
async fn every_mechanism_logs_in() {
    let accounts = anna(options()).await;
    for mechanism in Mechanism::ALL {
        for user in ["anna@example.org", "ANNA"] {
            let login = run(&accounts, mechanism, credentials(user, "pencil"), &bound(1)).await.unwrap();
            assert_eq!(login.address, "anna@example.org", "{mechanism}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_passwords_and_unknown_users_fail_alike_and_are_slowed_alike() {
    let accounts = anna(options()).await;
    for (host, mechanism) in Mechanism::ALL.into_iter().enumerate() {
        for (offset, (user, word)) in [("anna", "crayon"), ("dora", "pencil")].into_iter().enumerate() {
            let from = bound(u8::try_from(host * 2 + offset).unwrap());
            let begun = Instant::now();
            let outcome = run(&accounts, mechanism, credentials(user, word), &from).await;
            assert!(matches!(outcome, Err(LoginError::Failed)), "{mechanism} {user}");
            assert_eq!(begun.elapsed(), options().throttle.delay_first, "{mechanism} {user}");
        }
    }
}

#[tokio::test]
async fn an_unknown_user_is_challenged_as_a_known_one_and_always_alike() {
    let accounts = anna(options()).await;
    let challenge = async |user: &str| {
        let mut exchange = accounts.begin("SCRAM-SHA-256", &connection(1)).unwrap();
        match accounts.step(&mut exchange, format!("n,,n={user},r=abc").as_bytes()).await {
            Step::Challenge(challenge) => String::from_utf8(challenge).unwrap().split_once(",s=").unwrap().1.to_owned(),
            other => panic!("{other:?}"),
        }
    };
    let (known, unknown) = (challenge("anna").await, challenge("dora").await);
    assert_eq!(known.len(), unknown.len());
    assert!(known.ends_with(",i=4096") && unknown.ends_with(",i=4096"));
    assert_eq!(challenge("dora").await, unknown);
    assert_eq!(challenge("DORA@example.org").await, unknown, "the name's form does not tell either");
    assert_ne!(challenge("eve").await, unknown);
}

#[tokio::test(start_paused = true)]
async fn scram_guesses_are_throttled() {
    let accounts = anna(options()).await;
    let mut outcomes = Vec::new();
    for number in 0..60 {
        let guess = credentials("anna", &format!("guess {number}"));
        outcomes.push(run(&accounts, Mechanism::ScramSha256, guess, &connection(1)).await.unwrap_err());
    }
    assert!(matches!(outcomes.first(), Some(LoginError::Failed)));
    assert!(outcomes.iter().any(|outcome| matches!(outcome, LoginError::Throttled { .. })));
}

#[tokio::test]
async fn mechanisms_are_offered_as_the_connection_allows() {
    use Mechanism::{Login, Plain, ScramSha256, ScramSha256Plus};
    let accounts = anna(options()).await;
    let open = LoginConnection { protected: false, ..connection(1) };
    assert_eq!(accounts.mechanisms(&connection(1)), [ScramSha256, Plain, Login]);
    assert_eq!(accounts.mechanisms(&bound(1)), [ScramSha256Plus, ScramSha256, Plain, Login]);
    assert_eq!(accounts.mechanisms(&open), [ScramSha256]);
    assert!(matches!(accounts.begin("plain", &open), Err(LoginError::PrivacyRequired)));
    assert!(matches!(accounts.begin("SCRAM-SHA-256-PLUS", &open), Err(LoginError::UnknownMechanism)));
    assert!(matches!(accounts.begin("CRAM-MD5", &open), Err(LoginError::UnknownMechanism)));
    let accounts = anna(AccountsOptions { cleartext: Cleartext::Allowed, mechanisms: vec![Plain], ..options() }).await;
    assert_eq!(accounts.mechanisms(&open), [Plain]);
    assert!(matches!(accounts.begin("LOGIN", &open), Err(LoginError::UnknownMechanism)));
}

#[tokio::test(start_paused = true)]
async fn a_user_acts_for_nobody_else() {
    let accounts = anna(options()).await;
    accounts.add("bert@example.org", &password("crayon")).await.unwrap();
    for mechanism in [Mechanism::Plain, Mechanism::ScramSha256] {
        for (authorization, allowed) in [("anna@EXAMPLE.org", true), ("anna", true), ("bert@example.org", false)] {
            let mut credentials = credentials("anna", "pencil");
            credentials.authorization = Some(authorization.to_owned());
            let outcome = run(&accounts, mechanism, credentials, &connection(1)).await;
            assert_eq!(outcome.is_ok(), allowed, "{mechanism} {authorization}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_downgrade_is_refused_only_where_plus_is_offered() {
    let plain_scram = "y,,n=anna,r=abc";
    let accounts = anna(options()).await;
    let mut exchange = accounts.begin("SCRAM-SHA-256", &bound(1)).unwrap();
    let step = accounts.step(&mut exchange, plain_scram.as_bytes()).await;
    assert!(matches!(step, Step::Failure(LoginError::Failed)));
    let accounts = anna(AccountsOptions { mechanisms: vec![Mechanism::ScramSha256], ..options() }).await;
    let mut exchange = accounts.begin("SCRAM-SHA-256", &bound(1)).unwrap();
    let step = accounts.step(&mut exchange, plain_scram.as_bytes()).await;
    assert!(matches!(step, Step::Challenge(_)));
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_was_overtaken_by_a_new_password_fails() {
    let accounts = anna(options()).await;
    let mut client =
        ClientExchange::new(Mechanism::ScramSha256, credentials("anna", "pencil"), ChannelBinding::None).unwrap();
    let mut exchange = accounts.begin("SCRAM-SHA-256", &connection(1)).unwrap();
    let opening = client.initial_response().unwrap().unwrap();
    let Step::Challenge(challenge) = accounts.step(&mut exchange, &opening).await else { panic!("no challenge") };
    accounts.set_password("anna@example.org", &password("crayon")).await.unwrap();
    let step = accounts.step(&mut exchange, &client.step(&challenge).unwrap()).await;
    assert!(matches!(step, Step::Failure(LoginError::Failed)));
}

#[tokio::test]
async fn nonsense_is_malformed_and_ends_the_exchange() {
    let accounts = anna(options()).await;
    for mechanism in [Mechanism::Plain, Mechanism::ScramSha256] {
        let mut exchange = accounts.begin(mechanism.name(), &connection(1)).unwrap();
        for _ in 0..2 {
            let step = accounts.step(&mut exchange, b"nonsense").await;
            assert!(matches!(step, Step::Failure(LoginError::Malformed)), "{mechanism}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_scram_among_the_mechanisms_no_scram_keys_are_kept() {
    let engine = Arc::new(MemoryEngine::new());
    let plain_only = AccountsOptions { mechanisms: vec![Mechanism::Plain], ..options() };
    let accounts = Accounts::open(engine.clone(), plain_only).await.unwrap();
    accounts.add("anna@example.org", &password("pencil")).await.unwrap();
    let accounts = Accounts::open(engine, options()).await.unwrap();
    let log_in =
        async |mechanism| run(&accounts, mechanism, credentials("anna", "pencil"), &connection(1)).await.is_ok();
    assert!(!log_in(Mechanism::ScramSha256).await);
    assert!(log_in(Mechanism::Plain).await);
    accounts.set_password("anna@example.org", &password("pencil")).await.unwrap();
    assert!(log_in(Mechanism::ScramSha256).await);
}
