//! A whole response, as [`crate::client::framing`] cut it, to a value: one file per family of responses.
//!
//! Reading never fails: a response that is not known, or strays too far, is [`Response::Unrecognised`], and a part of a
//! FETCH or of a status response that is not understood is kept raw beside what is. A client that must get the mail out
//! of any server has no use for an error here. Where servers are known to stray, the step that lets it pass names them.

mod cursor;
mod fetch;
mod list;
mod mailbox_status;
mod namespace;
mod search;
mod status;
mod thread;

#[cfg(test)]
#[path = "../tests/responses.rs"]
mod tests;

use super::capability::Capabilities;
pub use super::fetch::PartialFetch;
use super::framing::ResponseFrame;
use super::response::{Continuation, Response};
use crate::command::Flag;
use crate::encode::Vanished;
use crate::parse::is_tag;
use cursor::Cursor;

/// Bounds on what one response may hold, beyond what framing bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseParseLimits {
    /// How deep parentheses may nest in data that is not read (`BODYSTRUCTURE`, unknown items).
    pub nesting_max: usize,
    /// Elements of any list but of numbers: items of a FETCH, flags, capabilities, attributes, labels.
    pub elements_max: usize,
}

impl Default for ResponseParseLimits {
    fn default() -> Self {
        Self { nesting_max: 512, elements_max: 16 * 1024 }
    }
}

/// Reads a response within the default limits.
pub fn parse_response(frame: &ResponseFrame) -> Response {
    parse_response_within(frame, &ResponseParseLimits::default())
}

/// Reads a response: `continue-req / response-data / response-tagged`, the line end already cut off.
pub fn parse_response_within(frame: &ResponseFrame, limits: &ResponseParseLimits) -> Response {
    let mut cursor = Cursor::new(frame, limits);
    response(&mut cursor).unwrap_or_else(|| Response::Unrecognised(frame.bytes().clone()))
}

/// Reads a FETCH up to a content that begins where the frame ends.
pub(super) fn parse_partial_fetch(frame: &ResponseFrame) -> Option<PartialFetch> {
    let limits = ResponseParseLimits::default();
    let mut cursor = Cursor::new(frame, &limits);
    cursor.expect(b'*')?;
    cursor.spaces();
    let sequence_number = cursor.number()?;
    cursor.spaces();
    if cursor.name() != "FETCH" {
        return None;
    }
    cursor.partial_fetch(sequence_number)
}

fn response(cursor: &mut Cursor<'_>) -> Option<Response> {
    cursor.spaces();
    if cursor.eat(b'+') {
        // RFC 9051 §7.6 has a space here, which has been seen left out by Exchange before nothing.
        cursor.eat(b' ');
        return Some(Response::Continuation(Continuation { text: cursor.take_rest() }));
    }
    let tag = cursor.bare();
    if tag != b"*" {
        if !is_tag(tag) {
            return None;
        }
        let tag = String::from_utf8_lossy(tag).into_owned();
        cursor.spaces();
        return Some(Response::Tagged { tag, status: cursor.status_response()? });
    }
    cursor.spaces();
    if cursor.peek().is_some_and(|octet| octet.is_ascii_digit()) {
        return numbered(cursor);
    }
    let start = cursor.position();
    if let Some(status) = cursor.status_response() {
        return Some(Response::Status(status));
    }
    cursor.set_position(start);
    data(cursor)
}

/// `message-data`, `number SP "EXISTS"` and `number SP "RECENT"`
fn numbered(cursor: &mut Cursor<'_>) -> Option<Response> {
    let number = cursor.number()?;
    cursor.spaces();
    Some(match cursor.name().as_str() {
        "EXISTS" => Response::Exists(number),
        "RECENT" => Response::Recent(number),
        "EXPUNGE" => Response::Expunge(number),
        "FETCH" => Response::Fetch(cursor.fetch(number)?),
        _ => return None,
    })
}

fn data(cursor: &mut Cursor<'_>) -> Option<Response> {
    let name = cursor.name();
    cursor.spaces();
    Some(match name.as_str() {
        "CAPABILITY" => Response::Capability(Capabilities::new(cursor.words()?)),
        "ENABLED" => Response::Enabled(cursor.words()?.iter().map(|word| word.to_ascii_uppercase()).collect()),
        "LIST" | "XLIST" => Response::List(cursor.listing()?),
        "LSUB" => Response::Lsub(cursor.listing()?),
        "STATUS" => Response::MailboxStatus(cursor.mailbox_status()?),
        "FLAGS" => Response::Flags(cursor.list(Cursor::flag)?),
        "SEARCH" => Response::Search(cursor.numbers()?),
        "SORT" => Response::Sort(cursor.numbers()?),
        "THREAD" => Response::Thread(cursor.threads()?),
        "ESEARCH" => Response::Esearch(cursor.esearch()?),
        "VANISHED" => vanished(cursor)?,
        "NAMESPACE" => Response::Namespace(cursor.namespaces()?),
        "ID" => Response::Id(cursor.id()?),
        _ => return None,
    })
}

/// `expunged-resp = "VANISHED" [SP "(EARLIER)"] SP known-uids` (RFC 7162 §7)
fn vanished(cursor: &mut Cursor<'_>) -> Option<Response> {
    let mut when = Vanished::Now;
    if cursor.peek() == Some(b'(') {
        let words = cursor.list(Cursor::text)?;
        if words.iter().any(|word| word.eq_ignore_ascii_case("EARLIER")) {
            when = Vanished::Earlier;
        }
        cursor.spaces();
    }
    Some(Response::Vanished { when, uids: cursor.uid_set()? })
}

impl Cursor<'_> {
    /// Words up to the end.
    fn words(&mut self) -> Option<Vec<String>> {
        let mut words = Vec::new();
        loop {
            self.spaces();
            if self.at_end() {
                return Some(words);
            }
            if words.len() >= self.limits.elements_max {
                return None;
            }
            match self.bare() {
                [] => return None,
                word => words.push(String::from_utf8_lossy(word).into_owned()),
            }
        }
    }

    /// `flag`, and whatever else stands where one should: servers hand out keywords as clients made them, with
    /// characters that no keyword may have. System flags in any case of letters.
    fn flag(&mut self) -> Option<Flag> {
        let text = match self.peek()? {
            b'"' => self.text()?,
            _ => match self.bare() {
                [] => return None,
                word => String::from_utf8_lossy(word).into_owned(),
            },
        };
        let Some(name) = text.strip_prefix('\\') else { return Some(Flag::Keyword(text)) };
        Some(match name.to_ascii_uppercase().as_str() {
            "ANSWERED" => Flag::Answered,
            "FLAGGED" => Flag::Flagged,
            "DELETED" => Flag::Deleted,
            "SEEN" => Flag::Seen,
            "DRAFT" => Flag::Draft,
            "RECENT" => Flag::Recent,
            _ => Flag::Extension(name.to_owned()),
        })
    }
}
