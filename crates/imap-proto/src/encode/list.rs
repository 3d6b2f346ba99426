//! LIST and LSUB responses (RFC 9051 §7.3.1, RFC 5258 §3.5, RFC 6154 §2, RFC 3501 §7.2.3).

use super::encode_separated;
use crate::mailbox_name::{NameEncoding, encode_mailbox};

/// A mailbox attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListAttribute {
    /// `\Noinferiors`
    NoInferiors,
    /// `\Noselect`
    NoSelect,
    /// `\NonExistent`
    NonExistent,
    /// `\HasChildren`
    HasChildren,
    /// `\HasNoChildren`
    HasNoChildren,
    /// `\Marked`
    Marked,
    /// `\Unmarked`
    Unmarked,
    /// `\Subscribed`
    Subscribed,
    /// `\Remote`
    Remote,
    /// `\All` (RFC 6154, as those that follow)
    All,
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Flagged`
    Flagged,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
    /// `\Important` (RFC 8457)
    Important,
    /// Another attribute, `\` included; it must be an atom after the `\`.
    Other(String),
}

impl ListAttribute {
    /// The attribute as it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::NoInferiors => "\\Noinferiors",
            Self::NoSelect => "\\Noselect",
            Self::NonExistent => "\\NonExistent",
            Self::HasChildren => "\\HasChildren",
            Self::HasNoChildren => "\\HasNoChildren",
            Self::Marked => "\\Marked",
            Self::Unmarked => "\\Unmarked",
            Self::Subscribed => "\\Subscribed",
            Self::Remote => "\\Remote",
            Self::All => "\\All",
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Flagged => "\\Flagged",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
            Self::Important => "\\Important",
            Self::Other(text) => text,
        }
    }
}

/// A LIST or LSUB response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListResponse<'a> {
    /// The attributes, in the order to be written.
    pub attributes: &'a [ListAttribute],
    /// The hierarchy separator, `None` for a flat name.
    pub separator: Option<char>,
    /// The mailbox.
    pub name: &'a str,
    /// `CHILDINFO` (RFC 5258 §3.5): names of the selection options that children match, such as `SUBSCRIBED`.
    pub child_info: &'a [&'a str],
    /// `OLDNAME` (RFC 9051 §6.3.9.7): the name before it was renamed or made canonical.
    pub old_name: Option<&'a str>,
}

/// Appends `* LIST …`.
pub fn encode_list(out: &mut Vec<u8>, response: &ListResponse<'_>, encoding: NameEncoding) {
    encode_mailbox_list(out, b"* LIST (", response, encoding);
    encode_extended_items(out, response, encoding);
    out.extend_from_slice(b"\r\n");
}

/// Appends `* LSUB …`, which has no extended items.
pub fn encode_lsub(out: &mut Vec<u8>, response: &ListResponse<'_>, encoding: NameEncoding) {
    encode_mailbox_list(out, b"* LSUB (", response, encoding);
    out.extend_from_slice(b"\r\n");
}

fn encode_mailbox_list(out: &mut Vec<u8>, start: &[u8], response: &ListResponse<'_>, encoding: NameEncoding) {
    out.extend_from_slice(start);
    encode_separated(out, response.attributes, |out, attribute| out.extend_from_slice(attribute.as_str().as_bytes()));
    out.extend_from_slice(b") ");
    encode_separator(out, response.separator);
    out.push(b' ');
    encode_mailbox(out, response.name, encoding);
}

fn encode_extended_items(out: &mut Vec<u8>, response: &ListResponse<'_>, encoding: NameEncoding) {
    if response.child_info.is_empty() && response.old_name.is_none() {
        return;
    }
    out.extend_from_slice(b" (");
    if !response.child_info.is_empty() {
        out.extend_from_slice(b"\"CHILDINFO\" (");
        encode_separated(out, response.child_info, |out, option| {
            out.push(b'"');
            out.extend_from_slice(option.as_bytes());
            out.push(b'"');
        });
        out.push(b')');
    }
    if let Some(old_name) = response.old_name {
        if !response.child_info.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(b"\"OLDNAME\" (");
        encode_mailbox(out, old_name, encoding);
        out.push(b')');
    }
    out.push(b')');
}

/// Appends a hierarchy separator in quotes, or `NIL`.
pub(crate) fn encode_separator(out: &mut Vec<u8>, separator: Option<char>) {
    match separator {
        Some(character) => {
            out.push(b'"');
            if matches!(character, '"' | '\\') {
                out.push(b'\\');
            }
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            out.push(b'"');
        }
        None => out.extend_from_slice(b"NIL"),
    }
}
