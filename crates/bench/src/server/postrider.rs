//! postrider for measurements: its defaults, but for the bound on connections.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use postrider_testkit::server::Account;

use super::Server;

const CONFIGURATION: &str = r#"
hostname = "mail.example.test"
data = "FOLDER/data"

[listen]
imap = ["127.0.0.1:IMAP_PORT"]
imaps = ["127.0.0.1:IMAPS_PORT"]
pop3 = ["127.0.0.1:POP3_PORT"]
lmtp = ["127.0.0.1:LMTP_PORT"]
pop3s = []
smtp = []
submission = []
submissions = []

[tls]
certificate = "FOLDER/certificate.pem"
key = "FOLDER/key.pem"

[limits]
connections_max = 20000
"#;

pub(super) fn prepare(server: &Server) -> Result<()> {
    let ports = &server.ports;
    let text = CONFIGURATION
        .replace("FOLDER", &server.folder.to_string_lossy())
        .replace("IMAPS_PORT", &ports.imaps.to_string())
        .replace("IMAP_PORT", &ports.imap.to_string())
        .replace("POP3_PORT", &ports.pop3.to_string())
        .replace("LMTP_PORT", &ports.lmtp.to_string());
    fs::write(server.folder.join("postrider.toml"), text).context("cannot write postrider.toml")
}

pub(super) fn command(server: &Server) -> Command {
    let mut command = program(server);
    command.arg("serve");
    command
}

/// Adds the accounts through the running server, two at a time: hashing a password takes a processor's time.
pub(super) fn add_accounts(server: &Server) -> Result<()> {
    let half = server.accounts.len().div_ceil(2).max(1);
    thread::scope(|scope| {
        let adders: Vec<_> = server
            .accounts
            .chunks(half)
            .map(|accounts| scope.spawn(move || accounts.iter().try_for_each(|account| add_account(server, account))))
            .collect();
        adders.into_iter().try_for_each(|adder| adder.join().map_err(|_| anyhow!("adding accounts panicked"))?)
    })
}

fn add_account(server: &Server, account: &Account) -> Result<()> {
    let mut child = program(server)
        .args(["account", "add", "--password-stdin", &account.address])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "{}", account.password)?;
    }
    if !child.wait()?.success() {
        bail!("cannot add the account {}", account.address);
    }
    Ok(())
}

fn program(server: &Server) -> Command {
    let mut command = Command::new(&server.binary);
    command.arg("--config").arg(server.folder.join("postrider.toml"));
    command
}
