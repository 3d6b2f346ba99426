//! Attributes made of the header that is stored beside the message: the message itself is not read.

use postrider_imap_proto::{command::Partial, encode::FetchWriter};
use postrider_message::{FieldSelection, IndexedHeader, Selection};

use super::plan::{cut, mask_nul};

/// `HEADER`, `HEADER.FIELDS` or `HEADER.FIELDS.NOT` of the whole message, prepared for many messages.
#[derive(Debug)]
pub(super) struct FromHeader {
    /// What it is called in the answer, with the space behind it.
    name: Vec<u8>,
    /// The fields asked for; `None` is all of the header.
    fields: Option<Box<FieldSelection>>,
    partial: Option<Partial>,
}

impl FromHeader {
    pub(super) fn new(name: Vec<u8>, fields: Option<(&Vec<Vec<u8>>, Selection)>, partial: Option<Partial>) -> Self {
        let fields = fields.map(|(names, selection)| Box::new(FieldSelection::new(names, selection)));
        Self { name, fields, partial }
    }

    /// Writes the attribute.
    pub(super) fn render(&self, writer: &mut FetchWriter<'_>, header: IndexedHeader<'_>) {
        let mut length = 0;
        self.pieces(header, |piece| length += piece.len());
        let range = 0..length as u64;
        let range = self.partial.map_or(range.clone(), |partial| cut(range, partial));
        writer.named_literal(&self.name, range.end - range.start, |out| {
            let start = out.len();
            match self.partial {
                None => self.pieces(header, |piece| out.extend_from_slice(piece)),
                Some(_) => {
                    let (mut skip, mut take) = (range.start as usize, (range.end - range.start) as usize);
                    self.pieces(header, |piece| {
                        let skipped = skip.min(piece.len());
                        skip -= skipped;
                        let piece = piece.get(skipped..).unwrap_or_default();
                        let piece = piece.get(..take.min(piece.len())).unwrap_or_default();
                        take -= piece.len();
                        out.extend_from_slice(piece);
                    });
                }
            }
            // No literal can hold NUL.
            if header.has_nul() {
                mask_nul(out.get_mut(start..).unwrap_or_default());
            }
        });
    }

    /// All that the attribute consists of, piece by piece.
    fn pieces<'a>(&self, header: IndexedHeader<'a>, mut visit: impl FnMut(&'a [u8])) {
        let Some(fields) = &self.fields else { return visit(header.block()) };
        header.for_each_piece(fields, &mut visit);
        // RFC 9051 §6.4.5.1: the blank line is always there, but for a message that ends without one.
        if !header.blank_line().is_empty() {
            visit(b"\r\n");
        }
    }
}
