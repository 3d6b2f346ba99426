//! A run: one snapshot more.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use postrider_store::{AccountId, Moment};
use rustic_core::{
    BackupOptions, ParentOptions, SnapshotGroupCriterion,
    jiff::{SignedDuration, Timestamp, tz::TimeZone},
    repofile::SnapshotFile,
};
use serde_json::Value;
use tokio::runtime::Handle;

use crate::{
    blocking::blocking,
    error::{BackupError, Place},
    gate::Ledger,
    layout,
    manifest::{self, AccountFile, CredentialsFile, Head},
    observer::{Cancel, Observer},
    repository::{Inner, Repository},
    snapshots::{LABEL, PARTIAL_TAG, SnapshotId},
    source::{Counters, MailSource, Shared, SourceAccount, json_file},
};

/// An account to be saved, and what is saved of it beside its mail.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountInfo {
    /// Which account.
    pub id: AccountId,
    /// Its address, under which it is found in the snapshot.
    pub address: String,
    /// Aliases, settings, quota: handed back on restore as it is.
    pub info: Value,
    /// Password hashes and the like, if they are to be saved too.
    pub credentials: Option<Value>,
}

/// Whether a run saves all there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// All accounts.
    #[default]
    Everything,
    /// Some accounts: the snapshot is marked as partial and does not stand in for a whole one.
    Some,
}

/// How a run is done.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// The name of this machine, for people who read the list of snapshots.
    pub host: String,
    /// Words that the snapshot is marked with.
    pub tags: Vec<String>,
    /// Whether the accounts are all there are.
    pub scope: Scope,
    /// Stops the run.
    pub cancel: Cancel,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// The new snapshot.
    pub snapshot: SnapshotId,
    /// Accounts in it.
    pub accounts: u64,
    /// Mailboxes in it.
    pub mailboxes: u64,
    /// Messages in it.
    pub messages: u64,
    /// Their sizes together, in bytes.
    pub bytes: u64,
    /// Messages that were read, because the snapshots before do not have them.
    pub messages_read: u64,
    /// Bytes of messages that were read.
    pub bytes_read: u64,
    /// Pieces of content that the repository did not have.
    pub blobs_new: u64,
    /// Their size before compression, in bytes.
    pub bytes_added: u64,
    /// Bytes that were written to the repository: compressed, encrypted, with all that describes them.
    pub bytes_written: u64,
    /// How long it took.
    pub duration: Duration,
}

impl Repository {
    /// Saves accounts as they were at `moment`: makes a snapshot, or fails and makes none.
    ///
    /// Messages that the latest whole snapshot has are not read. What was written when a run fails or is stopped is not lost: the
    /// next one finds it.
    ///
    /// # Errors
    /// [`BackupError::Source`] if anything could not be read from the store, [`BackupError::Cancelled`],
    /// [`BackupError::Busy`], [`BackupError::NoSpace`].
    pub async fn run(
        &self,
        moment: Arc<Moment>,
        accounts: Vec<AccountInfo>,
        options: RunOptions,
        observer: Arc<dyn Observer>,
    ) -> Result<RunReport, BackupError> {
        let inner = Arc::clone(&self.inner);
        blocking(move |handle| run(&inner, handle, moment, accounts, &options, observer)).await
    }
}

fn run(
    inner: &Inner,
    handle: Handle,
    moment: Arc<Moment>,
    accounts: Vec<AccountInfo>,
    options: &RunOptions,
    observer: Arc<dyn Observer>,
) -> Result<RunReport, BackupError> {
    let started = Instant::now();
    let writing = inner.begin_writing()?;
    inner.remove_leftovers(&writing);
    let ledger = Arc::new(Ledger::default());
    let library = inner.open_to_write(&ledger)?;
    let accounts = sources(&handle, &moment, accounts)?;
    let messages = accounts.iter().flat_map(|account| account.state.mailboxes());
    let messages_total = messages.map(|mailbox| u64::from(mailbox.record.counts.messages)).sum();
    let before = inner.checked(library.get_all_snapshots())?;
    let mut snapshot = new_snapshot(&moment, &before, options)?;
    snapshot.description = Some(description(accounts.len(), messages_total));
    let parent = ParentOptions::default()
        .group_by(SnapshotGroupCriterion::new())
        .parents(parents(&before))
        .force(before.is_empty());
    let shared = Arc::new(Shared {
        moment,
        handle,
        observer,
        cancel: options.cancel.clone(),
        ledger: Arc::clone(&ledger),
        counters: Counters::default(),
        messages_total,
    });
    let source = MailSource { shared: Arc::clone(&shared), accounts: Arc::new(accounts) };
    let library_options = BackupOptions::default().parent_opts(parent).no_scan(true);
    let outcome = library.archive(&library_options, &source, snapshot, &[PathBuf::from("/")]);
    // What failed here or at the gate says more than what the library made of it, and may be all that tells.
    if let Some(failure) = ledger.take_failure() {
        return Err(failure);
    }
    let snapshot = inner.checked(outcome)?;
    shared.tell();
    Ok(report(&source, &snapshot, &ledger, started))
}

