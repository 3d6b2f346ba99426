//! A store in memory that fetches, and what it and the server have, in a form that can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use postrider_engine::memory::MemoryEngine;
use postrider_pull::imap::{
    ImapConnection, ImapConnectionOptions, ImapError, ImapPullOptions, ImapReport, RemoteKey, pull, run,
};
use postrider_pull::{ConnectOptions, Credential, Protocol, PullError, Remote, Security, Silent};
use postrider_sasl::{ChannelBinding, Password};
use postrider_store::{Account, AccountId, Flag, Store, StoreOptions, system_now};
use postrider_testkit::{ImapClient, ServerUnderTest};
use tokio::net::TcpStream;

/// Hash of the content, and flags.
pub type Message = (String, BTreeSet<String>);

/// Messages by mailbox, in order of their hashes.
pub type Mail = BTreeMap<String, Vec<Message>>;

pub struct World {
    pub engine: Arc<MemoryEngine>,
    pub store: Arc<Store>,
    pub account: Arc<Account>,
}

impl World {
    pub async fn new() -> Self {
        let engine = Arc::new(MemoryEngine::new());
        let store = Store::open(engine.clone(), StoreOptions::default(), system_now()).await.unwrap();
        store.create_account(AccountId(1)).await.unwrap();
        let account = store.account(AccountId(1)).await.unwrap();
        Self { engine, store, account }
    }

    /// As after a crash: the same data, everything else anew.
    pub async fn again(self) -> Self {
        let engine = self.engine;
        let store = Store::open(engine.clone(), StoreOptions::default(), system_now()).await.unwrap();
        let account = store.account(AccountId(1)).await.unwrap();
        Self { engine, store, account }
    }

    pub async fn try_pull(
        &self,
        server: &ServerUnderTest,
        port: u16,
        options: &ImapPullOptions,
    ) -> Result<ImapReport, PullError> {
        let alice = server.account("alice");
        let remote = Remote {
            protocol: Protocol::Imap,
            host: "127.0.0.1".to_owned(),
            port,
            security: Security::Plain,
            user: alice.address.clone(),
        };
        let credential = Credential::Password(Password::new(alice.password.clone()));
        let connect = ConnectOptions { silence_time_max: Duration::from_secs(20), ..ConnectOptions::default() };
        pull(&remote, &credential, &connect, &self.account, options, &Silent).await
    }

    /// As [`World::try_pull`], but through a proxy; notes belong to a server and its port, so the key is the server's.
    pub async fn try_pull_through(
        &self,
        server: &ServerUnderTest,
        proxy: u16,
        options: &ImapPullOptions,
    ) -> Result<ImapReport, ImapError> {
        let alice = server.account("alice");
        let stream = TcpStream::connect(("127.0.0.1", proxy)).await?;
        let (mut connection, _) = ImapConnection::open(stream, ImapConnectionOptions::default()).await?;
        let credential = Credential::Password(Password::new(alice.password.clone()));
        connection.log_in(&alice.address, &credential, ChannelBinding::None).await?;
        let key = RemoteKey::new("127.0.0.1", server.ports().imap, &alice.address);
        Ok(run(&mut connection, &key, &self.account, options, &Silent).await)
    }

    pub async fn pull(&self, server: &ServerUnderTest, options: &ImapPullOptions) -> ImapReport {
        let report = self.try_pull(server, server.ports().imap, options).await.unwrap();
        assert!(report.ended_early.is_none(), "{report:#?}");
        report
    }

    /// What is here; mailboxes that hold nothing are left out.
    pub async fn mail(&self) -> Mail {
        let mut mail = Mail::new();
        for mailbox in self.account.state().mailboxes() {
            let mailbox = self.account.mailbox(mailbox.id).await.unwrap();
            let mut found = Vec::new();
            for entry in mailbox.messages().unwrap().iter() {
                let body = self.account.body(entry.blob).await.unwrap().unwrap();
                let flags = mailbox.record.keywords.flags(entry.flags).iter().map(flag_name).collect();
                found.push((hash(&body), flags));
            }
            found.sort();
            if !found.is_empty() {
                mail.insert(mailbox.record.name.clone(), found);
            }
        }
        mail
    }
}

fn flag_name(flag: &Flag) -> String {
    match flag {
        Flag::Answered => "\\answered".to_owned(),
        Flag::Flagged => "\\flagged".to_owned(),
        Flag::Deleted => "\\deleted".to_owned(),
        Flag::Seen => "\\seen".to_owned(),
        Flag::Draft => "\\draft".to_owned(),
        Flag::Keyword(name) => name.to_ascii_lowercase(),
    }
}

fn hash(body: &[u8]) -> String {
    blake3::hash(body).to_hex().to_string()
}

/// What the server has; each mailbox by the name that it has here.
pub fn mail_there(client: &mut ImapClient, mailboxes: &[(&str, &str)]) -> Mail {
    let mut mail = Mail::new();
    for (there, here) in mailboxes {
        client.ok(&format!("EXAMINE \"{there}\""));
        if client.ok("UID SEARCH ALL").search().is_empty() {
            continue;
        }
        let flags = client.uids_and_flags();
        let messages = client.raw_messages();
        let mut found: Vec<Message> = messages.iter().map(|(uid, raw)| (hash(raw), flags[uid].clone())).collect();
        found.sort();
        mail.insert((*here).to_owned(), found);
    }
    mail
}
