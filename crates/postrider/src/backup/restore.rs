//! What lies in the safe comes back: into the store, or as files.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, bail};
use postrider_accounts::{AccountsError, CarriedAccount};
use postrider_backup::{
    AccountRestore, NoteTranslation, Repository, RestoreOptions, RestorePlace, RestoreReport, RestoreSelection,
    SavedAccount, SavedMailbox, SnapshotId, SnapshotInfo, Work,
};
use postrider_store::{AccountId, Uid, UidSet};

use super::{
    ExtractAnswer, ExtractWish, MailboxSummary, MessageSummary, RestoreAnswer, RestoreWish, Safe, ShowAnswer, ShowWish,
    explained, find, run::whole, short, teller::tell,
};
use crate::{advice::Advise, control::Reporter, storage::Storage};

impl Safe {
    /// What a snapshot holds.
    pub async fn show(&self, wish: &ShowWish) -> Result<ShowAnswer> {
        let repository = self.open().await?;
        let snapshot = find(&repository, &wish.when).await?;
        let mut answer = ShowAnswer {
            accounts: Vec::new(),
            mailboxes: Vec::new(),
            messages: Vec::new(),
            snapshot: snapshot.clone().into(),
        };
        let Some(address) = &wish.account else {
            let saved = repository.saved_accounts(&snapshot.id).await.map_err(explained)?;
            answer.accounts = saved.into_iter().map(|account| account.address).collect();
            return Ok(answer);
        };
        answer.accounts.push(address.clone());
        let mailboxes = repository.saved_mailboxes(&snapshot.id, address).await.map_err(explained)?;
        let wanted = |name: &str| wish.mailbox.as_deref().is_none_or(|wanted| wanted == name);
        for mailbox in mailboxes.into_iter().filter(|mailbox| wanted(&mailbox.file.name)) {
            answer.mailboxes.push(MailboxSummary {
                name: mailbox.file.name,
                messages: mailbox.file.messages,
                bytes: mailbox.file.bytes,
                uid_validity: mailbox.file.uid_validity,
                path: mailbox.path,
            });
        }
        if let Some(mailbox) = &wish.mailbox {
            let lines = repository.saved_messages(&snapshot.id, address, mailbox, None).await.map_err(explained)?;
            answer.messages.extend(lines.into_iter().map(|line| MessageSummary {
                uid: line.uid,
                size: line.size,
                received: line.received,
                blake3: line.blake3.to_string(),
                flags: line.flags,
            }));
        }
        Ok(answer)
    }

    /// Writes what a snapshot holds to files.
    pub async fn extract(&self, wish: &ExtractWish, reporter: &Arc<Reporter>) -> Result<ExtractAnswer> {
        let repository = self.open().await?;
        let snapshot = find(&repository, &wish.when).await?;
        let extracted = tell(reporter, |observer, cancel| {
            let (repository, id, to) = (&repository, &snapshot.id, wish.to.clone());
            async move { repository.extract(id, &wish.path, to, cancel, observer).await }
        })
        .await
        .map_err(explained)?;
        let (messages, files, bytes) = (extracted.messages, extracted.files, extracted.bytes);
        Ok(ExtractAnswer { snapshot: short(&snapshot.id), messages, files, bytes })
    }

    /// Brings mail back into the store. Accounts that are gone are made again.
    pub async fn restore(
        &self,
        storage: &Storage,
        wish: &RestoreWish,
        reporter: &Arc<Reporter>,
    ) -> Result<RestoreAnswer> {
        check(wish)?;
        let repository = self.open().await?;
        let snapshot = find(&repository, &wish.when).await?;
        let mut saved = repository.saved_accounts(&snapshot.id).await.map_err(explained)?;
        if let Some(address) = &wish.account {
            saved.retain(|account| account.address == *address);
            if saved.is_empty() {
                let none = Err(anyhow!("the backup of then holds no account {address}"));
                return none.advise(format!(
                    "postrider backup show --snapshot {} lists the accounts in it",
                    snapshot.id.short()
                ));
            }
        }
        let mut answer =
            RestoreAnswer { snapshot: short(&snapshot.id), dry_run: wish.dry_run, ..RestoreAnswer::default() };
        let mut accounts = Vec::new();
        for account in &saved {
            let address = wish.into.as_ref().unwrap_or(&account.address);
            let into = match storage.accounts.find(address).await? {
                Some(entry) => entry.id,
                None if wish.into.is_some() => return Err(AccountsError::UnknownAccount(address.clone()).into()),
                None => {
                    answer.accounts_made.push(account.address.clone());
                    if wish.dry_run {
                        answer.count(&repository, &snapshot, account, wish).await?;
                        continue;
                    }
                    // Before anything is made: nobody wants an empty account for a mistyped mailbox.
                    selected(&repository, &snapshot.id, account, wish).await?;
                    make(storage, account, &mut answer).await?
                }
            };
            accounts.push(one(account, into, wish));
        }
        if !wish.dry_run {
            restore_aliases(storage, &saved, reporter).await?;
        }
        let options = RestoreOptions {
            work: if wish.dry_run { Work::Tell } else { Work::Do },
            notes: Some(note_translation()),
            ..RestoreOptions::default()
        };
        let report = tell(reporter, |observer, cancel| {
            let (repository, id, store) = (&repository, &snapshot.id, Arc::clone(&storage.store));
            async move { repository.restore(id, accounts, store, RestoreOptions { cancel, ..options }, observer).await }
        })
        .await
        .map_err(explained)?;
        answer.add(report);
        Ok(answer)
    }
}

