//! The overlay: what is durable in the journal and not yet in LMDB.
//!
//! A reader takes the published [`State`] and a transaction of LMDB, and looks whether the state is still the same one
//! ([`View::open`](crate::view::View::open)). If it is, LMDB has no change that the state does not know; it may already
//! have some that the state still holds, but putting them on top once more changes nothing
//! ([`layer`](crate::layer)). So the two together are exactly one committed state, no lock is held while it is read,
//! and a snapshot stays right for as long as it lives, because nothing that is published is ever changed.
//!
//! Runs are sealed before they are applied: what comes later is not merged with them, so that they can be dropped as
//! soon as LMDB has them. [`Control`] is what the writing threads tell each other.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use postrider_engine::EngineError;

use crate::{
    LmdbOptions,
    layer::{Found, Layer},
    run::{self, BodyPlace, Cost, Position, Run},
    segments::{Segment, SegmentTable},
};

/// What is published to readers; never changed, only replaced.
#[derive(Debug)]
pub(crate) struct State {
    /// Changes that LMDB may not have, the oldest first.
    runs: Vec<Arc<Run>>,
    /// How many of these are being applied.
    sealed: usize,
    /// The segments that this state can name.
    pub table: Arc<SegmentTable>,
    /// The end of the last frame that was acknowledged.
    pub committed: Position,
}

impl State {
    /// The layers of records, the newest first.
    pub fn records(&self) -> impl Iterator<Item = &Layer<Bytes>> {
        self.runs.iter().rev().map(|run| &run.records)
    }

    /// The layers of bodies, the newest first.
    pub fn bodies(&self) -> impl Iterator<Item = &Layer<BodyPlace>> {
        self.runs.iter().rev().map(|run| &run.bodies)
    }

    /// Whether LMDB has everything.
    pub fn is_clean(&self) -> bool {
        self.runs.is_empty()
    }

    /// Where the frames end, in the segments that have some that LMDB may not have.
    pub fn ends(&self) -> impl Iterator<Item = (u64, u64)> {
        self.runs.iter().flat_map(|run| run.ends.iter().map(|(segment, end)| (*segment, *end)))
    }

    fn cost(&self) -> Cost {
        self.runs.iter().fold(Cost::default(), |sum, run| sum.plus(run.cost))
    }

    /// The same with all runs sealed.
    fn sealed(&self) -> Self {
        let (runs, table) = (self.runs.clone(), Arc::clone(&self.table));
        Self { sealed: runs.len(), runs, table, committed: self.committed }
    }

    /// The table without some segments, whose files go when nobody can name them any more.
    fn table_without(&self, retired: &[u64]) -> SegmentTable {
        let mut table = SegmentTable::clone(&self.table);
        retired.iter().filter_map(|number| table.remove(number)).for_each(|segment| segment.retire());
        table
    }

    fn with_table(&self, table: SegmentTable) -> Self {
        Self { runs: self.runs.clone(), sealed: self.sealed, table: Arc::new(table), committed: self.committed }
    }
}

