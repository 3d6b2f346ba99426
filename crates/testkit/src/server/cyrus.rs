//! Cyrus IMAP 3.6 in a folder of its own, with its defaults, apart from inboxes, which a first login makes.
//!
//! It must be started by root: it changes to the user `cyrus`, to whom the folder belongs. It logs to syslog only.

use std::fs;
use std::process::Command;

use super::{ServerUnderTest, unpacked};
use crate::program::Program;

const SETTINGS: &str = "\
configdirectory: FOLDER/store/config
partition-default: FOLDER/store/mail
proc_path: FOLDER/run/proc
mboxname_lockpath: FOLDER/run/lock
idlesocket: FOLDER/run/idle
lmtpsocket: FOLDER/run/lmtp
notifysocket: FOLDER/run/notify
virtdomains: userid
defaultdomain: internal
servername: localhost
autocreate_quota: 0
autocreate_post: 1
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: FOLDER/sasldb2
sasl_mech_list: PLAIN
allowplaintext: yes
plaintextloginpause: 0
popminpoll: 0
maxlogins_per_host: 0
maxlogins_per_user: 0
delete_mode: immediate
expunge_mode: immediate
tls_server_cert: FOLDER/certificate.pem
tls_server_key: FOLDER/key.pem
tls_session_timeout: 0
";

const SERVICES: &str = r#"
START {
  recover cmd="ctl_cyrusdb -r -C FOLDER/imapd.conf"
}
SERVICES {
  imap cmd="FOLDER/programs/imapd -U 1000000 -C FOLDER/imapd.conf" listen="127.0.0.1:IMAP_PORT" prefork=1
  imaps cmd="FOLDER/programs/imapd -s -U 1000000 -C FOLDER/imapd.conf" listen="127.0.0.1:IMAPS_PORT" prefork=1
  pop3 cmd="FOLDER/programs/pop3d -U 1000000 -C FOLDER/imapd.conf" listen="127.0.0.1:POP3_PORT" prefork=0
  pop3s cmd="FOLDER/programs/pop3d -s -U 1000000 -C FOLDER/imapd.conf" listen="127.0.0.1:POP3S_PORT" prefork=0
  lmtp cmd="lmtpd -a -U 1000000 -C FOLDER/imapd.conf" listen="127.0.0.1:LMTP_PORT" prefork=0
}
EVENTS {
  checkpoint cmd="ctl_cyrusdb -c -C FOLDER/imapd.conf" period=100000
}
DAEMON {
  idled cmd="FOLDER/programs/idled -C FOLDER/imapd.conf"
}
"#;

pub(super) fn prepare(server: &ServerUnderTest) {
    let (folder, ports) = (server.folder(), server.ports());
    let filled = |text: &str| {
        text.replace("FOLDER", &folder.to_string_lossy())
            .replace("IMAPS_PORT", &ports.imaps.to_string())
            .replace("IMAP_PORT", &ports.imap.to_string())
            .replace("POP3S_PORT", &ports.pop3s.to_string())
            .replace("POP3_PORT", &ports.pop3.to_string())
            .replace("LMTP_PORT", &ports.lmtp.to_string())
    };
    fs::write(folder.join("imapd.conf"), filled(SETTINGS)).unwrap();
    fs::write(folder.join("cyrus.conf"), filled(SERVICES)).unwrap();
    unpacked::copy(&unpacked::files("cyrus").join("usr/lib/cyrus/bin"), &folder.join("programs"));
    for name in ["db", "socket", "proc", "log", "msg", "quota", "user", "sieve"] {
        fs::create_dir_all(folder.join("store/config").join(name)).unwrap();
    }
    for name in ["store/mail", "run/proc", "run/lock"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    for account in server.accounts() {
        let (local, domain) = account.address.split_once('@').unwrap();
        let _ = Program::new("/usr/sbin/saslpasswd2", folder)
            .args(["-p", "-c", "-u", domain, "-f", &folder.join("sasldb2").to_string_lossy(), local])
            // It takes the last character for the line's end, whatever it is.
            .stdin(format!("{}\n", account.password))
            .run()
            .success();
    }
    for name in ["store", "run", "sasldb2", "certificate.pem", "key.pem"] {
        let given = Command::new("chown").args(["-R", "cyrus:mail"]).arg(folder.join(name)).status();
        assert!(given.unwrap().success(), "cannot give files to Cyrus: this test is to be run by root");
    }
}

pub(super) fn command(server: &ServerUnderTest) -> (Command, Vec<u16>) {
    let folder = server.folder();
    let mut command = Command::new("/usr/sbin/cyrmaster");
    command.arg("-C").arg(folder.join("imapd.conf")).arg("-M").arg(folder.join("cyrus.conf"));
    command.arg("-p").arg(folder.join("run/master.pid"));
    let ports = server.ports();
    (command, vec![ports.imap, ports.imaps, ports.pop3, ports.pop3s, ports.lmtp])
}
