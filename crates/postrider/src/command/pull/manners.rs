//! How other servers are treated: flags of `pull` and `migrate`.

use std::num::NonZeroU64;

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    config::{Rate, Span},
    pull::Manners,
};

/// How other servers are treated.
#[derive(Debug, Args)]
#[command(next_help_heading = "Manners")]
pub struct MannersFlags {
    /// Bytes per second, sent and received, of all connections together, as in 500K or 2M
    #[arg(long, value_name = "RATE")]
    max_rate: Option<Rate>,
    /// IMAP: do not compress, even where the server offers it
    #[arg(long)]
    no_compress: bool,
    /// Tries in a row that bring nothing before it is given up [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    tries: Option<u32>,
    /// How long the server may say nothing before the connection counts as broken, as in 90s or 5m [default: 3m]
    #[arg(long, value_name = "TIME", value_parser = silence)]
    silence: Option<NonZeroU64>,
}

fn silence(text: &str) -> Result<NonZeroU64> {
    let time: Span = text.parse()?;
    NonZeroU64::new(time.0.as_secs()).context("no connection could stand in no time; write 1s or more")
}

impl MannersFlags {
    /// What goes into a wish.
    pub fn wish(&self) -> Manners {
        Manners {
            bytes_per_second_max: self.max_rate.map(|rate| rate.0),
            uncompressed: self.no_compress,
            tries_max: self.tries,
            silence_seconds_max: self.silence,
            connections_max: None,
        }
    }
}
