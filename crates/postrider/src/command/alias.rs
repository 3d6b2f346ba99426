//! `postrider alias`: further addresses that lead to accounts.

use anyhow::Result;
use clap::{Args, Subcommand};
use hyper::Method;

use super::{
    Place,
    account::{OutputForm, order},
    block_on,
    output::{self, Form},
};
use crate::control::{AliasBody, AliasSummary, segment};

/// Add, list and remove aliases: addresses that lead to accounts
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postrider alias add info@example.org alice@example.org bob@example.org
  postrider alias add @example.org alice@example.org     (everything else of the domain)
  postrider alias list")]
pub struct AliasCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add an alias
    Add {
        /// The new address, or @DOMAIN for all addresses of a domain that nobody has
        alias: String,
        /// The accounts or aliases it leads to
        #[arg(required = true)]
        targets: Vec<String>,
    },
    /// List all aliases
    List {
        #[command(flatten)]
        form: OutputForm,
    },
    /// Remove an alias
    Remove {
        /// The alias
        alias: String,
    },
}

impl AliasCommand {
    pub fn run(self, place: &Place) -> Result<()> {
        match self.action {
            Action::Add { alias, targets } => {
                let line = format!("added {alias} for {}", targets.join(", "));
                order(place, Method::POST, "/v1/aliases", &AliasBody { alias, targets })?;
                output::line(&line)
            }
            Action::List { form } => list(place, form.form()),
            Action::Remove { alias } => {
                order(place, Method::DELETE, &format!("/v1/aliases/{}", segment(&alias)), &())?;
                output::line(&format!("removed {alias}"))
            }
        }
    }
}

fn list(place: &Place, form: Form) -> Result<()> {
    let aliases: Vec<AliasSummary> = block_on(async { place.control().await?.get("/v1/aliases").await })?;
    match form {
        Form::Json => output::json(&aliases),
        Form::Text => {
            aliases.iter().try_for_each(|entry| output::line(&format!("{}: {}", entry.alias, entry.targets.join(", "))))
        }
    }
}
