//! STATUS (RFC 9051 §7.3.4).

use super::cursor::Cursor;
use crate::client::mailbox::ReceivedMailbox;
use crate::client::response::MailboxStatus;

/// How many parentheses in a name without quotes are tried.
const PARENTHESES_MAX: usize = 16;

impl Cursor<'_> {
    /// `mailbox-data =/ "STATUS" SP mailbox SP "(" [status-att-list] ")"`
    pub(super) fn mailbox_status(&mut self) -> Option<MailboxStatus> {
        let start = self.position();
        if let Some(name) = self.astring() {
            self.spaces();
            if let Some(status) = self.figures(ReceivedMailbox(name)) {
                return Some(status);
            }
        }
        self.set_position(start);
        self.status_of_bare_name()
    }

    /// A name with spaces without quotes, as Exchange writes it in LIST: all up to a parenthesis behind which there are
    /// figures.
    fn status_of_bare_name(&mut self) -> Option<MailboxStatus> {
        let start = self.position();
        for length in memchr::memmem::find_iter(self.rest(), b" (").take(PARENTHESES_MAX) {
            self.set_position(start);
            self.take(length)?;
            let name = self.since(start);
            self.spaces();
            if let Some(status) = self.figures(ReceivedMailbox(name)) {
                return Some(status);
            }
        }
        None
    }

    /// `"(" [status-att-list] ")"` and nothing behind it
    fn figures(&mut self, mailbox: ReceivedMailbox) -> Option<MailboxStatus> {
        let mut status = MailboxStatus::new(mailbox);
        self.list(|cursor| cursor.figure(&mut status))?;
        self.at_end().then_some(status)
    }

    /// One figure; a value in a form that is not known counts as not told.
    fn figure(&mut self, status: &mut MailboxStatus) -> Option<()> {
        let name = self.name();
        self.spaces();
        let start = self.position();
        let known = match name.as_str() {
            "" => return None,
            "MESSAGES" => self.number().map(|number| status.messages = Some(number)),
            "RECENT" => self.number().map(|number| status.recent = Some(number)),
            "UIDNEXT" => self.number().map(|number| status.uid_next = Some(number)),
            "UIDVALIDITY" => self.number().map(|number| status.uid_validity = Some(number)),
            "UNSEEN" => self.number().map(|number| status.unseen = Some(number)),
            "DELETED" => self.number().map(|number| status.deleted = Some(number)),
            "SIZE" => self.number64().map(|number| status.size = Some(number)),
            "HIGHESTMODSEQ" => self.number64().map(|number| status.highest_modseq = Some(number)),
            "APPENDLIMIT" if self.nil() => {
                status.append_limit = Some(None);
                Some(())
            }
            "APPENDLIMIT" => self.number64().map(|number| status.append_limit = Some(Some(number))),
            "MAILBOXID" => self.object_id().map(|id| status.mailbox_id = Some(id)),
            _ => None,
        };
        if known.is_none() {
            self.set_position(start);
            self.value()?;
        }
        Some(())
    }
}
