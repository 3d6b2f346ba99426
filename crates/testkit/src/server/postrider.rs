//! postrider in a folder of its own.

use std::fs;
use std::process::Command;

use super::ServerUnderTest;
use crate::program::Program;

const CONFIGURATION: &str = r#"
hostname = "mail.example.test"
data = "FOLDER/data"

[listen]
imap = ["127.0.0.1:IMAP_PORT"]
imaps = ["127.0.0.1:IMAPS_PORT"]
pop3 = ["127.0.0.1:POP3_PORT"]
pop3s = ["127.0.0.1:POP3S_PORT"]
smtp = ["127.0.0.1:SMTP_PORT"]
submission = ["127.0.0.1:SUBMISSION_PORT"]
submissions = ["127.0.0.1:SUBMISSIONS_PORT"]
lmtp = ["127.0.0.1:LMTP_PORT"]

[tls]
certificate = "FOLDER/certificate.pem"
key = "FOLDER/key.pem"
"#;

pub(super) fn prepare(server: &ServerUnderTest) {
    let folder = server.folder();
    let ports = server.ports();
    let text = CONFIGURATION
        .replace("FOLDER", &folder.to_string_lossy())
        .replace("SUBMISSIONS_PORT", &ports.submissions.to_string())
        .replace("SUBMISSION_PORT", &ports.submission.to_string())
        .replace("IMAPS_PORT", &ports.imaps.to_string())
        .replace("IMAP_PORT", &ports.imap.to_string())
        .replace("POP3S_PORT", &ports.pop3s.to_string())
        .replace("POP3_PORT", &ports.pop3.to_string())
        .replace("LMTP_PORT", &ports.lmtp.to_string())
        .replace("SMTP_PORT", &ports.smtp.to_string());
    fs::write(folder.join("postrider.toml"), text).unwrap();
    for account in server.accounts() {
        let _ = program(server)
            .args(["account", "add", "--password-stdin", &account.address])
            .stdin(format!("{}\n", account.password))
            .run()
            .success();
    }
}

pub(super) fn command(server: &ServerUnderTest) -> (Command, Vec<u16>) {
    let mut command = Command::new(&server.binary);
    command.arg("serve").arg("--config").arg(server.folder().join("postrider.toml"));
    let ports = server.ports();
    let listening = vec![
        ports.imap,
        ports.imaps,
        ports.pop3,
        ports.pop3s,
        ports.lmtp,
        ports.smtp,
        ports.submission,
        ports.submissions,
    ];
    (command, listening)
}

pub(super) fn check(server: &ServerUnderTest) {
    let _ = program(server).arg("check").run().success();
}

fn program(server: &ServerUnderTest) -> Program {
    Program::new(&server.binary.to_string_lossy(), server.folder())
        .arg("--config")
        .arg(server.folder().join("postrider.toml"))
}
