//! The running server: storage, certificate, listeners, control socket, signals.
//!
//! Starting is all or nothing: every address is bound before the first connection is taken, so that "ready" means ready. The
//! storage is let go last, after the sessions that use it and after the control socket, whose file the lock of the storage guards.

mod control_socket;
mod listeners;
mod metrics;
mod protocol;
mod pulls;
mod signal;
mod sweep;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use postrider_net::{
    CertificateOrigin, ConnectionLimits, Shutdown, TlsSettings, ensure_certificate, notify_service_manager,
    shutdown_channel,
};
use tokio::{task::JoinSet, time::timeout};

use self::{
    control_socket::ControlSocket,
    metrics::BoundMetrics,
    protocol::Services,
    pulls::Pulls,
    signal::{Signals, Wish},
};
use crate::{
    advice::{self, Advise},
    backup::{Safe, keep_filling},
    config::Config,
    control::{Administration, ListeningStatus, ServerHandle},
    pull::PullBoard,
    storage::Storage,
    turns::Turns,
};

/// How long requests on the control socket may take to end when the server stops.
const CONTROL_DRAIN: Duration = Duration::from_secs(2);

/// A server that takes connections.
pub struct Server {
    storage: Storage,
    handle: Arc<ServerHandle>,
    shutdown: Shutdown,
    signals: Signals,
    control: ControlSocket,
    listeners: JoinSet<()>,
    pulls: Pulls,
    safe: Arc<Safe>,
}

impl Server {
    /// Opens the data, loads or makes the certificate, binds every address and begins to serve.
    pub async fn start(config: &Config) -> Result<Self> {
        let storage = Storage::open(config).await?;
        Self::start_with(config, storage).await
    }

    /// The same over storage that is open already.
    pub async fn start_with(config: &Config, storage: Storage) -> Result<Self> {
        // Before anybody is told that it is ready: a signal sent at that word must find its receiver.
        let signals = Signals::new()?;
        let tls = certificate(config)?;
        let bound = listeners::bind_all(&config.listen)?;
        let figures = BoundMetrics::all(&config.listen)?;
        let listening =
            bound.iter().map(listeners::Bound::status).chain(figures.iter().map(BoundMetrics::status)).collect();
        let (trigger, shutdown) = shutdown_channel();
        let connections = ConnectionLimits::new(config.limits.connections());
        let services = Services::new(config, &storage, &tls, &shutdown);
        let handle = Arc::new(ServerHandle {
            hostname: config.hostname(),
            started: Instant::now(),
            listening,
            connections: Arc::clone(&connections),
            tls,
            shutdown: trigger,
        });
        let safe = Safe::new(config);
        let administration = Administration {
            storage: storage.clone(),
            server: Some(Arc::clone(&handle)),
            turns: Turns::default(),
            pulls: PullBoard::default(),
            safe: Arc::clone(&safe),
        };
        let mut tasks = JoinSet::new();
        for figures in figures {
            figures.serve(&mut tasks, administration.clone(), shutdown.clone());
        }
        tasks.spawn(keep_filling(Arc::clone(&safe), storage.clone(), shutdown.clone()));
        tasks.spawn(sweep::run(Arc::clone(&storage.store), shutdown.clone()));
        let control = ControlSocket::open(config.data(), administration.clone(), shutdown.clone())?;
        for bound in bound {
            tasks.spawn(services.serve(bound, Arc::clone(&connections), shutdown.clone(), config.limits.drain()));
        }
        let pulls = Pulls::start(config, administration);
        Ok(Self { storage, handle, shutdown, signals, control, listeners: tasks, pulls, safe })
    }

    /// The addresses it listens on, with the ports that the system chose.
    pub fn listening(&self) -> &[ListeningStatus] {
        &self.handle.listening
    }

    /// Serves until a signal or the control socket says stop, then ends in order. `reload` is called at SIGHUP, beside
    /// the certificate's being read anew; it answers the configuration as it is now, if there is one.
    pub async fn run_until_signal(mut self, mut reload: impl FnMut() -> Result<Option<Config>>) -> Result<()> {
        tell_service_manager("READY=1");
        loop {
            tokio::select! {
                () = self.shutdown.requested() => break,
                wish = self.signals.wait() => {
                    if wish == Wish::Stop {
                        break;
                    }
                    match self.handle.tls.reload().context("tls") {
                        Ok(()) => tracing::info!("the certificate was read anew"),
                        Err(error) => tracing::error!("the certificate stays as it was: {}", advice::one_line(&error)),
                    }
                    match reload() {
                        Ok(config) => {
                            if let Some(config) = config {
                                self.safe.reconfigure(&config);
                                self.pulls.apply(&config).await;
                            }
                            tracing::info!("the configuration was read anew");
                        }
                        Err(error) => tracing::error!("the configuration stays as it was: {}", advice::one_line(&error)),
                    }
                }
            }
        }
        tell_service_manager("STOPPING=1");
        tracing::info!("stopping");
        self.stop().await;
        Ok(())
    }

    /// Tells every session, waits for those that end in time, and closes the storage.
    async fn stop(mut self) {
        self.handle.shutdown.request();
        self.pulls.stop().await;
        while self.listeners.join_next().await.is_some() {}
        if timeout(CONTROL_DRAIN, self.control.closed()).await.is_err() {
            tracing::warn!("cut requests on the control socket");
        }
        self.control.remove();
        drop(self.storage);
    }
}

/// The configured certificate, or a self-signed one.
fn certificate(config: &Config) -> Result<Arc<TlsSettings>> {
    let (certificate, key) = config.certificate_files();
    if config.tls.certificate.is_none() {
        let names = [config.hostname()];
        match ensure_certificate(&certificate, &key, &names).context("tls")? {
            CertificateOrigin::Found => {}
            CertificateOrigin::MadeSelfSigned => tracing::warn!(
                "no certificate is configured: made a SELF-SIGNED one, {}. Mail programs will warn of it; \
                 docs/tls.md tells how to get a real one",
                certificate.display()
            ),
        }
    }
    TlsSettings::load(&certificate, &key).context("tls").advise("docs/tls.md tells what the files must hold")
}

/// Tells systemd, if it asked to be told.
fn tell_service_manager(state: &str) {
    if let Ok(socket) = std::env::var("NOTIFY_SOCKET")
        && let Err(error) = notify_service_manager(&socket, state)
    {
        tracing::warn!("cannot tell the service manager {state}: {error}");
    }
}
