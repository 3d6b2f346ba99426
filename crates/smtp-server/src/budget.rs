//! The memory that content on its way may take, all sessions together.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A bound on bytes held, shared by all sessions.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    held: Arc<AtomicU64>,
    bytes_max: u64,
}

/// What one message holds of it; given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Budget,
    bytes: u64,
}

impl Budget {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { held: Arc::default(), bytes_max }
    }

    pub(crate) fn reserve(&self) -> Reservation {
        Reservation { budget: self.clone(), bytes: 0 }
    }
}

impl Reservation {
    /// Holds at least `bytes`; answers whether there was room.
    pub(crate) fn grow_to(&mut self, bytes: u64) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return true;
        }
        // The counter guards memory, not other data: no order with anything else is needed.
        let held = self.budget.held.fetch_add(more, Ordering::Relaxed).saturating_add(more);
        self.bytes += more;
        held <= self.budget.bytes_max
    }

    /// Gives everything back.
    pub(crate) fn release(&mut self) {
        self.budget.held.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_and_given_back() {
        let budget = Budget::new(100);
        let (mut one, mut two) = (budget.reserve(), budget.reserve());
        assert!(one.grow_to(60) && one.grow_to(60) && one.grow_to(10));
        assert!(two.grow_to(40));
        assert!(!two.grow_to(41));
        two.release();
        drop(one);
        assert!(two.grow_to(100));
    }
}
