//! AUTH (RFC 4954).

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use postrider_accounts::{Exchange, LoginError, Step};
use postrider_smtp_proto::{InitialResponse, encode_reply};

use crate::{
    reply::Reply,
    service::SmtpRole,
    session::{End, Session, Stream},
};

impl<S: Stream> Session<S> {
    /// AUTH (RFC 4954 §4).
    pub(crate) async fn auth(&mut self, mechanism: &str, initial: Option<InitialResponse>) -> Result<Reply, End> {
        if let Some(refusal) = self.auth_refusal() {
            return Ok(refusal);
        }
        let exchange = match self.service.accounts.begin(mechanism, &self.login_connection()) {
            Ok(exchange) => exchange,
            Err(error) => return Ok(self.login_refusal(&error)),
        };
        let initial = match initial {
            None | Some(InitialResponse::Empty) => Ok(Vec::new()),
            Some(InitialResponse::Base64(text)) => STANDARD.decode(&text).map_err(|_| not_base64()),
        };
        match initial {
            Ok(response) => self.exchange(exchange, response).await,
            Err(refusal) => Ok(refusal),
        }
    }

    fn auth_refusal(&self) -> Option<Reply> {
        if self.role != SmtpRole::Submission {
            return Some(Reply::new(502, (5, 5, 1), "Nobody logs in here"));
        }
        if self.greeting.is_none() {
            return Some(Reply::out_of_order("Say EHLO first"));
        }
        if self.login.is_some() {
            return Some(Reply::out_of_order("You are logged in already"));
        }
        self.transaction.as_ref().map(|_| Reply::out_of_order("Not within a transaction"))
    }

    async fn exchange(&mut self, mut exchange: Exchange, mut response: Vec<u8>) -> Result<Reply, End> {
        let accounts = Arc::clone(&self.service.accounts);
        loop {
            match accounts.step(&mut exchange, &response).await {
                Step::Challenge(challenge) => match self.challenge(&challenge).await? {
                    Ok(bytes) => response = bytes,
                    Err(refusal) => return Ok(refusal),
                },
                Step::Success { login, final_data } => {
                    // RFC 4954 §4: success carries no data, so what the mechanism has to say goes before it.
                    if let Some(data) = final_data
                        && let Err(refusal) = self.challenge(&data).await?
                    {
                        return Ok(refusal);
                    }
                    tracing::info!(user = %login.address, client = %self.transport.peer().remote, "submission login");
                    self.login = Some(login);
                    self.login_failures = 0;
                    return Ok(Reply::new(235, (2, 7, 0), "Authentication successful"));
                }
                Step::Failure(error) => return Ok(self.login_refusal(&error)),
            }
        }
    }

    /// Sends a challenge and reads the client's response.
    async fn challenge(&mut self, challenge: &[u8]) -> Result<Result<Vec<u8>, Reply>, End> {
        encode_reply(&mut self.out, 334, None, &[&STANDARD.encode(challenge)]);
        let timeout = self.service.options.command_timeout;
        Ok(match self.next_line(timeout).await?.as_deref() {
            None => Err(Reply::new(500, (5, 5, 6), "The authentication exchange line is too long")),
            Some(b"*") => Err(Reply::new(501, (5, 7, 0), "Authentication cancelled")),
            Some(line) => STANDARD.decode(line).map_err(|_| not_base64()),
        })
    }

    fn login_refusal(&mut self, error: &LoginError) -> Reply {
        if matches!(error, LoginError::Failed | LoginError::Throttled { .. }) {
            self.login_failures += 1;
        }
        // RFC 4954 §6
        match error {
            LoginError::Failed => Reply::new(535, (5, 7, 8), "Authentication failed"),
            LoginError::Throttled { .. } => Reply::new(454, (4, 7, 0), "Too many failed logins, try again later"),
            LoginError::PrivacyRequired => Reply::new(538, (5, 7, 11), "Plain passwords need an encrypted connection"),
            LoginError::UnknownMechanism => Reply::new(504, (5, 5, 4), "No such mechanism"),
            LoginError::Malformed => Reply::new(501, (5, 5, 2), "Malformed authentication message"),
            LoginError::Cancelled => Reply::new(501, (5, 7, 0), "Authentication cancelled"),
            LoginError::Unavailable(error) => {
                tracing::error!(%error, "authentication is not available");
                Reply::new(454, (4, 7, 0), "Logging in is not possible now, try again later")
            }
        }
    }
}

fn not_base64() -> Reply {
    Reply::new(501, (5, 5, 2), "Not Base64")
}