/// What layers, the newest first, say of a key.
pub(crate) fn find<'a, V: 'a>(layers: impl Iterator<Item = &'a Layer<V>>, key: &[u8]) -> Found<'a, V> {
    for layer in layers {
        match layer.find(key) {
            Found::Below => {}
            found => return found,
        }
    }
    Found::Below
}

/// What the writing threads tell each other.
#[derive(Debug, Default)]
struct Control {
    /// When the oldest run that is not sealed was published.
    waiting_since: Option<Instant>,
    /// No more commits will come.
    is_finishing: bool,
    /// Frames up to this number are to be applied at once.
    wanted: u64,
    /// Frames up to this number are applied.
    applied: u64,
    /// How often dead segments were to be looked for, and how often they were.
    sweeps_wanted: u64,
    sweeps_done: u64,
    /// The applier has ended.
    has_ended: bool,
    /// Why the last attempt to apply failed, until one succeeds.
    trouble: Option<EngineError>,
    /// The segment that the journal writes to.
    current_segment: Option<u64>,
    /// Bytes of LMDB's map in use after the last transaction.
    map_used: u64,
}

impl Control {
    /// Whether somebody waits for what is committed to be applied.
    fn is_hurried(&self) -> bool {
        self.wanted > self.applied || self.sweeps_wanted > self.sweeps_done
    }
}

/// The overlay.
#[derive(Debug)]
pub(crate) struct Overlay {
    state: ArcSwap<State>,
    control: Mutex<Control>,
    /// To the applier: there is something to do.
    work: Condvar,
    /// To those who wait for the applier.
    progress: Condvar,
    memory_bytes_max: usize,
    apply_bytes: usize,
    apply_interval: Duration,
    map_bytes_max: u64,
}

impl Overlay {
    /// An overlay over an LMDB that has everything up to `applied`, with what follows that, up to `committed`.
    pub fn new(
        options: &LmdbOptions,
        table: SegmentTable,
        [applied, committed]: [Position; 2],
        runs: Vec<Arc<Run>>,
        map_used: u64,
    ) -> Self {
        let state = State { runs, sealed: 0, table: Arc::new(table), committed };
        Self {
            state: ArcSwap::from_pointee(state),
            control: Mutex::new(Control { applied: applied.sequence, map_used, ..Control::default() }),
            work: Condvar::new(),
            progress: Condvar::new(),
            memory_bytes_max: options.overlay_bytes_max,
            apply_bytes: options.apply_bytes.min(options.overlay_bytes_max),
            apply_interval: Duration::from_millis(options.apply_milliseconds),
            map_bytes_max: options.map_bytes_max,
        }
    }

    /// The state as it is now.
    pub fn load(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// Whether this is still the state.
    pub fn is_current(&self, state: &Arc<State>) -> bool {
        Arc::ptr_eq(&self.state.load(), state)
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room in memory for another group.
    ///
    /// # Errors
    /// When there is none and the applier cannot make any.
    pub fn wait_for_room(&self) -> Result<(), EngineError> {
        let mut control = self.control();
        while self.state.load().cost().memory > self.memory_bytes_max {
            if let Some(trouble) = &control.trouble {
                return Err(trouble.clone());
            }
            control = self.progress.wait(control).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// What LMDB's map will have in use when all that is committed is applied, and the most that it may.
    pub fn map_room(&self) -> u64 {
        let used = self.control().map_used;
        self.map_bytes_max.saturating_sub(used.saturating_add(self.state.load().cost().map))
    }

    /// Makes a durable run visible. All publishing is done under the lock, so none is lost.
    pub fn publish(&self, run: Run) {
        let mut control = self.control();
        let state = self.state.load_full();
        let (committed, mut runs) = (run.tail, state.runs.clone());
        run::push(&mut runs, state.sealed, run);
        let next = State { runs, sealed: state.sealed, table: Arc::clone(&state.table), committed };
        let is_much = next.cost().memory >= self.apply_bytes;
        self.state.store(Arc::new(next));
        if control.waiting_since.is_none() {
            control.waiting_since = Some(Instant::now());
            self.work.notify_one();
        } else if is_much {
            self.work.notify_one();
        }
    }

    /// Enters a new segment, which the journal will write to.
    pub fn begin_segment(&self, number: u64, segment: Arc<Segment>) {
        let mut control = self.control();
        control.current_segment = Some(number);
        let state = self.state.load_full();
        let mut table = SegmentTable::clone(&state.table);
        table.insert(number, segment);
        self.state.store(Arc::new(state.with_table(table)));
    }

    /// Says that the journal will not write to its segment any more.
    pub fn end_segment(&self) {
        self.control().current_segment = None;
    }

    /// Takes segments out of the table. Their files go when the last reader does that can name them.
    pub fn retire(&self, numbers: &[u64]) {
        let _control = self.control();
        let state = self.state.load_full();
        let table = state.table_without(numbers);
        self.state.store(Arc::new(state.with_table(table)));
    }

    /// Whether nothing will name this segment in future but what LMDB has applied up to the sealed runs.
    pub fn is_settled(&self, number: u64) -> bool {
        let control = self.control();
        let state = self.state.load();
        let later = state.runs.get(state.sealed..).unwrap_or_default();
        control.current_segment != Some(number) && !later.iter().any(|run| run.ends.contains_key(&number))
    }

    /// Waits for something to do. Runs that are to be applied are sealed.
    pub fn next_task(&self) -> Task {
        let mut control = self.control();
        loop {
            let state = self.state.load_full();
            if state.runs.is_empty() && control.sweeps_wanted > control.sweeps_done {
                return Task::Sweep(Run::empty(state.committed));
            }
            if state.runs.is_empty() && control.is_finishing {
                return Task::End;
            }
            let left = match control.waiting_since {
                _ if state.runs.is_empty() => None,
                _ if control.is_finishing || control.is_hurried() => Some(Duration::ZERO),
                _ if state.cost().memory >= self.apply_bytes => Some(Duration::ZERO),
                since => Some(since.map_or(Duration::ZERO, |at| self.apply_interval.saturating_sub(at.elapsed()))),
            };
            if left == Some(Duration::ZERO) {
                control.waiting_since = None;
                self.state.store(Arc::new(state.sealed()));
                drop(control);
                return Task::Apply(merge_all(&state.runs, state.committed));
            }
            // Held any longer, it would keep the files of segments that go meanwhile.
            drop(state);
            control = match left {
                Some(left) => self.work.wait_timeout(control, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.work.wait(control).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Says that the sealed runs have been applied, and drops them, with the segments that went with them.
    pub fn applied(&self, tail: Position, map_used: u64, retired: &[u64]) {
        let mut control = self.control();
        let state = self.state.load_full();
        let runs = state.runs.get(state.sealed..).unwrap_or_default().to_vec();
        let table = if retired.is_empty() { Arc::clone(&state.table) } else { Arc::new(state.table_without(retired)) };
        self.state.store(Arc::new(State { runs, sealed: 0, table, committed: state.committed }));
        control.applied = tail.sequence;
        control.map_used = map_used;
        control.trouble = None;
        self.progress.notify_all();
    }

    /// Says that the sealed runs could not be applied, and waits before they are tried again. Answers whether they are
    /// to be.
    pub fn failed(&self, error: EngineError, pause: Duration) -> bool {
        let mut control = self.control();
        control.trouble = Some(error);
        self.progress.notify_all();
        if !control.is_finishing {
            control = self.work.wait_timeout(control, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
        !control.is_finishing
    }

    /// Waits until all that was committed before the call is in LMDB.
    pub fn flush(&self) -> Result<(), EngineError> {
        let mut control = self.control();
        let wanted = self.state.load().committed.sequence;
        control.wanted = control.wanted.max(wanted);
        self.wait_for(control, |control| control.applied >= wanted)
    }

    /// Waits until all that was committed before the call is in LMDB and segments in which nothing is left are gone.
    pub fn sweep(&self) -> Result<(), EngineError> {
        self.flush()?;
        let mut control = self.control();
        control.sweeps_wanted += 1;
        let wanted = control.sweeps_wanted;
        self.wait_for(control, |control| control.sweeps_done >= wanted)
    }

    /// Has the applier work at once, and waits until it is done or has failed.
    fn wait_for(
        &self,
        mut control: MutexGuard<'_, Control>,
        is_done: impl Fn(&Control) -> bool,
    ) -> Result<(), EngineError> {
        // An earlier failure says nothing of the attempt to come.
        if !control.has_ended {
            control.trouble = None;
        }
        self.work.notify_one();
        while !is_done(&control) {
            if let Some(trouble) = &control.trouble {
                return Err(trouble.clone());
            }
            control = self.progress.wait(control).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Says that all was swept that there was to sweep when the task was given.
    pub fn swept(&self) {
        let mut control = self.control();
        control.sweeps_done = control.sweeps_wanted;
        control.trouble = None;
        self.progress.notify_all();
    }

    /// Says that no more commits will come.
    pub fn finish(&self) {
        self.control().is_finishing = true;
        self.work.notify_one();
    }

    /// Says that the applier has ended; nobody may wait for it.
    pub fn applier_ended(&self) {
        let mut control = self.control();
        control.has_ended = true;
        control.trouble.get_or_insert(EngineError::Closed);
        self.progress.notify_all();
    }
}

/// All of them as one, the small ones merged first.
fn merge_all(runs: &[Arc<Run>], committed: Position) -> Arc<Run> {
    let Some((last, before)) = runs.split_last() else { return Arc::new(Run::empty(committed)) };
    before.iter().rev().fold(Arc::clone(last), |newer, older| Arc::new(Run::merge(older, &newer)))
}

/// What the applier is to do.
#[derive(Debug)]
pub(crate) enum Task {
    /// To apply the sealed runs.
    Apply(Arc<Run>),
    /// To look for dead segments, when there is nothing to apply.
    Sweep(Run),
    /// To end.
    End,
}
