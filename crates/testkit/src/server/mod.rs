//! The server under test.
//!
//! The tests know the wire only, so the same test runs against Dovecot, where a failure means that the test is wrong,
//! and against postrider. `POSTRIDER_TEST_SERVER=dovecot` chooses; `postrider` is the default. Every test has a server
//! of its own, with a temporary folder and free ports of its own; it ends with the test, and its log is printed when
//! the test fails.
//!
//! Cyrus and Courier are here as peers that mail is fetched from and sent to; no test asks them whether it is right.

mod courier;
mod cyrus;
mod dovecot;
mod port;
mod postrider;
mod unpacked;

use std::fs::{self, File};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use port::free_port;

/// How long a server may take to listen, and to end when asked to.
const START_TIME_MAX: Duration = Duration::from_secs(60);

/// Which server is under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// A peer that mail is fetched from. It does not receive.
    Courier,
    /// A peer that mail is fetched from.
    Cyrus,
    /// The peer that tells whether a test is right. It receives by LMTP, not by SMTP.
    Dovecot,
    /// Ours.
    Postrider,
}

impl ServerKind {
    /// The one that `POSTRIDER_TEST_SERVER` names.
    ///
    /// # Panics
    /// When the variable names no server.
    #[must_use]
    pub fn from_environment() -> Self {
        match std::env::var("POSTRIDER_TEST_SERVER").as_deref() {
            Err(_) | Ok("postrider") => Self::Postrider,
            Ok("dovecot") => Self::Dovecot,
            Ok(other) => panic!("POSTRIDER_TEST_SERVER must be dovecot or postrider, not {other:?}"),
        }
    }

    /// Whether the server takes mail by SMTP. A test that needs that and does not have it prints so and ends.
    #[must_use]
    pub fn receives_by_smtp(self) -> bool {
        if self == Self::Dovecot {
            println!("not run: Dovecot does not receive by SMTP");
        }
        self == Self::Postrider
    }
}

/// A user of the server under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Address and login name.
    pub address: String,
    /// Password.
    pub password: String,
}

impl Account {
    /// The account of `local@example.test`.
    #[must_use]
    pub fn new(local: &str) -> Self {
        Self { address: format!("{local}@example.test"), password: format!("{local}-Pa55-word") }
    }

    /// The part of the address before the `@`.
    #[must_use]
    pub fn local(&self) -> &str {
        self.address.split('@').next().unwrap_or_default()
    }
}

/// Where the server listens, all on 127.0.0.1. `imap`, `pop3` and `submission` start in the clear and accept a login
/// there; the names with an `s` are TLS from the first byte.
#[derive(Debug, Clone)]
pub struct Ports {
    /// IMAP, STARTTLS offered.
    pub imap: u16,
    /// IMAP in TLS.
    pub imaps: u16,
    /// POP3, STLS offered.
    pub pop3: u16,
    /// POP3 in TLS.
    pub pop3s: u16,
    /// LMTP.
    pub lmtp: u16,
    /// SMTP from other servers.
    pub smtp: u16,
    /// Submission, STARTTLS offered.
    pub submission: u16,
    /// Submission in TLS.
    pub submissions: u16,
}

impl Ports {
    fn free() -> Self {
        Self {
            imap: free_port(),
            imaps: free_port(),
            pop3: free_port(),
            pop3s: free_port(),
            lmtp: free_port(),
            smtp: free_port(),
            submission: free_port(),
            submissions: free_port(),
        }
    }
}

/// A running server with its accounts.
#[derive(Debug)]
pub struct ServerUnderTest {
    kind: ServerKind,
    binary: PathBuf,
    ports: Ports,
    accounts: Vec<Account>,
    child: Option<Child>,
    folder: TempDir,
}

