//! A maildrop: the INBOX of one account as it was at login.

use std::{borrow::Cow, collections::BTreeMap, ops::ControlFlow, sync::Arc};

use postrider_accounts::{Login, Pop3Delete};
use postrider_message::DerivedView;
use postrider_pop3_proto::{LastLine, MessageNumber, octets_sent};
use postrider_store::{
    Account, Entry, ExpungeOnly, INBOX, MailboxId, Snapshot, SpecialUse, StoreError, Transfer, Uid, UidSet,
    UidValidity, own_unique_id,
};

use crate::{occupancy::Occupant, text::Text};

/// A maildrop in use.
pub(crate) struct Maildrop {
    pub(crate) login: Login,
    account: Arc<Account>,
    mailbox: MailboxId,
    uid_validity: UidValidity,
    messages: Snapshot,
    /// What messages are called that brought their names from another server.
    unique_ids: BTreeMap<Uid, String>,
    /// Which messages are marked as deleted.
    deleted: Vec<bool>,
    _occupant: Occupant,
}

/// A message of the maildrop that is not marked as deleted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message {
    pub(crate) number: MessageNumber,
    pub(crate) entry: Entry,
    pub(crate) octets: u64,
}

impl Maildrop {
    /// Opens the maildrop as it is now.
    pub(crate) async fn open(account: Arc<Account>, login: Login, occupant: Occupant) -> Result<Self, StoreError> {
        let inbox = account.state().find(INBOX).ok_or(StoreError::NoMailbox)?.id;
        let inbox = account.mailbox(inbox).await?;
        let messages = inbox.messages().ok_or(StoreError::NoMailbox)?.clone();
        let unique_ids = account.unique_ids(&inbox).await?;
        Ok(Self {
            login,
            account,
            mailbox: inbox.id,
            uid_validity: inbox.record.uid_validity,
            deleted: vec![false; messages.len() as usize],
            messages,
            unique_ids,
            _occupant: occupant,
        })
    }

    /// The messages that are not marked, in order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message> + '_ {
        let rows = self.messages.range(1, u32::MAX).zip(&self.deleted);
        rows.filter(|(_, deleted)| !**deleted).map(|((number, entry), _)| Message {
            number: MessageNumber(number),
            entry: *entry,
            octets: octets_of(entry),
        })
    }

    /// A message that is there and not marked.
    pub(crate) fn message(&self, number: MessageNumber) -> Result<Message, Text> {
        let position = number.0.checked_sub(1).and_then(|position| usize::try_from(position).ok());
        let entry = self.messages.get(number.0).ok_or(Text::NoMessage)?;
        let position = position.ok_or(Text::NoMessage)?;
        match self.deleted.get(position) {
            Some(false) => Ok(Message { number, entry: *entry, octets: octets_of(entry) }),
            Some(true) => Err(Text::MessageDeleted),
            None => Err(Text::NoMessage),
        }
    }

    /// How many messages are not marked, and their octets.
    pub(crate) fn totals(&self) -> (u64, u64) {
        self.messages().fold((0, 0), |(count, octets), message| (count + 1, octets + message.octets))
    }

    /// What names a message for ever (RFC 1939 §7).
    pub(crate) fn unique_id(&self, message: &Message) -> Cow<'_, str> {
        let uid = message.entry.uid;
        match self.unique_ids.get(&uid) {
            Some(brought) => Cow::Borrowed(brought),
            None => Cow::Owned(own_unique_id(self.account.id(), self.uid_validity, uid)),
        }
    }

    /// Marks a message as deleted.
    pub(crate) fn delete(&mut self, number: MessageNumber) -> Result<(), Text> {
        self.message(number)?;
        let position = usize::try_from(number.0 - 1).map_err(|_| Text::NoMessage)?;
        *self.deleted.get_mut(position).ok_or(Text::NoMessage)? = true;
        Ok(())
    }

    /// Takes all marks away.
    pub(crate) fn reset(&mut self) {
        self.deleted.fill(false);
    }

    /// Whether the header of a message is ASCII. A message of which nothing is known counts as such.
    pub(crate) async fn is_ascii_header(&self, message: &Message) -> Result<bool, StoreError> {
        let mut ascii = true;
        let mut visit = |_, derived: Option<&[u8]>| {
            if let Some(Ok(view)) = derived.map(DerivedView::parse) {
                ascii = view.is_ascii_header();
            }
            ControlFlow::Continue(())
        };
        self.account.derived(&[message.entry.blob], &mut visit).await?;
        Ok(ascii)
    }

    /// A piece of a message; `None` if somebody removed it.
    pub(crate) async fn piece(
        &self,
        message: &Message,
        offset: u64,
        bytes: u64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut piece = None;
        let mut visit = |_, bytes: Option<&[u8]>| {
            piece = bytes.map(<[u8]>::to_vec);
            ControlFlow::Continue(())
        };
        self.account.pieces(&[(message.entry.blob, offset, bytes)], &mut visit).await?;
        Ok(piece)
    }

    /// Makes the deletions real, all or none, and answers how many; when it returns they are durable.
    pub(crate) async fn commit(&self) -> Result<u64, StoreError> {
        let marked = self.messages.iter().zip(&self.deleted).filter(|(_, deleted)| **deleted);
        let uids: UidSet = marked.map(|(entry, _)| entry.uid).collect();
        if uids.is_empty() {
            return Ok(0);
        }
        match self.login.settings.pop3_delete {
            Pop3Delete::Remove => {
                let gone = self.account.expunge(self.mailbox, Some(uids), ExpungeOnly::Named).await?;
                Ok(gone.count())
            }
            Pop3Delete::MoveToTrash => {
                let trash = self.trash().await?;
                let moved = self.account.transfer(self.mailbox, uids, trash, Transfer::Move).await?;
                Ok(moved.source.count())
            }
        }
    }

    /// The mailbox for thrown-away messages, made if its owner removed it.
    async fn trash(&self) -> Result<MailboxId, StoreError> {
        const NAME: &str = "Trash";
        let state = self.account.state();
        if let Some(trash) = state.find_special(SpecialUse::Trash).or_else(|| state.find(NAME)) {
            return Ok(trash.id);
        }
        self.account.create_mailbox(NAME, SpecialUse::Trash.into()).await
    }
}

/// What RETR sends of a message, in octets.
fn octets_of(entry: &Entry) -> u64 {
    let last_line = if entry.ends_with_crlf { LastLine::Ended } else { LastLine::Unended };
    octets_sent(entry.size.into(), last_line)
}
