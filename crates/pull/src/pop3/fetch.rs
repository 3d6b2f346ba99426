//! Fetching: what is unknown is received, told from what is here already, and stored in groups.

use std::collections::HashMap;

use bytes::Bytes;
use postrider_store::{BlobHash, NewMessage, Note};
use tokio::time::Instant;

use super::{
    client::Content,
    maildrop::Listed,
    memory::{Doubt, Key, Remembered, key_of_content, key_of_unique_id},
    retrieve::{Retrieved, Retriever},
    run::Run,
    shortfall::{Shortfall, shortfall},
};
use crate::{
    counted::{agreeing, counted},
    error::PullError,
    located::Located,
    received::date_of_header,
    report::{NotFetched, NotFetchedReason},
};

/// Messages that may be cut off and are named one by one; more are counted, as some servers only estimate sizes.
const NAMED_MAX: usize = 10;

/// Messages that are stored together, with their notes.
#[derive(Default)]
struct Group {
    messages: Vec<NewMessage>,
    notes: Vec<Note>,
    bytes: u64,
    /// Whose the notes are: a message's number, and its key.
    claims: Vec<(u32, Key)>,
    known: u64,
    /// When the first of its messages came.
    began: Option<Instant>,
}

/// What fetching keeps in mind.
struct Fetching<'a> {
    group: Group,
    /// How many messages of this content and without a unique id there were in this session.
    contents: HashMap<BlobHash, u32>,
    /// What was in the account when it was first asked for.
    located: Option<Located<'a>>,
    /// Messages that were known under another unique id.
    renamed: u64,
    /// Messages that may have come in part only, in words.
    short: Vec<String>,
}

impl<'a> Run<'a> {
    /// Fetches messages. What was stored when an error comes stays, and so does what was received whole.
    pub(super) async fn fetch(&mut self, unknown: &[Listed]) -> Result<(), PullError> {
        let mut fetching = Fetching {
            group: Group::default(),
            contents: HashMap::new(),
            located: None,
            renamed: 0,
            short: Vec::new(),
        };
        let outcome = self.receive(unknown, &mut fetching).await;
        if fetching.renamed > 0 {
            self.pull.observer.note(format!(
                "{} {} there than before; recognised by content",
                counted(fetching.renamed, "message"),
                agreeing(fetching.renamed, "has another unique id (UIDL)", "have other unique ids (UIDL)")
            ));
        }
        self.tell_short(&fetching.short);
        // What was received whole before the connection broke need not come again.
        match (outcome, self.store(&mut fetching.group).await) {
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
            (Ok(()), Ok(())) => Ok(()),
        }
    }

    async fn receive(&mut self, unknown: &[Listed], fetching: &mut Fetching<'a>) -> Result<(), PullError> {
        let wanted = self.fetchable(unknown);
        let total = Some(wanted.len() as u64);
        let mut retriever = Retriever::new(&self.client, &wanted);
        self.pull.observer.progress(0, total, 0);
        for done in 1.. {
            let next = retriever.next(&mut self.client).await;
            if let Err(PullError::Closed | PullError::Broken(_) | PullError::Silence { .. }) = &next
                && let Some(message) = retriever.waited_for()
            {
                self.client.breaks.broke(message);
            }
            let Some((message, retrieved)) = next? else { break };
            match retrieved {
                Retrieved::Content(content) => self.take(message, content, fetching).await?,
                Retrieved::Refused(words) => self.left(message, NotFetchedReason::Refused(words)),
            }
            self.pull.observer.progress(done, total, self.report.bytes);
        }
        Ok(())
    }

    /// Those that are not too large and do not break the connection.
    fn fetchable(&mut self, unknown: &[Listed]) -> Vec<Listed> {
        let bytes_max = self.pull.options.limits.message_bytes_max;
        let mut wanted = Vec::with_capacity(unknown.len());
        for message in unknown {
            if message.octets.is_some_and(|octets| octets > bytes_max) {
                self.left(message, NotFetchedReason::TooLarge { bytes_max });
            } else if self.client.breaks.is_left_out(message) {
                self.left(message, NotFetchedReason::Breaks);
            } else {
                wanted.push(message.clone());
            }
        }
        wanted
    }

    fn tell_short(&self, short: &[String]) {
        for note in short.iter().take(NAMED_MAX) {
            self.pull.observer.note(note.clone());
        }
        let more = short.len().saturating_sub(NAMED_MAX);
        if more > 0 {
            self.pull.observer.note(format!("{} may have come in part only", counted(more, "more message")));
        }
    }

    fn left(&mut self, message: &Listed, reason: NotFetchedReason) {
        self.report.not_fetched.push(NotFetched { message: message.name(), reason });
    }

