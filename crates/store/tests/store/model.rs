//! Any sequence of operations gives the same account on LMDB, with reopening in between, as in memory.
//!
//! What vanished is held against a record of the UIDs that were there at every mod-sequence, what was expunged against
//! a list of its own, and UIDs against all that were ever given out, so that the two cannot agree on something wrong.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use postrider_engine::{Engine, memory::MemoryEngine};
use postrider_engine_lmdb::{LmdbEngine, LmdbOptions};
use postrider_store::{
    Account, EmailId, ExpungeOnly, ExpungedMessages, Flag, FlagMode, Floors, Mailbox, MailboxId, MailboxOrigin, ModSeq,
    SpecialUses, Store, StoreError, StoreFlags, StoreOptions, Transfer, Uid, UidSet, UidValidity, UidValidityWish,
    UndeleteInto,
};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::fixture::{ACCOUNT, Clock, NOON, assert_counted, keyword, letter};

/// Mailboxes by their position among those that are there, messages by a range of UIDs.
#[derive(Debug, Clone)]
enum Operation {
    Append {
        mailbox: usize,
        contents: Vec<u8>,
        flags: Vec<Flag>,
        /// The UID that the first message wishes for; the others wish for every other one after it.
        wished: Option<u32>,
    },
    Flags {
        mailbox: usize,
        uids: (u32, u32),
        mode: FlagMode,
        flags: Vec<Flag>,
        is_conditional: bool,
    },
    Transfer {
        from: usize,
        uids: (u32, u32),
        to: usize,
        transfer: Transfer,
    },
    Expunge {
        mailbox: usize,
        uids: Option<(u32, u32)>,
        only: ExpungeOnly,
    },
    Create {
        name: &'static str,
    },
    Rename {
        mailbox: usize,
        name: &'static str,
    },
    /// UIDVALIDITY by its distance from the last one that was given out.
    CreateFrom {
        name: &'static str,
        distance: u32,
        is_returning: bool,
        floor: Option<u32>,
    },
    Raise {
        mailbox: usize,
        uid_next: u32,
        modseq: u64,
    },
    Delete {
        mailbox: usize,
    },
    /// Kept messages by the position of their key and a range of UIDs.
    Undelete {
        position: usize,
        uids: (u32, u32),
        into: Option<&'static str>,
    },
    Wait {
        seconds: i64,
    },
    Sweep,
    Subscribe {
        name: &'static str,
        subscribed: bool,
    },
    /// The LMDB side is closed and opened again.
    Reopen,
}

const NAMES: [&str; 7] = ["a", "a/b", "a/b/c", "d", "d/b", "INBOX/x", "Sent"];

fn flags() -> impl Strategy<Value = Vec<Flag>> {
    let flag = prop_oneof![
        Just(Flag::Seen),
        Just(Flag::Deleted),
        Just(Flag::Flagged),
        (0..4).prop_map(|number| keyword(&format!("k{number}"))),
    ];
    prop::collection::vec(flag, 0..3)
}

fn uids() -> impl Strategy<Value = (u32, u32)> {
    (1..8_u32, 0..5_u32).prop_map(|(low, count)| (low, low + count))
}

