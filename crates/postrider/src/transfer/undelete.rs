//! Expunged messages are brought back, out of the store itself.
//!
//! Each step is one change of the account, so a run that is broken off has brought back whole messages and left the others where
//! they can still be brought back from.

use std::{collections::BTreeMap, ops::ControlFlow};

use anyhow::{Result, anyhow};
use postrider_message::{DerivedView, HeaderText, SearchText, fold_case};
use postrider_store::{
    Account, AccountState, BlobId, Entry, ExpungedMessages, ExpungedSelection, UidSet, UndeleteInto, Undeleted,
};
use serde::{Deserialize, Serialize};

use super::{account_of, export::matches};
use crate::{
    advice::Advise,
    control::{Administration, Progress, Reporter},
};

/// How many keys are looked at in one step; each stands for up to 256 messages.
const KEYS_PER_STEP: usize = 16;

/// What is to be brought back: `POST /v1/undelete`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndeleteWish {
    /// The address of the account.
    pub account: String,
    /// Only of mailboxes of these names; `*` stands for any text.
    pub mailboxes: Vec<String>,
    /// Only what was expunged then or later, seconds since 1970 (UTC).
    pub since: Option<i64>,
    /// Only messages whose subjects have this text.
    pub subject: Option<String>,
    /// Only messages whose authors have this text.
    pub from: Option<String>,
    /// Only messages that had UIDs in these ranges.
    pub uids: Option<Vec<(u32, u32)>>,
    /// The mailbox that they go to; without it, where they were.
    pub into: Option<String>,
    /// What is done.
    pub deed: UndeleteDeed,
}

/// What is done with the messages that are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndeleteDeed {
    /// They are told of, one by one.
    List,
    /// They are counted.
    DryRun,
    /// They are brought back.
    Undelete,
}

/// What was found or done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndeleteReport {
    /// Messages that are meant; brought back, unless they were only to be listed or counted.
    pub messages: u64,
    /// Their sizes together.
    pub bytes: u64,
    /// Where they are now, or would be.
    pub mailboxes: BTreeMap<String, u64>,
    /// For how long the server keeps what is expunged.
    pub kept_seconds: u64,
    /// The messages, if they were to be listed, those that were expunged first being first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub list: Vec<ExpungedMessage>,
}

/// A message that can be brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpungedMessage {
    /// When it was expunged, seconds since 1970 (UTC).
    pub expunged_at: i64,
    /// The mailbox that it was in, as it was called then.
    pub mailbox: String,
    /// The UID that it had.
    pub uid: u32,
    /// When it was received, seconds since 1970 (UTC).
    pub received: i64,
    /// Its size in bytes.
    pub size: u32,
    /// Its author.
    pub from: String,
    /// Its subject, without `Re:` and the like.
    pub subject: String,
}

/// Finds what is meant, and brings it back.
pub async fn undelete(
    administration: &Administration,
    wish: &UndeleteWish,
    reporter: &Reporter,
) -> Result<UndeleteReport> {
    let account = account_of(&administration.storage, &wish.account).await?;
    let turn = administration.turns.begin(&account, "undelete").await?;
    let _turn = turn
        .ok_or_else(|| anyhow!("messages of this account are being brought back already"))
        .advise("wait for the command that does it, or end that one first")?;
    let filter = Filter::new(wish);
    let kept_seconds = administration.storage.store.options().expunged_kept_seconds;
    let mut report = UndeleteReport { kept_seconds, ..UndeleteReport::default() };
    let mut after = None;
    loop {
        let page = account.expunged(after.as_ref(), KEYS_PER_STEP).await?;
        let Some(last) = page.last() else { return Ok(report) };
        after = Some(last.key);
        let chosen = filter.choose(&account, page).await?;
        if wish.deed == UndeleteDeed::Undelete {
            let selection: ExpungedSelection = chosen.iter().map(|kept| (kept.messages.key, kept.uids())).collect();
            let into = wish.into.clone().map_or(UndeleteInto::Original, UndeleteInto::Named);
            let done = account.undelete(selection, into).await?;
            report.count_done(&chosen, &done);
        } else {
            report.count(&account.state(), wish, chosen);
        }
        let messages = report.messages;
        reporter.progress(|| Progress { doing: "bringing back".to_owned(), messages, ..Progress::default() });
    }
}

