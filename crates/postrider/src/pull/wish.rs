//! What is asked for: `POST /v1/pull`.

use std::{fmt, num::NonZeroU64, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pull to be done.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullWish {
    /// Where the mail is, as in `pop3s://alice@mail.example.org`.
    pub url: String,
    /// The address of the account that gets it.
    pub account: String,
    /// The password there; empty where there are access tokens.
    #[serde(default)]
    pub password: Secret,
    /// Access tokens, to log in with instead of a password.
    #[serde(default)]
    pub oauth2: Option<OAuth2Wish>,
    /// Whether it is only to be said what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// What is compared afterwards.
    #[serde(default)]
    pub verify: Option<Comparison>,
    /// Whose certificate is believed.
    #[serde(default)]
    pub trust: TrustWish,
    /// How the other server is treated.
    #[serde(default)]
    pub manners: Manners,
    /// What holds for POP3 only.
    #[serde(default)]
    pub pop3: Pop3Wish,
    /// What holds for IMAP only.
    #[serde(default)]
    pub imap: ImapWish,
}

/// A secret on its way through the control socket; it does not print itself.
#[derive(Default, Serialize, Deserialize)]
pub struct Secret(String);

/// Where access tokens come from.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OAuth2Wish {
    /// From an authorization in a credential file, which whoever does the work has to be able to read and write.
    File(PathBuf),
    /// This is the only one.
    Token(Secret),
}

impl Secret {
    /// Takes over a secret.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How the other server is treated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Manners {
    /// Bytes that may pass in a second, both ways together.
    pub bytes_per_second_max: Option<NonZeroU64>,
    /// Whether IMAP is left uncompressed even where the server offers to compress.
    pub uncompressed: bool,
    /// Tries in a row that bring nothing before the run is given up.
    pub tries_max: Option<u32>,
    /// Seconds without a byte after which a connection counts as broken.
    pub silence_seconds_max: Option<NonZeroU64>,
    /// Connections at a time, by IMAP.
    pub connections_max: Option<usize>,
}

/// What is compared after fetching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Comparison {
    /// Counts and sizes.
    Listing,
    /// The same, and the content of some, which is fetched again.
    Sample,
    /// All content, which is fetched again.
    Content,
}

/// Whose certificate is believed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrustWish {
    /// Whose authority this machine trusts.
    #[default]
    System,
    /// Whose authority stands in a file.
    Authorities {
        /// The file's name.
        path: PathBuf,
        /// What it holds.
        pem: String,
    },
    /// The one with this SHA-256 fingerprint.
    Pinned(String),
}

/// What holds for POP3 only.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pop3Wish {
    /// The mailbox that gets the mail; INBOX if none is named.
    pub mailbox: Option<String>,
    /// How long mail stays there.
    pub stay: Stay,
    /// When mail that is to stay no longer may be removed there.
    pub removal: RemovalWish,
}

/// When mail is removed on the other server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovalWish {
    /// Once it is surely here.
    #[default]
    AtOnce,
    /// Once a backup holds it, too.
    AfterBackup,
}

/// How long mail stays on the other server once it is here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stay {
    /// As long as nobody else removes it.
    #[default]
    Always,
    /// No longer.
    Never,
    /// So many days.
    Days(u32),
}

/// What holds for IMAP only.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImapWish {
    /// What becomes of changes there.
    pub follow: Follow,
    /// Whether many removals at once are agreed to.
    pub yes: bool,
    /// What becomes of Gmail's labels; none: mailboxes.
    pub gmail_labels: Option<GmailLabels>,
    /// Patterns of mailboxes that are fetched; none: all.
    pub include: Vec<String>,
    /// Patterns of mailboxes that are not fetched.
    pub exclude: Vec<String>,
}

/// What becomes of changes on the other side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Follow {
    /// Nothing is removed here.
    #[default]
    Archive,
    /// An exact copy.
    Mirror,
    /// Both sides follow each other.
    Sync,
}

/// What becomes of Gmail's labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum GmailLabels {
    /// Each is a mailbox.
    Mailboxes,
    /// They are keywords, and each message stands in one mailbox.
    Keywords,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_does_not_print_itself() {
        let json = r#"{"url":"pop3s://a@b","account":"a@b","password":"hunter2"}"#;
        let wish: PullWish = serde_json::from_str(json).unwrap();
        assert_eq!(wish.password.expose(), "hunter2");
        assert!(!format!("{wish:?}").contains("hunter2"));
    }
}
