//! `compare`: every workload on every server in turn.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::CompareArguments;
use crate::driver::Transport;
use crate::fill;
use crate::machine::Machine;
use crate::mail::{Mail, Size};
use crate::report::{self, Comparison, Row};
use crate::server::{Kind, Server};
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
    let locals = fill::accounts(&scale);
    let mut servers = Vec::new();
    for kind in kinds {
        servers.push(start(kind, &binary, scratch.path(), &locals, &mail, &scale)?);
    }
    let run = Run { servers: &servers, mail: &mail, scale, rounds: arguments.rounds.max(1) };
    let rows = run.rows(workload::ALL.into_iter().filter(chosen).collect(), Transport::Plain)?;
    let tls_rows = run.rows(workload::TLS.into_iter().filter(chosen).collect(), Transport::Tls)?;
    let versions = servers.iter().map(Server::version).collect::<Result<_>>()?;
    drop(servers);
    let comparison = Comparison {
        machine,
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

/// Starts a server and fills it.
fn start(
    kind: Kind,
    binary: &std::path::Path,
    parent: &std::path::Path,
    locals: &[String],
    mail: &Mail,
    scale: &Scale,
) -> Result<Server> {
    println!("starting {} with {} accounts", kind.name(), locals.len());
    let mut server = Server::start(kind, binary, parent, locals)?;
    let begin = Instant::now();
    fill::fill(&server, mail, scale)?;
    server.stop()?;
    server.start_again()?;
    println!("filled {} in {:.1} s", kind.name(), begin.elapsed().as_secs_f64());
    Ok(server)
}

/// What all workloads of a run share.
struct Run<'a> {
    servers: &'a [Server],
    mail: &'a Mail,
    scale: Scale,
    rounds: usize,
}

impl Run<'_> {
    /// Runs the workloads, all rounds.
    fn rows(&self, workloads: Vec<Workload>, transport: Transport) -> Result<Vec<Row>> {
        let mut rows: Vec<Row> = workloads.into_iter().map(|workload| Row::new(workload, self.servers.len())).collect();
        for row in rows.iter_mut().filter(|row| row.workload.rounds == Rounds::Once) {
            self.round(row, 0, transport)?;
        }
        for round in 0..self.rounds {
            println!(
                "round {} of {}{}",
                round + 1,
                self.rounds,
                if transport == Transport::Tls { ", TLS" } else { "" }
            );
            for row in rows.iter_mut().filter(|row| row.workload.rounds == Rounds::Every) {
                self.round(row, round, transport)?;
            }
        }
        Ok(rows)
    }

    /// Runs one workload on each server; who begins changes with the round.
    fn round(&self, row: &mut Row, round: usize, transport: Transport) -> Result<()> {
        for turn in 0..self.servers.len() {
            let index = (turn + round) % self.servers.len();
            let Some((server, samples)) = self.servers.get(index).zip(row.samples.get_mut(index)) else { continue };
            for other in self.servers {
                other.wait_until_quiescent()?;
            }
            let site = Site { server, mail: self.mail, scale: self.scale, transport, round };
            let sample = (row.workload.run)(&site)
                .inspect_err(|_| eprintln!("the end of {}'s log:\n{}", server.kind().name(), server.log_end()))
                .with_context(|| format!("{} failed on {}", row.workload.name, server.kind().name()))?;
            print_progress(&row.workload, server, &sample);
            samples.push(sample);
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

/// Writes out what the kernel still holds, so that nobody pays for another's writing.
fn write_out() -> Result<()> {
    if !Command::new("sync").status().context("cannot run sync")?.success() {
        bail!("sync failed");
    }
    Ok(())
}
