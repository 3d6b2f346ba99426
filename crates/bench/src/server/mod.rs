//! The servers that are compared, each in a folder and on ports of its own.
//!
//! Not the test kit's launcher: a measured server is tuned, has more accounts, tells its processes and its disk space, and
//! a fault of it is an error with its log, not a failed test.

mod cyrus;
mod dovecot;
mod postrider;

use std::fs::{self, File};
use std::io::Read as _;
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use postrider_testkit::server::{Account, free_port};

use crate::driver::{Acknowledging, ImapConnection, Transport};
use crate::process;

/// How long a server may take to start and to end.
const START_TIME_MAX: Duration = Duration::from_secs(60);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ours.
    Postrider,
    /// Debian's Dovecot 2.3.
    Dovecot,
    /// Debian's Cyrus IMAP 3.6.
    Cyrus,
}

impl Kind {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postrider => "postrider",
            Self::Dovecot => "Dovecot",
            Self::Cyrus => "Cyrus",
        }
    }

    /// How it is set up, for people who judge the figures.
    pub const fn tuning(self) -> &'static str {
        match self {
            Self::Postrider => "postrider runs with its defaults and syncs before every positive answer.",
            Self::Dovecot => dovecot::TUNING,
            Self::Cyrus => cyrus::TUNING,
        }
    }
}

/// Where the server listens on 127.0.0.1.
#[derive(Debug)]
pub struct Ports {
    /// IMAP in the clear.
    pub imap: u16,
    /// IMAP in TLS.
    pub imaps: u16,
    /// POP3 in the clear.
    pub pop3: u16,
    /// LMTP.
    pub lmtp: u16,
}

/// A server with its accounts.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    binary: PathBuf,
    folder: PathBuf,
    ports: Ports,
    accounts: Vec<Account>,
    tls: Arc<rustls::ClientConfig>,
    child: Option<Child>,
    /// Whether fetching by POP3 leaves flags as they are.
    pop3_leaves_flags: bool,
}

impl Server {
    /// Prepares the server's folder below `parent`, starts it and adds its accounts. `binary` is postrider's. It is then
    /// to be filled, and to be measured after [`start_to_be_measured`](Self::start_to_be_measured).
    pub fn start(kind: Kind, binary: &Path, parent: &Path, locals: &[String]) -> Result<Self> {
        let folder = parent.join(kind.name());
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        write_certificate(&folder)?;
        let tls = crate::driver::tls_configuration()?;
        let ports = Ports { imap: free_port(), imaps: free_port(), pop3: free_port(), lmtp: free_port() };
        let accounts = locals.iter().map(|local| Account::new(local)).collect();
        let (binary, pop3_leaves_flags) = (binary.to_owned(), false);
        let mut server = Self { kind, binary, folder, ports, accounts, tls, child: None, pop3_leaves_flags };
        match kind {
            Kind::Postrider => postrider::prepare(&server)?,
            Kind::Dovecot => dovecot::prepare(&server)?,
            Kind::Cyrus => cyrus::prepare(&server)?,
        }
        server.start_again()?;
        match kind {
            Kind::Postrider => postrider::add_accounts(&server)?,
            Kind::Dovecot => {}
            Kind::Cyrus => cyrus::add_mailboxes(&server)?,
        }
        Ok(server)
    }

    /// Dovecot: from the next start on, what is fetched by POP3 does not become seen, so that who fetches by IMAP finds the mailbox
    /// as it was.
    pub fn leave_flags_to_imap(&mut self) {
        self.pop3_leaves_flags = true;
    }

    /// Ends the time of filling, in which a server need not sync: writes out what the kernel holds and starts the server
    /// anew, as it is to be measured. Tells how long the start took.
    pub fn start_to_be_measured(&mut self) -> Result<Duration> {
        self.wait_until_quiescent()?;
        self.stop()?;
        match self.kind {
            Kind::Postrider => {}
            Kind::Dovecot => dovecot::configure(self, Syncing::AsUsual)?,
            Kind::Cyrus => cyrus::configure(self, Syncing::AsUsual)?,
        }
        write_out()?;
        self.start_again()
    }

    /// Which server it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it listens.
    pub const fn ports(&self) -> &Ports {
        &self.ports
    }

    /// How a client must be set up for TLS to it.
    pub const fn tls(&self) -> &Arc<rustls::ClientConfig> {
        &self.tls
    }

    /// All accounts, in the order in which they were named.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The account with this local part.
    pub fn account(&self, local: &str) -> Result<&Account> {
        let found = self.accounts.iter().find(|account| account.local() == local);
        found.with_context(|| format!("{} has no account {local}", self.kind.name()))
    }

    /// Why it cannot do what needs this IMAP capability; nothing if it announces it.
    pub fn lacks(&self, capability: &str) -> Option<String> {
        let announced = || -> Result<bool> {
            let account = self.accounts.first().context("no accounts")?;
            let mut client = ImapConnection::logged_in(self, Transport::Plain, account)?;
            let capabilities = client.capabilities()?;
            client.logout()?;
            Ok(capabilities.iter().any(|announced| announced == capability))
        };
        match announced() {
            Ok(true) => None,
            Ok(false) => Some(format!("{} does not announce {capability}", self.kind.name())),
            Err(error) => Some(format!("{}: {error:#}", self.kind.name())),
        }
    }

    /// How its clients must acknowledge, so that its work is measured and not a stall.
    pub const fn acknowledging(&self) -> Acknowledging {
        match self.kind {
            Kind::Postrider | Kind::Dovecot => Acknowledging::AsUsual,
            Kind::Cyrus => Acknowledging::AtOnce,
        }
    }

