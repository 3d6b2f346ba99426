//! `postrider demo`: everything on this machine in one command, with mail to look at.

mod instructions;
mod sample;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use anyhow::{Context, Result};
use clap::Args;
use postrider_accounts::Password;

use super::{Place, absolute, block_on, output};
use crate::{
    advice::Advise,
    config::{Config, Data, Listen, Log},
    logging,
    serve::Server,
    storage::{Storage, is_in_use},
};

/// The accounts of the demo and their password.
const ACCOUNTS: [&str; 2] = ["alice@localhost", "bob@localhost"];
const PASSWORD: &str = "postrider";

/// The highest standard port, which the offset is added to.
const STANDARD_PORT_MAX: u16 = 995;

/// Try it: a server on this machine with two accounts and some mail
///
/// Makes a folder with a fresh store, a self-signed certificate and the accounts alice@localhost and bob@localhost, both with
/// the password "postrider"; listens on 127.0.0.1 only; and prints lines to copy. Started again, it finds its mail as it was.
/// Ctrl-C ends it; to be rid of it, remove the folder.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postrider demo
  postrider demo --data /tmp/try --port-offset 2000")]
pub struct Demo {
    /// Added to the standard port of each protocol
    #[arg(long, value_name = "NUMBER", default_value_t = 1000,
        value_parser = clap::value_parser!(u16).range(0..=i64::from(u16::MAX - STANDARD_PORT_MAX)))]
    port_offset: u16,
}

impl Demo {
    pub fn run(self, place: &Place) -> Result<()> {
        let folder = place.data.clone().unwrap_or_else(|| PathBuf::from("postrider-demo"));
        let config = config(absolute(&folder)?, self.port_offset);
        logging::start(&config.log)?;
        block_on(async {
            let storage = open(&config).await?;
            prepare(&storage).await.context("cannot fill the demo")?;
            let started = Server::start_with(&config, storage).await;
            let server =
                started.advise("choose other ports with --port-offset, as in: postrider demo --port-offset 2000")?;
            output::text(&instructions::text(&config, server.listening()))?;
            output::line("postrider: ready")?;
            server.run_until_signal(|| Ok(None)).await
        })
    }
}

async fn open(config: &Config) -> Result<Storage> {
    match Storage::open(config).await {
        Err(error) if is_in_use(&error) => {
            Err(error).advise("a demo runs in this folder already; end it, or choose another folder with --data")
        }
        other => other,
    }
}

/// A configuration that touches nothing but its folder and the loopback address.
fn config(data: PathBuf, offset: u16) -> Config {
    let at = |port: u16| vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port.saturating_add(offset)))];
    let listen = Listen {
        imap: at(143),
        imaps: at(993),
        pop3: at(110),
        pop3s: at(995),
        submission: at(587),
        submissions: at(465),
        smtp: at(25),
        lmtp: at(24),
        metrics: Vec::new(),
    };
    Config {
        hostname: Some("localhost".to_owned()),
        data: Data(data),
        listen,
        log: Log { level: "warn".to_owned(), ..Log::default() },
        ..Config::default()
    }
}

/// Makes the accounts that are missing, and fills inboxes that never held anything.
async fn prepare(storage: &Storage) -> Result<()> {
    for address in ACCOUNTS {
        if storage.accounts.find(address).await?.is_none() {
            storage.add_account(address, &Password::new(PASSWORD)).await?;
        }
        sample::deliver(storage, address).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_the_standard_one_plus_the_offset_and_only_this_machine_reaches_it() {
        let listen = config(PathBuf::from("x"), 1000).listen;
        let ports: Vec<u16> = listen.all().map(|(_, address)| address.port()).collect();
        assert_eq!(ports, [1143, 1993, 1110, 1995, 1587, 1465, 1025, 1024]);
        assert!(listen.all().all(|(_, address)| address.ip().is_loopback()));
    }
}
