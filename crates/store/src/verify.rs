//! Proof that the store is whole, and repair of what can be derived.
//!
//! [`Store::verify`] looks at one committed state and holds every record against every other and against the messages
//! themselves: each hash, each counter, each index. [`Store::rebuild`] makes derived data anew, while the server runs if need be.

mod beside;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::ControlFlow,
};

use postrider_engine::{BodyRange, Read};

use crate::{
    directory,
    draft::read_records,
    error::StoreError,
    expunged::{ExpungedKey, ExpungedRecord},
    identifier::{AccountId, BlobHash, BlobId, EmailId, MailboxId, Uid},
    keys,
    load::{load_account, malformed, scan_records},
    message::{DerivedValues, thread_keys},
    options::StoreOptions,
    pages::{make_page, pages_complete, read_page},
    record::{BlobRecord, ChangeRecord, Counts, EmailRecord},
    rows::{load_all_rows, load_directory},
    snapshot::Snapshot,
    state::{AccountState, INBOX},
    store::{Store, account_ranges},
};

/// How many blobs a rebuild writes at once.
const REBUILD_GROUP: usize = 256;

/// What was looked at, and what was wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Accounts.
    pub accounts: u64,
    /// Messages in mailboxes.
    pub messages: u64,
    /// Expunged messages that can be brought back.
    pub expunged: u64,
    /// Bytes of message content that were read and hashed.
    pub bytes: u64,
    /// One sentence for each fault; empty if the store is whole.
    pub findings: Vec<String>,
}

/// What a rebuild did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Messages whose derived answers were made anew because they differed.
    pub messages: u64,
    /// Pages of digests that were missing or differed.
    pub digests: u64,
    /// Mailboxes whose counters or directory were wrong.
    pub mailboxes: u64,
}

impl Store {
    /// Checks everything, as of one moment. `progress` is told now and then how many messages were read.
    pub async fn verify(&self, mut progress: impl FnMut(u64) + Send) -> Result<Verification, StoreError> {
        let mut result = Verification::default();
        let snapshot = self.engine().snapshot().await?;
        for (id, has_record) in account_ranges(&*snapshot).await? {
            if !has_record {
                result.findings.push(format!("account {id}: it has records, but not its own"));
                continue;
            }
            let mut check = Check { read: &*snapshot, options: self.options(), id, result: &mut result };
            match check.run(&mut progress).await {
                Ok(()) => result.accounts += 1,
                // What cannot even be decoded is a finding, not an end: the other accounts are looked at all the same.
                Err(error) => result.findings.push(format!("account {id}: {error}")),
            }
        }
        Ok(result)
    }

    /// Makes derived answers and counters anew, for every account.
    pub async fn rebuild(&self, mut progress: impl FnMut(u64) + Send) -> Result<Rebuilt, StoreError> {
        let mut result = Rebuilt::default();
        let mut looked_at = 0;
        for id in self.accounts().await? {
            let account = self.account(id).await?;
            let mut blobs = Vec::new();
            scan_records(&**self.engine(), &keys::blobs(id), |key, _| {
                blobs.push(BlobId(keys::split_number(key).ok_or_else(|| malformed("blob"))?));
                Ok(())
            })
            .await?;
            for group in blobs.chunks(REBUILD_GROUP) {
                let mut replaced = Vec::new();
                for blob in group {
                    let Some(raw) = account.body(*blob).await? else { continue };
                    let fresh = DerivedValues::of(&raw, &self.options().mime);
                    if !is_stored(&**self.engine(), id, *blob, &fresh).await? {
                        replaced.push((*blob, fresh));
                    }
                    looked_at += 1;
                    progress(looked_at);
                }
                result.messages += replaced.len() as u64;
                if !replaced.is_empty() {
                    account.replace_derived(replaced).await?;
                }
            }
            result.digests += account.rewrite_digests().await?;
            let mailboxes: Vec<MailboxId> = account.state().mailboxes().map(|mailbox| mailbox.id).collect();
            for mailbox in mailboxes {
                result.mailboxes += u64::from(account.recount(mailbox).await?);
            }
        }
        Ok(result)
    }
}

/// Whether what is stored beside a blob is what its bytes say.
async fn is_stored(
    read: &(impl Read + ?Sized),
    account: AccountId,
    blob: BlobId,
    fresh: &DerivedValues,
) -> Result<bool, StoreError> {
    let keys = [keys::derived(account, blob), keys::header(account, blob)];
    let expected = [&fresh.answers, &fresh.header];
    let mut same = 0;
    read.get(&keys, &mut |position, present| {
        let expected = expected.get(position).map(|bytes| bytes.as_ref());
        same += usize::from(present.is_some() && present == expected);
        ControlFlow::Continue(())
    })
    .await?;
    Ok(same == keys.len())
}

