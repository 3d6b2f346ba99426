//! Accounts come, change and go, durably.

use std::{sync::Arc, time::SystemTime};

use postrider_accounts::{AccountId, AccountSettings, Accounts, AccountsError, Pop3Delete};
use postrider_engine::{Batch, Engine, memory::MemoryEngine};

use crate::fixture::{open, options, password};

#[tokio::test]
async fn an_account_is_there_after_reopening_with_all_that_was_set() {
    let engine = Arc::new(MemoryEngine::new());
    let settings = AccountSettings {
        pop3_delete: Pop3Delete::MoveToTrash,
        quota_bytes: Some(1 << 30),
        pop3_login_delay_seconds: Some(60),
    };
    let accounts = open(&engine).await;
    let before = SystemTime::now();
    assert_eq!(accounts.add("Anna@Example.ORG", &password("pencil")).await.unwrap(), AccountId(1));
    assert_eq!(accounts.add("bert@example.org", &password("pencil")).await.unwrap(), AccountId(2));
    accounts.set_settings("anna@example.org", settings.clone()).await.unwrap();
    accounts.add_app_password("anna@example.org", "telephone").await.unwrap();
    let listed = accounts.list().await.unwrap();
    assert_eq!(open(&engine).await.list().await.unwrap(), listed);
    let [anna, bert] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!((anna.address.as_str(), anna.app_passwords, &anna.settings), ("anna@example.org", 1, &settings));
    assert_eq!((bert.address.as_str(), bert.app_passwords), ("bert@example.org", 0));
    assert!(anna.created <= SystemTime::now());
    assert!(before.duration_since(anna.created).is_ok_and(|age| age.as_secs() < 60));
    assert_eq!(accounts.get(AccountId(1)).await.unwrap().as_ref(), Some(anna));
    assert_eq!(accounts.find("ANNA").await.unwrap().as_ref(), Some(anna));
    assert_eq!(accounts.find("cleo@example.org").await.unwrap(), None);
}

