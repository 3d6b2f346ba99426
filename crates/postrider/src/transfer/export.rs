//! An export: from an account into files.
//!
//! All mailboxes are exported as they were at one moment: what comes later is not in it, flags that change later neither. Only
//! a message that is expunged before its turn is not there any more; it is counted.

use std::{collections::BTreeMap, ops::ControlFlow, path::PathBuf, sync::Arc};

use anyhow::{Context, Result, anyhow};
use postrider_archive::{
    ArchiveError, Existing, Flag, Folder, Outgoing, StateFields, Summary, WriteFormat, WriteOptions, Writer,
};
use postrider_store::{
    Account, AccountState, Entry, INBOX, Mailbox, MailboxId, SEPARATOR, StoreError, Uid, own_unique_id,
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};

use super::{
    ExportWish, GroupLimits, TargetForm, account_of, file_flag,
    folders::file_special_use,
    hints::{Who, explain},
};
use crate::{
    advice::Advise,
    control::{Administration, Progress, Reporter},
};

/// What was exported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportReport {
    /// Where it lies.
    pub path: PathBuf,
    /// How many mailboxes.
    pub mailboxes: u64,
    /// How many messages.
    pub messages: u64,
    /// How many of them an earlier run had written.
    pub already_there: u64,
    /// How many were expunged before their turn came.
    pub expunged_meanwhile: u64,
    /// How many the form cannot hold byte for byte.
    pub inexact: u64,
    /// How many lost a keyword.
    pub keywords_lost: u64,
    /// What the form does not hold of any message or mailbox.
    pub not_held: Vec<String>,
}

/// What goes to the thread that writes.
enum Piece {
    Folder(Folder),
    Messages(Vec<Message>),
    /// All came; without it, the work was given up.
    End,
}

struct Message {
    raw: Vec<u8>,
    flags: Vec<Flag>,
    received: i64,
    uid: u32,
    pop3_uidl: Option<String>,
}

/// Exports an account, or some of its mailboxes.
pub async fn export(administration: &Administration, wish: &ExportWish, reporter: &Reporter) -> Result<ExportReport> {
    let Administration { storage, server, .. } = administration;
    let account = account_of(storage, &wish.account).await?;
    let who = Who::of(server.as_ref());
    let (state, chosen) = one_moment(&account, &wish.mailboxes).await?;
    let options = write_options(wish);
    if options.format == WriteFormat::MboxFile && chosen.len() != 1 {
        let error: Result<ExportReport> = Err(anyhow!("one mbox file holds one mailbox, not {}", chosen.len()));
        return error
            .advise("name one with --mailbox, or a PATH that does not end in .mbox for a folder of such files");
    }
    let (pieces, writing) = start_writer(wish.path.clone(), options);
    let mut exporting =
        Exporting { account, state, pieces, unique_ids: BTreeMap::new(), done: Progress::default(), expunged: 0 };
    exporting.done.messages_total =
        Some(chosen.iter().filter_map(|mailbox| mailbox.messages()).map(|messages| u64::from(messages.len())).sum());
    let sent = exporting.send_all(&chosen, reporter).await;
    let expunged_meanwhile = exporting.expunged;
    drop(exporting);
    // Where writing failed, nobody takes any more: that is the reason, and it comes first.
    let written = writing.await.context("writing the files failed")?;
    let summary = written.map_err(|error| explain(error, who))?;
    sent?;
    let summary = summary.context("writing the files ended early")?;
    Ok(ExportReport {
        path: wish.path.clone(),
        mailboxes: summary.folders,
        messages: summary.messages,
        already_there: summary.already_there,
        expunged_meanwhile,
        inexact: summary.inexact,
        keywords_lost: summary.keywords_lost,
        not_held: not_held(wish.form),
    })
}

fn write_options(wish: &ExportWish) -> WriteOptions {
    WriteOptions {
        format: wish.form.write_format(&wish.path),
        packing: wish.pack.into(),
        existing: if wish.replace { Existing::Replace } else { Existing::Refuse },
        state_fields: StateFields::Write,
    }
}

/// Refuses a mailbox of which some rows could not be read: they seem to be missing, and so do their messages.
fn all_was_read(mailbox: &Mailbox) -> Result<()> {
    let failure = mailbox.messages().and_then(|messages| messages.failure());
    let Some(failure) = failure else { return Ok(()) };
    let failed: Result<()> =
        Err(failure.clone()).with_context(|| format!("not all messages of {} could be read", mailbox.record.name));
    failed.advise("the export is not whole; postrider check says what is wrong with the store")
}

/// What a form holds of no message.
fn not_held(form: TargetForm) -> Vec<String> {
    let not_held: &[&str] = match form {
        TargetForm::Tree => &[],
        TargetForm::Maildir => &["what mailboxes are for (Sent, Drafts …), but for their names"],
        TargetForm::Mbox => &[
            "what mailboxes are for (Sent, Drafts …), but for their names",
            "which mailboxes are subscribed",
            "UIDVALIDITY of mailboxes without messages",
        ],
    };
    not_held.iter().map(|what| (*what).to_owned()).collect()
}

