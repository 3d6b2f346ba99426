//! SELECT and EXAMINE with their parameters (RFC 9051 §6.3.2, RFC 4466 §2.1, RFC 7162 §3.1.8 and §3.2.5).

use super::parser::{Fault, Parse, Parser};
use crate::command::{Qresync, Select};

impl Parser<'_> {
    /// `SP mailbox [SP "(" select-param *(SP select-param) ")"]`
    pub(super) fn select(&mut self) -> Parse<Select> {
        let mut select = Select { mailbox: self.mailbox_argument()?, condstore: false, qresync: None };
        if !self.only_spaces_left() {
            self.space()?;
            self.list(|parser| parser.select_parameter(&mut select))?;
        }
        Ok(select)
    }

    /// `select-param = "CONDSTORE" / "QRESYNC" SP "(" … ")"`
    fn select_parameter(&mut self, select: &mut Select) -> Parse<()> {
        let name = self.word().to_ascii_uppercase();
        match name.as_slice() {
            b"CONDSTORE" => select.condstore = true,
            b"QRESYNC" => {
                self.space()?;
                select.qresync = Some(self.qresync()?);
            }
            _ => return Err(Fault::syntax("unknown parameter of SELECT or EXAMINE")),
        }
        Ok(())
    }

    /// `"(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"`
    fn qresync(&mut self) -> Parse<Qresync> {
        self.expect(b'(', "the arguments of QRESYNC are missing")?;
        let uid_validity = self.nonzero_number()?.get();
        self.space()?;
        let modseq = self.nonzero_number64()?;
        let mut qresync = Qresync { uid_validity, modseq, known_uids: None, sequence_match: None };
        while self.eat(b' ') {
            if self.eat(b'(') {
                let sequence_numbers = self.known_set()?;
                self.space()?;
                qresync.sequence_match = Some((sequence_numbers, self.known_set()?));
                self.expect(b')', "the arguments of QRESYNC are not closed")?;
                break;
            } else if qresync.known_uids.is_some() {
                return Err(Fault::syntax("too many arguments of QRESYNC"));
            }
            qresync.known_uids = Some(self.known_set()?);
        }
        self.expect(b')', "the arguments of QRESYNC are not closed")?;
        Ok(qresync)
    }
}
