//! Wins back dead space: rewrites segments that are mostly dead. Those that are wholly dead go by themselves, see
//! [`applier`](crate::applier).
//!
//! Bodies are moved by the committer, in frames of bounded size, so a deletion that comes between is seen: a body is
//! moved only if it is still where it was read. A crash at any point leaves either the old location or the new one. A
//! body that fails its checksum is left where it is, and its segment with it: what is damaged is not made to look
//! sound.
//!
//! Dead space arises all the time, as records pass through the segments, too. So a thread of its own rewrites what is
//! worth it, in small steps and while nobody commits; [`compact`] does the same at once. LMDB's own file does not
//! shrink; its free pages are used again.

use std::{
    collections::BTreeSet,
    sync::{PoisonError, atomic::Ordering, mpsc::Sender},
    time::Duration,
};

use bytes::Bytes;
use postrider_engine::EngineError;

use crate::{
    LmdbOptions, Shared, bodies,
    committer::{Request, Work, submit},
    error::from_io,
    frame::{Frame, FrameBody, Operation},
    group::Move,
    layout::{self, Location, SegmentAccount},
    segment_file::{HEADER_BYTES, SegmentHeader},
    view::View,
};

/// Waiting for a pause in the commits is given up after so many times the wanted length of the pause.
const PATIENCE: u32 = 100;

/// How much a compaction gives way to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// It was asked for.
    AtOnce,
    /// It goes on when nobody commits.
    Gentle,
}

/// Compacts every segment that is worth it.
pub(crate) fn compact(shared: &Shared, sender: &Sender<Request>) -> Result<(), EngineError> {
    shared.overlay.flush()?;
    for (segment, account) in accounts(shared)? {
        if is_worth_it(&account, shared.options.compact_live_percent) {
            Compaction::new(shared, sender, segment, Pace::AtOnce).run(account)?;
        }
    }
    // When what was moved has been applied, the segments it came from are gone.
    shared.overlay.sweep()
}

/// Compacts, until the engine is closed, whatever becomes worth it.
pub(crate) fn run(shared: &Shared, sender: &Sender<Request>) {
    // A segment that is still there after it was rewritten holds something damaged, and would be rewritten for ever.
    let mut rewritten = BTreeSet::new();
    while shared.wait_for_compaction() {
        let _alone = shared.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = accounts(shared).and_then(|accounts| {
            accounts.into_iter().try_for_each(|(segment, account)| {
                let is_worth_it = is_worth_it_unasked(&account, &shared.options) && shared.overlay.is_settled(segment);
                if is_worth_it && !rewritten.contains(&segment) {
                    Compaction::new(shared, sender, segment, Pace::Gentle).run(account)?;
                    rewritten.insert(segment);
                }
                Ok(())
            })
        });
        match outcome {
            Ok(()) | Err(EngineError::Closed) => {}
            // It is tried again when something has been deleted again.
            Err(error) => tracing::warn!(%error, "could not compact"),
        }
    }
}

fn accounts(shared: &Shared) -> Result<Vec<(u64, SegmentAccount)>, EngineError> {
    shared.environment.accounts(&shared.environment.read()?)
}

fn is_worth_it(account: &SegmentAccount, live_percent: u8) -> bool {
    let all = u128::from(account.end.saturating_sub(HEADER_BYTES));
    account.live_bodies == 0 || u128::from(account.live_bytes) * 100 < all * u128::from(live_percent)
}

/// Whether a segment is to be rewritten without being asked to.
pub(crate) fn is_worth_it_unasked(account: &SegmentAccount, options: &LmdbOptions) -> bool {
    account.live_bodies > 0
        && account.dead_bytes() >= options.compact_dead_bytes_min
        && is_worth_it(account, options.compact_live_percent)
}

/// The compaction of one segment.
struct Compaction<'a> {
    shared: &'a Shared,
    sender: &'a Sender<Request>,
    victim: u64,
    pace: Pace,
    moves: Vec<Move>,
    bytes: usize,
}

