//! An SMTP server without sockets: in-memory mail, a few accounts, and a client's end of a stream.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::{path::Path, sync::Arc};

use postrider_accounts::{Accounts, AccountsOptions, HashingOptions, Password, ThrottleOptions};
use postrider_engine::memory::MemoryEngine;
use postrider_net::{
    ApplicationProtocol, Peer, Shutdown, Timeouts, TlsAcceptor, TlsSettings, Transport, create_self_signed,
};
use postrider_smtp_server::{SmtpOptions, SmtpRole, SmtpService, serve};
use postrider_store::{Account, INBOX, Store, StoreOptions};
use postrider_testkit::{transcript, transcript_in_pieces};
use tokio::{
    io::{DuplexStream, duplex},
    task::JoinHandle,
};

/// The accounts, all with the password `secret`; `team@example.net` is an alias for the two.
pub const ADDRESSES: [&str; 2] = ["alice@example.net", "bob@example.net"];
/// `\0alice@example.net\0secret`
pub const PLAIN: &str = "AGFsaWNlQGV4YW1wbGUubmV0AHNlY3JldA==";
/// A greeting and its answer.
pub const EHLO: &str = "
    S: 220 mx.example.net ESMTP postrider
    C: EHLO client.example.com
    S…
    S: 250 SMTPUTF8
";
/// The same in LMTP.
pub const LHLO: &str = "
    S: 220 mx.example.net LMTP postrider
    C: LHLO client.example.com
    S…
    S: 250 SMTPUTF8
";
/// A transaction up to the content.
pub const TO_BOB: &str = "
    C: MAIL FROM:<carol@example.com>
    S: 250 2.1.0 Sender ok
    C: RCPT TO:<bob@example.net>
    S: 250 2.1.5 Recipient ok
";
/// The reply that asks for content.
pub const SEND: &str = "
    C: DATA
    S: 354 …
";

/// What a test can set.
pub struct Setup {
    pub smtp: SmtpOptions,
    pub tls: Option<TlsAcceptor>,
    pub shutdown: Shutdown,
}

impl Default for Setup {
    fn default() -> Self {
        Self { smtp: options(), tls: None, shutdown: Shutdown::never() }
    }
}

/// The options of a server called `mx.example.net`.
pub fn options() -> SmtpOptions {
    SmtpOptions { host_name: "mx.example.net".into(), ..SmtpOptions::default() }
}

/// A server and its mail.
pub struct Server {
    pub engine: Arc<MemoryEngine>,
    pub store: Arc<Store>,
    pub accounts: Arc<Accounts>,
    service: Arc<SmtpService>,
}

impl Server {
    /// A server with the accounts and without mail; its clock stands still.
    pub async fn start(setup: Setup) -> Self {
        // The least that Argon2 and SCRAM allow, and no waiting: the tests ask for answers, not for strength.
        let hashing =
            HashingOptions { memory_kibibytes: 8, passes: 1, scram_iterations: 4096, ..HashingOptions::default() };
        let throttle = ThrottleOptions { delay_first: std::time::Duration::ZERO, ..ThrottleOptions::default() };
        let options = AccountsOptions { hashing, throttle, ..AccountsOptions::default() };
        let engine = Arc::new(MemoryEngine::new());
        let now: postrider_store::Now = Arc::new(|| 1_700_000_000);
        let store = Store::open(Arc::clone(&engine) as _, StoreOptions::default(), now).await.unwrap();
        let accounts = Accounts::open(Arc::clone(&engine) as _, options).await.unwrap();
        for address in ADDRESSES {
            let id = accounts.add(address, &Password::from("secret")).await.unwrap();
            store.create_account(id).await.unwrap();
        }
        accounts.add_alias("team@example.net", &ADDRESSES.map(str::to_owned)).await.unwrap();
        let (shared_store, shared_accounts) = (Arc::clone(&store), Arc::clone(&accounts));
        let service = SmtpService::new(shared_store, shared_accounts, setup.tls, setup.smtp, setup.shutdown);
        Self { engine, store, accounts, service: Arc::new(service) }
    }

    /// A client on this machine: nobody can listen in.
    pub fn connect(&self, role: SmtpRole) -> DuplexStream {
        self.connect_from("127.0.0.1:4000", role).0
    }

    /// A client from somewhere, and the session's task.
    pub fn connect_from(&self, remote: &str, role: SmtpRole) -> (DuplexStream, JoinHandle<()>) {
        let (client, server) = duplex(64 * 1024);
        let peer = Peer { remote: remote.parse().unwrap(), local: "192.0.2.2:25".parse().unwrap() };
        let transport = Transport::plain(server, peer, Timeouts::default());
        (client, tokio::spawn(serve(transport, Arc::clone(&self.service), role)))
    }

    /// Replays a transcript in the role of a receiving server.
    pub async fn receive(&self, text: &str) {
        transcript(self.connect(SmtpRole::Receive), text).await;
    }

    /// Replays a transcript after EHLO, in one piece and in single bytes.
    pub async fn receive_in_any_pieces(&self, text: &str) {
        for piece_bytes in [usize::MAX, 1, 7] {
            let text = format!("{EHLO}{text}\nC: QUIT\nS: 221 2.0.0 Goodbye\nS closes");
            transcript_in_pieces(self.connect(SmtpRole::Receive), &text, piece_bytes).await;
        }
    }

    /// Replays a transcript after a login.
    pub async fn submit(&self, text: &str) {
        let login = format!("C: AUTH PLAIN {PLAIN}\nS: 235 2.7.0 Authentication successful\n");
        transcript(self.connect(SmtpRole::Submission), &format!("{EHLO}{login}{text}")).await;
    }

    /// Replays a transcript in LMTP.
    pub async fn lmtp(&self, text: &str) {
        transcript(self.connect(SmtpRole::Lmtp), &format!("{LHLO}{text}")).await;
    }

    /// Somebody's account.
    pub async fn account(&self, address: &str) -> Arc<Account> {
        let id = self.accounts.find(address).await.unwrap().unwrap().id;
        self.store.account(id).await.unwrap()
    }

    /// The messages in a mailbox.
    pub async fn mail(&self, address: &str, mailbox: &str) -> Vec<String> {
        let account = self.account(address).await;
        let mailbox = account.mailbox(account.state().find(mailbox).unwrap().id).await.unwrap();
        let mut messages = Vec::new();
        for entry in mailbox.messages().unwrap().iter() {
            let raw = account.body(entry.blob).await.unwrap().unwrap();
            messages.push(String::from_utf8(raw).unwrap());
        }
        messages
    }

    /// The one message in an INBOX.
    pub async fn only_message(&self, address: &str) -> String {
        let mut messages = self.mail(address, INBOX).await;
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.remove(0)
    }

    /// How many messages there are in both INBOXes.
    pub async fn count(&self) -> usize {
        self.mail(ADDRESSES[0], INBOX).await.len() + self.mail(ADDRESSES[1], INBOX).await.len()
    }
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
    (settings.acceptor(ApplicationProtocol::Unnamed), tokio_rustls::TlsConnector::from(Arc::new(configuration)))
}
