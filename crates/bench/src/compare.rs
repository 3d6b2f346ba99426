//! `compare`: every workload on every server in turn.

use std::cell::Cell;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::CompareArguments;
use crate::driver::Transport;
use crate::fill;
use crate::machine::{self, Machine};
use crate::mail::{Mail, Size};
use crate::report::{self, Comparison, Row};
use crate::server::{Kind, Server, write_out};
use crate::site::{Sample, Scale, Site};
use crate::statistics::shown;
use crate::workload::{self, Effect, Rounds, Workload};

/// Runs the comparison and writes its results.
pub fn run(arguments: &CompareArguments) -> Result<()> {
    let begin = Instant::now();
    let common = &arguments.common;
    let (kinds, binary) = (common.servers()?, common.binary()?);
    let scale = match (common.quick, arguments.messages) {
        (true, messages) => Scale::quick(messages.unwrap_or(1000)),
        (false, messages) => Scale::full(messages.unwrap_or(30_000)),
    };
    let chosen = |workload: &Workload| arguments.only.as_deref().is_none_or(|text| workload.name.contains(text));
    let scratch = common.scratch()?;
    let machine = Machine::measure(scratch.path())?;
    let mail = Mail::generate(common.seed, scale.messages, Size::Real);
    let servers = start_all(&kinds, &binary, scratch.path(), &mail, &scale)?;
    let rows = |workloads: &[Workload]| -> Vec<Row> {
        workloads.iter().filter(|row| chosen(row)).map(|workload| Row::new(*workload, servers.len())).collect()
    };
    let (mut rows, mut tls_rows) = (rows(&workload::ALL), rows(&workload::TLS));
    let disk = Disk { folder: scratch.path(), syncs: machine.syncs, patience: Cell::new(PATIENCE) };
    let peer = kinds.get(1).copied();
    let mut run = Run { servers, mail: &mail, scale, rounds: arguments.rounds.max(1), disk };
    run.once(&mut rows)?;
    run.rounds(&mut rows, Transport::Plain)?;
    run.rounds(&mut tls_rows, Transport::Tls)?;
    let servers = run.servers;
    let versions = servers.iter().map(Server::version).collect::<Result<_>>()?;
    drop(servers);
    let comparison = Comparison {
        machine,
        peer,
        versions,
        seed: common.seed,
        rounds: arguments.rounds.max(1),
        messages: scale.messages,
        sizes: mail.sizes(),
        mail_bytes: mail.bytes_of_first(scale.messages),
        seconds: begin.elapsed().as_secs_f64(),
        rows,
        tls_rows,
    };
    let output = common.output(!common.quick && arguments.only.is_none())?;
    report::write(&comparison, &output)
}

/// Starts the servers and fills them.
fn start_all(kinds: &[Kind], binary: &Path, parent: &Path, mail: &Mail, scale: &Scale) -> Result<Vec<Server>> {
    let locals = fill::accounts(scale);
    let start = |kind: &Kind| -> Result<Server> {
        println!("starting {} with {} accounts", kind.name(), locals.len());
        let mut server = Server::start(*kind, binary, parent, &locals)?;
        let begin = Instant::now();
        fill::fill(&server, mail, scale)?;
        server.start_to_be_measured()?;
        println!("filled {} in {:.1} s", kind.name(), begin.elapsed().as_secs_f64());
        Ok(server)
    };
    kinds.iter().map(start).collect()
}

/// What all workloads of a run share.
struct Run<'a> {
    servers: Vec<Server>,
    mail: &'a Mail,
    scale: Scale,
    rounds: usize,
    disk: Disk<'a>,
}

/// How long a run waits in all for a disk that has become slow.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one look at the disk takes.
const LOOK: Duration = Duration::from_millis(60);

/// The disk under the servers.
///
/// A rented machine's disk may be slowed down to a tenth once it was used much, and becomes fast again after a while. Who
/// happens to write in such a moment would lose.
struct Disk<'a> {
    folder: &'a Path,
    /// Syncs per second at the beginning of the run.
    syncs: f64,
    patience: Cell<Duration>,
}

