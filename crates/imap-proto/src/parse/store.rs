//! STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3).

use super::parser::{Fault, Parse, Parser};
use crate::command::{CommandBody, Numbering, Store, StoreMode};

impl Parser<'_> {
    /// `store = "STORE" SP sequence-set [SP "(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")"] SP store-att-flags`
    pub(super) fn store(&mut self, numbering: Numbering) -> Parse<CommandBody> {
        self.space()?;
        let set = self.sequence_set()?;
        self.space()?;
        let mut unchanged_since = None;
        if self.peek() == Some(b'(') {
            self.list(|parser| {
                if !parser.eat_word("UNCHANGEDSINCE") {
                    return Err(Fault::syntax("unknown modifier of STORE"));
                }
                parser.space()?;
                unchanged_since = Some(parser.number64()?);
                Ok(())
            })?;
            self.space()?;
        }
        let mode = if self.eat(b'+') {
            StoreMode::Add
        } else if self.eat(b'-') {
            StoreMode::Remove
        } else {
            StoreMode::Replace
        };
        let name = self.word().to_ascii_uppercase();
        let silent = match name.as_slice() {
            b"FLAGS" => false,
            b"FLAGS.SILENT" => true,
            _ => return Err(Fault::syntax("only FLAGS can be stored")),
        };
        self.space()?;
        // store-att-flags: (flag-list / (flag *(SP flag)))
        let flags = if self.peek() == Some(b'(') { self.flag_list()? } else { self.spaced(Self::flag)? };
        Ok(CommandBody::Store(Store { numbering, set, unchanged_since, mode, silent, flags }))
    }
}
