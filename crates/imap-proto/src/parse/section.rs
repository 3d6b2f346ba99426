//! What stands between the brackets of BODY and BINARY, and the partial behind them (RFC 9051 §6.4.5.1).

use super::parser::{Fault, Parse, Parser};
use crate::command::{Partial, Section, SectionText};

impl Parser<'_> {
    /// `section = "[" [section-spec] "]"`
    pub(super) fn section(&mut self) -> Parse<Section> {
        self.expect(b'[', "a section is missing")?;
        let mut section = Section { part: Vec::new(), text: SectionText::All };
        if self.eat(b']') {
            return Ok(section);
        }
        section.part = self.part_numbers()?;
        if section.part.is_empty() || self.eat(b'.') {
            section.text = self.section_text()?;
            // section-text: MIME is said of a part only.
            if section.text == SectionText::Mime && section.part.is_empty() {
                return Err(Fault::syntax("MIME needs a part number"));
            }
        }
        self.expect(b']', "a section is not closed")?;
        Ok(section)
    }

    /// `section-binary = "[" [section-part] "]"`
    pub(super) fn section_binary(&mut self) -> Parse<Vec<u32>> {
        self.expect(b'[', "a section is missing")?;
        let part = self.part_numbers()?;
        self.expect(b']', "a section is not closed")?;
        Ok(part)
    }

    /// `["<" number64 "." nz-number64 ">"]`
    pub(super) fn partial(&mut self) -> Parse<Option<Partial>> {
        if !self.eat(b'<') {
            return Ok(None);
        }
        let offset = self.number64()?;
        self.expect(b'.', "a partial is malformed")?;
        let length = self.nonzero_number64()?;
        self.expect(b'>', "a partial is not closed")?;
        Ok(Some(Partial { offset, length }))
    }

    /// `[nz-number *("." nz-number)]`, up to what is not a number
    fn part_numbers(&mut self) -> Parse<Vec<u32>> {
        let mut part = Vec::new();
        while self.peek().is_some_and(|octet| octet.is_ascii_digit()) {
            if part.len() >= self.limits.list_elements_max {
                return Err(Fault::too_many("a section has too many part numbers"));
            }
            part.push(self.nonzero_number()?.get());
            // The full stop before a word is the caller's.
            if !matches!(self.rest(), [b'.', b'0'..=b'9', ..]) {
                break;
            }
            self.eat(b'.');
        }
        Ok(part)
    }

    /// `section-msgtext / "MIME"`
    fn section_text(&mut self) -> Parse<SectionText> {
        let name = self.word().to_ascii_uppercase();
        Ok(match name.as_slice() {
            b"HEADER" => SectionText::Header,
            b"HEADER.FIELDS" => SectionText::HeaderFields(self.header_list()?),
            b"HEADER.FIELDS.NOT" => SectionText::HeaderFieldsNot(self.header_list()?),
            b"TEXT" => SectionText::Text,
            b"MIME" => SectionText::Mime,
            _ => return Err(Fault::syntax("unknown section")),
        })
    }

    /// `SP "(" header-fld-name *(SP header-fld-name) ")"`
    fn header_list(&mut self) -> Parse<Vec<Vec<u8>>> {
        self.space()?;
        self.list(Self::astring)
    }
}
