//! Logging in by a SASL mechanism: the exchange asks, the accounts answer.

use std::sync::Arc;

use postrider_sasl::{ChannelBinding, Mechanism, SaslError, ScramKeys, ServerExchange, ServerStep};

use crate::{
    Accounts, Login, LoginConnection, LoginError,
    directory::{self, Account},
    login::Attempt,
};

/// A SASL exchange on its way.
#[derive(Debug)]
pub struct Exchange {
    server: ServerExchange,
    connection: LoginConnection,
    /// Whose SCRAM proof is awaited; the account is the one that the keys came from.
    proving: Option<(Attempt, Option<Arc<Account>>)>,
}

/// What follows on a client's response.
#[derive(Debug)]
pub enum Step {
    /// Send this, in base64, and step with the response.
    Challenge(Vec<u8>),
    /// The client has logged in.
    Success {
        /// As whom.
        login: Login,
        /// The mechanism's last word. A protocol that has no room for it beside success sends it as a challenge
        /// and awaits an empty response before it reports success.
        final_data: Option<Vec<u8>>,
    },
    /// The exchange is over.
    Failure(LoginError),
}

impl Accounts {
    /// The mechanisms offered on this connection, the strongest first.
    pub fn mechanisms(&self, connection: &LoginConnection) -> Vec<Mechanism> {
        Mechanism::ALL.into_iter().filter(|mechanism| self.check_offer(*mechanism, connection).is_ok()).collect()
    }

    /// Begins an exchange.
    pub fn begin(&self, mechanism: &str, connection: &LoginConnection) -> Result<Exchange, LoginError> {
        let mechanism = Mechanism::parse(mechanism).ok_or(LoginError::UnknownMechanism)?;
        self.check_offer(mechanism, connection)?;
        // It can be offered before there is anything to bind to, but not begun.
        if mechanism.binds_channel() && connection.channel_binding.is_none() {
            return Err(LoginError::UnknownMechanism);
        }
        // RFC 5802 §6: a client that says "y" was lied to only if PLUS is offered here.
        let offered = self.check_offer(Mechanism::ScramSha256Plus, connection).is_ok();
        let binding = ChannelBinding::from(connection.channel_binding.filter(|_| offered));
        let server = ServerExchange::with_limits(mechanism, binding, self.options.login_limits.clone());
        Ok(Exchange { server, connection: connection.clone(), proving: None })
    }

    /// Takes the client's response, decoded from base64. The first may be empty where the client sent no initial
    /// response: what comes back is then the challenge that asks for it.
    pub async fn step(&self, exchange: &mut Exchange, response: &[u8]) -> Step {
        let outcome = match exchange.server.step(response) {
            Ok(step) => self.answer(exchange, step).await,
            Err(error) => Err(self.refuse(exchange, error).await),
        };
        outcome.unwrap_or_else(Step::Failure)
    }

    fn check_offer(&self, mechanism: Mechanism, connection: &LoginConnection) -> Result<(), LoginError> {
        let unbound = mechanism.binds_channel() && !connection.can_bind_channel;
        if unbound || !self.options.mechanisms.contains(&mechanism) {
            return Err(LoginError::UnknownMechanism);
        }
        if mechanism.reveals_password() && !self.may_send_password(connection) {
            return Err(LoginError::PrivacyRequired);
        }
        Ok(())
    }

    async fn answer(&self, exchange: &mut Exchange, step: ServerStep) -> Result<Step, LoginError> {
        match step {
            ServerStep::Challenge(challenge) => Ok(Step::Challenge(challenge)),
            ServerStep::VerifyPassword { authorization, user, password } => {
                let login = self.login(&user, &password, &exchange.connection).await?;
                self.check_authorization(authorization.as_deref(), &login.address)?;
                Ok(Step::Success { login, final_data: None })
            }
            ServerStep::NeedScramKeys { user } => {
                let attempt = self.attempt(&user, &exchange.connection);
                self.admit(&attempt, &exchange.connection).await?;
                let account = self.account_of(&attempt);
                let stored = account.as_ref().and_then(|account| account.record.password.scram.as_ref());
                let keys = match stored {
                    Some(stored) => stored.keys(),
                    None => self.decoy(&attempt.user),
                };
                exchange.proving = Some((attempt, account));
                match exchange.server.provide_keys(keys) {
                    Ok(ServerStep::Challenge(challenge)) => Ok(Step::Challenge(challenge)),
                    Ok(_) | Err(_) => Err(LoginError::Malformed),
                }
            }
            ServerStep::Done { authorization, final_message, .. } => {
                let login = self.proven(exchange, authorization.as_deref()).await?;
                Ok(Step::Success { login, final_data: Some(final_message) })
            }
        }
    }

    /// The client's SCRAM proof was right: for the account as it still is?
    async fn proven(&self, exchange: &mut Exchange, authorization: Option<&str>) -> Result<Login, LoginError> {
        let (attempt, account) = exchange.proving.take().ok_or(LoginError::Malformed)?;
        // Of many guesses whose exchanges were begun together, only the first few are answered.
        self.throttle.admit(&attempt.visitor).map_err(|retry_after| LoginError::Throttled { retry_after })?;
        let now = self.account_of(&attempt);
        match (account, now) {
            (Some(then), Some(now)) if then.revision == now.revision => {
                self.check_authorization(authorization, &now.record.address)?;
                Ok(self.succeed(&attempt, &now, None))
            }
            _ => Err(self.fail(&attempt, &exchange.connection, None).await),
        }
    }

    /// What becomes of an exchange whose message was not right.
    async fn refuse(&self, exchange: &mut Exchange, error: SaslError) -> LoginError {
        tracing::debug!(%error, mechanism = %exchange.server.mechanism(), "authentication exchange ended");
        match (error, exchange.proving.take()) {
            (SaslError::Failed | SaslError::ChannelBinding(_), Some((attempt, _))) => {
                match self.throttle.admit(&attempt.visitor) {
                    Ok(_) => self.fail(&attempt, &exchange.connection, None).await,
                    Err(retry_after) => LoginError::Throttled { retry_after },
                }
            }
            (SaslError::Failed | SaslError::ChannelBinding(_), None) => LoginError::Failed,
            (SaslError::Random(reason), _) => LoginError::Unavailable(crate::AccountsError::Random(reason)),
            _ => LoginError::Malformed,
        }
    }

    /// Nobody acts for anybody else here: another identity must be the user's own, perhaps written differently.
    fn check_authorization(&self, authorization: Option<&str>, address: &str) -> Result<(), LoginError> {
        let Some(authorization) = authorization else { return Ok(()) };
        let directory = self.records.directory();
        let named = directory::complete(authorization, self.options.default_domain.as_deref(), &directory);
        if named.is_some_and(|named| named.as_str() == address) { Ok(()) } else { Err(LoginError::Failed) }
    }

    /// Keys for a user who does not exist, or has none.
    fn decoy(&self, user: &str) -> ScramKeys {
        let secret = blake3::derive_key("postrider 2026 scram decoy", &self.secret);
        ScramKeys::decoy(&secret, user, self.options.hashing.scram_iterations)
    }
}