#[tokio::test]
async fn ids_are_never_used_again() {
    let engine = Arc::new(MemoryEngine::new());
    let accounts = open(&engine).await;
    for id in 1..4 {
        assert_eq!(accounts.add("anna@example.org", &password("pencil")).await.unwrap(), AccountId(id));
        assert_eq!(accounts.remove("anna@example.org").await.unwrap(), AccountId(id));
    }
    assert_eq!(accounts.get(AccountId(1)).await.unwrap(), None);
    assert_eq!(open(&engine).await.add("anna@example.org", &password("x")).await.unwrap(), AccountId(4));
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_its_reason() {
    let accounts = open(&Arc::new(MemoryEngine::new())).await;
    let pencil = password("pencil");
    accounts.add("anna@example.org", &pencil).await.unwrap();
    accounts.add_alias("info@example.org", &["anna@example.org".into()]).await.unwrap();
    accounts.add_app_password("anna@example.org", "telephone").await.unwrap();
    let failures = [
        accounts.add("ANNA@example.org", &pencil).await.unwrap_err(),
        accounts.add("info@example.org", &pencil).await.unwrap_err(),
        accounts.add("anna", &pencil).await.unwrap_err(),
        accounts.add("bert@example.org", &password("")).await.unwrap_err(),
        accounts.remove("info@example.org").await.unwrap_err(),
        accounts.set_password("bert@example.org", &pencil).await.unwrap_err(),
        accounts.set_settings("bert@example.org", AccountSettings::default()).await.unwrap_err(),
        accounts.add_app_password("anna@example.org", "telephone").await.unwrap_err(),
        accounts.add_app_password("anna@example.org", "").await.unwrap_err(),
        accounts.remove_app_password("anna@example.org", "laptop").await.unwrap_err(),
        accounts.list_app_passwords("bert@example.org").await.unwrap_err(),
    ];
    let expected = [
        "anna@example.org exists already",
        "info@example.org exists already",
        "\"anna\" is not a valid address: it has no domain",
        "a password needs between 1 and 1024 bytes",
        "there is no account info@example.org",
        "there is no account bert@example.org",
        "there is no account bert@example.org",
        "there is an app password \"telephone\" already",
        "a label needs between 1 and 200 printable bytes",
        "there is no app password \"laptop\"",
        "there is no account bert@example.org",
    ];
    assert_eq!(failures.map(|failure| failure.to_string()), expected);
    assert_eq!(accounts.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn app_passwords_are_listed_and_bounded() {
    let mut options = options();
    options.app_passwords_max = 2;
    let accounts = crate::fixture::anna(options).await;
    accounts.add_app_password("anna@example.org", "telephone").await.unwrap();
    accounts.add_app_password("anna@example.org", "laptop").await.unwrap();
    let third = accounts.add_app_password("anna@example.org", "clock").await;
    assert!(matches!(third, Err(AccountsError::TooManyAppPasswords(2))));
    let labels = |list: Vec<postrider_accounts::AppPasswordEntry>| {
        list.into_iter().map(|app_password| app_password.label).collect::<Vec<_>>()
    };
    assert_eq!(labels(accounts.list_app_passwords("anna@example.org").await.unwrap()), ["telephone", "laptop"]);
    accounts.remove_app_password("anna@example.org", "telephone").await.unwrap();
    assert_eq!(labels(accounts.list_app_passwords("anna@example.org").await.unwrap()), ["laptop"]);
}

#[tokio::test]
async fn a_failed_commit_changes_nothing_and_the_next_try_succeeds() {
    let engine = Arc::new(MemoryEngine::new());
    let accounts = open(&engine).await;
    engine.fail_commits(1);
    let failed = accounts.add("anna@example.org", &password("pencil")).await;
    assert!(matches!(failed, Err(AccountsError::Engine(_))));
    assert!(accounts.list().await.unwrap().is_empty());
    assert!(accounts.domains().await.is_empty());
    assert_eq!(accounts.add("anna@example.org", &password("pencil")).await.unwrap(), AccountId(1));
}

#[tokio::test]
async fn two_nodes_never_give_one_id_or_address_twice() {
    let engine = Arc::new(MemoryEngine::new());
    let (here, there) = (open(&engine).await, open(&engine).await);
    let mut tasks = Vec::new();
    for number in 0..20 {
        let accounts = if number % 2 == 0 { here.clone() } else { there.clone() };
        tasks.push(tokio::spawn(async move {
            accounts.add(&format!("user{number}@example.org"), &password("pencil")).await.unwrap()
        }));
    }
    let mut ids = Vec::new();
    for task in tasks {
        ids.push(task.await.unwrap());
    }
    ids.sort();
    assert_eq!(ids, (1..=20).map(AccountId).collect::<Vec<_>>());
    let taken = there.add("user0@example.org", &password("pencil")).await;
    assert!(matches!(taken, Err(AccountsError::AddressTaken(_))));
}

#[tokio::test]
async fn a_change_here_keeps_what_another_node_wrote() {
    let engine = Arc::new(MemoryEngine::new());
    open(&engine).await.add("anna@example.org", &password("pencil")).await.unwrap();
    let (here, there) = (open(&engine).await, open(&engine).await);
    there.add_app_password("anna@example.org", "telephone").await.unwrap();
    let settings = AccountSettings { quota_bytes: Some(5), ..AccountSettings::default() };
    here.set_settings("anna@example.org", settings.clone()).await.unwrap();
    let anna = here.find("anna@example.org").await.unwrap().unwrap();
    assert_eq!((anna.app_passwords, anna.settings), (1, settings));
    there.remove("anna@example.org").await.unwrap();
    let gone = here.set_settings("anna@example.org", AccountSettings::default()).await;
    assert!(matches!(gone, Err(AccountsError::UnknownAccount(_))));
}

#[tokio::test]
async fn a_store_written_by_a_newer_program_is_refused() {
    let engine = Arc::new(MemoryEngine::new());
    open(&engine).await;
    let mut batch = Batch::new();
    batch.put([&[0, 0, 0, 0, 4][..], b"info@example.org"].concat(), *br#"{"version":9,"paths":[]}"#);
    engine.commit(batch).await.unwrap();
    let refused = Accounts::open(engine, options()).await;
    assert!(matches!(refused, Err(AccountsError::Newer { version: 9, .. })));
}

#[tokio::test]
async fn no_password_is_stored_in_the_clear() {
    let engine = Arc::new(MemoryEngine::new());
    let accounts = open(&engine).await;
    accounts.add("anna@example.org", &password("a very long pencil")).await.unwrap();
    let app_password = accounts.add_app_password("anna@example.org", "telephone").await.unwrap();
    let mut stored = Vec::new();
    let mut visit = |_: &[u8], value: &[u8]| {
        stored.push(String::from_utf8_lossy(value).into_owned());
        std::ops::ControlFlow::Continue(())
    };
    let range = postrider_engine::KeyRange::all();
    postrider_engine::Read::scan(&*engine, &range, postrider_engine::Direction::Forward, &mut visit).await.unwrap();
    assert!(stored.iter().any(|value| value.contains("$argon2id$v=19$m=8,t=1,p=1$")));
    for secret in ["a very long pencil", app_password.expose(), &app_password.expose().replace('-', "")] {
        assert!(stored.iter().all(|value| !value.contains(secret)));
    }
}
