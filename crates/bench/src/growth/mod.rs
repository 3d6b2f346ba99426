//! `growth`: how figures change with the number of messages in a mailbox, and with the number of accounts.
//!
//! Messages are small (about 2 KiB), so that their number is what grows. "Cold" is the first SELECT after a start of the
//! server; the kernel's page cache is left as it is.

mod accounts;
mod mailbox;
mod report;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::GrowthArguments;
use crate::machine::Machine;
use crate::mail::{Mail, Size};
use crate::process::Memory;
use crate::server::Kind;
use crate::statistics::{counted, median};

/// How often each short command is repeated.
const TIMES: usize = 21;

/// A figure: its name and its unit.
type Figure = (&'static str, &'static str);

/// What grows, and what is looked at.
struct Subject {
    /// What is counted.
    counted: &'static str,
    /// The heading.
    title: &'static str,
    /// What one must know.
    note: &'static str,
    /// How the names of its charts begin.
    prefix: &'static str,
    /// The figures, in the order in which they are measured.
    figures: &'static [Figure],
    /// Measures a server of that kind, with that count, in that folder.
    measure: fn(kind: Kind, binary: &Path, folder: &Path, mail: &Mail, count: usize) -> Result<Vec<f64>>,
}

/// The figures of each server, for each count.
type Results = Vec<(Kind, Vec<(usize, Vec<f64>)>)>;

/// Measures, and writes `growth.md` and a chart for each figure.
pub fn run(arguments: &GrowthArguments) -> Result<()> {
    let common = &arguments.common;
    let (kinds, binary) = (common.servers()?, common.binary()?);
    let (mut sizes, mut accounts) = (vec![1000, 10_000, 100_000], vec![1, 100, 1000]);
    if common.quick {
        (sizes, accounts) = (vec![100, 1000], vec![1, 10]);
    }
    if arguments.full {
        sizes.push(1_000_000);
        accounts.push(10_000);
    }
    let scratch = common.scratch()?;
    let machine = Machine::measure(scratch.path())?;
    let mail = Mail::generate(common.seed, sizes.iter().copied().max().unwrap_or(0).min(100_000), Size::Small);
    let mut results = Vec::new();
    for (subject, counts) in [(mailbox::SUBJECT, sizes), (accounts::SUBJECT, accounts)] {
        let mut servers = Vec::new();
        for &kind in &kinds {
            servers.push((kind, measure_all(&subject, kind, &binary, scratch.path(), &mail, &counts)?));
        }
        results.push((subject, servers));
    }
    let (stem, peer) = if kinds.contains(&Kind::Cyrus) { ("growth-cyrus", " --peer cyrus") } else { ("growth", "") };
    let options = format!("{peer}{}", if arguments.full { " --full" } else { "" });
    report::write(&machine, &mail, &results, &common.output(!common.quick)?, stem, &options)
}

fn measure_all(
    subject: &Subject,
    kind: Kind,
    binary: &Path,
    scratch: &Path,
    mail: &Mail,
    counts: &[usize],
) -> Result<Vec<(usize, Vec<f64>)>> {
    let mut rows = Vec::new();
    for &count in counts {
        println!("{} with {} {}", kind.name(), counted(count as f64), subject.counted);
        let begin = Instant::now();
        let folder = scratch.join(format!("{}-{count}", kind.name()));
        // The peer's processes give up root's rights and must still find their folder below it.
        std::fs::create_dir(&folder)?;
        rows.push((count, (subject.measure)(kind, binary, &folder, mail, count)?));
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        println!("  in {:.1} s", begin.elapsed().as_secs_f64());
    }
    Ok(rows)
}

/// The median time of some runs, in milliseconds.
fn milliseconds(times: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let values = (0..times).map(|_| duration(&mut work)).collect::<Result<Vec<_>>>()?;
    Ok(median(&values))
}

/// The time of one run, in milliseconds.
fn duration(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed().as_secs_f64() * 1000.0)
}

/// In MiB: proportional, and the part of it that is no file.
fn mebibytes(memory: Memory) -> [f64; 2] {
    [memory.proportional, memory.anonymous].map(|bytes| bytes as f64 / 1_048_576.0)
}
