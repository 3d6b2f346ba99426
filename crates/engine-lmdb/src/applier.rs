//! The thread that writes to LMDB what is durable in the journal, out of the way of those who commit.
//!
//! Several groups share one transaction: the first waits for some tens of milliseconds, or until there is much. The end
//! of the last frame is stored in the same transaction, so a frame is applied once, whenever the process ends. What
//! cannot be applied (the device is full) stays in the journal and in the overlay, is tried again, and is served
//! meanwhile; when the overlay is full, commits are refused. After a transaction, segments in which nothing is left are
//! unlinked: that needs no rewriting, and is how the journal's own space comes back.

use std::{
    ops::ControlFlow,
    sync::{Arc, TryLockError, atomic::Ordering},
    time::Duration,
};

use postrider_engine::EngineError;

use crate::{
    apply::{Accounts, Apply},
    error::{from_heed, from_io},
    overlay::Task,
    run::Run,
    shared::Shared,
};

/// Between attempts to apply what could not be applied, at first and at most.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(2);

/// The applier's state.
pub(crate) struct Applier {
    shared: Arc<Shared>,
    accounts: Accounts,
}

impl Drop for Applier {
    fn drop(&mut self) {
        self.shared.overlay.applier_ended();
    }
}

impl Applier {
    /// An applier that knows the accounts that are in LMDB.
    pub fn new(shared: Arc<Shared>, accounts: Accounts) -> Self {
        Self { shared, accounts }
    }

    /// Applies until all is applied and no more will come.
    pub fn run(mut self) {
        loop {
            let done = match self.shared.overlay.next_task() {
                Task::Apply(run) => self.apply_at_last(&run),
                Task::Sweep(run) => self.sweep(&run),
                Task::End => return,
            };
            if done.is_break() {
                tracing::warn!("what could not be applied stays in the journal until the next opening");
                return;
            }
        }
    }

    fn apply_at_last(&mut self, run: &Run) -> ControlFlow<()> {
        self.at_last("changes in the journal could not be written to LMDB", |applier| applier.apply(run))
    }

    fn sweep(&mut self, run: &Run) -> ControlFlow<()> {
        let is_dead = self.accounts.values().any(|account| account.live_bodies == 0);
        self.at_last(
            "empty segments could not be removed",
            |applier| if is_dead { applier.apply(run) } else { Ok(()) },
        )?;
        self.shared.overlay.swept();
        ControlFlow::Continue(())
    }

    /// Tries again and again, and tells of it once.
    fn at_last(&mut self, trouble: &str, work: impl Fn(&mut Self) -> Result<(), EngineError>) -> ControlFlow<()> {
        let mut pause = RETRY_PAUSE;
        while let Err(error) = work(self) {
            if pause == RETRY_PAUSE {
                tracing::error!(%error, "{trouble}; it is tried again until they can");
            }
            if !self.shared.overlay.failed(error, pause) {
                return ControlFlow::Break(());
            }
            pause = (pause * 2).min(RETRY_PAUSE_MAX);
        }
        if pause > RETRY_PAUSE {
            tracing::info!("LMDB could be written again");
        }
        ControlFlow::Continue(())
    }

    /// Applies a run, and removes what has become empty.
    fn apply(&mut self, run: &Run) -> Result<(), EngineError> {
        let shared = Arc::clone(&self.shared);
        // A copy that is being made needs every segment it may find named.
        let retiring = match shared.retiring.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        let settled = |number| retiring.is_some() && shared.overlay.is_settled(number);
        let retired = transact(&shared, run, &mut self.accounts, settled)?;
        let used = shared.environment.read().and_then(|txn| shared.environment.map_used(&txn)).unwrap_or_default();
        shared.overlay.applied(run.tail, used, &retired);
        retired.iter().for_each(|number| shared.segments.close(*number));
        drop(retiring);
        if self.accounts.values().any(|account| crate::compact::is_worth_it_unasked(account, &shared.options)) {
            shared.wake_compaction();
        }
        Ok(())
    }
}

/// Writes a run in one transaction, with the applied position. Answers which segments `is_settled` allowed to forget.
pub(crate) fn transact(
    shared: &Shared,
    run: &Run,
    accounts: &mut Accounts,
    is_settled: impl Fn(u64) -> bool,
) -> Result<Vec<u64>, EngineError> {
    let attempt = |accounts: &Accounts| {
        let environment = &shared.environment;
        let mut txn = environment.env.write_txn().map_err(from_heed)?;
        let mut apply = Apply::new(environment.databases, &mut txn, accounts);
        apply.run(run)?;
        let retired = apply.retire(&is_settled);
        let changed = apply.finish()?;
        environment.put_applied(&mut txn, run.tail)?;
        shared.disk.before_apply().map_err(|error| from_io("LMDB", error))?;
        txn.commit().map_err(from_heed)?;
        shared.transactions.fetch_add(1, Ordering::Relaxed);
        Ok((retired, changed))
    };
    let (retired, changed) = loop {
        let alone = shared.room.alone_if_full();
        let outcome = match attempt(accounts) {
            // LMDB uses the pages that a transaction freed only from the next but one on.
            Err(EngineError::Full(_)) => advance(shared).and_then(|()| attempt(accounts)),
            outcome => outcome,
        };
        let error = match outcome {
            Ok(done) => break done,
            Err(error) => error,
        };
        let may_lack_room = matches!(error, EngineError::Full(_) | EngineError::Io(_));
        let has_given = may_lack_room && alone.is_none() && shared.room.give(&*shared.disk);
        // It may have taken all the room there was. LMDB tells by and by if it cannot go on.
        let _ = shared.environment.cut_unused();
        match error {
            _ if has_given => {}
            // LMDB tells of a write that was cut short, as the last one before a full device is, as any other failure.
            EngineError::Io(failure) if shared.room.is_full() => return Err(EngineError::Full(failure)),
            error => return Err(error),
        }
    };
    for (segment, account) in changed {
        match account {
            Some(account) => drop(accounts.insert(segment, account)),
            None => drop(accounts.remove(&segment)),
        }
    }
    Ok(retired)
}

/// Commits next to nothing.
fn advance(shared: &Shared) -> Result<(), EngineError> {
    let environment = &shared.environment;
    let mut txn = environment.env.write_txn().map_err(from_heed)?;
    let applied = environment.applied(&txn)?;
    environment.put_applied(&mut txn, applied)?;
    txn.commit().map_err(from_heed)
}
