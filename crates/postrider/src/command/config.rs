//! `postrider config`: check the configuration, and tell what can be set.

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand};
use postrider_net::TlsSettings;

use super::{Place, block_on, output};
use crate::{
    advice::Advise,
    config::{self, Config, PullEntry},
    control::AccountSummary,
    storage::Storage,
};

/// Check the configuration, or print what can be set
#[derive(Debug, Args)]
pub struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Tell whether the configuration can be used
    ///
    /// Reads the file, the environment's overrides, the certificate and the files of [[pull]] entries, and looks for their accounts. Names the line of a fault.
    #[command(after_help = "Example:\n  postrider config check --config /etc/postrider/postrider.toml")]
    Check,
    /// Print all keys with their defaults and meaning, as Markdown
    Reference,
    /// Print the JSON schema of the file, for editors
    Schema,
}

impl ConfigCommand {
    pub fn run(self, place: &Place) -> Result<()> {
        match self.action {
            Action::Reference => output::text(&config::markdown()),
            Action::Schema => output::json(&config::json_schema()),
            Action::Check => {
                let config = place.configuration()?;
                if config.tls.certificate.is_some() {
                    let (certificate, key) = config.certificate_files();
                    TlsSettings::load(&certificate, &key).context("tls")?;
                }
                config.pull.iter().try_for_each(PullEntry::check_files)?;
                check_accounts(place, &config)?;
                output::line(&format!("{}: can be used", place.configuration_file().display()))
            }
        }
    }
}

/// Whether there are the accounts that get mail of other servers.
fn check_accounts(place: &Place, config: &Config) -> Result<()> {
    if config.pull.is_empty() || !Storage::exists(config) {
        return Ok(());
    }
    let accounts: Vec<AccountSummary> = block_on(async { place.control().await?.get("/v1/accounts").await })?;
    for entry in &config.pull {
        if !accounts.iter().any(|account| account.address.eq_ignore_ascii_case(&entry.into)) {
            let unknown: Result<()> = Err(anyhow!("pull {}: there is no account {}", entry.name(), entry.into));
            unknown.advise(format!("add it with: postrider account add {}", entry.into))?;
        }
    }
    Ok(())
}
