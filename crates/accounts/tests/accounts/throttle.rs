//! Failures are slowed, guessers stopped, owners left alone. On a paused clock.

use std::time::Duration;

use postrider_accounts::{Accounts, AccountsOptions, LoginConnection, LoginError, ThrottleOptions};
use tokio::time::{Instant, advance};

use crate::fixture::{anna, connection, options, password};

/// Tries to log in, and tells how long that took in whole units of the first delay.
async fn attempt(
    accounts: &Accounts,
    user: &str,
    word: &str,
    connection: &LoginConnection,
) -> (u128, Result<(), LoginError>) {
    let begun = Instant::now();
    let outcome = accounts.login(user, &password(word), connection).await.map(|_| ());
    (begun.elapsed().as_millis() / 1000, outcome)
}

fn throttle() -> AccountsOptions {
    let throttle = ThrottleOptions {
        delay_first: Duration::from_secs(1),
        delay_max: Duration::from_secs(8),
        forgiven_after: Duration::from_secs(600),
        address_failures_max: 6,
        account_failures_free: 3,
        ..ThrottleOptions::default()
    };
    AccountsOptions { throttle, ..options() }
}

#[tokio::test(start_paused = true)]
async fn answers_to_failures_come_later_and_later_until_the_address_is_refused() {
    let accounts = anna(throttle()).await;
    for (number, expected) in [1, 2, 4, 8, 8, 8].into_iter().enumerate() {
        // Another account each time, so that only the address counts.
        let (waited, outcome) = attempt(&accounts, &format!("user{number}"), "guess", &connection(1)).await;
        assert!(matches!(outcome, Err(LoginError::Failed)), "{number}");
        assert_eq!(waited, expected, "{number}");
    }
    let (waited, outcome) = attempt(&accounts, "anna", "pencil", &connection(1)).await;
    let Err(LoginError::Throttled { retry_after }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(waited, 0);
    assert!(retry_after <= Duration::from_secs(600) && retry_after > Duration::from_secs(500), "{retry_after:?}");
    // Another address is not concerned.
    assert!(attempt(&accounts, "anna", "pencil", &connection(2)).await.1.is_ok());
    // One failure is forgiven, and one try is heard.
    advance(retry_after).await;
    assert!(matches!(attempt(&accounts, "user9", "guess", &connection(1)).await.1, Err(LoginError::Failed)));
    assert!(matches!(attempt(&accounts, "user9", "other", &connection(1)).await.1, Err(LoginError::Throttled { .. })));
    advance(Duration::from_secs(6 * 600)).await;
    assert_eq!(attempt(&accounts, "user9", "guess", &connection(1)).await.0, 1);
}

#[tokio::test(start_paused = true)]
async fn one_ipv6_network_is_one_address() {
    let accounts = anna(throttle()).await;
    let from = |address: &str| LoginConnection { address: address.parse().unwrap(), ..connection(1) };
    for number in 0..6 {
        assert!(
            attempt(&accounts, &format!("user{number}"), "guess", &from(&format!("2001:db8:1:2::{number}")))
                .await
                .1
                .is_err()
        );
    }
    let same = attempt(&accounts, "anna", "guess", &from("2001:db8:1:2:ffff::1")).await.1;
    assert!(matches!(same, Err(LoginError::Throttled { .. })));
    let next = attempt(&accounts, "anna", "guess", &from("2001:db8:1:3::1")).await.1;
    assert!(matches!(next, Err(LoginError::Failed)));
    // An IPv4 address that arrives in IPv6 clothes is the same address.
    assert_eq!(attempt(&accounts, "user8", "guess", &connection(7)).await.0, 1);
    assert_eq!(attempt(&accounts, "user9", "guess", &from("::ffff:192.0.2.7")).await.0, 2);
}

#[tokio::test(start_paused = true)]
async fn guesses_from_many_addresses_slow_strangers_but_not_the_owner() {
    let accounts = anna(throttle()).await;
    let home = connection(250);
    assert!(attempt(&accounts, "anna", "pencil", &home).await.1.is_ok());
    for host in 0..20 {
        let (_, outcome) = attempt(&accounts, "anna", &format!("guess {host}"), &connection(host)).await;
        assert!(matches!(outcome, Err(LoginError::Failed)));
    }
    // A stranger waits before being heard, and then for the answer.
    assert_eq!(attempt(&accounts, "anna", "guess", &connection(100)).await.0, 4 + 1);
    // The owner at home feels nothing, and elsewhere is slowed but gets in; from then on this address is known, too.
    let (waited, outcome) = attempt(&accounts, "anna", "pencil", &home).await;
    assert!(outcome.is_ok());
    assert_eq!(waited, 0);
    let (waited, outcome) = attempt(&accounts, "anna", "pencil", &connection(101)).await;
    assert!(outcome.is_ok());
    assert_eq!(waited, 4);
    assert_eq!(attempt(&accounts, "anna", "pencil", &connection(101)).await.0, 0);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_account_is_slowed_as_a_known_one() {
    let accounts = anna(throttle()).await;
    let mut waits = Vec::new();
    for user in ["anna", "dora"] {
        let mut of_user = Vec::new();
        for host in 0..8 {
            let from = connection(host + if user == "anna" { 0 } else { 100 });
            of_user.push(attempt(&accounts, user, &format!("guess {host}"), &from).await.0);
        }
        waits.push(of_user);
    }
    assert_eq!(waits.first(), waits.get(1));
    assert!(waits.iter().flatten().any(|waited| *waited > 1));
}

#[tokio::test(start_paused = true)]
async fn the_owner_is_not_refused_for_what_others_did_at_the_same_address() {
    let accounts = anna(throttle()).await;
    assert!(attempt(&accounts, "anna", "pencil", &connection(1)).await.1.is_ok());
    for number in 0..10 {
        assert!(attempt(&accounts, &format!("user{number}"), "guess", &connection(1)).await.1.is_err());
    }
    let (waited, outcome) = attempt(&accounts, "anna", "pencil", &connection(1)).await;
    assert!(outcome.is_ok());
    assert_eq!(waited, 0);
}

#[tokio::test(start_paused = true)]
async fn guesses_from_a_known_address_are_stopped_even_if_the_right_one_would_be_remembered() {
    let accounts = anna(throttle()).await;
    assert!(attempt(&accounts, "anna", "pencil", &connection(1)).await.1.is_ok());
    for number in 0..6 {
        assert!(attempt(&accounts, "anna", &format!("guess {number}"), &connection(1)).await.1.is_err());
    }
    let outcome = attempt(&accounts, "anna", "pencil", &connection(1)).await.1;
    assert!(matches!(outcome, Err(LoginError::Throttled { .. })));
}

#[tokio::test(start_paused = true)]
async fn success_with_one_account_clears_nothing_for_guesses_at_another() {
    let accounts = anna(throttle()).await;
    accounts.add("mallory@example.org", &password("mine")).await.unwrap();
    for number in 0..6 {
        assert!(attempt(&accounts, "mallory", "mine", &connection(1)).await.1.is_ok());
        let outcome = attempt(&accounts, "anna", &format!("guess {number}"), &connection(1)).await.1;
        assert!(matches!(outcome, Err(LoginError::Failed)));
    }
    let outcome = attempt(&accounts, "anna", "guess", &connection(1)).await.1;
    assert!(matches!(outcome, Err(LoginError::Throttled { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_program_that_repeats_an_outdated_password_is_slowed_but_never_refused() {
    let accounts = anna(throttle()).await;
    for _ in 0..50 {
        let (waited, outcome) = attempt(&accounts, "anna", "outdated", &connection(1)).await;
        assert!(matches!(outcome, Err(LoginError::Failed)));
        assert_eq!(waited, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn guesses_made_all_at_once_do_not_slip_through_together() {
    let accounts = anna(throttle()).await;
    let mut tasks = Vec::new();
    for number in 0..200 {
        let accounts = accounts.clone();
        tasks.push(tokio::spawn(async move {
            attempt(&accounts, "anna", &format!("guess {number}"), &connection(1)).await.1
        }));
    }
    let mut heard = 0;
    for task in tasks {
        heard += usize::from(matches!(task.await.unwrap(), Err(LoginError::Failed)));
    }
    let concurrent = options().hashing.concurrency_max;
    assert!(heard <= 6 + concurrent, "{heard}");
}
