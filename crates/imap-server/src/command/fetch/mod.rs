//! FETCH (RFC 9051 §6.4.5, RFC 3516 §4, RFC 7162 §3.1.4 and §3.2.6, RFC 8474, RFC 8514, RFC 8970).
//!
//! What a command asks for is sorted once ([`plan`]) by where it comes from: the snapshot, the answers derived at delivery,
//! or the message itself. Messages are then served in groups, each with as few calls of the store as there are sources, and
//! written straight into the output ([`render`]). Only what is larger than a group is read piece by piece ([`large`]).

mod large;
mod plan;
mod render;

pub(crate) use self::render::{email_id, thread_id};

use std::ops::ControlFlow;

use postrider_imap_proto::{
    command::{Fetch, FetchAttribute, Numbering},
    encode::{self, Code, Vanished},
};
use postrider_message::DerivedView;
use postrider_store::{BlobId, Entry, Flag, FlagBits, FlagMode, ModSeq, StoreFlags, UidSet};

use self::{
    plan::{Needs, Plan, Wanted},
    render::{Rendering, Row, end},
};
use crate::{
    answer::{Answer, Failure},
    selected::{Access, newest},
    session::{Session, Stream},
};

/// Messages served with one call of the store.
const GROUP_ROWS: usize = 256;

/// Content read with one call of the store, in bytes; a larger message is read in pieces of this size.
const GROUP_BYTES: u64 = 512 * 1024;

impl<S: Stream> Session<S> {
    pub(crate) async fn fetch(&mut self, fetch: Fetch) -> Result<Answer, Failure> {
        if fetch.vanished && !self.enabled.qresync {
            return Err(Failure::bad("Enable QRESYNC first"));
        }
        let mut uids = self.selected()?.resolve(&fetch.set, fetch.numbering)?;
        if fetch.changed_since.is_some() || fetch.attributes.contains(&FetchAttribute::ModSeq) {
            self.enable_condstore().await?;
        }
        if let Some(since) = fetch.changed_since.map(ModSeq) {
            if fetch.vanished {
                self.report_vanished(&fetch, since).await?;
            }
            let known = &self.selected()?.known;
            uids = known.select(&uids).filter(|(_, entry)| entry.modseq > since).map(|(_, entry)| entry.uid).collect();
        }
        let plan = Plan::new(&fetch);
        let newly_seen = if plan.marks_seen { self.mark_seen(&uids).await? } else { UidSet::new() };
        let lost = self.fetch_all(&plan, &uids, &newly_seen).await?;
        match lost {
            Lost { unknown_encoding: true, .. } => {
                Err(Failure::no(Code::UnknownCte, "Some parts have a content transfer encoding that cannot be decoded"))
            }
            // RFC 2180 §4.1.2: what another session expunged cannot be told any more.
            Lost { expunged: true, .. } => {
                Err(Failure::no(Code::ExpungeIssued, "Some of the messages were expunged by another session"))
            }
            _ => Ok(Answer::ok("That is all")),
        }
    }

    /// UIDs among those named that went since (RFC 7162 §3.2.6).
    async fn report_vanished(&mut self, fetch: &Fetch, since: ModSeq) -> Result<(), Failure> {
        let account = self.account()?;
        let selected = self.selected()?;
        let mailbox = newest(&account, selected.id).await?;
        let last = mailbox.record.uid_next.0.saturating_sub(1);
        let asked_for = fetch.set.resolve(last).map(UidSet::from_ranges);
        let vanished = account.vanished(&mailbox, since, asked_for.as_ref()).await?;
        // What the client still counts is told as expunged now, not as gone earlier.
        let vanished = vanished.difference(&selected.known.uids());
        encode::encode_vanished(&mut self.out, Vanished::Earlier, vanished.ranges());
        Ok(())
    }

