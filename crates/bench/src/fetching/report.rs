//! `fetch.md` and `fetch.json`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::comparison::Comparison;
use super::measure::Sample;
use super::{RUNS, Results, Row};
use crate::report;
use crate::statistics::{counted, median, shown, spread};

/// Prints and writes them.
pub(super) fn write(results: &Results, folder: &Path) -> Result<()> {
    let text = markdown(results);
    println!("\n{text}");
    report::save(folder, "fetch.md", &text)?;
    report::save(folder, "fetch.json", &format!("{}\n", serde_json::to_string_pretty(&document(results))?))
}

fn markdown(results: &Results) -> String {
    let mut text = String::from(
        "# Fetching\n\n<!-- Made by `cargo run --release -p postrider-bench -- fetch`. Do not edit. -->\n\n",
    );
    text.push_str(&introduction(results));
    for (run, name) in RUNS.iter().enumerate() {
        let _ = write!(text, "## When {name}\n\n");
        text.push_str(&figures(results, run));
        text.push('\n');
    }
    text.push_str(&what_came(results));
    text.push_str("## How they were run\n\n");
    for row in &results.rows {
        let version = if row.version.is_empty() { String::new() } else { format!(" {}", row.version) };
        let _ = writeln!(text, "- **{}**{version}: {}", row.tool.name(), row.tool.remark());
    }
    for absence in reasons(results) {
        let _ = writeln!(text, "- {absence}");
    }
    text
}

fn introduction(results: &Results) -> String {
    let mut text =
        format!("{} on one machine, in one run of {:.0} s: ", results.versions.join(" and "), results.seconds);
    text.push_str(&report::machine_paragraph(&results.machine));
    let _ = write!(
        text,
        "One mailbox on Dovecot (sdbox) of {} messages, {} MB, {} bytes in the median and {} in the mean (seed {}), is \
         fetched by each tool; {} rounds, one tool after the other, who begins changes with the round; figures are medians, and \
         behind ± is half the distance of the best and the worst round. All speak in the clear over the loopback, through a proxy \
         that counts. CPU is the processor time of the tool's processes and of the server that keeps what it fetched, where \
         there is one; memory is the sum of what these had resident at most, shared and mapped pages included. Dovecot's own \
         work there is in none of the figures but the time.\n\n",
        counted(results.messages as f64),
        shown(results.bytes as f64 / 1e6),
        shown(results.sizes.0 as f64),
        shown(results.sizes.1 as f64),
        results.seed,
        results.rounds,
    );
    if cfg!(debug_assertions) {
        text.push_str("**A build for debugging: these figures mean nothing.**\n\n");
    }
    text
}

fn figures(results: &Results, run: usize) -> String {
    let mut text = String::from(
        "| tool | seconds | CPU seconds | MB received | kB sent | memory, MiB |\n|---|--:|--:|--:|--:|--:|\n",
    );
    for row in results.rows.iter().filter(|row| !samples(row, run).is_empty()) {
        let values = |of: fn(&Sample) -> f64| -> Vec<f64> { samples(row, run).iter().map(of).collect() };
        let seconds = values(|sample| sample.seconds);
        let spread = if seconds.len() > 1 { format!(" ±{:.0} %", spread(&seconds) * 50.0) } else { String::new() };
        let _ = writeln!(
            text,
            "| {} | {}{spread} | {} | {} | {} | {} |",
            row.tool.name(),
            shown(median(&seconds)),
            shown(median(&values(|sample| sample.processor_seconds))),
            shown(median(&values(|sample| sample.received as f64 / 1e6))),
            shown(median(&values(|sample| sample.sent as f64 / 1e3))),
            shown(median(&values(|sample| sample.peak as f64 / 1_048_576.0))),
        );
    }
    text
}

/// Why tools, or some of their figures, are missing; each in one line.
fn reasons(results: &Results) -> Vec<String> {
    let failures = results.rows.iter().filter_map(|row| row.failure.as_ref());
    let one_line = |text: &String| text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/");
    results.absences.iter().chain(failures).map(one_line).collect()
}

fn samples(row: &Row, run: usize) -> &[Sample] {
    row.samples.get(run).map(Vec::as_slice).unwrap_or_default()
}

fn what_came(results: &Results) -> String {
    let mut text = String::from(
        "## What came\n\nMessages after the third run, compared with what is there. In a Maildir lines end with LF by custom, so \
         a message that differs in nothing else is as it should be.\n\n\
         | tool | there | byte for byte | but for line ends | with lines added to the header | otherwise changed | missing | \
         too many | flags differ | keywords lost |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in &results.rows {
        let Some(found) = row.comparisons.last() else { continue };
        let _ = write!(text, "| {} |", row.tool.name());
        for (_, count) in columns(found) {
            let _ = write!(text, " {} |", counted(count as f64));
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

fn columns(found: &Comparison) -> [(&'static str, usize); 9] {
    [
        ("there", found.there),
        ("byte_for_byte", found.exact),
        ("but_for_line_ends", found.line_ends),
        ("header_added", found.header_added),
        ("otherwise_changed", found.changed),
        ("missing", found.missing),
        ("too_many", found.surplus),
        ("flags_differ", found.flags_differ),
        ("keywords_lost", found.keywords_lost),
    ]
}

fn document(results: &Results) -> Value {
    let machine = &results.machine;
    json!({
        "versions": results.versions,
        "seed": results.seed,
        "rounds": results.rounds,
        "seconds": results.seconds,
        "mail": {
            "messages": results.messages,
            "bytes": results.bytes,
            "bytes_median": results.sizes.0,
            "bytes_mean": results.sizes.1,
        },
        "machine": {
            "date": machine.date,
            "processor": machine.processor,
            "processors": machine.processors,
            "memory_gibibytes": machine.memory_gibibytes,
            "kernel": machine.kernel,
            "loopback_bytes_per_second": machine.loopback_bytes,
            "syncs_per_second": machine.syncs,
            "copy_bytes_per_second": machine.copy_bytes,
        },
        "tools": results.rows.iter().map(tool).collect::<Vec<_>>(),
        "absent": reasons(results),
    })
}

fn tool(row: &Row) -> Value {
    let runs = RUNS.iter().enumerate().map(|(run, name)| {
        let samples = samples(row, run).iter().map(|sample| {
            json!({
                "seconds": sample.seconds,
                "processor_seconds": sample.processor_seconds,
                "bytes_received": sample.received,
                "bytes_sent": sample.sent,
                "memory_bytes_max": sample.peak,
            })
        });
        json!({ "when": name, "rounds": samples.collect::<Vec<_>>() })
    });
    let compared = row.comparisons.iter().map(|found| {
        Value::Object(columns(found).into_iter().map(|(name, count)| (name.to_owned(), json!(count))).collect())
    });
    json!({
        "tool": row.tool.name(),
        "version": row.version,
        "runs": runs.collect::<Vec<_>>(),
        "came": compared.collect::<Vec<_>>(),
    })
}
