//! A connection to an IMAP server: commands out, responses in.
//!
//! Knows the order of things on the wire and nothing of mailboxes. It is generic over its stream, so that tests drive it
//! over memory. Responses are handed out one by one; message contents are gathered, or hashed, as they come, so that
//! memory is bounded by what the caller allows for one message.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use postrider_imap_proto::client::command::{Dialect, Step, Tags, encode_client_command};
use postrider_imap_proto::client::{
    Capabilities, ClientCommand, FailureKind, Greeting, Response, ResponseEvent, ResponseFramer, ResponseLimits,
    ResponseRefusal, StatusResponse, parse_response,
};
use postrider_imap_proto::encode::Status;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::body::{Contents, Keep};
use super::error::ImapError;
use super::labels::Labels;
use super::report::printable;
use super::suspects::Suspects;
use crate::connect::Connection;

/// How long a server that hung up is listened to.
const LAST_WORDS_TIME_MAX: Duration = Duration::from_secs(1);

/// Bounds on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImapConnectionOptions {
    /// How long the server may say nothing while we wait for it, and how long it may take no octet of ours.
    pub silence_max: Duration,
    /// Room for octets that were read and not looked at yet, in bytes.
    pub read_bytes: usize,
    /// How often a command is said again after the server asked for patience.
    pub retries_max: u32,
    /// The first wait before a command is said again, where the server names none; it doubles each time.
    pub wait: Duration,
    /// The longest wait, whatever the server asks for.
    pub wait_max: Duration,
    /// Messages of one mailbox that are taken note of; what a server lists beyond is not believed.
    pub mailbox_messages_max: usize,
    /// Responses that may come before the server lets a command be sent to its end.
    pub early_responses_max: usize,
}

impl Default for ImapConnectionOptions {
    fn default() -> Self {
        Self {
            silence_max: Duration::from_secs(300),
            read_bytes: 64 * 1024,
            retries_max: 5,
            wait: Duration::from_secs(2),
            wait_max: Duration::from_secs(600),
            mailbox_messages_max: 5_000_000,
            early_responses_max: 10_000,
        }
    }
}

/// A response, and what was kept of the contents in it.
pub(crate) struct Received {
    pub(crate) response: Response,
    pub(crate) contents: Contents,
}

