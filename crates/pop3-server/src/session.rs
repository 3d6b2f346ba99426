//! One client's session: reads commands, has them done, writes answers.
//!
//! Answers gather in a buffer that is sent when more input is needed, so that the answers to pipelined commands leave
//! together.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use postrider_accounts::{LoginConnection, Service};
pub(crate) use postrider_net::Stream;
use postrider_net::Transport;
use postrider_pop3_proto::{Command, ResponseCode, encode_err, encode_ok, parse_command};
use postrider_store::StoreError;
use postrider_wire::{Line, LineEnd, LineReader};

use crate::{language::Language, maildrop::Maildrop, service::Pop3Service, text::Text};

/// Serves a client until it leaves, is silent for too long or the server stops.
pub async fn serve<S: Stream>(transport: Transport<S>, service: Arc<Pop3Service>) {
    let mut session = Session::new(transport, service);
    let End = session.run().await;
    // RFC 1939 §6: without QUIT nothing is deleted. What is left to do is to let the maildrop go, and to say what was not
    // said yet, if anybody still listens.
    session.state = State::Authorization { user: None };
    session.transport.close_with(&session.out).await;
}

/// The session is over: the client left, was sent away, or the connection broke.
#[derive(Debug)]
pub(crate) struct End;

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        tracing::debug!(%error, "POP3 connection ended");
        Self
    }
}

/// The states of RFC 1939 §3; the third, UPDATE, is the work of QUIT.
pub(crate) enum State {
    /// Nobody is logged in; perhaps somebody gave a name.
    Authorization { user: Option<String> },
    /// Somebody is.
    Transaction(Box<Maildrop>),
}

/// In which state a command may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Authorization,
    Transaction,
    Nothing,
}

/// A refusal: what the client is told.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: Option<ResponseCode>,
    pub(crate) text: Text,
}

impl From<Text> for Refusal {
    fn from(text: Text) -> Self {
        Self { code: None, text }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "POP3 command failed");
        Self { code: Some(ResponseCode::SysTemp), text: Text::StoreFailed }
    }
}

/// How a command ended that did not end the session.
pub(crate) type Answer = Result<(), Refusal>;

/// A session and all it remembers.
pub(crate) struct Session<S> {
    pub(crate) service: Arc<Pop3Service>,
    pub(crate) transport: Transport<S>,
    pub(crate) lines: LineReader,
    /// Answers that were not sent yet.
    pub(crate) out: Vec<u8>,
    pub(crate) state: State,
    pub(crate) language: Language,
    /// Whether the client switched to UTF-8 mode.
    pub(crate) utf8: bool,
    pub(crate) login_failures: u32,
    errors: u32,
}

impl<S: Stream> Session<S> {
    fn new(transport: Transport<S>, service: Arc<Pop3Service>) -> Self {
        Self {
            lines: LineReader::new(service.options.line_bytes_max, LineEnd::CrlfOrLf),
            language: service.options.language,
            service,
            transport,
            out: Vec::new(),
            state: State::Authorization { user: None },
            utf8: false,
            login_failures: 0,
            errors: 0,
        }
    }

    async fn run(&mut self) -> End {
        // No time stamp in angle brackets: it would offer APOP, which needs readable passwords.
        self.ok(Text::Greeting);
        loop {
            if let Err(end) = self.step().await {
                return end;
            }
        }
    }

    async fn step(&mut self) -> Result<(), End> {
        let answer = match self.next_line().await? {
            Some(line) => match parse_command(&line) {
                Ok(command) => match self.check_state(&command) {
                    Ok(()) => self.perform(command).await?,
                    Err(refusal) => Err(refusal),
                },
                Err(error) => Err(Text::from(error).into()),
            },
            None => Err(Text::LineTooLong.into()),
        };
        self.flush_if_large().await?;
        match answer {
            Ok(()) => {
                self.errors = 0;
                Ok(())
            }
            Err(refusal) => {
                self.refuse(refusal);
                self.count_error()
            }
        }
    }

    fn check_state(&self, command: &Command) -> Answer {
        match (needs(command), &self.state) {
            (Needs::Authorization, State::Transaction(_)) => Err(Text::LoggedInAlready.into()),
            (Needs::Transaction, State::Authorization { .. }) => Err(Text::LoginFirst.into()),
            _ => Ok(()),
        }
    }

