//! Logging in: the strongest mechanism that the server offers and the connection allows.

use postrider_imap_proto::client::command::{InitialResponse, SASL_CANCEL, encode_sasl_response};
use postrider_imap_proto::client::{ClientCommand, FailureKind, Response, StatusResponse};
use postrider_imap_proto::command::{CommandBody, IdPairs, Secret};
use postrider_sasl::{ChannelBinding, ClientCredentials, ClientExchange, Mechanism, Password, SaslError};
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::Keep;
use super::connection::ImapConnection;
use super::error::ImapError;
use super::report::printable;
use crate::remote::Credential;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ImapConnection<S> {
    /// Logs in, says who we are, and enables what makes fetching cheaper.
    ///
    /// # Errors
    /// When the server does not accept us, or offers no way that may be used.
    pub async fn log_in(
        &mut self,
        user: &str,
        credential: &Credential,
        binding: ChannelBinding,
    ) -> Result<(), ImapError> {
        self.know_capabilities().await?;
        // What is told with the login's end is of the new state.
        self.is_capable = false;
        match credential {
            Credential::Password(password) => self.log_in_with_password(user, password, binding).await?,
            Credential::OAuth2(tokens) => self.log_in_with_token(user, tokens).await?,
        }
        self.prepare_session().await
    }

    /// What is done once logged in, however that came about.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn prepare_session(&mut self) -> Result<(), ImapError> {
        self.trust();
        self.know_capabilities().await?;
        if self.capabilities.has("ID") {
            self.optional("ID", CommandBody::Id(Some(identification()))).await?;
        }
        if self.capabilities.has("ENABLE") {
            // UTF8=ACCEPT: else a server may rewrite messages whose header has UTF-8 in it (RFC 9755 §8, RFC 6858).
            let wanted = ["CONDSTORE", "QRESYNC", "UTF8=ACCEPT"];
            let names: Vec<String> =
                wanted.iter().filter(|name| self.capabilities.has(name)).map(ToString::to_string).collect();
            if !names.is_empty() {
                self.optional("ENABLE", CommandBody::Enable(names)).await?;
            }
        }
        Ok(())
    }

    /// A command whose refusal changes nothing.
    async fn optional(&mut self, name: &'static str, body: CommandBody) -> Result<(), ImapError> {
        match self.command(name, body, drop).await {
            Err(error) if !error.is_of_one_command() => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) async fn know_capabilities(&mut self) -> Result<(), ImapError> {
        if !self.is_capable {
            self.command("CAPABILITY", CommandBody::Capability, drop).await?;
        }
        Ok(())
    }

    async fn log_in_with_password(
        &mut self,
        user: &str,
        password: &Password,
        binding: ChannelBinding,
    ) -> Result<(), ImapError> {
        let may_use = |mechanism: &Mechanism| {
            (!mechanism.binds_channel() || binding != ChannelBinding::None)
                // LOGIN, the mechanism, has nothing that LOGIN, the command, has not.
                && *mechanism != Mechanism::Login
        };
        let offered = |mechanism: &Mechanism| {
            self.capabilities.mechanisms().any(|name| name.eq_ignore_ascii_case(mechanism.name()))
        };
        if let Some(mechanism) = Mechanism::ALL.into_iter().find(|mechanism| may_use(mechanism) && offered(mechanism)) {
            let credentials = ClientCredentials::new(user, password.clone());
            return self.authenticate(ClientExchange::new(mechanism, credentials, binding)?, mechanism.name()).await;
        }
        if self.capabilities.has("LOGINDISABLED") {
            return Err(ImapError::NoMechanism {
                offered: self.capabilities.mechanisms().collect::<Vec<_>>().join(" "),
            });
        }
        let password = Secret(password.expose().as_bytes().to_vec());
        let command = CommandBody::Login { user: user.as_bytes().to_vec(), password };
        match self.command("LOGIN", command, drop).await {
            Err(ImapError::Refused { kind: FailureKind::Unknown, text, .. }) => {
                Err(ImapError::Refused { command: LOGIN, kind: FailureKind::Credentials, text })
            }
            other => other.map(drop),
        }
    }

    async fn authenticate(&mut self, mut exchange: ClientExchange, name: &'static str) -> Result<(), ImapError> {
        let initial = exchange.initial_response()?.map(Secret);
        let tag = self.begin_authenticate(name, initial).await?;
        loop {
            match self.receive(Keep::Hash).await?.response {
                Response::Continuation(continuation) => {
                    let answer = continuation.challenge().ok_or(SaslError::Malformed("not base64"));
                    match answer.and_then(|challenge| exchange.step(&challenge)) {
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
                        Some(_) => Err(login_refused(&status)),
                    };
                }
                _ => {}
            }
        }
    }

    pub(super) async fn begin_authenticate(
        &mut self,
        name: &str,
        initial: Option<Secret>,
    ) -> Result<String, ImapError> {
        // A long initial response may not fit a line that the server takes (RFC 4959 §3 leaves it to AUTHENTICATE).
        if initial.as_ref().is_some_and(|initial| initial.0.len() > INITIAL_BYTES_MAX) {
            self.dialect.initial_response = InitialResponse::AfterContinuation;
        }
        let command = CommandBody::Authenticate { mechanism: name.to_owned(), initial };
        self.send(&ClientCommand::Plain(command)).await
    }

    pub(super) async fn answer_challenge(&mut self, answer: &[u8]) -> Result<(), ImapError> {
        let mut line = Vec::new();
        encode_sasl_response(&mut line, answer);
        self.write(&line).await
    }
}

/// What is called so in errors, whatever the command.
const LOGIN: &str = "the login";

/// Octets of an initial response that is sent with its command.
const INITIAL_BYTES_MAX: usize = 4096;

pub(super) fn login_refused(status: &StatusResponse) -> ImapError {
    let kind = match status.failure() {
        None | Some(FailureKind::Unknown | FailureKind::NotUnderstood) => FailureKind::Credentials,
        Some(kind) => kind,
    };
    ImapError::Refused { command: LOGIN, kind, text: printable(&status.text) }
}

/// RFC 2971; some providers (NetEase) let nobody select a mailbox who did not say it.
fn identification() -> IdPairs {
    let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), Some(value.as_bytes().to_vec()));
    vec![pair("name", "postrider"), pair("version", env!("CARGO_PKG_VERSION"))]
}
