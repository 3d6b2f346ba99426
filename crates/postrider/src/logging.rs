//! What the server writes about its work, to standard error; standard output is for what was asked for.

use std::io::{self, IsTerminal};

use anyhow::{Context, Result, anyhow};
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Changes what is logged while the process runs.
pub struct LogLevel(Box<dyn Fn(EnvFilter) -> Result<()> + Send + Sync>);

impl LogLevel {
    /// Takes the level from a configuration that was read anew; its format stays as it was.
    pub fn change(&self, log: &Log) -> Result<()> {
        (self.0)(filter(log)?)
    }
}

/// Starts logging for the whole process.
pub fn start(log: &Log) -> Result<LogLevel> {
    let (logger, first) = (tracing_subscriber::fmt().with_writer(io::stderr), filter(log)?);
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| anyhow!("cannot start logging: {error}");
    Ok(match log.format {
        LogFormat::Text => {
            let ansi = io::stderr().is_terminal();
            let logger = logger.with_ansi(ansi).with_env_filter(first).with_filter_reloading();
            let handle = logger.reload_handle();
            logger.try_init().map_err(failed)?;
            LogLevel(Box::new(move |filter| handle.reload(filter).context("log.level")))
        }
        LogFormat::Json => {
            let logger = logger.json().flatten_event(true).with_env_filter(first).with_filter_reloading();
            let handle = logger.reload_handle();
            logger.try_init().map_err(failed)?;
            LogLevel(Box::new(move |filter| handle.reload(filter).context("log.level")))
        }
    })
}

fn filter(log: &Log) -> Result<EnvFilter> {
    log.level.parse().context("log.level")
}
