//! Commands, written as steps: octets to send, and moments at which the server must first agree to more.
//!
//! The commands are those of [`crate::command`], the same values that our server reads, and a few that it does not have.
//! Texts are quoted where they can be and else literals; whether a literal may follow at once, and in which encoding
//! text stands, is the [`Dialect`] of the connection. What cannot be said in the grammar is an error and never sent, so
//! that no name or flag that came from elsewhere can put a command into the stream.

mod append;
mod fetch;
mod list;
mod notify;
mod search;
mod set;
mod writer;

#[cfg(test)]
#[path = "../tests/commands.rs"]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;

use super::capability::Capabilities;
use crate::command::{CommandBody, Copy, Fetch, IdPairs, Numbering, RawMailbox, Secret};
use crate::encode::Utf8Quoting;
use crate::mailbox_name::NameEncoding;
use crate::parse::is_tag;
pub use append::{AppendForm, AppendUpload};
pub use fetch::GmailAttribute;
pub use notify::{EventGroup, MailboxFilter, Notify, NotifyEvent, NotifyStatus};
pub use set::{SetLimits, ranges_of_uids, split_into_sets};
use writer::Writer;

/// The line that ends IDLE (RFC 9051 §6.3.13).
pub const IDLE_DONE: &[u8] = b"DONE\r\n";

/// The line that gives up a SASL exchange (RFC 9051 §6.2.2).
pub const SASL_CANCEL: &[u8] = b"*\r\n";

/// A command of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCommand {
    /// A command that our own server has, too.
    ///
    /// `STORE` and `APPEND` may not set `\Recent`. Of `APPEND` the messages are in memory; see
    /// [`ClientCommand::Append`].
    Plain(CommandBody),
    /// `APPEND` of messages that the caller sends by itself where [`Step::Message`] stands.
    Append {
        /// The mailbox.
        mailbox: RawMailbox,
        /// The messages, at least one; more than one needs MULTIAPPEND (RFC 3502).
        messages: Vec<AppendUpload>,
    },
    /// `FETCH` with data that only Gmail has (`X-GM-EXT-1`).
    GmailFetch {
        /// The command without them; it may ask for nothing else.
        fetch: Fetch,
        /// What more to tell.
        attributes: Vec<GmailAttribute>,
    },
    /// `COMPRESS DEFLATE` (RFC 4978)
    CompressDeflate,
    /// `NOTIFY` (RFC 5465)
    Notify(Notify),
}

impl From<CommandBody> for ClientCommand {
    fn from(body: CommandBody) -> Self {
        Self::Plain(body)
    }
}

/// Which literals may be sent without waiting for a continuation request (RFC 7888).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LiteralSupport {
    /// None.
    #[default]
    Synchronising,
    /// `LITERAL-`: those of up to 4096 octets.
    NonSynchronisingSmall,
    /// `LITERAL+`: all.
    NonSynchronising,
}

/// Where the first response of a SASL exchange is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InitialResponse {
    /// Behind a continuation request.
    #[default]
    AfterContinuation,
    /// With the command (SASL-IR, RFC 4959).
    WithCommand,
}

/// How this server is spoken to. The default is what every server understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Which literals may be sent at once.
    pub literals: LiteralSupport,
    /// Where an initial response goes.
    pub initial_response: InitialResponse,
    /// The encoding of mailbox names, and whether texts in quotes may be UTF-8.
    pub names: NameEncoding,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            literals: LiteralSupport::default(),
            initial_response: InitialResponse::default(),
            names: NameEncoding::ModifiedUtf7,
        }
    }
}

impl Dialect {
    /// What the server's capabilities allow, before anything is enabled.
    pub fn from_capabilities(capabilities: &Capabilities) -> Self {
        let literals = if capabilities.has("LITERAL+") {
            LiteralSupport::NonSynchronising
        } else if capabilities.has("LITERAL-") {
            LiteralSupport::NonSynchronisingSmall
        } else {
            LiteralSupport::Synchronising
        };
        let initial_response = match capabilities.has("SASL-IR") {
            true => InitialResponse::WithCommand,
            false => InitialResponse::AfterContinuation,
        };
        Self { literals, initial_response, ..Self::default() }
    }

    /// The dialect after an ENABLED response: IMAP4rev2 and `UTF8=ACCEPT` bring UTF-8 (RFC 9051 §5.1, RFC 9755 §3).
    pub fn enabled<S: AsRef<str>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        let brings_utf8 =
            |name: &str| ["IMAP4REV2", "UTF8=ACCEPT"].iter().any(|known| name.eq_ignore_ascii_case(known));
        if names.into_iter().any(|name| brings_utf8(name.as_ref())) {
            self.names = NameEncoding::Utf8;
        }
        self
    }

    fn quoting(&self) -> Utf8Quoting {
        match self.names {
            NameEncoding::ModifiedUtf7 => Utf8Quoting::LiteralOnly,
            NameEncoding::Utf8 => Utf8Quoting::Allowed,
        }
    }
}

