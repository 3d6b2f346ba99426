//! One entry: wait, fetch, tell, and begin again.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow};
use postrider_pull::{Chance, PullError, Remote, Stop, counted, imap::PushOptions};
use tokio::time::{sleep, timeout};

use super::{
    Permit, Permits,
    listener::{Listener, Listening},
};
use crate::{
    advice,
    config::{Delete, PullEntry, Schedule},
    control::{Administration, Failure, Reporter},
    pull::{
        self, Busy, ImapWish, Manners, Phase, Pop3Wish, PullAnswer, PullWish, PushState, RemovalWish, Stay, unix_now,
    },
};

/// How long a run waits for one that somebody began by hand before it asks again.
const BUSY_PAUSE: Duration = Duration::from_secs(15);
/// News often comes in threes: so long is waited for more of it.
const SETTLE: Duration = Duration::from_millis(300);
/// How long a command for the password may take.
const PASSWORD_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a run that was asked to stop may go on.
const GRACE: Duration = Duration::from_secs(5);

/// Works on one entry until it is to stop.
pub struct Worker {
    pub identity: String,
    pub entry: PullEntry,
    pub schedule: Schedule,
    pub administration: Administration,
    pub permits: Permits,
    pub stop: Stop,
    /// The password that was refused: it is not tried again.
    pub refused: Option<String>,
    /// Runs that failed in a row.
    pub failures: u32,
    /// How long the server wants between two logins, as it said last.
    pub login_delay: Duration,
}

/// What came of a run.
enum Outcome {
    Done(Box<PullAnswer>),
    Failed(anyhow::Error),
    /// Somebody else fetches the same just now.
    Busy,
    /// The login was refused.
    Refused(anyhow::Error),
    Stopped,
}

