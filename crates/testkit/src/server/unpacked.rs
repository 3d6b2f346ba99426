//! Servers whose Debian packages are only unpacked, because they cannot be installed beside Dovecot's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where `cargo xtask packages` unpacks what `debian-unpacked.txt` lists.
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/peers");

/// The folder with the files of this server's packages.
///
/// # Panics
/// When they were not unpacked: a test that skips itself is a test that nobody notices is gone.
pub(super) fn files(server: &str) -> PathBuf {
    let folder = Path::new(PEERS).join(server);
    assert!(folder.join("usr").is_dir(), "{} is missing: cargo xtask packages", folder.display());
    fs::canonicalize(folder).unwrap()
}

/// Copies such files, as links where the file system allows it: programs that give up root's rights may not be able to reach
/// the place where they were unpacked.
pub(super) fn copy(from: &Path, to: &Path) {
    let run = |options: &str| {
        Command::new("cp")
            .arg(options)
            .arg(from)
            .arg(to)
            .output()
            .unwrap_or_else(|error| panic!("cannot run cp: {error}"))
    };
    if !run("-al").status.success() {
        let _ = fs::remove_dir_all(to);
        let copied = run("-a");
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    }
}