    /// What it calls itself.
    pub fn version(&self) -> Result<String> {
        match self.kind {
            Kind::Postrider => crate::machine::said(&self.binary.to_string_lossy(), &["--version"]),
            Kind::Dovecot => {
                let text = crate::machine::said(dovecot::PROGRAM, &["--version"])?;
                Ok(format!("Dovecot {}", text.split(' ').next().unwrap_or_default()))
            }
            Kind::Cyrus => cyrus::version(),
        }
    }

    /// Processor seconds used so far, all processes.
    pub fn processor_seconds(&self) -> Result<f64> {
        process::processor_seconds(self.process()?)
    }

    /// Memory held now, all processes.
    pub fn memory(&self) -> Result<process::Memory> {
        process::memory(self.process()?)
    }

    /// Bytes that its mail and its indexes take on disk.
    pub fn disk_bytes(&self) -> u64 {
        disk_bytes(&self.folder.join(match self.kind {
            Kind::Postrider => "data",
            Kind::Dovecot => "mail",
            Kind::Cyrus => "store",
        }))
    }

    /// Waits until the server has stopped working on what it was asked for before.
    pub fn wait_until_quiescent(&self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(5);
        let mut last = self.processor_seconds()?;
        while Instant::now() < end {
            thread::sleep(Duration::from_millis(60));
            let now = self.processor_seconds()?;
            if now - last < 0.005 {
                break;
            }
            last = now;
        }
        Ok(())
    }

    /// Stops the server in good order.
    fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        signal("-TERM", &child.id().to_string());
        let end = Instant::now() + START_TIME_MAX;
        while child.try_wait()?.is_none() {
            if Instant::now() > end {
                for process in process::tree(child.id())? {
                    signal("-KILL", &process.to_string());
                }
                bail!("{} did not end after SIGTERM", self.kind.name());
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Starts the server; tells how long it took until it greeted an IMAP client.
    fn start_again(&mut self) -> Result<Duration> {
        let mut command = match self.kind {
            Kind::Postrider => postrider::command(self),
            Kind::Dovecot => dovecot::command(self),
            Kind::Cyrus => cyrus::command(self),
        };
        let log = File::options().create(true).append(true).open(self.folder.join("server.log"))?;
        // It stays in this program's process group: who interrupts the measuring in a terminal ends the server, too.
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let begin = Instant::now();
        self.child = Some(command.spawn().with_context(|| format!("cannot start {command:?}"))?);
        while !self.greets() {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().transpose()).transpose()? {
                bail!("{} ended at its start ({status})\n{}", self.kind.name(), self.log_end());
            }
            if begin.elapsed() > START_TIME_MAX {
                bail!("{} does not greet\n{}", self.kind.name(), self.log_end());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(begin.elapsed())
    }

    /// The end of the server's log, for error messages.
    pub fn log_end(&self) -> String {
        let log = fs::read(self.folder.join("server.log")).unwrap_or_default();
        let end = log.get(log.len().saturating_sub(3000)..).unwrap_or_default();
        String::from_utf8_lossy(end).into_owned()
    }

    fn greets(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.ports.imap)) else { return false };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
        let mut greeting = [0; 4];
        stream.read_exact(&mut greeting).is_ok() && &greeting == b"* OK"
    }

    /// Its first process.
    pub fn process(&self) -> Result<u32> {
        self.child.as_ref().map(Child::id).with_context(|| format!("{} is not running", self.kind.name()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.stop().is_err() {
            eprintln!("{} had to be killed", self.kind.name());
        }
    }
}

/// When a peer syncs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syncing {
    /// As little as it can be told to: while it is filled, which nobody measures.
    Least,
    /// By its defaults.
    AsUsual,
}

/// Installs the Debian packages of a peer that are missing. Each comes with a file that shows that it is there.
pub fn install(kind: Kind) -> Result<()> {
    let packages: &[(&str, &str)] = match kind {
        Kind::Postrider => &[],
        Kind::Dovecot => &dovecot::PACKAGES,
        Kind::Cyrus => &cyrus::PACKAGES,
    };
    let missing: Vec<&str> =
        packages.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    let mut install = Command::new("apt-get");
    // In runlevel 1, which this claims, Debian's scripts do not start the daemons that they install.
    install.env("RUNLEVEL", "1").env("DEBIAN_FRONTEND", "noninteractive");
    // A server that others on this machine may need is never taken away.
    install.args(["install", "--yes", "--no-install-recommends", "--no-remove"]);
    if !install.args(&missing).status().context("cannot run apt-get")?.success() {
        bail!("cannot install {}; as root: apt-get install --no-install-recommends {}", kind.name(), missing.join(" "));
    }
    Ok(())
}

/// Writes out what the kernel still holds, so that nobody pays for another's writing.
pub fn write_out() -> Result<()> {
    if !Command::new("sync").status().context("cannot run sync")?.success() {
        bail!("sync failed");
    }
    Ok(())
}

/// Sends a signal by the `kill` program: the standard library has only SIGKILL, for one process.
fn signal(name: &str, target: &str) {
    let _ = Command::new("kill").args([name, "--", target]).stderr(Stdio::null()).status();
}

/// Blocks that the files below `folder` take.
fn disk_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => metadata.blocks() * 512 + disk_bytes(&entry.path()),
        // stat(2): st_blocks counts units of 512 bytes; the size would count the holes of sparse files.
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

/// Writes `certificate.pem` and `key.pem`, self-signed with ECDSA over P-256.
fn write_certificate(folder: &Path) -> Result<()> {
    let made = rcgen::generate_simple_self_signed(vec![String::from("localhost"), String::from("127.0.0.1")])?;
    fs::write(folder.join("certificate.pem"), made.cert.pem())?;
    Ok(fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())?)
}
