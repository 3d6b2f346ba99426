//! One client's session: reads commands, has them done, writes answers.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use postrider_accounts::{Login, LoginConnection, Service};
use postrider_imap_proto::{
    Frame, FrameLimits, Framer, Refusal,
    command::{Command, CommandBody},
    encode::{self, Code, Status},
    mailbox_name::{self, NameEncoding, NameError},
    parse::parse_command_within,
};
pub(crate) use postrider_net::Stream;
use postrider_net::{Security, Transport};
use postrider_store::{Account, SEPARATOR};
use unicode_normalization::UnicodeNormalization as _;

use crate::{
    answer::{Answer, Failure},
    capability::{self, StartTls},
    facts::{Facts, Needs, Tells, facts},
    selected::{Enabled, Selected, newest},
    service::ImapService,
};

/// An empty output buffer larger than this is given back when a session waits for its client, in bytes: most sessions wait
/// nearly all the time.
const KEPT_BYTES_MAX: usize = 4 * 1024;

/// Serves a client until it leaves, is silent for too long or the server stops.
pub async fn serve<S: Stream>(transport: Transport<S>, service: Arc<ImapService>) {
    let mut session = Session::new(transport, service);
    let ended = session.run().await;
    session.say_goodbye(ended);
    session.transport.close_with(&session.out).await;
}

/// Somebody who is logged in.
pub(crate) struct User {
    pub(crate) login: Login,
    pub(crate) account: Arc<Account>,
}

/// Why a session ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The client logged out, and is told goodbye.
    LoggedOut,
    /// The server ends it; the client is told why.
    Bye(String),
    /// The connection broke.
    Connection(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::Bye("Autologout; idle for too long".to_owned()),
            _ => Self::Connection(error),
        }
    }
}

/// What came in.
pub(crate) enum Input {
    /// More bytes.
    Bytes,
    /// The client closed its side.
    Closed,
}

/// A session and all it remembers.
pub(crate) struct Session<S> {
    pub(crate) service: Arc<ImapService>,
    pub(crate) transport: Transport<S>,
    pub(crate) framer: Framer,
    /// Responses that were not sent yet.
    pub(crate) out: Vec<u8>,
    pub(crate) enabled: Enabled,
    pub(crate) user: Option<User>,
    pub(crate) selected: Option<Selected>,
    errors: u32,
}

impl<S: Stream> Session<S> {
    fn new(transport: Transport<S>, service: Arc<ImapService>) -> Self {
        let framer = Framer::new(service.options.frames_before_login);
        Self {
            service,
            transport,
            framer,
            out: Vec::new(),
            enabled: Enabled::default(),
            user: None,
            selected: None,
            errors: 0,
        }
    }

    async fn run(&mut self) -> End {
        let greeting = Code::Capability(self.capabilities());
        self.status(None, Status::Ok, Some(&greeting), "postrider at your service");
        loop {
            match self.step().await {
                Ok(()) => {}
                Err(end) => return end,
            }
        }
    }

    /// Does one command, or reads what is needed for it.
    async fn step(&mut self) -> Result<(), End> {
        let frame = self.framer.next(self.transport.input());
        match frame {
            Frame::Incomplete => match self.read_more().await? {
                Input::Bytes => Ok(()),
                Input::Closed => Err(End::Connection(io::ErrorKind::UnexpectedEof.into())),
            },
            Frame::Continuation => {
                encode::encode_continuation(&mut self.out, "OK");
                Ok(())
            }
            Frame::Refused { tag, refusal } => {
                let (status, code, text) = refused(&refusal);
                self.status(tag.as_deref().or(Some("*")), status, code.as_ref(), text);
                self.count_error()
            }
            Frame::Command(bytes) => self.command(&bytes).await,
        }
    }

    /// Sends what waits and reads more; answers to pipelined commands so leave together.
    pub(crate) async fn read_more(&mut self) -> Result<Input, End> {
        self.flush().await?;
        if self.out.capacity() > KEPT_BYTES_MAX {
            self.out = Vec::new();
        }
        self.transport.free_buffers();
        let limit = self.silence_limit();
        let mut shutdown = self.service.shutdown.clone();
        tokio::select! {
            read = self.transport.fill(limit) => Ok(if read? == 0 { Input::Closed } else { Input::Bytes }),
            () = shutdown.requested() => Err(End::Bye("The server is shutting down".to_owned())),
        }
    }

