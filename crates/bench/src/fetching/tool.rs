//! The tools: how each is installed, set up and run, and where it puts mail.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use postrider_testkit::maildir;

use super::comparison::Kept;
use super::{ACCOUNT, Source, folder_of, kept_by_imap};
use crate::server::{Kind, Server};

/// Number of the user and group `mail`, the same on every Debian: getmail does not write mail as root.
const DEBIAN_MAIL_USER: u32 = 8;

/// The Perl modules that imapsync needs and bare Debian has not.
pub const IMAPSYNC_PACKAGES: [&str; 15] = [
    "libcgi-pm-perl",
    "libdigest-hmac-perl",
    "libencode-imaputf7-perl",
    "libfile-copy-recursive-perl",
    "libfile-tail-perl",
    "libio-socket-inet6-perl",
    "libio-socket-ssl-perl",
    "libio-tee-perl",
    "libmail-imapclient-perl",
    "libproc-processtable-perl",
    "libreadonly-perl",
    "libregexp-common-perl",
    "libsys-meminfo-perl",
    "libterm-readkey-perl",
    "libunicode-string-perl",
];

/// What is fetched by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
}

/// A tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tool {
    /// `postrider pull`, while the server runs.
    Postrider(Protocol),
    /// isync's.
    Mbsync,
    /// OfflineIMAP 8.
    OfflineImap,
    /// getmail6.
    Getmail(Protocol),
    /// Gilles Lamiral's imapsync, from this file, to another Dovecot.
    Imapsync(PathBuf),
}

/// Where a tool works.
#[derive(Debug)]
pub struct Place {
    folder: PathBuf,
    binary: PathBuf,
    imap: u16,
    pop3: u16,
    user: String,
    password: String,
    /// The server that keeps what was fetched, where that is no folder.
    server: Option<Server>,
}

/// The tools that are to be measured, installed; and why others are not among them.
pub fn choose(only: Option<&str>, imapsync: Option<&Path>) -> Result<(Vec<Tool>, Vec<String>)> {
    let mut tools = vec![
        Tool::Postrider(Protocol::Imap),
        Tool::Mbsync,
        Tool::OfflineImap,
        Tool::Getmail(Protocol::Imap),
        Tool::Postrider(Protocol::Pop3),
        Tool::Getmail(Protocol::Pop3),
    ];
    let mut absences = Vec::new();
    match imapsync {
        Some(path) => {
            let path = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
            tools.insert(4, Tool::Imapsync(path));
        }
        None => absences.push(format!(
            "imapsync is not in Debian, so it is not among them unless it is named: `git clone https://github.com/imapsync/imapsync`, \
             `apt-get install --no-install-recommends {}`, `fetch --imapsync imapsync/imapsync`.",
            IMAPSYNC_PACKAGES.join(" ")
        )),
    }
    tools.retain(|tool| only.is_none_or(|text| tool.name().contains(text)));
    if tools.is_empty() {
        bail!("no tool has {:?} in its name", only.unwrap_or_default());
    }
    tools.iter().try_for_each(Tool::install)?;
    Ok((tools, absences))
}

