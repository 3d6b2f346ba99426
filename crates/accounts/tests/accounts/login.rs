//! User names and passwords.

use std::time::Duration;

use postrider_accounts::{AccountId, AccountsOptions, Cleartext, HashingOptions, LoginError, Password};
use tokio::time::Instant;

use crate::fixture::{anna, connection, options, password};

#[tokio::test]
async fn the_right_password_logs_in_under_every_form_of_the_user_name() {
    let accounts = anna(options()).await;
    for user in ["anna@example.org", "Anna@EXAMPLE.org", "anna", "ANNA"] {
        let login = accounts.login(user, &password("pencil"), &connection(1)).await.unwrap();
        assert_eq!((login.account, login.address.as_str()), (AccountId(1), "anna@example.org"));
        assert_eq!(login.app_password, None);
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_wrong_the_answer_is_one_and_the_same() {
    let accounts = anna(options()).await;
    accounts.add("bert@example.net", &password("crayon")).await.unwrap();
    accounts.add_alias("info@example.org", &["anna@example.org".into()]).await.unwrap();
    let table = [
        ("anna@example.org", "Pencil"),
        ("anna@example.org", ""),
        ("anna@example.org", "crayon"),
        ("dora@example.org", "pencil"),
        ("info@example.org", "pencil"),
        ("anna+x@example.org", "pencil"),
        ("anna", "pencil"),
        ("", "pencil"),
        ("an na@@", "pencil"),
    ];
    for (user, wrong) in table {
        let outcome = accounts.login(user, &password(wrong), &connection(1)).await;
        assert!(matches!(outcome, Err(LoginError::Failed)), "{user} {wrong}: {outcome:?}");
    }
}

#[tokio::test]
async fn an_unprotected_connection_takes_passwords_only_where_that_is_allowed() {
    let mut unprotected = connection(1);
    unprotected.protected = false;
    let accounts = anna(options()).await;
    let outcome = accounts.login("anna", &password("pencil"), &unprotected).await;
    assert!(matches!(outcome, Err(LoginError::PrivacyRequired)));
    let accounts = anna(AccountsOptions { cleartext: Cleartext::Allowed, ..options() }).await;
    accounts.login("anna", &password("pencil"), &unprotected).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_app_password_works_until_it_is_removed() {
    let accounts = anna(options()).await;
    let app_password = accounts.add_app_password("anna@example.org", "telephone").await.unwrap();
    for form in [app_password.expose().to_owned(), app_password.expose().replace('-', " ").to_uppercase()] {
        let login = accounts.login("anna", &Password::new(form), &connection(1)).await.unwrap();
        assert_eq!(login.app_password.as_deref(), Some("telephone"));
    }
    accounts.set_password("anna@example.org", &password("crayon")).await.unwrap();
    accounts.login("anna", &app_password, &connection(1)).await.unwrap();
    accounts.remove_app_password("anna@example.org", "telephone").await.unwrap();
    let outcome = accounts.login("anna", &app_password, &connection(1)).await;
    assert!(matches!(outcome, Err(LoginError::Failed)));
}

#[tokio::test(start_paused = true)]
async fn a_changed_password_and_a_removed_account_count_at_once() {
    let accounts = anna(options()).await;
    accounts.login("anna", &password("pencil"), &connection(1)).await.unwrap();
    accounts.set_password("anna@example.org", &password("crayon")).await.unwrap();
    let outcome = accounts.login("anna", &password("pencil"), &connection(1)).await;
    assert!(matches!(outcome, Err(LoginError::Failed)));
    accounts.login("anna", &password("crayon"), &connection(1)).await.unwrap();
    accounts.remove("anna@example.org").await.unwrap();
    accounts.add("anna@example.org", &password("eraser")).await.unwrap();
    let outcome = accounts.login("anna", &password("crayon"), &connection(1)).await;
    assert!(matches!(outcome, Err(LoginError::Failed)));
    let login = accounts.login("anna", &password("eraser"), &connection(1)).await.unwrap();
    assert_eq!(login.account, AccountId(2));
}

#[tokio::test(start_paused = true)]
async fn a_password_is_remembered_for_its_time_and_only_then_verified_again() {
    // Hashing that takes long enough to be told from none: some ten milliseconds against microseconds.
    let hashing = HashingOptions { memory_kibibytes: 16 * 1024, passes: 2, ..options().hashing };
    let accounts = anna(AccountsOptions { hashing, ..options() }).await;
    let login = async || {
        let begun = std::time::Instant::now();
        accounts.login("anna", &password("pencil"), &connection(1)).await.unwrap();
        begun.elapsed()
    };
    let verified = login().await;
    let mut remembered = Duration::MAX;
    for _ in 0..10 {
        remembered = remembered.min(login().await);
    }
    assert!(remembered * 10 < verified, "{remembered:?} against {verified:?}");
    tokio::time::advance(options().verified_login_lifetime).await;
    assert!(login().await > remembered * 10);
}

#[tokio::test]
async fn compatible_forms_of_a_password_are_one_password() {
    let accounts = anna(options()).await;
    // RFC 4013 §2.2: NFKC makes U+2168 an I and an X.
    accounts.set_password("anna@example.org", &password("\u{2168}")).await.unwrap();
    accounts.login("anna", &password("IX"), &connection(1)).await.unwrap();
    accounts.set_password("anna@example.org", &password("🔑")).await.unwrap();
    accounts.login("anna", &password("🔑"), &connection(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_login_can_be_awaited_in_a_task_of_its_own() {
    let accounts = anna(options()).await;
    let begun = Instant::now();
    let task = tokio::spawn(async move { accounts.login("anna", &password("pencil"), &connection(1)).await });
    assert!(task.await.unwrap().is_ok());
    assert_eq!(begun.elapsed(), Duration::ZERO);
}
