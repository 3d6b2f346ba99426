//! Dovecot 2.3 for measurements: its fastest format for single messages (sdbox), login processes that stay, processes that
//! wait for work. Syncing is its default: `mail_fsync = optimized`.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Server;

/// The program; Debian's packages put it there.
pub(super) const PROGRAM: &str = "/usr/sbin/dovecot";

/// What is needed of it, with a file of each that shows that it is there.
const PACKAGES: [(&str, &str); 4] = [
    ("dovecot-core", PROGRAM),
    ("dovecot-imapd", "/usr/lib/dovecot/imap"),
    ("dovecot-pop3d", "/usr/lib/dovecot/pop3"),
    ("dovecot-lmtpd", "/usr/lib/dovecot/lmtp"),
];

const CONFIGURATION: &str = r"
base_dir = FOLDER/run
state_dir = FOLDER/state
log_path = FOLDER/dovecot.log
instance_name = postrider-bench
listen = 127.0.0.1
protocols = imap pop3 lmtp
ssl = yes
ssl_cert = <FOLDER/certificate.pem
ssl_key = <FOLDER/key.pem
disable_plaintext_auth = no
mail_location = sdbox:~/sdbox
first_valid_uid = 1
mail_fsync = SYNCING
mail_max_userip_connections = 0
auth_cache_size = 4M
namespace inbox {
  inbox = yes
  separator = /
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u FOLDER/users
}
userdb {
  driver = static
  args = uid=mail gid=mail home=FOLDER/mail/%u
}
service anvil {
  client_limit = 12000
}
service auth {
  client_limit = 16000
}
service imap-login {
  service_count = 0
  process_min_avail = 2
  client_limit = 4000
  inet_listener imap {
    port = IMAP_PORT
  }
  inet_listener imaps {
    port = IMAPS_PORT
    ssl = yes
  }
}
service pop3-login {
  service_count = 0
  process_min_avail = 2
  client_limit = 4000
  inet_listener pop3 {
    port = POP3_PORT
  }
  inet_listener pop3s {
    port = 0
  }
}
service imap {
  service_count = 0
  process_limit = 2048
  process_min_avail = 4
}
service pop3 {
  service_count = 0
  process_min_avail = 4
}
service lmtp {
  process_min_avail = 2
  process_limit = 256
  inet_listener lmtp {
    port = LMTP_PORT
  }
}
";

/// Installs the packages that are missing.
pub(super) fn install() -> Result<()> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "--yes", "--no-install-recommends"]);
    if !install.args(&missing).status().context("cannot run apt-get")?.success() {
        bail!("cannot install the peer; as root: apt-get install --no-install-recommends {}", missing.join(" "));
    }
    Ok(())
}

/// When Dovecot syncs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syncing {
    /// Never: while it is filled, which nobody measures.
    Never,
    /// By default: what arrives, but not changes of flags.
    Optimized,
}

/// Writes the configuration; it holds from the next start on.
pub(super) fn configure(server: &Server, syncing: Syncing) -> Result<()> {
    let (folder, ports) = (&server.folder, &server.ports);
    let syncing = match syncing {
        Syncing::Never => "never",
        Syncing::Optimized => "optimized",
    };
    let text = CONFIGURATION
        .replace("SYNCING", syncing)
        .replace("FOLDER", &folder.to_string_lossy())
        .replace("IMAPS_PORT", &ports.imaps.to_string())
        .replace("IMAP_PORT", &ports.imap.to_string())
        .replace("POP3_PORT", &ports.pop3.to_string())
        .replace("LMTP_PORT", &ports.lmtp.to_string());
    fs::write(folder.join("dovecot.conf"), text).context("cannot write dovecot.conf")
}

pub(super) fn prepare(server: &Server) -> Result<()> {
    configure(server, Syncing::Never)?;
    let folder = &server.folder;
    let mut users = String::new();
    for account in &server.accounts {
        writeln!(users, "{}:{{PLAIN}}{}::::::", account.address, account.password)?;
    }
    fs::write(folder.join("users"), users)?;
    let mail = folder.join("mail");
    fs::create_dir(&mail)?;
    // The processes that keep mail are not root.
    Ok(fs::set_permissions(&mail, fs::Permissions::from_mode(0o777))?)
}

pub(super) fn command(server: &Server) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("-F").arg("-c").arg(server.folder.join("dovecot.conf"));
    command
}
