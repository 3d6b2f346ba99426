//! Dovecot 2.3 in a folder of its own.
//!
//! It must be started by root: its login processes change to other users. Mail is kept as user `mail`.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::ServerUnderTest;

const CONFIGURATION: &str = r"
base_dir = FOLDER/run
state_dir = FOLDER/state
log_path = /dev/stderr
instance_name = postrider-test
listen = 127.0.0.1
protocols = imap pop3 lmtp
ssl = yes
ssl_cert = <FOLDER/certificate.pem
ssl_key = <FOLDER/key.pem
disable_plaintext_auth = no
mail_location = sdbox:~/sdbox
first_valid_uid = 1
mail_fsync = optimized
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
service imap-login {
  service_count = 0
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
  client_limit = 4000
  inet_listener pop3 {
    port = POP3_PORT
  }
  inet_listener pop3s {
    port = POP3S_PORT
    ssl = yes
  }
}
service imap {
  process_limit = 2048
}
service lmtp {
  inet_listener lmtp {
    port = LMTP_PORT
  }
}
";

pub(super) fn prepare(server: &ServerUnderTest) {
    let folder = server.folder();
    let ports = server.ports();
    let text = CONFIGURATION
        .replace("FOLDER", &folder.to_string_lossy())
        .replace("IMAP_PORT", &ports.imap.to_string())
        .replace("IMAPS_PORT", &ports.imaps.to_string())
        .replace("POP3_PORT", &ports.pop3.to_string())
        .replace("POP3S_PORT", &ports.pop3s.to_string())
        .replace("LMTP_PORT", &ports.lmtp.to_string());
    fs::write(folder.join("dovecot.conf"), text).unwrap();
    let mut users = String::new();
    for account in server.accounts() {
        writeln!(users, "{}:{{PLAIN}}{}::::::", account.address, account.password).unwrap();
    }
    fs::write(folder.join("users"), users).unwrap();
    fs::create_dir(folder.join("mail")).unwrap();
    // The processes that keep mail are not root.
    fs::set_permissions(folder.join("mail"), fs::Permissions::from_mode(0o777)).unwrap();
}

pub(super) fn command(server: &ServerUnderTest) -> (Command, Vec<u16>) {
    let mut command = Command::new("/usr/sbin/dovecot");
    command.arg("-F").arg("-c").arg(server.folder().join("dovecot.conf"));
    let ports = server.ports();
    (command, vec![ports.imap, ports.imaps, ports.pop3, ports.pop3s, ports.lmtp])
}
