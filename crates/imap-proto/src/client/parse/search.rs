//! SEARCH, SORT and ESEARCH (RFC 3501 §7.2.5, RFC 9051 §7.3.6, RFC 7162 §3.1.5).

use super::cursor::Cursor;
use crate::client::response::{Esearch, Numbers};
use crate::command::Numbering;

impl Cursor<'_> {
    /// `"SEARCH" *(SP nz-number) [SP search-sort-mod-seq]`, with a space at the end as Yahoo and GreenMail have it
    pub(super) fn numbers(&mut self) -> Option<Numbers> {
        let mut found = Numbers::default();
        loop {
            self.spaces();
            match self.peek() {
                _ if self.at_end() => return Some(found),
                Some(b'(') => found.modseq = self.modseq_in_parentheses(),
                _ => found.numbers.push(self.number()?),
            }
        }
    }

    /// `search-sort-mod-seq = "(" "MODSEQ" SP mod-sequence-value ")"`
    fn modseq_in_parentheses(&mut self) -> Option<u64> {
        let start = self.position();
        self.expect(b'(')?;
        self.spaces();
        let is_modseq = self.name() == "MODSEQ";
        self.spaces();
        let modseq = self.number64().filter(|_| is_modseq);
        self.spaces();
        if modseq.is_some() && self.eat(b')') {
            return modseq;
        }
        // Something else, which is stepped over; where even that cannot be done, nothing of the rest can be read.
        self.set_position(start);
        if self.value().is_none() {
            self.take_rest();
        }
        None
    }

    /// `esearch-response = "ESEARCH" [search-correlator] [SP "UID"] *(SP search-return-data)`
    pub(super) fn esearch(&mut self) -> Option<Esearch> {
        let mut found = Esearch {
            tag: None,
            numbering: Numbering::Sequence,
            min: None,
            max: None,
            all: None,
            count: None,
            modseq: None,
            others: Vec::new(),
        };
        loop {
            self.spaces();
            match self.peek() {
                _ if self.at_end() => return Some(found),
                Some(b'(') => self.in_parentheses(&mut found)?,
                _ if found.others.len() >= self.limits.elements_max => return None,
                _ => self.return_data(&mut found)?,
            }
        }
    }

    /// `search-correlator = SP "(" "TAG" SP tag-string ")"`; a MODSEQ in parentheses, as in SEARCH, is let pass (seen
    /// of a server that is not known by name).
    fn in_parentheses(&mut self, found: &mut Esearch) -> Option<()> {
        let start = self.position();
        self.expect(b'(')?;
        self.spaces();
        if self.name() == "TAG" {
            self.spaces();
            found.tag = Some(self.text()?);
            self.spaces();
            return self.expect(b')');
        }
        self.set_position(start);
        if let Some(modseq) = self.modseq_in_parentheses() {
            found.modseq = Some(modseq);
        }
        Some(())
    }

    /// `search-return-data`
    fn return_data(&mut self, found: &mut Esearch) -> Option<()> {
        let name = self.name();
        self.spaces();
        match name.as_str() {
            "" => return None,
            "UID" => found.numbering = Numbering::Uid,
            "MIN" => found.min = Some(self.number()?),
            "MAX" => found.max = Some(self.number()?),
            "COUNT" => found.count = Some(self.number()?),
            "MODSEQ" => found.modseq = Some(self.number64()?),
            // RFC 4731 §3.1: a search that found nothing tells no ALL; one without a set is as good.
            "ALL" if self.at_end() => {}
            "ALL" => found.all = Some(self.uid_set()?),
            _ => {
                let value = self.value()?;
                found.others.push((name, value));
            }
        }
        Some(())
    }
}
