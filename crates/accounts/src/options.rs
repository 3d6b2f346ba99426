//! What can be set, with defaults for a server of people's mail.

use std::{num::NonZero, thread, time::Duration};

use postrider_sasl::{Limits, Mechanism};

/// How accounts and logins behave.
#[derive(Debug, Clone)]
pub struct AccountsOptions {
    /// The domain that completes a user name or recipient without one. Without it, the only domain there is does.
    pub default_domain: Option<String>,
    /// What separates a local part from its detail (RFC 5233); `None` switches sub-addressing off.
    pub detail_separator: Option<char>,
    /// The login mechanisms offered. Where no SCRAM mechanism is among them, new passwords are stored without SCRAM
    /// keys, which leaves a thief of the store nothing but Argon2id to guess against.
    pub mechanisms: Vec<Mechanism>,
    /// Whether passwords may cross an unprotected connection.
    pub cleartext: Cleartext,
    /// How passwords are hashed.
    pub hashing: HashingOptions,
    /// How failed logins are slowed.
    pub throttle: ThrottleOptions,
    /// How long a verified password is remembered; zero switches this off.
    pub verified_login_lifetime: Duration,
    /// The most verified passwords remembered, in entries of about 150 bytes.
    pub verified_logins_max: usize,
    /// Bounds on login messages.
    pub login_limits: Limits,
    /// The longest password that can be set, in bytes.
    pub password_bytes_max: usize,
    /// The most app passwords of an account.
    pub app_passwords_max: usize,
    /// The longest label of an app password, in bytes.
    pub label_bytes_max: usize,
    /// The most targets of an alias.
    pub alias_targets_max: usize,
    /// The most aliases that lead to one another.
    pub alias_depth_max: usize,
    /// The most accounts that one recipient is delivered to; what is beyond gets nothing.
    pub deliveries_max: usize,
}

impl Default for AccountsOptions {
    fn default() -> Self {
        Self {
            default_domain: None,
            detail_separator: Some('+'),
            mechanisms: Mechanism::ALL.to_vec(),
            cleartext: Cleartext::Refused,
            hashing: HashingOptions::default(),
            throttle: ThrottleOptions::default(),
            verified_login_lifetime: Duration::from_secs(600),
            verified_logins_max: 50_000,
            login_limits: Limits::default(),
            password_bytes_max: 1024,
            app_passwords_max: 100,
            label_bytes_max: 200,
            alias_targets_max: 1000,
            alias_depth_max: 8,
            deliveries_max: 1000,
        }
    }
}

/// Whether passwords may cross an unprotected connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleartext {
    /// PLAIN, LOGIN and POP3's USER need TLS or loopback (RFC 8314 §3.1).
    Refused,
    /// For a network whose privacy is somebody else's care.
    Allowed,
}

/// How passwords are hashed. The defaults are OWASP's minimum for Argon2id.
#[derive(Debug, Clone)]
pub struct HashingOptions {
    /// Memory for one Argon2id computation, in KiB.
    pub memory_kibibytes: u32,
    /// Passes of Argon2id over that memory.
    pub passes: u32,
    /// Lanes of Argon2id.
    pub lanes: u32,
    /// The iterations of SCRAM keys. Every client computes them at every login, on a telephone too, hence fewer than
    /// one would choose for the server alone; RFC 7677 §4 wants at least 4096.
    pub scram_iterations: u32,
    /// The most computations at a time; each takes a core and its memory. Others wait their turn.
    pub concurrency_max: usize,
}

impl Default for HashingOptions {
    fn default() -> Self {
        Self {
            memory_kibibytes: 19 * 1024,
            passes: 2,
            lanes: 1,
            scram_iterations: 10_000,
            concurrency_max: thread::available_parallelism().map_or(1, NonZero::get),
        }
    }
}

/// How failed logins are slowed. A failure is forgiven by time alone.
#[derive(Debug, Clone)]
pub struct ThrottleOptions {
    /// How long the answer to the first failure from an address waits; each further failure doubles it.
    pub delay_first: Duration,
    /// The longest that an answer waits.
    pub delay_max: Duration,
    /// How long it takes until one failure is forgiven.
    pub forgiven_after: Duration,
    /// The failures, less those forgiven, after which an address is refused without a look at its password.
    pub address_failures_max: u32,
    /// The failures on one account, less those forgiven, from which on strangers to it wait before they are heard.
    pub account_failures_free: u32,
    /// How long an address counts as known to an account after a successful login.
    pub known_for: Duration,
    /// The most addresses, accounts, and pairs of the two that are remembered, each; the longest unused go first.
    pub entries_max: usize,
}

impl Default for ThrottleOptions {
    fn default() -> Self {
        Self {
            delay_first: Duration::from_millis(500),
            delay_max: Duration::from_secs(10),
            forgiven_after: Duration::from_secs(60),
            address_failures_max: 20,
            account_failures_free: 5,
            known_for: Duration::from_secs(30 * 24 * 3600),
            entries_max: 20_000,
        }
    }
}
