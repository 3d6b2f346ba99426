//! Providers whose endpoints are known, from what they publish.
//!
//! The table holds what works for everybody who registers a client of their own. Yahoo and Fastmail hand out client ids
//! only to programs they have looked at, so a line for them would be of no use to anybody; whoever has one names the issuer or the endpoints.

use super::{AuthorizationServer, OAuthError};

/// Whether a provider lets mail be read by a client that was set up with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceFlow {
    /// It does.
    Offered,
    /// It does not, or not for mail.
    NotForMail,
}

/// A provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provider {
    /// Its name on the command line.
    pub name: &'static str,
    token_endpoint: &'static str,
    authorization_endpoint: &'static str,
    device_endpoint: Option<&'static str>,
    /// What is asked for: mail, and the right to go on without the person.
    pub scope: &'static str,
    /// What the authorization endpoint is told besides.
    pub parameters: &'static [(&'static str, &'static str)],
    /// The name of this machine in the redirect address that clients can register there.
    pub redirect_host: &'static str,
    /// Its IMAP server.
    pub imap_host: &'static str,
}

const PROVIDERS: [Provider; 2] = [
    Provider {
        name: "google",
        token_endpoint: "https://oauth2.googleapis.com/token",
        authorization_endpoint: "https://accounts.google.com/o/oauth2/v2/auth",
        // It has one, but not for the scope that mail needs.
        device_endpoint: None,
        scope: "https://mail.google.com/",
        // Else a second authorization of the same client comes without a refresh token.
        parameters: &[("access_type", "offline"), ("prompt", "consent")],
        redirect_host: "127.0.0.1",
        imap_host: "imap.gmail.com",
    },
    Provider {
        name: "microsoft",
        token_endpoint: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        authorization_endpoint: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
        device_endpoint: Some("https://login.microsoftonline.com/common/oauth2/v2.0/devicecode"),
        scope: "offline_access https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/POP.AccessAsUser.All",
        parameters: &[],
        redirect_host: "localhost",
        imap_host: "outlook.office365.com",
    },
];

impl Provider {
    /// All that are known.
    pub fn all() -> &'static [Self] {
        &PROVIDERS
    }

    /// The one of this name, in any case.
    pub fn find(name: &str) -> Option<&'static Self> {
        PROVIDERS.iter().find(|provider| provider.name.eq_ignore_ascii_case(name))
    }

    /// Whether a client can be set up with a code.
    pub fn device_flow(&self) -> DeviceFlow {
        if self.device_endpoint.is_some() { DeviceFlow::Offered } else { DeviceFlow::NotForMail }
    }

    /// Where it is asked for what.
    ///
    /// # Errors
    /// Never, as the table is tested.
    pub fn server(&self) -> Result<AuthorizationServer, OAuthError> {
        Ok(AuthorizationServer {
            issuer: None,
            token_endpoint: self.token_endpoint.parse()?,
            authorization_endpoint: Some(self.authorization_endpoint.parse()?),
            device_endpoint: self.device_endpoint.map(str::parse).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound_and_found_by_name() {
        for provider in Provider::all() {
            provider.server().unwrap();
            assert_eq!(Provider::find(&provider.name.to_ascii_uppercase()), Some(provider));
        }
        assert_eq!(Provider::find("nobody"), None);
    }
}