/// A connection to an IMAP server.
pub struct ImapConnection<S> {
    stream: S,
    pub(crate) options: ImapConnectionOptions,
    input: BytesMut,
    framer: ResponseFramer,
    tags: Tags,
    pub(crate) dialect: Dialect,
    pub(crate) capabilities: Capabilities,
    /// Whether capabilities have been told since the last change of state.
    pub(crate) is_capable: bool,
    /// What was enabled, in capitals.
    pub(crate) enabled: Vec<String>,
    /// Name and port of the server, where a login tells it that.
    pub(crate) server: Option<(String, u16)>,
    /// What is made of Gmail's labels.
    pub(crate) labels: Labels,
    /// Responses that came while a command was being sent.
    early: VecDeque<Received>,
    bytes_received: u64,
    is_leaving: bool,
    /// Messages at which connections to this server broke, in this run.
    pub(crate) suspects: Arc<Suspects>,
    /// Whether the server asked for patience, as too much was asked of it, since this was last looked at.
    was_throttled: bool,
    /// Who is told of waits.
    notes: Option<mpsc::UnboundedSender<String>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ImapConnection<S> {
    /// Reads the greeting.
    ///
    /// # Errors
    /// When there is none, or the server does not want us.
    pub async fn open(stream: S, options: ImapConnectionOptions) -> Result<(Self, Greeting), ImapError> {
        let mut connection = Self::new(stream, options);
        let received = connection.receive(Keep::Hash).await?;
        let Some((greeting, status)) = Greeting::of(&received.response) else { return Err(ImapError::NoGreeting) };
        if greeting == Greeting::Bye {
            return Err(bye(status));
        }
        Ok((connection, greeting))
    }

    /// Goes on with a stream whose greeting was read and on which nobody is logged in.
    pub fn new(stream: S, options: ImapConnectionOptions) -> Self {
        Self {
            stream,
            options,
            input: BytesMut::with_capacity(options.read_bytes),
            framer: ResponseFramer::new(ResponseLimits::before_login()),
            tags: Tags::new(),
            dialect: Dialect::default(),
            capabilities: Capabilities::default(),
            is_capable: false,
            enabled: Vec::new(),
            server: None,
            labels: Labels::default(),
            early: VecDeque::new(),
            bytes_received: 0,
            is_leaving: false,
            suspects: Arc::default(),
            was_throttled: false,
            notes: None,
        }
    }

    /// What people should know of the connection, such as waits, from here on.
    pub(crate) fn tell(&mut self) -> mpsc::UnboundedReceiver<String> {
        let (notes, told) = mpsc::unbounded_channel();
        self.notes = Some(notes);
        told
    }

    /// It is told where this one's is.
    pub(crate) fn tell_as(&mut self, other: &mpsc::UnboundedSender<String>) {
        self.notes = Some(other.clone());
    }

    /// Whom [`Self::tell`] made to be told.
    pub(crate) fn teller(&self) -> Option<mpsc::UnboundedSender<String>> {
        self.notes.clone()
    }

    /// Whether the server asked for patience since this was last asked.
    pub(crate) fn take_throttled(&mut self) -> bool {
        std::mem::take(&mut self.was_throttled)
    }

    /// Whether an extension is enabled.
    pub(crate) fn has_enabled(&self, name: &str) -> bool {
        self.enabled.iter().any(|enabled| enabled.eq_ignore_ascii_case(name))
    }

    /// Octets received so far.
    pub fn bytes_received(&self) -> u64 {
        self.bytes_received
    }

    /// The stream, for TLS to begin on it; `None` if more has come than was asked for.
    pub(crate) fn into_stream(self) -> Option<S> {
        (self.input.is_empty() && self.early.is_empty() && self.framer.is_between_responses()).then_some(self.stream)
    }

    /// Answers are taken as large as mailboxes are from here on: the server has shown who it is.
    pub(crate) fn trust(&mut self) {
        *self.framer.limits_mut() = ResponseLimits::default();
    }

    /// A tag that was not used before.
    pub(crate) fn next_tag(&mut self) -> String {
        self.tags.next_tag()
    }

    /// Sends a command; its answer is to be received. Answers its tag.
    pub(crate) async fn send(&mut self, command: &ClientCommand) -> Result<String, ImapError> {
        let tag = self.tags.next_tag();
        for step in encode_client_command(&tag, command, &self.dialect)? {
            match step {
                Step::Write(octets) => self.write(&octets).await?,
                Step::AwaitContinuation => {
                    if !self.await_continuation(&tag).await? {
                        break;
                    }
                }
                // Only APPEND has it, which `appending` says.
                Step::Message { .. } => {}
            }
        }
        Ok(tag)
    }

    /// Whether the server wants the rest; if not, the command's end waits among the early responses.
    pub(crate) async fn await_continuation(&mut self, tag: &str) -> Result<bool, ImapError> {
        loop {
            if self.early.len() > self.options.early_responses_max {
                return Err(ResponseRefusal::ResponseTooLarge.into());
            }
            let received = self.receive_new(Keep::Hash).await?;
            match &received.response {
                Response::Continuation(_) => return Ok(true),
                Response::Tagged { tag: theirs, .. } if theirs == tag => {
                    self.early.push_back(received);
                    return Ok(false);
                }
                _ => self.early.push_back(received),
            }
        }
    }

    pub(crate) async fn write(&mut self, octets: &[u8]) -> Result<(), ImapError> {
        let sent = timeout(self.options.silence_max, async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        });
        match sent.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.last_words().await.unwrap_or_else(|| error.into())),
            Err(_) => Err(self.silent()),
        }
    }

    /// Why the server hung up, if it had said so: who is thrown out is often told in the middle of its own sentence.
    async fn last_words(&mut self) -> Option<ImapError> {
        let heard = timeout(LAST_WORDS_TIME_MAX, async {
            loop {
                if let Err(error) = self.receive_new(Keep::Hash).await {
                    return error;
                }
            }
        });
        heard.await.ok().filter(|error| matches!(error, ImapError::Bye { .. }))
    }

    /// The next response.
    pub(crate) async fn receive(&mut self, keep: Keep) -> Result<Received, ImapError> {
        match self.early.pop_front() {
            Some(received) => Ok(received),
            None => self.receive_new(keep).await,
        }
    }

    async fn receive_new(&mut self, keep: Keep) -> Result<Received, ImapError> {
        let mut contents = Contents::new(keep);
        let mut length = 0;
        loop {
            match self.framer.next(&mut self.input) {
                ResponseEvent::Incomplete => self.fill().await?,
                ResponseEvent::ContentBegin(partial) => {
                    length = partial.length;
                    contents.begin(length);
                }
                ResponseEvent::ContentPiece(piece) => contents.piece(&piece, length),
                ResponseEvent::ContentEnd => contents.end(),
                ResponseEvent::Refused { refusal, .. } => return Err(refusal.into()),
                ResponseEvent::Response(frame) => {
                    let response = parse_response(&frame);
                    self.look_at(&response)?;
                    return Ok(Received { response, contents });
                }
            }
        }
    }

    /// What concerns the connection as a whole, in whatever place it stands.
    fn look_at(&mut self, response: &Response) -> Result<(), ImapError> {
        use postrider_imap_proto::client::ResponseCode;
        use postrider_imap_proto::encode::Code;
        let status = match response {
            Response::Capability(capabilities) => {
                self.learn(capabilities.clone());
                return Ok(());
            }
            Response::Enabled(names) => {
                self.dialect = self.dialect.enabled(names);
                self.enabled.extend(names.iter().cloned());
                return Ok(());
            }
            Response::Status(status) | Response::Tagged { status, .. } => status,
            _ => return Ok(()),
        };
        if let Some(ResponseCode::Known(Code::Capability(names))) = &status.code {
            self.learn(Capabilities::new(names));
        }
        if matches!(response, Response::Status(_)) && status.status == Status::Bye && !self.is_leaving {
            return Err(bye(status));
        }
        Ok(())
    }

    fn learn(&mut self, capabilities: Capabilities) {
        let names = self.dialect.names;
        self.dialect = Dialect { names, ..Dialect::from_capabilities(&capabilities) };
        self.capabilities = capabilities;
        self.is_capable = true;
    }

    async fn fill(&mut self) -> Result<(), ImapError> {
        self.input.reserve(self.options.read_bytes);
        let read = timeout(self.options.silence_max, self.stream.read_buf(&mut self.input)).await;
        let bytes = read.map_err(|_| self.silent())??;
        self.bytes_received += bytes as u64;
        if bytes == 0 { Err(ImapError::Closed) } else { Ok(()) }
    }

    fn silent(&self) -> ImapError {
        ImapError::Silent { seconds: self.options.silence_max.as_secs() }
    }

    /// Says a command and hands each response that comes before its end to `on`. If the server asks for patience the
    /// command is said again after a while, so `on` must bear to hear a thing twice.
    ///
    /// # Errors
    /// When the server refuses the command, or the connection fails.
    pub(crate) async fn command(
        &mut self,
        name: &'static str,
        command: impl Into<ClientCommand>,
        mut on: impl FnMut(Response),
    ) -> Result<StatusResponse, ImapError> {
        let command = command.into();
        let mut retries = 0;
        loop {
            let tag = self.send(&command).await?;
            let status = loop {
                match self.receive(Keep::Hash).await?.response {
                    Response::Tagged { tag: theirs, status } if theirs == tag => break status,
                    response => on(response),
                }
            };
            if status.failure().is_none() {
                return Ok(status);
            }
            self.be_patient(name, &status, &mut retries).await?;
        }
    }

    /// Waits where a failure asks for it, and otherwise makes it an error.
    pub(crate) async fn be_patient(
        &mut self,
        name: &'static str,
        status: &StatusResponse,
        retries: &mut u32,
    ) -> Result<(), ImapError> {
        let waits = matches!(status.failure(), Some(FailureKind::Throttled | FailureKind::Temporary));
        self.was_throttled |= status.failure() == Some(FailureKind::Throttled);
        if !waits || *retries >= self.options.retries_max {
            return Err(ImapError::refused(name, status));
        }
        let doubled = self.options.wait.saturating_mul(1 << (*retries).min(16));
        let wait = status.suggested_wait().unwrap_or(doubled).min(self.options.wait_max);
        *retries += 1;
        tracing::info!(command = name, seconds = wait.as_secs(), reason = %status.text, "the server asks for patience");
        if let Some(notes) = &self.notes {
            let (text, seconds) = (printable(&status.text), wait.as_secs().max(1));
            // Nobody listens any more only when the run is over.
            let _ = notes.send(format!("the server asks for patience ({text}); going on in {seconds} s"));
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Says goodbye; that the server answers is of no importance any more.
    pub async fn log_out(&mut self) {
        use postrider_imap_proto::command::CommandBody;
        self.is_leaving = true;
        let left = timeout(Duration::from_secs(5), self.command("LOGOUT", CommandBody::Logout, drop)).await;
        if !matches!(left, Ok(Ok(_))) {
            tracing::debug!("the server did not answer LOGOUT");
        }
    }
}

impl ImapConnection<Connection> {
    /// Compresses what passes from here on, where the server offers it (RFC 4978). To be asked for when logged in and
    /// nothing is under way.
    ///
    /// # Errors
    /// When the connection fails; a server that refuses after all is spoken to as before.
    pub(crate) async fn compress(&mut self) -> Result<(), ImapError> {
        if !self.capabilities.has("COMPRESS=DEFLATE") {
            return Ok(());
        }
        match self.command("COMPRESS", ClientCommand::CompressDeflate, drop).await {
            // RFC 4978 §3: all that follows the tagged response's line is compressed.
            Ok(_) => {
                let read_ahead = self.input.split();
                self.stream.start_deflate(read_ahead);
                Ok(())
            }
            Err(error) if error.is_of_one_command() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// From now on the stream's own watch lets the server say nothing for so long.
    pub(crate) fn set_stream_silence_max(&mut self, silence_max: Duration) {
        self.stream.set_silence_time_max(silence_max);
    }
}

fn bye(status: &StatusResponse) -> ImapError {
    let kind = match status.failure().unwrap_or(FailureKind::Temporary) {
        // Said of connections, of logins and of commands.
        FailureKind::Temporary if status.text.to_ascii_lowercase().contains("too many") => FailureKind::Throttled,
        kind => kind,
    };
    ImapError::Bye { text: printable(&status.text), kind }
}
