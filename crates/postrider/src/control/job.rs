//! Long work over the control socket: told of while it goes on, and given up when nobody listens any more.
//!
//! The answer is a line of JSON for each event. The work is a future that is dropped when the connection ends, so that
//! Ctrl-C at the command line ends it here; whatever it has made durable by then stays.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use anyhow::Result;
use axum::{
    body::{Body, Bytes},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use hyper::body::Frame;
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, time::Instant};

use super::{api::Failure, error::ApiError};

/// How often progress is told at most.
const PROGRESS_STEP: Duration = Duration::from_millis(200);
/// Events that wait for a slow reader; beyond that the work waits.
const EVENTS_WAITING_MAX: usize = 64;

/// What is told of long work. The last event is `Done` or `Failed`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event<T> {
    /// How far it is.
    Progress(Progress),
    /// Something that people should know, such as a fault that was found.
    Note(String),
    /// The outcome.
    Done(T),
    /// Why there is none.
    Failed(Failure),
}

/// How far work is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done, in a few words.
    pub doing: String,
    /// Messages done.
    pub messages: u64,
    /// Messages there are, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_total: Option<u64>,
    /// Bytes done.
    #[serde(default)]
    pub bytes: u64,
    /// Bytes there are, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_total: Option<u64>,
}

/// Where work tells how far it is.
#[derive(Debug)]
pub struct Reporter {
    audience: Audience,
    told: Mutex<Option<Instant>>,
}

/// Who listens to a [`Reporter`].
#[derive(Debug)]
enum Audience {
    /// Who asked for the work.
    Lines(mpsc::Sender<Bytes>),
    /// Nobody but who reads the log, where the work has this name.
    Log(String),
}

impl Reporter {
    /// Tells the log, at level `debug`, as nobody asked for the work.
    pub fn to_log(name: String) -> Arc<Self> {
        Arc::new(Self { audience: Audience::Log(name), told: Mutex::default() })
    }

    /// Tells progress, but not more often than anybody can read.
    pub fn progress(&self, progress: impl FnOnce() -> Progress) {
        let Audience::Lines(lines) = &self.audience else { return };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|last| last.elapsed() < PROGRESS_STEP) {
            return;
        }
        *told = Some(Instant::now());
        // With a full channel the reader is behind, and the next one will do.
        let _ = lines.try_send(line(&Event::<()>::Progress(progress())));
    }

    /// Tells something that people should know.
    pub async fn note(&self, note: String) {
        match &self.audience {
            Audience::Lines(_) => self.tell(&Event::<()>::Note(note)).await,
            Audience::Log(name) => tracing::debug!("{name}: {note}"),
        }
    }

    async fn tell<T: Serialize>(&self, event: &Event<T>) {
        if let Audience::Lines(lines) = &self.audience {
            let _ = lines.send(line(event)).await;
        }
    }
}

/// Does long work and answers with its events.
pub fn answer<T, Work>(work: impl FnOnce(Arc<Reporter>) -> Work) -> Response
where
    T: Serialize + Send + Sync + 'static,
    Work: Future<Output = Result<T>> + Send + 'static,
{
    let (lines, receiver) = mpsc::channel(EVENTS_WAITING_MAX);
    let reporter = Arc::new(Reporter { audience: Audience::Lines(lines.clone()), told: Mutex::default() });
    let work = work(Arc::clone(&reporter));
    tokio::spawn(async move {
        tokio::select! {
            outcome = work => match outcome {
                Ok(done) => reporter.tell(&Event::Done(done)).await,
                Err(error) => reporter.tell(&Event::<()>::Failed(ApiError::from(error).into_failure())).await,
            },
            () = lines.closed() => tracing::info!("gave up work that nobody waits for any more"),
        }
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::new(Lines { receiver })).into_response()
}

fn line<T: Serialize>(event: &Event<T>) -> Bytes {
    // Events are plain structures of numbers and texts, which always have a JSON form.
    let mut line = serde_json::to_vec(event).unwrap_or_default();
    line.push(b'\n');
    Bytes::from(line)
}

/// A response body that grows as lines come.
struct Lines {
    receiver: mpsc::Receiver<Bytes>,
}

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.receiver.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}