impl Tool {
    /// Its name in tables.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Postrider(Protocol::Imap) => "postrider pull, IMAP",
            Self::Postrider(Protocol::Pop3) => "postrider pull, POP3",
            Self::Mbsync => "mbsync",
            Self::OfflineImap => "OfflineIMAP",
            Self::Getmail(Protocol::Imap) => "getmail6, IMAP",
            Self::Getmail(Protocol::Pop3) => "getmail6, POP3",
            Self::Imapsync(_) => "imapsync",
        }
    }

    /// By what it fetches.
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Postrider(protocol) | Self::Getmail(protocol) => *protocol,
            Self::Mbsync | Self::OfflineImap | Self::Imapsync(_) => Protocol::Imap,
        }
    }

    /// What it is good for, and how it was set up.
    pub const fn remark(&self) -> &'static str {
        match self {
            Self::Postrider(Protocol::Imap) => {
                "`--mode archive`, into the running server, which syncs before it counts a message as fetched; the server's \
                 processor time and memory are counted with the command's."
            }
            Self::Postrider(Protocol::Pop3) => "`--keep`, otherwise as by IMAP.",
            Self::Mbsync => "`Sync Pull`, `Expunge None`, into Maildir; syncs (its default).",
            Self::OfflineImap => "Reads only there (`readonly`), into Maildir; does not sync (its default).",
            Self::Getmail(_) => {
                "`read_all = false`, into Maildir; syncs; writes in a process of its own for each message, as user `mail`. It \
                 knows no flags."
            }
            Self::Imapsync(_) => {
                "`--folder INBOX`, into another Dovecot, whose processor time and memory are counted with its own."
            }
        }
    }

    /// What it calls itself.
    pub fn version(&self) -> Result<String> {
        let (program, arguments): (&str, Vec<&str>) = match self {
            Self::Postrider(_) => return Ok(String::new()),
            Self::Mbsync => ("mbsync", vec!["--version"]),
            Self::OfflineImap => ("offlineimap", vec!["--version"]),
            Self::Getmail(_) => ("getmail", vec!["--version"]),
            Self::Imapsync(path) => ("perl", vec![path.to_str().unwrap_or_default(), "--version"]),
        };
        let text = crate::machine::said(program, &arguments)?;
        let version = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
        Ok(text
            .split([' ', ',', '\n'])
            .map(|word| word.trim_start_matches('v'))
            .find(version)
            .unwrap_or_default()
            .into())
    }

    fn install(&self) -> Result<()> {
        let packages: &[&str] = match self {
            Self::Postrider(_) => &[],
            Self::Mbsync => &["isync"],
            Self::OfflineImap => &["offlineimap3"],
            Self::Getmail(_) => &["getmail6"],
            Self::Imapsync(_) => &IMAPSYNC_PACKAGES,
        };
        if packages.is_empty() || packages.iter().all(|package| is_installed(package)) {
            return Ok(());
        }
        println!("installing {}", packages.join(" "));
        let mut install = Command::new("apt-get");
        install.env("DEBIAN_FRONTEND", "noninteractive");
        install.args(["install", "--yes", "--no-install-recommends", "--no-remove"]).args(packages);
        if !install.status().context("cannot run apt-get")?.success() {
            bail!("cannot install; as root: apt-get install --no-install-recommends {}", packages.join(" "));
        }
        Ok(())
    }

    /// An empty place for it below `parent`, with its configuration.
    pub fn place(&self, parent: &Path, source: &Source, binary: &Path) -> Result<Place> {
        let folder = folder_of(parent, self.name())?;
        let account = source.server.account(ACCOUNT)?;
        let server = match self {
            Self::Postrider(_) => Some(Kind::Postrider),
            Self::Imapsync(_) => Some(Kind::Dovecot),
            Self::Mbsync | Self::OfflineImap | Self::Getmail(_) => None,
        };
        let server = server.map(|kind| -> Result<Server> {
            let mut server = Server::start(kind, binary, &folder, &[ACCOUNT.to_owned()])?;
            let _ = server.start_to_be_measured()?;
            Ok(server)
        });
        let place = Place {
            binary: binary.to_owned(),
            imap: source.imap.port(),
            pop3: source.pop3.port(),
            user: account.address.clone(),
            password: account.password.clone(),
            server: server.transpose()?,
            folder,
        };
        place.configure(self)?;
        Ok(place)
    }
}

/// Whether a Debian package is there.
fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", package]).stderr(Stdio::null());
    query.output().is_ok_and(|output| output.stdout == b"installed")
}

impl Place {
    /// Where the tool's output goes.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The process of the server that keeps what was fetched.
    pub fn keeper(&self) -> Result<Option<u32>> {
        self.server.as_ref().map(Server::process).transpose()
    }

    /// What was fetched.
    pub fn kept(&self) -> Result<Vec<Kept>> {
        if let Some(server) = &self.server {
            return kept_by_imap(server);
        }
        let folder = self.folder.join("Mail/INBOX");
        let keep = |message: maildir::StoredMessage| {
            let flags: BTreeSet<String> = message.flags;
            Kept::new(&message.raw, flags)
        };
        Ok(maildir::read(&folder).into_iter().map(keep).collect())
    }

    fn configure(&self, tool: &Tool) -> Result<()> {
        match tool {
            Tool::Postrider(_) | Tool::Imapsync(_) => Ok(()),
            Tool::Mbsync => self.write("rc", MBSYNC),
            Tool::OfflineImap => self.write("rc", OFFLINEIMAP),
            Tool::Getmail(protocol) => self.configure_getmail(*protocol),
        }
    }

