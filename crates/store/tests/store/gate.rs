//! An engine whose commits wait before a gate until a test lets them through.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use postrider_engine::{
    Batch, BodyRange, BoxFuture, Direction, Engine, EngineError, EngineStatistics, KeyRange, Read, RecordVisitor,
    ValueVisitor, memory::MemoryEngine,
};
use tokio::sync::Semaphore;

pub struct Gate {
    pub memory: Arc<MemoryEngine>,
    passes: Semaphore,
    waiting: AtomicUsize,
}

impl Gate {
    /// A gate that stands open.
    pub fn new() -> Arc<Self> {
        let passes = Semaphore::new(Semaphore::MAX_PERMITS >> 1);
        Arc::new(Self { memory: Arc::new(MemoryEngine::new()), passes, waiting: AtomicUsize::new(0) })
    }

    pub fn close(&self) {
        self.passes.forget_permits(usize::MAX);
    }

    /// Lets `count` commits through.
    pub fn admit(&self, count: usize) {
        self.passes.add_permits(count);
    }

    /// How many commits wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Read for Gate {
    fn get<'a>(
        &'a self,
        keys: &'a [Vec<u8>],
        visit: &'a mut ValueVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.memory.get(keys, visit)
    }

    fn scan<'a>(
        &'a self,
        range: &'a KeyRange,
        direction: Direction,
        visit: &'a mut RecordVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.memory.scan(range, direction, visit)
    }

    fn bodies<'a>(
        &'a self,
        wanted: &'a [BodyRange],
        visit: &'a mut ValueVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.memory.bodies(wanted, visit)
    }

    fn scan_bodies<'a>(
        &'a self,
        range: &'a KeyRange,
        visit: &'a mut (dyn FnMut(&[u8], u64) -> ControlFlow<()> + Send),
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.memory.scan_bodies(range, visit)
    }
}

/// Takes a waiting commit off the count, also when its caller gives up.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Engine for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let waiting = Waiting(&self.waiting);
            let pass = self.passes.acquire().await.map_err(|_| EngineError::Closed)?;
            pass.forget();
            drop(waiting);
            self.memory.commit(batch).await
        })
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Read>, EngineError>> {
        self.memory.snapshot()
    }

    fn verify(&self) -> BoxFuture<'_, Result<Vec<String>, EngineError>> {
        self.memory.verify()
    }

    fn compact(&self) -> BoxFuture<'_, Result<(), EngineError>> {
        self.memory.compact()
    }

    fn statistics(&self) -> BoxFuture<'_, Result<EngineStatistics, EngineError>> {
        self.memory.statistics()
    }
}