impl ServerUnderTest {
    /// Starts the server that the environment chooses; `binary` is ours, `env!("CARGO_BIN_EXE_postrider")`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(binary: &str, locals: &[&str]) -> Self {
        Self::start_kind(ServerKind::from_environment(), binary, locals)
    }

    /// Starts this server.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_kind(kind: ServerKind, binary: &str, locals: &[&str]) -> Self {
        Self::start_with(kind, binary, locals, "")
    }

    /// Starts this server with more lines at the end of its configuration.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_with(kind: ServerKind, binary: &str, locals: &[&str], settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("postrider-test-").tempdir().unwrap();
        let accounts = locals.iter().map(|local| Account::new(local)).collect();
        let mut server =
            Self { kind, binary: PathBuf::from(binary), ports: Ports::free(), accounts, child: None, folder };
        // Programs that give up root's rights must still find their own folder below it.
        fs::set_permissions(server.folder(), fs::Permissions::from_mode(0o755)).unwrap();
        write_certificate(server.folder());
        match kind {
            ServerKind::Courier => courier::prepare(&server),
            ServerKind::Cyrus => cyrus::prepare(&server),
            ServerKind::Dovecot => dovecot::prepare(&server),
            ServerKind::Postrider => postrider::prepare(&server),
        }
        server.configure(settings);
        server.start_again();
        server
    }

    /// Adds lines to the end of its configuration; they hold from its next start on.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn configure(&self, settings: &str) {
        let mut text = fs::read_to_string(self.configuration_file()).unwrap();
        text.push_str(settings);
        fs::write(self.configuration_file(), text).unwrap();
    }

    /// Which server it is.
    #[must_use]
    pub const fn kind(&self) -> ServerKind {
        self.kind
    }

    /// Where it listens.
    #[must_use]
    pub const fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The account with this local part.
    ///
    /// # Panics
    /// When the server was started without it.
    #[must_use]
    pub fn account(&self, local: &str) -> &Account {
        self.accounts.iter().find(|account| account.local() == local).expect("an account that was asked for at start")
    }

    /// All accounts.
    #[must_use]
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The server's certificate, self-signed for `localhost` and `127.0.0.1`, as a PEM file that a program can trust.
    #[must_use]
    pub fn certificate_file(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// Its configuration.
    #[must_use]
    pub fn configuration_file(&self) -> PathBuf {
        self.folder.path().join(match self.kind {
            ServerKind::Courier => "courier.conf",
            ServerKind::Cyrus => "imapd.conf",
            ServerKind::Dovecot => "dovecot.conf",
            ServerKind::Postrider => "postrider.toml",
        })
    }

    /// The folder in which it keeps what must not be lost: postrider's `data`, with everything, as Cyrus's `store`; of Dovecot
    /// and Courier, the home of one account's mail.
    #[must_use]
    pub fn data_folder(&self, local: &str) -> PathBuf {
        match self.kind {
            ServerKind::Courier => courier::home(self, &self.account(local).address),
            ServerKind::Cyrus => self.folder.path().join("store"),
            ServerKind::Dovecot => self.folder.path().join("mail").join(&self.account(local).address),
            ServerKind::Postrider => self.folder.path().join("data"),
        }
    }

    /// An empty folder for a program's configuration and mail; it goes with the server.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn home(&self, name: &str) -> PathBuf {
        let home = self.folder.path().join("home").join(name);
        fs::create_dir_all(&home).unwrap();
        home
    }

    /// Memory that the server and its children hold of their own now, in bytes; mapped files do not count, as the
    /// kernel takes their pages back when it wants.
    ///
    /// # Panics
    /// When it is not running.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let root = self.child.as_ref().expect("a running server").id();
        let parents = process_parents();
        let belongs = |mut process: u32| loop {
            if process == root {
                return true;
            }
            match parents.iter().find(|(child, _)| *child == process) {
                Some((_, parent)) => process = *parent,
                None => return false,
            }
        };
        parents.iter().filter(|(process, _)| belongs(*process)).map(|(process, _)| resident_bytes_of(*process)).sum()
    }

    /// The most memory, in bytes, that the server's first process had resident since its start or since
    /// [`forget_peak`](Self::forget_peak), mapped files included.
    ///
    /// # Panics
    /// When it is not running.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        let process = self.child.as_ref().expect("a running server").id();
        status_field(process, "VmHWM:").expect("a process that runs") * 1024
    }

    /// Lets the count of [`peak_bytes`](Self::peak_bytes) begin anew (proc(5): 5 in `clear_refs`).
    ///
    /// # Panics
    /// When it is not running.
    pub fn forget_peak(&self) {
        let process = self.child.as_ref().expect("a running server").id();
        fs::write(format!("/proc/{process}/clear_refs"), "5").unwrap();
    }

    /// Stops the server in good order and starts it on the same store and ports.
    ///
    /// # Panics
    /// When it does not end or does not come back.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Asks the server to end and waits for it.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        signal("-TERM", &child.id().to_string());
        let end = Instant::now() + START_TIME_MAX;
        while child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "the server did not end after SIGTERM");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills the server with SIGKILL, its children too: what a power cut looks like to its store, without the loss of
    /// the kernel's cache.
    pub fn kill9(&mut self) {
        self.kill_processes();
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Children die a moment after their parent, and whoever connects meanwhile reaches the dead server.
        let end = Instant::now() + START_TIME_MAX;
        for port in [self.ports.imap, self.ports.lmtp] {
            while TcpStream::connect(("127.0.0.1", port)).is_ok() && Instant::now() < end {
                thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// Sends SIGKILL to the server and its children while others use it; [`kill9`](Self::kill9) must follow.
    pub fn kill_processes(&self) {
        if let Some(child) = &self.child {
            signal("-KILL", &format!("-{}", child.id()));
        }
    }

    /// Starts the server again after [`stop`](Self::stop) or [`kill9`](Self::kill9), and waits until it listens.
    ///
    /// # Panics
    /// When it ends or does not listen in time.
    pub fn start_again(&mut self) {
        for port in self.start_without_waiting() {
            self.wait_for(port);
        }
    }

    /// Starts the server and does not wait until it listens; gives the ports on which it will.
    ///
    /// # Panics
    /// When its program cannot be run.
    pub fn start_without_waiting(&mut self) -> Vec<u16> {
        let (mut command, listening) = match self.kind {
            ServerKind::Courier => courier::command(self),
            ServerKind::Cyrus => cyrus::command(self),
            ServerKind::Dovecot => dovecot::command(self),
            ServerKind::Postrider => postrider::command(self),
        };
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
        let program = command.get_program().to_string_lossy().into_owned();
        self.child = Some(command.spawn().unwrap_or_else(|error| panic!("cannot start {program}: {error}")));
        listening
    }

    /// Runs the store's own check; the server must be stopped. Dovecot has none that would tell more than its answers.
    ///
    /// # Panics
    /// When the check finds anything.
    pub fn check_store(&self) {
        assert!(self.child.is_none(), "the check needs the store for itself");
        if self.kind == ServerKind::Postrider {
            postrider::check(self);
        }
    }

    /// The server's log so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn wait_for(&mut self, port: u16) {
        let end = Instant::now() + START_TIME_MAX;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = self.ended() {
                panic!("the server ended at its start ({status})");
            }
            assert!(Instant::now() < end, "the server does not listen on port {port}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().unwrap())
    }
}

impl Drop for ServerUnderTest {
    fn drop(&mut self) {
        self.kill9();
        if thread::panicking() {
            let log = self.log();
            let skipped = log.len().saturating_sub(20_000);
            let start = (skipped..log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(0);
            println!("--- the server's log (its last 20 kB)\n{}\n--- end of the server's log", &log[start..]);
        }
    }
}

/// Writes `certificate.pem` and `key.pem`, self-signed for the loopback.
fn write_certificate(folder: &Path) {
    let names = vec![String::from("localhost"), String::from("127.0.0.1"), String::from("mail.example.test")];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    fs::write(folder.join("certificate.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}

/// Sends a signal by the `kill` program: the standard library has only SIGKILL, and `unsafe` is not for tests.
fn signal(name: &str, target: &str) {
    let _ = Command::new("kill").args([name, "--", target]).stderr(Stdio::null()).status();
}

/// Every process with its parent.
fn process_parents() -> Vec<(u32, u32)> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(process) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        if let Some(parent) = status_field(process, "PPid:") {
            parents.push((process, u32::try_from(parent).unwrap()));
        }
    }
    parents
}

fn resident_bytes_of(process: u32) -> u64 {
    status_field(process, "RssAnon:").unwrap_or(0) * 1024
}

/// A number from `/proc/PROCESS/status`.
fn status_field(process: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
