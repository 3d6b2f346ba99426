//! FETCH (RFC 9051 §6.4.5, RFC 3516 §4, RFC 7162 §3.1.4 and §3.2.6, RFC 8474, RFC 8514, RFC 8970).
//!
//! What a command asks for is sorted once ([`plan`]) by where it comes from: the snapshot, the answers derived at delivery,
//! or the message itself. Messages are then served in groups, each with as few calls of the store as there are sources, and
//! written straight into the output ([`render`]). The header that is kept with the derived answers serves all that is made
//! of a message's own header ([`header`]). Only what is larger than a group is read piece by piece ([`large`]).

mod header;
mod large;
mod plan;
mod render;

pub(crate) use self::render::{email_id, thread_id};

use std::ops::ControlFlow;

use postrider_imap_proto::{
    command::{Fetch, FetchAttribute, Numbering},
    encode::{self, Code, Vanished},
};
use postrider_message::{DerivedView, IndexedHeader};
use postrider_store::{
    BlobId, EngineError, Entry, Flag, FlagBits, FlagMode, ModSeq, Snapshot, StoreError, StoreFlags, Uid, UidSet,
};

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

/// What a response holds beside content, about, in bytes.
const RESPONSE_BYTES: usize = 128;

/// Answers after which the other sessions of this thread have their turn.
const TURN_ROWS: usize = 1024;

/// Content read with one call of the store, in bytes; a larger message is read in pieces of this size.
const GROUP_BYTES: u64 = 512 * 1024;

