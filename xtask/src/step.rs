//! Steps: each is announced, timed, and ends everything when it fails.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What was done so far.
#[derive(Debug)]
pub struct Steps {
    begin: Instant,
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Nothing so far.
    pub fn new() -> Self {
        Self { begin: Instant::now(), done: Vec::new() }
    }

    /// Runs one step.
    pub fn run(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("\n== {name}");
        let begin = Instant::now();
        work().with_context(|| format!("{name} failed"))?;
        self.done.push((name.to_owned(), begin.elapsed()));
        Ok(())
    }

    /// Runs cargo in the workspace as one step.
    pub fn cargo(&mut self, name: &str, arguments: &[&str]) -> Result<()> {
        self.run(name, || execute(cargo().args(arguments)))
    }

    /// Says what was done.
    pub fn print_summary(&self) {
        println!("\n== done");
        for (name, time) in &self.done {
            println!("{:>5} s  {name}", time.as_secs());
        }
        println!("{:>5} s  in all: everything passed", self.begin.elapsed().as_secs());
    }
}

/// The workspace's folder.
pub fn workspace() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// The cargo that runs us, in the workspace's folder.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    command
}

/// Runs a command to its end; it must succeed. It reads nothing.
pub fn execute(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}").replace('"', "");
    println!("$ {shown}");
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot run {shown}"))?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    Ok(())
}
