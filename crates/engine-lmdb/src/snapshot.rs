//! One committed state, held open.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use postrider_engine::{BodyRange, BoxFuture, Direction, EngineError, KeyRange, Read, RecordVisitor, ValueVisitor};

use crate::{
    Shared, bodies,
    read::{self, ready},
    view::View,
};

/// A view that outlives the call that opened it.
pub(crate) struct Snapshot {
    /// LMDB lets one thread at a time use a transaction.
    view: Mutex<View<'static>>,
    shared: Arc<Shared>,
    /// Its place among the open snapshots.
    number: u64,
}

impl Snapshot {
    /// Opens one.
    pub fn open(shared: &Arc<Shared>) -> Result<Self, EngineError> {
        let view = View::open(shared, || shared.environment.env.clone().static_read_txn())?;
        let mut readers = shared.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let number = readers.last_key_value().map_or(0, |(last, _)| last + 1);
        readers.insert(number, Instant::now());
        drop(readers);
        Ok(Self { view: Mutex::new(view), shared: Arc::clone(shared), number })
    }

    fn with<T>(&self, read: impl FnOnce(&Shared, &View<'static>) -> T) -> T {
        // A visitor that panicked has changed nothing here.
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        read(&self.shared, &view)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.shared.readers.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

impl Read for Snapshot {
    fn get<'a>(
        &'a self,
        keys: &'a [Vec<u8>],
        visit: &'a mut ValueVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        ready(self.with(|shared, view| read::get(shared, view, keys, visit)))
    }

    fn scan<'a>(
        &'a self,
        range: &'a KeyRange,
        direction: Direction,
        visit: &'a mut RecordVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        ready(self.with(|shared, view| read::scan(shared, view, range, direction, visit)))
    }

    fn bodies<'a>(
        &'a self,
        wanted: &'a [BodyRange],
        visit: &'a mut ValueVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        ready(self.with(|shared, view| bodies::bodies(shared, view, wanted, visit)))
    }

    fn scan_bodies<'a>(
        &'a self,
        range: &'a KeyRange,
        visit: &'a mut (dyn FnMut(&[u8], u64) -> ControlFlow<()> + Send),
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        ready(self.with(|shared, view| read::scan_bodies(shared, view, range, visit)))
    }
}
