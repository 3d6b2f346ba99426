//! An account's state is read from the engine.

use std::ops::ControlFlow;

use postrider_engine::{Direction, KeyRange, Read};

use crate::{
    draft::read_records,
    error::StoreError,
    identifier::{AccountId, MailboxId},
    keys,
    record::{AccountRecord, MailboxRecord},
    state::{AccountState, Mailbox},
};

/// Reads counters, mailboxes and subscriptions; messages are read when somebody asks for them.
pub(crate) async fn load_account<R: Read + ?Sized>(engine: &R, id: AccountId) -> Result<AccountState, StoreError> {
    let records = read_records(engine, &[keys::account(id)], AccountRecord::decode).await?;
    let record = records.into_iter().flatten().next().ok_or(StoreError::NoAccount(id))?;
    let mut state = AccountState::new(id, record);
    scan_records(engine, &keys::mailboxes(id), |key, value| {
        let number: [u8; 4] = keys::tail(key).try_into().map_err(|_| malformed("mailbox"))?;
        state.insert(Mailbox::new(MailboxId(u32::from_be_bytes(number)), MailboxRecord::decode(value)?));
        Ok(())
    })
    .await?;
    let mut subscriptions = std::collections::BTreeSet::new();
    scan_records(engine, &keys::subscriptions(id), |key, _| {
        let name = std::str::from_utf8(keys::tail(key)).map_err(|_| malformed("subscription"))?;
        subscriptions.insert(name.to_owned());
        Ok(())
    })
    .await?;
    state.subscriptions = std::sync::Arc::new(subscriptions);
    Ok(state)
}

/// Walks a range; the first error ends the walk.
pub(crate) async fn scan_records<R: Read + ?Sized>(
    engine: &R,
    range: &KeyRange,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError> + Send,
) -> Result<(), StoreError> {
    let mut failure = None;
    engine
        .scan(range, Direction::Forward, &mut |key, value| match visit(key, value) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        })
        .await?;
    failure.map_or(Ok(()), Err)
}

pub(crate) fn malformed(what: &str) -> StoreError {
    StoreError::Damaged(format!("a {what} has a malformed key"))
}
