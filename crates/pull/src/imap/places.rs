//! Which mailbox here a mailbox there goes to.

use std::collections::BTreeSet;

use postrider_store::{Account, MailboxId, SpecialUses, StoreError};

use super::mailboxes::RemoteMailbox;

/// The mailbox here, if there is one that fits: the account's own for the same use, else that of the name.
pub(crate) fn find_place(account: &Account, remote: &RemoteMailbox, taken: &BTreeSet<MailboxId>) -> Option<MailboxId> {
    let state = account.state();
    let by_use = remote.special_use.and_then(|kind| state.find_special(kind));
    by_use
        .filter(|mailbox| !taken.contains(&mailbox.id))
        .or_else(|| state.find(&remote.local))
        .map(|mailbox| mailbox.id)
        .filter(|id| !taken.contains(id))
}

/// The mailbox here; one is made where none fits. What is the place of another mailbox there is not used twice.
pub(crate) async fn make_place(
    account: &Account,
    remote: &RemoteMailbox,
    taken: &BTreeSet<MailboxId>,
) -> Result<MailboxId, StoreError> {
    if let Some(found) = find_place(account, remote, taken) {
        return Ok(found);
    }
    let state = account.state();
    let wanted = remote.special_use.map_or(SpecialUses::NONE, SpecialUses::from);
    let is_free = remote.special_use.is_none_or(|kind| state.find_special(kind).is_none());
    let special_use = if is_free { wanted } else { SpecialUses::NONE };
    let numbered = (2..).map(|number| format!("{} ({number})", remote.local));
    let name = std::iter::once(remote.local.clone()).chain(numbered).find(|name| state.find(name).is_none());
    let name = name.unwrap_or_else(|| remote.local.clone());
    let id = account.create_mailbox(&name, special_use).await?;
    account.subscribe(&name, true).await?;
    Ok(id)
}
