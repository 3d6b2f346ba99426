//! The connection on which a server tells of new mail, held as long as its entry works.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use postrider_pull::{
    Backoff, BackoffOptions, ConnectOptions, Credential, PullError, Remedy, Remote,
    imap::{PushChannel, PushListener, PushOptions},
};
use tokio::{
    sync::{Notify, oneshot},
    task::JoinHandle,
};

use crate::pull::{PullBoard, PushState};

/// Waits for news beside the runs.
pub struct Listener {
    news: Arc<Notify>,
    task: JoinHandle<()>,
    secret: String,
    is_refused: Arc<AtomicBool>,
}

/// What a listener works with.
pub struct Listening {
    /// The entry, on the board.
    pub identity: String,
    /// Where it is told whether news comes.
    pub board: PullBoard,
    /// The server there.
    pub remote: Remote,
    /// What proves who asks.
    pub credential: Credential,
    /// By which it is seen whether that is still the same.
    pub secret: String,
    /// How connections are made.
    pub connect: ConnectOptions,
    /// How long one IDLE lasts.
    pub push: PushOptions,
}

impl Listener {
    /// Begins, and returns when the connection stands, so that a run that follows misses nothing, or has failed; then it
    /// goes on trying.
    ///
    /// # Errors
    /// When the login was refused, which is not tried again.
    pub async fn start(listening: Listening) -> Result<Self, PullError> {
        let news = Arc::new(Notify::new());
        let (first, outcome) = oneshot::channel();
        let (secret, is_refused) = (listening.secret.clone(), Arc::new(AtomicBool::new(false)));
        let task = tokio::spawn(listening.listen(Arc::clone(&news), first, Arc::clone(&is_refused)));
        let listener = Self { news, task, secret, is_refused };
        match outcome.await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(())) | Err(_) => Ok(listener),
        }
    }

    /// Returns when there is news; what came before the call counts.
    pub fn news(&self) -> impl Future<Output = ()> + '_ {
        self.news.notified()
    }

    /// Whether a login with this was refused when it connected anew.
    pub fn was_refused(&self, secret: &str) -> bool {
        self.is_refused.load(Ordering::Relaxed) && self.secret == secret
    }

    /// Whether it has given up, as the login is refused now or the server cannot.
    pub fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listening {
    async fn listen(
        self,
        news: Arc<Notify>,
        first: oneshot::Sender<Result<(), PullError>>,
        is_refused: Arc<AtomicBool>,
    ) {
        let mut first = Some(first);
        // It is tried for ever, but ever more seldom.
        let mut backoff = Backoff::new(BackoffOptions { tries_max: u32::MAX, ..self.connect.backoff });
        loop {
            self.tell(PushState::Connecting);
            let error = match PushListener::open(&self.remote, &self.credential, &self.connect, self.push).await {
                Ok(None) => {
                    tracing::info!(
                        "{}: {} does not tell of new mail (no IDLE); it is asked every time",
                        self.identity,
                        self.remote.host
                    );
                    self.tell(PushState::NotOffered);
                    return;
                }
                Ok(Some(mut listener)) => {
                    self.tell(match listener.channel() {
                        PushChannel::Inbox => PushState::Inbox,
                        PushChannel::AllMailboxes => PushState::AllMailboxes,
                    });
                    match first.take() {
                        Some(first) => drop(first.send(Ok(()))),
                        // Something may have come while there was no connection.
                        None => news.notify_one(),
                    }
                    loop {
                        match listener.news().await {
                            Ok(()) => news.notify_one(),
                            Err(error) => break error,
                        }
                        backoff.progress();
                    }
                }
                Err(error) => error,
            };
            tracing::info!("{}: the connection for news: {error}", self.identity);
            if error.is_login_refused() || matches!(error, PullError::Stopped) {
                is_refused.store(error.is_login_refused(), Ordering::Relaxed);
                let _ = first.take().map(|first| first.send(Err(error)));
                return;
            }
            drop(first.take());
            self.tell(PushState::Connecting);
            // What would end a run, such as a certificate, may be mended by somebody in the meantime.
            let remedy = match error.remedy() {
                Remedy::None => Remedy::WaitLonger,
                remedy => remedy,
            };
            tokio::time::sleep(backoff.failed(remedy).unwrap_or(Duration::from_secs(600))).await;
        }
    }

    fn tell(&self, state: PushState) {
        self.board.change(&self.identity, |status| status.push = state);
    }
}