/// The check of one account.
struct Check<'a> {
    read: &'a dyn Read,
    options: &'a StoreOptions,
    id: AccountId,
    result: &'a mut Verification,
}

impl Check<'_> {
    fn fault(&mut self, text: String) {
        self.result.findings.push(format!("account {}: {text}", self.id));
    }

    async fn run(&mut self, progress: &mut (impl FnMut(u64) + Send)) -> Result<(), StoreError> {
        let state = load_account(self.read, self.id).await?;
        self.check_names(&state);
        let emails = self.load_emails(&state).await?;
        let blobs = self.load_blobs(&state).await?;
        let expunged = self.load_expunged().await?;
        let endings = self.check_entries(&state, &emails, &blobs, &expunged).await?;
        self.check_uid_validities(&state).await?;
        self.check_references(&emails, &blobs);
        self.check_indexes(&state, &blobs).await?;
        self.check_changes(&state).await?;
        self.check_digests(&state).await?;
        for (id, blob) in &blobs {
            self.check_content(*id, blob, endings.get(id).copied()).await?;
            progress(self.result.messages);
        }
        Ok(())
    }

    /// There is an INBOX, and each name is one mailbox's.
    fn check_names(&mut self, state: &AccountState) {
        if state.find(INBOX).is_none() {
            self.fault("there is no INBOX".to_owned());
        }
        for (id, mailbox) in &*state.mailboxes {
            if state.find(&mailbox.record.name).is_none_or(|found| found.id != *id) {
                self.fault(format!("{}: more than one mailbox has this name", mailbox.record.name));
            }
        }
    }

    async fn load_emails(&mut self, state: &AccountState) -> Result<BTreeMap<EmailId, EmailRecord>, StoreError> {
        let mut emails = BTreeMap::new();
        scan_records(self.read, &keys::emails(self.id), |key, value| {
            let id = EmailId(keys::split_number(key).ok_or_else(|| malformed("email"))?);
            emails.insert(id, EmailRecord::decode(value)?);
            Ok(())
        })
        .await?;
        if emails.values().any(|email| email.thread.0 >= state.record.email_next) {
            self.fault("an email has a thread that was not given out yet".to_owned());
        }
        if emails.keys().next_back().is_some_and(|last| last.0 >= state.record.email_next) {
            self.fault("an email has an id that was not given out yet".to_owned());
        }
        Ok(emails)
    }

    async fn load_blobs(&mut self, state: &AccountState) -> Result<BTreeMap<BlobId, BlobRecord>, StoreError> {
        let mut blobs = BTreeMap::new();
        scan_records(self.read, &keys::blobs(self.id), |key, value| {
            let id = BlobId(keys::split_number(key).ok_or_else(|| malformed("blob"))?);
            blobs.insert(id, BlobRecord::decode(value)?);
            Ok(())
        })
        .await?;
        if blobs.keys().next_back().is_some_and(|last| last.0 >= state.record.blob_next) {
            self.fault("a blob has an id that was not given out yet".to_owned());
        }
        Ok(blobs)
    }

    /// Rows against mailboxes, emails and blobs; emails' places against rows. Answers what the rows say of how each blob
    /// ends ([`Entry::ends_with_crlf`]), which only its content can confirm.
    async fn check_entries(
        &mut self,
        state: &AccountState,
        emails: &BTreeMap<EmailId, EmailRecord>,
        blobs: &BTreeMap<BlobId, BlobRecord>,
        expunged: &[(ExpungedKey, ExpungedRecord)],
    ) -> Result<HashMap<BlobId, bool>, StoreError> {
        let mut endings: HashMap<BlobId, bool> = HashMap::new();
        let snapshots = load_all_rows(self.read, self.id).await?;
        let rows = || snapshots.iter().flat_map(|(id, messages)| messages.iter().map(move |entry| (id, entry)));
        self.result.messages += rows().count() as u64;
        let mut counts: HashMap<MailboxId, Counts> = HashMap::new();
        let mut places: BTreeSet<(MailboxId, Uid)> = BTreeSet::new();
        for (id, entry) in rows() {
            counts.entry(*id).or_default().add(entry);
            places.insert((*id, entry.uid));
            let ending = *endings.entry(entry.blob).or_insert(entry.ends_with_crlf);
            let name =
                state.mailbox(*id).map_or_else(|| format!("mailbox {id}"), |mailbox| mailbox.record.name.clone());
            match state.mailbox(*id) {
                None => self.fault(format!("{name}: UID {} lies in a mailbox that does not exist", entry.uid)),
                Some(mailbox) if entry.uid >= mailbox.record.uid_next => {
                    self.fault(format!("{name}: UID {} was not given out yet", entry.uid));
                }
                Some(mailbox) if entry.modseq > mailbox.record.highest_modseq => {
                    self.fault(format!("{name}: UID {} has a mod-sequence above the mailbox's highest", entry.uid));
                }
                Some(mailbox) => {
                    let names = mailbox.record.keywords.names().len();
                    if entry.flags.keyword_positions().any(|position| position >= names) {
                        self.fault(format!("{name}: UID {} has a keyword without a name", entry.uid));
                    }
                }
            }
            let email = emails.get(&entry.email);
            let agrees = |email: &EmailRecord| {
                email.places.contains(&(*id, entry.uid)) && email.blob == entry.blob && email.received == entry.received
            };
            if !email.is_some_and(agrees) {
                self.fault(format!("{name}: UID {} does not agree with its email {}", entry.uid, entry.email));
            }
            let same_ending = ending == entry.ends_with_crlf;
            if !same_ending || blobs.get(&entry.blob).is_none_or(|blob| blob.size != entry.size) {
                self.fault(format!("{name}: UID {} does not agree with its blob {}", entry.uid, entry.blob));
            }
        }
        for mailbox in state.mailboxes() {
            if counts.get(&mailbox.id).copied().unwrap_or_default() != mailbox.record.counts {
                self.fault(format!("{}: the counters are wrong", mailbox.record.name));
            }
            let open = snapshots.get(&mailbox.id).map_or(0, Snapshot::open_rows);
            if open != mailbox.record.rows_open as usize {
                self.fault(format!("{}: the number of its open rows is wrong", mailbox.record.name));
            }
            let stored = load_directory(self.read, self.id, mailbox.id).await?;
            let expected = snapshots.get(&mailbox.id).map(directory::pages).unwrap_or_default();
            // One that is missing altogether is made when the mailbox is used.
            if !stored.is_empty() && stored != expected {
                self.fault(format!(
                    "{}: the directory is not what the messages say; `postrider check --rebuild` mends this",
                    mailbox.record.name
                ));
            }
            if mailbox.record.highest_modseq > state.record.modseq {
                self.fault(format!("{}: its mod-sequence is above the account's", mailbox.record.name));
            }
        }
        self.check_unique_ids(state, &places).await?;
        self.check_expunged(expunged, emails, blobs, &mut places, &mut endings);
        for (id, email) in emails {
            if email.places.is_empty() || email.places.iter().any(|place| !places.contains(place)) {
                self.fault(format!("email {id} claims a place that it does not have"));
            }
        }
        Ok(endings)
    }

    /// Every blob is counted by as many emails as it says.
    fn check_references(&mut self, emails: &BTreeMap<EmailId, EmailRecord>, blobs: &BTreeMap<BlobId, BlobRecord>) {
        let mut referenced: HashMap<BlobId, u32> = HashMap::new();
        for email in emails.values() {
            *referenced.entry(email.blob).or_default() += 1;
        }
        for (id, blob) in blobs {
            if referenced.remove(id).unwrap_or(0) != blob.emails {
                self.fault(format!("blob {id} counts its emails wrongly"));
            }
        }
        for id in referenced.keys() {
            self.fault(format!("an email names blob {id}, which does not exist"));
        }
    }

    /// The index of hashes, the derived answers, the threads and the bodies name what exists, and miss nothing.
    async fn check_indexes(
        &mut self,
        state: &AccountState,
        blobs: &BTreeMap<BlobId, BlobRecord>,
    ) -> Result<(), StoreError> {
        let mut faults = Vec::new();
        let mut indexed: BTreeSet<BlobId> = BTreeSet::new();
        scan_records(self.read, &keys::blobs_by_hash(self.id), |key, value| {
            let id = BlobId(u64::from_be_bytes(value.try_into().map_err(|_| malformed("hash"))?));
            let agrees = blobs.get(&id).is_some_and(|blob| blob.hash.0 == keys::tail(key));
            if !agrees {
                faults.push(format!("the index of hashes names blob {id} wrongly"));
            }
            indexed.insert(id);
            Ok(())
        })
        .await?;
        faults.extend(
            blobs
                .keys()
                .filter(|id| !indexed.contains(id))
                .map(|id| format!("blob {id} is not in the index of hashes")),
        );
        for range in [keys::all_derived(self.id), keys::all_headers(self.id)] {
            scan_records(self.read, &range, |key, _| {
                let id = BlobId(keys::split_number(key).ok_or_else(|| malformed("derived"))?);
                if !blobs.contains_key(&id) {
                    faults.push(format!("derived answers belong to blob {id}, which does not exist"));
                }
                Ok(())
            })
            .await?;
        }
        scan_records(self.read, &keys::threads(self.id), |_, value| {
            let thread = u64::from_be_bytes(value.try_into().map_err(|_| malformed("thread"))?);
            if thread >= state.record.email_next {
                faults.push(format!("the index of threads names thread {thread}, which was not given out yet"));
            }
            Ok(())
        })
        .await?;
        self.read
            .scan_bodies(&keys::blobs(self.id), &mut |key, _| {
                let known = keys::split_number(key).is_some_and(|id| blobs.contains_key(&BlobId(id)));
                if !known {
                    faults.push("a body belongs to no blob".to_owned());
                }
                ControlFlow::Continue(())
            })
            .await?;
        faults.into_iter().for_each(|fault| self.fault(fault));
        Ok(())
    }

    async fn check_changes(&mut self, state: &AccountState) -> Result<(), StoreError> {
        let (trimmed, last) = (state.record.changes_trimmed, state.record.modseq);
        let mut outside = 0_u64;
        let everything = keys::changes_after(self.id, crate::ModSeq(0));
        scan_records(self.read, &everything, |key, value| {
            let modseq = keys::split_number(key).ok_or_else(|| malformed("change"))?;
            ChangeRecord::decode(value)?;
            outside += u64::from(modseq <= trimmed.0 || modseq > last.0);
            Ok(())
        })
        .await?;
        if outside > 0 {
            self.fault(format!("the log of changes has {outside} rows outside its bounds"));
        }
        Ok(())
    }

    /// Pages of digests say what the derived answers say.
    async fn check_digests(&mut self, state: &AccountState) -> Result<(), StoreError> {
        let mut pages = BTreeSet::new();
        scan_records(self.read, &keys::all_digests(self.id), |key, _| {
            pages.insert(keys::split_digest(key).ok_or_else(|| malformed("digest"))?);
            Ok(())
        })
        .await?;
        for page in pages {
            let made = make_page(self.read, self.id, page, &BTreeMap::new()).await?;
            let stored = read_page(self.read, self.id, page).await?;
            let agrees = made.is_some_and(|made| made.map(Some) == stored);
            if !agrees || page >= pages_complete(state.record.blob_next) {
                self.fault(format!(
                    "digests of page {page} are not what the messages say; `postrider check --rebuild` mends this"
                ));
            }
        }
        Ok(())
    }

    /// A blob's bytes against its hash, and its derived answers and thread keys against its bytes.
    async fn check_content(&mut self, id: BlobId, blob: &BlobRecord, ending: Option<bool>) -> Result<(), StoreError> {
        let mut raw = None;
        let wanted = [BodyRange::whole(keys::blob(self.id, id))];
        let read = self
            .read
            .bodies(&wanted, &mut |_, bytes| {
                raw = bytes.map(<[u8]>::to_vec);
                ControlFlow::Continue(())
            })
            .await;
        if let Err(error) = read {
            self.fault(format!("blob {id}: {error}"));
            return Ok(());
        }
        let Some(raw) = raw else {
            self.fault(format!("blob {id} has no content"));
            return Ok(());
        };
        self.result.bytes += raw.len() as u64;
        if raw.len() as u64 != u64::from(blob.size) || BlobHash::of(&raw) != blob.hash {
            self.fault(format!("blob {id}: the content is not what its hash says"));
            return Ok(());
        }
        if ending.is_some_and(|ends_with_crlf| ends_with_crlf != raw.ends_with(b"\r\n")) {
            self.fault(format!("blob {id}: an entry is wrong about the end of its last line"));
        }
        let fresh = DerivedValues::of(&raw, &self.options.mime);
        if !is_stored(self.read, self.id, id, &fresh).await? {
            self.fault(format!(
                "blob {id}: the derived answers are not what the message says; `postrider check --rebuild` mends this"
            ));
        }
        let thread_keys: Vec<Vec<u8>> =
            thread_keys(&fresh.answers).into_iter().map(|key| keys::thread(self.id, key)).collect();
        let found = read_records(self.read, &thread_keys, |value| Ok(value.len())).await?;
        if found.iter().any(Option::is_none) {
            self.fault(format!("blob {id}: its message is missing from the index of threads"));
        }
        Ok(())
    }
}
