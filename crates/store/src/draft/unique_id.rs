//! Unique-ids that messages brought along, in a draft.

use super::{Draft, Slot, unknown};
use crate::{
    error::StoreError,
    identifier::{MailboxId, Uid},
    keys,
    message::NewMessage,
    unique_id::is_possible,
};

impl Draft {
    /// Reads what giving messages the unique-ids that they bring will ask for.
    pub(crate) async fn read_for_unique_ids(
        &mut self,
        id: MailboxId,
        messages: &[NewMessage],
    ) -> Result<(), StoreError> {
        let names = messages.iter().filter_map(|message| Some((id, message.unique_id.clone()?)));
        let names: Vec<(MailboxId, String)> = names.filter(|name| !self.unique_names.contains_key(name)).collect();
        let account = self.state.id;
        let found = self.read(&names, |(id, name)| keys::message_by_unique_id(account, *id, name), uid).await?;
        self.unique_names.extend(names.into_iter().zip(found.into_iter().map(Slot::read)));
        Ok(())
    }

    /// Gives a message the unique-id that it brings, unless it is impossible or another's. Answers whether it has it.
    pub(crate) fn set_unique_id(&mut self, id: MailboxId, uid: Uid, unique_id: &str) -> Result<bool, StoreError> {
        let uid_validity = self.mailbox(id)?.record.uid_validity;
        let name = (id, unique_id.to_owned());
        let is_taken = self.unique_names.get(&name).is_none_or(|slot| slot.value.is_some());
        if is_taken || !is_possible(unique_id, self.state.id, uid_validity) {
            return Ok(false);
        }
        self.unique_names.insert(name, Slot::set(Some(uid)));
        self.unique_ids.insert((id, uid), Slot::set(Some(unique_id.to_owned())));
        self.mailbox_mut(id)?.record.unique_ids += 1;
        Ok(true)
    }

    /// Messages leave a mailbox, and their unique-ids with them.
    pub(super) async fn remove_unique_ids(
        &mut self,
        id: MailboxId,
        uids: impl Iterator<Item = Uid>,
    ) -> Result<(), StoreError> {
        if self.mailbox(id)?.record.unique_ids == 0 {
            return Ok(());
        }
        let places: Vec<(MailboxId, Uid)> = uids.map(|uid| (id, uid)).collect();
        let wanted = unknown(&self.unique_ids, places.iter().copied());
        let account = self.state.id;
        let found = self.read(&wanted, |(id, uid)| keys::unique_id(account, *id, *uid), text).await?;
        self.unique_ids.extend(wanted.into_iter().zip(found.into_iter().map(Slot::read)));
        for place in places {
            let Some(name) = self.unique_ids.get(&place).and_then(|slot| slot.value.clone()) else { continue };
            self.unique_ids.insert(place, Slot::set(None));
            self.unique_names.insert((id, name), Slot::set(None));
            let record = &mut self.mailbox_mut(id)?.record;
            record.unique_ids = record.unique_ids.saturating_sub(1);
        }
        Ok(())
    }
}

/// The UID that is the value of a record.
pub(crate) fn uid(bytes: &[u8]) -> Result<Uid, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::Damaged("a unique-id names no message".to_owned()))?;
    Ok(Uid(u32::from_be_bytes(bytes)))
}

/// The unique-id that is the value of a record.
pub(crate) fn text(bytes: &[u8]) -> Result<String, StoreError> {
    let text = std::str::from_utf8(bytes).map_err(|_| StoreError::Damaged("a unique-id is not text".to_owned()))?;
    Ok(text.to_owned())
}
