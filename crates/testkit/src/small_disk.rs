//! A disk that is soon full: a file system in memory below a stopped server's data. It takes root's rights to mount.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system at a folder; it is unmounted when this is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Moves what is in the folder, which nobody may be using, to a file system of so many KiB, and mounts that there.
    ///
    /// # Panics
    /// When it cannot be mounted, or is too small for what is there.
    #[must_use]
    pub fn under(folder: &Path, kibibytes: u64) -> Self {
        let aside = folder.with_extension("aside");
        fs::rename(folder, &aside).unwrap();
        fs::create_dir(folder).unwrap();
        let disk = Self { folder: folder.to_owned() };
        disk.mount(&format!("size={kibibytes}k,mode=0700"));
        let copied = Command::new("cp").arg("-a").arg(aside.join(".")).arg(folder).status().unwrap();
        assert!(copied.success(), "{kibibytes} KiB are too few for what is there already");
        disk
    }

    /// Makes room: so many KiB from now on.
    ///
    /// # Panics
    /// When that fails.
    pub fn grow(&self, kibibytes: u64) {
        self.mount(&format!("remount,size={kibibytes}k"));
    }

    fn mount(&self, options: &str) {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&self.folder).status();
        assert!(mounted.unwrap().success(), "cannot mount a file system: this test is to be run by root");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A server may still be using it; it ends a moment later.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}
