//! FETCH and STORE (RFC 9051 §6.4.5 and §6.4.6, RFC 7162 §3.1).

use super::writer::Writer;
use super::{Encode, EncodeError};
use crate::command::{Fetch, FetchAttribute, Partial, Section, SectionText, Store, StoreMode};

/// What only Gmail can tell (<https://developers.google.com/workspace/gmail/imap/imap-extensions>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GmailAttribute {
    /// `X-GM-LABELS`
    Labels,
    /// `X-GM-MSGID`
    MessageId,
    /// `X-GM-THRID`
    ThreadId,
}

impl GmailAttribute {
    fn as_str(self) -> &'static str {
        match self {
            Self::Labels => "X-GM-LABELS",
            Self::MessageId => "X-GM-MSGID",
            Self::ThreadId => "X-GM-THRID",
        }
    }
}

impl Writer<'_> {
    /// `fetch`; attributes are always in parentheses, and no macro is used.
    pub(super) fn fetch(&mut self, fetch: &Fetch, gmail: &[GmailAttribute]) -> Encode {
        self.numbering(fetch.numbering);
        self.raw("FETCH ");
        self.set(&fetch.set)?;
        self.raw(" ");
        self.fetch_attributes(&fetch.attributes, gmail)?;
        match (fetch.changed_since, fetch.vanished) {
            (None, false) => {}
            (None, true) => return Err(EncodeError::Empty),
            (Some(modseq), vanished) => {
                self.raw(" (CHANGEDSINCE ");
                self.number(modseq);
                self.raw(if vanished { " VANISHED)" } else { ")" });
            }
        }
        Ok(())
    }

    pub(super) fn fetch_attributes(&mut self, attributes: &[FetchAttribute], gmail: &[GmailAttribute]) -> Encode {
        self.raw("(");
        if !attributes.is_empty() {
            self.spaced(attributes, |writer, attribute| writer.attribute(attribute))?;
        }
        if !gmail.is_empty() {
            self.raw(if attributes.is_empty() { "" } else { " " });
            self.spaced(gmail, |writer, attribute| {
                writer.raw(attribute.as_str());
                Ok(())
            })?;
        }
        self.raw(")");
        if attributes.is_empty() && gmail.is_empty() { Err(EncodeError::Empty) } else { Ok(()) }
    }

    fn attribute(&mut self, attribute: &FetchAttribute) -> Encode {
        let word = match attribute {
            FetchAttribute::Flags => "FLAGS",
            FetchAttribute::Uid => "UID",
            FetchAttribute::InternalDate => "INTERNALDATE",
            FetchAttribute::Envelope => "ENVELOPE",
            FetchAttribute::Body => "BODY",
            FetchAttribute::BodyStructure => "BODYSTRUCTURE",
            FetchAttribute::Rfc822Size => "RFC822.SIZE",
            FetchAttribute::Rfc822 => "RFC822",
            FetchAttribute::Rfc822Header => "RFC822.HEADER",
            FetchAttribute::Rfc822Text => "RFC822.TEXT",
            FetchAttribute::ModSeq => "MODSEQ",
            FetchAttribute::EmailId => "EMAILID",
            FetchAttribute::ThreadId => "THREADID",
            FetchAttribute::SaveDate => "SAVEDATE",
            FetchAttribute::Preview { lazy: false } => "PREVIEW",
            FetchAttribute::Preview { lazy: true } => "PREVIEW (LAZY)",
            FetchAttribute::Section { section, partial, peek } => {
                self.raw(if *peek { "BODY.PEEK[" } else { "BODY[" });
                self.section(section)?;
                self.end_of_section(*partial);
                ""
            }
            FetchAttribute::Binary { part, partial, peek } => {
                self.raw(if *peek { "BINARY.PEEK[" } else { "BINARY[" });
                self.part(part);
                self.end_of_section(*partial);
                ""
            }
            FetchAttribute::BinarySize(part) => {
                self.raw("BINARY.SIZE[");
                self.part(part);
                "]"
            }
        };
        self.raw(word);
        Ok(())
    }

    fn part(&mut self, part: &[u32]) {
        for (index, &number) in part.iter().enumerate() {
            self.raw(if index > 0 { "." } else { "" });
            self.number(number);
        }
    }

    fn section(&mut self, section: &Section) -> Encode {
        self.part(&section.part);
        if !section.part.is_empty() && section.text != SectionText::All {
            self.raw(".");
        }
        let (word, fields) = match &section.text {
            SectionText::All => ("", None),
            SectionText::Header => ("HEADER", None),
            SectionText::HeaderFields(fields) => ("HEADER.FIELDS ", Some(fields)),
            SectionText::HeaderFieldsNot(fields) => ("HEADER.FIELDS.NOT ", Some(fields)),
            SectionText::Text => ("TEXT", None),
            SectionText::Mime => ("MIME", None),
        };
        self.raw(word);
        match fields {
            Some(fields) => self.parenthesised(fields, |writer, field| writer.astring(field)),
            None => Ok(()),
        }
    }

    fn end_of_section(&mut self, partial: Option<Partial>) {
        self.raw("]");
        if let Some(Partial { offset, length }) = partial {
            self.raw("<");
            self.number(offset);
            self.raw(".");
            self.number(length);
            self.raw(">");
        }
    }

    /// `store`
    pub(super) fn store(&mut self, store: &Store) -> Encode {
        self.numbering(store.numbering);
        self.raw("STORE ");
        self.set(&store.set)?;
        if let Some(modseq) = store.unchanged_since {
            self.raw(" (UNCHANGEDSINCE ");
            self.number(modseq);
            self.raw(")");
        }
        self.raw(match store.mode {
            StoreMode::Replace => " FLAGS",
            StoreMode::Add => " +FLAGS",
            StoreMode::Remove => " -FLAGS",
        });
        self.raw(if store.silent { ".SILENT " } else { " " });
        self.flags(&store.flags)
    }
}