/// One step in sending a command. Its octets do not show when printed, since they may be a password.
#[derive(Clone, PartialEq, Eq)]
pub enum Step {
    /// Send these octets.
    Write(Bytes),
    /// Wait for a continuation request. If the tagged response comes instead, the command is over and the remaining
    /// steps must not be taken (RFC 9051 §4.3); untagged responses may come before either.
    AwaitContinuation,
    /// Send exactly this many octets of a message of [`ClientCommand::Append`].
    Message {
        /// Which message, from 0.
        index: usize,
        /// Its length, in octets.
        length: u64,
    },
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Write(octets) => write!(f, "Write({} octets)", octets.len()),
            Self::AwaitContinuation => f.write_str("AwaitContinuation"),
            Self::Message { index, length } => write!(f, "Message {{ index: {index}, length: {length} }}"),
        }
    }
}

/// Why a command cannot be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The tag is no tag.
    #[error("a tag is malformed")]
    Tag,
    /// A flag, a capability, a mechanism or an id is no atom.
    #[error("a word holds characters that it may not")]
    NotAnAtom,
    /// A text holds a NUL, which no string can.
    #[error("a text holds a NUL")]
    Nul,
    /// A set, or a list, is empty where the grammar wants one element at least.
    #[error("a set or a list is empty")]
    Empty,
    /// `\Recent` is the server's to set.
    #[error("a client may not set \\Recent")]
    Recent,
}

type Encode = Result<(), EncodeError>;

/// Tags of a connection's commands: `P1`, `P2`, …
#[derive(Debug, Clone, Default)]
pub struct Tags {
    last: u64,
}

impl Tags {
    /// Of a connection on which nothing was said yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A tag that was not used before.
    pub fn next_tag(&mut self) -> String {
        self.last += 1;
        format!("P{}", self.last)
    }
}

/// Writes a command as steps, the first of which is always [`Step::Write`].
///
/// After the steps of `AUTHENTICATE` the server's challenges are answered with [`encode_sasl_response`]; after those of
/// `IDLE`, which end when the server has agreed, [`IDLE_DONE`] must be sent to get the tagged response.
pub fn encode_client_command(tag: &str, command: &ClientCommand, dialect: &Dialect) -> Result<Vec<Step>, EncodeError> {
    if !is_tag(tag.as_bytes()) {
        return Err(EncodeError::Tag);
    }
    let mut writer = Writer::new(dialect);
    writer.raw(tag);
    writer.raw(" ");
    match command {
        ClientCommand::Plain(body) => writer.command_body(body)?,
        ClientCommand::Append { mailbox, messages } => writer.append_uploads(mailbox, messages)?,
        ClientCommand::GmailFetch { fetch, attributes } => writer.fetch(fetch, attributes)?,
        ClientCommand::CompressDeflate => writer.raw("COMPRESS DEFLATE"),
        ClientCommand::Notify(notify) => writer.notify(notify)?,
    }
    writer.raw("\r\n");
    match command {
        ClientCommand::Plain(CommandBody::Authenticate { initial: Some(initial), .. })
            if dialect.initial_response == InitialResponse::AfterContinuation =>
        {
            writer.await_continuation();
            encode_sasl_response(writer.buffer(), &initial.0);
        }
        ClientCommand::Plain(CommandBody::Idle) => writer.await_continuation(),
        _ => {}
    }
    Ok(writer.finish())
}

/// Appends the answer to a SASL challenge, its line end included; an empty answer is an empty line.
pub fn encode_sasl_response(out: &mut Vec<u8>, response: &[u8]) {
    out.extend_from_slice(BASE64.encode(response).as_bytes());
    out.extend_from_slice(b"\r\n");
}

