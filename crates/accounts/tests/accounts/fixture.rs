//! Accounts on the model engine, with hashes that cost nothing.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use postrider_accounts::{Accounts, AccountsOptions, HashingOptions, LoginConnection, Password, Service};
use postrider_engine::memory::MemoryEngine;

pub(crate) fn options() -> AccountsOptions {
    let hashing =
        HashingOptions { memory_kibibytes: 8, passes: 1, lanes: 1, scram_iterations: 4096, concurrency_max: 2 };
    AccountsOptions { hashing, ..AccountsOptions::default() }
}

pub(crate) async fn open(engine: &Arc<MemoryEngine>) -> Arc<Accounts> {
    Accounts::open(engine.clone(), options()).await.unwrap()
}

/// Accounts with `anna@example.org`, whose password is `pencil`.
pub(crate) async fn anna(options: AccountsOptions) -> Arc<Accounts> {
    let accounts = Accounts::open(Arc::new(MemoryEngine::new()), options).await.unwrap();
    accounts.add("anna@example.org", &password("pencil")).await.unwrap();
    accounts
}

pub(crate) fn password(text: &str) -> Password {
    Password::new(text)
}

/// A protected IMAP connection from an address that ends in `host`.
pub(crate) fn connection(host: u8) -> LoginConnection {
    LoginConnection {
        address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)),
        service: Service::Imap,
        protected: true,
        can_bind_channel: false,
        channel_binding: None,
    }
}
