//! Status responses: OK, NO, BAD, BYE, PREAUTH, tagged and untagged (RFC 9051 §7.1).

use super::code::{Code, encode_code};

/// The condition that a status response tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Success.
    Ok,
    /// Failure.
    No,
    /// Error of the client.
    Bad,
    /// The server is about to close the connection; untagged only.
    Bye,
    /// The greeting of a connection that is logged in already; untagged only.
    PreAuth,
}

impl Status {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
            Self::Bye => "BYE",
            Self::PreAuth => "PREAUTH",
        }
    }
}

/// Appends `tag OK [code] text`; without a tag it is untagged.
///
/// A text that would break the grammar is mended: octets that end lines become spaces, an empty one becomes a full
/// stop, and one that begins with `[` though there is no code gets a space before it.
pub fn encode_status(out: &mut Vec<u8>, tag: Option<&str>, status: Status, code: Option<&Code>, text: &str) {
    out.extend_from_slice(tag.unwrap_or("*").as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    if let Some(code) = code {
        out.push(b'[');
        encode_code(out, code);
        out.extend_from_slice(b"] ");
    } else if text.starts_with('[') {
        out.push(b' ');
    }
    encode_text(out, if text.is_empty() { "." } else { text });
    out.extend_from_slice(b"\r\n");
}

/// Appends a human-readable text, with spaces for CR, LF and NUL.
pub(crate) fn encode_text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().map(|octet| if matches!(octet, b'\r' | b'\n' | 0) { b' ' } else { octet }));
}
