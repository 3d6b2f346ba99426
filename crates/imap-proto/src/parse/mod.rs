//! A whole command, as [`crate::framing`] cut it, to a value: one file per family of commands.
//!
//! Recursive descent by hand, so that errors tell what was expected, depth and counts are bounded, and octets of
//! literals are shared with the frame rather than copied. The grammar of both revisions is accepted at all times; where
//! clients are known to stray, leniency has a function `quirk_…` that says who does.

mod append;
mod authentication;
mod date;
mod fetch;
mod flag;
mod list;
mod mailbox;
mod number;
mod parser;
mod search;
mod section;
mod select;
mod sort;
mod store;
mod string;
mod thread;

#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::command::{Command, CommandBody, Numbering};
use parser::{Fault, Parse, Parser};

pub(crate) use string::{is_astring_char, is_tag};

/// Bounds on what one command may hold, beyond what framing bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseLimits {
    /// How deep search keys may nest: `NOT`, `OR` and parentheses, each one level.
    pub search_depth_max: usize,
    /// Search keys in one command, nested ones included.
    pub search_keys_max: usize,
    /// Elements of any list: flags, attributes, header fields, patterns, part numbers, messages of an APPEND.
    pub list_elements_max: usize,
    /// Ranges in one sequence set.
    pub set_ranges_max: usize,
    /// Pairs in an ID command (RFC 2971 §3.3).
    pub id_pairs_max: usize,
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self {
            search_depth_max: 200,
            search_keys_max: 4096,
            list_elements_max: 4096,
            set_ranges_max: 16 * 1024,
            id_pairs_max: 30,
        }
    }
}

/// What kind of error it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseErrorKind {
    /// Against the grammar.
    Syntax,
    /// No command that we know.
    UnknownCommand,
    /// Nested deeper than [`ParseLimits`] allows.
    TooDeep,
    /// More elements than [`ParseLimits`] allows.
    TooMany,
}

/// A command that cannot be understood. Answer `tag BAD message`, or `* BAD message` where there is no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// The command's tag, if that much was right.
    pub tag: Option<String>,
    /// What is wrong, for people: a single line of ASCII that repeats nothing of the command.
    pub message: String,
    /// What kind of error it is.
    pub kind: ParseErrorKind,
}

impl ParseError {
    fn new(tag: Option<String>, fault: Fault) -> Self {
        Self { tag, message: fault.message.to_owned(), kind: fault.kind }
    }
}

/// Parses a command within the default limits.
pub fn parse_command(frame: &Bytes) -> Result<Command, ParseError> {
    parse_command_within(frame, &ParseLimits::default())
}

/// Parses a command: `command = tag SP … CRLF`, the line end already cut off.
pub fn parse_command_within(frame: &Bytes, limits: &ParseLimits) -> Result<Command, ParseError> {
    let mut parser = Parser::new(frame, limits);
    let tag = parser.tag().map_err(|fault| ParseError::new(None, fault))?;
    match parse_after_tag(&mut parser) {
        Ok(body) => Ok(Command { tag, body }),
        Err(fault) => Err(ParseError::new(Some(tag), fault)),
    }
}

/// Parses the client's answer to a SASL challenge: base64, or `*`, which cancels and is `None` (RFC 9051 §6.2.2).
pub fn parse_authenticate_response(line: &[u8]) -> Result<Option<Vec<u8>>, ParseError> {
    if line == b"*" {
        return Ok(None);
    }
    authentication::decode_base64(line).map(Some).map_err(|fault| ParseError::new(None, fault))
}

fn parse_after_tag(parser: &mut Parser<'_>) -> Parse<CommandBody> {
    parser.space()?;
    let body = command_body(parser)?;
    quirk_trailing_spaces(parser);
    if parser.at_end() { Ok(body) } else { Err(Fault::syntax("unexpected text after the command")) }
}

/// Spaces before the line end, which several clients leave behind (Outlook 2003 and iOS Mail after some commands).
fn quirk_trailing_spaces(parser: &mut Parser<'_>) {
    parser.take_while(|octet| octet == b' ');
}

/// The table of commands.
fn command_body(parser: &mut Parser<'_>) -> Parse<CommandBody> {
    use CommandBody::{
        Capability, Check, Close, Copy, Delete, Examine, Expunge, Idle, Logout, Move, Namespace, Noop, Select,
        StartTls, Subscribe, Unauthenticate, Unselect, Unsubscribe,
    };
    let name = parser.word().to_ascii_uppercase();
    Ok(match name.as_slice() {
        b"CAPABILITY" => Capability,
        b"NOOP" => Noop,
        b"LOGOUT" => Logout,
        b"STARTTLS" => StartTls,
        b"UNAUTHENTICATE" => Unauthenticate,
        b"NAMESPACE" => Namespace,
        b"IDLE" => Idle,
        b"CHECK" => Check,
        b"CLOSE" => Close,
        b"UNSELECT" => Unselect,
        b"EXPUNGE" => Expunge(None),
        b"AUTHENTICATE" => parser.authenticate()?,
        b"LOGIN" => parser.login()?,
        b"ID" => parser.id()?,
        b"ENABLE" => parser.enable()?,
        b"SELECT" => Select(parser.select()?),
        b"EXAMINE" => Examine(parser.select()?),
        b"CREATE" => parser.create()?,
        b"DELETE" => Delete(parser.mailbox_argument()?),
        b"RENAME" => parser.rename()?,
        b"SUBSCRIBE" => Subscribe(parser.mailbox_argument()?),
        b"UNSUBSCRIBE" => Unsubscribe(parser.mailbox_argument()?),
        b"LIST" => parser.list_command()?,
        b"LSUB" => parser.lsub()?,
        b"STATUS" => parser.status()?,
        b"APPEND" => parser.append()?,
        b"UID" => return uid_command_body(parser),
        b"SEARCH" => parser.search(Numbering::Sequence)?,
        b"SORT" => parser.sort(Numbering::Sequence)?,
        b"THREAD" => parser.thread(Numbering::Sequence)?,
        b"FETCH" => parser.fetch(Numbering::Sequence)?,
        b"STORE" => parser.store(Numbering::Sequence)?,
        b"COPY" => Copy(parser.copy(Numbering::Sequence)?),
        b"MOVE" => Move(parser.copy(Numbering::Sequence)?),
        _ => return Err(Fault::unknown_command("unknown command")),
    })
}

/// `uid = "UID" SP (copy / move / fetch / search / store / uid-expunge)`, and SORT and THREAD
fn uid_command_body(parser: &mut Parser<'_>) -> Parse<CommandBody> {
    parser.space()?;
    let name = parser.word().to_ascii_uppercase();
    Ok(match name.as_slice() {
        b"SEARCH" => parser.search(Numbering::Uid)?,
        b"SORT" => parser.sort(Numbering::Uid)?,
        b"THREAD" => parser.thread(Numbering::Uid)?,
        b"FETCH" => parser.fetch(Numbering::Uid)?,
        b"STORE" => parser.store(Numbering::Uid)?,
        b"COPY" => CommandBody::Copy(parser.copy(Numbering::Uid)?),
        b"MOVE" => CommandBody::Move(parser.copy(Numbering::Uid)?),
        b"EXPUNGE" => {
            parser.space()?;
            CommandBody::Expunge(Some(parser.sequence_set()?))
        }
        _ => return Err(Fault::unknown_command("unknown UID command")),
    })
}
