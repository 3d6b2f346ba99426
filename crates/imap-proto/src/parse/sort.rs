//! SORT (RFC 5256 §5, RFC 5267 §3, RFC 5957 §5).

use super::parser::{Fault, Parse, Parser};
use crate::command::{CommandBody, Numbering, Sort, SortCriterion, SortDirection, SortKey};

impl Parser<'_> {
    /// `sort = ["UID" SP] "SORT" [search-return-opts] SP sort-criteria SP search-criteria`
    pub(super) fn sort(&mut self, numbering: Numbering) -> Parse<CommandBody> {
        self.space()?;
        let returns = self.search_return_options()?;
        let criteria = self.list(Self::sort_criterion)?;
        self.space()?;
        let search = self.search_criteria(numbering, returns)?;
        Ok(CommandBody::Sort(Sort { criteria, search }))
    }

    /// `sort-criterion = ["REVERSE" SP] sort-key`
    fn sort_criterion(&mut self) -> Parse<SortCriterion> {
        let mut direction = SortDirection::Ascending;
        if self.eat_word("REVERSE") {
            self.space()?;
            direction = SortDirection::Descending;
        }
        Ok(SortCriterion { key: self.sort_key()?, direction })
    }

    fn sort_key(&mut self) -> Parse<SortKey> {
        let name = self.word().to_ascii_uppercase();
        Ok(match name.as_slice() {
            b"ARRIVAL" => SortKey::Arrival,
            b"CC" => SortKey::Cc,
            b"DATE" => SortKey::Date,
            b"DISPLAYFROM" => SortKey::DisplayFrom,
            b"DISPLAYTO" => SortKey::DisplayTo,
            b"FROM" => SortKey::From,
            b"SIZE" => SortKey::Size,
            b"SUBJECT" => SortKey::Subject,
            b"TO" => SortKey::To,
            _ => return Err(Fault::syntax("unknown sort criterion")),
        })
    }
}
