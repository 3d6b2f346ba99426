//! THREAD (RFC 5256 §5).

use super::parser::{Fault, Parse, Parser};
use crate::command::{CommandBody, Numbering, Thread, ThreadAlgorithm};

impl Parser<'_> {
    /// `thread = ["UID" SP] "THREAD" SP thread-alg SP search-criteria`
    pub(super) fn thread(&mut self, numbering: Numbering) -> Parse<CommandBody> {
        self.space()?;
        let name = self.word().to_ascii_uppercase();
        let algorithm = match name.as_slice() {
            b"ORDEREDSUBJECT" => ThreadAlgorithm::OrderedSubject,
            b"REFERENCES" => ThreadAlgorithm::References,
            _ => return Err(Fault::syntax("unknown threading algorithm")),
        };
        self.space()?;
        let search = self.search_criteria(numbering, None)?;
        Ok(CommandBody::Thread(Thread { algorithm, search }))
    }
}
