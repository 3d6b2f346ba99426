//! Access tokens for a login: those at hand, and new ones when they are of no use any more (RFC 6749 §6).

use std::{fs, path::PathBuf};

use postrider_sasl::Password;

use super::{CredentialFile, OAuthError, StoredCredential, file::Locked, token};
use crate::{
    connect::Trust,
    https::{HttpsClient, HttpsOptions},
};

/// Where a login gets its access tokens.
#[derive(Debug)]
pub struct Tokens(Source);

#[derive(Debug)]
enum Source {
    /// One token, which somebody else got.
    Given(Password),
    Kept {
        file: CredentialFile,
        https: Box<HttpsOptions>,
    },
}

impl Tokens {
    /// This token and no other.
    pub fn given(token: Password) -> Self {
        Self(Source::Given(token))
    }

    /// Those of a credential file, which is rewritten when new ones come.
    pub fn kept_in(path: impl Into<PathBuf>) -> Self {
        Self::kept_with(CredentialFile::at(path), HttpsOptions::default())
    }

    /// The same, with other options for asking the authorization server.
    pub fn kept_with(file: CredentialFile, https: HttpsOptions) -> Self {
        Self(Source::Kept { file, https: Box::new(https) })
    }

    /// A token that should be good.
    ///
    /// # Errors
    /// When there is none, and none is to be had.
    pub async fn access(&self) -> Result<Password, OAuthError> {
        match &self.0 {
            Source::Given(token) => Ok(token.clone()),
            Source::Kept { file, https } => match read(file).await?.usable_token(None) {
                Some(token) => Ok(token.clone()),
                None => refresh(file, https, None).await,
            },
        }
    }

    /// Another token than the one that a mail server has refused; `None` if there cannot be another.
    ///
    /// # Errors
    /// When the authorization server gives none.
    pub async fn renew(&self, refused: &Password) -> Result<Option<Password>, OAuthError> {
        match &self.0 {
            Source::Given(_) => Ok(None),
            Source::Kept { file, .. } if !read(file).await?.has_refresh_token() => Ok(None),
            Source::Kept { file, https } => refresh(file, https, Some(refused)).await.map(Some),
        }
    }
}

/// Runs what waits for the disk or a lock where that holds nobody up.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OAuthError> + Send + 'static,
) -> Result<T, OAuthError> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.unwrap_or_else(|_| Err(OAuthError::Answer(String::from("the program ends"))))
}

async fn read(file: &CredentialFile) -> Result<StoredCredential, OAuthError> {
    let file = file.clone();
    aside(move || file.read()).await
}

async fn refresh(
    file: &CredentialFile,
    https: &HttpsOptions,
    refused: Option<&Password>,
) -> Result<Password, OAuthError> {
    let locking = file.clone();
    let lock = aside(move || locking.lock()).await?;
    let mut stored = read(file).await?;
    // Whoever held the lock before may have got one for us, too.
    if let Some(token) = stored.usable_token(refused) {
        return Ok(token.clone());
    }
    let Some(refresh_token) = stored.refresh_token().cloned() else {
        return Err(OAuthError::NoRefreshToken { path: file.path().to_owned() });
    };
    let replacing = file.clone();
    let replacement = aside(move || replacing.replacement()).await?;
    let client = stored.client();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose())];
    let granted = token::ask(&client_for(&stored, https)?, &stored.server()?, &client, &fields).await?;
    let token = granted.access_token.clone();
    stored.take(granted);
    // The old refresh token may be worth nothing from here on: the new one is safe before anything is done with it.
    aside(move || {
        let _lock: Locked = lock;
        replacement.put(&stored)
    })
    .await?;
    Ok(token)
}

fn client_for(stored: &StoredCredential, https: &HttpsOptions) -> Result<HttpsClient, OAuthError> {
    let mut https = https.clone();
    if let Some(path) = &stored.ca_file {
        let read = fs::read(path);
        let pem = read.map_err(|source| OAuthError::File { doing: "read", path: path.clone(), source })?;
        https.connect.trust = Trust::Authorities { path: path.clone(), pem };
    }
    Ok(HttpsClient::new(https))
}
