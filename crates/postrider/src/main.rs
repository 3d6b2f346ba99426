//! Mail for people who want to own theirs: server, fetcher and safe in one binary.
//!
//! This crate wires the others together and holds no mail logic: the command line (one file for each
//! subcommand), the configuration, the control socket, the demo. Nothing below it is global; what a part needs, it is handed here.
//!
//! Exit status: 0 when it is done; 1 when it is done but not all is well: `check` or `backup verify` found faults, `import`, `pull`,
//! `migrate` or `backup restore` could not take every message, `backup status` says that a backup is late; 2 when it could not be done.

mod advice;
mod backup;
mod command;
mod config;
mod control;
mod logging;
mod metrics;
mod pull;
mod serve;
mod storage;
mod transfer;
mod turns;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let command_line = command::CommandLine::parse();
    match command::run(command_line) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("postrider: {}", advice::one_line(&error));
            if let Some(hint) = advice::hint(&error) {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(2)
        }
    }
}
