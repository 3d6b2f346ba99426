//! Real programs, run with a time limit.
//!
//! A missing program is a failed test that names the package: a test that skips itself when its tool is absent is a
//! test that nobody notices is gone.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Which package brings which program.
const PACKAGES: &str = include_str!("../debian-packages.txt");

/// What a program said.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    command_line: String,
}

impl Output {
    /// The output of a program that must have succeeded.
    ///
    /// # Panics
    /// When it has not, with everything it said.
    pub fn success(self) -> Self {
        assert!(self.status.success(), "{} failed ({}){}", self.command_line, self.status, self.said());
        self
    }

    /// The output of a program that must have failed.
    ///
    /// # Panics
    /// When it has succeeded.
    pub fn failure(self) -> Self {
        assert!(!self.status.success(), "{} succeeded, but should not have{}", self.command_line, self.said());
        self
    }

    /// Both outputs, for a failure message.
    #[must_use]
    pub fn said(&self) -> String {
        format!("\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr)
    }
}

/// A program to be run. The environment is kept, except that `HOME` and the like are set to the folder and the
/// language is plain C.
#[derive(Debug)]
pub struct Program {
    command: Command,
    stdin: Vec<u8>,
    time_max: Duration,
}

impl Program {
    /// `name` with its configuration and state in `home`, which is also its working folder.
    #[must_use]
    pub fn new(name: &str, home: &Path) -> Self {
        let mut command = Command::new(name);
        command
            .current_dir(home)
            .env("HOME", home)
            .env("XDG_CONFIG_HOME", home)
            .env("XDG_CACHE_HOME", home)
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "dumb")
            .env_remove("http_proxy")
            .env_remove("https_proxy")
            .env_remove("all_proxy");
        Self { command, stdin: Vec::new(), time_max: Duration::from_secs(60) }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// What the program reads.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// How long it may run; 60 seconds unless told.
    #[must_use]
    pub const fn time_max(mut self, time: Duration) -> Self {
        self.time_max = time;
        self
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    /// When it is not installed, or runs too long (it is killed then).
    #[must_use]
    pub fn run(mut self) -> Output {
        let command_line = command_line(&self.command);
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap_or_else(|error| {
            let name = self.command.get_program().to_string_lossy().into_owned();
            panic!("cannot run {name}: {error}. {}", how_to_install(&name))
        });
        let mut input = child.stdin.take().unwrap();
        let stdin = std::mem::take(&mut self.stdin);
        // A program that does not read its input closes the pipe: that is no failure of ours.
        thread::spawn(move || drop(input.write_all(&stdin)));
        let stdout = read_to_end(child.stdout.take().unwrap());
        let stderr = read_to_end(child.stderr.take().unwrap());
        let status = wait(&mut child, self.time_max);
        // A background process of the program's may hold the pipe open: do not wait for that for ever.
        let stdout = stdout.recv_timeout(Duration::from_secs(5)).unwrap_or_default();
        let stderr = stderr.recv_timeout(Duration::from_secs(5)).unwrap_or_default();
        let Some(status) = status else {
            panic!(
                "{command_line} ran longer than {} s and was killed\n--- stdout\n{stdout}\n--- stderr\n{stderr}",
                self.time_max.as_secs()
            )
        };
        Output { status, stdout, stderr, command_line }
    }
}

/// Tells how to install a program.
#[must_use]
pub fn how_to_install(program: &str) -> String {
    let name = Path::new(program).file_name().unwrap_or_default().to_string_lossy();
    let package = PACKAGES
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .find(|(listed, _)| *listed == name);
    match package {
        Some((_, package)) => format!("Install it: apt-get install --no-install-recommends {package}"),
        None => String::from("No Debian package is listed for it."),
    }
}

fn command_line(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        write!(line, " {}", argument.to_string_lossy()).unwrap();
    }
    line
}

fn read_to_end(mut stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// Waits for the end, or kills at the limit.
fn wait(child: &mut Child, time_max: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + time_max;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        // The standard library has no wait with a limit; this poll costs nothing that a test could notice.
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_gets_its_input_and_gives_its_output() {
        let folder = tempfile::tempdir().unwrap();
        let output = Program::new("cat", folder.path()).stdin("hello").run().success();
        assert_eq!(output.stdout, "hello");
    }

    #[test]
    #[should_panic(expected = "longer than")]
    fn a_program_that_hangs_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let _ = Program::new("sleep", folder.path()).arg("60").time_max(Duration::from_millis(50)).run();
    }

    #[test]
    fn a_missing_program_names_its_package() {
        assert!(how_to_install("mbsync").ends_with("apt-get install --no-install-recommends isync"));
    }
}
