//! The passphrase file of the safe.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use anyhow::{Context, Result, anyhow};
use postrider_backup::Passphrase;

use crate::advice::Advise;

/// 32 characters that are not mistaken for one another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Characters of a passphrase that is made here: 150 random bits.
const CHARACTERS: usize = 30;
/// Characters between dashes.
const GROUP: usize = 5;

/// Reads the passphrase: the file's first line, as restic's `--password-file` takes it.
pub fn read(file: &Path) -> Result<Passphrase> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let missing = Err(anyhow!("there is no passphrase file {}", file.display()));
            return missing.advise("postrider backup init makes it; or put back the copy that you kept");
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
    let mut random = [0_u8; CHARACTERS];
    getrandom::fill(&mut random).map_err(|error| anyhow!("the system gives no random numbers: {error}"))?;
    let mut words = String::with_capacity(CHARACTERS + CHARACTERS / GROUP + 1);
    for (position, byte) in random.iter().enumerate() {
        if position > 0 && position % GROUP == 0 {
            words.push('-');
        }
        // 256 is a multiple of 32, so every character is equally likely.
        words.extend(ALPHABET.get(usize::from(byte % 32)).map(|character| char::from(*character)));
    }
    words.push('\n');
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    match opened.and_then(|mut file| file.write_all(words.as_bytes()).and_then(|()| file.sync_all())) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", file.display())),
    }
}

fn others_can_read(file: &Path) -> bool {
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
        assert!(read(&file).is_err());
        for text in ["", "\n", "a\nb\n"] {
            fs::write(&file, text).unwrap();
            assert!(read(&file).is_err(), "{text:?}");
        }
        fs::write(&file, "two words\r\n").unwrap();
        assert!(read(&file).is_ok());
    }
}