    /// Reading a body without PEEK sets `\Seen` (RFC 9051 §6.4.5): in one change, before anything is sent.
    async fn mark_seen(&mut self, uids: &UidSet) -> Result<UidSet, Failure> {
        let selected = self.selected()?;
        if selected.access == Access::ReadOnly {
            return Ok(UidSet::new());
        }
        let unseen = selected.known.select(uids).filter(|(_, entry)| !entry.flags.contains(FlagBits::SEEN));
        let unseen: UidSet = unseen.map(|(_, entry)| entry.uid).collect();
        if unseen.is_empty() {
            return Ok(unseen);
        }
        let mailbox = selected.id;
        let account = self.account()?;
        let wish =
            StoreFlags { mailbox, uids: unseen, mode: FlagMode::Add, flags: vec![Flag::Seen], unchanged_since: None };
        let stored = account.store_flags(wish).await?;
        let now = newest(&account, mailbox).await?;
        if let (Some(selected), Some(messages)) = (&mut self.selected, now.messages()) {
            selected.report_keywords(&now, &mut self.out);
            selected.adopt(messages, &stored.changed);
        }
        Ok(stored.changed)
    }

    async fn fetch_all(&mut self, plan: &Plan, uids: &UidSet, newly_seen: &UidSet) -> Result<Lost, Failure> {
        let known = self.selected()?.known.clone();
        let mut lost = Lost::default();
        let mut rows = known.select(uids).map(|(sequence, entry)| (sequence, *entry));
        loop {
            let group: Vec<(u32, Entry)> = rows.by_ref().take(GROUP_ROWS).collect();
            if group.is_empty() {
                return Ok(lost);
            }
            let group = self.rows(plan, &group, newly_seen).await?;
            match plan.needs {
                Needs::Snapshot => self.fetch_from_snapshot(plan, &group),
                Needs::Derived => self.fetch_from_derived(plan, &group, &mut lost).await?,
                Needs::Content => self.fetch_content(plan, &group, &mut lost).await?,
            }
            self.flush_if_large().await?;
            // A long answer to a fast reader must not keep the other sessions of this thread waiting.
            tokio::task::yield_now().await;
        }
    }

    /// The rows of a group with what the snapshot does not hold of them.
    async fn rows(&self, plan: &Plan, group: &[(u32, Entry)], newly_seen: &UidSet) -> Result<Vec<Row>, Failure> {
        let selected = self.selected()?;
        let mut threads = Vec::new();
        if plan.threads {
            let ids: Vec<_> = group.iter().map(|(_, entry)| entry.email).collect();
            threads = self.account()?.emails(&ids).await?;
        }
        let mut threads = threads.into_iter();
        let rows = group.iter().map(|&(sequence, entry)| Row {
            sequence,
            entry,
            recent: selected.is_recent(entry.uid) && !self.enabled.rev2,
            flags_changed: newly_seen.contains(entry.uid),
            thread: threads.next().flatten().map(|email| email.thread),
        });
        Ok(rows.collect())
    }

