//! Dovecot 2.3 for measurements: its fastest format for single messages (sdbox), login processes that stay, processes that
//! wait for work. Syncing is its default: `mail_fsync = optimized`.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Server, Syncing};

/// The program; Debian's packages put it there.
pub(super) const PROGRAM: &str = "/usr/sbin/dovecot";

/// What is needed of it, with a file of each that shows that it is there.
pub(super) const PACKAGES: [(&str, &str); 4] = [
    ("dovecot-core", PROGRAM),
    ("dovecot-imapd", "/usr/lib/dovecot/imap"),
    ("dovecot-pop3d", "/usr/lib/dovecot/pop3"),
    ("dovecot-lmtpd", "/usr/lib/dovecot/lmtp"),
];

/// How it is set up.
pub(super) const TUNING: &str = "The peer is tuned: sdbox, login and mail processes that stay, authentication cache, \
     `mail_fsync = optimized` (its default: mail that arrives and expunges are synced, changes of flags are not).";

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
service stats {
  client_limit = 16000
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
  process_limit = 10240
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

/// Else a message becomes seen when it is fetched by POP3.
const POP3_LEAVES_FLAGS: &str = "protocol pop3 {\n  pop3_no_flag_updates = yes\n}\n";

/// Writes the configuration; it holds from the next start on.
pub(super) fn configure(server: &Server, syncing: Syncing) -> Result<()> {
    let (folder, ports) = (&server.folder, &server.ports);
    let syncing = match syncing {
        Syncing::Least => "never",
        Syncing::AsUsual => "optimized",
    };
    let text = CONFIGURATION
        .replace("SYNCING", syncing)
        .replace("FOLDER", &folder.to_string_lossy())
        .replace("IMAPS_PORT", &ports.imaps.to_string())
        .replace("IMAP_PORT", &ports.imap.to_string())
        .replace("POP3_PORT", &ports.pop3.to_string())
        .replace("LMTP_PORT", &ports.lmtp.to_string());
    let text = if server.pop3_leaves_flags { text + POP3_LEAVES_FLAGS } else { text };
    fs::write(folder.join("dovecot.conf"), text).context("cannot write dovecot.conf")
}

pub(super) fn prepare(server: &Server) -> Result<()> {
    configure(server, Syncing::Least)?;
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
