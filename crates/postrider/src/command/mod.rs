//! The command line. One file for each subcommand; what they share is which configuration and data folder are meant.

mod account;
mod alias;
mod backup;
mod check;
mod compact;
mod config;
mod demo;
mod discover;
mod export;
mod import;
mod init;
mod migrate;
mod output;
mod password;
mod progress;
mod pull;
mod serve;
mod undelete;

use std::{
    env,
    future::Future,
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use clap::{Args, Parser, Subcommand};

use crate::{
    advice::Advise,
    config::Config,
    control::{Control, Stopped},
    storage::Storage,
};

const AFTER_HELP: &str = "\
Try it, without touching anything on this machine:
  postrider demo

Set up a server:
  postrider init example.org --data /var/lib/postrider
  postrider --config postrider.toml account add alice@example.org
  postrider serve --config postrider.toml

Bring mail along, and keep it safe:
  postrider pull imaps://alice%40example.com@imap.example.com --into alice@example.org
  postrider import Mail.mbox --into alice@example.org
  postrider backup init

Exit status:
  0  done
  1  done, but not all is well: `check`, `backup verify` or `backup run --verify` found faults; `import`, `pull`, `migrate` or
     `backup restore` could not take every message; `backup status` says that a backup is late
  2  it could not be done";

/// Mail for people who want to own theirs: receives, fetches and keeps it, hands it to any mail program by IMAP and POP3, and
/// backs it up.
#[derive(Debug, Parser)]
#[command(name = "postrider", version, after_help = AFTER_HELP, arg_required_else_help = true)]
pub struct CommandLine {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Which server is meant.
#[derive(Debug, Args)]
pub struct Place {
    /// The configuration file. Default: $POSTRIDER_CONFIG, else postrider.toml here, else /etc/postrider/postrider.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder, instead of the one in the configuration
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Init(init::Init),
    Serve(serve::Serve),
    Config(config::ConfigCommand),
    Account(account::AccountCommand),
    Alias(alias::AliasCommand),
    Check(check::Check),
    Compact(compact::Compact),
    Backup(backup::BackupCommand),
    Import(import::Import),
    Export(export::Export),
    Undelete(undelete::Undelete),
    Pull(Box<pull::Pull>),
    Migrate(Box<migrate::Migrate>),
    Discover(discover::Discover),
}

/// Does what the command line asks for.
pub fn run(line: CommandLine) -> Result<ExitCode> {
    let place = &line.place;
    match line.command {
        Command::Demo(command) => command.run(place).map(done),
        Command::Init(command) => command.run(place).map(done),
        Command::Serve(command) => command.run(place).map(done),
        Command::Config(command) => command.run(place).map(done),
        Command::Account(command) => command.run(place).map(done),
        Command::Alias(command) => command.run(place).map(done),
        Command::Check(command) => command.run(place),
        Command::Compact(command) => command.run(place).map(done),
        Command::Backup(command) => command.run(place),
        Command::Import(command) => command.run(place),
        Command::Export(command) => command.run(place).map(done),
        Command::Undelete(command) => command.run(place).map(done),
        Command::Pull(command) => command.run(place),
        Command::Migrate(command) => command.run(place),
        Command::Discover(command) => command.run().map(done),
    }
}

fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

impl Place {
    /// The configuration file that is meant, whether it exists or not.
    fn configuration_file(&self) -> PathBuf {
        if let Some(path) = self.config.clone().or_else(|| env::var_os("POSTRIDER_CONFIG").map(PathBuf::from)) {
            return path;
        }
        let here = PathBuf::from("postrider.toml");
        if here.exists() { here } else { PathBuf::from("/etc/postrider/postrider.toml") }
    }

    /// The configuration. With a data folder given, and no file named, a file need not exist.
    fn configuration(&self) -> Result<Config> {
        let path = self.configuration_file();
        let mut config = match &self.data {
            Some(_) if self.config.is_none() && !path.exists() => Config::default(),
            _ => crate::config::load(&path)?,
        };
        if let Some(data) = &self.data {
            config.data.0 = absolute(data)?;
        }
        Ok(config)
    }

    /// The way to the server's accounts and mail: through the running server, else to its data directly.
    async fn control(&self) -> Result<Control> {
        let config = self.configuration()?;
        check_access(&config)?;
        // Else a mistyped folder would be made, found empty, and left behind.
        if !Storage::exists(&config) {
            let missing: Result<Control> = Err(anyhow!("there is no mail in {} yet", config.data().display()));
            return missing.advise("add the first account, or name the right folder with --data or --config");
        }
        Control::open(&config).await
    }

    /// The same, but makes the data folder if there is none.
    async fn control_or_new(&self) -> Result<Control> {
        let config = self.configuration()?;
        check_access(&config)?;
        Control::open(&config).await
    }
}

/// Refuses whoever may not look into the data folder: to them it would seem to be empty.
fn check_access(config: &Config) -> Result<()> {
    match std::fs::read_dir(config.data()) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let refused: Result<()> =
                Err(anyhow!("the data folder {} belongs to another user", config.data().display()));
            refused.advise("run this as the server's user, as in: sudo -u postrider postrider ...")
        }
        _ => Ok(()),
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot tell where {} is", path.display()))
}

/// How long threads may take to end after Ctrl-C.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// Runs a command's asynchronous part.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("cannot start")?;
    let outcome = runtime.block_on(future);
    if outcome.as_ref().is_err_and(|error| error.is::<Stopped>()) {
        // Whoever pressed Ctrl-C does not wait for threads that cannot be told to end; the store stands a sudden end.
        runtime.shutdown_timeout(STOP_PATIENCE);
    }
    outcome
}

/// Refuses what is no address before anything is asked or opened.
fn checked_address(text: &str) -> Result<String> {
    let valid = text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    let checked = if valid { Ok(text.to_owned()) } else { Err(anyhow!("{text:?} is no address")) };
    checked.advise("write it as in alice@example.org")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn an_address_needs_both_its_parts() {
        for (text, valid) in [("a@b", true), ("a", false), ("@b", false), ("a@", false), ("", false)] {
            assert_eq!(checked_address(text).is_ok(), valid, "{text}");
        }
    }
}
