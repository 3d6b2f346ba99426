//! An IMAP server without sockets: in-memory mail, two accounts, and clients' ends of streams.

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
use postrider_imap_server::{ImapOptions, ImapService, serve};
use postrider_net::{
    ApplicationProtocol, Peer, Shutdown, Timeouts, TlsAcceptor, TlsSettings, Transport, create_self_signed,
};
use postrider_store::{Account, AccountId, Flag, INBOX, Store, StoreOptions};
use postrider_testkit::{transcript, transcript_in_pieces};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex},
    task::JoinHandle,
};

/// The account of most tests; there is a second one, `bob@example.net`, with the same password.
pub const ALICE: &str = "alice@example.net";
/// The second account.
pub const BOB: &str = "bob@example.net";
/// The password of both.
pub const PASSWORD: &str = "secret";
/// `\0alice@example.net\0secret`
pub const PLAIN: &str = "AGFsaWNlQGV4YW1wbGUubmV0AHNlY3JldA==";
/// When the server's clock stands at the start of a test: 2023-11-14 22:13:20 +0000.
pub const NOW: i64 = 1_700_000_000;
/// The greeting and a login.
pub const LOGIN: &str = "
    S: * OK [CAPABILITY …
    C: login LOGIN alice@example.net secret
    S: login OK [CAPABILITY …
";

/// What a test can set.
pub struct Setup {
    pub imap: ImapOptions,
    pub accounts: AccountsOptions,
    pub store: StoreOptions,
    pub tls: Option<TlsAcceptor>,
    pub shutdown: Shutdown,
}

impl Default for Setup {
    fn default() -> Self {
        // The least that Argon2 and SCRAM allow, and no waiting: the tests ask for answers, not for strength.
        let hashing =
            HashingOptions { memory_kibibytes: 8, passes: 1, scram_iterations: 4096, ..HashingOptions::default() };
        let throttle = ThrottleOptions { delay_first: std::time::Duration::ZERO, ..ThrottleOptions::default() };
        Self {
            imap: ImapOptions::default(),
            accounts: AccountsOptions { hashing, throttle, ..AccountsOptions::default() },
            // What is expunged is gone: sessions that were not told yet have the harder case.
            store: StoreOptions { expunged_kept_seconds: 0, ..StoreOptions::default() },
            tls: None,
            shutdown: Shutdown::never(),
        }
    }
}

/// A server and its mail.
pub struct Server {
    pub engine: Arc<MemoryEngine>,
    pub store: Arc<Store>,
    pub accounts: Arc<Accounts>,
    clock: Arc<AtomicI64>,
    service: Arc<ImapService>,
}

impl Server {
    /// A server with the accounts and without mail; its clock stands still at [`NOW`].
    pub async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    /// The same with other options.
    pub async fn start_with(setup: Setup) -> Self {
        let engine = Arc::new(MemoryEngine::new());
        let clock = Arc::new(AtomicI64::new(NOW));
        let shown = Arc::clone(&clock);
        let now: postrider_store::Now = Arc::new(move || shown.load(Ordering::SeqCst));
        let store = Store::open(Arc::clone(&engine) as _, setup.store, now).await.unwrap();
        let accounts = Accounts::open(Arc::clone(&engine) as _, setup.accounts).await.unwrap();
        for address in [ALICE, BOB] {
            let id = accounts.add(address, &Password::from(PASSWORD)).await.unwrap();
            store.create_account(AccountId(id.0)).await.unwrap();
        }
        let service = ImapService {
            store: Arc::clone(&store),
            accounts: Arc::clone(&accounts),
            tls: setup.tls,
            options: setup.imap,
            shutdown: setup.shutdown,
        };
        Self { engine, store, accounts, clock, service: Arc::new(service) }
    }

    /// A server with `count` small messages in alice's INBOX: UIDs 1 to `count`, no flags, subjects `message N`.
    pub async fn with_messages(count: usize) -> Self {
        let server = Self::start().await;
        server.fill(INBOX, count).await;
        server
    }

    /// Sets the server's clock, in seconds since 1970.
    pub fn set_clock(&self, unix_seconds: i64) {
        self.clock.store(unix_seconds, Ordering::SeqCst);
    }

    /// A client on this machine that nobody greeted yet.
    pub fn connect(&self) -> DuplexStream {
        self.connect_from("127.0.0.1:4000").0
    }

    /// A client from somewhere, and the session's task.
    pub fn connect_from(&self, remote: &str) -> (DuplexStream, JoinHandle<()>) {
        let (client, server) = duplex(64 * 1024);
        let peer = Peer { remote: remote.parse().unwrap(), local: "192.0.2.2:143".parse().unwrap() };
        let transport = Transport::plain(server, peer, Timeouts::default());
        (client, tokio::spawn(serve(transport, Arc::clone(&self.service))))
    }

    /// A client on this machine that alice logged in with.
    pub async fn login(&self) -> Client<DuplexStream> {
        let mut client = Client(self.connect());
        client.says(LOGIN).await;
        client
    }

    /// A client that alice logged in with and that selected INBOX, whatever the server told of it.
    pub async fn select(&self) -> Client<DuplexStream> {
        let mut client = self.login().await;
        client.says("C: select SELECT INBOX\nS…\nS: select OK [READ-WRITE] …").await;
        client
    }

    /// The same after `ENABLE` of these capabilities.
    pub async fn select_with(&self, enabled: &str) -> Client<DuplexStream> {
        let mut client = self.login().await;
        client.says(&format!("C: enable ENABLE {enabled}\nS…\nS: enable OK …")).await;
        client.says("C: select SELECT INBOX\nS…\nS: select OK [READ-WRITE] …").await;
        client
    }

    /// Replays a transcript after the greeting and a login.
    pub async fn session(&self, text: &str) {
        self.login().await.says(text).await;
    }

    /// Replays a transcript after the greeting and a login, and a SELECT of INBOX.
    pub async fn selected(&self, text: &str) {
        self.select().await.says(text).await;
    }

    /// Somebody's account.
    pub async fn account(&self, address: &str) -> Arc<Account> {
        let id = self.accounts.find(address).await.unwrap().unwrap().id;
        self.store.account(AccountId(id.0)).await.unwrap()
    }

    /// Puts a message into a mailbox of alice, with the server's present time as its internal date.
    pub async fn append(&self, mailbox: &str, flags: Vec<Flag>, raw: impl Into<Vec<u8>>) {
        let account = self.account(ALICE).await;
        let id = account.state().find(mailbox).unwrap().id;
        let message = account.prepare(Bytes::from(raw.into()), flags, self.store.now()).await;
        account.append(id, vec![message]).await.unwrap();
    }

    /// Puts `count` small messages into a mailbox of alice.
    pub async fn fill(&self, mailbox: &str, count: usize) {
        for number in 1..=count {
            self.append(mailbox, Vec::new(), message(number)).await;
        }
    }
}

/// A client's end of a connection.
pub struct Client<S>(pub S);

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Replays a transcript (see `postrider_testkit::transcript`); the connection stays open for another.
    pub async fn says(&mut self, text: &str) {
        transcript(&mut self.0, text).await;
    }

    /// Sends octets as they are, all at once, and returns what the server says up to the line with the tag.
    pub async fn exchange(&mut self, tag: &str, octets: &[u8]) -> Vec<u8> {
        let (first, later) = (format!("{tag} "), format!("\r\n{tag} "));
        let mut answer = Vec::new();
        let (mut reading, mut writing) = tokio::io::split(&mut self.0);
        let sending = writing.write_all(octets);
        let receiving = async {
            let mut buffer = [0; 16 * 1024];
            // An answer ends with the tagged line; a literal could only be mistaken for it if it held the tag.
            while !(answer.ends_with(b"\r\n")
                && (answer.starts_with(first.as_bytes()) || memchr::memmem::rfind(&answer, later.as_bytes()).is_some()))
            {
                let read = reading.read(&mut buffer).await.unwrap();
                assert!(read > 0, "the server closed the connection after {}", answer.escape_ascii());
                answer.extend_from_slice(&buffer[..read]);
            }
        };
        tokio::join!(async { sending.await.unwrap() }, receiving);
        answer
    }

    /// Replays a transcript; the client's bytes leave in pieces.
    pub async fn says_in_pieces(&mut self, text: &str, piece_bytes: usize) {
        transcript_in_pieces(&mut self.0, text, piece_bytes).await;
    }
}

/// What the server says, lines ended with CRLF, as lines of a transcript; so a literal can be written in one piece.
pub fn server_lines(said: &str) -> String {
    said.split("\r\n").map(|line| format!("S: {line}\n")).collect()
}

/// A message with the subject `message N`.
pub fn message(number: usize) -> Vec<u8> {
    format!(
        "Date: Tue, 14 Nov 2023 22:13:{:02} +0000\r\nFrom: Carol <carol@example.com>\r\nTo: alice@example.net\r\n\
         Message-ID: <{number}@example.com>\r\nSubject: message {number}\r\n\r\ntext {number}\r\n",
        number % 60,
    )
    .into_bytes()
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
    (settings.acceptor(ApplicationProtocol::Imap), tokio_rustls::TlsConnector::from(Arc::new(configuration)))
}