fn report(source: &MailSource, snapshot: &SnapshotFile, ledger: &Ledger, started: Instant) -> RunReport {
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let counters = &source.shared.counters;
    let summary = snapshot.summary.clone().unwrap_or_default();
    RunReport {
        snapshot: SnapshotId::of(snapshot),
        accounts: source.accounts.len() as u64,
        mailboxes: count(&counters.mailboxes),
        messages: count(&counters.messages),
        bytes: count(&counters.bytes),
        messages_read: count(&counters.bodies_read),
        bytes_read: count(&counters.bytes_read),
        blobs_new: summary.data_blobs + summary.tree_blobs,
        bytes_added: summary.data_added,
        bytes_written: ledger.bytes_written(),
        duration: started.elapsed(),
    }
}

/// What a snapshot holds, for people who list them.
fn description(accounts: usize, messages: u64) -> String {
    let ending = |is_one: bool| if is_one { "" } else { "s" };
    format!("{accounts} account{}, {messages} message{}", ending(accounts == 1), ending(messages == 1))
}

/// The snapshots in which a run looks for what it need not read: the latest, and the latest whole one.
fn parents(before: &[SnapshotFile]) -> Vec<String> {
    let latest = |is_wanted: &dyn Fn(&SnapshotFile) -> bool| {
        let ours = before.iter().filter(|snapshot| snapshot.label == LABEL && is_wanted(snapshot));
        ours.max_by(|a, b| a.time.cmp(&b.time)).map(|snapshot| snapshot.id.to_string())
    };
    let whole = latest(&|snapshot| !snapshot.tags.contains(PARTIAL_TAG));
    let any = latest(&|_| true);
    let mut parents: Vec<String> = whole.into_iter().chain(any).collect();
    parents.dedup();
    parents
}

fn new_snapshot(moment: &Moment, before: &[SnapshotFile], options: &RunOptions) -> Result<SnapshotFile, BackupError> {
    let taken = Timestamp::from_second(moment.taken()).map_err(|error| BackupError::Ended(error.to_string()))?;
    let mut snapshot = SnapshotFile {
        time: behind_others(taken, before).to_zoned(TimeZone::UTC),
        program_version: format!("postrider {}", env!("CARGO_PKG_VERSION")),
        label: LABEL.to_owned(),
        hostname: options.host.clone(),
        ..SnapshotFile::default()
    };
    let partial = (options.scope == Scope::Some).then(|| PARTIAL_TAG.to_owned());
    options.tags.iter().cloned().chain(partial).for_each(|tag| snapshot.tags.add(tag));
    Ok(snapshot)
}

/// The moment, which is known to the second, behind those of all snapshots of the same second: which of two is the later one
/// must not be left to chance.
fn behind_others(taken: Timestamp, before: &[SnapshotFile]) -> Timestamp {
    let ours = before.iter().filter(|snapshot| snapshot.label == LABEL).map(|snapshot| snapshot.time.timestamp());
    let latest = ours.filter(|time| time.as_second() == taken.as_second()).max();
    latest.and_then(|time| time.checked_add(SignedDuration::from_micros(1)).ok()).unwrap_or(taken)
}

fn sources(handle: &Handle, moment: &Moment, accounts: Vec<AccountInfo>) -> Result<Vec<SourceAccount>, BackupError> {
    let mut folders = BTreeSet::new();
    let mut sources = Vec::with_capacity(accounts.len());
    for account in accounts {
        let place = Place::account(&account.address);
        let failed = |reason: String| BackupError::Source { place: Box::new(place.clone()), reason };
        if !folders.insert(layout::encode_level(&account.address)) {
            return Err(failed(String::from("the address is in the list twice")));
        }
        let state = handle.block_on(moment.account(account.id)).map_err(|error| failed(error.to_string()))?;
        let file = AccountFile {
            head: Head::new(manifest::ACCOUNT_FORMAT),
            address: account.address.clone(),
            account: account.id.0,
            modseq: state.record.modseq.0,
            uid_validity_last: state.record.uid_validity_last,
            email_next: state.record.email_next,
            mailbox_next: state.record.mailbox_next,
            subscriptions: state.subscriptions().map(str::to_owned).collect(),
            info: account.info,
        };
        let mut files = vec![(layout::ACCOUNT_FILE, json_file(&file).map_err(&failed)?)];
        if let Some(credentials) = account.credentials {
            let head = Head::new(manifest::CREDENTIALS_FORMAT);
            let file = CredentialsFile { head, address: account.address.clone(), credentials };
            files.push((layout::CREDENTIALS_FILE, json_file(&file).map_err(&failed)?));
        }
        sources.push(SourceAccount { id: account.id, address: Arc::from(account.address), files, state });
    }
    Ok(sources)
}
