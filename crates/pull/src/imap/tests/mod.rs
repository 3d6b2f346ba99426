//! Sessions with a server that follows a script: `C:` is what it must hear, `S:` what it says, `<name>` a literal,
//! `@name` the literal without its announcement.

mod faults;
mod following;
mod labels;
mod login;
mod login_token;
mod migrate;
mod places;
mod restored;
mod script;
mod sync;

use std::sync::Arc;

use postrider_engine::memory::MemoryEngine;
use postrider_store::{Account, AccountId, Store, StoreOptions, system_now};

use super::options::ImapPullOptions;
use super::report::ImapReport;
use super::suspects::Suspects;
use super::{ImapConnection, ImapConnectionOptions, RemoteKey, run};
use crate::observer::Silent;
pub(super) use script::Script;

/// An account in memory that fetches.
pub(super) struct World {
    account: Arc<Account>,
    options: ImapPullOptions,
    suspects: Arc<Suspects>,
}

impl World {
    pub(super) async fn new(options: ImapPullOptions) -> Self {
        let engine = Arc::new(MemoryEngine::new());
        let store = Store::open(engine, StoreOptions::default(), system_now()).await.unwrap();
        store.create_account(AccountId(1)).await.unwrap();
        Self { account: store.account(AccountId(1)).await.unwrap(), options, suspects: Arc::default() }
    }

    /// Runs against a script that begins when somebody is logged in.
    pub(super) async fn run(&self, script: &Script<'_>) -> ImapReport {
        let (stream, server) = script.play();
        let settings = ImapConnectionOptions {
            wait: std::time::Duration::from_millis(1),
            wait_max: std::time::Duration::from_millis(2),
            ..ImapConnectionOptions::default()
        };
        let mut connection = ImapConnection::new(stream, settings);
        connection.suspects = Arc::clone(&self.suspects);
        connection.prepare_session().await.unwrap();
        let key = RemoteKey::new("example.org", 993, "alice");
        let report = run(&mut connection, &key, &self.account, &self.options, &Silent).await;
        drop(connection);
        server.await.unwrap();
        report
    }

    /// UID, content and flags of each message in a mailbox here.
    pub(super) async fn messages(&self, name: &str) -> Vec<(u32, String, String)> {
        let id = self.account.state().find(name).unwrap_or_else(|| panic!("{name} is there")).id;
        let mailbox = self.account.mailbox(id).await.unwrap();
        let mut found = Vec::new();
        for entry in mailbox.messages().unwrap().iter() {
            let body = self.account.body(entry.blob).await.unwrap().unwrap();
            let flags: Vec<String> =
                mailbox.record.keywords.flags(entry.flags).iter().map(|flag| format!("{flag:?}")).collect();
            found.push((entry.uid.0, String::from_utf8_lossy(&body).into_owned(), flags.join(" ")));
        }
        found
    }
}

/// The words of all remarks.
fn remarks(report: &ImapReport) -> Vec<String> {
    let all = report.remarks.iter().chain(report.mailboxes.iter().flat_map(|mailbox| &mailbox.remarks));
    all.map(ToString::to_string).collect()
}
