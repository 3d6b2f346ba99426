//! Where a workload runs: one server, the mail, how much of it, and the stopwatch.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use postrider_testkit::server::Account;

use crate::driver::{ImapConnection, Transport};
use crate::mail::Mail;
use crate::process::{self, Memory};
use crate::server::Server;

/// How much is done. Counts are of messages unless they say otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// In the large mailbox.
    pub messages: usize,
    /// Accounts that receive and that sessions use.
    pub users: usize,
    /// In the inbox of each user at the start.
    pub user_messages: usize,
    /// Accounts that are read by POP3, and as many that are emptied by it.
    pub pop3_accounts: usize,
    /// In each POP3 maildrop.
    pub pop3_messages: usize,
    /// Stored or delivered with one connection; with 16 and 64 there are five and ten times as many.
    pub stored: usize,
    /// Copied, moved, expunged.
    pub copied: usize,
    /// Sessions of each of 16 connections, in the workload of logins; a fifth of it in the mixed one.
    pub sessions: usize,
    /// Idle connections, for the memory of each.
    pub idle: usize,
    /// Idle connections that are to be held at once.
    pub held: usize,
    /// Messages that are told to idle sessions, one after the other.
    pub pushes: usize,
    /// The least time for which a reading workload is repeated.
    pub reading_time: Duration,
}

impl Scale {
    /// For figures.
    pub const fn full(messages: usize) -> Self {
        Self {
            messages,
            users: 100,
            user_messages: 50,
            pop3_accounts: 16,
            pop3_messages: 250,
            stored: 1200,
            copied: if messages < 30_000 { messages / 3 } else { 10_000 },
            sessions: 200,
            idle: 1000,
            held: 10_000,
            pushes: 6,
            reading_time: Duration::from_millis(800),
        }
    }

    /// For a look whether everything works.
    pub const fn quick(messages: usize) -> Self {
        Self {
            messages,
            users: 16,
            user_messages: 20,
            pop3_accounts: 4,
            pop3_messages: 20,
            stored: 20,
            copied: messages / 3,
            sessions: 10,
            idle: 64,
            held: 200,
            pushes: 2,
            reading_time: Duration::from_millis(50),
        }
    }
}

/// How long something took, and what it cost.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// By the clock.
    pub seconds: f64,
    /// Processor time of the server.
    pub server_seconds: f64,
    /// Processor time of the measuring client.
    pub client_seconds: f64,
}

/// What a run of a workload gave.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// The figure, in the workload's unit.
    pub value: f64,
    /// What both servers must agree on: answers, hits, bytes.
    pub check: u64,
    /// Times; none for what is not a rate.
    pub timing: Option<Timing>,
    /// Syncs per second that the disk did just before, if the workload writes: disks have moods, rented ones above all.
    pub syncs: Option<f64>,
    /// Memory of all processes when the figure was taken, if it was looked at.
    pub memory: Option<Memory>,
}

impl Sample {
    /// `amount` done in this time.
    pub fn rate(amount: f64, timing: Timing, check: u64) -> Self {
        Self { value: amount / timing.seconds.max(1e-9), check, timing: Some(timing), ..Self::figure(0.0) }
    }

    /// A figure that is no rate.
    pub const fn figure(value: f64) -> Self {
        Self { value, check: 0, timing: None, syncs: None, memory: None }
    }
}

/// Where a workload runs.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The server.
    pub server: &'a Server,
    /// The mail it was filled with.
    pub mail: &'a Mail,
    /// How much is done.
    pub scale: Scale,
    /// How clients connect.
    pub transport: Transport,
    /// The round, from 0.
    pub round: usize,
}

impl Site<'_> {
    /// The account with the large mailbox.
    pub fn reader(&self) -> Result<&Account> {
        self.server.account("reader")
    }

    /// A user's account; numbers go round.
    pub fn user(&self, number: usize) -> Result<&Account> {
        self.server.account(&user(number % self.scale.users))
    }

    /// A connection of the reader's with the large mailbox selected.
    pub fn inbox(&self) -> Result<ImapConnection> {
        ImapConnection::selected(self.server, self.transport, self.reader()?, "INBOX")
    }

    /// Takes the time of something.
    pub fn timed<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<(Timing, T)> {
        let (server, client) = (self.server.processor_seconds()?, process::own_processor_seconds());
        let begin = Instant::now();
        let result = work()?;
        let seconds = begin.elapsed().as_secs_f64();
        let timing = Timing {
            seconds,
            server_seconds: self.server.processor_seconds()? - server,
            client_seconds: process::own_processor_seconds() - client,
        };
        Ok((timing, result))
    }

    /// Repeats something that reads, for long enough to be measured; tells how often.
    pub fn repeated<T>(&self, mut work: impl FnMut() -> Result<T>) -> Result<(Timing, f64, T)> {
        let (timing, (times, last)) = self.timed(|| {
            let begin = Instant::now();
            let mut times = 1_u32;
            let mut last = work()?;
            while begin.elapsed() < self.scale.reading_time {
                last = work()?;
                times += 1;
            }
            Ok((times, last))
        })?;
        Ok((timing, f64::from(times), last))
    }

    /// Makes clients one after the other, then lets each work in a thread of its own, all from the same moment.
    /// Gives the sum of what each of them counted.
    pub fn concurrently<C: Send>(
        &self,
        count: usize,
        make: impl Fn(usize) -> Result<C>,
        work: impl Fn(usize, C) -> Result<u64> + Sync,
    ) -> Result<(Timing, u64)> {
        let clients = (0..count).map(make).collect::<Result<Vec<C>>>()?;
        let barrier = Barrier::new(count + 1);
        thread::scope(|scope| {
            let workers: Vec<_> = clients
                .into_iter()
                .enumerate()
                .map(|(number, client)| {
                    let (barrier, work) = (&barrier, &work);
                    scope.spawn(move || {
                        barrier.wait();
                        work(number, client)
                    })
                })
                .collect();
            self.timed(|| {
                barrier.wait();
                let counts =
                    workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("a client panicked"))?);
                counts.sum::<Result<u64>>().with_context(|| format!("one of {count} clients failed"))
            })
        })
    }
}

/// The local part of a user.
pub fn user(number: usize) -> String {
    format!("user{number:03}")
}
