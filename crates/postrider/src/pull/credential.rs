//! What is logged in with elsewhere: a password, or access tokens.

use std::sync::Arc;

use postrider_pull::{Credential, oauth::Tokens};
use postrider_sasl::Password;

use super::{OAuth2Wish, PullWish, Secret};

impl PullWish {
    /// What to log in with. A credential file is opened by whoever does the work, which is the server while it runs: it gets
    /// new tokens during the run and has to keep them.
    pub fn credential(&self) -> Credential {
        credential(&self.password, self.oauth2.as_ref())
    }
}

/// A password, or access tokens in its place.
pub fn credential(password: &Secret, oauth2: Option<&OAuth2Wish>) -> Credential {
    match oauth2 {
        None => Credential::Password(Password::new(password.expose())),
        Some(OAuth2Wish::File(path)) => Credential::OAuth2(Arc::new(Tokens::kept_in(path))),
        Some(OAuth2Wish::Token(token)) => Credential::OAuth2(Arc::new(Tokens::given(Password::new(token.expose())))),
    }
}
