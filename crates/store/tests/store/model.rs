//! Any sequence of operations gives the same account on LMDB, with reopening in between, as in memory.
//!
//! What vanished is held against a record of the UIDs that were there at every mod-sequence, too, so that the two cannot
//! agree on something wrong.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use postrider_engine::{Engine, memory::MemoryEngine};
use postrider_engine_lmdb::{LmdbEngine, LmdbOptions};
use postrider_store::{
    Account, ExpungeOnly, Flag, FlagMode, Mailbox, MailboxId, ModSeq, SpecialUses, Store, StoreError, StoreFlags,
    StoreOptions, Transfer, Uid, UidSet,
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
    Delete {
        mailbox: usize,
    },
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
        6 => (mailbox(), prop::collection::vec(0..5_u8, 1..4), flags())
            .prop_map(|(mailbox, contents, flags)| Operation::Append { mailbox, contents, flags }),
        3 => (mailbox(), uids(), mode, flags(), any::<bool>()).prop_map(|(mailbox, uids, mode, flags, is_conditional)| {
            Operation::Flags { mailbox, uids, mode, flags, is_conditional }
        }),
        3 => (mailbox(), uids(), mailbox(), transfer)
            .prop_map(|(from, uids, to, transfer)| Operation::Transfer { from, uids, to, transfer }),
        3 => (mailbox(), prop::option::of(uids()), only)
            .prop_map(|(mailbox, uids, only)| Operation::Expunge { mailbox, uids, only }),
        2 => name().prop_map(|name| Operation::Create { name }),
        2 => (mailbox(), name()).prop_map(|(mailbox, name)| Operation::Rename { mailbox, name }),
        1 => mailbox().prop_map(|mailbox| Operation::Delete { mailbox }),
        1 => (name(), any::<bool>()).prop_map(|(name, subscribed)| Operation::Subscribe { name, subscribed }),
        1 => Just(Operation::Reopen),
    ]
}

/// The log is short, so that trimming is met.
fn options() -> StoreOptions {
    StoreOptions { changes_kept_max: 16, ..StoreOptions::default() }
}

async fn open(engine: Arc<dyn Engine>) -> (Arc<Store>, Arc<Account>) {
    let store = Store::open(engine, options(), Clock::new().now()).await.unwrap();
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
    async fn open(folder: TempDir) -> Self {
        let options = LmdbOptions { map_bytes_max: 1 << 28, inline_body_bytes_max: 100, ..LmdbOptions::default() };
        let engine = LmdbEngine::open(folder.path(), options).unwrap();
        let (store, account) = open(engine.clone()).await;
        Self { folder, engine, store, account }
    }

    async fn reopen(self) -> Self {
        let Self { folder, engine, store, account } = self;
        drop((store, account));
        // The writer ends by itself once nobody can hand it anything any more.
        while Arc::strong_count(&engine) > 1 {
            tokio::task::yield_now().await;
        }
        drop(engine);
        Self::open(folder).await
    }
}

/// Does an operation; answers what the caller is told, as text.
async fn perform(account: &Account, operation: &Operation) -> String {
    let state = account.state();
    let ids: Vec<MailboxId> = state.mailboxes().map(|mailbox| mailbox.id).collect();
    let id = |position: usize| ids[position % ids.len()];
    let range = |(low, high)| UidSet::from_ranges(vec![(low, high)]);
    match operation {
        Operation::Append { mailbox, contents, flags } => {
            let mut messages = Vec::new();
            for content in contents {
                // Some lie in LMDB, some in segment files; the second and third are of one thread.
                let text = "text ".repeat(usize::from(*content) * 10);
                let raw = match content {
                    3 => format!("Subject: Re: 2\r\nMessage-ID: <r@x>\r\nReferences: <2@example.org>\r\n\r\n{text}"),
                    _ => letter(&content.to_string(), &text),
                };
                messages.push(account.prepare(raw.into(), flags.clone(), NOON).await);
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
        Operation::Reopen => String::new(),
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
    }
    text
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

/// Every message's bytes and answers, in the order of mailboxes and UIDs.
async fn contents(account: &Account) -> Vec<(Option<Vec<u8>>, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    for mailbox in account.state().mailboxes() {
        let mailbox = account.mailbox(mailbox.id).await.unwrap();
        for entry in mailbox.messages().unwrap().iter() {
            let mut derived = None;
            account
                .derived(&[entry.blob], &mut |_, value| {
                    derived = value.map(<[u8]>::to_vec);
                    ControlFlow::Continue(())
                })
                .await
                .unwrap();
            found.push((account.body(entry.blob).await.unwrap(), derived));
        }
    }
    found
}

async fn run(operations: Vec<Operation>) {
    let memory = Arc::new(MemoryEngine::new());
    let (model_store, model) = open(memory).await;
    let mut disk = OnDisk::open(TempDir::new().unwrap()).await;
    let mut history = History::default();
    for (step, operation) in operations.iter().enumerate() {
        if matches!(operation, Operation::Reopen) {
            disk = disk.reopen().await;
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
    fn lmdb_and_memory_agree_after_every_step(operations in prop::collection::vec(operation(), 10..50)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(operations));
    }
}

#[tokio::test]
async fn a_message_survives_every_kind_of_place_on_disk() {
    let disk = OnDisk::open(TempDir::new().unwrap()).await;
    let inbox = disk.account.state().find("INBOX").unwrap().id;
    let mut contents = Vec::new();
    for length in [0, 1, 99, 100, 101, 70_000] {
        let raw = "x".repeat(length);
        let message = disk.account.prepare(raw.clone().into(), Vec::new(), 0).await;
        disk.account.append(inbox, vec![message]).await.unwrap();
        contents.push(raw);
    }
    let disk = disk.reopen().await;
    let mailbox = disk.account.mailbox(inbox).await.unwrap();
    for (uid, raw) in (1..).zip(contents) {
        let blob = mailbox.messages().unwrap().find(Uid(uid)).unwrap().1.blob;
        assert_eq!(disk.account.body(blob).await.unwrap().unwrap(), raw.as_bytes());
    }
    assert!(disk.store.verify(|_| ()).await.unwrap().findings.is_empty());
}