impl Writer<'_> {
    fn command_body(&mut self, body: &CommandBody) -> Encode {
        match body {
            CommandBody::Capability => self.raw("CAPABILITY"),
            CommandBody::Noop => self.raw("NOOP"),
            CommandBody::Logout => self.raw("LOGOUT"),
            CommandBody::StartTls => self.raw("STARTTLS"),
            CommandBody::Unauthenticate => self.raw("UNAUTHENTICATE"),
            CommandBody::Namespace => self.raw("NAMESPACE"),
            CommandBody::Idle => self.raw("IDLE"),
            CommandBody::Check => self.raw("CHECK"),
            CommandBody::Close => self.raw("CLOSE"),
            CommandBody::Unselect => self.raw("UNSELECT"),
            CommandBody::Authenticate { mechanism, initial } => self.authenticate(mechanism, initial.as_ref())?,
            CommandBody::Login { user, password } => {
                self.raw("LOGIN ");
                self.string(user)?;
                self.raw(" ");
                self.string(&password.0)?;
            }
            CommandBody::Id(pairs) => self.id(pairs.as_ref())?,
            CommandBody::Enable(names) => {
                self.raw("ENABLE ");
                self.spaced(names, |writer, name| writer.atom(name))?;
            }
            CommandBody::Select(select) => self.select("SELECT", select)?,
            CommandBody::Examine(select) => self.select("EXAMINE", select)?,
            CommandBody::Create { mailbox, special_use } => self.create(mailbox, special_use)?,
            CommandBody::Delete(mailbox) => self.named("DELETE", mailbox)?,
            CommandBody::Rename { from, to } => {
                self.named("RENAME", from)?;
                self.raw(" ");
                self.mailbox(to)?;
            }
            CommandBody::Subscribe(mailbox) => self.named("SUBSCRIBE", mailbox)?,
            CommandBody::Unsubscribe(mailbox) => self.named("UNSUBSCRIBE", mailbox)?,
            CommandBody::List(list) => self.list_command(list)?,
            CommandBody::Lsub { reference, pattern } => {
                self.named("LSUB", reference)?;
                self.raw(" ");
                self.mailbox(pattern)?;
            }
            CommandBody::Status { mailbox, items } => {
                self.named("STATUS", mailbox)?;
                self.raw(" ");
                self.status_items(items)?;
            }
            CommandBody::Append { mailbox, messages } => self.append(mailbox, messages)?,
            CommandBody::Expunge(None) => self.raw("EXPUNGE"),
            CommandBody::Expunge(Some(set)) => {
                self.raw("UID EXPUNGE ");
                self.set(set)?;
            }
            CommandBody::Search(search) => self.search(search)?,
            CommandBody::Sort(sort) => self.sort(sort)?,
            CommandBody::Thread(thread) => self.thread(thread)?,
            CommandBody::Fetch(fetch) => self.fetch(fetch, &[])?,
            CommandBody::Store(store) => self.store(store)?,
            CommandBody::Copy(copy) => self.copy("COPY ", copy)?,
            CommandBody::Move(copy) => self.copy("MOVE ", copy)?,
        }
        Ok(())
    }

    fn authenticate(&mut self, mechanism: &str, initial: Option<&Secret>) -> Encode {
        self.raw("AUTHENTICATE ");
        self.atom(mechanism)?;
        if let Some(initial) = initial.filter(|_| self.dialect().initial_response == InitialResponse::WithCommand) {
            self.raw(" ");
            // RFC 4959 §3: an empty response is `=`.
            let encoded = if initial.0.is_empty() { String::from("=") } else { BASE64.encode(&initial.0) };
            self.raw(&encoded);
        }
        Ok(())
    }

    fn id(&mut self, pairs: Option<&IdPairs>) -> Encode {
        self.raw("ID ");
        let Some(pairs) = pairs else {
            self.raw("NIL");
            return Ok(());
        };
        self.parenthesised(pairs, |writer, (name, value)| {
            writer.string(name)?;
            writer.raw(" ");
            match value {
                Some(value) => writer.string(value),
                None => {
                    writer.raw("NIL");
                    Ok(())
                }
            }
        })
    }

    fn create(&mut self, mailbox: &RawMailbox, special_use: &[String]) -> Encode {
        self.named("CREATE", mailbox)?;
        if special_use.is_empty() {
            return Ok(());
        }
        self.raw(" (USE ");
        self.parenthesised(special_use, |writer, attribute| {
            let name = attribute.strip_prefix('\\').ok_or(EncodeError::NotAnAtom)?;
            writer.raw("\\");
            writer.atom(name)
        })?;
        self.raw(")");
        Ok(())
    }

    /// A command and a mailbox.
    fn named(&mut self, name: &str, mailbox: &RawMailbox) -> Encode {
        self.raw(name);
        self.raw(" ");
        self.mailbox(mailbox)
    }

    fn copy(&mut self, name: &str, copy: &Copy) -> Encode {
        self.numbering(copy.numbering);
        self.raw(name);
        self.set(&copy.set)?;
        self.raw(" ");
        self.mailbox(&copy.mailbox)
    }

    fn numbering(&mut self, numbering: Numbering) {
        if numbering == Numbering::Uid {
            self.raw("UID ");
        }
    }
}
