//! The meter: postrider beside a peer, on the same machine, in the same minutes, with the same mail.
//!
//! `compare` fills both with the same seeded mail, runs every workload on both in turn, several rounds, the order changed
//! from round to round, and writes a table, JSON and a chart. `growth` shows how figures change with the size of a mailbox.
//! `fetch` lets `postrider pull` and other programs fetch one mailbox.
//! A figure of one server alone means little; a figure of yesterday beside one of today means nothing. So both run in
//! the same run, and the machine's own limits are measured with them.
#![allow(clippy::print_stdout, reason = "this program's output is for the terminal")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people: counts and sizes far below what a float cannot tell apart"
)]

mod compare;
mod driver;
mod fetching;
mod fill;
mod growth;
mod machine;
mod mail;
mod process;
mod report;
mod server;
mod site;
mod statistics;
mod workload;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measure postrider beside a peer, on loopback, with the same mail
#[derive(Debug, Parser)]
#[command(name = "postrider-bench", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run every workload on postrider and on a peer, and write docs/benchmarks/latest.*; cyrus.* if the peer is Cyrus
    Compare(CompareArguments),
    /// Measure mailboxes of growing size and growing numbers of accounts, and write docs/benchmarks/growth.*;
    /// growth-cyrus.* if the peer is Cyrus
    Growth(GrowthArguments),
    /// Fetch a mailbox by `postrider pull`, mbsync, OfflineIMAP, getmail6 and imapsync, and write docs/benchmarks/fetch.*
    Fetch(FetchArguments),
}

#[derive(Debug, Args)]
struct CompareArguments {
    #[command(flatten)]
    common: Common,
    /// Rounds; figures are their medians
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Messages in the large mailbox; 30,000 unless told, 1,000 with --quick
    #[arg(long)]
    messages: Option<usize>,
    /// Only workloads whose name contains this; nothing is written to docs/benchmarks then.
    /// MOVE continues where COPY ended, and EXPUNGE where MOVE did
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

#[derive(Debug, Args)]
struct GrowthArguments {
    #[command(flatten)]
    common: Common,
    /// Go on to a million messages, and to 10,000 accounts, whose passwords alone take minutes to hash
    #[arg(long)]
    full: bool,
}

#[derive(Debug, Args)]
struct FetchArguments {
    #[command(flatten)]
    common: Common,
    /// Rounds; figures are their medians; 3 unless told, 1 with --quick
    #[arg(long)]
    rounds: Option<usize>,
    /// Messages in the mailbox; 10,000 unless told, 150 with --quick
    #[arg(long)]
    messages: Option<usize>,
    /// Only tools whose name contains this; nothing is written to docs/benchmarks then
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// imapsync, which Debian does not have; the Perl modules that it needs are installed
    #[arg(long, value_name = "PATH")]
    imapsync: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Common {
    /// The server to compare with
    #[arg(long, value_enum, default_value_t = Peer::Dovecot)]
    peer: Peer,
    /// A small run, to see whether everything works; its figures mean nothing and go to target/bench
    #[arg(long)]
    quick: bool,
    /// The postrider to measure; unless told the one beside this program, which is built if it is missing
    #[arg(long, value_name = "PATH")]
    postrider: Option<PathBuf>,
    /// Where the servers keep their mail while they are measured; it should be on a disk, not in memory
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Where to write the results
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// The seed of the mail
    #[arg(long, default_value_t = 2026)]
    seed: u64,
}

/// With what postrider is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Peer {
    /// Debian's Dovecot 2.3; its packages are installed if they are missing
    Dovecot,
    /// Debian's Cyrus IMAP 3.6; what can stand beside Dovecot is installed if it is missing, the rest is only unpacked
    Cyrus,
    /// Nothing: postrider alone
    None,
}

fn main() -> ExitCode {
    process::raise_files_max();
    let result = match CommandLine::parse().command {
        Action::Compare(arguments) => compare::run(&arguments),
        Action::Growth(arguments) => growth::run(&arguments),
        Action::Fetch(arguments) => fetching::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("postrider-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Common {
    /// The servers to be measured, ours first; installs the peer.
    fn servers(&self) -> Result<Vec<server::Kind>> {
        let peer = match self.peer {
            Peer::None => None,
            Peer::Dovecot => Some(server::Kind::Dovecot),
            Peer::Cyrus => Some(server::Kind::Cyrus),
        };
        peer.map_or(Ok(()), server::install)?;
        Ok(std::iter::once(server::Kind::Postrider).chain(peer).collect())
    }

    /// The program to be measured; builds it if it is missing.
    fn binary(&self) -> Result<PathBuf> {
        if let Some(path) = &self.postrider {
            return path.canonicalize().with_context(|| format!("cannot find {}", path.display()));
        }
        let this = std::env::current_exe().context("cannot tell where this program is")?;
        let path = this.with_file_name("postrider");
        if !path.exists() {
            let mut build = Command::new("cargo");
            build.args(["build", "--package", "postrider"]).current_dir(workspace());
            if !cfg!(debug_assertions) {
                build.arg("--release");
            }
            if !build.status().context("cannot run cargo")?.success() {
                bail!("cannot build postrider");
            }
        }
        Ok(path)
    }

    /// A folder for the servers, removed at the end.
    fn scratch(&self) -> Result<tempfile::TempDir> {
        let parent = self.folder.clone().unwrap_or_else(std::env::temp_dir);
        let mut builder = tempfile::Builder::new();
        // The peer's processes give up root's rights and must still find their folder below it.
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        builder.prefix("postrider-bench-").permissions(permissions);
        builder.tempdir_in(&parent).with_context(|| format!("cannot make a folder in {}", parent.display()))
    }

    /// Where results are written: figures that count to the documentation, others to the build's folder.
    fn output(&self, counts: bool) -> Result<PathBuf> {
        let usual = if counts { "docs/benchmarks" } else { "target/bench" };
        let folder = self.output.clone().unwrap_or_else(|| workspace().join(usual));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }
}

/// The workspace's folder.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
