//! The server's side of an exchange.

use std::mem;

use crate::{
    ChannelBinding, Limits, Mechanism, Password, SaslError, ScramKeys, login, plain,
    scram::server::{Begun, Challenged},
};

/// What a server does next.
#[derive(Debug, PartialEq, Eq)]
pub enum ServerStep {
    /// Send this to the client (base64 as the protocol wants it) and step with its response.
    Challenge(Vec<u8>),
    /// The exchange is over; it succeeds exactly if this is the user's password, and if the user may act as
    /// `authorization` where that is named.
    VerifyPassword {
        /// Whom the user wants to act as, where another name was given.
        authorization: Option<String>,
        /// The user who logs in.
        user: String,
        /// The password to check.
        password: Password,
    },
    /// Look up this user's keys, or make [`ScramKeys::decoy`] ones, and call [`ServerExchange::provide_keys`].
    NeedScramKeys {
        /// The user who logs in.
        user: String,
    },
    /// The client proved that it knows the password.
    Done {
        /// The user who logged in.
        user: String,
        /// Whom the user wants to act as, where another name was given.
        authorization: Option<String>,
        /// The server's own proof, to be sent along with success, or as a last challenge where the protocol
        /// has no room for data there.
        final_message: Vec<u8>,
    },
}

/// One client's login, seen from the server.
///
/// Feed each response to [`ServerExchange::step`]. The first response may be empty, which stands for "no initial
/// response": the answer is then the challenge that invites one. An error ends the exchange.
#[derive(Debug)]
pub struct ServerExchange {
    mechanism: Mechanism,
    binding: ChannelBinding,
    limits: Limits,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing has been said yet.
    Start,
    /// The client was invited to send its first message.
    Invited,
    /// LOGIN has the name and waits for the password.
    LoginUser(String),
    /// SCRAM waits for its caller's keys.
    ScramKeys(Begun),
    /// SCRAM waits for the client's proof.
    ScramProof(Challenged),
    /// Success or failure.
    Over,
}

impl ServerExchange {
    /// Begins an exchange with the default limits.
    pub fn new(mechanism: Mechanism, binding: ChannelBinding) -> Self {
        Self::with_limits(mechanism, binding, Limits::default())
    }

    /// Begins an exchange.
    pub fn with_limits(mechanism: Mechanism, binding: ChannelBinding, limits: Limits) -> Self {
        Self { mechanism, binding, limits, state: State::Start }
    }

    /// The mechanism.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Takes the client's response, decoded from base64.
    pub fn step(&mut self, response: &[u8]) -> Result<ServerStep, SaslError> {
        let state = mem::replace(&mut self.state, State::Over);
        if response.len() > self.limits.message_bytes_max {
            return Err(SaslError::TooLong);
        }
        match state {
            State::Start if response.is_empty() => {
                self.state = State::Invited;
                let prompt = if self.mechanism == Mechanism::Login { login::USER_PROMPT } else { b"" };
                Ok(ServerStep::Challenge(prompt.to_vec()))
            }
            State::Start | State::Invited => self.first_message(response),
            State::LoginUser(user) => {
                let password = Password::from(login::parse_password(response, &self.limits)?);
                Ok(ServerStep::VerifyPassword { authorization: None, user, password })
            }
            State::ScramProof(challenged) => {
                let proven = challenged.verify(text(response)?)?;
                Ok(ServerStep::Done {
                    user: proven.user,
                    authorization: proven.authorization,
                    final_message: proven.message,
                })
            }
            State::ScramKeys(_) | State::Over => Err(SaslError::OutOfOrder),
        }
    }

    /// Answers [`ServerStep::NeedScramKeys`]; what comes back is always a challenge.
    pub fn provide_keys(&mut self, keys: ScramKeys) -> Result<ServerStep, SaslError> {
        let State::ScramKeys(begun) = mem::replace(&mut self.state, State::Over) else {
            return Err(SaslError::OutOfOrder);
        };
        let challenged = begun.challenge(keys);
        let message = challenged.message().as_bytes().to_vec();
        self.state = State::ScramProof(challenged);
        Ok(ServerStep::Challenge(message))
    }

    fn first_message(&mut self, response: &[u8]) -> Result<ServerStep, SaslError> {
        match self.mechanism {
            Mechanism::Plain => {
                let message = plain::parse_plain(response, &self.limits)?;
                Ok(ServerStep::VerifyPassword {
                    authorization: message.authorization,
                    user: message.user,
                    password: message.password,
                })
            }
            Mechanism::Login => {
                self.state = State::LoginUser(login::parse_user(response, &self.limits)?);
                Ok(ServerStep::Challenge(login::PASSWORD_PROMPT.to_vec()))
            }
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => {
                let begun = Begun::new(self.mechanism, self.binding, text(response)?, &self.limits)?;
                let user = begun.user().to_owned();
                self.state = State::ScramKeys(begun);
                Ok(ServerStep::NeedScramKeys { user })
            }
        }
    }
}

fn text(message: &[u8]) -> Result<&str, SaslError> {
    std::str::from_utf8(message).map_err(|_| SaslError::Malformed("not UTF-8"))
}
