//! The one command that checks everything: what it runs is what continuous integration runs.
//!
//! `cargo xtask test` installs the mail programs that the tests drive (on Debian), checks format and lints, runs all
//! tests and fuzzes each target for a few seconds. It is a program and not a script, so that it needs nothing but the
//! toolchain, and a crate of the workspace, so that it is linted like the rest.
#![allow(clippy::print_stdout, reason = "this program's output is for the terminal")]

mod fuzz;
mod packages;
mod step;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use step::Steps;

const USAGE: &str = "\
cargo xtask test [--quick]    everything; --quick leaves out the tests with real mail programs, and the fuzzing
cargo xtask lint              format and clippy
cargo xtask fuzz [SECONDS]    every fuzz target for so many seconds (10 unless told)
cargo xtask packages          install the Debian packages that the tests need";

/// How long `cargo xtask test` fuzzes each target, in seconds.
const FUZZ_SECONDS: u32 = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut steps = Steps::new();
    match run(&arguments, &mut steps) {
        Ok(()) => {
            steps.print_summary();
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str], steps: &mut Steps) -> Result<()> {
    match arguments {
        ["test"] => {
            steps.run("packages", packages::install_missing)?;
            lint(steps)?;
            test_all(steps)?;
            fuzz::run(steps, FUZZ_SECONDS)
        }
        ["test", "--quick"] => {
            lint(steps)?;
            test_quick(steps)
        }
        ["lint"] => lint(steps),
        ["fuzz"] => fuzz::run(steps, 10),
        ["fuzz", seconds] => fuzz::run(steps, seconds.parse().context("SECONDS must be a number")?),
        ["packages"] => steps.run("packages", packages::install_missing),
        _ => bail!("usage:\n{USAGE}"),
    }
}

fn lint(steps: &mut Steps) -> Result<()> {
    steps.cargo("format", &["fmt", "--all", "--check"])?;
    steps.cargo("format of the fuzz targets", &["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"])?;
    steps.cargo("clippy", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
}

fn test_all(steps: &mut Steps) -> Result<()> {
    steps.cargo("tests", &["test", "--workspace", "--locked", "--no-fail-fast"])
}

/// All but the tests that drive real programs, which are integration tests of the binary.
fn test_quick(steps: &mut Steps) -> Result<()> {
    steps.cargo("tests but the binary's", &["test", "--workspace", "--locked", "--exclude", "postrider"])?;
    steps.cargo("the binary's own tests", &["test", "--package", "postrider", "--locked", "--bins", "--test", "cli"])
}
