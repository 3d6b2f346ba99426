//! The passphrase file of the safe.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use anyhow::{Context, Result, anyhow};
use postrider_accounts::generate_password;
use postrider_backup::Passphrase;

use crate::advice::Advise;

/// Characters of a passphrase that is made here: 150 random bits.
const CHARACTERS: usize = 30;
/// Characters between dashes.
const GROUP: usize = 5;

/// Reads the passphrase: the file's first line, as restic's `--password-file` takes it.
pub fn read(file: &Path) -> Result<Passphrase> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let missing = Err(anyhow!("there is no passphrase file {}", file.display()));
            return missing.advise(
                "run `postrider backup init`, which makes it and the repository; or put back the copy that you kept",
            );
        }
        other => other.with_context(|| format!("cannot read {}", file.display()))?,
    };
    let words = text.trim_end_matches(['\n', '\r']);
    if words.is_empty() || words.contains('\n') {
        let wrong = Err(anyhow!("{} must hold one line", file.display()));
        return wrong.advise("put back the copy that you kept");
    }
    if others_can_read(file) {
        tracing::warn!("others can read the passphrase of the backups: chmod 600 {}", file.display());
    }
    Ok(Passphrase::new(words.to_owned()))
}

/// Makes a file with a passphrase that nobody can guess, unless there is one. Whether it was made.
pub fn make(file: &Path) -> Result<bool> {
    let words = generate_password(CHARACTERS, GROUP)?;
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let written = opened.and_then(|mut made| {
        let written = write_line(&mut made, words.expose()).and_then(|()| made.sync_all());
        // A part of one, as on a full disk, would be taken for a passphrase the next time.
        written.inspect_err(|_| drop(fs::remove_file(file)))
    });
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", file.display())),
    }
}

fn write_line(file: &mut File, line: &str) -> io::Result<()> {
    file.write_all(line.as_bytes())?;
    file.write_all(b"\n")
}

/// Whether a file with a secret in it is open to others.
pub fn others_can_read(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passphrase");
        assert!(make(&file).unwrap());
        let first = fs::read_to_string(&file).unwrap();
        assert_eq!(first.trim_end().len(), 35);
        assert!(!make(&file).unwrap());
        assert_eq!(fs::read_to_string(&file).unwrap(), first);
        assert!(!others_can_read(&file));
        assert!(read(&file).is_ok());
    }

    #[test]
    fn an_empty_file_and_one_of_several_lines_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passphrase");
        let missing = crate::backup::with_advice(&read(&file).unwrap_err());
        assert!(missing.contains("there is no passphrase file") && missing.contains("run `postrider backup init`"));
        for text in ["", "\n", "a\nb\n"] {
            fs::write(&file, text).unwrap();
            assert!(read(&file).is_err(), "{text:?}");
        }
        fs::write(&file, "two words\r\n").unwrap();
        assert!(read(&file).is_ok());
    }
}
