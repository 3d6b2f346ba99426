//! What goes over the control socket, version 1.

use postrider_accounts::{AccountSettings, Pop3Delete};
use serde::{Deserialize, Serialize};

/// A new account: `POST /v1/accounts`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountBody {
    pub address: String,
    pub password: String,
}

/// An account in `GET /v1/accounts`.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountSummary {
    pub id: u32,
    pub address: String,
    /// Seconds since 1970 (UTC).
    pub created: u64,
    pub app_passwords: usize,
    pub settings: AccountSettings,
}

/// Changes of an account's settings: `PATCH /v1/accounts/{address}/settings`. What is left out stays.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsBody {
    pub pop3_delete: Option<Pop3Delete>,
    /// 0 returns to the server's default.
    pub pop3_login_delay_seconds: Option<u32>,
    /// 0 returns to the server's default.
    pub quota_bytes: Option<u64>,
}

/// A new password: `PUT /v1/accounts/{address}/password`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    pub password: String,
}

/// A wish for an app password: `POST /v1/accounts/{address}/app-passwords`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppPasswordBody {
    pub label: String,
}

/// The answer to it; the password is shown this once.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewAppPassword {
    pub label: String,
    pub password: String,
}

/// An app password in `GET /v1/accounts/{address}/app-passwords`.
#[derive(Debug, Serialize, Deserialize)]
pub struct AppPasswordSummary {
    pub label: String,
    /// Seconds since 1970 (UTC).
    pub created: u64,
}

/// A new alias: `POST /v1/aliases`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AliasBody {
    pub alias: String,
    pub targets: Vec<String>,
}

/// An alias in `GET /v1/aliases`.
#[derive(Debug, Serialize, Deserialize)]
pub struct AliasSummary {
    pub alias: String,
    pub targets: Vec<String>,
}

/// How to check: `POST /v1/check`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckBody {
    pub rebuild: bool,
}

/// `GET /v1/status`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    /// What the running server says; nothing if the data folder was opened without one.
    pub server: Option<ServerStatus>,
    pub accounts: usize,
    pub engine: String,
    pub bytes_on_disk: u64,
    pub bytes_dead: u64,
    pub commits: u64,
}

/// The running server in [`Status`].
#[derive(Debug, Serialize, Deserialize)]
pub struct ServerStatus {
    pub hostname: String,
    pub uptime_seconds: u64,
    pub connections: usize,
    pub listening: Vec<ListeningStatus>,
}

/// One address the server listens on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListeningStatus {
    pub protocol: String,
    pub address: String,
}

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub error: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