/// The account at one moment, and those of its mailboxes that are chosen, with their messages.
async fn one_moment(account: &Account, patterns: &[String]) -> Result<(Arc<AccountState>, Vec<Arc<Mailbox>>)> {
    let is_chosen = |name: &str| patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, name));
    loop {
        let wanted: Vec<MailboxId> = account
            .state()
            .mailboxes()
            .filter(|mailbox| is_chosen(&mailbox.record.name))
            .map(|mailbox| mailbox.id)
            .collect();
        for id in wanted {
            match account.mailbox(id).await {
                Ok(_) | Err(StoreError::NoMailbox) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let state = account.state();
        let chosen: Vec<Arc<Mailbox>> =
            state.mailboxes().filter(|mailbox| is_chosen(&mailbox.record.name)).cloned().collect();
        if let Some(pattern) =
            patterns.iter().find(|pattern| !chosen.iter().any(|one| matches(pattern, &one.record.name)))
        {
            let error: Result<_> = Err(anyhow!("no mailbox is called {pattern:?}"));
            return error.advise("* stands for anything, as in 'Archive/*'; without --mailbox all are exported");
        }
        // One that was made meanwhile may not be in memory yet.
        if chosen.iter().all(|mailbox| mailbox.messages().is_some()) {
            return Ok((state, chosen));
        }
    }
}

/// Whether a name fits a pattern in which `*` stands for any text. INBOX has no letter case.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    if name == INBOX && pattern.eq_ignore_ascii_case(INBOX) {
        return true;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The side that writes files; it ends with nothing when the work is given up, and what it wrote stays for the next run.
fn start_writer(
    path: PathBuf,
    options: WriteOptions,
) -> (mpsc::Sender<Piece>, JoinHandle<Result<Option<Summary>, ArchiveError>>) {
    let (sender, mut pieces) = mpsc::channel(GroupLimits::default().waiting_max);
    let writing = spawn_blocking(move || {
        let mut writer = Writer::create(&path, &options)?;
        while let Some(piece) = pieces.blocking_recv() {
            match piece {
                Piece::Folder(folder) => writer.begin_folder(&folder)?,
                Piece::Messages(messages) => messages.iter().try_for_each(|message| {
                    let Message { raw, flags, received, uid, pop3_uidl } = message;
                    let (received, uid, pop3_uidl) = (Some(*received), Some(*uid), pop3_uidl.as_deref());
                    let outgoing = Outgoing { raw, flags, received, uid, pop3_uidl };
                    writer.add(&outgoing).map(drop)
                })?,
                Piece::End => return writer.finish().map(Some),
            }
        }
        Ok(None)
    });
    (sender, writing)
}

/// An export that is under way.
struct Exporting {
    account: Arc<Account>,
    state: Arc<AccountState>,
    pieces: mpsc::Sender<Piece>,
    /// The unique-ids that messages of the mailbox that is being exported brought along.
    unique_ids: BTreeMap<Uid, String>,
    done: Progress,
    expunged: u64,
}

impl Exporting {
    async fn send_all(&mut self, mailboxes: &[Arc<Mailbox>], reporter: &Reporter) -> Result<()> {
        for mailbox in mailboxes {
            self.done.doing = format!("exporting {}", mailbox.record.name);
            self.send(Piece::Folder(self.folder(mailbox))).await?;
            self.unique_ids = self.account.unique_ids(mailbox).await?;
            let mut group: Vec<&Entry> = Vec::new();
            let (limits, mut bytes) = (GroupLimits::default(), 0_u64);
            for entry in mailbox.messages().into_iter().flat_map(|messages| messages.iter()) {
                let size = u64::from(entry.size);
                if group.len() >= limits.messages_max || (bytes + size > limits.bytes_max && !group.is_empty()) {
                    self.send_messages(mailbox, &group).await?;
                    reporter.progress(|| self.done.clone());
                    (group, bytes) = (Vec::new(), 0);
                }
                group.push(entry);
                bytes += size;
            }
            self.send_messages(mailbox, &group).await?;
            all_was_read(mailbox)?;
        }
        self.send(Piece::End).await
    }

    async fn send_messages(&mut self, mailbox: &Mailbox, group: &[&Entry]) -> Result<()> {
        let wanted: Vec<_> = group.iter().map(|entry| (entry.blob, 0, u64::from(entry.size))).collect();
        let mut bodies: Vec<Option<Vec<u8>>> = Vec::new();
        bodies.resize_with(group.len(), || None);
        let mut keep = |at: usize, bytes: Option<&[u8]>| {
            if let Some(body) = bodies.get_mut(at) {
                *body = bytes.map(<[u8]>::to_vec);
            }
            ControlFlow::Continue(())
        };
        self.account.pieces(&wanted, &mut keep).await?;
        let mut messages = Vec::with_capacity(group.len());
        for (entry, body) in group.iter().zip(bodies) {
            let Some(raw) = body else {
                self.expunged += 1;
                continue;
            };
            self.done.bytes += u64::from(entry.size);
            let flags = mailbox.record.keywords.flags(entry.flags).into_iter().map(file_flag).collect();
            let pop3_uidl = self.unique_id(mailbox, entry.uid);
            messages.push(Message { raw, flags, received: entry.received, uid: entry.uid.0, pop3_uidl });
        }
        self.done.messages += u64::try_from(group.len())?;
        self.send(Piece::Messages(messages)).await
    }

    async fn send(&self, piece: Piece) -> Result<()> {
        self.pieces.send(piece).await.map_err(|_| anyhow!("writing the files ended early"))
    }

    /// What POP3 programs know a message by: they see the inbox only, but what was brought along goes on.
    fn unique_id(&self, mailbox: &Mailbox, uid: Uid) -> Option<String> {
        let record = &mailbox.record;
        let own = || (record.name == INBOX).then(|| own_unique_id(self.account.id(), record.uid_validity, uid));
        self.unique_ids.get(&uid).cloned().or_else(own)
    }

    fn folder(&self, mailbox: &Mailbox) -> Folder {
        let record = &mailbox.record;
        Folder {
            name: record.name.split(SEPARATOR).map(str::to_owned).collect(),
            // Files know one use for each folder.
            special_use: record.special_use.iter().next().map(file_special_use),
            uid_validity: Some(record.uid_validity.0),
            // What a mailbox that came from elsewhere must not give out counts as given out.
            uid_next: Some(record.uid_next.max(record.uid_floor).0),
            keywords: record.keywords.names().to_vec(),
            subscribed: Some(self.state.is_subscribed(&record.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use postrider_engine::{Batch, Engine, KeyRange, memory::MemoryEngine};
    use postrider_store::{AccountId, Store, StoreOptions, system_now};

    use super::*;

    const ALICE: AccountId = AccountId(1);

    async fn open(engine: &Arc<MemoryEngine>) -> Arc<Store> {
        let engine = Arc::clone(engine) as Arc<dyn Engine>;
        Store::open(engine, StoreOptions::default(), system_now()).await.unwrap()
    }

    #[tokio::test]
    async fn an_export_with_rows_that_cannot_be_read_fails_and_is_never_whole() {
        let engine = Arc::new(MemoryEngine::new());
        {
            let store = open(&engine).await;
            store.create_account(ALICE).await.unwrap();
            let account = store.account(ALICE).await.unwrap();
            let mut messages = Vec::new();
            for number in 0..600 {
                let raw = Bytes::from(format!("Subject: {number}\r\n\r\n"));
                messages.push(account.prepare(raw, Vec::new(), 0).await);
            }
            account.append(account.state().find(INBOX).unwrap().id, messages).await.unwrap();
        }
        for is_damaged in [false, true] {
            let store = open(&engine).await;
            let account = store.account(ALICE).await.unwrap();
            let inbox = account.mailbox_outline(account.state().find(INBOX).unwrap().id).await.unwrap();
            if is_damaged {
                let mut batch = Batch::new();
                batch.delete_range(KeyRange::all());
                engine.commit(batch).await.unwrap();
            }
            let (pieces, mut sent) = mpsc::channel(100);
            let (state, unique_ids) = (account.state(), BTreeMap::new());
            let mut exporting =
                Exporting { account, state, pieces, unique_ids, done: Progress::default(), expunged: 0 };
            let outcome = exporting.send_all(&[inbox], &Reporter::to_log(String::from("export"))).await;
            drop(exporting);
            let (mut messages, mut is_whole) = (0, false);
            while let Some(piece) = sent.recv().await {
                match piece {
                    Piece::Folder(_) => {}
                    Piece::Messages(some) => messages += some.len(),
                    Piece::End => is_whole = true,
                }
            }
            let told = outcome.err().map(|error| crate::advice::one_line(&error)).unwrap_or_default();
            assert_eq!(told.starts_with("not all messages of INBOX could be read: "), is_damaged, "{told}");
            assert_eq!((messages == 600, is_whole), (!is_damaged, !is_damaged), "{messages} messages");
        }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("inbox", "INBOX", true),
            ("Archive", "Archive", true),
            ("Archive", "Archive/2019", false),
            ("Archive*", "Archive/2019/x", true),
            ("*/2019", "Archive/2019", true),
            ("A*/*9", "Archive/2019", true),
            ("a*", "Archive", false),
            ("*", "x", true),
            ("ab*b", "ab", false),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
