//! Why mail could not be fetched. Every message says what failed; [`PullError::hint`] says what to do.

use std::{io, path::PathBuf, time::Duration};

use postrider_sasl::SaslError;
use postrider_store::StoreError;

use crate::connect::{Fingerprint, Stopped};
use crate::counted::counted;
use crate::oauth::OAuthError;

/// Why mail could not be fetched, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The server's name leads nowhere.
    #[error("no address is known for {host}")]
    NameNotFound {
        /// The name.
        host: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Nobody listens there.
    #[error("{host} does not accept connections on port {port}")]
    Refused {
        /// The server.
        host: String,
        /// The port.
        port: u16,
    },
    /// No connection came about in time.
    #[error("{host} did not answer on port {port} within {}", counted(.after.as_secs(), "second"))]
    ConnectTimeout {
        /// The server.
        host: String,
        /// The port.
        port: u16,
        /// How long was waited.
        after: Duration,
    },
    /// Another failure to connect.
    #[error("cannot connect to {host} on port {port}")]
    Connect {
        /// The server.
        host: String,
        /// The port.
        port: u16,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The certificate is not one to be trusted.
    #[error("the certificate of {host} {problem}; its SHA-256 fingerprint is {fingerprint}")]
    Certificate {
        /// The server.
        host: String,
        /// What is wrong with it.
        problem: CertificateProblem,
        /// The certificate that was shown.
        fingerprint: Fingerprint,
    },
    /// TLS could not be begun for another reason.
    #[error("TLS with {host} failed: {reason}")]
    Tls {
        /// The server.
        host: String,
        /// Why.
        reason: String,
    },
    /// The server does not offer TLS where it was demanded.
    #[error("the server does not offer {command}, so the password and the mail would go over the wire readable")]
    NoStartTls {
        /// `STLS` or `STARTTLS`.
        command: &'static str,
    },
    /// The server said more than the answer to the command that begins TLS, which only somebody in between would do.
    #[error("something was sent between {command} and TLS, which may be an attack")]
    StartTlsInjection {
        /// `STLS` or `STARTTLS`.
        command: &'static str,
    },
    /// The file with certificate authorities cannot be read or holds none.
    #[error("cannot use {path}: {reason}")]
    AuthorityFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// This machine trusts nobody, so nobody can be verified.
    #[error("this machine has no list of certificate authorities: {0}")]
    NoAuthorities(String),
    /// Nothing came for a long time.
    #[error("the server fell silent for {}", counted(.after.as_secs(), "second"))]
    Silence {
        /// How long was waited.
        after: Duration,
    },
    /// The server closed the connection in the middle.
    #[error("the server closed the connection")]
    Closed,
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    /// The user name or the password is wrong.
    #[error("the server refused the login: {text}")]
    Credentials {
        /// What it said.
        text: String,
    },
    /// The server takes no access token that is to be had.
    #[error("the server refused the access token: {text}")]
    Token {
        /// What it said.
        text: String,
    },
    /// There is no access token.
    #[error("there is no access token to log in with")]
    OAuth(#[from] OAuthError),
    /// The connection is not encrypted, and everybody between could use the access token.
    #[error("an access token is not sent over a connection that is not encrypted")]
    TokenInTheClear,
    /// Somebody else is using the mailbox.
    #[error("the mailbox is in use by another program: {text}")]
    InUse {
        /// What the server said.
        text: String,
    },
    /// The server wants to be left alone for a while.
    #[error("the server asks to wait: {text}")]
    Throttled {
        /// What it said.
        text: String,
    },
    /// The server cannot now.
    #[error("the server has a problem that should pass: {text}")]
    Temporary {
        /// What it said.
        text: String,
    },
    /// The server refused a command.
    #[error("the server refused {command}: {text}")]
    Command {
        /// What was asked.
        command: &'static str,
        /// What it said.
        text: String,
    },
    /// The server offers no way to log in that is possible here.
    #[error("the server offers no way to log in that this program can take; it offers: {offered}")]
    NoLogin {
        /// What it offers.
        offered: String,
    },
    /// The login exchange went wrong on the way.
    #[error("the login failed")]
    Login(#[from] SaslError),
    /// A name or a password cannot be sent.
    #[error("the {what} holds characters that cannot be sent, such as a line end")]
    Unsayable {
        /// `user name` or `password`.
        what: &'static str,
    },
    /// What answers does not keep to the protocol.
    #[error("what answers does not speak {protocol}: {what}")]
    Protocol {
        /// `POP3` or `IMAP`.
        protocol: &'static str,
        /// What it did.
        what: String,
    },
    /// A bound was exceeded by the server.
    #[error("the server sent {what}, more than is accepted")]
    TooMuch {
        /// What there was too much of.
        what: String,
    },
    /// The mailbox to fill is not there and cannot be made, or the like.
    #[error("the mail cannot be stored")]
    Store(#[from] StoreError),
    /// A note of an earlier run cannot be read.
    #[error("what was noted of an earlier run cannot be read; it is of a newer version of this program, or damaged")]
    Memory,
    /// It was asked to stop.
    #[error("the run was asked to stop; what was fetched so far is here")]
    Stopped,
    /// It was not allowed to go on.
    #[error("{0}")]
    Refusal(String),
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateProblem {
    /// Nobody who is trusted here signed it.
    #[error("is signed by nobody whom this machine trusts")]
    UnknownAuthority,
    /// It is for other names.
    #[error("is for another name")]
    WrongName,
    /// Its time is over.
    #[error("has expired")]
    Expired,
    /// Its time has not begun.
    #[error("is not valid yet")]
    NotYetValid,
    /// It was taken back.
    #[error("was revoked")]
    Revoked,
    /// It is not the one that was pinned.
    #[error("is not the one that was pinned")]
    NotPinned,
    /// It breaks a rule.
    #[error("cannot be used ({0})")]
    Unusable(String),
}

impl PullError {
    /// Whether the login was refused in such a way that it would be again: with the same password or authorization there is no point
    /// in another try, and providers lock accounts for many.
    pub fn is_login_refused(&self) -> bool {
        match self {
            Self::Credentials { .. } | Self::Token { .. } => true,
            Self::OAuth(error) => error.is_refusal(),
            _ => false,
        }
    }

    /// What to do about it, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NameNotFound { .. } => {
                "look whether the server's name is written right, and whether this machine is online"
            }
            Self::Refused { .. } => {
                "look whether server and port are right: pop3s is usually on port 995, imaps on 993, pop3 with STLS on 110"
            }
            Self::ConnectTimeout { .. } => "the server may be down, or a firewall in between; try again later",
            Self::Certificate { fingerprint, problem, .. } => return Some(certificate_hint(problem, fingerprint)),
            Self::Tls { .. } => {
                "if the server begins in the clear, write pop3:// or imap:// (TLS by command); pop3s and imaps begin with TLS"
            }
            Self::NoStartTls { .. } => {
                "write pop3s:// or imaps:// if the server speaks TLS from the start; with ?security=none at the end of the URL \
                 the connection is readable for everybody in between"
            }
            Self::NoAuthorities(_) => "install the package ca-certificates, or give --ca-file or --fingerprint",
            Self::Silence { .. } | Self::Closed | Self::Broken(_) => {
                "run the same command again: it goes on where this run ended"
            }
            Self::Credentials { .. } => {
                "look at user name and password; many providers want the whole address as the name (in a URL: \
                 alice%40example.org@host), want a password made for this program (app password), or \
                 have POP3 and IMAP switched off until it is allowed in their settings"
            }
            Self::Token { .. } => {
                "look whether the user name is that of the authorization and whether its scope covers IMAP or POP3, which may \
                 be switched off for the mailbox; else authorize again, with `postrider pull authorize`"
            }
            Self::OAuth(error) => return error.hint(),
            Self::TokenInTheClear => "leave ?security=none out",
            Self::InUse { .. } => {
                "wait until the other program is done, often some minutes, and run the same command again"
            }
            Self::Throttled { .. } | Self::Temporary { .. } => "run the same command again in a quarter of an hour",
            Self::NoLogin { .. } => "the provider may offer another login over TLS: write pop3s:// or imaps://",
            Self::Protocol { .. } => {
                "look whether the port is right: imaps is usually on port 993, imap on 143, pop3s on 995, pop3 on 110"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

fn certificate_hint(problem: &CertificateProblem, fingerprint: &Fingerprint) -> String {
    match problem {
        CertificateProblem::NotPinned => {
            "ask whoever runs the server whether the certificate was renewed; if so, give the new fingerprint"
                .to_owned()
        }
        _ => format!(
            "if whoever runs the server confirms this fingerprint, trust just this certificate with --fingerprint {fingerprint}; \
             for an authority of your own give --ca-file FILE"
        ),
    }
}

impl From<io::Error> for PullError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Closed,
            io::ErrorKind::TimedOut => match error.get_ref().and_then(|inner| inner.downcast_ref::<Silent>()) {
                Some(silent) => Self::Silence { after: silent.0 },
                None => Self::Broken(error),
            },
            io::ErrorKind::ConnectionAborted if error.get_ref().is_some_and(|inner| inner.is::<Stopped>()) => {
                Self::Stopped
            }
            _ => Self::Broken(error),
        }
    }
}

/// The cause inside an I/O error that says that nothing came for so long.
#[derive(Debug, thiserror::Error)]
#[error("nothing came for {}", counted(.0.as_secs(), "second"))]
pub(crate) struct Silent(pub(crate) Duration);
