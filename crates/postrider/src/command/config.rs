//! `postrider config`: check the configuration, and tell what can be set.

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use postrider_net::TlsSettings;

use super::{Place, output};
use crate::config;

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
    /// Reads the file, the environment's overrides and the certificate. Names the line of a fault.
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
                output::line(&format!("{}: can be used", place.configuration_file().display()))
            }
        }
    }
}
