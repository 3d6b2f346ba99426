//! The client's side of an exchange.

use std::mem;

use crate::{
    ChannelBinding, Limits, Mechanism, Password, SaslError, plain,
    scram::client::{Answered, Begun},
};

/// What a client logs in with.
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    /// Whom to act as, where it is not the user.
    pub authorization: Option<String>,
    /// The user name.
    pub user: String,
    /// The password.
    pub password: Password,
}

impl ClientCredentials {
    /// A user who acts as nobody else.
    pub fn new(user: impl Into<String>, password: Password) -> Self {
        Self { authorization: None, user: user.into(), password }
    }
}

/// One login, seen from the client.
///
/// Send [`ClientExchange::initial_response`] with the command or after the first empty challenge, answer every
/// challenge with [`ClientExchange::step`], and when the server reports success call [`ClientExchange::finish`]:
/// only then is it certain that the server, too, knows the password.
#[derive(Debug)]
pub struct ClientExchange {
    credentials: ClientCredentials,
    limits: Limits,
    state: State,
}

#[derive(Debug)]
enum State {
    /// PLAIN has not sent its message.
    Plain,
    /// LOGIN waits for the prompt for the name.
    LoginUser,
    /// LOGIN waits for the prompt for the password.
    LoginPassword,
    /// SCRAM has not sent its first message.
    ScramStart(Begun),
    /// SCRAM waits for the server's first message.
    ScramFirst(Begun),
    /// SCRAM waits for the server's proof.
    ScramFinal(Answered),
    /// Nothing more to say; success would be believed.
    Complete,
    /// An error ended the exchange.
    Failed,
}

impl ClientExchange {
    /// Begins an exchange with the default limits.
    ///
    /// `binding` is what this connection offers, and the caller chooses the PLUS mechanism wherever the server lists
    /// it: SCRAM-SHA-256 together with channel binding data tells the server that it did not list PLUS.
    pub fn new(
        mechanism: Mechanism,
        credentials: ClientCredentials,
        binding: ChannelBinding,
    ) -> Result<Self, SaslError> {
        Self::with_limits(mechanism, credentials, binding, Limits::default())
    }

    /// Begins an exchange.
    pub fn with_limits(
        mechanism: Mechanism,
        credentials: ClientCredentials,
        binding: ChannelBinding,
        limits: Limits,
    ) -> Result<Self, SaslError> {
        let state = match mechanism {
            Mechanism::Plain => State::Plain,
            Mechanism::Login => State::LoginUser,
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => {
                State::ScramStart(Begun::new(mechanism, &credentials, &binding)?)
            }
        };
        Ok(Self { credentials, limits, state })
    }

    /// The message to begin with, where the mechanism lets the client speak first. Call it once.
    pub fn initial_response(&mut self) -> Result<Option<Vec<u8>>, SaslError> {
        match mem::replace(&mut self.state, State::Failed) {
            State::Plain => {
                let message = plain::encode_plain(&self.credentials)?;
                self.state = State::Complete;
                Ok(Some(message.to_vec()))
            }
            State::LoginUser => {
                self.state = State::LoginUser;
                Ok(None)
            }
            State::ScramStart(begun) => {
                let message = begun.message();
                self.state = State::ScramFirst(begun);
                Ok(Some(message))
            }
            _ => Err(SaslError::OutOfOrder),
        }
    }

    /// Answers a challenge, decoded from base64. For SCRAM's first challenge this derives keys, which is slow.
    pub fn step(&mut self, challenge: &[u8]) -> Result<Vec<u8>, SaslError> {
        if challenge.len() > self.limits.message_bytes_max {
            self.state = State::Failed;
            return Err(SaslError::TooLong);
        }
        match mem::replace(&mut self.state, State::Failed) {
            // A server that did not take an initial response invites it with an empty challenge.
            state @ (State::Plain | State::ScramStart(_)) if challenge.is_empty() => {
                self.state = state;
                Ok(self.initial_response()?.unwrap_or_default())
            }
            // The prompts' wording differs between servers, so only their order counts.
            State::LoginUser => {
                self.state = State::LoginPassword;
                Ok(self.credentials.user.clone().into_bytes())
            }
            State::LoginPassword => {
                self.state = State::Complete;
                Ok(self.credentials.password.expose().as_bytes().to_vec())
            }
            State::ScramFirst(begun) => {
                let answered = begun.answer(text(challenge)?, &self.credentials, &self.limits)?;
                let message = answered.message();
                self.state = State::ScramFinal(answered);
                Ok(message)
            }
            State::ScramFinal(answered) => {
                answered.verify(text(challenge)?)?;
                self.state = State::Complete;
                Ok(Vec::new())
            }
            _ => Err(SaslError::OutOfOrder),
        }
    }

    /// Whether success may be believed: everything was said, and a SCRAM server has proved itself.
    pub fn finish(&self) -> Result<(), SaslError> {
        match self.state {
            State::Complete => Ok(()),
            State::ScramFinal(_) => Err(SaslError::ServerUnproven),
            _ => Err(SaslError::OutOfOrder),
        }
    }
}

fn text(message: &[u8]) -> Result<&str, SaslError> {
    std::str::from_utf8(message).map_err(|_| SaslError::Malformed("not UTF-8"))
}