    fn silence_limit(&self) -> Duration {
        let options = &self.service.options;
        if self.user.is_some() { options.idle_timeout } else { options.login_timeout }
    }

    async fn command(&mut self, frame: &Bytes) -> Result<(), End> {
        let Command { tag, body } = match parse_command_within(frame, &self.service.options.parse) {
            Ok(command) => command,
            Err(error) => {
                self.status(error.tag.as_deref().or(Some("*")), Status::Bad, None, &error.message);
                return self.count_error();
            }
        };
        let facts = facts(&body);
        let result = match self.check_state(facts) {
            Ok(()) => match body {
                CommandBody::StartTls => return self.start_tls(&tag).await,
                CommandBody::Logout => return Err(self.logout(&tag)),
                body => self.perform(&tag, body).await,
            },
            Err(failure) => Err(failure),
        };
        self.finish(&tag, facts, result).await
    }

    /// Tells the news that the command lets be told, then how it ended.
    async fn finish(&mut self, tag: &str, facts: Facts, result: Result<Answer, Failure>) -> Result<(), End> {
        let result = match result {
            Err(Failure::Bye(text)) => return Err(End::Bye(text)),
            Err(Failure::Connection(error)) => return Err(error.into()),
            other => match self.report_news(facts.tells).await {
                Ok(()) => other,
                Err(Failure::Bye(text)) => return Err(End::Bye(text)),
                // The command itself ended as it ended; its news come with a later one.
                Err(_) => other,
            },
        };
        // Rows are read when a command looks at them; what was told without those that cannot be read must not stand.
        if self.selected.as_ref().is_some_and(|selected| selected.known.failure().is_some()) {
            return Err(End::Bye("Some messages of the selected mailbox cannot be read".to_owned()));
        }
        match result {
            Ok(answer) => {
                self.status(Some(tag), answer.status, answer.code.as_ref(), &answer.text);
                self.errors = 0;
                self.flush_if_large().await?;
                Ok(())
            }
            Err(Failure::No(code, text)) => {
                self.status(Some(tag), Status::No, code.as_ref(), &text);
                // Who guesses passwords does not get to do so for ever on one connection.
                if facts.needs == Needs::NotAuthenticated { self.count_error() } else { Ok(()) }
            }
            Err(Failure::Bad(code, text)) => {
                self.status(Some(tag), Status::Bad, code.as_ref(), &text);
                self.count_error()
            }
            Err(Failure::Bye(text)) => Err(End::Bye(text)),
            Err(Failure::Connection(error)) => Err(error.into()),
        }
    }

    fn check_state(&self, facts: Facts) -> Result<(), Failure> {
        let name = facts.name;
        match facts.needs {
            Needs::NotAuthenticated if self.user.is_some() => {
                Err(Failure::bad(format!("{name}: you are logged in already")))
            }
            Needs::Authenticated | Needs::Selected if self.user.is_none() => {
                Err(Failure::bad(format!("{name}: log in first")))
            }
            Needs::Selected if self.selected.is_none() => Err(Failure::bad(format!("{name}: select a mailbox first"))),
            _ => Ok(()),
        }
    }

