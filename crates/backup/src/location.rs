//! Where a repository is, and what opens it.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

use rustic_backend::BackendOptions;
use zeroize::Zeroizing;

use crate::error::BackupError;

/// Where a repository is.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    kind: Kind,
    /// Of the storage; they may be secrets.
    options: BTreeMap<String, String>,
    /// Name and password at a REST server.
    login: (Option<Zeroizing<String>>, Option<Zeroizing<String>>),
}

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Folder(PathBuf),
    /// A REST server of restic's protocol: its URL.
    Rest(String),
    /// An S3-compatible store, as people write it.
    S3(String),
    /// Another storage that OpenDAL knows, by its name there.
    OpenDal(String),
}

/// Begins the names of variables that are handed to the storage as they are: `OPENDAL_BUCKET` is its option `bucket`.
const OPTION_PREFIX: &str = "OPENDAL_";

/// What a place that is no folder gets from variables of these names: the words of AWS and of restic, and the option they are here.
const S3_VARIABLES: [(&str, &str); 5] = [
    ("AWS_ACCESS_KEY_ID", "access_key_id"),
    ("AWS_SECRET_ACCESS_KEY", "secret_access_key"),
    ("AWS_SESSION_TOKEN", "session_token"),
    ("AWS_DEFAULT_REGION", "region"),
    ("AWS_REGION", "region"),
];
const REST_VARIABLES: [(&str, &str); 2] = [("RESTIC_CACERT", "cacert"), ("RESTIC_TLS_CLIENT_CERT", "tls-client-cert")];

/// What is said when the program cannot reach a place because of how it was built.
const NOT_BUILT_IN: &str = "this program was built without the feature `remote-backup` and knows only folders; use one that has it \
    (cargo build --release -p postrider --features remote-backup), or a folder into which the place is mounted";

impl Location {
    /// A folder of this machine, or one that is mounted here.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self::of(Kind::Folder(path.into()))
    }

    fn of(kind: Kind) -> Self {
        Self { kind, options: BTreeMap::new(), login: (None, None) }
    }

    /// What people write, which restic takes too: a path; or, in programs built with the feature `remote`, `rest:https://host/path`,
    /// `s3:https://host/bucket/folder`, or `opendal:scheme` with all else in variables. Secrets have no place in it: see
    /// [`Location::with_variables`].
    ///
    /// # Errors
    /// [`BackupError::BadLocation`] if this program has no access to such places.
    pub fn parse(text: &str) -> Result<Self, BackupError> {
        let bad = |reason: &str| BackupError::BadLocation { location: Self::shown(text), reason: reason.to_owned() };
        if text.is_empty() {
            return Err(bad("it is empty"));
        }
        let (scheme, rest) = match text.split_once(':') {
            Some(("local", path)) => return Ok(Self::folder(path)),
            Some((scheme @ ("rest" | "s3" | "opendal"), rest)) => (scheme, rest),
            Some((scheme, rest)) if rest.starts_with("//") || ["sftp", "rclone"].contains(&scheme) => {
                return Err(bad(
                    "give a folder, `rest:https://host/path`, `s3:https://host/bucket` or `opendal:scheme`",
                ));
            }
            _ => return Ok(Self::folder(text)),
        };
        if !cfg!(feature = "remote") {
            return Err(bad(NOT_BUILT_IN));
        }
        if authority(text).is_some_and(|range| text.get(range).is_some_and(|authority| authority.contains('@'))) {
            return Err(bad(
                "names and passwords do not belong here, where everybody sees them, but into the environment or the access file",
            ));
        }
        let has_protocol = ["https://", "http://"].iter().any(|start| rest.starts_with(start));
        match scheme {
            "rest" if has_protocol => Ok(Self::of(Kind::Rest(rest.to_owned()))),
            "rest" => Err(bad("write it as in rest:https://backup.example.org:8000/mail")),
            "s3" => match s3_options(rest) {
                Some(options) => Ok(Self { options, ..Self::of(Kind::S3(rest.to_owned())) }),
                None => Err(bad("write it as in s3:https://s3.example.org/bucket/folder")),
            },
            _ if rest.is_empty() || !rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => {
                Err(bad("write it as in opendal:azblob, and its options into the environment or the access file"))
            }
            _ => Ok(Self::of(Kind::OpenDal(rest.to_owned()))),
        }
    }

    /// What can be shown of a place as people wrote it: all but what stands before `@` in a URL.
    pub fn shown(text: &str) -> String {
        let Some(range) = authority(text) else { return text.to_owned() };
        let (start, end) = (range.start, range.end);
        let at = text.get(range).and_then(|authority| authority.rfind('@'));
        match (at, text.get(..start), at.and_then(|at| text.get(start + at..end)), text.get(end..)) {
            (Some(_), Some(head), Some(host), Some(tail)) => format!("{head}…{host}{tail}"),
            _ => text.to_owned(),
        }
    }

    /// With what opens the place: those of the variables, of the environment or a file, that are for such a place. Later
    /// ones win.
    ///
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and `AWS_DEFAULT_REGION` are for S3, `RESTIC_REST_USERNAME`,
    /// `RESTIC_REST_PASSWORD`, `RESTIC_CACERT` and `RESTIC_TLS_CLIENT_CERT` for REST servers, and each `OPENDAL_x` is the option `x` of
    /// the storage.
    #[must_use]
    pub fn with_variables(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        for (name, value) in variables {
            let option = match &self.kind {
                Kind::Folder(_) => None,
                Kind::Rest(_) if name == "RESTIC_REST_USERNAME" => {
                    self.login.0 = Some(Zeroizing::new(value));
                    continue;
                }
                Kind::Rest(_) if name == "RESTIC_REST_PASSWORD" => {
                    self.login.1 = Some(Zeroizing::new(value));
                    continue;
                }
                Kind::Rest(_) => named(&REST_VARIABLES, &name).map(str::to_owned),
                Kind::S3(_) => named(&S3_VARIABLES, &name).map(str::to_owned).or_else(|| own_option(&name)),
                Kind::OpenDal(_) => own_option(&name),
            };
            if let Some(option) = option {
                self.options.insert(option, value);
            }
        }
        self
    }

    /// The folder, if it is one.
    pub fn as_folder(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Folder(path) => Some(path),
            Kind::Rest(_) | Kind::S3(_) | Kind::OpenDal(_) => None,
        }
    }

    pub(crate) fn backend_options(&self) -> Result<BackendOptions, BackupError> {
        choose_cryptography();
        let name = match &self.kind {
            Kind::Folder(path) => {
                let path = path.to_str().ok_or_else(|| BackupError::BadLocation {
                    location: self.to_string(),
                    reason: String::from("the path is not UTF-8"),
                })?;
                format!("local:{path}")
            }
            Kind::Rest(url) => format!("rest:{}", self.with_login(url)),
            Kind::S3(_) => String::from("opendal:s3"),
            Kind::OpenDal(scheme) => format!("opendal:{scheme}"),
        };
        let options = BackendOptions::default().repository(name);
        Ok(options.options(self.options.clone()))
    }

    fn with_login(&self, url: &str) -> String {
        let (Some(name), Some((protocol, rest))) = (&self.login.0, url.split_once("//")) else { return url.to_owned() };
        let password = self.login.1.as_ref().map(|password| format!(":{}", encode(password))).unwrap_or_default();
        format!("{protocol}//{}{password}@{rest}", encode(name))
    }
}

