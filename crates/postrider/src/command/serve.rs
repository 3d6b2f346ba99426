//! `postrider serve`: the server.

use anyhow::Result;
use clap::Args;

use super::{Place, block_on, output};
use crate::{logging, serve};

/// Run the server
///
/// Prints one line for each address it listens on, then "postrider: ready". SIGTERM and SIGINT end it after open sessions were
/// told; SIGHUP reads the certificate, the log level and the [[pull]] entries anew. The log goes to standard error.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  postrider serve --config /etc/postrider/postrider.toml")]
pub struct Serve {}

impl Serve {
    pub fn run(self, place: &Place) -> Result<()> {
        let config = place.configuration()?;
        let level = logging::start(&config.log)?;
        block_on(async {
            let server = serve::Server::start(&config).await?;
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
