//! One client's session: reads commands, has them done, writes replies.
//!
//! Replies gather in a buffer that is sent when more input is needed, so that the replies to pipelined commands leave
//! together (RFC 2920 §3.2).

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use postrider_accounts::{Login, LoginConnection, Service};
pub(crate) use postrider_net::Stream;
use postrider_net::Transport;
use postrider_smtp_proto::{Command, ParseError, encode_reply, parse_command};
use postrider_wire::{Line, LineEnd, LineReader};

use crate::{
    reply::Reply,
    service::{SmtpRole, SmtpService},
    transaction::{Greeting, Transaction},
};

/// Serves a client until it leaves, is silent for too long or the server stops.
pub async fn serve<S: Stream>(transport: Transport<S>, service: Arc<SmtpService>, role: SmtpRole) {
    let mut session = Session::new(transport, service, role);
    let End = session.run().await;
    // Content that was not answered was not taken: the client keeps it. What is left is to say what was not said yet.
    session.transport.close_with(&session.out).await;
}

/// The session is over: the client left, was sent away, or the connection broke.
#[derive(Debug)]
pub(crate) struct End;

/// Output grows to this many bytes before it is sent, whatever is still to be read.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// A session and all it remembers.
pub(crate) struct Session<S> {
    pub(crate) service: Arc<SmtpService>,
    pub(crate) transport: Transport<S>,
    pub(crate) role: SmtpRole,
    pub(crate) lines: LineReader,
    /// Replies that were not sent yet.
    pub(crate) out: Vec<u8>,
    pub(crate) greeting: Option<Greeting>,
    pub(crate) login: Option<Login>,
    pub(crate) login_failures: u32,
    pub(crate) transaction: Option<Transaction>,
    /// Refused commands since the last message that was taken.
    pub(crate) errors: u32,
}

impl<S: Stream> Session<S> {
    fn new(transport: Transport<S>, service: Arc<SmtpService>, role: SmtpRole) -> Self {
        Self {
            // RFC 5321 §2.3.8: a line ends with CRLF and nothing else.
            lines: LineReader::new(service.options.line_bytes_max, LineEnd::Crlf),
            service,
            transport,
            role,
            out: Vec::new(),
            greeting: None,
            login: None,
            login_failures: 0,
            transaction: None,
            errors: 0,
        }
    }

    async fn run(&mut self) -> End {
        let protocol = if self.role == SmtpRole::Lmtp { "LMTP" } else { "ESMTP" };
        let text = format!("{} {protocol} postrider", self.service.options.host_name);
        encode_reply(&mut self.out, 220, None, &[&text]);
        loop {
            if let Err(end) = self.step().await {
                return end;
            }
        }
    }

    async fn step(&mut self) -> Result<(), End> {
        let timeout = self.service.options.command_timeout;
        let replies = match self.next_line(timeout).await? {
            Some(line) => match parse_command(&line) {
                Ok(command) => self.perform(command).await?,
                Err(error) => {
                    let reply = Reply::from(&error);
                    if error == ParseError::ChunkSize {
                        // What follows is a chunk of a size that nobody knows, and must not be taken for commands.
                        return Err(self.dismiss(reply));
                    }
                    vec![reply]
                }
            },
            None => vec![Reply::new(500, (5, 5, 2), "The line is too long")],
        };
        self.errors += u32::from(replies.iter().any(Reply::is_permanent));
        for reply in replies {
            reply.encode(&mut self.out);
        }
        let options = &self.service.options;
        if self.errors >= options.errors_max || self.login_failures >= options.login_failures_max {
            return Err(self.dismiss(Reply::new(421, (4, 7, 0), "Too many errors")));
        }
        if self.out.len() >= OUTPUT_BYTES_MAX { self.flush().await } else { Ok(()) }
    }

