//! `growth`: how figures change with the number of messages in a mailbox.
//!
//! Messages are small (about 2 KiB), so that their number is what grows. "Cold" is the first SELECT after a start of the
//! server; the kernel's page cache is left as it is.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::GrowthArguments;
use crate::driver::{ImapConnection, Transport};
use crate::fill::fill_inbox;
use crate::machine::Machine;
use crate::mail::{Mail, Size};
use crate::report::{self, Curve};
use crate::server::{Kind, Server};
use crate::statistics::{median, shown};

/// How often each short command is repeated.
const TIMES: usize = 21;

/// The figures, in the order of [`measure`].
const FIGURES: [(&str, &str); 8] = [
    ("SELECT, cold", "ms"),
    ("SELECT, warm", "ms"),
    ("APPEND", "ms"),
    ("FETCH of the last 50 (FLAGS ENVELOPE)", "ms"),
    ("STORE of one message", "ms"),
    ("memory of all processes after that (PSS)", "MiB"),
    ("disk per message", "bytes"),
    ("start-up until the greeting", "ms"),
];

/// Measures and writes `growth.md` and a chart for each figure.
pub fn run(arguments: &GrowthArguments) -> Result<()> {
    let common = &arguments.common;
    let (kinds, binary) = (common.servers()?, common.binary()?);
    let mut sizes = if common.quick { vec![100, 1000] } else { vec![1000, 10_000, 100_000] };
    if arguments.full {
        sizes.push(1_000_000);
    }
    let scratch = common.scratch()?;
    let machine = Machine::measure(scratch.path())?;
    let mail = Mail::generate(common.seed, sizes.iter().copied().max().unwrap_or(0).min(100_000), Size::Small);
    let mut results = Vec::new();
    for kind in kinds {
        let mut rows = Vec::new();
        for &size in &sizes {
            println!("{} with {} messages", kind.name(), shown(size as f64));
            let folder = scratch.path().join(format!("{}-{size}", kind.name()));
            std::fs::create_dir(&folder)?;
            rows.push((size, measure(kind, &binary, &folder, &mail, size)?));
            std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        results.push((kind, rows));
    }
    write(&machine, &mail, &results, &common.output(!common.quick)?)
}

type Results = Vec<(usize, [f64; 8])>;

/// One server with one size of mailbox.
fn measure(kind: Kind, binary: &Path, folder: &Path, mail: &Mail, size: usize) -> Result<[f64; 8]> {
    let mut server = Server::start(kind, binary, folder, &[String::from("reader")])?;
    let empty = server.disk_bytes();
    fill_inbox(&server, "reader", mail, 0, size)?;
    let start = server.start_to_be_measured()?.as_secs_f64() * 1000.0;
    let disk = server.disk_bytes().saturating_sub(empty) as f64 / size as f64;
    let mut client = ImapConnection::logged_in(&server, Transport::Plain, server.account("reader")?)?;
    let cold = milliseconds(1, || client.run("SELECT INBOX").map(drop))?;
    let warm = milliseconds(TIMES, || client.run("SELECT INBOX").map(drop))?;
    let append = milliseconds(TIMES, || client.append("INBOX", [mail.message(0)]))?;
    // The messages that were appended are new to everybody; what is asked about now are those before them.
    let last = format!("FETCH {}:{size} (FLAGS ENVELOPE)", size.saturating_sub(49).max(1));
    let fetch = milliseconds(TIMES, || client.run(&last).map(drop))?;
    let mut number = 0;
    let store = milliseconds(TIMES, || {
        number += 1;
        client.run(&format!("STORE {} +FLAGS (\\Flagged)", number * (size / TIMES).max(1) % size + 1)).map(drop)
    })?;
    let memory = server.memory()?.proportional as f64 / 1_048_576.0;
    client.logout()?;
    Ok([cold, warm, append, fetch, store, memory, disk, start])
}

/// The median time of some runs.
fn milliseconds(times: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut values = Vec::with_capacity(times);
    for _ in 0..times {
        let begin = std::time::Instant::now();
        work()?;
        values.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(median(&values))
}

fn write(machine: &Machine, mail: &Mail, results: &[(Kind, Results)], output: &Path) -> Result<()> {
    let mut text = String::from(
        "# Growth\n\n<!-- Made by `cargo run --release -p postrider-bench -- growth`. Do not edit. -->\n\n",
    );
    text.push_str(&report::machine_paragraph(machine));
    let (median, mean) = mail.sizes();
    let _ = write!(
        text,
        "One mailbox of growing size; messages of {} bytes in the median, {} in the mean. Cold is the first SELECT after a \
         start of the server, with the kernel's page cache as it is. Times are medians of {TIMES}. Memory counts \
         the pages of mapped files, too, such as postrider's database; the kernel takes those back when it needs them.\n\n",
        shown(median as f64),
        shown(mean as f64)
    );
    if cfg!(debug_assertions) {
        text.push_str("**A build for debugging: these figures mean nothing.**\n\n");
    }
    for (index, (name, unit)) in FIGURES.iter().enumerate() {
        let file = format!("growth-{}.svg", file_name(name));
        let _ = write!(text, "## {name}, {unit}\n\n| messages |");
        for (kind, _) in results {
            let _ = write!(text, " {} |", kind.name());
        }
        let _ = writeln!(text, "\n|--:|{}", "--:|".repeat(results.len()));
        for (row, (size, _)) in results.first().map(|(_, rows)| rows.as_slice()).unwrap_or_default().iter().enumerate()
        {
            let _ = write!(text, "| {} |", shown(*size as f64));
            for (_, rows) in results {
                let value = rows.get(row).and_then(|(_, values)| values.get(index)).copied().unwrap_or(0.0);
                let _ = write!(text, " {} |", shown(value));
            }
            text.push('\n');
        }
        let _ = write!(text, "\n![{name}]({file})\n\n");
        let curves: Vec<Curve> = results
            .iter()
            .map(|(kind, rows)| Curve {
                name: kind.name().to_owned(),
                points: rows.iter().map(|(size, values)| (*size as f64, values[index])).collect(),
            })
            .collect();
        report::save(output, &file, &report::curves(name, unit, &curves))?;
    }
    println!("\n{text}");
    report::save(output, "growth.md", &format!("{}\n", text.trim_end()))
}

/// A figure's name as part of a file's.
fn file_name(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).take(3);
    words.collect::<Vec<_>>().join("-").to_lowercase()
}
