//! Commands on mailboxes: CREATE, RENAME, STATUS; and COPY and MOVE, which end with one (RFC 9051 §6.3 and §6.4).

use super::parser::{Fault, Parse, Parser};
use crate::command::{CommandBody, Copy, Numbering, StatusItem};

impl Parser<'_> {
    /// `create = "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"]` (RFC 6154 §6)
    pub(super) fn create(&mut self) -> Parse<CommandBody> {
        let mailbox = self.mailbox_argument()?;
        let mut special_use = Vec::new();
        if !self.only_spaces_left() {
            self.space()?;
            self.list(|parser| parser.create_parameter(&mut special_use))?;
        }
        Ok(CommandBody::Create { mailbox, special_use })
    }

    fn create_parameter(&mut self, special_use: &mut Vec<String>) -> Parse<()> {
        if !self.eat_word("USE") {
            return Err(Fault::syntax("unknown parameter of CREATE"));
        }
        self.space()?;
        *special_use = self.list_or_empty(|parser| {
            parser.expect(b'\\', "a special use begins with a backslash")?;
            Ok(format!("\\{}", parser.atom()?))
        })?;
        Ok(())
    }

    /// `rename = "RENAME" SP mailbox SP mailbox`
    pub(super) fn rename(&mut self) -> Parse<CommandBody> {
        Ok(CommandBody::Rename { from: self.mailbox_argument()?, to: self.mailbox_argument()? })
    }

    /// `status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"`
    pub(super) fn status(&mut self) -> Parse<CommandBody> {
        let mailbox = self.mailbox_argument()?;
        self.space()?;
        Ok(CommandBody::Status { mailbox, items: self.status_items()? })
    }

    /// `"(" status-att *(SP status-att) ")"`
    pub(super) fn status_items(&mut self) -> Parse<Vec<StatusItem>> {
        self.list(|parser| {
            let name = parser.word().to_ascii_uppercase();
            Ok(match name.as_slice() {
                b"MESSAGES" => StatusItem::Messages,
                b"RECENT" => StatusItem::Recent,
                b"UIDNEXT" => StatusItem::UidNext,
                b"UIDVALIDITY" => StatusItem::UidValidity,
                b"UNSEEN" => StatusItem::Unseen,
                b"DELETED" => StatusItem::Deleted,
                b"SIZE" => StatusItem::Size,
                b"HIGHESTMODSEQ" => StatusItem::HighestModseq,
                b"APPENDLIMIT" => StatusItem::AppendLimit,
                b"MAILBOXID" => StatusItem::MailboxId,
                _ => return Err(Fault::syntax("unknown item of STATUS")),
            })
        })
    }

    /// `SP sequence-set SP mailbox`
    pub(super) fn copy(&mut self, numbering: Numbering) -> Parse<Copy> {
        self.space()?;
        let set = self.sequence_set()?;
        Ok(Copy { numbering, set, mailbox: self.mailbox_argument()? })
    }
}