    fn configure_getmail(&self, protocol: Protocol) -> Result<()> {
        let mailbox = self.folder.join("Mail/INBOX");
        maildir::create(&mailbox);
        let is_root = fs::metadata("/proc/self")?.uid() == 0;
        if is_root {
            for folder in ["", "cur", "new", "tmp"] {
                chown(mailbox.join(folder), Some(DEBIAN_MAIL_USER), Some(DEBIAN_MAIL_USER))?;
            }
        }
        let retriever = match protocol {
            Protocol::Imap => "type = SimpleIMAPRetriever\nport = IMAP_PORT\nmailboxes = (\"INBOX\",)",
            Protocol::Pop3 => "type = SimplePOP3Retriever\nport = POP3_PORT",
        };
        let text = GETMAIL.replace("RETRIEVER", retriever).replace("AS_USER", if is_root { "user = mail" } else { "" });
        self.write("rc", &text)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let text = text
            .replace("FOLDER", &self.folder.to_string_lossy())
            .replace("IMAP_PORT", &self.imap.to_string())
            .replace("POP3_PORT", &self.pop3.to_string())
            .replace("USER", &self.user)
            .replace("PASSWORD", &self.password);
        fs::create_dir_all(self.folder.join("Mail"))?;
        fs::write(self.folder.join(name), text).with_context(|| format!("cannot write {name}"))
    }

    /// One run.
    pub fn command(&self, tool: &Tool) -> Result<Command> {
        let mut command = match tool {
            Tool::Postrider(protocol) => self.postrider(*protocol),
            Tool::Mbsync => with_arguments("mbsync", &["-c", "rc", "-a", "-q"]),
            Tool::OfflineImap => with_arguments("offlineimap", &["-c", "rc", "-o", "-u", "quiet"]),
            Tool::Getmail(_) => with_arguments("getmail", &["--getmaildir", ".", "--rcfile", "rc", "--quiet"]),
            Tool::Imapsync(path) => self.imapsync(path)?,
        };
        command.current_dir(&self.folder).env("HOME", &self.folder).env("LC_ALL", "C.UTF-8");
        Ok(command)
    }

    fn postrider(&self, protocol: Protocol) -> Command {
        let (scheme, port) = match protocol {
            Protocol::Imap => ("imap", self.imap),
            Protocol::Pop3 => ("pop3", self.pop3),
        };
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(self.folder.join(Kind::Postrider.name()).join("postrider.toml"));
        command.arg("pull").arg(format!("{scheme}://{}@127.0.0.1:{port}?security=none", self.user));
        command.args(["--into", &self.user]).env("POSTRIDER_PULL_PASSWORD", &self.password);
        command
    }

    fn imapsync(&self, path: &Path) -> Result<Command> {
        let server = self.server.as_ref().context("imapsync has nowhere to put mail")?;
        let account = server.account(ACCOUNT)?;
        let mut command = Command::new("perl");
        command.arg(path).args(["--host1", "127.0.0.1", "--port1", &self.imap.to_string()]);
        command.args(["--user1", &self.user, "--password1", &self.password]);
        command.args(["--host2", "127.0.0.1", "--port2", &server.ports().imap.to_string()]);
        command.args(["--user2", &account.address, "--password2", &account.password]);
        command.args(["--nossl1", "--notls1", "--nossl2", "--notls2", "--folder", "INBOX", "--nolog"]);
        command.args(["--noreleasecheck", "--tmpdir"]).arg(&self.folder);
        Ok(command)
    }
}

fn with_arguments(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

const MBSYNC: &str = "\
IMAPAccount there
Host 127.0.0.1
Port IMAP_PORT
User USER
Pass PASSWORD
SSLType None
AuthMechs LOGIN

IMAPStore far
Account there

MaildirStore near
SubFolders Verbatim
Path FOLDER/Mail/
Inbox FOLDER/Mail/INBOX

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Near
Expunge None
Sync Pull
SyncState *
";

const OFFLINEIMAP: &str = "\
[general]
accounts = all
metadata = FOLDER/metadata
ui = quiet

[Account all]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = FOLDER/Mail
sep = /

[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = IMAP_PORT
remoteuser = USER
remotepass = PASSWORD
ssl = no
starttls = no
readonly = True
folderfilter = lambda name: name == 'INBOX'
";

const GETMAIL: &str = "\
[retriever]
RETRIEVER
server = 127.0.0.1
username = USER
password = PASSWORD

[destination]
type = Maildir
path = FOLDER/Mail/INBOX/
AS_USER

[options]
read_all = false
delete = false
delivered_to = false
received = false
";