    async fn perform(&mut self, tag: &str, body: CommandBody) -> Result<Answer, Failure> {
        match body {
            CommandBody::Capability => self.capability(),
            CommandBody::Noop => Ok(Answer::ok("Done")),
            CommandBody::Check => Ok(Answer::ok("Everything is on disk already")),
            CommandBody::Id(fields) => self.id(fields),
            CommandBody::Authenticate { mechanism, initial } => self.authenticate(&mechanism, initial).await,
            CommandBody::Login { user, password } => self.login(&user, password).await,
            CommandBody::Unauthenticate => self.unauthenticate(),
            CommandBody::Enable(names) => self.enable(&names).await,
            CommandBody::Select(select) => self.select(select, crate::selected::Access::ReadWrite).await,
            CommandBody::Examine(select) => self.select(select, crate::selected::Access::ReadOnly).await,
            CommandBody::Create { mailbox, special_use } => self.create(&mailbox, &special_use).await,
            CommandBody::Delete(mailbox) => self.delete(&mailbox).await,
            CommandBody::Rename { from, to } => self.rename(&from, &to).await,
            CommandBody::Subscribe(mailbox) => self.subscribe(&mailbox, true).await,
            CommandBody::Unsubscribe(mailbox) => self.subscribe(&mailbox, false).await,
            CommandBody::List(list) => self.list(list).await,
            CommandBody::Lsub { reference, pattern } => self.lsub(&reference, &pattern).await,
            CommandBody::Namespace => self.namespace(),
            CommandBody::Status { mailbox, items } => self.mailbox_status(&mailbox, &items).await,
            CommandBody::Append { mailbox, messages } => self.append(&mailbox, messages).await,
            CommandBody::Idle => self.idle().await,
            CommandBody::Close => self.close().await,
            CommandBody::Unselect => self.unselect(),
            CommandBody::Expunge(set) => self.expunge(set.as_ref()).await,
            CommandBody::Search(search) => self.search(tag, search).await,
            CommandBody::Sort(sort) => self.sort(tag, sort).await,
            CommandBody::Thread(thread) => self.thread(thread).await,
            CommandBody::Fetch(fetch) => self.fetch(fetch).await,
            CommandBody::Store(store) => self.store(store).await,
            CommandBody::Copy(copy) => self.copy(copy).await,
            CommandBody::Move(copy) => self.move_messages(copy).await,
            // Done before: they end the session as it was.
            CommandBody::StartTls | CommandBody::Logout => Err(Failure::bad("Unexpected command")),
        }
    }

    /// Tells what is new in the selected mailbox.
    pub(crate) async fn report_news(&mut self, tells: Tells) -> Result<(), Failure> {
        let (Some(user), Some(selected)) = (&self.user, &mut self.selected) else { return Ok(()) };
        let mailbox = newest(&user.account, selected.id).await?;
        selected.report(&mailbox, self.enabled, tells, &mut self.out);
        Ok(())
    }

    /// The user, in a state where there is one.
    pub(crate) fn account(&self) -> Result<Arc<Account>, Failure> {
        self.user.as_ref().map(|user| Arc::clone(&user.account)).ok_or_else(|| Failure::bad("Log in first"))
    }

    /// Whether the account has room for so many bytes more.
    pub(crate) fn check_room(&self, bytes: u64) -> Result<(), Failure> {
        let Some(user) = &self.user else { return Ok(()) };
        let quota = user.login.settings.quota_bytes.or(self.service.store.options().quota_bytes);
        let Some(quota) = quota else { return Ok(()) };
        if user.account.state().bytes_used().saturating_add(bytes) <= quota {
            return Ok(());
        }
        Err(Failure::no(Code::OverQuota, "The account has no room for it; remove something first"))
    }

    /// The selected mailbox, in a state where there is one.
    pub(crate) fn selected(&self) -> Result<&Selected, Failure> {
        self.selected.as_ref().ok_or_else(|| Failure::bad("Select a mailbox first"))
    }

    /// The selected mailbox, if it may be changed.
    pub(crate) fn writable(&self) -> Result<&Selected, Failure> {
        let selected = self.selected()?;
        match selected.access {
            crate::selected::Access::ReadWrite => Ok(selected),
            crate::selected::Access::ReadOnly => {
                Err(Failure::No(None, "The mailbox is open for reading only".to_owned()))
            }
        }
    }

    /// How mailbox names are written in this session (RFC 9051 §5.1, RFC 9755 §3).
    pub(crate) fn name_encoding(&self) -> NameEncoding {
        if self.enabled.rev2 || self.enabled.utf8 { NameEncoding::Utf8 } else { NameEncoding::ModifiedUtf7 }
    }