    /// Takes a message that has come: into the group, or as known.
    async fn take(&mut self, message: &Listed, content: Content, fetching: &mut Fetching<'a>) -> Result<(), PullError> {
        let limits = &self.pull.options.limits;
        self.report.bytes += content.octets;
        let Some(bytes) = content.bytes else {
            self.left(message, NotFetchedReason::TooLarge { bytes_max: limits.message_bytes_max });
            return Ok(());
        };
        let (hash, size) = (BlobHash::of(&bytes), content.octets);
        let shortfall = shortfall(message.octets, &bytes);
        if let Some(nothing @ Shortfall::Nothing { .. }) = shortfall {
            self.left(message, nothing.into());
            return Ok(());
        }
        let key = match &message.unique_id {
            Some(id) => key_of_unique_id(id),
            None => {
                let before = fetching.contents.entry(hash).or_default();
                *before += 1;
                key_of_content(hash, *before - 1)
            }
        };
        let doubt = self.doubt(message, &key, hash, shortfall, fetching);
        let (listed, first_seen) = (message.octets, self.pull.now);
        let mut remembered = Remembered { hash, size, listed, first_seen, gone_since: 0, doubt };
        let former = self.former(&key, hash, size, fetching).await?;
        if let Some((former, first_seen)) = former {
            remembered.first_seen = first_seen;
            if former != key {
                fetching.group.notes.push(self.memory.note(&former, None));
                self.memory.remove(&former);
                fetching.renamed += 1;
            }
            fetching.group.known += 1;
        } else if let Some(bytes_max) = self.without_room(&fetching.group, size) {
            self.left(message, NotFetchedReason::Quota { bytes_max });
            return Ok(());
        } else {
            // A large message waits for no others, and no others for it.
            if fetching.group.bytes.saturating_add(size) > limits.group_bytes_max {
                self.store(&mut fetching.group).await?;
            }
            let received = date_of_header(&bytes).unwrap_or(self.pull.now);
            let prepared = self.pull.account.prepare(Bytes::from(bytes), Vec::new(), received).await;
            fetching.group.messages.push(prepared);
            fetching.group.bytes += size;
        }
        fetching.group.notes.push(self.memory.note(&key, Some(&remembered)));
        fetching.group.claims.push((message.number.0, key.clone()));
        // At once, so that another message of this content finds no former key of it.
        self.memory.claim(key, remembered);
        let group = &mut fetching.group;
        let waited = group.began.get_or_insert_with(Instant::now).elapsed();
        let is_full = group.bytes >= limits.group_bytes_max || group.notes.len() >= limits.group_messages_max;
        if is_full || waited >= limits.group_time_max {
            self.store(&mut fetching.group).await?;
        }
        Ok(())
    }

    /// Whether a message came whole: if not so, and if this was asked for again.
    fn doubt(
        &self,
        message: &Listed,
        key: &Key,
        hash: BlobHash,
        shortfall: Option<Shortfall>,
        fetching: &mut Fetching<'_>,
    ) -> Doubt {
        let Some(shortfall) = shortfall else { return Doubt::None };
        let before = self.memory.get(key).filter(|before| before.hash == hash);
        if before.is_some_and(|before| before.doubt != Doubt::None) {
            return Doubt::Confirmed;
        }
        if let Shortfall::Short { told, came } = shortfall {
            fetching.short.push(format!(
                "{}: LIST tells of {told} octets, {came} came; it may be cut off, and the next run asks again",
                message.name()
            ));
        }
        Doubt::Fresh
    }

    /// Under which key, and since when, this very message is known from an earlier run.
    async fn former(
        &self,
        key: &Key,
        hash: BlobHash,
        size: u64,
        fetching: &mut Fetching<'a>,
    ) -> Result<Option<(Key, i64)>, PullError> {
        if let Some(remembered) = self.memory.get(key).filter(|remembered| remembered.hash == hash) {
            return Ok(Some((key.clone(), remembered.first_seen)));
        }
        let Some(former) = self.memory.unclaimed(hash) else { return Ok(None) };
        let Some(remembered) = self.memory.get(&former) else { return Ok(None) };
        // The key is another one than before, so only the message itself proves that it is here.
        let located = match &mut fetching.located {
            Some(located) => located,
            unasked => unasked.insert(Located::of(self.pull.account, self.pull.mailbox).await?),
        };
        let is_here = located.holds(hash, size).await?;
        Ok(is_here.then_some((former, remembered.first_seen)))
    }

    /// The account's bound, if a message of this size would exceed it.
    fn without_room(&self, group: &Group, size: u64) -> Option<u64> {
        let bytes_max = self.pull.options.limits.account_bytes_max?;
        let used = self.pull.account.state().bytes_used();
        (used.saturating_add(group.bytes).saturating_add(size) > bytes_max).then_some(bytes_max)
    }

    /// Stores a group with its notes: all of it or nothing.
    async fn store(&mut self, group: &mut Group) -> Result<(), PullError> {
        let group = std::mem::take(group);
        if group.notes.is_empty() {
            return Ok(());
        }
        let count = group.messages.len() as u64;
        match group.messages.is_empty() {
            true => self.pull.account.write_notes(group.notes).await?,
            false => {
                self.pull.account.append_noting(self.pull.mailbox, group.messages, group.notes).await?;
            }
        }
        self.report.fetched += count;
        self.report.known += group.known;
        self.keys.extend(group.claims);
        Ok(())
    }
}
