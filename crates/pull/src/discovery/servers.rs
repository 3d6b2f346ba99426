//! What is found: servers, and how one logs in there.

use std::fmt;

use super::Address;
use crate::remote::{Protocol, Remote, Security};

/// What a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
    /// Sending mail (RFC 6409).
    Submission,
}

/// How one logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// With a password, sent or proved.
    Password,
    /// With an access token.
    OAuth2,
    /// In a way that is not possible here.
    Other(String),
}

/// Who tells of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The domain itself, by HTTPS.
    Domain,
    /// The domain's SRV records (RFC 6186).
    Srv,
    /// A database of providers.
    Database,
    /// Whoever takes the domain's mail, by HTTPS.
    Exchanger,
    /// Nobody: the name is a usual one, and such a server answers there.
    Guess,
}

/// A server with TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServer {
    /// What it is for.
    pub service: Service,
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected; never [`Security::Plain`].
    pub security: Security,
    /// The login name.
    pub user: String,
    /// How one logs in, the preferred way first; nothing if that was not told.
    pub authentication: Vec<Authentication>,
    /// Who tells of it.
    pub source: Source,
}

/// How access tokens are had, as somebody tells it. The addresses are as they were told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OAuthDetails {
    /// The authorization server's name.
    pub issuer: Option<String>,
    /// Where a browser is sent.
    pub authorization_endpoint: Option<String>,
    /// Where tokens come from.
    pub token_endpoint: Option<String>,
    /// What is to be asked for.
    pub scope: Option<String>,
    /// A client id that everybody may use.
    pub client_id: Option<String>,
}

impl Service {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Submission => "submission",
        }
    }
}

impl Source {
    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Srv => "srv",
            Self::Database => "database",
            Self::Exchanger => "mx",
            Self::Guess => "guess",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Domain => "the domain itself says so",
            Self::Srv => "an SRV record says so, which nobody has signed",
            Self::Database => "the database of providers says so",
            Self::Exchanger => "whoever takes the domain's mail says so",
            Self::Guess => "the name is a usual one, and a server answers there",
        })
    }
}

impl MailServer {
    /// Whether its name lies in the address's domain, so that its certificate proves that the domain's owner runs or names it.
    pub fn is_under(&self, address: &Address) -> bool {
        let rest = self.host.strip_suffix(address.domain());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// Whether there is a way to log in that this program has.
    pub fn is_usable(&self) -> bool {
        let is_other = |way: &Authentication| matches!(way, Authentication::Other(_));
        self.authentication.is_empty() || !self.authentication.iter().all(is_other)
    }

    /// Whether a token is the first choice, or the only one.
    pub fn prefers_oauth(&self) -> bool {
        let first = self.authentication.iter().find(|way| !matches!(way, Authentication::Other(_)));
        first == Some(&Authentication::OAuth2)
    }

    /// Where mail is fetched from, if this is a server for that.
    pub fn remote(&self) -> Option<Remote> {
        let protocol = match self.service {
            Service::Imap => Protocol::Imap,
            Service::Pop3 => Protocol::Pop3,
            Service::Submission => return None,
        };
        let (host, port, security, user) = (self.host.clone(), self.port, self.security, self.user.clone());
        Some(Remote { protocol, host, port, security, user })
    }
}

impl fmt::Display for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.security == Security::Tls { "TLS" } else { "STARTTLS" };
        write!(f, "{} {}:{} ({how})", self.service.name(), self.host, self.port)
    }
}
