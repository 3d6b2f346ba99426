//! Refuses network file systems, on which neither LMDB's locks nor its map can be trusted.
//!
//! Linux tells the kind of every mount in `/proc/self/mountinfo`; where there is no such file, nothing is refused.

use std::{fs, path::Path};

use postrider_engine::EngineError;

/// File systems whose files another machine may change.
const NETWORK: &[&str] = &[
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "afs",
    "coda",
    "ncpfs",
    "glusterfs",
    "fuse.glusterfs",
    "fuse.sshfs",
    "fuse.s3fs",
    "fuse.rclone",
    "fuse.davfs",
    "davfs",
    "lustre",
    "beegfs",
];

/// Fails if `folder`, an absolute path, lies on a network file system.
pub(crate) fn refuse_network_file_system(folder: &Path) -> Result<(), EngineError> {
    let Ok(mounts) = fs::read_to_string("/proc/self/mountinfo") else { return Ok(()) };
    match kind_at(&mounts, folder) {
        Some(kind) if NETWORK.contains(&kind) => Err(EngineError::Io(format!(
            "{}: this is a network file system ({kind}), which cannot keep a memory-mapped store safe; \
             choose a folder on a local disk",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

/// The kind of the file system that is mounted over `folder`. See proc_pid_mountinfo(5): the fifth field is the mount
/// point, and the kind follows a lone hyphen.
fn kind_at<'m>(mounts: &'m str, folder: &Path) -> Option<&'m str> {
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let Some((mount, system)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(kind)) = (mount.split(' ').nth(4), system.split(' ').next()) else { continue };
        // A space in a mount point is written as an octal escape.
        let point = point.replace("\\040", " ");
        let depth = Path::new(&point).components().count();
        // Of two mounts on one point the later hides the earlier.
        if folder.starts_with(&point) && best.is_none_or(|(deepest, _)| depth >= deepest) {
            best = Some((depth, kind));
        }
    }
    best.map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_decides() {
        let mounts = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
            30 22 0:40 / /srv/mail rw - nfs4 host:/mail rw\n\
            31 30 8:2 / /srv/mail/local\\040disk rw shared:2 master:1 - xfs /dev/sdb rw\n\
            garbage\n\
            32 22 0:41 / /tmp rw - nfs a rw\n33 22 0:42 / /tmp rw - tmpfs b rw\n";
        for (folder, kind) in [
            ("/", "ext4"),
            ("/srv", "ext4"),
            ("/srv/mailbox", "ext4"),
            ("/srv/mail/a/b", "nfs4"),
            ("/srv/mail/local disk/a", "xfs"),
            ("/tmp/x", "tmpfs"),
        ] {
            assert_eq!(kind_at(mounts, Path::new(folder)), Some(kind), "{folder}");
        }
        assert_eq!(kind_at("", Path::new("/")), None);
    }
}
