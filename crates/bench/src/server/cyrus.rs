//! Cyrus IMAP 3.6 for measurements: its defaults, processes that wait for work and are used without end, every account's
//! mailbox made beforehand, duplicate suppression off, because the same message is delivered in every round.
//!
//! It syncs messages and databases by default. It logs to syslog only; where there is none, its faults stay unsaid.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use postrider_testkit::server::Account;

use super::{Server, Syncing};
use crate::driver::{ImapConnection, Transport};

/// The program that starts all others.
const PROGRAM: &str = "/usr/sbin/cyrmaster";
/// Debian's user and group of it.
const OWNER: &str = "cyrus:mail";

/// What is needed of it and can be installed beside any other server, with a file of each that shows that it is there.
pub(super) const PACKAGES: [(&str, &str); 3] = [
    ("cyrus-common", PROGRAM),
    ("sasl2-bin", "/usr/sbin/saslpasswd2"),
    ("libsasl2-modules", "/usr/share/doc/libsasl2-modules"),
];
/// What is only unpacked, in the server's folder: Debian lets one IMAP server be installed at a time, and to install these
/// would take Dovecot away from everybody else on this machine.
const UNPACKED: [&str; 2] = ["cyrus-imapd", "cyrus-pop3d"];
/// Where, below the server's folder.
const PROGRAMS: &str = "programs";

/// How it is set up.
pub(super) const TUNING: &str = "The peer runs with its defaults (messages and databases are synced; no search engine, as \
     neither of the two keeps a full-text index), processes that wait for work and are used without end, without its \
     store of TLS sessions (nothing is resumed) and without suppression of duplicates. Its clients acknowledge at once \
     (TCP_QUICKACK): it leaves Nagle's algorithm on and would stand still for 40 ms in many answers otherwise. The goals \
     are those that were set beside Dovecot.";

const IMAPD: &str = "\
configdirectory: FOLDER/store/config
partition-default: FOLDER/store/mail
proc_path: FOLDER/run/proc
mboxname_lockpath: FOLDER/run/lock
idlesocket: FOLDER/run/idle
lmtpsocket: FOLDER/run/lmtp
notifysocket: FOLDER/run/notify
admins: ADMINISTRATOR
virtdomains: userid
defaultdomain: internal
servername: localhost
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: FOLDER/sasldb2
sasl_mech_list: PLAIN
allowplaintext: yes
plaintextloginpause: 0
popminpoll: 0
maxlogins_per_host: 0
maxlogins_per_user: 0
duplicatesuppression: no
tls_server_cert: FOLDER/certificate.pem
tls_server_key: FOLDER/key.pem
tls_eccurve: X25519
tls_session_timeout: 0
skiplist_unsafe: UNSAFE
";

const CYRUS: &str = r#"
START {
  recover cmd="ctl_cyrusdb -r -C FOLDER/imapd.conf"
}
SERVICES {
  imap cmd="FOLDER/programs/usr/lib/cyrus/bin/imapd -U 1000000000 -C FOLDER/imapd.conf" listen="127.0.0.1:IMAP_PORT" prefork=16
  imaps cmd="FOLDER/programs/usr/lib/cyrus/bin/imapd -s -U 1000000000 -C FOLDER/imapd.conf" listen="127.0.0.1:IMAPS_PORT" prefork=16
  pop3 cmd="FOLDER/programs/usr/lib/cyrus/bin/pop3d -U 1000000000 -C FOLDER/imapd.conf" listen="127.0.0.1:POP3_PORT" prefork=16
  lmtp cmd="lmtpd -a -U 1000000000 -C FOLDER/imapd.conf" listen="127.0.0.1:LMTP_PORT" prefork=16
}
EVENTS {
  checkpoint cmd="ctl_cyrusdb -c -C FOLDER/imapd.conf" period=100000
}
DAEMON {
  idled cmd="FOLDER/programs/usr/lib/cyrus/bin/idled -C FOLDER/imapd.conf"
}
"#;

/// The account that makes mailboxes: by its name the administrator of the accounts' domain.
fn administrator() -> Account {
    Account::new("administrator")
}

