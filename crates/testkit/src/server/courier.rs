//! Courier IMAP and POP3 in a folder of its own, with the settings of Debian's package.
//!
//! Courier's paths are fixed when it is built, and none of them may be used here: so its packages are unpacked below the
//! server's folder with the libraries that they need, and its programs see that folder as the root (chroot). It must be started
//! by root; mail is kept as user `mail`. It knows no LMTP.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ServerUnderTest, unpacked};
use crate::program::Program;

/// Its settings are shell variables. Behind Debian's own come ours, and those of the test. There is no monitor of files
/// (gamin), so who waits with IDLE is told every minute.
const SETTINGS: &str = "\
IMAP_USELOCKS=0
IMAP_STARTTLS=YES
POP3_STARTTLS=YES
TLS_CERTFILE=/etc/courier/server.pem
TLS_TRUSTCERTS=/etc/courier/server.pem
TLS_DHPARAMS=
TLS_CACHEFILE=
PATH=/usr/sbin:/usr/bin:/sbin:/bin
";

/// Ends everything when it is told to, and when it is killed: couriertcpd has a process group of its own.
const SCRIPT: &str = r#"
set -a
below() {
    setpriv --pdeathsig KILL chroot FOLDER/root "$@" &
    processes="$processes $!"
}
listen() {
    port=$1
    shift
    below /usr/sbin/couriertcpd -address=127.0.0.1 -maxprocs=200 -maxperip=200 -nodnslookup -noidentlookup "$port" "$@"
}
trap 'trap - TERM; kill $processes; exit' TERM
below /usr/lib/courier/courier-authlib/authdaemond
. FOLDER/root/etc/courier/imapd
. FOLDER/root/etc/courier/imapd-ssl
. FOLDER/root/etc/courier/pop3d
. FOLDER/root/etc/courier/pop3d-ssl
. FOLDER/courier.conf
tls="/usr/bin/couriertls -server -tcpd"
imap="/usr/lib/courier/courier/imaplogin /usr/bin/imapd Maildir"
pop3="/usr/lib/courier/courier/courierpop3login /usr/lib/courier/courier/courierpop3d Maildir"
listen IMAP_PORT $imap
listen POP3_PORT $pop3
IMAP_TLS=1 POP3_TLS=1
listen IMAPS_PORT $tls $imap
listen POP3S_PORT $tls $pop3
wait
"#;

/// Where a program of one of these packages is, below the root.
const PROGRAMS: [&str; 10] = [
    "usr/bin/couriertls",
    "usr/bin/imapd",
    "usr/lib/courier-authlib/libauthuserdb.so.0.0.0",
    "usr/lib/courier/courier-authlib/authdaemond",
    "usr/lib/courier/courier-authlib/makedatprog",
    "usr/lib/courier/courier/courierpop3d",
    "usr/lib/courier/courier/courierpop3login",
    "usr/lib/courier/courier/imaplogin",
    "usr/sbin/couriertcpd",
    "usr/sbin/userdbpw",
];

