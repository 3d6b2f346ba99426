//! `postrider compact`: give back the space of removed mail.

use anyhow::Result;
use clap::Args;
use hyper::Method;

use super::{Place, account::order, output};

/// Give back the disk space of large messages that were removed
///
/// Small ones lie in the database file, which uses their space again but does not shrink. Safe while the server runs,
/// and safe to interrupt.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  postrider compact")]
pub struct Compact {}

impl Compact {
    pub fn run(self, place: &Place) -> Result<()> {
        order(place, Method::POST, "/v1/compact", &())?;
        output::line("done")
    }
}