/// Some of the storages (FTP) leave the choice to the process, and panic if there is more than one and none was chosen. Whoever
/// chose before keeps it; our own connections name theirs.
fn choose_cryptography() {
    #[cfg(feature = "remote")]
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Where host and port, and what stands before them, are in a URL.
fn authority(text: &str) -> Option<Range<usize>> {
    let start = text.find("//")? + 2;
    let length = text.get(start..)?.find('/');
    Some(start..length.map_or(text.len(), |length| start + length))
}

fn named(names: &[(&str, &'static str)], variable: &str) -> Option<&'static str> {
    names.iter().find(|(name, _)| *name == variable).map(|(_, option)| *option)
}

fn own_option(variable: &str) -> Option<String> {
    variable.strip_prefix(OPTION_PREFIX).filter(|name| !name.is_empty()).map(str::to_ascii_lowercase)
}

/// `https://host:port/bucket/folder`, or the same without the protocol.
fn s3_options(text: &str) -> Option<BTreeMap<String, String>> {
    let (protocol, rest) = text.split_once("//").unwrap_or(("https:", text));
    let mut parts = rest.trim_end_matches('/').splitn(3, '/');
    let (host, bucket) = (parts.next()?, parts.next()?);
    if host.is_empty() || bucket.is_empty() || !["https:", "http:"].contains(&protocol) {
        return None;
    }
    let options = [
        ("endpoint", format!("{protocol}//{host}")),
        ("bucket", bucket.to_owned()),
        ("root", format!("/{}", parts.next().unwrap_or_default())),
        // Most stores do not care; restic assumes it too.
        ("region", String::from("us-east-1")),
    ];
    Some(options.map(|(name, value)| (name.to_owned(), value)).into())
}

/// As it may stand before `@` in a URL (RFC 3986 §3.2.1).
fn encode(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded =
        text.bytes().map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    encoded.collect()
}

/// Options may be secrets and are left out.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Folder(path) => path.display().fmt(f),
            Kind::Rest(url) => write!(f, "rest:{}", Self::shown(url)),
            Kind::S3(place) => write!(f, "s3:{}", Self::shown(place)),
            Kind::OpenDal(scheme) => write!(f, "opendal:{scheme}"),
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

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_path_is_a_folder_and_what_is_not_built_in_is_said() {
        assert_eq!(Location::parse("/srv/safe").unwrap().as_folder(), Some(Path::new("/srv/safe")));
        assert_eq!(Location::parse("local:/srv/a:b").unwrap().as_folder(), Some(Path::new("/srv/a:b")));
        for text in [
            "",
            "s3:bucket",
            "s3:ftp://x/y",
            "sftp://host/x",
            "https://host/x",
            "rest:host/x",
            "opendal:",
            "opendal:s3:x",
        ] {
            assert!(matches!(Location::parse(text), Err(BackupError::BadLocation { .. })), "{text}");
        }
        for text in ["rest:https://x/", "s3:https://x/bucket", "s3:x/bucket/a/b/", "opendal:azblob"] {
            match Location::parse(text) {
                Ok(location) => assert!(cfg!(feature = "remote") && location.as_folder().is_none(), "{text}"),
                Err(error) => {
                    assert!(!cfg!(feature = "remote") && error.to_string().contains("remote-backup"), "{error}")
                }
            }
        }
    }

    #[test]
    fn secrets_do_not_belong_into_a_location_and_are_not_printed() {
        let error = Location::parse("rest:https://me:secret@host/x").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        for (text, shown) in [
            ("rest:https://me:secret@host/x@y", "rest:https://…@host/x@y"),
            ("rest:https://host/x@y", "rest:https://host/x@y"),
            ("s3:https://a:b@c@host", "s3:https://…@host"),
            ("/a/b@c", "/a/b@c"),
        ] {
            assert_eq!(Location::shown(text), shown);
        }
        assert!(!format!("{:?}", Passphrase::new(String::from("secret"))).contains("secret"));
        let place = Location::of(Kind::S3(String::from("https://host/bucket")));
        let place = place.with_variables(variables(&[("AWS_SECRET_ACCESS_KEY", "secret")]));
        assert_eq!(format!("{place} {place:?}"), "s3:https://host/bucket Location(s3:https://host/bucket)");
    }

    #[test]
    fn a_store_in_s3_is_written_as_restic_has_it() {
        let expected = |endpoint: &str, bucket: &str, root: &str| {
            let pairs = [("endpoint", endpoint), ("bucket", bucket), ("root", root), ("region", "us-east-1")];
            Some(variables(&pairs).into_iter().collect::<BTreeMap<_, _>>())
        };
        assert_eq!(s3_options("https://h:9000/b/a/c/"), expected("https://h:9000", "b", "/a/c"));
        assert_eq!(s3_options("s3.amazonaws.com/b"), expected("https://s3.amazonaws.com", "b", "/"));
        for text in ["", "h", "h/", "https:///b", "gopher://h/b"] {
            assert_eq!(s3_options(text), None, "{text}");
        }
    }

    #[test]
    fn each_kind_of_place_takes_its_own_variables_and_later_ones_win() {
        let given = variables(&[
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_REGION", "here"),
            ("AWS_REGION", "there"),
            ("OPENDAL_CONNECTIONS", "4"),
            ("RESTIC_REST_USERNAME", "me@x"),
            ("RESTIC_REST_PASSWORD", "a/b:ü"),
            ("PATH", "/bin"),
        ]);
        let options = |kind: Kind| {
            let backend = Location::of(kind).with_variables(given.clone()).backend_options().unwrap();
            (backend.repository.unwrap(), backend.options)
        };
        let (name, s3) = options(Kind::S3(String::from("h/b")));
        let pairs = [("access_key_id", "id"), ("region", "there"), ("connections", "4")];
        assert_eq!((name.as_str(), s3), ("opendal:s3", variables(&pairs).into_iter().collect()));
        let (name, rest) = options(Kind::Rest(String::from("https://h:8000/mail/")));
        assert_eq!((name.as_str(), rest.len()), ("rest:https://me%40x:a%2Fb%3A%C3%BC@h:8000/mail/", 0));
        let (name, other) = options(Kind::OpenDal(String::from("webdav")));
        assert_eq!((name.as_str(), other.len()), ("opendal:webdav", 1));
        assert_eq!(options(Kind::Folder("/a".into())), (String::from("local:/a"), BTreeMap::new()));
    }
}
