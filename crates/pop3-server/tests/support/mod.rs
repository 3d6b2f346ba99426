//! A POP3 server without sockets: in-memory mail, one account, and a client's end of a stream.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use bytes::Bytes;
use postrider_accounts::{Accounts, AccountsOptions, HashingOptions, Password, ThrottleOptions};
use postrider_engine::memory::MemoryEngine;
use postrider_net::{
    ApplicationProtocol, Peer, Shutdown, Timeouts, TlsAcceptor, TlsSettings, Transport, create_self_signed,
};
use postrider_pop3_server::{Pop3Options, Pop3Service, serve};
use postrider_store::{Account, INBOX, Store, StoreOptions};
use postrider_testkit::{transcript, transcript_in_pieces};
use tokio::{
    io::{DuplexStream, duplex},
    task::JoinHandle,
};

/// The address of the one account.
pub const ADDRESS: &str = "mrose@example.com";
/// Its password.
pub const PASSWORD: &str = "tanstaaf";
/// The commands and answers of a login to an account with two messages of 120 and 200 octets, as in RFC 1939 §10.
pub const LOGIN: &str = "
    S: +OK postrider at your service
    C: USER mrose@example.com
    S: +OK …
    C: PASS tanstaaf
    S: +OK …
";

/// What a test can set.
pub struct Setup {
    pub pop3: Pop3Options,
    pub accounts: AccountsOptions,
    pub tls: Option<TlsAcceptor>,
    pub shutdown: Shutdown,
}

impl Default for Setup {
    fn default() -> Self {
        // The least that Argon2 and SCRAM allow, and no waiting: the tests ask for answers, not for strength.
        let hashing =
            HashingOptions { memory_kibibytes: 8, passes: 1, scram_iterations: 4096, ..HashingOptions::default() };
        let throttle = ThrottleOptions { delay_first: std::time::Duration::ZERO, ..ThrottleOptions::default() };
        let accounts = AccountsOptions { hashing, throttle, ..AccountsOptions::default() };
        Self { pop3: Pop3Options::default(), accounts, tls: None, shutdown: Shutdown::never() }
    }
}

/// A server and its mail.
pub struct Server {
    pub engine: Arc<MemoryEngine>,
    pub store: Arc<Store>,
    pub accounts: Arc<Accounts>,
    pub clock: Arc<AtomicI64>,
    service: Arc<Pop3Service>,
}

impl Server {
    /// A server with one account without mail.
    pub async fn start(setup: Setup) -> Self {
        let engine = Arc::new(MemoryEngine::new());
        let clock = Arc::new(AtomicI64::new(1_700_000_000));
        let hand = Arc::clone(&clock);
        let now: postrider_store::Now = Arc::new(move || hand.load(Ordering::SeqCst));
        // What is expunged is gone: sessions that were not told yet have the harder case.
        let options = StoreOptions { expunged_kept_seconds: 0, ..StoreOptions::default() };
        let store = Store::open(Arc::clone(&engine) as _, options, now).await.unwrap();
        let accounts = Accounts::open(Arc::clone(&engine) as _, setup.accounts).await.unwrap();
        let id = accounts.add(ADDRESS, &Password::from(PASSWORD)).await.unwrap();
        store.create_account(id).await.unwrap();
        let (shared_store, shared_accounts) = (Arc::clone(&store), Arc::clone(&accounts));
        let service = Pop3Service::new(shared_store, shared_accounts, setup.tls, setup.pop3, setup.shutdown);
        Self { engine, store, accounts, clock, service: Arc::new(service) }
    }

    /// A server with these messages in its INBOX.
    pub async fn with_mail(setup: Setup, messages: &[&str]) -> Self {
        let server = Self::start(setup).await;
        for message in messages {
            server.deliver(message.as_bytes()).await;
        }
        server
    }

    /// A server with messages of 120 and 200 octets.
    pub async fn with_two_messages(setup: Setup) -> Self {
        Self::with_mail(setup, &[&message_of(120), &message_of(200)]).await
    }

    /// The account's mail.
    pub async fn account(&self) -> Arc<Account> {
        let id = self.accounts.find(ADDRESS).await.unwrap().unwrap().id;
        self.store.account(id).await.unwrap()
    }

    /// Puts a message into INBOX.
    pub async fn deliver(&self, raw: &[u8]) {
        let account = self.account().await;
        let message = account.prepare(Bytes::copy_from_slice(raw), Vec::new(), 0).await;
        let inbox = account.state().find(INBOX).unwrap().id;
        account.append(inbox, vec![message]).await.unwrap();
    }

    /// How many messages a mailbox has.
    pub async fn count(&self, mailbox: &str) -> u32 {
        self.account().await.state().find(mailbox).unwrap().record.counts.messages
    }

    /// A client on this machine: nobody can listen in.
    pub fn connect(&self) -> DuplexStream {
        self.connect_from("127.0.0.1:4000").0
    }

    /// A client from somewhere, and the session's task.
    pub fn connect_from(&self, remote: &str) -> (DuplexStream, JoinHandle<()>) {
        let (client, server) = duplex(64 * 1024);
        let peer = Peer { remote: remote.parse().unwrap(), local: "192.0.2.2:110".parse().unwrap() };
        let transport = Transport::plain(server, peer, Timeouts::default());
        (client, tokio::spawn(serve(transport, Arc::clone(&self.service))))
    }

    /// Replays a transcript after a login.
    pub async fn after_login(&self, text: &str) {
        transcript(self.connect(), &format!("{LOGIN}{text}")).await;
    }

    /// Replays a transcript after a login, in one piece and in single bytes. It must leave the maildrop as it was.
    pub async fn after_login_in_any_pieces(&self, text: &str) {
        for piece_bytes in [usize::MAX, 1, 7] {
            let quit = "C: QUIT\nS: +OK Goodbye\nS closes\n";
            transcript_in_pieces(self.connect(), &format!("{LOGIN}{text}\n{quit}"), piece_bytes).await;
        }
    }
}

/// A message of so many octets, at least 40.
pub fn message_of(octets: usize) -> String {
    let header = format!("Subject: {octets} octets\r\n\r\n");
    let body = "x".repeat(octets - header.len() - 2);
    format!("{header}{body}\r\n")
}

/// A self-signed certificate for `localhost`, and what a client trusts.
pub fn tls(folder: &Path) -> (TlsAcceptor, tokio_rustls::TlsConnector) {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    create_self_signed(&certificate, &key, &["localhost".to_owned()]).unwrap();
    let settings = TlsSettings::load(&certificate, &key).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&certificate).unwrap()).unwrap();
    let configuration =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    (settings.acceptor(ApplicationProtocol::Pop3), tokio_rustls::TlsConnector::from(Arc::new(configuration)))
}
