//! LIST, basic and extended, and LSUB (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154, RFC 3501 §6.3.9).

use super::parser::{Fault, Parse, Parser};
use crate::command::{CommandBody, List, ListReturn, ListSelection, RawMailbox};

impl Parser<'_> {
    /// `list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]`
    pub(super) fn list_command(&mut self) -> Parse<CommandBody> {
        let mut list = List::default();
        self.space()?;
        if self.peek() == Some(b'(') {
            list.extended = true;
            list.selection = self.list_selection()?;
            self.space()?;
        }
        list.reference = self.astring()?;
        self.space()?;
        if self.peek() == Some(b'(') {
            list.extended = true;
            list.patterns = self.list(Self::list_mailbox)?;
        } else {
            list.patterns = vec![self.list_mailbox()?];
        }
        if !self.only_spaces_left() {
            self.space()?;
            list.extended = true;
            list.returns = self.list_returns()?;
        }
        Ok(CommandBody::List(list))
    }

    /// `lsub = "LSUB" SP mailbox SP list-mailbox`
    pub(super) fn lsub(&mut self) -> Parse<CommandBody> {
        let reference = self.mailbox_argument()?;
        self.space()?;
        Ok(CommandBody::Lsub { reference, pattern: RawMailbox(self.list_mailbox()?) })
    }

    /// `list-select-opts`
    fn list_selection(&mut self) -> Parse<ListSelection> {
        let mut selection = ListSelection::default();
        self.list_or_empty(|parser| {
            let name = parser.word().to_ascii_uppercase();
            match name.as_slice() {
                b"SUBSCRIBED" => selection.subscribed = true,
                b"REMOTE" => selection.remote = true,
                b"RECURSIVEMATCH" => selection.recursive_match = true,
                b"SPECIAL-USE" => selection.special_use = true,
                // RFC 5258 §3: options that were not announced are errors.
                _ => return Err(Fault::syntax("unknown selection option of LIST")),
            }
            Ok(())
        })?;
        // RFC 5258 §6: it needs a base option; REMOTE and SPECIAL-USE (RFC 6154 §6) are independent ones.
        if selection.recursive_match && !selection.subscribed {
            return Err(Fault::syntax("RECURSIVEMATCH needs SUBSCRIBED"));
        }
        Ok(selection)
    }

    /// `list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"`
    fn list_returns(&mut self) -> Parse<ListReturn> {
        if !self.eat_word("RETURN") {
            return Err(Fault::syntax("only RETURN may follow the patterns of LIST"));
        }
        self.space()?;
        let mut returns = ListReturn::default();
        self.list_or_empty(|parser| {
            let name = parser.word().to_ascii_uppercase();
            match name.as_slice() {
                b"SUBSCRIBED" => returns.subscribed = true,
                b"CHILDREN" => returns.children = true,
                b"SPECIAL-USE" => returns.special_use = true,
                b"STATUS" => {
                    parser.space()?;
                    returns.status = Some(parser.status_items()?);
                }
                _ => return Err(Fault::syntax("unknown return option of LIST")),
            }
            Ok(())
        })?;
        Ok(returns)
    }
}