impl UndeleteReport {
    /// What would be done.
    fn count(&mut self, state: &AccountState, wish: &UndeleteWish, chosen: Vec<Chosen>) {
        for Chosen { messages, headers } in chosen {
            let now = state.mailbox(messages.mailbox).map_or(&messages.name, |mailbox| &mailbox.record.name);
            let to = wish.into.as_ref().unwrap_or(now);
            *self.mailboxes.entry(to.clone()).or_default() += messages.messages.len() as u64;
            self.messages += messages.messages.len() as u64;
            self.bytes += messages.messages.iter().map(|entry| u64::from(entry.size)).sum::<u64>();
            if wish.deed == UndeleteDeed::List {
                self.list.extend(messages.messages.iter().zip(headers).map(|(entry, header)| ExpungedMessage {
                    expunged_at: messages.expunged_at,
                    mailbox: messages.name.clone(),
                    uid: entry.uid.0,
                    received: entry.received,
                    size: entry.size,
                    from: header.from,
                    subject: header.subject,
                }));
            }
        }
    }

    /// What was done; something may have been let go just before.
    fn count_done(&mut self, chosen: &[Chosen], done: &[Undeleted]) {
        for undeleted in done {
            let count = undeleted.uids.count();
            self.messages += count;
            *self.mailboxes.entry(undeleted.name.clone()).or_default() += count;
            let rows = chosen.iter().filter(|kept| kept.messages.key == undeleted.key);
            let rows = rows.flat_map(|kept| &kept.messages.messages);
            let back = rows.filter(|entry| undeleted.source.contains(entry.uid));
            self.bytes += back.map(|entry| u64::from(entry.size)).sum::<u64>();
        }
    }
}

/// Messages of one key that are meant, and what their headers say.
struct Chosen {
    messages: ExpungedMessages,
    headers: Vec<Header>,
}

impl Chosen {
    fn uids(&self) -> UidSet {
        self.messages.messages.iter().map(|entry| entry.uid).collect()
    }
}

/// What people know a message by.
#[derive(Debug, Clone, Default)]
struct Header {
    from: String,
    subject: String,
    is_meant: bool,
}

/// Tells which messages are meant.
struct Filter<'a> {
    wish: &'a UndeleteWish,
    subject: Option<String>,
    from: Option<String>,
    uids: Option<UidSet>,
}

impl<'a> Filter<'a> {
    fn new(wish: &'a UndeleteWish) -> Self {
        let folded = |text: &Option<String>| text.as_deref().map(folded);
        let (subject, from) = (folded(&wish.subject), folded(&wish.from));
        Self { wish, subject, from, uids: wish.uids.clone().map(UidSet::from_ranges) }
    }

    async fn choose(&self, account: &Account, page: Vec<ExpungedMessages>) -> Result<Vec<Chosen>> {
        let mut chosen = Vec::new();
        for mut messages in page {
            let wanted = &self.wish.mailboxes;
            let is_wanted = wanted.is_empty() || wanted.iter().any(|pattern| matches(pattern, &messages.name));
            if !is_wanted || self.wish.since.is_some_and(|since| messages.expunged_at < since) {
                continue;
            }
            if let Some(uids) = &self.uids {
                messages.messages.retain(|entry| uids.contains(entry.uid));
            }
            let headers = self.headers(account, &messages.messages).await?;
            let mut flags = headers.iter().map(|header| header.is_meant);
            messages.messages.retain(|_| flags.next().unwrap_or(true));
            let headers = headers.into_iter().filter(|header| header.is_meant).collect();
            if !messages.messages.is_empty() {
                chosen.push(Chosen { messages, headers });
            }
        }
        Ok(chosen)
    }

    /// What the headers of messages say; where nobody asks for it, it is not looked up.
    async fn headers(&self, account: &Account, entries: &[Entry]) -> Result<Vec<Header>> {
        if self.wish.deed != UndeleteDeed::List && self.subject.is_none() && self.from.is_none() {
            return Ok(vec![Header { is_meant: true, ..Header::default() }; entries.len()]);
        }
        let blobs: Vec<BlobId> = entries.iter().map(|entry| entry.blob).collect();
        let mut headers = Vec::with_capacity(entries.len());
        let mut visit = |_: usize, derived: Option<&[u8]>| {
            let view = derived.and_then(|bytes| DerivedView::parse(bytes).ok());
            headers.push(view.map(|view| self.header(&view)).unwrap_or_default());
            ControlFlow::Continue(())
        };
        account.derived(&blobs, &mut visit).await?;
        Ok(headers)
    }

    fn header(&self, view: &DerivedView<'_>) -> Header {
        let (from, subject) = (view.from_display().to_owned(), view.base_subject().to_owned());
        let has = |field: HeaderText, short: &str, wanted: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| match view.search_text(field) {
                SearchText::Text(text) => text.contains(wanted.as_str()),
                SearchText::NoField => false,
                // A text that was too long to be kept whole is searched in the part that was.
                SearchText::NotKept => folded(short).contains(wanted.as_str()),
            })
        };
        let is_meant = has(HeaderText::Subject, &subject, &self.subject) && has(HeaderText::From, &from, &self.from);
        Header { from, subject, is_meant }
    }
}

/// As texts are folded that are searched.
fn folded(text: &str) -> String {
    fold_case(text)
}