    async fn perform(&mut self, command: Command) -> Result<Vec<Reply>, End> {
        if let Some(refusal) = self.login_needed(&command) {
            // The octets of a chunk follow even so.
            return match command {
                Command::Bdat(chunk) => self.discard_chunk(chunk, refusal).await.map(one),
                _ => Ok(one(refusal)),
            };
        }
        match command {
            Command::Helo(host) => Ok(self.helo(host)),
            Command::Ehlo(host) => Ok(self.ehlo(host)),
            Command::Lhlo(host) => Ok(self.lhlo(host)),
            Command::Mail(mail) => self.mail(*mail).await.map(one),
            Command::Rcpt(recipient) => self.rcpt(*recipient).await.map(one),
            Command::Data => self.data().await,
            Command::Bdat(chunk) => self.bdat(chunk).await,
            Command::Rset => Ok(one(self.rset())),
            Command::Noop => Ok(one(Reply::new(250, (2, 0, 0), "Ok"))),
            Command::Vrfy(_) => Ok(one(self.vrfy())),
            Command::Expn(_) => Ok(one(self.expn())),
            Command::Help(_) => Ok(one(self.help())),
            Command::StartTls => self.start_tls().await,
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial).await.map(one),
            Command::Quit => Err(self.dismiss(Reply::new(221, (2, 0, 0), "Goodbye"))),
        }
    }

    /// The refusal of what only somebody who has logged in may do (RFC 4954 §6).
    fn login_needed(&self, command: &Command) -> Option<Reply> {
        let open = matches!(
            command,
            Command::Helo(_)
                | Command::Ehlo(_)
                | Command::Lhlo(_)
                | Command::Auth { .. }
                | Command::StartTls
                | Command::Rset
                | Command::Noop
                | Command::Help(_)
                | Command::Quit
        );
        let needed = self.role == SmtpRole::Submission && self.login.is_none() && !open;
        needed.then(|| Reply::new(530, (5, 7, 0), "Authentication required"))
    }

    /// The next line; `None` if it was too long.
    pub(crate) async fn next_line(&mut self, timeout: Duration) -> Result<Option<Bytes>, End> {
        loop {
            match self.lines.next(self.transport.input()) {
                Line::Complete(line) => return Ok(Some(line)),
                Line::TooLong => return Ok(None),
                Line::Incomplete => {
                    self.transport.free_buffers();
                    self.read_more(timeout).await?;
                }
            }
        }
    }

    /// Sends what waits and reads more.
    pub(crate) async fn read_more(&mut self, timeout: Duration) -> Result<(), End> {
        self.flush().await?;
        let mut shutdown = self.service.shutdown.clone();
        let read = tokio::select! {
            read = self.transport.fill(timeout) => Some(read),
            () = shutdown.requested() => None,
        };
        match read {
            Some(Ok(0)) => Err(End),
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) if error.kind() == io::ErrorKind::TimedOut => {
                Err(self.dismiss(Reply::new(421, (4, 4, 2), "You were silent for too long")))
            }
            Some(Err(error)) => Err(broken(&error)),
            None => Err(self.dismiss(Reply::new(421, (4, 3, 2), "The server is shutting down"))),
        }
    }

    /// Sends what waits.
    pub(crate) async fn flush(&mut self) -> Result<(), End> {
        if !self.out.is_empty() {
            self.transport.write(&self.out).await.map_err(|error| broken(&error))?;
            self.out.clear();
        }
        Ok(())
    }

    /// Ends the session with a last reply.
    pub(crate) fn dismiss(&mut self, reply: Reply) -> End {
        reply.encode(&mut self.out);
        End
    }

    /// What the login code has to know of this connection.
    pub(crate) fn login_connection(&self) -> LoginConnection {
        LoginConnection {
            address: self.transport.peer().address(),
            service: Service::Submission,
            protected: self.transport.is_protected(),
            can_bind_channel: self.transport.can_bind_channel(),
            channel_binding: self.transport.channel_binding(),
        }
    }
}

/// A single reply, as commands of several replies give them.
pub(crate) fn one(reply: Reply) -> Vec<Reply> {
    vec![reply]
}

pub(crate) fn broken(error: &io::Error) -> End {
    tracing::debug!(%error, "SMTP connection ended");
    End
}
