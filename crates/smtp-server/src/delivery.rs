//! Final delivery: a message becomes durable in the accounts of its recipients.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use postrider_accounts::AccountId;
use postrider_store::{EngineError, INBOX, NewMessage, Store, StoreError};
use tokio::task::JoinSet;

use crate::{
    options::{DetailFolders, SmtpOptions},
    reply::Reply,
    service::SmtpService,
    transaction::AcceptedRecipient,
};

/// For each account the details of the recipients that lead to it; `None` is a recipient without one.
type Targets = BTreeMap<AccountId, BTreeSet<Option<String>>>;

impl SmtpService {
    /// Stores a message once in each account, and answers for each recipient what became of it.
    ///
    /// When a recipient's answer is good the message is on stable storage for all its accounts. Where one recipient of several
    /// failed, a client that speaks SMTP sends to all again; those who have the message then get it twice, since the
    /// protocol has no way to say which (RFC 2033 §2 is about just that).
    pub(crate) async fn deliver(&self, raw: Bytes, recipients: &[AcceptedRecipient]) -> Vec<Result<(), Reply>> {
        let received = self.store.now();
        let message = NewMessage::prepare(raw, Vec::new(), received, &self.store.options().mime).await;
        let mut waiting = targets(recipients, &self.options).into_iter();
        let mut outcomes = BTreeMap::new();
        // One account is the rule, and needs no task of its own.
        if waiting.len() == 1
            && let Some((account, details)) = waiting.next()
        {
            outcomes.insert(account, deliver_to(&self.store, account, details, message).await);
            return recipients.iter().map(|recipient| outcome_of(recipient, &outcomes)).collect();
        }
        let mut running = JoinSet::new();
        loop {
            while running.len() < self.options.deliveries_at_once_max.max(1) {
                let Some((account, details)) = waiting.next() else { break };
                let (store, message) = (Arc::clone(&self.store), message.clone());
                running.spawn(async move { (account, deliver_to(&store, account, details, message).await) });
            }
            match running.join_next().await {
                None => break,
                Some(Ok((account, outcome))) => {
                    outcomes.insert(account, outcome);
                }
                // The account is missing among the outcomes then, which counts as a failure below.
                Some(Err(error)) => tracing::error!(%error, "a delivery ended early"),
            }
        }
        recipients.iter().map(|recipient| outcome_of(recipient, &outcomes)).collect()
    }
}

fn targets(recipients: &[AcceptedRecipient], options: &SmtpOptions) -> Targets {
    let mut targets = Targets::new();
    for delivery in recipients.iter().flat_map(|recipient| &recipient.deliveries) {
        let detail = match options.detail_folders {
            DetailFolders::Ignore => None,
            DetailFolders::IfExists => delivery.detail.clone(),
        };
        targets.entry(delivery.account).or_default().insert(detail);
    }
    targets
}

fn outcome_of(recipient: &AcceptedRecipient, outcomes: &BTreeMap<AccountId, Result<(), Reply>>) -> Result<(), Reply> {
    for delivery in &recipient.deliveries {
        outcomes.get(&delivery.account).cloned().unwrap_or_else(|| Err(Reply::local_error()))?;
    }
    Ok(())
}

/// Adds a message to the mailboxes of one account. It is stored once, however many they are.
async fn deliver_to(
    store: &Store,
    account: AccountId,
    details: BTreeSet<Option<String>>,
    message: NewMessage,
) -> Result<(), Reply> {
    let result = async {
        let account = store.account(account).await?;
        let state = account.state();
        let mailboxes: BTreeSet<_> = details
            .iter()
            .filter_map(|detail| detail.as_deref().and_then(|name| state.find(name)).or_else(|| state.find(INBOX)))
            .map(|mailbox| mailbox.id)
            .collect();
        if mailboxes.is_empty() {
            return Err(StoreError::NoMailbox);
        }
        for mailbox in mailboxes {
            account.append(mailbox, vec![message.clone()]).await?;
        }
        Ok(())
    };
    result.await.map_err(|error| {
        match &error {
            // For the sender to know; the engine tells of a full disk once, not for each message.
            StoreError::TooLarge { .. } | StoreError::Limit(_) | StoreError::Engine(EngineError::Full(_)) => {
                tracing::debug!(%account, %error, "a message was refused");
            }
            _ => tracing::error!(%account, %error, "a message could not be delivered"),
        }
        refusal(&error)
    })
}

fn refusal(error: &StoreError) -> Reply {
    match error {
        StoreError::TooLarge { .. } => Reply::new(552, (5, 3, 4), "The message is too large"),
        StoreError::Limit(_) => Reply::new(452, (4, 2, 2), "The mailbox is full"),
        StoreError::Engine(EngineError::Full(_)) => Reply::new(452, (4, 3, 1), "The server has no room left"),
        _ => Reply::local_error(),
    }
}
