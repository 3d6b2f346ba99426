//! `[login]`: mechanisms, password hashing, and what slows guessing down.

use std::time::Duration;

use postrider_accounts::{AccountsOptions, Cleartext, HashingOptions, Mechanism, ThrottleOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const DAY_SECONDS: u64 = 24 * 3600;

/// How people prove who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Login {
    /// The domain that completes a user name without one, as in `alice` for `alice@example.org`. Left out, it works if all
    /// accounts share one domain.
    pub default_domain: Option<String>,
    /// What separates an address from a detail that does not change where mail goes, as in `alice+shop@example.org`. One
    /// character; empty to switch it off.
    pub detail_separator: String,
    /// The login mechanisms offered.
    pub mechanisms: Vec<String>,
    /// Whether passwords may cross a connection without TLS. Only for a network whose privacy is somebody else's care.
    pub plaintext_without_tls: bool,
    /// Seconds a right password is remembered (hashed, in memory), so that the next login need not compute it again; 0 for never.
    pub verified_seconds: u64,
    /// Right passwords remembered.
    pub verified_logins_max: usize,
    /// Memory for hashing one password with Argon2id, in KiB. Passwords are hashed anew when they are next set.
    pub hash_memory_kibibytes: u32,
    /// Passes of Argon2id over that memory.
    pub hash_passes: u32,
    /// Lanes of Argon2id.
    pub hash_lanes: u32,
    /// Password hashes computed at one time. Left out, as many as there are processors.
    pub hashes_at_once_max: Option<usize>,
    /// Iterations for SCRAM, which every mail program computes at every login.
    pub scram_iterations: u32,
    /// Milliseconds the answer to an address's first failed login waits; each further failure doubles it.
    pub delay_first_milliseconds: u64,
    /// Seconds the answer to a failed login waits at most.
    pub delay_seconds_max: u64,
    /// Seconds after which one failure is forgiven.
    pub forgiven_seconds: u64,
    /// Failures after which an address is refused without a look at its password.
    pub address_failures_max: u32,
    /// Failures on one account from which on addresses that never logged in to it have to wait.
    pub account_failures_free: u32,
    /// Days an address counts as known to an account after a login.
    pub known_days: u64,
    /// The longest password, in bytes.
    pub password_bytes_max: usize,
    /// App passwords of one account.
    pub app_passwords_max: usize,
    /// Targets of one alias.
    pub alias_targets_max: usize,
    /// Aliases that lead to one another.
    pub alias_depth_max: usize,
    /// Accounts that one recipient is delivered to.
    pub deliveries_max: usize,
}

impl Default for Login {
    fn default() -> Self {
        let accounts = AccountsOptions::default();
        let (hashing, throttle) = (&accounts.hashing, &accounts.throttle);
        Self {
            default_domain: accounts.default_domain.clone(),
            detail_separator: accounts.detail_separator.map(String::from).unwrap_or_default(),
            mechanisms: accounts.mechanisms.iter().map(|mechanism| mechanism.name().to_owned()).collect(),
            plaintext_without_tls: accounts.cleartext == Cleartext::Allowed,
            verified_seconds: accounts.verified_login_lifetime.as_secs(),
            verified_logins_max: accounts.verified_logins_max,
            hash_memory_kibibytes: hashing.memory_kibibytes,
            hash_passes: hashing.passes,
            hash_lanes: hashing.lanes,
            hashes_at_once_max: None,
            scram_iterations: hashing.scram_iterations,
            delay_first_milliseconds: u64::try_from(throttle.delay_first.as_millis()).unwrap_or(u64::MAX),
            delay_seconds_max: throttle.delay_max.as_secs(),
            forgiven_seconds: throttle.forgiven_after.as_secs(),
            address_failures_max: throttle.address_failures_max,
            account_failures_free: throttle.account_failures_free,
            known_days: throttle.known_for.as_secs() / DAY_SECONDS,
            password_bytes_max: accounts.password_bytes_max,
            app_passwords_max: accounts.app_passwords_max,
            alias_targets_max: accounts.alias_targets_max,
            alias_depth_max: accounts.alias_depth_max,
            deliveries_max: accounts.deliveries_max,
        }
    }
}

impl Login {
    /// The accounts' own options. What cannot be meant is reported by [`Login::problems`] before.
    pub fn options(&self) -> AccountsOptions {
        let defaults = AccountsOptions::default();
        let mut login_limits = defaults.login_limits.clone();
        login_limits.password_bytes_max = self.password_bytes_max;
        AccountsOptions {
            default_domain: self.default_domain.clone(),
            detail_separator: self.detail_separator.chars().next(),
            mechanisms: self.mechanisms.iter().filter_map(|name| Mechanism::parse(name)).collect(),
            cleartext: if self.plaintext_without_tls { Cleartext::Allowed } else { Cleartext::Refused },
            hashing: HashingOptions {
                memory_kibibytes: self.hash_memory_kibibytes,
                passes: self.hash_passes,
                lanes: self.hash_lanes,
                scram_iterations: self.scram_iterations,
                concurrency_max: self.hashes_at_once_max.unwrap_or(defaults.hashing.concurrency_max),
            },
            throttle: ThrottleOptions {
                delay_first: Duration::from_millis(self.delay_first_milliseconds),
                delay_max: Duration::from_secs(self.delay_seconds_max),
                forgiven_after: Duration::from_secs(self.forgiven_seconds),
                address_failures_max: self.address_failures_max,
                account_failures_free: self.account_failures_free,
                known_for: Duration::from_secs(self.known_days.saturating_mul(DAY_SECONDS)),
                ..defaults.throttle
            },
            verified_login_lifetime: Duration::from_secs(self.verified_seconds),
            verified_logins_max: self.verified_logins_max,
            login_limits,
            password_bytes_max: self.password_bytes_max,
            app_passwords_max: self.app_passwords_max,
            label_bytes_max: defaults.label_bytes_max,
            alias_targets_max: self.alias_targets_max,
            alias_depth_max: self.alias_depth_max,
            deliveries_max: self.deliveries_max,
        }
    }

    /// One line for each value that cannot be meant.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.detail_separator.chars().count() > 1 {
            problems.push("login.detail_separator: must be one character or none".to_owned());
        }
        let known = || Mechanism::ALL.iter().map(|mechanism| mechanism.name()).collect::<Vec<_>>().join(", ");
        for name in self.mechanisms.iter().filter(|name| Mechanism::parse(name).is_none()) {
            problems.push(format!("login.mechanisms: {name:?} is none of {}", known()));
        }
        if self.mechanisms.is_empty() {
            problems.push(format!("login.mechanisms: nobody could log in; known are {}", known()));
        }
        // RFC 7677 §4; clients refuse fewer.
        if self.scram_iterations < 4096 {
            problems.push("login.scram_iterations: mail programs refuse fewer than 4096".to_owned());
        }
        problems
    }
}
