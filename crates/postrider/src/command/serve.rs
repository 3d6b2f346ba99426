//! `postrider serve`: the server.

use anyhow::Result;
use clap::Args;

use super::{Place, block_on, check_access, output};
use crate::{advice::Advise, logging, serve, storage::is_in_use};

/// Run the server
///
/// Prints one line for each address it listens on, then "postrider: ready". SIGTERM and SIGINT end it after open sessions were
/// told; SIGHUP reads the certificate, the log level, the [[pull]] entries and [backup] anew. The log goes to standard error.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  postrider serve --config /etc/postrider/postrider.toml")]
pub struct Serve {}

impl Serve {
    pub fn run(self, place: &Place) -> Result<()> {
        let config = place.configuration()?;
        check_access(&config)?;
        let level = logging::start(&config.log)?;
        block_on(async {
            let server = match serve::Server::start(&config).await {
                Err(error) if is_in_use(&error) => Err(error)
                    .advise("a server runs in this folder already; end it, or choose another folder with --data"),
                started => started,
            }?;
            for listening in server.listening() {
                output::line(&format!("postrider: listening {} {}", listening.protocol, listening.address))?;
            }
            output::line("postrider: ready")?;
            let reload = || {
                let config = place.configuration()?;
                level.change(&config.log)?;
                Ok(Some(config))
            };
            server.run_until_signal(reload).await
        })
    }
}
