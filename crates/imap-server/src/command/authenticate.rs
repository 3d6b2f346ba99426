//! AUTHENTICATE, LOGIN and UNAUTHENTICATE (RFC 9051 §6.2.2 and §6.2.3, RFC 8437).

use postrider_accounts::{Login, LoginError, Password, Step};
use postrider_imap_proto::{
    command::Secret,
    encode::{self, Code},
    parse::parse_authenticate_response,
};
use postrider_wire::Line;

use crate::{
    answer::{Answer, Failure},
    capability::cleartext_allowed,
    selected::Enabled,
    session::{End, Input, Session, Stream, User},
};

impl<S: Stream> Session<S> {
    pub(crate) async fn authenticate(&mut self, mechanism: &str, initial: Option<Secret>) -> Result<Answer, Failure> {
        let connection = self.login_connection();
        let mut exchange = self.service.accounts.begin(mechanism, &connection).map_err(login_failure)?;
        // RFC 4959 §3: `=` is a response of no bytes, which no mechanism here begins with.
        if initial.as_ref().is_some_and(|Secret(bytes)| bytes.is_empty()) {
            return Err(login_failure(LoginError::Malformed));
        }
        // Without an initial response the exchange is asked for the challenge that invites one.
        let mut response = initial.map_or_else(Vec::new, |Secret(bytes)| bytes);
        loop {
            let accounts = std::sync::Arc::clone(&self.service.accounts);
            match accounts.step(&mut exchange, &response).await {
                Step::Challenge(challenge) => response = self.challenge(&challenge).await?,
                Step::Success { login, final_data } => {
                    // IMAP has no room for additional data with success, so it is one more challenge with an empty answer
                    // (RFC 4422 §3.6, RFC 9051 §6.2.2).
                    if let Some(data) = final_data {
                        self.challenge(&data).await?;
                    }
                    return self.logged_in(login).await;
                }
                Step::Failure(error) => return Err(login_failure(error)),
            }
        }
    }

    /// Sends a challenge and reads the response to it.
    async fn challenge(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Failure> {
        encode::encode_challenge(&mut self.out, challenge);
        let line = self.read_line().await?;
        match parse_authenticate_response(&line) {
            Ok(Some(response)) => Ok(response),
            // RFC 9051 §6.2.2: a client that cancels gets BAD.
            Ok(None) => Err(Failure::bad("Authentication cancelled")),
            Err(error) => Err(Failure::bad(error.message)),
        }
    }

    /// Reads a line that is not a command.
    pub(crate) async fn read_line(&mut self) -> Result<bytes::Bytes, Failure> {
        loop {
            match self.framer.next_line(self.transport.input()) {
                Line::Complete(line) => return Ok(line),
                Line::TooLong => return Err(Failure::bad("The line is too long")),
                Line::Incomplete => match self.read_more().await {
                    Ok(Input::Bytes) => {}
                    Ok(Input::Closed) => return Err(Failure::Connection(std::io::ErrorKind::UnexpectedEof.into())),
                    Err(End::Bye(text)) => return Err(Failure::Bye(text)),
                    Err(End::Connection(error)) => return Err(Failure::Connection(error)),
                    Err(End::LoggedOut) => return Err(Failure::Bye("Logged out".to_owned())),
                },
            }
        }
    }

    pub(crate) async fn login(&mut self, user: &[u8], password: Secret) -> Result<Answer, Failure> {
        let connection = self.login_connection();
        if !cleartext_allowed(&self.service.accounts, &connection) {
            return Err(Failure::no(Code::PrivacyRequired, "Use TLS first: the password would be readable on its way"));
        }
        let malformed = || login_failure(LoginError::Malformed);
        let user = std::str::from_utf8(user).map_err(|_| malformed())?;
        let password = Password::new(String::from_utf8(password.0).map_err(|_| malformed())?);
        let login = self.service.accounts.login(user, &password, &connection).await.map_err(login_failure)?;
        self.logged_in(login).await
    }

    async fn logged_in(&mut self, login: Login) -> Result<Answer, Failure> {
        let account = self.service.store.account(login.account).await.map_err(|error| {
            tracing::error!(account = %login.address, %error, "the account's mail could not be opened");
            Failure::no(Code::Unavailable, "The mail of this account cannot be opened now")
        })?;
        tracing::info!(account = %login.address, peer = %self.transport.peer().remote, "logged in by IMAP");
        self.user = Some(User { login, account });
        self.set_frame_limits();
        Ok(Answer::ok_with(Code::Capability(self.capabilities()), "Welcome"))
    }

    /// Back to the state before login; TLS stays (RFC 8437 §3).
    pub(crate) fn unauthenticate(&mut self) -> Result<Answer, Failure> {
        self.selected = None;
        if let Some(user) = self.user.take() {
            tracing::info!(account = %user.login.address, "unauthenticated");
        }
        self.enabled = Enabled::default();
        self.set_frame_limits();
        Ok(Answer::ok("Nobody is logged in"))
    }
}

/// How a failed login is told: always in the same words, whatever was wrong (RFC 5530 §3).
fn login_failure(error: LoginError) -> Failure {
    match error {
        LoginError::Failed => Failure::no(Code::AuthenticationFailed, "Wrong user name or password"),
        LoginError::Throttled { .. } => {
            Failure::no(Code::Unavailable, "Too many failed logins from your address; try again later")
        }
        LoginError::PrivacyRequired => {
            Failure::no(Code::PrivacyRequired, "Use TLS first: the password would be readable on its way")
        }
        LoginError::UnknownMechanism => Failure::no(Code::Cannot, "This mechanism is not supported here"),
        LoginError::Malformed => Failure::bad("The response is not what the mechanism expects"),
        LoginError::Cancelled => Failure::bad("Authentication cancelled"),
        LoginError::Unavailable(error) => {
            tracing::error!(%error, "a login could not be checked");
            Failure::no(Code::Unavailable, "Logins cannot be checked now; try again later")
        }
    }
}
