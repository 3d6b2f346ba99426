//! What a comparison found, and how it is written: a table for people, JSON for programs, a chart.

mod json;
mod markdown;
mod svg;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

pub use svg::Curve;

use crate::machine::Machine;
use crate::server::Kind;
use crate::site::Sample;
use crate::statistics::median;
use crate::workload::{Figure, Target, Workload};

/// A workload with what it gave, for each server.
#[derive(Debug)]
pub struct Row {
    /// The workload.
    pub workload: Workload,
    /// The samples of each server, ours first.
    pub samples: Vec<Vec<Sample>>,
    /// Why a server has none, by its place.
    pub absences: BTreeMap<usize, String>,
}

/// Whether a goal is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Reached,
    /// It is not.
    NotReached,
    /// There is none.
    NoGoal,
    /// There was nothing to compare with.
    Unknown,
}

impl Row {
    /// A row without samples.
    pub fn new(workload: Workload, servers: usize) -> Self {
        Self { workload, samples: vec![Vec::new(); servers], absences: BTreeMap::new() }
    }

    /// Adds a sample of one server.
    pub fn add(&mut self, server: usize, sample: Sample) {
        if let Some(samples) = self.samples.get_mut(server) {
            samples.push(sample);
        }
    }

    /// The figures of one server.
    pub fn values(&self, server: usize) -> Vec<f64> {
        self.samples.get(server).map(|samples| samples.iter().map(|sample| sample.value).collect()).unwrap_or_default()
    }

    /// The median of one server's figures.
    pub fn median(&self, server: usize) -> Option<f64> {
        let values = self.values(server);
        if values.is_empty() { None } else { Some(median(&values)) }
    }

    /// How many times as good as the peer we are.
    pub fn ratio(&self) -> Option<f64> {
        let (ours, theirs) = (self.median(0)?, self.median(1)?);
        let (better, worse) = match self.workload.figure {
            Figure::PerSecond(_) | Figure::Most(_) => (ours, theirs),
            Figure::Least(_) => (theirs, ours),
        };
        if worse > 0.0 { Some(better / worse) } else { None }
    }

    /// Whether the goal is reached.
    pub fn verdict(&self) -> Verdict {
        let reached = match self.workload.target {
            Target::Ratio(least) => self.ratio().map(|ratio| ratio >= least),
            Target::AtMost(most) => self.median(0).map(|value| value <= most),
            Target::AtLeast(least) => self.median(0).map(|value| value >= least),
            Target::None => return Verdict::NoGoal,
        };
        match reached {
            Some(true) => Verdict::Reached,
            Some(false) => Verdict::NotReached,
            None => Verdict::Unknown,
        }
    }

    /// Whether the servers answered differently: other counts of answers, hits or bytes.
    pub fn disagreement(&self) -> Option<(u64, u64)> {
        let check = |server: usize| self.samples.get(server)?.first().map(|sample| sample.check);
        let (ours, theirs) = (check(0)?, check(1)?);
        (ours != theirs).then_some((ours, theirs))
    }

    /// The median, over the rounds, of a figure that is derived from a sample's times.
    pub fn median_of(&self, server: usize, of: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        let values: Vec<f64> = self.samples.get(server)?.iter().filter_map(of).collect();
        if values.is_empty() { None } else { Some(median(&values)) }
    }
}

/// A whole run.
#[derive(Debug)]
pub struct Comparison {
    /// The machine and its limits.
    pub machine: Machine,
    /// With whom we are compared.
    pub peer: Option<Kind>,
    /// What the servers call themselves, ours first.
    pub versions: Vec<String>,
    /// The seed of the mail.
    pub seed: u64,
    /// Rounds.
    pub rounds: usize,
    /// Messages in the large mailbox.
    pub messages: usize,
    /// Median and mean of their sizes, in bytes.
    pub sizes: (usize, usize),
    /// Bytes of all of them.
    pub mail_bytes: u64,
    /// How long the run took.
    pub seconds: f64,
    /// The rows in the clear.
    pub rows: Vec<Row>,
    /// The rows in TLS.
    pub tls_rows: Vec<Row>,
}

impl Comparison {
    /// What the files of the results are called: those beside Dovecot are `latest`.
    pub const fn stem(&self) -> &'static str {
        match self.peer {
            Some(Kind::Cyrus) => "cyrus",
            Some(Kind::Dovecot | Kind::Postrider) | None => "latest",
        }
    }

    /// The peer's name.
    pub fn peer_name(&self) -> &'static str {
        self.peer.map_or("the peer", Kind::name)
    }
}

/// Prints the table and writes `latest.md`, `latest.json` and `latest.svg`, or `cyrus.*`.
pub fn write(comparison: &Comparison, folder: &Path) -> Result<()> {
    let text = markdown::document(comparison);
    println!("\n{text}");
    let stem = comparison.stem();
    save(folder, &format!("{stem}.md"), &text)?;
    save(folder, &format!("{stem}.json"), &json::document(comparison)?)?;
    save(folder, &format!("{stem}.svg"), &svg::ratios(comparison))
}

/// Writes one file of the results.
pub fn save(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

/// What growth needs of the charts: curves over counts of something.
pub fn curves(title: &str, unit: &str, counted: &str, curves: &[Curve]) -> String {
    svg::curves(title, unit, counted, curves)
}

/// The paragraph about the machine.
pub fn machine_paragraph(machine: &Machine) -> String {
    markdown::machine_paragraph(machine)
}