fn operation() -> impl Strategy<Value = Operation> {
    // INBOX is often met, so that messages meet there.
    let mailbox = || prop_oneof![2 => Just(2_usize), 3 => 0..12_usize];
    let name = || prop::sample::select(&NAMES[..]);
    let mode = prop::sample::select(&[FlagMode::Add, FlagMode::Remove, FlagMode::Replace][..]);
    let transfer = prop::sample::select(&[Transfer::Copy, Transfer::Move][..]);
    let only = prop::sample::select(&[ExpungeOnly::Deleted, ExpungeOnly::Named][..]);
    prop_oneof![
        6 => (mailbox(), prop::collection::vec(0..5_u8, 1..4), flags(), prop::option::weighted(0.3, 1..30_u32))
            .prop_map(|(mailbox, contents, flags, wished)| Operation::Append { mailbox, contents, flags, wished }),
        3 => (mailbox(), uids(), mode, flags(), any::<bool>()).prop_map(|(mailbox, uids, mode, flags, is_conditional)| {
            Operation::Flags { mailbox, uids, mode, flags, is_conditional }
        }),
        3 => (mailbox(), uids(), mailbox(), transfer)
            .prop_map(|(from, uids, to, transfer)| Operation::Transfer { from, uids, to, transfer }),
        3 => (mailbox(), prop::option::of(uids()), only)
            .prop_map(|(mailbox, uids, only)| Operation::Expunge { mailbox, uids, only }),
        2 => name().prop_map(|name| Operation::Create { name }),
        2 => (mailbox(), name()).prop_map(|(mailbox, name)| Operation::Rename { mailbox, name }),
        1 => (name(), 0..12_u32, any::<bool>(), prop::option::of(1..30_u32)).prop_map(
            |(name, distance, is_returning, floor)| Operation::CreateFrom { name, distance, is_returning, floor }
        ),
        1 => (mailbox(), 1..30_u32, 0..60_u64)
            .prop_map(|(mailbox, uid_next, modseq)| Operation::Raise { mailbox, uid_next, modseq }),
        1 => mailbox().prop_map(|mailbox| Operation::Delete { mailbox }),
        3 => (0..8_usize, uids(), prop::option::weighted(0.3, name()))
            .prop_map(|(position, uids, into)| Operation::Undelete { position, uids, into }),
        1 => (10..70_i64).prop_map(|seconds| Operation::Wait { seconds }),
        1 => Just(Operation::Sweep),
        1 => (name(), any::<bool>()).prop_map(|(name, subscribed)| Operation::Subscribe { name, subscribed }),
        1 => Just(Operation::Reopen),
    ]
}

const KEPT_SECONDS: i64 = 100;

/// The log is short, so that trimming is met.
fn options() -> StoreOptions {
    let expunged_kept_seconds = KEPT_SECONDS.unsigned_abs();
    StoreOptions { changes_kept_max: 16, expunged_kept_seconds, ..StoreOptions::default() }
}

async fn open(engine: Arc<dyn Engine>, clock: &Clock) -> (Arc<Store>, Arc<Account>) {
    let store = Store::open(engine, options(), clock.now()).await.unwrap();
    match store.create_account(ACCOUNT).await {
        Ok(()) | Err(StoreError::AccountExists(_)) => {}
        Err(error) => panic!("{error}"),
    }
    let account = store.account(ACCOUNT).await.unwrap();
    (store, account)
}

/// A store on LMDB that can be closed and opened again.
struct OnDisk {
    folder: TempDir,
    engine: Arc<LmdbEngine>,
    store: Arc<Store>,
    account: Arc<Account>,
}

impl OnDisk {
    async fn open(folder: TempDir, clock: &Clock) -> Self {
        let options = LmdbOptions { map_bytes_max: 1 << 28, inline_body_bytes_max: 100, ..LmdbOptions::default() };
        let engine = LmdbEngine::open(folder.path(), options).unwrap();
        let (store, account) = open(engine.clone(), clock).await;
        Self { folder, engine, store, account }
    }

    async fn reopen(self, clock: &Clock) -> Self {
        let Self { folder, engine, store, account } = self;
        drop((store, account));
        // The writer ends by itself once nobody can hand it anything any more.
        while Arc::strong_count(&engine) > 1 {
            tokio::task::yield_now().await;
        }
        drop(engine);
        Self::open(folder, clock).await
    }
}