impl Disk<'_> {
    /// Waits, but not for ever, until the disk is about as fast as at the beginning; tells how fast it is.
    fn wait_until_fast(&self) -> Result<f64> {
        loop {
            let syncs = machine::syncs(self.folder, LOOK)?;
            if syncs > self.syncs / 2.0 || self.patience.get().is_zero() {
                return Ok(syncs);
            }
            thread::sleep(Duration::from_secs(1));
            self.patience.set(self.patience.get().saturating_sub(Duration::from_secs(1)));
        }
    }
}

impl Run<'_> {
    /// Runs the workloads that run once, and starts the servers anew before each and behind them: a thousand idle
    /// connections leave the peer with processes that were refused the kernel's notices of new mail, and never ask for
    /// them again.
    fn once(&mut self, rows: &mut [Row]) -> Result<()> {
        for row in rows.iter_mut().filter(|row| row.workload.rounds == Rounds::Once) {
            self.servers.iter_mut().try_for_each(|server| server.start_to_be_measured().map(drop))?;
            self.round(row, 0, Transport::Plain)?;
        }
        self.servers.iter_mut().try_for_each(|server| server.start_to_be_measured().map(drop))
    }

    /// Runs all other workloads, all rounds.
    fn rounds(&mut self, rows: &mut [Row], transport: Transport) -> Result<()> {
        for round in 0..self.rounds {
            println!(
                "round {} of {}{}",
                round + 1,
                self.rounds,
                if transport == Transport::Tls { ", TLS" } else { "" }
            );
            // All others follow on servers that have answered everything before.
            for row in rows.iter_mut().filter(|row| row.workload.rounds == Rounds::AfterStart) {
                self.servers.iter_mut().try_for_each(|server| server.start_to_be_measured().map(drop))?;
                self.round(row, round, transport)?;
            }
            for row in rows.iter_mut().filter(|row| row.workload.rounds == Rounds::Every) {
                self.round(row, round, transport)?;
            }
        }
        Ok(())
    }

    /// Runs one workload on each server; who begins changes with the round.
    fn round(&self, row: &mut Row, round: usize, transport: Transport) -> Result<()> {
        for turn in 0..self.servers.len() {
            let index = (turn + round) % self.servers.len();
            let Some(server) = self.servers.get(index) else { continue };
            if let Some(reason) = row.workload.needs.and_then(|needed| server.lacks(needed)) {
                row.absences.insert(index, reason);
            }
            if row.absences.contains_key(&index) {
                continue;
            }
            for other in &self.servers {
                other.wait_until_quiescent()?;
            }
            let syncs = match row.workload.effect {
                Effect::Reads => None,
                Effect::Writes => Some(self.disk.wait_until_fast()?),
            };
            let site = Site { server, mail: self.mail, scale: self.scale, transport, round };
            match (row.workload.run)(&site) {
                Ok(sample) => {
                    print_progress(&row.workload, server, &sample);
                    row.add(index, Sample { syncs, ..sample });
                }
                Err(error) => {
                    let (name, kind) = (row.workload.name, server.kind());
                    eprintln!("the end of {}'s log:\n{}", kind.name(), server.log_end());
                    // Ours must do everything. What a peer cannot do is left out, with the reason.
                    if kind == Kind::Postrider {
                        return Err(error.context(format!("{name} failed on {}", kind.name())));
                    }
                    eprintln!("{name} is left out of {}: {error:#}", kind.name());
                    row.absences.insert(index, format!("{} failed: {error:#}", kind.name()));
                }
            }
            if row.workload.effect == Effect::Writes {
                write_out()?;
            }
        }
        Ok(())
    }
}

fn print_progress(workload: &Workload, server: &Server, sample: &Sample) {
    let seconds = sample.timing.map(|timing| format!("{:.2} s", timing.seconds)).unwrap_or_default();
    println!("  {:60} {:10} {:>12} {seconds}", workload.name, server.kind().name(), shown(sample.value));
}
