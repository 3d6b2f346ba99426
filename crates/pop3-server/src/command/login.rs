//! USER, PASS and AUTH.
//!
//! The answer to USER is the same for every name, and PASS fails in one way for unknown names and wrong passwords, so
//! that nobody learns who has mail here.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use postrider_accounts::{Login, LoginError, Password, Step};
use postrider_pop3_proto::{self as proto, InitialResponse, ResponseCode, encode_continuation};

use crate::{
    maildrop::Maildrop,
    occupancy::Refused,
    session::{Answer, End, Refusal, Session, State, Stream},
    text::Text,
};

/// How an exchange goes on.
enum Response {
    /// The client's response, decoded.
    Bytes(Vec<u8>),
    /// It cannot be used, or the client gave up.
    Refused(Text),
}

impl<S: Stream> Session<S> {
    /// USER (RFC 1939 §7). Refused before a password could follow in clear.
    pub(crate) fn user(&mut self, name: String) -> Answer {
        self.check_plain_passwords()?;
        self.state = State::Authorization { user: Some(name) };
        self.ok(Text::SendPassword);
        Ok(())
    }

    /// PASS (RFC 1939 §7).
    pub(crate) async fn pass(&mut self, password: &proto::Password) -> Result<Answer, End> {
        if let Err(refusal) = self.check_plain_passwords() {
            return Ok(Err(refusal));
        }
        let user = match &mut self.state {
            State::Authorization { user } => user.take(),
            State::Transaction(_) => None,
        };
        let Some(user) = user else { return Ok(Err(Text::UserFirst.into())) };
        let password = Password::new(password.expose());
        let result = self.service.accounts.login(&user, &password, &self.login_connection()).await;
        Ok(self.enter(result).await)
    }

    /// AUTH (RFC 5034 §4).
    pub(crate) async fn auth(&mut self, mechanism: &str, initial: Option<InitialResponse>) -> Result<Answer, End> {
        let mut exchange = match self.service.accounts.begin(mechanism, &self.login_connection()) {
            Ok(exchange) => exchange,
            Err(error) => return Ok(Err(self.login_refusal(&error))),
        };
        let mut response = match initial {
            None | Some(InitialResponse::Empty) => Vec::new(),
            Some(InitialResponse::Base64(text)) => match STANDARD.decode(&text) {
                Ok(bytes) => bytes,
                Err(_) => return Ok(Err(Text::MalformedLogin.into())),
            },
        };
        let accounts = std::sync::Arc::clone(&self.service.accounts);
        loop {
            let result = match accounts.step(&mut exchange, &response).await {
                Step::Challenge(challenge) => match self.challenge(&challenge).await? {
                    Response::Bytes(bytes) => {
                        response = bytes;
                        continue;
                    }
                    Response::Refused(text) => return Ok(Err(text.into())),
                },
                Step::Success { login, final_data } => {
                    // RFC 5034 §4: success carries no data, so what the mechanism has to say goes before it.
                    if let Some(data) = final_data
                        && let Response::Refused(text) = self.challenge(&data).await?
                    {
                        return Ok(Err(text.into()));
                    }
                    Ok(login)
                }
                Step::Failure(error) => Err(error),
            };
            return Ok(self.enter(result).await);
        }
    }

    /// Sends a challenge and reads the client's response.
    async fn challenge(&mut self, challenge: &[u8]) -> Result<Response, End> {
        encode_continuation(&mut self.out, &STANDARD.encode(challenge));
        Ok(match self.next_line().await?.as_deref() {
            None => Response::Refused(Text::LineTooLong),
            Some(b"*") => Response::Refused(Text::LoginCancelled),
            Some(line) => match STANDARD.decode(line) {
                Ok(bytes) => Response::Bytes(bytes),
                Err(_) => Response::Refused(Text::MalformedLogin),
            },
        })
    }

    fn check_plain_passwords(&self) -> Answer {
        let mechanisms = self.service.accounts.mechanisms(&self.login_connection());
        if mechanisms.iter().any(|mechanism| mechanism.reveals_password()) {
            return Ok(());
        }
        Err(Text::PrivacyRequired.into())
    }

    /// Goes into the maildrop of somebody who has proved who they are.
    async fn enter(&mut self, result: Result<Login, LoginError>) -> Answer {
        let login = result.map_err(|error| self.login_refusal(&error))?;
        let (store, account) = (&self.service.store, login.account);
        let delay = self.service.login_delay(&login.settings);
        let occupant = self.service.occupancy.enter(account, store.now(), delay).map_err(|refused| match refused {
            Refused::InUse => Refusal { code: Some(ResponseCode::InUse), text: Text::InUse },
            Refused::TooSoon => Refusal { code: Some(ResponseCode::LoginDelay), text: Text::LoginTooSoon },
        })?;
        let opened = match store.account(account).await {
            Ok(account) => Maildrop::open(account, login, occupant).await,
            Err(error) => Err(error),
        };
        let maildrop = opened.map_err(|error| {
            tracing::error!(%error, %account, "cannot open a maildrop");
            Refusal { code: Some(ResponseCode::SysTemp), text: Text::MaildropUnavailable }
        })?;
        let (count, octets) = maildrop.totals();
        tracing::info!(user = %maildrop.login.address, client = %self.transport.peer().remote, count, "POP3 login");
        self.state = State::Transaction(Box::new(maildrop));
        self.ok_with(Text::LoggedIn, &[count, octets]);
        Ok(())
    }

    fn login_refusal(&mut self, error: &LoginError) -> Refusal {
        let (code, text) = match error {
            LoginError::Failed => (Some(ResponseCode::Auth), Text::LoginFailed),
            // RFC 3206 §5: the credentials are not the problem.
            LoginError::Throttled { .. } => (Some(ResponseCode::SysTemp), Text::LoginThrottled),
            LoginError::Unavailable(error) => {
                tracing::error!(%error, "authentication is not available");
                (Some(ResponseCode::SysTemp), Text::LoginUnavailable)
            }
            LoginError::PrivacyRequired => (None, Text::PrivacyRequired),
            LoginError::UnknownMechanism => (None, Text::UnknownMechanism),
            LoginError::Malformed => (None, Text::MalformedLogin),
            LoginError::Cancelled => (None, Text::LoginCancelled),
        };
        if matches!(error, LoginError::Failed | LoginError::Throttled { .. }) {
            self.login_failures += 1;
        }
        Refusal { code, text }
    }
}
