//! The table.

use std::fmt::Write as _;

use super::{Comparison, Row, Verdict};
use crate::machine::Machine;
use crate::statistics::{shown, spread};
use crate::workload::{self, Figure, Target};

/// The whole document.
pub fn document(comparison: &Comparison) -> String {
    let mut text = String::from("# Figures\n\n");
    text.push_str("<!-- Made by `cargo run --release -p postrider-bench -- compare`. Do not edit. -->\n\n");
    text.push_str(&introduction(comparison));
    text.push_str("![How many times as good as the peer](latest.svg)\n\n## In the clear\n\n");
    text.push_str(&table(&comparison.rows));
    if !comparison.rows.is_empty() {
        for (name, reason) in workload::MISSING {
            let _ = writeln!(text, "| {name} | {reason} | | | | | | | |");
        }
    }
    if !comparison.tls_rows.is_empty() {
        text.push_str("\n## In TLS\n\nFull handshakes, no resumption.\n\n");
        text.push_str(&table(&comparison.tls_rows));
    }
    text.push_str(&disagreements(comparison));
    text.push_str(&distances(comparison));
    text
}

/// The paragraph about the machine.
pub fn machine_paragraph(machine: &Machine) -> String {
    format!(
        "{}, {} processors, {:.0} GiB of memory, Linux {}, {}. At best it moves {} GB/s over the loopback (one connection), \
         syncs {} appends of 4 KiB per second (fdatasync, one after the other) and copies {} GB/s in memory (one thread).\n\n",
        machine.processor,
        machine.processors,
        machine.memory_gibibytes,
        machine.kernel,
        machine.date,
        shown(machine.loopback_bytes / 1e9),
        shown(machine.syncs),
        shown(machine.copy_bytes / 1e9),
    )
}

fn introduction(comparison: &Comparison) -> String {
    let mut text =
        format!("{} on one machine, in one run of {:.0} s: ", comparison.versions.join(" and "), comparison.seconds);
    text.push_str(&machine_paragraph(&comparison.machine));
    let _ = write!(
        text,
        "The large mailbox has {} messages of {} bytes in the median and {} in the mean (seed {}); {} rounds, each workload on \
         both in turn, who begins changes with the round. Figures are medians; behind ± is half the distance of the \
         best and the worst round. Ratios say how many times as good as the peer postrider is. CPU is the processor time that \
         the server spent, in percent of the time by the clock; *client* is that of the measuring client beside postrider, \
         which shares the machine. The peer is tuned: sdbox, login and mail processes that stay, authentication cache, \
         `mail_fsync = optimized` (its default: mail that arrives and expunges are synced, changes of flags are not). postrider runs with its \
         defaults and syncs before every positive answer.\n\n",
        shown(comparison.messages as f64),
        shown(comparison.sizes.0 as f64),
        shown(comparison.sizes.1 as f64),
        comparison.seed,
        comparison.rounds,
    );
    if cfg!(debug_assertions) {
        text.push_str("**A build for debugging: these figures mean nothing.**\n\n");
    }
    text
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| workload | postrider | peer | unit | ratio | goal | reached | CPU: postrider, peer, client | remark |\n\
         |---|--:|--:|---|--:|--:|---|---|---|\n",
    );
    for row in rows {
        let (Figure::PerSecond(unit) | Figure::Least(unit)) = row.workload.figure;
        let goal = match row.workload.target {
            Target::Ratio(ratio) => format!("{ratio}×"),
            Target::AtMost(most) => format!("≤ {most} {unit}"),
        };
        let reached = match row.verdict() {
            Verdict::Reached => "yes",
            Verdict::NotReached => "**no**",
            Verdict::Unknown => "",
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {unit} | {} | {goal} | {reached} | {} | {} |",
            row.workload.name,
            figure(row, 0),
            figure(row, 1),
            row.ratio().map(|ratio| format!("{}×", shown(ratio))).unwrap_or_default(),
            processors(row),
            remark(row)
        );
    }
    text
}

