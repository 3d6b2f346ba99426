//! Where in a message a search for text looks (RFC 9051 §6.4.4): known from its structure, without the message.

use std::ops::Range;

use memchr::memmem;

use crate::charset::Charset;
use crate::decode::TransferEncoding;
use crate::derived_view::DerivedError;
use crate::encoded_word::decode_encoded_words;
use crate::preview::part_charset;
use crate::structure::{Part, PartKind, Structure};
use crate::structure_codec::{Enclosed, SkimmedPart, skim_structure};

/// What is searched of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchScope {
    /// BODY: the decoded text parts and the headers of enclosed messages; not the message's own header.
    Body,
    /// TEXT: those, the message's own header and the MIME headers of its parts.
    Text,
}

/// A stretch of a message that is searched by itself.
#[derive(Debug, Clone)]
pub struct SearchedPart {
    /// Where it lies in the message.
    pub range: Range<usize>,
    /// The narrowest scope that it belongs to.
    scope: SearchScope,
    pub(crate) form: Form,
}

/// How the octets are to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// A header block.
    Header,
    /// The body of a text part.
    Text(TextForm),
}

/// How a text part is encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextForm {
    pub(crate) encoding: TransferEncoding,
    pub(crate) charset: Charset,
    pub(crate) is_html: bool,
}

impl TextForm {
    pub(crate) fn of(part: &Part) -> Self {
        Self { encoding: part.transfer_encoding(), charset: part_charset(part), is_html: part.is("text", "html") }
    }
}

impl SearchedPart {
    /// Whether a search of `scope` looks at it.
    pub fn is_in(&self, scope: SearchScope) -> bool {
        scope == SearchScope::Text || self.scope == SearchScope::Body
    }

    fn header(range: &Range<usize>, scope: SearchScope) -> Self {
        Self { range: range.clone(), scope, form: Form::Header }
    }
}

impl Structure {
    /// Where a search for text looks, in the order of the message. What is no text, attachments above all, is not
    /// among it.
    pub fn searched_parts(&self) -> Vec<SearchedPart> {
        let mut parts = vec![SearchedPart::header(&self.root.header, SearchScope::Text)];
        add_parts(&self.root, &mut parts);
        parts
    }
}

fn add_parts(part: &Part, parts: &mut Vec<SearchedPart>) {
    match &part.kind {
        PartKind::Leaf if part.media_type == "text" => {
            let form = Form::Text(TextForm::of(part));
            parts.push(SearchedPart { range: part.body.clone(), scope: SearchScope::Body, form });
        }
        PartKind::Leaf => {}
        PartKind::Multipart(children) => {
            for child in children {
                parts.push(SearchedPart::header(&child.header, SearchScope::Text));
                add_parts(child, parts);
            }
        }
        PartKind::Message(message) => {
            parts.push(SearchedPart::header(&message.header, SearchScope::Body));
            add_parts(message, parts);
        }
    }
}

/// The same from the compact form of a structure.
pub(crate) fn searched_parts_of(table: &[u8]) -> Result<Vec<SearchedPart>, DerivedError> {
    let mut parts = Vec::new();
    skim_structure(table, &mut |part| {
        let scope = match part.enclosed {
            Enclosed::Nowhere | Enclosed::InMultipart => SearchScope::Text,
            Enclosed::InMessage => SearchScope::Body,
        };
        parts.push(SearchedPart::header(&part.header, scope));
        if part.is_leaf && part.media_type == b"text" {
            let form = Form::Text(skimmed_form(&part));
            parts.push(SearchedPart { range: part.body, scope: SearchScope::Body, form });
        }
    })?;
    Ok(parts)
}

fn skimmed_form(part: &SkimmedPart<'_>) -> TextForm {
    let charset = match part.charset {
        None => Charset::Guess,
        Some(charset) if memmem::find(charset, b"=?").is_none() => Charset::find(charset),
        Some(charset) => Charset::find(decode_encoded_words(charset).as_bytes()),
    };
    TextForm { encoding: TransferEncoding::find(part.encoding), charset, is_html: part.subtype == b"html" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::MimeLimits;

    #[test]
    fn attachments_are_not_looked_at() {
        let raw = "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\ntext\r\n\
            --b\r\nContent-Type: image/png; name=n\r\n\r\npixels\r\n\
            --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nin it\r\n--b--\r\n";
        let parts = Structure::parse(raw.as_bytes(), &MimeLimits::default()).searched_parts();
        let found: Vec<_> =
            parts.iter().map(|part| (&raw[part.range.clone()], part.is_in(SearchScope::Body))).collect();
        let header = &raw[..raw.find("preamble").unwrap()];
        assert_eq!(
            found,
            [
                (header, false),
                ("\r\n", false),
                ("text", true),
                ("Content-Type: image/png; name=n\r\n\r\n", false),
                ("Content-Type: message/rfc822\r\n\r\n", false),
                ("Subject: inner\r\n\r\n", true),
                ("in it", true),
            ]
        );
        assert!(parts.iter().all(|part| part.is_in(SearchScope::Text)));
    }
}
