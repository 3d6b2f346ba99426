//! The memory that Argon2 computes in: used again while logins follow one another, given back when they stop.
//!
//! A computation needs some 20 MiB for some 20 ms. To get it from the system every time costs a tenth of that; to
//! keep it for ever makes a large process of an idle server. So buffers wait a while for the next login. There are never
//! more of them than computations run at a time, because who computes has a turn.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use argon2::Block;
use tokio::{runtime::Handle, time};

use crate::AccountsError;

/// How long buffers are kept without a login.
const KEPT_FOR: Duration = Duration::from_secs(5);
/// What is asked of the allocator at least, in blocks. glibc maps what is larger than 32 MiB by itself and unmaps it when
/// it is freed; smaller pieces go to arenas after the first one was freed, and stay there. Pages that are never touched
/// take no memory.
const ALLOCATION_BLOCKS_MIN: usize = 33 * 1024 * 1024 / Block::SIZE;

/// Buffers between computations.
pub(super) struct Memory {
    /// The size of the buffers that are kept; those of another are made for one use.
    blocks: usize,
    idle: Mutex<Idle>,
    /// For the task that lets buffers go.
    this: Weak<Memory>,
}

#[derive(Default)]
struct Idle {
    buffers: Vec<Vec<Block>>,
    /// Grows with every use, which is how a task that waited knows whether there was a login meanwhile.
    uses: u64,
    /// Whether there is a task that waits to let buffers go.
    watched: bool,
}

impl Memory {
    /// No buffer yet, and later those of this many blocks.
    pub(super) fn new(blocks: usize) -> Arc<Self> {
        Arc::new_cyclic(|this| Self { blocks, idle: Mutex::default(), this: this.clone() })
    }

    /// Runs a computation in a buffer of at least `blocks` blocks. What the buffer holds before is left over from another
    /// computation, and Argon2 overwrites it.
    pub(super) fn lend<T>(&self, blocks: usize, work: impl FnOnce(&mut [Block]) -> T) -> Result<T, AccountsError> {
        if blocks != self.blocks {
            return Ok(work(&mut allocate(blocks)?));
        }
        let kept = self.idle().buffers.pop();
        let mut buffer = match kept {
            Some(buffer) => buffer,
            None => allocate(blocks)?,
        };
        let result = work(&mut buffer);
        self.keep(buffer);
        Ok(result)
    }

    /// Keeps a buffer for the next computation, if there is a runtime to let it go later.
    fn keep(&self, buffer: Vec<Block>) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut idle = self.idle();
        idle.buffers.push(buffer);
        idle.uses += 1;
        if !idle.watched {
            idle.watched = true;
            runtime.spawn(let_go(Weak::clone(&self.this)));
        }
    }

    /// What is kept. A thread that panicked here left nothing half done.
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until a while has passed without a login, and frees the buffers.
async fn let_go(memory: Weak<Memory>) {
    let mut uses = None;
    loop {
        time::sleep(KEPT_FOR).await;
        let Some(memory) = memory.upgrade() else { return };
        let mut idle = memory.idle();
        if uses == Some(idle.uses) {
            idle.buffers = Vec::new();
            idle.watched = false;
            return;
        }
        uses = Some(idle.uses);
    }
}

fn allocate(blocks: usize) -> Result<Vec<Block>, AccountsError> {
    let mut buffer = Vec::new();
    let reserved = buffer.try_reserve_exact(blocks.max(ALLOCATION_BLOCKS_MIN));
    reserved.map_err(|error| AccountsError::Hashing(error.to_string()))?;
    buffer.resize(blocks, Block::new());
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(memory: &Memory) -> usize {
        memory.idle().buffers.len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_buffer_is_used_again_and_let_go_after_a_while_without_logins() {
        let memory = Memory::new(8);
        let first = memory.lend(8, |blocks| blocks.as_ptr().addr()).unwrap();
        for _ in 0..5 {
            time::sleep(KEPT_FOR / 2).await;
            assert_eq!(memory.lend(8, |blocks| blocks.as_ptr().addr()).unwrap(), first);
            assert_eq!(kept(&memory), 1);
        }
        time::sleep(KEPT_FOR * 3).await;
        assert_eq!(kept(&memory), 0);
        memory.lend(8, |_| ()).unwrap();
        assert_eq!(kept(&memory), 1);
        time::sleep(KEPT_FOR * 3).await;
        assert_eq!(kept(&memory), 0);
    }

    #[tokio::test]
    async fn as_many_buffers_are_kept_as_were_used_at_a_time() {
        let memory = Memory::new(8);
        memory.lend(8, |_| memory.lend(8, |_| ()).unwrap()).unwrap();
        assert_eq!(kept(&memory), 2);
        memory.lend(8, |_| memory.lend(8, |_| ()).unwrap()).unwrap();
        assert_eq!(kept(&memory), 2);
    }

    #[tokio::test]
    async fn a_buffer_of_another_size_is_made_for_one_use() {
        let memory = Memory::new(8);
        assert_eq!(memory.lend(16, |blocks| blocks.len()).unwrap(), 16);
        assert_eq!(kept(&memory), 0);
        assert!(matches!(memory.lend(usize::MAX, |_| ()), Err(AccountsError::Hashing(_))));
    }
}
