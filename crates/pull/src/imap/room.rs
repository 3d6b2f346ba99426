//! What is left of an account's quota, where several fetch into it at a time.
//!
//! Before messages are asked for, room for them is reserved, so that two who look at the same moment do not both take what is left.
//! Where all of what is wanted does not fit beside what others have reserved, it is waited for them: only who is alone is told that
//! there is not enough.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Room in an account.
#[derive(Debug, Default)]
pub(crate) struct Room {
    reserved_bytes: Mutex<u64>,
    changed: Notify,
}

/// Room that was reserved, until this is dropped.
#[derive(Debug)]
pub(crate) struct Reserved<'a> {
    room: &'a Room,
    bytes: u64,
}

impl Room {
    /// Reserves so many bytes, or as many as there are. `free` tells what the account has left without regard to reservations.
    pub(crate) async fn reserve(&self, bytes: u64, free: impl Fn() -> u64) -> Reserved<'_> {
        loop {
            let changed = self.changed.notified();
            {
                let mut reserved = self.lock();
                if bytes <= free().saturating_sub(*reserved) || *reserved == 0 {
                    let bytes = bytes.min(free());
                    *reserved += bytes;
                    return Reserved { room: self, bytes };
                }
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.reserved_bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reserved<'_> {
    /// How many bytes may be taken.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut reserved = self.room.lock();
        *reserved = reserved.saturating_sub(self.bytes);
        drop(reserved);
        self.room.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_does_not_fit_beside_others_waits_and_who_is_alone_gets_what_there_is() {
        let room = Room::default();
        let first = room.reserve(60, || 100).await;
        let second = room.reserve(40, || 100).await;
        assert_eq!((first.bytes(), second.bytes()), (60, 40));
        let mut third = Box::pin(room.reserve(30, || 10));
        assert!(futures_pending(&mut third).await);
        drop(first);
        assert!(futures_pending(&mut third).await);
        drop(second);
        assert_eq!(third.await.bytes(), 10);
    }

    async fn futures_pending<F: Future + Unpin>(future: &mut F) -> bool {
        tokio::select! {
            biased;
            _ = future => false,
            () = std::future::ready(()) => true,
        }
    }
}