fn figure(row: &Row, server: usize) -> String {
    let Some(median) = row.median(server) else { return String::new() };
    let values = row.values(server);
    if values.len() < 2 {
        return shown(median);
    }
    format!("{} ±{:.0} %", shown(median), spread(&values) * 50.0)
}

/// The row's note; and a warning if the disk was not equally fast for both.
fn remark(row: &Row) -> String {
    let note = row.workload.note.to_owned();
    let syncs = |server: usize| row.median_of(server, |sample| sample.syncs);
    match (syncs(0), syncs(1)) {
        (Some(ours), Some(theirs)) if ours > 1.5 * theirs || theirs > 1.5 * ours => {
            let warning =
                format!("**the disk did {} syncs/s for postrider, {} for the peer**", shown(ours), shown(theirs));
            if note.is_empty() { warning } else { format!("{note}; {warning}") }
        }
        _ => note,
    }
}

/// Processor time in percent of the time by the clock.
fn processors(row: &Row) -> String {
    let percent = |server: usize, of: fn(&crate::site::Timing) -> f64| {
        row.median_of(server, |sample| sample.timing.map(|timing| 100.0 * of(&timing) / timing.seconds.max(1e-9)))
            .map(|percent| format!("{percent:.0}"))
    };
    let columns = [
        percent(0, |timing| timing.server_seconds),
        percent(1, |timing| timing.server_seconds),
        percent(0, |timing| timing.client_seconds),
    ];
    columns.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn disagreements(comparison: &Comparison) -> String {
    let rows = comparison.rows.iter().chain(&comparison.tls_rows);
    let mut text = String::new();
    for (row, (ours, theirs)) in rows.filter_map(|row| Some((row, row.disagreement()?))) {
        let _ = writeln!(text, "- {}: {ours} by postrider, {theirs} by the peer", row.workload.name);
    }
    if text.is_empty() {
        return text;
    }
    format!("\n## Different answers\n\nAnswers, hits or bytes that the servers do not agree on:\n\n{text}")
}

/// How far from the machine's limits we are.
fn distances(comparison: &Comparison) -> String {
    let machine = &comparison.machine;
    let rate = |name: &str| comparison.rows.iter().find(|row| row.workload.name == name)?.median(0);
    let message_bytes = comparison.mail_bytes as f64 / comparison.messages.max(1) as f64;
    let bytes = |name: &str| rate(name).map(|rate| rate * message_bytes);
    let rows = [
        ("FETCH 1:* BODY.PEEK[]", bytes("FETCH 1:* BODY.PEEK[]"), machine.loopback_bytes, "loopback bytes/s"),
        ("SEARCH TEXT, all mail", bytes("SEARCH TEXT, all mail"), machine.copy_bytes, "memory copy bytes/s"),
        ("APPEND, 1 connection", rate("APPEND, 1 connection"), machine.syncs, "syncs/s"),
        ("APPEND, 64 connections", rate("APPEND, 64 connections"), machine.syncs, "syncs/s"),
        ("LMTP delivery, 1 connection", rate("LMTP delivery, 1 connection"), machine.syncs, "syncs/s"),
        ("LMTP delivery, 64 connections", rate("LMTP delivery, 64 connections"), machine.syncs, "syncs/s"),
    ];
    let mut text = String::new();
    for (name, value, limit, unit) in rows {
        if let Some(value) = value {
            let percent = 100.0 * value / limit;
            let _ = writeln!(text, "| {name} | {} | {} | {unit} | {percent:.1} % |", shown(value), shown(limit));
        }
    }
    if text.is_empty() {
        return text;
    }
    format!(
        "\n## From the machine's limits\n\nAbove 100 % several messages share a sync.\n\n\
         | workload | postrider | the machine | unit | part |\n|---|--:|--:|---|--:|\n{text}"
    )
}