    async fn perform(&mut self, command: Command) -> Result<Answer, End> {
        match command {
            Command::User(name) => Ok(self.user(name)),
            Command::Pass(password) => self.pass(&password).await,
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial).await,
            Command::Stls => self.stls().await,
            Command::Capa => Ok(self.capa().await),
            Command::Utf8 => Ok(self.utf8()),
            Command::Lang(language) => Ok(self.lang(language)),
            Command::Stat => Ok(self.stat()),
            Command::List(number) => Ok(self.list(number)),
            Command::Uidl(number) => Ok(self.uidl(number)),
            Command::Retr(number) => self.retr(number).await,
            Command::Top { message, lines } => self.top(message, lines).await,
            Command::Dele(number) => Ok(self.dele(number)),
            Command::Rset => Ok(self.rset()),
            Command::Noop => Ok(self.noop()),
            Command::Quit => Err(self.quit().await),
        }
    }

    /// The next line; `None` if it was too long.
    pub(crate) async fn next_line(&mut self) -> Result<Option<Bytes>, End> {
        loop {
            match self.lines.next(self.transport.input()) {
                Line::Complete(line) => return Ok(Some(line)),
                Line::TooLong => return Ok(None),
                Line::Incomplete => self.read_more().await?,
            }
        }
    }

    /// Sends what waits and reads more.
    async fn read_more(&mut self) -> Result<(), End> {
        self.flush().await?;
        if self.out.capacity() > self.service.options.output_bytes {
            self.out = Vec::new();
        }
        self.transport.free_buffers();
        let limit = self.silence_limit();
        let mut shutdown = self.service.shutdown.clone();
        tokio::select! {
            read = self.transport.fill(limit) => if read? == 0 { Err(End) } else { Ok(()) },
            // POP3 has no word for it: an answer that nobody asked for would be taken for that to the next command.
            () = shutdown.requested() => Err(End),
        }
    }

    fn silence_limit(&self) -> Duration {
        match self.state {
            State::Authorization { .. } => self.service.options.login_timeout,
            State::Transaction(_) => self.service.options.idle_timeout,
        }
    }

    /// Sends what waits.
    pub(crate) async fn flush(&mut self) -> Result<(), End> {
        if !self.out.is_empty() {
            self.transport.write(&self.out).await?;
            self.out.clear();
        }
        Ok(())
    }

    /// Sends what waits if it is much.
    pub(crate) async fn flush_if_large(&mut self) -> Result<(), End> {
        if self.out.len() >= self.service.options.output_bytes { self.flush().await } else { Ok(()) }
    }

    /// Writes a positive answer with a text.
    pub(crate) fn ok(&mut self, text: Text) {
        encode_ok(&mut self.out, None, text.in_language(self.language));
    }

    /// Writes a positive answer with numbers in its text.
    pub(crate) fn ok_with(&mut self, text: Text, numbers: &[u64]) {
        encode_ok(&mut self.out, None, &text.filled(self.language, numbers));
    }

    /// Writes a negative answer.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        encode_err(&mut self.out, refusal.code, refusal.text.in_language(self.language));
    }

    fn count_error(&mut self) -> Result<(), End> {
        self.errors += 1;
        let options = &self.service.options;
        if self.errors < options.errors_max && self.login_failures < options.login_failures_max {
            return Ok(());
        }
        tracing::info!(client = %self.transport.peer().remote, "too many errors in a POP3 session");
        Err(End)
    }

    /// The maildrop, in the state that has one.
    pub(crate) fn maildrop(&self) -> Result<&Maildrop, Refusal> {
        match &self.state {
            State::Transaction(maildrop) => Ok(maildrop),
            State::Authorization { .. } => Err(Text::LoginFirst.into()),
        }
    }

    /// The maildrop, to be changed.
    pub(crate) fn maildrop_mut(&mut self) -> Result<&mut Maildrop, Refusal> {
        match &mut self.state {
            State::Transaction(maildrop) => Ok(maildrop),
            State::Authorization { .. } => Err(Text::LoginFirst.into()),
        }
    }

    /// What the login code has to know of this connection.
    pub(crate) fn login_connection(&self) -> LoginConnection {
        LoginConnection {
            address: self.transport.peer().address(),
            service: Service::Pop3,
            protected: self.transport.is_protected(),
            can_bind_channel: self.transport.can_bind_channel(),
            channel_binding: self.transport.channel_binding(),
        }
    }
}

/// The states in which RFC 1939, 2595, 5034 and 6856 allow a command.
fn needs(command: &Command) -> Needs {
    match command {
        Command::User(_) | Command::Pass(_) | Command::Auth { .. } | Command::Stls | Command::Utf8 => {
            Needs::Authorization
        }
        Command::Stat
        | Command::List(_)
        | Command::Uidl(_)
        | Command::Retr(_)
        | Command::Dele(_)
        | Command::Top { .. }
        | Command::Noop
        | Command::Rset => Needs::Transaction,
        Command::Capa | Command::Lang(_) | Command::Quit => Needs::Nothing,
    }
}
