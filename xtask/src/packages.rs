//! The Debian packages of the mail programs that the tests drive: most are installed, those of servers that cannot be installed
//! beside Dovecot are only unpacked.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::step::execute;

/// Program and package, one pair a line. The tests name the package of a program that is missing from the same list.
const LIST: &str = include_str!("../../crates/testkit/debian-packages.txt");

/// A server's name and the packages that are unpacked for it, one server a line.
const UNPACKED: &str = include_str!("../../crates/testkit/debian-unpacked.txt");

/// Where they are unpacked, each server in a folder of its own; the tests look there.
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers");

/// Perl modules that swaks needs for TLS, which its package only recommends.
const PERL_MODULES: [(&str, &str); 1] = [("Net::SSLeay", "libnet-ssleay-perl")];

/// Installs and unpacks what is missing; on a machine where that is not possible, an error names it.
pub fn install_missing() -> Result<()> {
    let (missing, packed) = (missing(), packed());
    if missing.is_empty() && packed.is_empty() {
        println!("all are there");
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().copied().collect();
    let by_hand = format!("apt-get install --no-install-recommends {}", names.join(" "));
    if !on_path("apt-get") {
        let unpacked: Vec<&str> = packed.iter().map(|(_, packages)| *packages).collect();
        bail!("these Debian packages, or what they contain, are missing: {} {}", names.join(" "), unpacked.join(" "));
    }
    if is_root() {
        execute(apt_get().arg("update"))?;
    } else if !missing.is_empty() {
        bail!("packages are missing; as root: {by_hand}");
    }
    if !missing.is_empty() {
        execute(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(&names))?;
    }
    packed.into_iter().try_for_each(|(server, packages)| unpack(server, packages))
}

/// The servers that are not unpacked yet.
fn packed() -> Vec<(&'static str, &'static str)> {
    let servers = UNPACKED.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '));
    servers.filter(|(server, _)| !Path::new(PEERS).join(server).is_dir()).collect()
}

/// Downloads and unpacks; the folder has its name only when it is complete.
fn unpack(server: &str, packages: &str) -> Result<()> {
    let folder = Path::new(PEERS).join(server);
    let fresh = folder.with_extension("new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;
    execute(apt_get().arg("download").args(packages.split(' ')).current_dir(&fresh))?;
    for package in fs::read_dir(&fresh)?.collect::<Result<Vec<_>, _>>()? {
        execute(Command::new("dpkg-deb").arg("--extract").arg(package.path()).arg(&fresh))?;
        fs::remove_file(package.path())?;
    }
    fs::rename(&fresh, &folder).with_context(|| format!("cannot make {}", folder.display()))
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
