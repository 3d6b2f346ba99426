//! A running server keeps to the configuration that it read last. Where that names another repository than the file does
//! now, a command would make, find or remove backups in a place that nobody meant.

use std::fs;

use anyhow::{Result, anyhow};
use postrider_backup::Location;

use crate::{advice::Advise, backup::SafeStatus, command::Place, control::Control};

/// What is to be known of both before a command goes to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// The file names a repository, the server none.
    Added,
    /// Both name one, and not the same.
    Changed,
}

impl Unread {
    /// What the person is to do.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Added => {
                "the configuration file names a repository, but the running server has not read it yet: send it SIGHUP (systemctl \
                 reload postrider) or restart it, then give this command again"
            }
            Self::Changed => {
                "send the server SIGHUP (systemctl reload postrider) or restart it, then give this command again; if it has its \
                 repository from its environment (POSTRIDER_BACKUP__REPOSITORY), give the same to this command"
            }
        }
    }
}

/// What of the file the server has not read, given what each of the two names; a file that names nothing asks for nothing.
pub fn unread(file: Option<&str>, server: Option<&str>) -> Option<Unread> {
    match (file.map(Location::shown), server) {
        (None, _) => None,
        (Some(_), None) => Some(Unread::Added),
        (Some(file), Some(server)) => (!is_same(&file, server)).then_some(Unread::Changed),
    }
}

/// Whether two names are of one place; a folder may have several, by way of links.
fn is_same(one: &str, other: &str) -> bool {
    let same_folder = || Some(fs::canonicalize(one).ok()? == fs::canonicalize(other).ok()?);
    one == other || same_folder().unwrap_or(false)
}

/// The repository that the configuration file names, if it does.
pub fn named(place: &Place) -> Option<String> {
    place.configuration().ok()?.backup.repository
}

/// Refuses to go on with a server that has not read what the file says of the repository.
pub async fn refuse_unread(place: &Place, mut control: Control) -> Result<Control> {
    // What opens the data itself does so with the file as it is.
    if !matches!(control, Control::Server(_)) {
        return Ok(control);
    }
    let Some(file) = named(place) else { return Ok(control) };
    let status: SafeStatus = control.get("/v1/backup").await?;
    let server = status.repository.as_deref();
    let Some(what) = unread(Some(&file), server) else { return Ok(control) };
    let error = match server {
        None => anyhow!("the running server knows of no place for backups"),
        Some(server) => {
            let file = Location::shown(&file);
            anyhow!("the running server has its backups in {server}, but the configuration names {file}")
        }
    };
    Err(error).advise(what.hint())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_must_know_the_repository_that_the_file_names() {
        for (file, server, expected) in [
            (None, None, None),
            (None, Some("/a"), None),
            (Some("/a"), None, Some(Unread::Added)),
            (Some("/a"), Some("/a"), None),
            (Some("/a"), Some("/b"), Some(Unread::Changed)),
            (Some("s3:https://h/b"), Some("/b"), Some(Unread::Changed)),
            // A name and a password are not told, so they do not count.
            (Some("rest:https://u:p@h/x"), Some("rest:https://…@h/x"), None),
        ] {
            assert_eq!(unread(file, server), expected, "{file:?} {server:?}");
        }
    }

    #[test]
    fn a_folder_is_the_same_by_each_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let (safe, link) = (folder.path().join("safe"), folder.path().join("link"));
        fs::create_dir(&safe).unwrap();
        std::os::unix::fs::symlink(&safe, &link).unwrap();
        let (safe, link) = (safe.to_str().unwrap(), link.to_str().unwrap());
        assert_eq!(unread(Some(safe), Some(link)), None);
        assert_eq!(unread(Some(safe), Some("/nowhere/at/all")), Some(Unread::Changed));
    }
}
