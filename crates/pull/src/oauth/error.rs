//! Why there is no access token.

use std::{io, path::PathBuf};

use crate::https::HttpsError;

/// Why there is no access token.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// A server could not be asked.
    #[error("the authorization server could not be asked")]
    Https(#[from] HttpsError),
    /// The authorization server refuses, by a code of RFC 6749 §5.2 or RFC 8628 §3.5.
    #[error("the authorization server refuses: {code}{}", described(.description))]
    Refused {
        /// The code, as in `invalid_grant`.
        code: String,
        /// What it says beside it.
        description: String,
    },
    /// The authorization server answers what nobody asked for.
    #[error("what the authorization server answers cannot be used: {0}")]
    Answer(String),
    /// The person did not agree.
    #[error("access was denied")]
    Denied,
    /// The person did not agree in time.
    #[error("nobody agreed in time")]
    TooLate,
    /// The credential file can be read by other people on this machine.
    #[error("{} can be read by others (mode {mode:03o})", .path.display())]
    OthersCanRead {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The credential file cannot be read or written.
    #[error("cannot {doing} {}", .path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is no credential file.
    #[error("{} is no credential file of this program: {reason}", .path.display())]
    NotACredential {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The access token is of no use any more, and there is nothing to get another with.
    #[error("the access token in {} is of no use any more, and there is no refresh token beside it", .path.display())]
    NoRefreshToken {
        /// The file.
        path: PathBuf,
    },
    /// The provider has no such way to set up access.
    #[error("{0}")]
    NoSuchWay(String),
    /// The system gave no random numbers, or no port.
    #[error("cannot wait for the browser: {0}")]
    Loopback(String),
}

fn described(description: &str) -> String {
    if description.is_empty() { String::new() } else { format!(" ({description})") }
}

/// Codes for a server's own trouble: RFC 6749 §4.1.2.1 has them for the other endpoint, and servers say them at this one, too.
fn is_passing(code: &str) -> bool {
    matches!(code, "temporarily_unavailable" | "server_error" | "slow_down")
}

impl OAuthError {
    /// Whether what is stored is of no use until it is another one. It is not if a server could not be asked or had a
    /// problem of its own, nor if the file has the wrong permissions.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused { code, .. } => !is_passing(code),
            Self::NotACredential { .. } | Self::NoRefreshToken { .. } | Self::Denied => true,
            _ => false,
        }
    }

    /// Whether to ask the authorization server again later may help.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if is_passing(code))
    }

    /// What to do about it, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        let again = "authorize this program again, with `postrider pull authorize`";
        Some(match self {
            // RFC 6749 §5.2: a refresh token that was withdrawn, has expired or was used by somebody else.
            Self::Refused { code, .. } if code == "invalid_grant" => {
                format!("the provider does not take the stored authorization any more; {again}")
            }
            Self::Refused { code, .. } if matches!(code.as_str(), "invalid_client" | "unauthorized_client") => {
                String::from(
                    "look at --client-id and --client-secret, and at what the provider allows this client to do",
                )
            }
            Self::Refused { code, .. } if code == "invalid_scope" => {
                String::from("look at --scope, and at what the provider allows this client to do")
            }
            Self::OthersCanRead { path, .. } => {
                format!("whoever reads it reads the mail; make it yours alone: chmod 600 {}", path.display())
            }
            Self::File { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => String::from(
                "the file has to belong to the user who fetches mail: while the server runs, that is the server's user",
            ),
            Self::NotACredential { .. } | Self::NoRefreshToken { .. } | Self::Denied | Self::TooLate => {
                again.to_owned()
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_another_authorization_mends_is_a_refusal() {
        let refused = |code: &str| OAuthError::Refused { code: code.to_owned(), description: String::new() };
        let path = PathBuf::from("a");
        for (error, is_refusal) in [
            (refused("invalid_grant"), true),
            (refused("invalid_client"), true),
            (refused("temporarily_unavailable"), false),
            (OAuthError::NoRefreshToken { path: path.clone() }, true),
            (OAuthError::OthersCanRead { path, mode: 0o644 }, false),
            (OAuthError::Https(HttpsError::NotHttps(String::new())), false),
            (OAuthError::Answer(String::new()), false),
        ] {
            assert_eq!(error.is_refusal(), is_refusal, "{error}");
        }
    }
}