/// What the program calls itself.
pub(super) fn version() -> Result<String> {
    let text = crate::machine::said(PROGRAM, &["-V"])?;
    let version = text.split(' ').next_back().unwrap_or_default();
    Ok(format!("Cyrus IMAP {}", version.split('-').next().unwrap_or_default()))
}

/// Writes the configuration; it holds from the next start on.
pub(super) fn configure(server: &Server, syncing: Syncing) -> Result<()> {
    let (folder, ports) = (&server.folder, &server.ports);
    let filled = |text: &str| {
        text.replace("FOLDER", &folder.to_string_lossy())
            .replace("ADMINISTRATOR", &administrator().address)
            .replace("UNSAFE", if syncing == Syncing::Least { "yes" } else { "no" })
            .replace("IMAPS_PORT", &ports.imaps.to_string())
            .replace("IMAP_PORT", &ports.imap.to_string())
            .replace("POP3_PORT", &ports.pop3.to_string())
            .replace("LMTP_PORT", &ports.lmtp.to_string())
    };
    fs::write(folder.join("imapd.conf"), filled(IMAPD)).context("cannot write imapd.conf")?;
    fs::write(folder.join("cyrus.conf"), filled(CYRUS)).context("cannot write cyrus.conf")
}

/// Downloads and unpacks what cannot be installed.
fn unpack(folder: &Path) -> Result<()> {
    let programs = folder.join(PROGRAMS);
    fs::create_dir(&programs)?;
    let mut download = Command::new("apt-get");
    download.arg("download").args(UNPACKED).current_dir(&programs).stdout(Stdio::null()).stderr(Stdio::null());
    if !download.status().context("cannot run apt-get")?.success() {
        bail!("cannot download {}: apt-get download", UNPACKED.join(" "));
    }
    for entry in fs::read_dir(&programs)? {
        let package = entry?.path();
        let status = Command::new("dpkg-deb").arg("--extract").arg(&package).arg(&programs).status();
        if !status.context("cannot run dpkg-deb")?.success() {
            bail!("cannot unpack {}", package.display());
        }
    }
    Ok(())
}

pub(super) fn prepare(server: &Server) -> Result<()> {
    configure(server, Syncing::Least)?;
    let folder = &server.folder;
    unpack(folder)?;
    for name in ["db", "socket", "proc", "log", "msg", "quota", "user", "sieve"] {
        fs::create_dir_all(folder.join("store/config").join(name))?;
    }
    for name in ["store/mail", "run"] {
        fs::create_dir_all(folder.join(name))?;
    }
    for account in server.accounts.iter().chain([&administrator()]) {
        set_password(&folder.join("sasldb2"), account)?;
    }
    // Its processes are not root.
    let status = Command::new("chown").args(["-R", OWNER]).arg(folder).status().context("cannot run chown")?;
    if !status.success() {
        bail!("cannot give {} to {OWNER}; Cyrus can be measured by root only", folder.display());
    }
    Ok(())
}

fn set_password(file: &Path, account: &Account) -> Result<()> {
    let domain = account.address.rsplit('@').next().unwrap_or_default();
    let mut command = Command::new("/usr/sbin/saslpasswd2");
    command.args(["-p", "-c", "-u", domain, "-f"]).arg(file).arg(account.local());
    let mut child = command.stdin(Stdio::piped()).spawn().context("cannot run saslpasswd2")?;
    if let Some(mut input) = child.stdin.take() {
        // It takes the last character for the line's end, whatever it is.
        writeln!(input, "{}", account.password)?;
    }
    if !child.wait()?.success() {
        bail!("cannot set the password of {}", account.address);
    }
    Ok(())
}

/// Makes an inbox for each account.
pub(super) fn add_mailboxes(server: &Server) -> Result<()> {
    let mut client = ImapConnection::logged_in(server, Transport::Plain, &administrator())?;
    for account in &server.accounts {
        client.run(&format!("CREATE user/{}", account.local()))?;
    }
    client.logout()
}

pub(super) fn command(server: &Server) -> Command {
    let folder = &server.folder;
    let mut command = Command::new(PROGRAM);
    command.arg("-C").arg(folder.join("imapd.conf")).arg("-M").arg(folder.join("cyrus.conf"));
    command.arg("-p").arg(folder.join("run/master.pid"));
    command
}
