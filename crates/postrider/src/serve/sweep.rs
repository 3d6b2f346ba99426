//! Expunged messages that were kept for long enough are let go, now and then, of all accounts.

use std::{sync::Arc, time::Duration};

use postrider_net::Shutdown;
use postrider_store::Store;

/// The longest time between two looks, in seconds.
const PAUSE_SECONDS_MAX: u64 = 600;

/// Looks at once, then again and again until the server stops. Nothing waits for it, and it may be broken off anywhere.
pub(super) async fn run(store: Arc<Store>, mut shutdown: Shutdown) {
    let kept_seconds = store.options().expunged_kept_seconds;
    // Who keeps messages for an hour does not want them for much longer.
    let pause = Duration::from_secs((kept_seconds / 10).clamp(1, PAUSE_SECONDS_MAX));
    loop {
        let swept = tokio::select! {
            swept = store.sweep_expunged() => swept,
            () = shutdown.requested() => return,
        };
        match swept {
            Ok(0) => {}
            Ok(messages) => tracing::info!(messages, "let go what was expunged long enough ago"),
            Err(error) => tracing::warn!(%error, "expunged messages could not be let go"),
        }
        // Where nothing is kept, what a longer time left behind is gone now.
        if kept_seconds == 0 {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.requested() => return,
        }
    }
}
