//! Telling how far the safe's work is, and stopping it when nobody waits for it any more.

use std::{future::Future, sync::Arc};

use postrider_backup::{Cancel, Observer, Phase, Progress};
use tokio::sync::mpsc;

use crate::control::{self, Reporter};

struct Teller {
    reporter: Arc<Reporter>,
    notes: mpsc::UnboundedSender<String>,
}

impl Observer for Teller {
    fn progress(&self, progress: Progress) {
        self.reporter.progress(|| control::Progress {
            doing: words(progress.phase).to_owned(),
            messages: progress.messages,
            messages_total: progress.messages_total,
            bytes: progress.bytes,
            bytes_total: None,
        });
    }

    fn note(&self, note: String) {
        // Nobody listens any more only when the work is over.
        let _ = self.notes.send(note);
    }
}

fn words(phase: Phase) -> &'static str {
    match phase {
        Phase::Preparing => "looking through what is there",
        Phase::Saving => "saving",
        Phase::Checking => "checking files",
        Phase::ReadingBack => "reading back",
        Phase::Restoring => "restoring",
        Phase::Extracting => "writing files",
        Phase::Pruning => "winning back space",
    }
}

/// Stops work when it is dropped: what blocks on other threads does not notice that nobody waits for it.
struct StopWhenLeft(Cancel);

impl Drop for StopWhenLeft {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Does work that tells how far it is and can be stopped.
pub async fn tell<T, Work>(reporter: &Arc<Reporter>, work: impl FnOnce(Arc<dyn Observer>, Cancel) -> Work) -> T
where
    Work: Future<Output = T>,
{
    let (notes, mut told) = mpsc::unbounded_channel();
    let cancel = Cancel::default();
    let _stop = StopWhenLeft(cancel.clone());
    let work = work(Arc::new(Teller { reporter: Arc::clone(reporter), notes }), cancel);
    tokio::pin!(work);
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome,
            Some(note) = told.recv() => reporter.note(note).await,
        }
    };
    while let Ok(note) = told.try_recv() {
        reporter.note(note).await;
    }
    outcome
}
