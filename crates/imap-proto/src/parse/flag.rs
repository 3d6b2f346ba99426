//! Flags (RFC 9051 §9, `flag`).

use super::parser::{Parse, Parser};
use crate::command::Flag;

impl Parser<'_> {
    /// `flag = "\Answered" / … / flag-keyword / flag-extension`, and `\Recent`, which the session refuses or ignores
    pub(super) fn flag(&mut self) -> Parse<Flag> {
        if !self.eat(b'\\') {
            return self.atom().map(Flag::Keyword);
        }
        let name = self.atom()?;
        Ok(match name.to_ascii_lowercase().as_str() {
            "answered" => Flag::Answered,
            "flagged" => Flag::Flagged,
            "deleted" => Flag::Deleted,
            "seen" => Flag::Seen,
            "draft" => Flag::Draft,
            "recent" => Flag::Recent,
            _ => Flag::Extension(name),
        })
    }

    /// `flag-list = "(" [flag *(SP flag)] ")"`
    pub(super) fn flag_list(&mut self) -> Parse<Vec<Flag>> {
        self.list_or_empty(Self::flag)
    }
}
