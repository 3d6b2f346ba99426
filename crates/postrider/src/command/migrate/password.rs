//! What is logged in with on both sides: passwords or access tokens, had as those of a pull are.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use postrider_pull::{Credential, Remote};

use crate::{command::pull::password::CredentialSource, pull};

/// Where the passwords come from.
#[derive(Debug, Args)]
#[command(
    next_help_heading = "Passwords (else $POSTRIDER_MIGRATE_FROM_PASSWORD and $POSTRIDER_MIGRATE_TO_PASSWORD, else they are asked for)"
)]
pub struct PasswordSource {
    /// Old server: run this, by the shell, and take the first line that it prints
    #[arg(long, value_name = "COMMAND", group = "from_login")]
    from_password_command: Option<String>,
    /// Old server: take the first line of this file
    #[arg(long, value_name = "FILE", group = "from_login")]
    from_password_file: Option<PathBuf>,
    /// Old server: log in with OAuth 2.0; this file has the authorization, as `postrider pull authorize` made it
    #[arg(long, value_name = "FILE", group = "from_login")]
    from_oauth2_file: Option<PathBuf>,
    /// Old server: log in with OAuth 2.0; run this, by the shell, and take the first line that it prints for an access token
    #[arg(long, value_name = "COMMAND", group = "from_login")]
    from_oauth2_token_command: Option<String>,
    /// New server: run this, by the shell, and take the first line that it prints
    #[arg(long, value_name = "COMMAND", group = "to_login")]
    to_password_command: Option<String>,
    /// New server: take the first line of this file
    #[arg(long, value_name = "FILE", group = "to_login")]
    to_password_file: Option<PathBuf>,
    /// New server: log in with OAuth 2.0; this file has the authorization, as `postrider pull authorize` made it
    #[arg(long, value_name = "FILE", group = "to_login")]
    to_oauth2_file: Option<PathBuf>,
    /// New server: log in with OAuth 2.0; run this, by the shell, and take the first line that it prints for an access token
    #[arg(long, value_name = "COMMAND", group = "to_login")]
    to_oauth2_token_command: Option<String>,
}

impl PasswordSource {
    /// What to log in with at the old server.
    pub fn of_old_server(&self, remote: &Remote) -> Result<Credential> {
        credential(
            remote,
            &CredentialSource {
                password_command: self.from_password_command.as_deref(),
                password_file: self.from_password_file.as_deref(),
                password_stdin: false,
                oauth2_file: self.from_oauth2_file.as_deref(),
                oauth2_token_command: self.from_oauth2_token_command.as_deref(),
                variable: "POSTRIDER_MIGRATE_FROM_PASSWORD",
                flags: "--from-password-file or --from-password-command",
            },
        )
    }

    /// What to log in with at the new server.
    pub fn of_new_server(&self, remote: &Remote) -> Result<Credential> {
        credential(
            remote,
            &CredentialSource {
                password_command: self.to_password_command.as_deref(),
                password_file: self.to_password_file.as_deref(),
                password_stdin: false,
                oauth2_file: self.to_oauth2_file.as_deref(),
                oauth2_token_command: self.to_oauth2_token_command.as_deref(),
                variable: "POSTRIDER_MIGRATE_TO_PASSWORD",
                flags: "--to-password-file or --to-password-command",
            },
        )
    }
}

fn credential(remote: &Remote, source: &CredentialSource<'_>) -> Result<Credential> {
    let (password, oauth2) = source.credential(remote)?;
    Ok(pull::credential(&password, oauth2.as_ref()))
}