/// Does an operation; answers what the caller is told, as text.
async fn perform(account: &Account, operation: &Operation) -> String {
    let state = account.state();
    let ids: Vec<MailboxId> = state.mailboxes().map(|mailbox| mailbox.id).collect();
    let id = |position: usize| ids[position % ids.len()];
    let range = |(low, high)| UidSet::from_ranges(vec![(low, high)]);
    match operation {
        Operation::Append { mailbox, contents, flags, wished } => {
            let mut messages = Vec::new();
            for (content, distance) in contents.iter().zip((0..).step_by(2)) {
                // Some lie in LMDB, some in segment files; the second and third are of one thread.
                let text = "text ".repeat(usize::from(*content) * 10);
                let raw = match content {
                    3 => format!("Subject: Re: 2\r\nMessage-ID: <r@x>\r\nReferences: <2@example.org>\r\n\r\n{text}"),
                    _ => letter(&content.to_string(), &text),
                };
                let mut message = account.prepare(raw.into(), flags.clone(), NOON).await;
                message.uid = wished.map(|wished| Uid(wished + distance));
                message.saved = wished.map(|_| NOON - 5);
                message.unique_id = wished.map(|_| format!("brought{content}"));
                messages.push(message);
            }
            format!("{:?}", account.append(id(*mailbox), messages).await)
        }
        Operation::Flags { mailbox, uids, mode, flags, is_conditional } => {
            let unchanged_since = is_conditional.then_some(ModSeq(state.record.modseq.0.saturating_sub(3)));
            let (mailbox, uids) = (id(*mailbox), range(*uids));
            let wish = StoreFlags { mailbox, uids, mode: *mode, flags: flags.clone(), unchanged_since };
            format!("{:?}", account.store_flags(wish).await)
        }
        Operation::Transfer { from, uids, to, transfer } => {
            format!("{:?}", account.transfer(id(*from), range(*uids), id(*to), *transfer).await)
        }
        Operation::Expunge { mailbox, uids, only } => {
            format!("{:?}", account.expunge(id(*mailbox), uids.map(range), *only).await)
        }
        Operation::Create { name } => format!("{:?}", account.create_mailbox(name, SpecialUses::NONE).await),
        Operation::Rename { mailbox, name } => format!("{:?}", account.rename_mailbox(id(*mailbox), name).await),
        Operation::Delete { mailbox } => format!("{:?}", account.delete_mailbox(id(*mailbox)).await),
        Operation::Subscribe { name, subscribed } => format!("{:?}", account.subscribe(name, *subscribed).await),
        Operation::CreateFrom { name, distance, is_returning, floor } => {
            let uid_validity = UidValidity(state.record.uid_validity_last + 2 - distance);
            let wish = if *is_returning { UidValidityWish::Returning } else { UidValidityWish::Elsewhere };
            let origin = MailboxOrigin { uid_validity: Some(wish(uid_validity)), uid_floor: floor.map(Uid) };
            format!("{:?}", account.create_mailbox_from(name, SpecialUses::NONE, origin).await)
        }
        Operation::Raise { mailbox, uid_next, modseq } => {
            let uid_next = vec![(id(*mailbox), Uid(*uid_next))];
            let floors = Floors { modseq: ModSeq(*modseq), uid_next, ..Floors::default() };
            format!("{:?}", account.raise(floors).await)
        }
        Operation::Undelete { position, uids, into } => {
            let kept = account.expunged(None, usize::MAX).await.unwrap();
            let selection = kept.get(*position).map(|messages| (messages.key, range(*uids))).into_iter().collect();
            let into = into.map_or(UndeleteInto::Original, |name| UndeleteInto::Named(name.to_owned()));
            format!("{:?}", account.undelete(selection, into).await)
        }
        Operation::Sweep => format!("{:?}", account.sweep_expunged().await),
        Operation::Wait { .. } | Operation::Reopen => String::new(),
    }
}

/// All that can be seen of an account, its messages' bytes and answers aside.
async fn describe(account: &Account) -> String {
    use std::fmt::Write;
    let state = account.state();
    let mut text = format!("{:?} {:?}\n", state.record, state.subscriptions().collect::<Vec<_>>());
    for mailbox in state.mailboxes() {
        let mailbox = account.mailbox(mailbox.id).await.unwrap();
        writeln!(text, "{} {:?}", mailbox.id, mailbox.record).unwrap();
        let entries: Vec<_> = mailbox.messages().unwrap().iter().copied().collect();
        let emails = account.emails(&entries.iter().map(|entry| entry.email).collect::<Vec<_>>()).await.unwrap();
        for (entry, email) in entries.iter().zip(emails) {
            writeln!(text, "  {entry:?} {email:?}").unwrap();
        }
        for since in [0, state.record.modseq.0 / 2, state.record.modseq.0.saturating_sub(4)] {
            writeln!(text, "  {since}: {:?}", account.vanished(&mailbox, ModSeq(since), None).await.unwrap()).unwrap();
        }
        writeln!(text, "  {:?}", account.unique_ids(&mailbox).await.unwrap()).unwrap();
    }
    for messages in account.expunged(None, usize::MAX).await.unwrap() {
        writeln!(text, "{messages:?}").unwrap();
    }
    text
}

