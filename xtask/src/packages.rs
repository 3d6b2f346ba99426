//! The Debian packages of the mail programs that the tests drive.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::step::execute;

/// Program and package, one pair a line. The tests name the package of a program that is missing from the same list.
const LIST: &str = include_str!("../../crates/testkit/debian-packages.txt");

/// Perl modules that swaks needs for TLS, which its package only recommends.
const PERL_MODULES: [(&str, &str); 1] = [("Net::SSLeay", "libnet-ssleay-perl")];

/// Installs what is missing; on a machine where that is not possible, an error names it.
pub fn install_missing() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        println!("all are there");
        return Ok(());
    }
    let names: Vec<&str> = missing.into_iter().collect();
    let by_hand = format!("apt-get install --no-install-recommends {}", names.join(" "));
    if !on_path("apt-get") {
        bail!("these Debian packages, or what they contain, are missing: {}", names.join(" "));
    }
    if !is_root() {
        bail!("packages are missing; as root: {by_hand}");
    }
    execute(apt_get().arg("update"))?;
    execute(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(&names))
}

fn missing() -> BTreeSet<&'static str> {
    let programs = LIST.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '));
    let mut missing: BTreeSet<&str> =
        programs.filter(|(program, _)| !on_path(program)).map(|(_, package)| package).collect();
    for (module, package) in PERL_MODULES {
        let mut perl = Command::new("perl");
        perl.arg(format!("-M{module}")).args(["-e", "1"]).stdout(Stdio::null()).stderr(Stdio::null());
        if !perl.status().is_ok_and(|status| status.success()) {
            missing.insert(package);
        }
    }
    missing
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