impl Worker {
    /// Works until the stop.
    pub async fn work(mut self) {
        let mut chance = Chance::new();
        let mut listener = None;
        let mut pause = chance.between(Duration::ZERO, self.schedule.start_within.0.min(self.entry.every.0));
        loop {
            self.tell_next(pause);
            let news = async {
                match &listener {
                    Some(listener) => Listener::news(listener).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.stop.requested() => return,
                () = news => sleep(SETTLE).await,
                () = sleep(pause) => {}
            }
            let outcome = match self.attempt(&mut listener).await {
                Ok(outcome) => outcome,
                Err(error) => Outcome::Failed(error),
            };
            pause = self.pause_after(&outcome, &mut chance);
            if matches!(outcome, Outcome::Refused(_)) {
                listener = None;
                self.administration.pulls.change(&self.identity, |status| status.push = PushState::Off);
            }
            if !self.tell(outcome) {
                return;
            }
        }
    }

    /// One run, with a connection for news before it.
    async fn attempt(&mut self, listener: &mut Option<Listener>) -> Result<Outcome> {
        let remote: Remote = self.entry.url.parse()?;
        let secret = self.secret().await?;
        if listener.as_ref().is_some_and(|listener| listener.was_refused(&secret)) {
            self.refused = Some(secret.clone());
        }
        if self.refused.as_deref() == Some(secret.as_str()) {
            return Ok(Outcome::Refused(anyhow!("the login was refused, and the password is still the same")));
        }
        if self.entry.push && listener.as_ref().is_none_or(|listener| listener.is_over() && !self.is_push_impossible())
        {
            match self.listen(&remote, &secret).await {
                Ok(started) => *listener = started,
                Err(PullError::Stopped) => return Ok(Outcome::Stopped),
                Err(error) => {
                    self.remember_refused(secret).await;
                    return Ok(Outcome::Refused(pull::explained(error)));
                }
            }
        }
        self.phase(Phase::Queued);
        let permits = tokio::select! {
            permits = self.permits.take(&remote.host) => permits,
            () = self.stop.requested() => return Ok(Outcome::Stopped),
        };
        let permit = permits.context("the server stops")?;
        self.phase(Phase::Running);
        let outcome = self.run(&secret, &permit).await?;
        if matches!(outcome, Outcome::Refused(_)) {
            self.remember_refused(secret).await;
        }
        Ok(outcome)
    }

    /// A login with this was refused, so it is not tried again.
    async fn remember_refused(&mut self, secret: String) {
        self.refused = Some(match self.entry.oauth2_file {
            // An authorization's file has got new tokens in the attempt.
            Some(_) => self.secret().await.unwrap_or(secret),
            None => secret,
        });
    }

    async fn run(&self, secret: &str, permit: &Permit) -> Result<Outcome> {
        let wish = self.wish(secret)?;
        let reporter = Reporter::to_log(format!("pull {}", self.entry.name()));
        let further = Some(Arc::clone(&permit.further_connections));
        let work = pull::pull_until(&self.administration, &wish, &reporter, &self.stop, further);
        let stopping = async {
            self.stop.requested().await;
            sleep(GRACE).await;
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = stopping => return Ok(Outcome::Stopped),
        };
        Ok(match outcome {
            _ if self.stop.is_requested() => Outcome::Stopped,
            Ok(answer) if answer.is_login_refused => {
                Outcome::Refused(anyhow!("the login was refused in the middle of a run"))
            }
            Ok(answer) => Outcome::Done(Box::new(answer)),
            Err(error) if error.is::<Busy>() => Outcome::Busy,
            Err(error) => match error.downcast_ref::<PullError>() {
                Some(refused) if refused.is_login_refused() => Outcome::Refused(error),
                _ => Outcome::Failed(error),
            },
        })
    }

    async fn listen(&self, remote: &Remote, secret: &str) -> Result<Option<Listener>, PullError> {
        let Ok(wish) = self.wish(secret) else { return Ok(None) };
        // News is a few octets: they need no bound.
        let manners = Manners { bytes_per_second_max: None, ..wish.manners };
        let Ok(connect) = pull::connect_options(&wish.trust, &manners, &self.stop) else { return Ok(None) };
        let listening = Listening {
            identity: self.identity.clone(),
            board: self.administration.pulls.clone(),
            remote: remote.clone(),
            credential: wish.credential(),
            secret: secret.to_owned(),
            connect,
            push: PushOptions { renew_after: self.entry.push_renew.0, ..PushOptions::default() },
        };
        Listener::start(listening).await.map(Some)
    }

    /// Whether it has turned out that the server does not tell news.
    fn is_push_impossible(&self) -> bool {
        let mut is_impossible = false;
        self.administration.pulls.change(&self.identity, |status| is_impossible = status.push == PushState::NotOffered);
        is_impossible
    }

    /// What is logged in with.
    async fn secret(&self) -> Result<String> {
        let entry = self.entry.clone();
        let read = tokio::task::spawn_blocking(move || entry.read_secret());
        let read = timeout(PASSWORD_TIME_MAX, read).await.context("the command for the password takes too long")?;
        read.context("the password cannot be read")?
    }

    fn wish(&self, secret: &str) -> Result<PullWish> {
        let entry = &self.entry;
        let stay = match (entry.delete, entry.keep_days) {
            (_, Some(days)) => Stay::Days(days),
            (Some(_), None) => Stay::Never,
            (None, None) => Stay::Always,
        };
        let removal = match entry.delete {
            Some(Delete::AfterBackup) => RemovalWish::AfterBackup,
            Some(Delete::Now) | None => RemovalWish::AtOnce,
        };
        let (password, oauth2) = entry.login(secret);
        Ok(PullWish {
            url: entry.url.clone(),
            account: entry.into.clone(),
            password,
            oauth2,
            dry_run: false,
            verify: entry.verify,
            trust: entry.trust()?,
            manners: Manners {
                bytes_per_second_max: entry.max_rate.map(|rate| rate.0),
                uncompressed: !entry.compress,
                tries_max: Some(entry.tries),
                silence_seconds_max: NonZeroU64::new(entry.silence.0.as_secs()),
                connections_max: Some(entry.connections),
            },
            pop3: Pop3Wish { mailbox: entry.mailbox.clone(), stay, removal },
            imap: ImapWish {
                follow: entry.mode,
                gmail_labels: entry.gmail_labels,
                include: entry.include.clone(),
                exclude: entry.exclude.clone(),
                ..ImapWish::default()
            },
        })
    }

    /// How long until the next run.
    fn pause_after(&mut self, outcome: &Outcome, chance: &mut Chance) -> Duration {
        let every = self.entry.every.0;
        if let Outcome::Done(answer) = outcome {
            self.login_delay = answer.login_delay().unwrap_or_default();
        }
        let whole = match outcome {
            Outcome::Stopped => return Duration::ZERO,
            Outcome::Busy => BUSY_PAUSE.min(every),
            // The password is looked at again, no more.
            Outcome::Refused(_) => every,
            Outcome::Done(answer) if answer.complete => {
                self.failures = 0;
                every
            }
            // What it could not take does not get better by waiting longer; that it ended early may.
            Outcome::Done(answer) if answer.ended_early.is_none() => {
                self.failures = self.failures.saturating_add(1);
                every
            }
            Outcome::Done(_) | Outcome::Failed(_) => {
                let doubled = every.saturating_mul(1 << self.failures.min(20));
                self.failures = self.failures.saturating_add(1);
                doubled.min(self.schedule.failure_pause.0.max(every))
            }
        };
        // RFC 2449 §6.5; a second more, as it is counted in whole seconds there.
        let least = if self.login_delay.is_zero() { Duration::ZERO } else { self.login_delay + Duration::from_secs(1) };
        chance.between(whole.mul_f64(0.9), whole.mul_f64(1.1)).max(least)
    }

    fn phase(&self, phase: Phase) {
        self.administration.pulls.change(&self.identity, |status| {
            status.phase = phase;
            status.next_run = None;
        });
    }

    fn tell_next(&self, pause: Duration) {
        let due = unix_now().saturating_add(pause.as_secs());
        self.administration.pulls.change(&self.identity, |status| status.next_run = Some(due));
    }

    /// Tells what came of a run; answers whether there is to be another one.
    fn tell(&self, outcome: Outcome) -> bool {
        let name = self.entry.name();
        let mut phase = Phase::Waiting;
        let (answer, failure) = match outcome {
            Outcome::Stopped => return false,
            Outcome::Busy => {
                tracing::info!("pull {name}: somebody fetches it just now; this run comes later");
                self.phase(phase);
                return true;
            }
            Outcome::Done(answer) => {
                let failure = (!answer.complete).then(|| incomplete(&answer));
                (Some(answer), failure)
            }
            Outcome::Failed(error) => (None, Some(failure(&error))),
            Outcome::Refused(error) => {
                phase = Phase::LoginRefused;
                let hint = "put the right password where the entry has it from; it is looked for again by itself";
                (None, Some(Failure { error: advice::one_line(&error), hint: Some(hint.to_owned()) }))
            }
        };
        let fetched = answer.as_ref().map(|answer| answer.fetched());
        match (&failure, fetched) {
            (Some(failure), _) => tracing::warn!("pull {name}: {}", failure.error),
            (None, Some(0)) => tracing::debug!("pull {name}: nothing new"),
            (None, fetched) => tracing::info!("pull {name}: {} fetched", counted(fetched.unwrap_or(0), "message")),
        }
        let (now, failures) = (unix_now(), self.failures);
        self.administration.pulls.change(&self.identity, |status| {
            status.phase = phase;
            status.last_run = Some(now);
            status.failures = failures;
            status.runs += 1;
            if let Some(answer) = &answer {
                status.fetched += answer.fetched();
                status.waiting_for_backup = answer.waiting_for_backup();
            }
            if failure.is_none() {
                status.last_success = Some(now);
            }
            status.last_fetched = fetched;
            status.last_error = failure;
        });
        true
    }
}

fn failure(error: &anyhow::Error) -> Failure {
    Failure { error: advice::one_line(error), hint: advice::hint(error).map(str::to_owned) }
}

/// What is to be said of a run that is not complete.
fn incomplete(answer: &PullAnswer) -> Failure {
    if let Some(failure) = &answer.ended_early {
        return failure.clone();
    }
    let problems = answer.problems();
    let error = match problems.split_first() {
        None => String::from("the run is not complete"),
        Some((first, [])) => first.clone(),
        Some((first, rest)) => format!("{first}, and {} more", rest.len()),
    };
    Failure { error, hint: Some(String::from("a run by hand tells all of it: postrider pull")) }
}