/// A message in a mailbox.
type Place = (MailboxId, Uid);

/// What was expunged, by a list of its own, and all UIDs that were ever given out.
#[derive(Default)]
struct Kept {
    live: BTreeMap<Place, EmailId>,
    expunged: BTreeMap<Place, (EmailId, i64)>,
    largest: BTreeMap<MailboxId, Uid>,
    named: BTreeMap<(UidValidity, Uid), EmailId>,
}

impl Kept {
    /// Holds the account after an operation against what it was before.
    async fn check(&mut self, account: &Account, operation: &Operation, now: i64) {
        let mut live = BTreeMap::new();
        for mailbox in account.state().mailboxes() {
            let mailbox = account.mailbox(mailbox.id).await.unwrap();
            for entry in mailbox.messages().unwrap().iter() {
                live.insert((mailbox.id, entry.uid), entry.email);
                let is_new = !self.live.contains_key(&(mailbox.id, entry.uid));
                let largest = self.largest.entry(mailbox.id).or_default();
                assert!(!is_new || entry.uid > *largest, "UIDs ascend");
                *largest = (*largest).max(entry.uid);
                let named = self.named.insert((mailbox.record.uid_validity, entry.uid), entry.email);
                // Who asks for a UID of a mailbox that comes back says that it is the same message.
                let is_asked_for = matches!(operation, Operation::Append { wished: Some(_), .. });
                assert!(
                    is_asked_for || named.is_none_or(|email| email == entry.email),
                    "a UID means one message for ever"
                );
            }
        }
        let went: Vec<_> = self.live.iter().filter(|(place, _)| !live.contains_key(place)).collect();
        let came: Vec<EmailId> =
            live.iter().filter(|(place, _)| !self.live.contains_key(place)).map(|(_, email)| *email).collect();
        match operation {
            Operation::Expunge { .. } | Operation::Delete { .. } => {
                self.expunged.extend(went.into_iter().map(|(place, email)| (*place, (*email, now))));
            }
            Operation::Sweep => self.expunged.retain(|_, (_, when)| *when > now - KEPT_SECONDS),
            _ => {}
        }
        let found: BTreeMap<_, _> = kept_rows(&account.expunged(None, usize::MAX).await.unwrap()).collect();
        if matches!(operation, Operation::Undelete { .. }) {
            let mut returned: Vec<EmailId> =
                self.expunged.iter().filter(|(place, _)| !found.contains_key(place)).map(|(_, kept)| kept.0).collect();
            let mut came = came;
            returned.sort();
            came.sort();
            assert_eq!(returned, came, "what left those that are kept is in mailboxes");
            self.expunged.retain(|place, _| found.contains_key(place));
        }
        assert_eq!(found, self.expunged, "{operation:?}");
        self.live = live;
    }
}

fn kept_rows(kept: &[ExpungedMessages]) -> impl Iterator<Item = (Place, (EmailId, i64))> {
    kept.iter().flat_map(|group| {
        group.messages.iter().map(|entry| ((group.mailbox, entry.uid), (entry.email, group.expunged_at)))
    })
}

/// The UIDs of each mailbox at each mod-sequence.
#[derive(Default)]
struct History(BTreeMap<ModSeq, BTreeMap<MailboxId, UidSet>>);

impl History {
    async fn note(&mut self, account: &Account) {
        let state = account.state();
        let mut uids = BTreeMap::new();
        for mailbox in state.mailboxes() {
            uids.insert(mailbox.id, account.mailbox(mailbox.id).await.unwrap().messages().unwrap().uids());
        }
        self.0.insert(state.record.modseq, uids);
    }

    /// A client that knew a mailbox at some time is told of just what it knew and what is not there.
    async fn check(&self, account: &Account, mailbox: &Mailbox) {
        let present = mailbox.messages().unwrap().uids();
        for (since, then) in &self.0 {
            let Some(known) = then.get(&mailbox.id) else { continue };
            let told = account.vanished(mailbox, *since, Some(known)).await.unwrap();
            assert_eq!(told, known.difference(&present), "mailbox {} since {since}", mailbox.record.name);
            let told = account.vanished(mailbox, *since, None).await.unwrap();
            assert_eq!(told.intersection(known), known.difference(&present));
            assert!(told.intersection(&present).is_empty());
        }
    }
}

