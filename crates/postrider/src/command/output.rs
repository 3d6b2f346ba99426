//! Writing to standard output, where a closed pipe (as in `| head`) is an end and no accident.

use std::io::{self, Write};

use anyhow::{Context, Result};
use serde::Serialize;

/// The form of a command's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Form {
    /// As chosen by `--json`.
    pub fn chosen(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// Writes text as it is.
pub fn text(text: &str) -> Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("cannot write the answer"),
        _ => Ok(()),
    }
}

/// Writes one line.
pub fn line(line: &str) -> Result<()> {
    text(&format!("{line}\n"))
}

/// Writes a value as JSON.
pub fn json(value: &impl Serialize) -> Result<()> {
    line(&serde_json::to_string_pretty(value).context("cannot write the answer")?)
}
