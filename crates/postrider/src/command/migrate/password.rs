//! The two passwords: each from a command, a file, the environment, or the person at the terminal.

use std::{
    env, fs,
    io::{self, IsTerminal},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use postrider_pull::Remote;

use crate::advice::Advise;

/// Where the passwords come from.
#[derive(Debug, Args)]
#[command(
    next_help_heading = "Passwords (else $POSTRIDER_MIGRATE_FROM_PASSWORD and $POSTRIDER_MIGRATE_TO_PASSWORD, else they are asked for)"
)]
pub struct PasswordSource {
    /// Old server: run this, by the shell, and take the first line that it prints
    #[arg(long, value_name = "COMMAND", conflicts_with = "from_password_file")]
    from_password_command: Option<String>,
    /// Old server: take the first line of this file
    #[arg(long, value_name = "FILE")]
    from_password_file: Option<PathBuf>,
    /// New server: run this, by the shell, and take the first line that it prints
    #[arg(long, value_name = "COMMAND", conflicts_with = "to_password_file")]
    to_password_command: Option<String>,
    /// New server: take the first line of this file
    #[arg(long, value_name = "FILE")]
    to_password_file: Option<PathBuf>,
}

/// Whose password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// That of the old server.
    From,
    /// That of the new server.
    To,
}

impl PasswordSource {
    pub fn read(&self, which: Which, remote: &Remote) -> Result<String> {
        let (command, file, variable) = match which {
            Which::From => (&self.from_password_command, &self.from_password_file, "POSTRIDER_MIGRATE_FROM_PASSWORD"),
            Which::To => (&self.to_password_command, &self.to_password_file, "POSTRIDER_MIGRATE_TO_PASSWORD"),
        };
        let password = if let Some(command) = command {
            printed_by(command)?
        } else if let Some(file) = file {
            first_line(&fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?)
        } else if let Some(password) = env::var_os(variable) {
            password.into_string().map_err(|_| anyhow!("${variable} is no text"))?
        } else {
            asked_for(remote, variable)?
        };
        if password.is_empty() {
            bail!("the password of {} at {} is empty", remote.user, remote.host);
        }
        Ok(password)
    }
}

fn first_line(text: &str) -> String {
    text.split('\n').next().unwrap_or_default().trim_end_matches('\r').to_owned()
}

fn printed_by(command: &str) -> Result<String> {
    // It may itself have to ask for something, as a password store does.
    let output = Command::new("sh").args(["-c", command]).stdin(Stdio::inherit()).stderr(Stdio::inherit()).output();
    let output = output.context("cannot run the command for the password")?;
    if !output.status.success() {
        bail!("the command for the password failed ({})", output.status);
    }
    let text = String::from_utf8(output.stdout).context("what the command for the password printed is no text")?;
    Ok(first_line(&text))
}

fn asked_for(remote: &Remote, variable: &str) -> Result<String> {
    if !io::stdin().is_terminal() {
        let refused: Result<()> = Err(anyhow!("there is no terminal to ask for the password of {}", remote.host));
        refused.advise(format!(
            "give it with --from-password-file and --to-password-file, or by a command, or in ${variable}"
        ))?;
    }
    rpassword::prompt_password(format!("Password of {} at {}: ", remote.user, remote.host)).context("cannot ask")
}