/// Every message's bytes and answers, in the order of mailboxes and UIDs, then those of expunged messages.
async fn contents(account: &Account) -> Vec<(Option<Vec<u8>>, Option<Vec<u8>>)> {
    let mut blobs = Vec::new();
    for mailbox in account.state().mailboxes() {
        let mailbox = account.mailbox(mailbox.id).await.unwrap();
        blobs.extend(mailbox.messages().unwrap().iter().map(|entry| entry.blob));
    }
    let kept = account.expunged(None, usize::MAX).await.unwrap();
    blobs.extend(kept.iter().flat_map(|group| group.messages.iter().map(|entry| entry.blob)));
    let mut found = Vec::new();
    for blob in blobs {
        let mut derived = None;
        account
            .derived(&[blob], &mut |_, value| {
                derived = value.map(<[u8]>::to_vec);
                ControlFlow::Continue(())
            })
            .await
            .unwrap();
        found.push((account.body(blob).await.unwrap(), derived));
    }
    found
}

async fn run(operations: Vec<Operation>) {
    let memory = Arc::new(MemoryEngine::new());
    let (clock, mut now) = (Clock::new(), NOON);
    let (model_store, model) = open(memory, &clock).await;
    let mut disk = OnDisk::open(TempDir::new().unwrap(), &clock).await;
    let (mut history, mut kept) = (History::default(), Kept::default());
    for (step, operation) in operations.iter().enumerate() {
        if matches!(operation, Operation::Reopen) {
            disk = disk.reopen(&clock).await;
        }
        if let Operation::Wait { seconds } = operation {
            now += seconds;
            clock.set(now);
        }
        let (expected, answer) = (perform(&model, operation).await, perform(&disk.account, operation).await);
        assert_eq!(answer, expected, "step {step}: {operation:?}");
        let (mut expected, mut found) = (describe(&model).await, describe(&disk.account).await);
        if expected != found {
            // Without the lines that are the same, the difference can be read.
            (expected, found) = (unlike(&expected, &found), unlike(&found, &expected));
        }
        assert_eq!(found, expected, "step {step}: {operation:?}");
        assert_counted(&disk.account).await;
        kept.check(&model, operation, now).await;
        history.note(&model).await;
    }
    for mailbox in model.state().mailboxes() {
        history.check(&disk.account, &disk.account.mailbox(mailbox.id).await.unwrap()).await;
    }
    let messages = contents(&disk.account).await;
    assert!(messages.iter().all(|(body, derived)| body.is_some() && derived.is_some()));
    assert_eq!(messages, contents(&model).await);
    let (expected, found) = (model_store.verify(|_| ()).await.unwrap(), disk.store.verify(|_| ()).await.unwrap());
    assert_eq!(found.findings, Vec::<String>::new());
    assert_eq!(found, expected);
    assert!(disk.engine.verify().await.unwrap().is_empty());
}

fn unlike(text: &str, other: &str) -> String {
    let other: Vec<&str> = other.lines().collect();
    text.lines().filter(|line| !other.contains(line)).collect::<Vec<_>>().join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lmdb_and_memory_agree_after_every_step(operations in prop::collection::vec(operation(), 10..60)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(operations));
    }
}

#[tokio::test]
async fn a_message_survives_every_kind_of_place_on_disk() {
    let clock = Clock::new();
    let disk = OnDisk::open(TempDir::new().unwrap(), &clock).await;
    let inbox = disk.account.state().find("INBOX").unwrap().id;
    let mut contents = Vec::new();
    for length in [0, 1, 99, 100, 101, 70_000] {
        let raw = "x".repeat(length);
        let message = disk.account.prepare(raw.clone().into(), Vec::new(), 0).await;
        disk.account.append(inbox, vec![message]).await.unwrap();
        contents.push(raw);
    }
    let disk = disk.reopen(&clock).await;
    let mailbox = disk.account.mailbox(inbox).await.unwrap();
    for (uid, raw) in (1..).zip(contents) {
        let blob = mailbox.messages().unwrap().find(Uid(uid)).unwrap().1.blob;
        assert_eq!(disk.account.body(blob).await.unwrap().unwrap(), raw.as_bytes());
    }
    assert!(disk.store.verify(|_| ()).await.unwrap().findings.is_empty());
}