/// Pulls note mailboxes by their numbers, which may be others now.
fn note_translation() -> NoteTranslation {
    let pulls = Mutex::new(postrider_pull::NoteTranslation::default());
    Arc::new(move |key, value, ids| {
        pulls.lock().unwrap_or_else(PoisonError::into_inner).translate(key, value, &|saved| ids.get(saved))
    })
}

/// Refuses what cannot be meant.
fn check(wish: &RestoreWish) -> Result<()> {
    if wish.account.is_none() && (wish.mailbox.is_some() || wish.into.is_some()) {
        bail!("it must be said whose mail: name the account");
    }
    if wish.mailbox.is_none() && !wish.uids.is_empty() {
        bail!("a UID says nothing without its mailbox: name the mailbox");
    }
    if wish.uids.contains(&0) {
        bail!("no message has the UID 0");
    }
    Ok(())
}

fn one(account: &SavedAccount, into: AccountId, wish: &RestoreWish) -> AccountRestore {
    let selection = match &wish.mailbox {
        None => RestoreSelection::Account,
        Some(mailbox) if wish.uids.is_empty() => RestoreSelection::Mailboxes(vec![mailbox.clone()]),
        Some(mailbox) => {
            let uids: UidSet = wish.uids.iter().map(|uid| Uid(*uid)).collect();
            RestoreSelection::Messages { mailbox: mailbox.clone(), uids }
        }
    };
    let place = match &wish.below {
        Some(below) => RestorePlace::Below(below.clone()),
        None if wish.into.as_ref().is_some_and(|into| *into != account.address) => RestorePlace::OtherAccount,
        None => RestorePlace::Same,
    };
    AccountRestore { address: account.address.clone(), into, selection, place }
}

/// The mailboxes of an account that are meant, and what of them.
async fn selected(
    repository: &Repository,
    snapshot: &SnapshotId,
    account: &SavedAccount,
    wish: &RestoreWish,
) -> Result<(Vec<SavedMailbox>, RestoreSelection)> {
    let selection = one(account, AccountId(0), wish).selection;
    let mut mailboxes = repository.saved_mailboxes(snapshot, &account.address).await.map_err(explained)?;
    mailboxes.retain(|mailbox| selection.takes(&mailbox.file.name));
    if let Some(mailbox) = wish.mailbox.as_ref().filter(|_| mailboxes.is_empty()) {
        let none = Err(anyhow!("the backup of then holds no mailbox {mailbox} of {}", account.address));
        return none.advise(format!(
            "postrider backup show --snapshot {} --account {} lists its mailboxes",
            snapshot.short(),
            account.address
        ));
    }
    Ok((mailboxes, selection))
}

/// Makes an account as it was saved.
async fn make(storage: &Storage, account: &SavedAccount, answer: &mut RestoreAnswer) -> Result<AccountId> {
    let carried = carried(account)?;
    if !carried.has_credentials() {
        answer.without_password.push(account.address.clone());
    }
    let id = storage.accounts.add_carried(&carried).await?;
    storage.store.create_account(id).await?;
    Ok(id)
}

fn carried(account: &SavedAccount) -> Result<CarriedAccount> {
    let whole = whole(account.info.clone(), account.credentials.clone());
    serde_json::from_value(whole)
        .with_context(|| format!("what was saved of the account {} is unreadable", account.address))
}

/// Aliases that are gone come back, where what they lead to is here.
async fn restore_aliases(storage: &Storage, saved: &[SavedAccount], reporter: &Arc<Reporter>) -> Result<()> {
    for account in saved {
        for (alias, targets) in carried(account)?.aliases() {
            match storage.accounts.add_alias(alias, targets).await {
                // It is there, or another account brought it.
                Ok(()) | Err(AccountsError::AddressTaken(_)) => {}
                Err(error) => reporter.note(format!("the alias {alias} was not made again: {error}")).await,
            }
        }
    }
    Ok(())
}

impl RestoreAnswer {
    /// What would come back into an account that would have to be made first.
    async fn count(
        &mut self,
        repository: &Repository,
        snapshot: &SnapshotInfo,
        account: &SavedAccount,
        wish: &RestoreWish,
    ) -> Result<()> {
        let id: &SnapshotId = &snapshot.id;
        let (mailboxes, selection) = selected(repository, id, account, wish).await?;
        for mailbox in &mailboxes {
            self.mailboxes_made += 1;
            let RestoreSelection::Messages { uids, .. } = &selection else {
                self.messages += u64::from(mailbox.file.messages);
                self.bytes += mailbox.file.bytes;
                continue;
            };
            let (name, uids) = (&mailbox.file.name, Some(uids.clone()));
            let lines = repository.saved_messages(id, &account.address, name, uids).await.map_err(explained)?;
            self.messages += lines.len() as u64;
            self.bytes += lines.iter().map(|line| u64::from(line.size)).sum::<u64>();
        }
        self.accounts += 1;
        Ok(())
    }

    fn add(&mut self, report: RestoreReport) {
        self.accounts += report.accounts;
        self.mailboxes_made += report.mailboxes_made;
        self.mailboxes_renumbered += report.mailboxes_made.saturating_sub(report.uid_validities_kept);
        self.messages += report.messages;
        self.bytes += report.bytes;
        self.already_there += report.messages_there;
        self.problems.extend(report.problems.iter().map(|(place, reason)| format!("{place}: {reason}")));
    }
}
