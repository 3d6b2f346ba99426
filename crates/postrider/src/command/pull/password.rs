//! The password for the other server: from a command, a file, standard input, the environment, or the person at the terminal. Or
//! what stands in a password's place: access tokens.
//!
//! A command goes to the shell as it was given; nothing of the server's or the user's name is put into it.

use std::{
    env, fs,
    io::{self, BufRead, IsTerminal},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use postrider_pull::Remote;

use crate::{
    advice::Advise,
    command::absolute,
    pull::{OAuth2Wish, Secret},
};

/// The variable that may hold the password.
const VARIABLE: &str = "POSTRIDER_PULL_PASSWORD";

/// Where the password comes from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Password (else $POSTRIDER_PULL_PASSWORD, else it is asked for)")]
#[group(multiple = false)]
pub struct PasswordSource {
    /// Run this, by the shell, and take the first line that it prints, as in 'pass show mail/alice'
    #[arg(long, value_name = "COMMAND")]
    password_command: Option<String>,
    /// Take the first line of this file
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Take the first line of standard input
    #[arg(long)]
    password_stdin: bool,
    /// Log in with OAuth 2.0: this file has the authorization, as `postrider pull authorize` made it
    #[arg(long, value_name = "FILE")]
    oauth2_file: Option<PathBuf>,
    /// Log in with OAuth 2.0: run this, by the shell, and take the first line that it prints for an access token
    #[arg(long, value_name = "COMMAND")]
    oauth2_token_command: Option<String>,
}

impl PasswordSource {
    /// What to log in with: a password, or access tokens and an empty one.
    pub fn credential(&self, remote: &Remote) -> Result<(Secret, Option<OAuth2Wish>)> {
        let source = CredentialSource {
            password_command: self.password_command.as_deref(),
            password_file: self.password_file.as_deref(),
            password_stdin: self.password_stdin,
            oauth2_file: self.oauth2_file.as_deref(),
            oauth2_token_command: self.oauth2_token_command.as_deref(),
            variable: VARIABLE,
            flags: "--password-file, --password-command or --password-stdin",
        };
        source.credential(remote)
    }
}

/// Where one credential comes from. At most one way is given.
pub(in crate::command) struct CredentialSource<'a> {
    pub password_command: Option<&'a str>,
    pub password_file: Option<&'a Path>,
    pub password_stdin: bool,
    pub oauth2_file: Option<&'a Path>,
    pub oauth2_token_command: Option<&'a str>,
    /// The variable that may hold the password.
    pub variable: &'static str,
    /// What can be given where nobody can be asked.
    pub flags: &'static str,
}

impl CredentialSource<'_> {
    /// What to log in with: a password, or access tokens and an empty one.
    pub fn credential(&self, remote: &Remote) -> Result<(Secret, Option<OAuth2Wish>)> {
        let oauth2 = match (self.oauth2_file, self.oauth2_token_command) {
            // Whoever does the work may have another working folder.
            (Some(file), _) => OAuth2Wish::File(absolute(file)?),
            (None, Some(command)) => {
                let token = printed_by(command)?;
                if token.is_empty() {
                    bail!("the command printed no access token");
                }
                OAuth2Wish::Token(Secret::new(token))
            }
            (None, None) => return Ok((Secret::new(self.password(remote)?), None)),
        };
        Ok((Secret::default(), Some(oauth2)))
    }

    fn password(&self, remote: &Remote) -> Result<String> {
        let password = if let Some(command) = self.password_command {
            printed_by(command)?
        } else if let Some(file) = self.password_file {
            first_line_of(file)?
        } else if self.password_stdin {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line).context("cannot read the password from standard input")?;
            first_line(&line)
        } else if let Some(password) = env::var_os(self.variable) {
            password.into_string().map_err(|_| anyhow!("${} is no text", self.variable))?
        } else {
            self.asked_for(remote)?
        };
        if password.is_empty() {
            bail!("the password of {} at {} is empty", remote.user, remote.host);
        }
        Ok(password)
    }

    fn asked_for(&self, remote: &Remote) -> Result<String> {
        if !io::stdin().is_terminal() {
            let refused: Result<()> = Err(anyhow!("there is no terminal to ask for the password of {}", remote.host));
            refused.advise(format!("give it with {}, or in ${}", self.flags, self.variable))?;
        }
        rpassword::prompt_password(format!("Password of {} at {}: ", remote.user, remote.host)).context("cannot ask")
    }
}

fn first_line(text: &str) -> String {
    text.split('\n').next().unwrap_or_default().trim_end_matches('\r').to_owned()
}

fn first_line_of(file: &Path) -> Result<String> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(first_line(&text))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password_with_its_spaces() {
        for (text, expected) in [("secret\n", "secret"), ("secret\r\nmore", "secret"), (" a b ", " a b "), ("", "")] {
            assert_eq!(first_line(text), expected);
        }
    }

    #[test]
    fn a_command_that_fails_gives_no_password() {
        assert_eq!(printed_by("echo secret; echo more").unwrap(), "secret");
        assert!(printed_by("echo secret; exit 3").is_err());
    }
}
