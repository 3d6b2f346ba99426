//! Logging in with an access token: OAUTHBEARER (RFC 7628) or XOAUTH2, by what the server offers.

use postrider_imap_proto::client::command::SASL_CANCEL;
use postrider_imap_proto::client::{FailureKind, Response, StatusResponse};
use postrider_imap_proto::command::Secret;
use postrider_sasl::{BearerCredentials, BearerExchange, BearerMechanism, Password, SaslError};
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::Keep;
use super::connection::ImapConnection;
use super::error::ImapError;
use super::login::login_refused;
use crate::oauth::{Tokens, refusal_text};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ImapConnection<S> {
    /// Logs in with a token; if that is refused, once more with a new one.
    pub(super) async fn log_in_with_token(&mut self, user: &str, tokens: &Tokens) -> Result<(), ImapError> {
        let offered = |name: &str| self.capabilities.mechanisms().any(|mechanism| mechanism.eq_ignore_ascii_case(name));
        let Some(mechanism) = BearerMechanism::ALL.into_iter().find(|mechanism| offered(mechanism.name())) else {
            let offered = self.capabilities.mechanisms().collect::<Vec<_>>().join(" ");
            return Err(ImapError::NoMechanism { offered });
        };
        let token = tokens.access().await?;
        let refused = match self.authenticate_with_token(mechanism, user, &token).await {
            Err(refused @ ImapError::Token { .. }) => refused,
            other => return other,
        };
        match tokens.renew(&token).await? {
            Some(token) => self.authenticate_with_token(mechanism, user, &token).await,
            None => Err(refused),
        }
    }

    async fn authenticate_with_token(
        &mut self,
        mechanism: BearerMechanism,
        user: &str,
        token: &Password,
    ) -> Result<(), ImapError> {
        let (host, port) = self.server.clone().unzip();
        let credentials = BearerCredentials { user: user.to_owned(), host, port, token: token.clone() };
        let mut exchange = BearerExchange::new(mechanism, credentials);
        let initial = Secret(exchange.initial_response()?.to_vec());
        let tag = self.begin_authenticate(mechanism.name(), Some(initial)).await?;
        loop {
            match self.receive(Keep::Hash).await?.response {
                Response::Continuation(continuation) => {
                    let challenge = continuation.challenge().ok_or(SaslError::Malformed("not base64"));
                    match challenge.and_then(|challenge| exchange.step(&challenge)) {
                        Ok(answer) => self.answer_challenge(&answer).await?,
                        Err(error) => {
                            self.write(SASL_CANCEL).await?;
                            return Err(error.into());
                        }
                    }
                }
                Response::Tagged { tag: theirs, status } if theirs == tag => {
                    return match status.failure() {
                        None => Ok(exchange.finish()?),
                        Some(_) => Err(token_refused(exchange.refusal(), &status)),
                    };
                }
                _ => {}
            }
        }
    }
}

fn token_refused(challenge: Option<&str>, status: &StatusResponse) -> ImapError {
    match login_refused(status) {
        ImapError::Refused { kind: FailureKind::Credentials, text, .. } => {
            ImapError::Token { text: refusal_text(challenge, &text) }
        }
        other => other,
    }
}
