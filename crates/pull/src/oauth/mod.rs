//! Logging in with OAuth 2.0: access tokens, where they come from, and how this program is given the right to get them.
//!
//! An authorization is set up once, by a person with a browser ([`begin_device`], [`begin_code`]), and lies in a
//! [`CredentialFile`] from then on. [`Tokens`] hands out access tokens from it and gets new ones when the old have expired or a
//! mail server refuses them.
//!
//! Decided: an authorization is this program's only if its user registered it as a client; nobody's client id is built in.
//! What it does not know: who shows the code or opens the browser, and which mail server a token is for.

mod code;
mod device;
mod error;
mod file;
mod metadata;
mod provider;
mod refusal;
mod token;
mod tokens;

#[cfg(test)]
mod tests;

use postrider_sasl::Password;

pub(crate) use self::refusal::refusal_text;
pub use self::{
    code::{CodeOptions, CodeRequest, begin_code},
    device::{DeviceRequest, begin_device},
    error::OAuthError,
    file::{CredentialFile, StoredCredential},
    metadata::fetch_metadata,
    provider::{DeviceFlow, Provider},
    token::Granted,
    tokens::Tokens,
};

use crate::{
    error::PullError,
    https::HttpsUrl,
    remote::{Credential, Remote, Security},
};

/// Where an authorization server is asked for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationServer {
    /// Its name, where it is known (RFC 8414 §2).
    pub issuer: Option<String>,
    /// Where tokens come from (RFC 6749 §3.2).
    pub token_endpoint: HttpsUrl,
    /// Where a person's browser is sent (RFC 6749 §3.1).
    pub authorization_endpoint: Option<HttpsUrl>,
    /// Where codes for another device's browser come from (RFC 8628 §3.1).
    pub device_endpoint: Option<HttpsUrl>,
}

/// As whom this program is registered with an authorization server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The client id.
    pub id: String,
    /// What some servers call a secret, though programs on people's machines cannot keep one (RFC 8252 §8.5).
    pub secret: Option<Password>,
}

impl ClientIdentity {
    /// RFC 6749 §2.3.1: in the form, as public clients and those with a secret may both do.
    fn fields(&self) -> Vec<(&str, &str)> {
        let secret = self.secret.iter().map(|secret| ("client_secret", secret.expose()));
        std::iter::once(("client_id", self.id.as_str())).chain(secret).collect()
    }
}

/// How much of a server's text is shown, in characters.
const SHOWN_CHARS_MAX: usize = 300;

/// A server's text as it may be shown: of bounded length, and without what a terminal would take for orders.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Seconds since 1970.
fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Credential {
    /// Refuses to send an access token where others can read it (RFC 6750 §5.3); nothing but TLS and this machine itself is private.
    pub(crate) fn check_privacy(&self, remote: &Remote) -> Result<(), PullError> {
        let is_private = remote.security != Security::Plain || remote.is_loopback();
        if matches!(self, Self::OAuth2(_)) && !is_private { Err(PullError::TokenInTheClear) } else { Ok(()) }
    }
}
