//! NOTIFY (RFC 5465): what the server is to tell unasked, of more than the selected mailbox.

use super::writer::Writer;
use super::{Encode, EncodeError};
use crate::command::{FetchAttribute, RawMailbox};

/// Arguments of `NOTIFY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notify {
    /// `NOTIFY NONE`: nothing.
    None,
    /// `NOTIFY SET`
    Set {
        /// Whether STATUS responses come at once.
        status: NotifyStatus,
        /// What to tell of which mailboxes, at least one.
        groups: Vec<EventGroup>,
    },
}

/// Whether the server begins with a STATUS response for each mailbox with message events (RFC 5465 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotifyStatus {
    /// It does.
    Wanted,
    /// It does not.
    Unwanted,
}

/// What to tell of some mailboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventGroup {
    /// The mailboxes.
    pub mailboxes: MailboxFilter,
    /// The events; none is `NONE`. `MessageNew` and `MessageExpunge` go together, and the others on messages need them
    /// (§5).
    pub events: Vec<NotifyEvent>,
}

/// Which mailboxes (RFC 5465 §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailboxFilter {
    /// `SELECTED`
    Selected,
    /// `SELECTED-DELAYED`: expunges wait for a command that allows them.
    SelectedDelayed,
    /// `INBOXES`
    Inboxes,
    /// `PERSONAL`
    Personal,
    /// `SUBSCRIBED`
    Subscribed,
    /// `SUBTREE`
    Subtree(Vec<RawMailbox>),
    /// `MAILBOXES`
    Mailboxes(Vec<RawMailbox>),
}

/// An event (RFC 5465 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyEvent {
    /// `MessageNew`, with what to fetch of each; only the selected mailbox may have attributes.
    MessageNew(Vec<FetchAttribute>),
    /// `MessageExpunge`
    MessageExpunge,
    /// `FlagChange`
    FlagChange,
    /// `MailboxName`
    MailboxName,
    /// `SubscriptionChange`
    SubscriptionChange,
}

impl Writer<'_> {
    /// `notify = "NOTIFY" SP (notify-add / "NONE")`
    pub(super) fn notify(&mut self, notify: &Notify) -> Encode {
        let Notify::Set { status, groups } = notify else {
            self.raw("NOTIFY NONE");
            return Ok(());
        };
        self.raw(match status {
            NotifyStatus::Wanted => "NOTIFY SET STATUS ",
            NotifyStatus::Unwanted => "NOTIFY SET ",
        });
        self.spaced(groups, |writer, group| writer.event_group(group))
    }

    /// `event-group = "(" filter-mailboxes SP events ")"`
    fn event_group(&mut self, group: &EventGroup) -> Encode {
        self.raw("(");
        match &group.mailboxes {
            MailboxFilter::Selected => self.raw("selected"),
            MailboxFilter::SelectedDelayed => self.raw("selected-delayed"),
            MailboxFilter::Inboxes => self.raw("inboxes"),
            MailboxFilter::Personal => self.raw("personal"),
            MailboxFilter::Subscribed => self.raw("subscribed"),
            MailboxFilter::Subtree(mailboxes) => self.mailboxes("subtree ", mailboxes)?,
            MailboxFilter::Mailboxes(mailboxes) => self.mailboxes("mailboxes ", mailboxes)?,
        }
        if group.events.is_empty() {
            self.raw(" NONE)");
            return Ok(());
        }
        self.raw(" ");
        self.parenthesised(&group.events, |writer, event| writer.event(event))?;
        self.raw(")");
        Ok(())
    }

    /// `one-or-more-mailbox = mailbox / many-mailboxes`
    fn mailboxes(&mut self, kind: &str, mailboxes: &[RawMailbox]) -> Encode {
        self.raw(kind);
        match mailboxes {
            [] => Err(EncodeError::Empty),
            [mailbox] => self.mailbox(mailbox),
            mailboxes => self.parenthesised(mailboxes, |writer, mailbox| writer.mailbox(mailbox)),
        }
    }

    fn event(&mut self, event: &NotifyEvent) -> Encode {
        let word = match event {
            NotifyEvent::MessageNew(attributes) if !attributes.is_empty() => {
                self.raw("MessageNew ");
                self.fetch_attributes(attributes, &[])?;
                ""
            }
            NotifyEvent::MessageNew(_) => "MessageNew",
            NotifyEvent::MessageExpunge => "MessageExpunge",
            NotifyEvent::FlagChange => "FlagChange",
            NotifyEvent::MailboxName => "MailboxName",
            NotifyEvent::SubscriptionChange => "SubscriptionChange",
        };
        self.raw(word);
        Ok(())
    }
}
