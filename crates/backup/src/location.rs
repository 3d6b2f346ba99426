//! Where a repository is, and what opens it.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use rustic_backend::BackendOptions;
use zeroize::Zeroizing;

use crate::error::BackupError;

/// Where a repository is.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    kind: Kind,
    options: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Folder(PathBuf),
    Remote(String),
}

impl Location {
    /// A folder of this machine, or one that is mounted here.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self { kind: Kind::Folder(path.into()), options: BTreeMap::new() }
    }

    /// What people write: a path; or, in programs built with the feature `remote`, `rest:https://…` or
    /// `opendal:s3` with options for the rest.
    ///
    /// # Errors
    /// [`BackupError::BadLocation`] if this program has no access to such places.
    pub fn parse(text: &str) -> Result<Self, BackupError> {
        let bad = |reason: &str| BackupError::BadLocation { location: text.to_owned(), reason: reason.to_owned() };
        if text.is_empty() {
            return Err(bad("it is empty"));
        }
        match text.split_once(':') {
            Some(("local", path)) => Ok(Self::folder(path)),
            Some(("rest" | "opendal", _)) if cfg!(feature = "remote") => {
                Ok(Self { kind: Kind::Remote(text.to_owned()), options: BTreeMap::new() })
            }
            Some(("rest" | "opendal", _)) => Err(bad("this program was built without the feature `remote`")),
            Some((scheme, rest)) if rest.starts_with("//") || ["s3", "sftp", "rclone"].contains(&scheme) => {
                Err(bad("give a folder, `rest:https://…` or `opendal:…`"))
            }
            _ => Ok(Self::folder(text)),
        }
    }

    /// With an option of the storage, such as `bucket` or `access_key_id`.
    #[must_use]
    pub fn with_option(mut self, name: &str, value: &str) -> Self {
        self.options.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The folder, if it is one.
    pub fn as_folder(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Folder(path) => Some(path),
            Kind::Remote(_) => None,
        }
    }

    pub(crate) fn backend_options(&self) -> Result<BackendOptions, BackupError> {
        let name = match &self.kind {
            Kind::Folder(path) => {
                let path = path.to_str().ok_or_else(|| BackupError::BadLocation {
                    location: self.to_string(),
                    reason: String::from("the path is not UTF-8"),
                })?;
                format!("local:{path}")
            }
            Kind::Remote(name) => name.clone(),
        };
        let options = BackendOptions::default().repository(name);
        Ok(options.options(self.options.clone()))
    }
}

/// Options may be secrets and are left out; so is what stands before `@` in a URL.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Folder(path) => path.display().fmt(f),
            Kind::Remote(name) => match (name.find("//"), name.rfind('@')) {
                (Some(start), Some(at)) if at > start => {
                    let (head, tail) = (name.get(..start + 2), name.get(at..));
                    write!(f, "{}…{}", head.unwrap_or_default(), tail.unwrap_or_default())
                }
                _ => f.write_str(name),
            },
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

/// What opens a repository. It is wiped from memory when it goes, and never printed.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// These words.
    pub fn new(words: String) -> Self {
        Self(Zeroizing::new(words))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_folder_and_what_is_not_built_in_is_said() {
        assert_eq!(Location::parse("/srv/safe").unwrap().as_folder(), Some(Path::new("/srv/safe")));
        assert_eq!(Location::parse("local:/srv/a:b").unwrap().as_folder(), Some(Path::new("/srv/a:b")));
        for text in ["", "s3:bucket", "sftp://host/x", "https://host/x"] {
            assert!(matches!(Location::parse(text), Err(BackupError::BadLocation { .. })), "{text}");
        }
        assert_eq!(Location::parse("rest:https://x/").is_ok(), cfg!(feature = "remote"));
    }

    #[test]
    fn secrets_are_not_printed() {
        let remote = Location { kind: Kind::Remote("rest:https://me:secret@host/x".into()), options: BTreeMap::new() };
        assert_eq!(remote.with_option("key", "secret").to_string(), "rest:https://…@host/x");
        assert!(!format!("{:?}", Passphrase::new(String::from("secret"))).contains("secret"));
    }
}
