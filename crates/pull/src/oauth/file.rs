//! The credential file: an authorization as it is kept between runs.
//!
//! It is JSON, readable by its owner alone, and replaced as a whole: what is written lies on the device before it takes the old
//! file's place. Who gets new tokens holds a lock beside it, since some servers take each refresh token only once
//! (RFC 6749 §6, RFC 9700 §4.14) and two at once would lose the right to either.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use postrider_sasl::Password;
use serde::{Deserialize, Serialize};

use super::{AuthorizationServer, ClientIdentity, Granted, OAuthError, now};
use crate::https::{HttpsError, HttpsUrl};

/// The newest form that is understood.
const VERSION: u32 = 1;
/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// How long before its end an access token counts as expired, in seconds: a login takes a while.
const MARGIN_SECONDS: u64 = 60;

/// Where an authorization is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialFile {
    path: PathBuf,
}

/// What is in a credential file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCredential {
    version: u32,
    /// The login name at the mail server, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where tokens come from.
    token_endpoint: String,
    client_id: String,
    #[serde(default, with = "optional_secret", skip_serializing_if = "Option::is_none")]
    client_secret: Option<Password>,
    /// What was asked for.
    #[serde(default)]
    pub scope: String,
    /// A PEM file with the authorities that the authorization server's certificate is judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    #[serde(default, with = "optional_secret", skip_serializing_if = "Option::is_none")]
    refresh_token: Option<Password>,
    #[serde(default, with = "optional_secret", skip_serializing_if = "Option::is_none")]
    access_token: Option<Password>,
    /// Seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_token_ends: Option<u64>,
}

mod optional_secret {
    use postrider_sasl::Password;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(secret: &Option<Password>, serializer: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Password::expose).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Password>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Password::new))
    }
}

impl StoredCredential {
    /// What to keep of an authorization that was just granted.
    pub fn new(server: &AuthorizationServer, client: ClientIdentity, scope: String, granted: Granted) -> Self {
        let mut stored = Self {
            version: VERSION,
            user: None,
            token_endpoint: server.token_endpoint.to_string(),
            client_id: client.id,
            client_secret: client.secret,
            scope,
            ca_file: None,
            refresh_token: None,
            access_token: None,
            access_token_ends: None,
        };
        stored.take(granted);
        stored
    }

    /// Keeps new tokens in place of the old. A refresh token stays good until the server sends another (RFC 6749 §6).
    pub(super) fn take(&mut self, granted: Granted) {
        if granted.refresh_token.is_some() {
            self.refresh_token = granted.refresh_token;
        }
        self.access_token = Some(granted.access_token);
        self.access_token_ends = granted.expires_in.map(|seconds| now().saturating_add(seconds));
    }

    /// Whether it lasts longer than its first access token.
    pub fn has_refresh_token(&self) -> bool {
        self.refresh_token.is_some()
    }

    pub(super) fn refresh_token(&self) -> Option<&Password> {
        self.refresh_token.as_ref()
    }

    /// The access token, if it has not expired and is not the one that was refused.
    pub(super) fn usable_token(&self, refused: Option<&Password>) -> Option<&Password> {
        let is_over = self.access_token_ends.is_some_and(|end| end <= now().saturating_add(MARGIN_SECONDS));
        self.access_token.as_ref().filter(|token| !is_over && Some(*token) != refused)
    }

    pub(super) fn client(&self) -> ClientIdentity {
        ClientIdentity { id: self.client_id.clone(), secret: self.client_secret.clone() }
    }

    pub(super) fn server(&self) -> Result<AuthorizationServer, HttpsError> {
        let token_endpoint: HttpsUrl = self.token_endpoint.parse()?;
        Ok(AuthorizationServer { issuer: None, token_endpoint, authorization_endpoint: None, device_endpoint: None })
    }
}

/// A lock that others wait for; it ends with its value.
#[derive(Debug)]
pub(super) struct Locked(#[expect(dead_code, reason = "held for its lock")] File);

/// A file that is to take the credential file's place. It is made before a server is asked for tokens that could then not be kept.
#[derive(Debug)]
pub(super) struct Replacement {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

impl CredentialFile {
    /// The file of this name, whether it is there or not.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(io::Error) -> OAuthError {
        let path = self.path.clone();
        move |source| OAuthError::File { doing, path, source }
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is not there, not ours alone, or no credential file.
    pub fn read(&self) -> Result<StoredCredential, OAuthError> {
        let file = File::open(&self.path).map_err(self.failed("read"))?;
        // Of what was opened, so that nobody can exchange it in between.
        let mode = file.metadata().map_err(self.failed("read"))?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(OAuthError::OthersCanRead { path: self.path.clone(), mode });
        }
        let mut json = zeroize::Zeroizing::new(Vec::new());
        file.take(FILE_BYTES_MAX).read_to_end(&mut json).map_err(self.failed("read"))?;
        let wrong = |reason: String| OAuthError::NotACredential { path: self.path.clone(), reason };
        // The message of the parser may quote a value, which may be a token.
        let stored: StoredCredential =
            serde_json::from_slice(&json).map_err(|error| wrong(format!("line {} is not understood", error.line())))?;
        if stored.version != VERSION {
            return Err(wrong(format!("its form {} is not understood", stored.version)));
        }
        Ok(stored)
    }

    /// Writes an authorization, in place of an older one if there is one. Any other file is left alone.
    ///
    /// # Errors
    /// When a file is there that is no credential file, or it cannot be written.
    pub fn write(&self, stored: &StoredCredential) -> Result<(), OAuthError> {
        match self.read() {
            Ok(_) => {}
            Err(OAuthError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let _lock = self.lock()?;
        self.replacement()?.put(stored)
    }

    /// Waits until nobody else gets tokens for it.
    pub(super) fn lock(&self) -> Result<Locked, OAuthError> {
        let mut name = self.path.clone().into_os_string();
        name.push(".lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(name);
        let file = file.map_err(self.failed("lock"))?;
        file.lock().map_err(self.failed("lock"))?;
        Ok(Locked(file))
    }

    /// Makes what will take its place.
    pub(super) fn replacement(&self) -> Result<Replacement, OAuthError> {
        // A link stays one.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let mut temporary = path.clone().into_os_string();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        // What a crash left behind; the lock is ours.
        let _ = fs::remove_file(&temporary);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
        Ok(Replacement { file: file.map_err(self.failed("write"))?, temporary, path })
    }
}

impl Replacement {
    /// Puts it in place; when this returns it is there to stay.
    pub(super) fn put(mut self, stored: &StoredCredential) -> Result<(), OAuthError> {
        let outcome = self.try_put(stored);
        outcome.map_err(|source| OAuthError::File { doing: "write", path: self.path.clone(), source })
    }

    fn try_put(&mut self, stored: &StoredCredential) -> io::Result<()> {
        let mut json = zeroize::Zeroizing::new(serde_json::to_vec_pretty(stored)?);
        json.push(b'\n');
        self.file.write_all(&json)?;
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // Once it is in place there is nothing of this name.
        let _ = fs::remove_file(&self.temporary);
    }
}
