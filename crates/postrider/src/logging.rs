//! What the server writes about its work, to standard error; standard output is for what was asked for.
//!
//! A line for each message is a call to the system for each message, so news gathers for a moment and is written
//! together. Warnings and errors are written at once, with all that came before them.

mod gather;

use std::io::{self, IsTerminal};

use anyhow::{Context, Result, anyhow};
use tracing_subscriber::EnvFilter;

use self::gather::{Gathered, Gathering};
use crate::config::{Log, LogFormat};

/// Changes what is logged while the process runs. When it is dropped what has gathered is written, and later lines are
/// written at once.
pub struct LogLevel {
    change: Box<dyn Fn(EnvFilter) -> Result<()> + Send + Sync>,
    _gathering: Gathering,
}

impl LogLevel {
    /// Takes the level from a configuration that was read anew; its format stays as it was.
    pub fn change(&self, log: &Log) -> Result<()> {
        (self.change)(filter(log)?)
    }
}

/// Starts logging for the whole process.
pub fn start(log: &Log) -> Result<LogLevel> {
    let gathered = Gathered::default();
    let gathering = Gathering::start(&gathered).context("cannot start logging")?;
    let (logger, first) = (tracing_subscriber::fmt().with_writer(gathered), filter(log)?);
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| anyhow!("cannot start logging: {error}");
    let change: Box<dyn Fn(EnvFilter) -> Result<()> + Send + Sync> = match log.format {
        LogFormat::Text => {
            let ansi = io::stderr().is_terminal();
            let logger = logger.with_ansi(ansi).with_env_filter(first).with_filter_reloading();
            let handle = logger.reload_handle();
            logger.try_init().map_err(failed)?;
            Box::new(move |filter| handle.reload(filter).context("log.level"))
        }
        LogFormat::Json => {
            let logger = logger.json().flatten_event(true).with_env_filter(first).with_filter_reloading();
            let handle = logger.reload_handle();
            logger.try_init().map_err(failed)?;
            Box::new(move |filter| handle.reload(filter).context("log.level"))
        }
    };
    Ok(LogLevel { change, _gathering: gathering })
}

fn filter(log: &Log) -> Result<EnvFilter> {
    log.level.parse().context("log.level")
}
