//! Logging in with a user name and a password.
//!
//! Whatever is wrong, the client learns one thing, [`LoginError::Failed`], after the same work: an unknown user costs an
//! Argon2id computation as a wrong password does.

use std::{net::IpAddr, sync::Arc, time::Duration};

use postrider_sasl::Password;
use tokio::time;

use crate::{
    AccountId, AccountSettings, Accounts, AccountsError, Cleartext, app_password,
    directory::{self, Account},
    throttle::{Mark, Visitor},
};

/// How often a password is verified again when its account was changed meanwhile.
const TRIES_MAX: usize = 3;

/// What a client logs in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Mail access by IMAP.
    Imap,
    /// Mail access by POP3.
    Pop3,
    /// Submission of mail by SMTP.
    Submission,
}

/// The connection that a client logs in on.
#[derive(Debug, Clone)]
pub struct LoginConnection {
    /// The client's address.
    pub address: IpAddr,
    /// What it logs in to.
    pub service: Service,
    /// Whether nobody can listen: TLS, or loopback.
    pub protected: bool,
    /// Whether a login can be bound to the connection, now or as soon as its handshake is over.
    pub can_bind_channel: bool,
    /// The TLS connection's `tls-exporter` value (RFC 9266), where there is one.
    pub channel_binding: Option<[u8; 32]>,
}

/// A client that has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The account.
    pub account: AccountId,
    /// The account's address.
    pub address: String,
    /// The account's settings, as they were at the login.
    pub settings: AccountSettings,
    /// The label of the app password, if it was one.
    pub app_password: Option<String>,
}

/// Why a login did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoginError {
    /// User name, password, or the right to act for somebody else: which of them is nobody's business.
    #[error("authentication failed")]
    Failed,
    /// Too many failures; nothing was looked at.
    #[error("too many failed logins, try again in {} seconds", retry_after.as_secs())]
    Throttled {
        /// How long until a try is heard again.
        retry_after: Duration,
    },
    /// The mechanism sends the password, and the connection is not protected.
    #[error("the connection is not protected")]
    PrivacyRequired,
    /// The mechanism is unknown, or not offered on this connection.
    #[error("no such mechanism")]
    UnknownMechanism,
    /// The client's message does not follow the mechanism.
    #[error("malformed authentication message")]
    Malformed,
    /// The client gave up (`*`); protocols report this themselves.
    #[error("authentication cancelled")]
    Cancelled,
    /// The server could not do its part; the client may try again later.
    #[error("authentication is not available: {0}")]
    Unavailable(#[from] AccountsError),
}

/// One try to log in.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// The user name in normal form, or as given where it has none.
    pub(crate) user: String,
    pub(crate) visitor: Visitor,
}

impl Accounts {
    /// Checks a user name and a password, as POP3's USER and PASS, IMAP's LOGIN, PLAIN and LOGIN give them.
    ///
    /// The user name is an account's address; without a domain it is completed. The answer to a failure is delayed.
    pub async fn login(
        &self,
        user: &str,
        password: &Password,
        connection: &LoginConnection,
    ) -> Result<Login, LoginError> {
        if !self.may_send_password(connection) {
            return Err(LoginError::PrivacyRequired);
        }
        let attempt = self.attempt(user, connection);
        self.admit(&attempt, connection).await?;
        match self.check_password(&attempt, password).await? {
            Some((account, app_password)) => Ok(self.succeed(&attempt, &account, app_password)),
            None => {
                let mark = self.throttle.mark(&attempt.visitor, password);
                Err(self.fail(&attempt, connection, Some(mark)).await)
            }
        }
    }

    /// Whether a password may be sent on this connection.
    pub(crate) fn may_send_password(&self, connection: &LoginConnection) -> bool {
        connection.protected || self.options.cleartext == Cleartext::Allowed
    }

    pub(crate) fn attempt(&self, user: &str, connection: &LoginConnection) -> Attempt {
        let directory = self.records.directory();
        let address = directory::complete(user, self.options.default_domain.as_deref(), &directory);
        let user = address.map_or_else(|| user.to_owned(), |address| address.to_string());
        let account = directory.find(&user).map(|account| account.id);
        Attempt { visitor: Visitor::new(connection.address, &user, account), user }
    }

    /// Lets the attempt wait, or refuses it.
    pub(crate) async fn admit(&self, attempt: &Attempt, connection: &LoginConnection) -> Result<(), LoginError> {
        match self.throttle.admit(&attempt.visitor) {
            Ok(delay) => {
                wait(delay).await;
                Ok(())
            }
            Err(retry_after) => {
                tracing::info!(user = ?attempt.user, address = %connection.address, service = ?connection.service, "login throttled");
                Err(LoginError::Throttled { retry_after })
            }
        }
    }

    /// Counts a failure and lets it wait.
    pub(crate) async fn fail(&self, attempt: &Attempt, connection: &LoginConnection, mark: Option<Mark>) -> LoginError {
        let delay = self.throttle.failed(&attempt.visitor, mark);
        tracing::info!(user = ?attempt.user, address = %connection.address, service = ?connection.service, "login failed");
        wait(delay).await;
        LoginError::Failed
    }

    pub(crate) fn succeed(&self, attempt: &Attempt, account: &Account, app_password: Option<String>) -> Login {
        self.throttle.succeeded(&attempt.visitor);
        Login {
            account: account.id,
            address: account.record.address.clone(),
            settings: account.record.settings.clone(),
            app_password,
        }
    }

    pub(crate) fn account_of(&self, attempt: &Attempt) -> Option<Arc<Account>> {
        self.records.directory().find(&attempt.user).cloned()
    }

    /// The account whose password this is, and the label if it is an app password. The quick ways come first.
    async fn check_password(
        &self,
        attempt: &Attempt,
        password: &Password,
    ) -> Result<Option<(Arc<Account>, Option<String>)>, LoginError> {
        for _ in 0..TRIES_MAX {
            let account = self.account_of(attempt);
            if let Some(account) = &account {
                if self.verified.contains(account, password) {
                    return Ok(Some((Arc::clone(account), None)));
                }
                if let Some(label) = app_password::find(&self.secret, &account.record, password) {
                    return Ok(Some((Arc::clone(account), Some(label))));
                }
            }
            let turn = self.hasher.turn().await?;
            // Of many guesses that were admitted together, those that wait here learn what became of the first.
            self.throttle.admit(&attempt.visitor).map_err(|retry_after| LoginError::Throttled { retry_after })?;
            let stored = account.as_ref().map(|account| account.record.password.argon2.clone());
            if !self.hasher.verify(turn, password, stored).await? {
                return Ok(None);
            }
            let now = self.account_of(attempt);
            if let (Some(then), Some(now)) = (account, now)
                && then.revision == now.revision
            {
                self.verified.insert(&now, password);
                return Ok(Some((now, None)));
            }
        }
        Ok(None)
    }
}

async fn wait(delay: Duration) {
    if !delay.is_zero() {
        time::sleep(delay).await;
    }
}
