//! The `[[pull]]` entries of a running server: each has a task of its own, so that one that fails, or waits for a slow server, is no
//! matter of the others'. What they share is how many may run at a time.
//!
//! Entries are applied as the configuration has them now: those that are new begin, those that changed begin anew, those that are
//! gone end. An entry that ends in the middle of a run ends as by a broken connection: what came whole is stored.

mod entry;
mod listener;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use postrider_pull::StopTrigger;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use self::entry::Worker;
use crate::{
    config::{Config, PullEntry, Schedule},
    control::Administration,
    pull::PullStatus,
};

/// How long a run may take to end when it is to.
const STOP_TIME_MAX: Duration = Duration::from_secs(8);

/// All entries at work.
pub struct Pulls {
    administration: Administration,
    schedule: Schedule,
    permits: Permits,
    working: BTreeMap<String, Working>,
}

/// An entry at work.
struct Working {
    entry: PullEntry,
    stop: StopTrigger,
    task: JoinHandle<()>,
}

/// How many runs there may be at a time: in all, and for each server there; and how many connections for each server.
#[derive(Clone)]
struct Permits {
    all: Arc<Semaphore>,
    per_server_max: usize,
    /// Connections that the runs against one server may have beside the first of each.
    further_connections_max: usize,
    servers: Arc<Mutex<HashMap<String, OfServer>>>,
}

/// Permits for one server.
#[derive(Clone)]
struct OfServer {
    runs: Arc<Semaphore>,
    further_connections: Arc<Semaphore>,
}

/// What lets there be a run.
pub(super) struct Permit {
    _permits: [OwnedSemaphorePermit; 2],
    /// Permits for connections beside the run's first.
    pub(super) further_connections: Arc<Semaphore>,
}

impl Pulls {
    /// Begins with what is configured.
    pub fn start(config: &Config, administration: Administration) -> Self {
        let schedule = config.schedule.clone();
        let permits = Permits::new(&schedule);
        let mut pulls = Self { administration, schedule, permits, working: BTreeMap::new() };
        pulls.begin(&config.pull);
        pulls
    }

    /// Takes over what is configured now. An entry that was halted because its login was refused begins anew in any case.
    pub async fn apply(&mut self, config: &Config) {
        let is_rescheduled = self.schedule != config.schedule;
        if is_rescheduled {
            self.schedule = config.schedule.clone();
            self.permits = Permits::new(&self.schedule);
        }
        let board = self.administration.pulls.clone();
        let stays = |identity: &String, working: &Working| {
            let entry = config.pull.iter().find(|entry| entry.identity().as_ref() == Some(identity));
            let goes_on = !working.task.is_finished() && !board.is_halted(identity);
            !is_rescheduled && entry == Some(&working.entry) && goes_on
        };
        let ending = self.working.extract_if(.., |identity, working| !stays(identity, working)).collect();
        stop_all(ending).await;
        self.begin(&config.pull);
    }

    /// Ends all, each between two messages.
    pub async fn stop(mut self) {
        stop_all(std::mem::take(&mut self.working)).await;
    }

    fn begin(&mut self, entries: &[PullEntry]) {
        let board = self.administration.pulls.clone();
        let all = entries.iter().filter_map(|entry| Some((entry.identity()?, status(entry))));
        board.arrange(all.collect());
        for entry in entries {
            let Some(identity) = entry.identity().filter(|identity| !self.working.contains_key(identity)) else {
                continue;
            };
            board.reset(&identity, status(entry));
            let (trigger, stop) = StopTrigger::new();
            let worker = Worker {
                identity: identity.clone(),
                entry: entry.clone(),
                schedule: self.schedule.clone(),
                administration: self.administration.clone(),
                permits: self.permits.clone(),
                stop,
                refused: None,
                failures: 0,
                login_delay: Duration::ZERO,
            };
            let working = Working { entry: entry.clone(), stop: trigger, task: tokio::spawn(worker.work()) };
            self.working.insert(identity, working);
        }
    }
}

fn status(entry: &PullEntry) -> PullStatus {
    PullStatus::new(entry.name().to_owned(), entry.url.clone(), entry.into.clone())
}

async fn stop_all(working: BTreeMap<String, Working>) {
    for working in working.values() {
        working.stop.request();
    }
    let end = Instant::now() + STOP_TIME_MAX;
    for working in working.into_values() {
        let mut task = working.task;
        // One that does not hear ends by force: all that is stored is whole at every moment.
        if timeout_at(end, &mut task).await.is_err() {
            tracing::warn!("{}: cut the run", working.entry.name());
            task.abort();
            let _ = task.await;
        }
    }
}

impl Permits {
    fn new(schedule: &Schedule) -> Self {
        Self {
            all: Arc::new(Semaphore::new(schedule.runs_max.min(Semaphore::MAX_PERMITS))),
            per_server_max: schedule.runs_per_server_max.min(Semaphore::MAX_PERMITS),
            // Each run that there may be has its first connection.
            further_connections_max: schedule
                .connections_per_server_max
                .saturating_sub(schedule.runs_per_server_max)
                .min(Semaphore::MAX_PERMITS),
            servers: Arc::default(),
        }
    }

    /// Waits until a run against this server may begin. The server's permit first, so that one that waits for its server does not
    /// keep others from theirs.
    async fn take(&self, host: &str) -> Option<Permit> {
        let server = {
            let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || OfServer {
                runs: Arc::new(Semaphore::new(self.per_server_max)),
                further_connections: Arc::new(Semaphore::new(self.further_connections_max)),
            };
            servers.entry(host.to_ascii_lowercase()).or_insert_with(new).clone()
        };
        let OfServer { runs, further_connections } = server;
        let permits = [runs.acquire_owned().await.ok()?, Arc::clone(&self.all).acquire_owned().await.ok()?];
        Some(Permit { _permits: permits, further_connections })
    }
}