impl<S: Stream> Session<S> {
    pub(crate) async fn fetch(&mut self, fetch: Fetch) -> Result<Answer, Failure> {
        if fetch.vanished && !self.enabled.qresync {
            return Err(Failure::bad("Enable QRESYNC first"));
        }
        let mut positions = self.selected()?.resolve_positions(&fetch.set, fetch.numbering)?;
        if fetch.changed_since.is_some() || fetch.attributes.contains(&FetchAttribute::ModSeq) {
            self.enable_condstore().await?;
        }
        if let Some(since) = fetch.changed_since.map(ModSeq) {
            if fetch.vanished {
                self.report_vanished(&fetch, since).await?;
            }
            let known = &self.selected()?.known;
            let changed = rows_of(known, &positions).filter(|(_, entry)| entry.modseq > since);
            let changed: UidSet = changed.map(|(sequence, _)| Uid(sequence)).collect();
            positions = changed.ranges().to_vec();
        }
        let plan = Plan::new(&fetch);
        let newly_seen = if plan.marks_seen { self.mark_seen(&positions).await? } else { UidSet::new() };
        let lost = self.fetch_all(&plan, &positions, &newly_seen).await?;
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
    async fn mark_seen(&mut self, positions: &[(u32, u32)]) -> Result<UidSet, Failure> {
        let selected = self.selected()?;
        if selected.access == Access::ReadOnly {
            return Ok(UidSet::new());
        }
        let unseen = rows_of(&selected.known, positions).filter(|(_, entry)| !entry.flags.contains(FlagBits::SEEN));
        let unseen: UidSet = unseen.map(|(_, entry)| entry.uid).collect();
        if unseen.is_empty() {
            return Ok(unseen);
        }
        let mailbox = selected.id;
        let account = self.account()?;
        let wish =
            StoreFlags { mailbox, uids: unseen, mode: FlagMode::Add, flags: vec![Flag::Seen], unchanged_since: None };
        let stored = match account.store_flags(wish).await {
            // Mail can be read while the disk is full, if not marked as read.
            Err(StoreError::Engine(EngineError::Full(_))) => return Ok(UidSet::new()),
            stored => stored?,
        };
        let now = newest(&account, mailbox).await?;
        if let (Some(selected), Some(messages)) = (&mut self.selected, now.messages()) {
            selected.report_keywords(&now, &mut self.out);
            selected.adopt(messages, &stored.changed);
        }
        Ok(stored.changed)
    }

    async fn fetch_all(&mut self, plan: &Plan, positions: &[(u32, u32)], newly_seen: &UidSet) -> Result<Lost, Failure> {
        let known = self.selected()?.known.clone();
        let mut rendering = Rendering::new(plan, self.selected()?.keywords.clone(), self.enabled);
        let mut lost = Lost::default();
        let mut rows = rows_of(&known, positions).peekable();
        let mut group: Vec<Row<'_>> = Vec::new();
        let mut turn_rows = 0;
        while rows.peek().is_some() {
            self.next_group(plan, &mut rows, newly_seen, &mut group).await?;
            match plan.needs {
                Needs::Snapshot => group.iter().for_each(|row| rendering.snapshot(&mut self.out, row)),
                Needs::Derived => self.fetch_derived(&mut rendering, &group, &mut lost).await?,
                Needs::Header => self.fetch_headers(plan, &mut rendering, &group, &mut lost).await?,
                Needs::Content => self.fetch_content(plan, &mut rendering, &group, &mut lost).await?,
            }
            self.flush_if_large().await?;
            turn_rows += group.len();
            // A long answer to a fast reader must not keep the other sessions of this thread waiting.
            if turn_rows >= TURN_ROWS || plan.needs == Needs::Content {
                turn_rows = 0;
                if rows.peek().is_some() {
                    tokio::task::yield_now().await;
                }
            }
        }
        Ok(lost)
    }

    /// The next rows, with what the snapshot does not hold of them.
    async fn next_group<'s>(
        &self,
        plan: &Plan,
        rows: &mut (impl Iterator<Item = (u32, &'s Entry)> + Send),
        newly_seen: &UidSet,
        group: &mut Vec<Row<'s>>,
    ) -> Result<(), Failure> {
        let selected = self.selected()?;
        group.clear();
        group.extend(rows.take(GROUP_ROWS).map(|(sequence, entry)| Row {
            sequence,
            entry,
            recent: selected.is_recent(entry.uid) && !self.enabled.rev2,
            flags_changed: newly_seen.contains(entry.uid),
            thread: None,
        }));
        if plan.threads {
            let ids: Vec<_> = group.iter().map(|row| row.entry.email).collect();
            for (row, email) in group.iter_mut().zip(self.account()?.emails(&ids).await?) {
                row.thread = email.map(|email| email.thread);
            }
        }
        Ok(())
    }

    /// A group from the derived answers. They are copied where they lie, as much at a time as may wait to be sent.
    async fn fetch_derived(
        &mut self,
        rendering: &mut Rendering<'_>,
        group: &[Row<'_>],
        lost: &mut Lost,
    ) -> Result<(), Failure> {
        let account = self.account()?;
        let blobs: Vec<BlobId> = group.iter().map(|row| row.entry.blob).collect();
        let mut done = 0;
        while let Some(rest) = group.get(done..).filter(|rest| !rest.is_empty()) {
            let out = &mut self.out;
            account
                .derived(blobs.get(done..).unwrap_or_default(), &mut |position, derived| {
                    let Some(row) = rest.get(position) else { return ControlFlow::Break(()) };
                    done += 1;
                    match derived.and_then(|bytes| DerivedView::parse(bytes).ok()) {
                        None => lost.expunged = true,
                        Some(view) => rendering.derived(out, row, &view),
                    }
                    if out.len() as u64 >= GROUP_BYTES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })
                .await?;
            self.flush_if_large().await?;
        }
        Ok(())
    }

    /// A group from the stored headers, in the same way; a message whose header is too long to be stored apart is read itself.
    async fn fetch_headers(
        &mut self,
        plan: &Plan,
        rendering: &mut Rendering<'_>,
        group: &[Row<'_>],
        lost: &mut Lost,
    ) -> Result<(), Failure> {
        let account = self.account()?;
        let blobs: Vec<BlobId> = group.iter().map(|row| row.entry.blob).collect();
        let derived = if plan.answers { self.derived_copies(group).await? } else { Vec::new() };
        let mut done = 0;
        while let Some(rest) = group.get(done..).filter(|rest| !rest.is_empty()) {
            let mut without_header = None;
            let (start, out) = (done, &mut self.out);
            account
                .headers(blobs.get(start..).unwrap_or_default(), &mut |position, header| {
                    let Some(row) = rest.get(position) else { return ControlFlow::Break(()) };
                    done += 1;
                    let copy = derived.get(start + position).and_then(Option::as_deref);
                    let view = copy.and_then(|bytes| DerivedView::parse(bytes).ok());
                    match header.map(IndexedHeader::parse) {
                        Some(Ok(Some(header))) if view.is_some() || !plan.answers => {
                            rendering.header(out, row, view.as_ref(), header);
                        }
                        Some(Ok(None)) => {
                            without_header = Some(row);
                            return ControlFlow::Break(());
                        }
                        _ => lost.expunged = true,
                    }
                    if out.len() as u64 >= GROUP_BYTES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })
                .await?;
            if let Some(row) = without_header {
                self.fetch_content(plan, rendering, std::slice::from_ref(row), lost).await?;
            }
            self.flush_if_large().await?;
        }
        Ok(())
    }

    async fn fetch_content(
        &mut self,
        plan: &Plan,
        rendering: &mut Rendering<'_>,
        group: &[Row<'_>],
        lost: &mut Lost,
    ) -> Result<(), Failure> {
        let account = self.account()?;
        let derived = if plan.derived { self.derived_copies(group).await? } else { vec![None; group.len()] };
        let mut ready: Vec<Message<'_>> = Vec::new();
        let mut ready_bytes = 0;
        for (row, derived) in group.iter().zip(&derived) {
            let view = derived.as_deref().and_then(|bytes| DerivedView::parse(bytes).ok());
            if plan.derived && view.is_none() {
                lost.expunged = true;
                continue;
            }
            let wanted = plan.wanted(row.entry, view.as_ref());
            let bytes: u64 = wanted.iter().map(Wanted::bytes).sum();
            if ready_bytes + bytes > GROUP_BYTES {
                self.fetch_ready(rendering, &std::mem::take(&mut ready), lost).await?;
                ready_bytes = 0;
            }
            let message = Message { row, view, wanted };
            if bytes > GROUP_BYTES {
                self.fetch_large(&account, rendering, message, lost).await?;
            } else {
                ready.push(message);
                ready_bytes += bytes;
            }
        }
        self.fetch_ready(rendering, &ready, lost).await
    }

    /// The derived answers of a group, copied: the store is asked for more meanwhile.
    async fn derived_copies(&self, group: &[Row<'_>]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let mut copies: Vec<Option<Vec<u8>>> = vec![None; group.len()];
        let blobs: Vec<BlobId> = group.iter().map(|row| row.entry.blob).collect();
        self.account()?
            .derived(&blobs, &mut |position, derived| {
                if let Some(slot) = copies.get_mut(position) {
                    *slot = derived.map(<[u8]>::to_vec);
                }
                ControlFlow::Continue(())
            })
            .await?;
        Ok(copies)
    }

    /// Messages whose content is read with one call; the bytes go from the store into the output.
    async fn fetch_ready(
        &mut self,
        rendering: &mut Rendering<'_>,
        messages: &[Message<'_>],
        lost: &mut Lost,
    ) -> Result<(), Failure> {
        if messages.is_empty() {
            return Ok(());
        }
        let account = self.account()?;
        let pieces: Vec<(BlobId, u64, u64)> = messages.iter().flat_map(Message::pieces).collect();
        let mut places =
            messages.iter().flat_map(|message| (0..message.wanted.len()).map(move |index| (message, index)));
        let mut begun = None;
        let out = &mut self.out;
        let bytes: u64 = pieces.iter().map(|(_, _, bytes)| bytes).sum();
        out.reserve(bytes as usize + RESPONSE_BYTES * messages.len());
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

/// The messages at ascending ranges of sequence numbers.
fn rows_of<'s>(known: &'s Snapshot, positions: &'s [(u32, u32)]) -> impl Iterator<Item = (u32, &'s Entry)> + Send {
    positions.iter().flat_map(|&(low, high)| known.range(low, high))
}

/// What could not be told.
#[derive(Debug, Clone, Copy, Default)]
struct Lost {
    expunged: bool,
    unknown_encoding: bool,
}

/// A message of which content is wanted.
struct Message<'a> {
    row: &'a Row<'a>,
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
