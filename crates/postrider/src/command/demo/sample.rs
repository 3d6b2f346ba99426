//! The mail that is there at first: plain, HTML, an attachment, several scripts, a thread.

use anyhow::{Context, Result};
use bytes::Bytes;
use postrider_store::Flag;

use crate::storage::Storage;

/// Messages for each account, in order of arrival.
const ALICE: [&str; 6] = [
    include_str!("welcome.eml"),
    include_str!("newsletter.eml"),
    include_str!("attachment.eml"),
    include_str!("scripts.eml"),
    include_str!("thread-1.eml"),
    include_str!("thread-3.eml"),
];
const BOB: [&str; 2] = [include_str!("welcome.eml"), include_str!("thread-2.eml")];

/// Delivers an account's sample messages, unless its inbox ever held a message.
pub async fn deliver(storage: &Storage, address: &str) -> Result<()> {
    let entry = storage.accounts.find(address).await?.context("the account is not there")?;
    let account = storage.store.account(entry.id).await?;
    let state = account.state();
    let inbox = state.find("INBOX").context("the account has no INBOX")?;
    if inbox.record.uid_next.0 > 1 {
        return Ok(());
    }
    let messages: &[&str] = if address.starts_with("alice") { &ALICE } else { &BOB };
    let mut prepared = Vec::new();
    for (number, text) in messages.iter().enumerate() {
        // The files keep the line ends of their editor; mail has CRLF (RFC 5322 §2.3).
        let raw = text.replace("\r\n", "\n").replace('\n', "\r\n");
        let flags = if number == 0 { vec![Flag::Flagged] } else { Vec::new() };
        prepared.push(account.prepare(Bytes::from(raw), flags, storage.store.now()).await);
    }
    account.append(inbox.id, prepared).await?;
    Ok(())
}