    /// A mailbox name or a pattern from the wire, in normalization form C: a letter and its accent are one name however
    /// a client's system writes them (RFC 9051 §5.1).
    pub(crate) fn decode_name(&self, raw: &[u8]) -> Result<String, NameError> {
        let name = mailbox_name::decode(raw, self.name_encoding())?;
        if name.is_ascii() { Ok(name) } else { Ok(name.nfc().collect()) }
    }

    /// A mailbox name from the wire; INBOX gets its one spelling, also as the first level of a longer name.
    pub(crate) fn mailbox_name(&self, raw: &[u8]) -> Result<String, Failure> {
        let name = self.decode_name(raw).map_err(|error| Failure::No(Some(Code::Cannot), error.to_string()))?;
        let (first, rest) = name.split_at(name.find(SEPARATOR).unwrap_or(name.len()));
        match first.eq_ignore_ascii_case(postrider_store::INBOX) {
            true => Ok(format!("{}{rest}", postrider_store::INBOX)),
            false => Ok(name),
        }
    }

    /// What the login code has to know of this connection.
    pub(crate) fn login_connection(&self) -> LoginConnection {
        LoginConnection {
            address: self.transport.peer().address(),
            service: Service::Imap,
            protected: self.transport.is_protected(),
            can_bind_channel: self.transport.can_bind_channel(),
            channel_binding: self.transport.channel_binding(),
        }
    }

    pub(crate) fn start_tls_possible(&self) -> StartTls {
        match (self.transport.security(), &self.service.tls) {
            (Security::Plain, Some(_)) => StartTls::Possible,
            _ => StartTls::Impossible,
        }
    }

    /// What the server can do for this client now.
    pub(crate) fn capabilities(&self) -> Vec<String> {
        match &self.user {
            Some(_) => capability::after_login(self.service.options.append_bytes_max),
            None => {
                capability::before_login(&self.service.accounts, &self.login_connection(), self.start_tls_possible())
            }
        }
    }

    /// Limits of commands change with the right to send large ones.
    pub(crate) fn set_frame_limits(&mut self) {
        let options = &self.service.options;
        *self.framer.limits_mut() = match self.user {
            Some(_) => FrameLimits { append_bytes_max: options.append_bytes_max, ..options.frames },
            None => options.frames_before_login,
        };
    }

    pub(crate) fn status(&mut self, tag: Option<&str>, status: Status, code: Option<&Code>, text: &str) {
        // Where not even a tag could be read the response is untagged.
        encode::encode_status(&mut self.out, tag.filter(|tag| *tag != "*"), status, code, text);
    }

    /// Sends all that waits.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            self.transport.write(&self.out).await?;
            self.out.clear();
        }
        Ok(())
    }

    /// Sends what waits if it is much: so a session's memory stays small however long its answers are.
    pub(crate) async fn flush_if_large(&mut self) -> io::Result<()> {
        if self.out.len() >= self.service.options.output_bytes { self.flush().await } else { Ok(()) }
    }

    fn count_error(&mut self) -> Result<(), End> {
        self.errors += 1;
        if self.errors >= self.service.options.errors_max {
            return Err(End::Bye("Too many errors".to_owned()));
        }
        Ok(())
    }

    /// Writes the last words, which the end of the connection takes along.
    fn say_goodbye(&mut self, ended: End) {
        match ended {
            End::LoggedOut => {}
            End::Bye(text) => self.status(None, Status::Bye, None, &text),
            End::Connection(error) => {
                self.out.clear();
                tracing::debug!(peer = %self.transport.peer().remote, %error, "IMAP connection ended");
            }
        }
    }
}

/// What to say of a command beyond the bounds.
fn refused(refusal: &Refusal) -> (Status, Option<Code>, &'static str) {
    match refusal {
        Refusal::LineTooLong => (Status::Bad, None, "The line is too long"),
        // RFC 7888 §4, RFC 7889 §4
        Refusal::LiteralTooLarge { .. } => (Status::No, Some(Code::TooBig), "The literal is too large"),
        Refusal::CommandTooLarge => (Status::No, Some(Code::TooBig), "The command is too large"),
        Refusal::TooManyLiterals => (Status::No, Some(Code::Limit), "The command has too many literals"),
    }
}