pub(super) fn prepare(server: &ServerUnderTest) {
    let (folder, ports) = (server.folder(), server.ports());
    let root = root(server);
    unpacked::copy(&unpacked::files("courier"), &root);
    copy_libraries(&root);
    for name in ["dev", "mail", "run/courier/authdaemon", "tmp"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    for (device, minor) in [("null", "3"), ("urandom", "9")] {
        let made = Command::new("mknod")
            .args(["-m", "666"])
            .arg(root.join("dev").join(device))
            .args(["c", "1", minor])
            .status();
        assert!(made.unwrap().success(), "cannot make a device: this test is to be run by root");
    }
    let settings = root.join("etc/courier");
    // STARTTLS gives up root's rights.
    fs::write(root.join("etc/passwd"), "root:x:0:0::/:\ncourier:x:8:8::/:\ndaemon:x:8:8::/:\nmail:x:8:8::/:\n")
        .unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\ncourier:x:8:\ndaemon:x:8:\nmail:x:8:\n").unwrap();
    // It is a link to a file that others use.
    fs::remove_file(settings.join("authdaemonrc")).unwrap();
    fs::write(settings.join("authdaemonrc"), "authmodulelist=\"authuserdb\"\ndaemons=2\n").unwrap();
    let both = ["key.pem", "certificate.pem"].map(|name| fs::read_to_string(folder.join(name)).unwrap()).concat();
    fs::write(settings.join("server.pem"), both).unwrap();
    let script = SCRIPT
        .replace("FOLDER", &folder.to_string_lossy())
        .replace("IMAPS_PORT", &ports.imaps.to_string())
        .replace("IMAP_PORT", &ports.imap.to_string())
        .replace("POP3S_PORT", &ports.pop3s.to_string())
        .replace("POP3_PORT", &ports.pop3.to_string());
    fs::write(folder.join("courier.sh"), script).unwrap();
    fs::write(folder.join("courier.conf"), SETTINGS).unwrap();
    add_accounts(server);
}

/// The folder that its programs see as the root.
fn root(server: &ServerUnderTest) -> PathBuf {
    server.folder().join("root")
}

/// The home of an account's mail.
pub(super) fn home(server: &ServerUnderTest, address: &str) -> PathBuf {
    root(server).join("mail").join(address)
}

/// Copies those libraries that are not in the packages.
fn copy_libraries(root: &Path) {
    let own =
        [root.join("usr/lib"), root.join("usr/lib/x86_64-linux-gnu")].map(|path| path.to_string_lossy().into_owned());
    let mut command = Command::new("ldd");
    command.env("LD_LIBRARY_PATH", own.join(":")).args(PROGRAMS.map(|program| root.join(program)));
    let said = command.output().unwrap();
    assert!(said.status.success(), "ldd: {}", String::from_utf8_lossy(&said.stderr));
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(!said.contains("not found"), "Courier's libraries: {said}");
    let libraries: BTreeSet<&str> =
        said.split_whitespace().filter(|word| word.starts_with('/') && !word.ends_with(':')).collect();
    for library in libraries.iter().map(Path::new).filter(|library| !library.starts_with(root)) {
        let copy = root.join(library.strip_prefix("/").unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(library, copy).unwrap();
    }
}

fn add_accounts(server: &ServerUnderTest) {
    let (mut users, mut passwords) = (String::new(), String::new());
    for account in server.accounts() {
        let (address, password) = (&account.address, &account.password);
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(home(server, address).join("Maildir").join(part)).unwrap();
        }
        let hashed = below_root(server, "/usr/sbin/userdbpw", &["-md5"], &format!("{password}\n{password}\n"));
        // uid and gid of Debian's `mail` are fixed.
        writeln!(users, "{address}\tuid=8|gid=8|home=/mail/{address}").unwrap();
        writeln!(passwords, "{address}\tsystempw={}", hashed.trim()).unwrap();
    }
    let given = Command::new("chown").args(["-R", "8:8"]).arg(root(server).join("mail")).status();
    assert!(given.unwrap().success(), "cannot give mail to another user: this test is to be run by root");
    for (name, content) in [("userdb", users), ("userdbshadow", passwords)] {
        let arguments = ["-", &format!("/etc/courier/{name}.tmp"), &format!("/etc/courier/{name}.dat")];
        below_root(server, "/usr/lib/courier/courier-authlib/makedatprog", &arguments, &(content + ".\n"));
    }
}

/// What one of its programs says.
fn below_root(server: &ServerUnderTest, program: &str, arguments: &[&str], input: &str) -> String {
    let chroot = Program::new("chroot", server.folder()).arg(root(server)).arg(program);
    chroot.args(arguments).stdin(input).run().success().stdout
}

pub(super) fn command(server: &ServerUnderTest) -> (Command, Vec<u16>) {
    let mut command = Command::new("/bin/sh");
    command.arg(server.folder().join("courier.sh"));
    let ports = server.ports();
    (command, vec![ports.imap, ports.imaps, ports.pop3, ports.pop3s])
}
