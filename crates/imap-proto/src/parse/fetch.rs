//! FETCH (RFC 9051 §6.4.5, RFC 3501 §6.4.5, RFC 3516, RFC 7162, RFC 8474, RFC 8514, RFC 8970).

use super::parser::{Fault, Parse, Parser};
use crate::command::{CommandBody, Fetch, FetchAttribute, Numbering};

impl Parser<'_> {
    /// `fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")
    /// [SP "(" fetch-modifier *(SP fetch-modifier) ")"]`
    pub(super) fn fetch(&mut self, numbering: Numbering) -> Parse<CommandBody> {
        self.space()?;
        let set = self.sequence_set()?;
        self.space()?;
        let attributes = if self.peek() == Some(b'(') {
            self.list(Self::fetch_attribute)?
        } else if let Some(attributes) = self.fetch_macro() {
            attributes
        } else {
            vec![self.fetch_attribute()?]
        };
        let mut fetch = Fetch { numbering, set, attributes, changed_since: None, vanished: false };
        if !self.only_spaces_left() {
            self.space()?;
            self.list(|parser| parser.fetch_modifier(&mut fetch))?;
        }
        // RFC 7162 §3.2.6: VANISHED only with UID FETCH and CHANGEDSINCE.
        if fetch.vanished && (fetch.changed_since.is_none() || numbering != Numbering::Uid) {
            return Err(Fault::syntax("VANISHED needs UID FETCH and CHANGEDSINCE"));
        }
        Ok(CommandBody::Fetch(fetch))
    }

    /// RFC 9051 §6.4.5: the macros, each a command's only attribute.
    fn fetch_macro(&mut self) -> Option<Vec<FetchAttribute>> {
        use FetchAttribute::{Body, Envelope, Flags, InternalDate, Rfc822Size};
        if self.eat_word("FAST") {
            Some(vec![Flags, InternalDate, Rfc822Size])
        } else if self.eat_word("ALL") {
            Some(vec![Flags, InternalDate, Rfc822Size, Envelope])
        } else if self.eat_word("FULL") {
            Some(vec![Flags, InternalDate, Rfc822Size, Envelope, Body])
        } else {
            None
        }
    }

    /// `fetch-modifier = "CHANGEDSINCE" SP mod-sequence-value / "VANISHED"`
    fn fetch_modifier(&mut self, fetch: &mut Fetch) -> Parse<()> {
        let name = self.word().to_ascii_uppercase();
        match name.as_slice() {
            b"CHANGEDSINCE" => {
                self.space()?;
                fetch.changed_since = Some(self.quirk_changed_since_zero()?);
            }
            b"VANISHED" => fetch.vanished = true,
            _ => return Err(Fault::syntax("unknown modifier of FETCH")),
        }
        Ok(())
    }

    /// `mod-sequence-value` is not 0, but clients that start from nothing say so (RFC 4551 clients, offlineimap).
    fn quirk_changed_since_zero(&mut self) -> Parse<u64> {
        self.number64()
    }

    /// `fetch-att`
    fn fetch_attribute(&mut self) -> Parse<FetchAttribute> {
        let name = self.word().to_ascii_uppercase();
        Ok(match name.as_slice() {
            b"FLAGS" => FetchAttribute::Flags,
            b"UID" => FetchAttribute::Uid,
            b"INTERNALDATE" => FetchAttribute::InternalDate,
            b"ENVELOPE" => FetchAttribute::Envelope,
            b"BODYSTRUCTURE" => FetchAttribute::BodyStructure,
            b"BODY" if self.peek() != Some(b'[') => FetchAttribute::Body,
            b"BODY" => self.body_section(false)?,
            b"BODY.PEEK" => self.body_section(true)?,
            b"BINARY" => self.binary_section(false)?,
            b"BINARY.PEEK" => self.binary_section(true)?,
            b"BINARY.SIZE" => FetchAttribute::BinarySize(self.section_binary()?),
            b"RFC822" => FetchAttribute::Rfc822,
            b"RFC822.SIZE" => FetchAttribute::Rfc822Size,
            b"RFC822.HEADER" => FetchAttribute::Rfc822Header,
            b"RFC822.TEXT" => FetchAttribute::Rfc822Text,
            b"MODSEQ" => FetchAttribute::ModSeq,
            b"EMAILID" => FetchAttribute::EmailId,
            b"THREADID" => FetchAttribute::ThreadId,
            b"SAVEDATE" => FetchAttribute::SaveDate,
            b"PREVIEW" => FetchAttribute::Preview { lazy: self.preview_lazy()? },
            _ => return Err(Fault::syntax("unknown item of FETCH")),
        })
    }

    fn body_section(&mut self, peek: bool) -> Parse<FetchAttribute> {
        Ok(FetchAttribute::Section { section: self.section()?, partial: self.partial()?, peek })
    }

    fn binary_section(&mut self, peek: bool) -> Parse<FetchAttribute> {
        Ok(FetchAttribute::Binary { part: self.section_binary()?, partial: self.partial()?, peek })
    }

    /// `[SP "(" "LAZY" ")"]` behind PREVIEW (RFC 8970 §6). Alone, PREVIEW may be followed by the parentheses of
    /// modifiers instead, which begin with another word.
    fn preview_lazy(&mut self) -> Parse<bool> {
        const LAZY: &[u8] = b" (LAZY)";
        let lazy = self.rest().get(..LAZY.len()).is_some_and(|next| next.eq_ignore_ascii_case(LAZY));
        if lazy {
            self.take(LAZY.len());
        }
        Ok(lazy)
    }
}