    fn rendering<'p>(&self, plan: &'p Plan) -> Result<Rendering<'p>, Failure> {
        Ok(Rendering { plan, keywords: self.selected()?.keywords.clone(), enabled: self.enabled })
    }

    fn fetch_from_snapshot(&mut self, plan: &Plan, group: &[Row]) {
        let Ok(rendering) = self.rendering(plan) else { return };
        for row in group {
            rendering.begin(&mut self.out, row, None).end();
        }
    }

    async fn fetch_from_derived(&mut self, plan: &Plan, group: &[Row], lost: &mut Lost) -> Result<(), Failure> {
        let (account, rendering) = (self.account()?, self.rendering(plan)?);
        let blobs: Vec<BlobId> = group.iter().map(|row| row.entry.blob).collect();
        let out = &mut self.out;
        account
            .derived(&blobs, &mut |position, derived| {
                let view = derived.and_then(|bytes| DerivedView::parse(bytes).ok());
                match (group.get(position), view) {
                    (Some(row), Some(view)) => rendering.begin(out, row, Some(&view)).end(),
                    _ => lost.expunged = true,
                }
                ControlFlow::Continue(())
            })
            .await?;
        Ok(())
    }

    async fn fetch_content(&mut self, plan: &Plan, group: &[Row], lost: &mut Lost) -> Result<(), Failure> {
        let account = self.account()?;
        let derived = self.derived_copies(plan, group).await?;
        let mut ready: Vec<Message<'_>> = Vec::new();
        let mut ready_bytes = 0;
        for (row, derived) in group.iter().zip(&derived) {
            let view = derived.as_deref().and_then(|bytes| DerivedView::parse(bytes).ok());
            if plan.derived && view.is_none() {
                lost.expunged = true;
                continue;
            }
            let wanted = plan.wanted(&row.entry, view.as_ref());
            let bytes: u64 = wanted.iter().map(Wanted::bytes).sum();
            if ready_bytes + bytes > GROUP_BYTES {
                self.fetch_ready(plan, &std::mem::take(&mut ready), lost).await?;
                ready_bytes = 0;
            }
            let message = Message { row, view, wanted };
            if bytes > GROUP_BYTES {
                self.fetch_large(&account, plan, message, lost).await?;
            } else {
                ready.push(message);
                ready_bytes += bytes;
            }
        }
        self.fetch_ready(plan, &ready, lost).await
    }

    /// The derived answers of a group, copied: the store is asked for content meanwhile.
    async fn derived_copies(&self, plan: &Plan, group: &[Row]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let mut copies: Vec<Option<Vec<u8>>> = vec![None; group.len()];
        if plan.derived {
            let blobs: Vec<BlobId> = group.iter().map(|row| row.entry.blob).collect();
            self.account()?
                .derived(&blobs, &mut |position, derived| {
                    if let Some(slot) = copies.get_mut(position) {
                        *slot = derived.map(<[u8]>::to_vec);
                    }
                    ControlFlow::Continue(())
                })
                .await?;
        }
        Ok(copies)
    }

    /// Messages whose content is read with one call; the bytes go from the store into the output.
    async fn fetch_ready(&mut self, plan: &Plan, messages: &[Message<'_>], lost: &mut Lost) -> Result<(), Failure> {
        if messages.is_empty() {
            return Ok(());
        }
        let (account, rendering) = (self.account()?, self.rendering(plan)?);
        let pieces: Vec<(BlobId, u64, u64)> = messages.iter().flat_map(Message::pieces).collect();
        let mut places =
            messages.iter().flat_map(|message| (0..message.wanted.len()).map(move |index| (message, index)));
        let mut begun = None;
        let out = &mut self.out;
        account
            .pieces(&pieces, &mut |_, bytes| {
                let Some((message, index)) = places.next() else { return ControlFlow::Break(()) };
                let Some(bytes) = bytes else {
                    lost.expunged = true;
                    return ControlFlow::Continue(());
                };
                let mut writer = match begun.take() {
                    Some(suspended) if index > 0 => encode::SuspendedFetch::resume(suspended, out),
                    _ => rendering.begin(out, message.row, message.view.as_ref()),
                };
                if let Some(wanted) = message.wanted.get(index) {
                    lost.unknown_encoding |= wanted.render(&mut writer, bytes).is_err();
                }
                if index + 1 == message.wanted.len() {
                    end(writer, message.row);
                } else {
                    begun = Some(writer.suspend());
                }
                ControlFlow::Continue(())
            })
            .await?;
        Ok(self.flush_if_large().await?)
    }
}

/// What could not be told.
#[derive(Debug, Clone, Copy, Default)]
struct Lost {
    expunged: bool,
    unknown_encoding: bool,
}

/// A message of which content is wanted.
struct Message<'a> {
    row: &'a Row,
    view: Option<DerivedView<'a>>,
    wanted: Vec<Wanted<'a>>,
}

impl Message<'_> {
    fn pieces(&self) -> impl Iterator<Item = (BlobId, u64, u64)> {
        self.wanted.iter().map(|wanted| (self.row.entry.blob, wanted.range.start, wanted.bytes()))
    }
}

/// Whether the answer must hold the UID although it was not asked for (RFC 9051 §6.4.9).
fn adds_uid(fetch: &Fetch) -> bool {
    fetch.numbering == Numbering::Uid && !fetch.attributes.contains(&FetchAttribute::Uid)
}
