//! Where a recipient's mail goes.

use std::sync::Arc;

use postrider_accounts::{Accounts, AccountsError, AccountsOptions, Resolution};
use postrider_engine::memory::MemoryEngine;

use crate::fixture::{open, options, password};

/// Anna, Bert and Cleo, and some aliases.
async fn house(options: AccountsOptions) -> Arc<Accounts> {
    let accounts = Accounts::open(Arc::new(MemoryEngine::new()), options).await.unwrap();
    for address in ["anna@example.org", "bert@example.org", "cleo+x@example.net"] {
        accounts.add(address, &password("pencil")).await.unwrap();
    }
    let aliases: [(&str, &[&str]); 5] = [
        ("info@example.org", &["anna@example.org", "BERT@example.org", "anna@example.org"]),
        ("all@example.org", &["info@example.org", "cleo+x@example.net"]),
        ("sales+de@example.org", &["bert@example.org"]),
        ("@example.net", &["anna@example.org"]),
        ("only@alias.example", &["anna@example.org"]),
    ];
    for (alias, targets) in aliases {
        let targets: Vec<String> = targets.iter().map(|target| (*target).to_owned()).collect();
        accounts.add_alias(alias, &targets).await.unwrap();
    }
    accounts
}

/// `NotLocal`, `UnknownUser`, or accounts with details.
async fn resolved(accounts: &Accounts, recipient: &str) -> String {
    match accounts.resolve(recipient).await.unwrap() {
        Resolution::Deliver(deliveries) => {
            let one = |delivery: postrider_accounts::Delivery| match delivery.detail {
                Some(detail) => format!("{}[{detail}]", delivery.address),
                None => delivery.address,
            };
            deliveries.into_iter().map(one).collect::<Vec<_>>().join(" ")
        }
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn recipients_are_resolved_as_the_table_says() {
    let accounts = house(options()).await;
    let table = [
        ("anna@example.org", "anna@example.org"),
        ("ANNA@EXAMPLE.ORG", "anna@example.org"),
        ("\"anna\"@example.org", "anna@example.org"),
        ("anna+Lists/Rust@example.org", "anna@example.org[Lists/Rust]"),
        ("anna+a+b@example.org", "anna@example.org[a+b]"),
        ("anna+@example.org", "anna@example.org[]"),
        ("+anna@example.org", "UnknownUser"),
        ("info@example.org", "anna@example.org bert@example.org"),
        ("info+Shop@example.org", "anna@example.org[Shop] bert@example.org[Shop]"),
        ("all@example.org", "cleo+x@example.net anna@example.org bert@example.org"),
        ("sales+de@example.org", "bert@example.org"),
        ("sales+fr@example.org", "UnknownUser"),
        ("cleo+x@example.net", "cleo+x@example.net"),
        ("cleo@example.net", "anna@example.org"),
        ("anyone+y@example.net", "anna@example.org[y]"),
        ("only@alias.example", "anna@example.org"),
        ("other@alias.example", "UnknownUser"),
        ("an na@example.org", "UnknownUser"),
        ("anna@example.com", "NotLocal"),
        ("anna@[192.0.2.1]", "NotLocal"),
        ("anna@", "NotLocal"),
        ("anna", "NotLocal"),
        ("", "NotLocal"),
    ];
    for (recipient, expected) in table {
        assert_eq!(resolved(&accounts, recipient).await, expected, "{recipient:?}");
    }
    assert_eq!(accounts.domains().await, ["alias.example", "example.net", "example.org"]);
}

#[tokio::test]
async fn a_recipient_without_a_domain_gets_the_default_one() {
    let accounts = house(AccountsOptions { default_domain: Some("Example.ORG".into()), ..options() }).await;
    assert_eq!(resolved(&accounts, "anna+x").await, "anna@example.org[x]");
    assert_eq!(resolved(&accounts, "postmaster").await, "UnknownUser");
}

#[tokio::test]
async fn the_separator_can_be_another_or_none() {
    let accounts = house(AccountsOptions { detail_separator: Some('-'), ..options() }).await;
    assert_eq!(resolved(&accounts, "anna-x@example.org").await, "anna@example.org[x]");
    assert_eq!(resolved(&accounts, "anna+x@example.org").await, "UnknownUser");
    let accounts = house(AccountsOptions { detail_separator: None, ..options() }).await;
    assert_eq!(resolved(&accounts, "anna+x@example.org").await, "UnknownUser");
}

#[tokio::test]
async fn one_recipient_reaches_no_more_accounts_than_the_bound() {
    let accounts = house(AccountsOptions { deliveries_max: 2, ..options() }).await;
    assert_eq!(resolved(&accounts, "all@example.org").await, "cleo+x@example.net anna@example.org");
}

#[tokio::test]
async fn removing_an_address_takes_it_out_of_all_aliases() {
    let accounts = house(options()).await;
    accounts.add_alias("chain@example.org", &["sales+de@example.org".into()]).await.unwrap();
    accounts.remove("bert@example.org").await.unwrap();
    assert_eq!(resolved(&accounts, "info@example.org").await, "anna@example.org");
    accounts.remove("anna@example.org").await.unwrap();
    let left: Vec<String> = accounts.list_aliases().await.unwrap().into_iter().map(|entry| entry.alias).collect();
    assert_eq!(left, ["all@example.org"]);
    assert_eq!(accounts.domains().await, ["example.net", "example.org"]);
}

#[tokio::test]
async fn aliases_are_there_after_reopening_and_gone_after_removal() {
    let engine = Arc::new(MemoryEngine::new());
    let accounts = open(&engine).await;
    accounts.add("anna@example.org", &password("pencil")).await.unwrap();
    accounts.add_alias("@Example.ORG", &["anna@example.org".into()]).await.unwrap();
    accounts.add_alias("a@example.org", &["anna@example.org".into()]).await.unwrap();
    accounts.add_alias("b@example.org", &["a@example.org".into()]).await.unwrap();
    let listed = accounts.list_aliases().await.unwrap();
    assert_eq!(open(&engine).await.list_aliases().await.unwrap(), listed);
    accounts.remove_alias("a@example.org").await.unwrap();
    let left = open(&engine).await.list_aliases().await.unwrap();
    assert_eq!(left.into_iter().map(|entry| entry.alias).collect::<Vec<_>>(), ["@example.org"]);
}

#[tokio::test]
async fn aliases_that_lead_nowhere_or_too_deep_are_refused() {
    let accounts = house(AccountsOptions { alias_depth_max: 3, alias_targets_max: 2, ..options() }).await;
    let anna = "anna@example.org".to_owned();
    accounts.add_alias("deep@example.org", &["all@example.org".into()]).await.unwrap();
    assert_eq!(resolved(&accounts, "deep@example.org").await.split(' ').count(), 3);
    let table: [(&str, Vec<String>, AccountsError); 7] = [
        (
            "deeper@example.org",
            vec!["deep@example.org".into()],
            AccountsError::AliasTooDeep("deeper@example.org".into()),
        ),
        ("self@example.org", vec!["self@example.org".into()], AccountsError::UnknownTarget("self@example.org".into())),
        ("new@example.org", vec!["dora@example.org".into()], AccountsError::UnknownTarget("dora@example.org".into())),
        ("anna@example.org", vec![anna.clone()], AccountsError::AddressTaken(anna.clone())),
        ("info@example.org", vec![anna.clone()], AccountsError::AddressTaken("info@example.org".into())),
        ("new@example.org", vec![], AccountsError::AliasTargets(2)),
        (
            "new@example.org",
            vec![anna, "bert@example.org".into(), "cleo+x@example.net".into()],
            AccountsError::AliasTargets(2),
        ),
    ];
    for (alias, targets, expected) in table {
        let error = accounts.add_alias(alias, &targets).await.unwrap_err();
        assert_eq!(error.to_string(), expected.to_string());
    }
    for invalid in ["@", "@-x", "new"] {
        let error = accounts.add_alias(invalid, &["anna@example.org".into()]).await.unwrap_err();
        assert!(matches!(error, AccountsError::InvalidAddress { .. }), "{invalid}");
    }
    assert!(matches!(accounts.remove_alias("new@example.org").await, Err(AccountsError::UnknownAlias(_))));
}