impl<'a> Compaction<'a> {
    fn new(shared: &'a Shared, sender: &'a Sender<Request>, victim: u64, pace: Pace) -> Self {
        Self { shared, sender, victim, pace, moves: Vec::new(), bytes: 0 }
    }

    fn run(mut self, account: SegmentAccount) -> Result<(), EngineError> {
        if self.pace == Pace::AtOnce {
            self.submit(Work::Leave(self.victim))?;
        }
        if account.live_bodies > 0 {
            self.move_all(account.end)?;
            self.flush()?;
            tracing::debug!(segment = self.victim, "compacted");
        }
        Ok(())
    }

    fn move_all(&mut self, end: u64) -> Result<(), EngineError> {
        let state = self.shared.overlay.load();
        let file = match self.shared.segments.file(&state.table, self.victim) {
            Ok(file) => file,
            // `verify` tells; the other segments can still be compacted.
            Err(EngineError::Damaged(fault)) => return self.give_up(&fault),
            Err(error) => return Err(error),
        };
        let victim = self.victim;
        let failed = |error| from_io(format_args!("segment {victim}"), error);
        let Some(header) = SegmentHeader::read(&file).map_err(failed)? else {
            return self.give_up("it has no header");
        };
        let mut position = HEADER_BYTES;
        while position < end {
            self.shared.check_open()?;
            let found = Frame::read(&file, &header, position, end).map_err(failed)?;
            let Some(frame) = found else { return self.give_up("a frame is damaged") };
            for operation in frame.operations() {
                let Operation::PutBody(key, FrameBody { offset, length, checksum }) = operation else { continue };
                let offset = frame.contents_offset + offset;
                self.take(key, Location { segment: self.victim, offset, length, checksum })?;
            }
            position = frame.end;
        }
        Ok(())
    }

    fn give_up(&self, fault: &str) -> Result<(), EngineError> {
        tracing::error!(segment = self.victim, fault, "a segment cannot be compacted");
        Ok(())
    }

    /// Reads a body, if a key still names it there, and adds it to those that will be moved.
    fn take(&mut self, key: &[u8], location: Location) -> Result<(), EngineError> {
        let view = View::now(self.shared)?;
        if !view.body(self.shared, key)?.is_some_and(|named| named.is_at(key, &location)) {
            return Ok(());
        }
        let length = usize::try_from(location.length).unwrap_or(usize::MAX);
        let mut content = vec![0; length];
        bodies::read_at(self.shared, &view.state.table, key, location, 0, &mut content)?;
        drop(view);
        if layout::checksum(key, &content) != location.checksum {
            tracing::error!(segment = self.victim, key = %key.escape_ascii(), "a body does not match its checksum");
            return Ok(());
        }
        self.bytes += length;
        self.moves.push(Move { key: key.to_vec(), from: location, content: Bytes::from(content) });
        let options = &self.shared.options;
        if self.bytes >= options.compact_frame_bytes || self.moves.len() >= options.frame_operations_max {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), EngineError> {
        self.bytes = 0;
        let moves = std::mem::take(&mut self.moves);
        if moves.is_empty() {
            return Ok(());
        }
        if self.pace == Pace::Gentle {
            self.wait_for_a_pause()?;
        }
        self.submit(Work::Relocate(moves))
    }

    /// Waits until nobody has committed for a while, but not for ever.
    fn wait_for_a_pause(&self) -> Result<(), EngineError> {
        let pause = Duration::from_millis(self.shared.options.compact_idle_milliseconds);
        let mut before = self.shared.commits.load(Ordering::Relaxed);
        for _ in 0..PATIENCE {
            self.shared.sleep(pause)?;
            let now = self.shared.commits.load(Ordering::Relaxed);
            if now == before {
                break;
            }
            before = now;
        }
        Ok(())
    }

    fn submit(&self, work: Work) -> Result<(), EngineError> {
        submit(self.sender, work).blocking_recv().unwrap_or(Err(EngineError::Closed))
    }
}
