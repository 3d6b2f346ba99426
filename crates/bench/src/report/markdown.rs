//! The table.

use std::fmt::Write as _;

use super::{Comparison, Row, Verdict};
use crate::machine::Machine;
use crate::server::Kind;
use crate::site::Timing;
use crate::statistics::{counted, shown, spread};
use crate::workload::Target;

/// The whole document.
pub fn document(comparison: &Comparison) -> String {
    let mut text = String::from("# Figures\n\n");
    let option = if comparison.stem() == "latest" { "" } else { " --peer cyrus" };
    let _ =
        write!(text, "<!-- Made by `cargo run --release -p postrider-bench -- compare{option}`. Do not edit. -->\n\n");
    text.push_str(&introduction(comparison));
    let _ = write!(
        text,
        "![How many times as good as {}]({}.svg)\n\n## In the clear\n\n",
        comparison.peer_name(),
        comparison.stem()
    );
    text.push_str(&table(comparison, &comparison.rows));
    if !comparison.tls_rows.is_empty() {
        text.push_str("\n## In TLS\n\nFull handshakes, no resumption.\n\n");
        text.push_str(&table(comparison, &comparison.tls_rows));
    }
    text.push_str(&not_reached(comparison));
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
         which shares the machine. A row without a goal is there to be known. {}{}{}\n\n",
        shown(comparison.messages as f64),
        shown(comparison.sizes.0 as f64),
        shown(comparison.sizes.1 as f64),
        comparison.seed,
        comparison.rounds,
        comparison.peer.map_or("", Kind::tuning),
        if comparison.peer.is_some() { " " } else { "" },
        Kind::Postrider.tuning(),
    );
    if cfg!(debug_assertions) {
        text.push_str("**A build for debugging: these figures mean nothing.**\n\n");
    }
    text
}

fn table(comparison: &Comparison, rows: &[Row]) -> String {
    let peer = comparison.peer_name();
    let mut text = format!(
        "| workload | postrider | {peer} | unit | ratio | goal | reached | CPU: postrider, {peer}, client | remark |\n\
         |---|--:|--:|---|--:|--:|---|---|---|\n",
    );
    for row in rows {
        let unit = row.workload.figure.unit();
        let reached = match row.verdict() {
            Verdict::Reached => "yes",
            Verdict::NotReached => "**no**",
            Verdict::NoGoal => "–",
            Verdict::Unknown => "",
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {unit} | {} | {} | {reached} | {} | {} |",
            row.workload.name,
            figure(row, 0),
            figure(row, 1),
            row.ratio().map(|ratio| format!("{}×", shown(ratio))).unwrap_or_default(),
            goal(row),
            processors(row),
            remark(comparison, row)
        );
    }
    text
}

fn goal(row: &Row) -> String {
    let unit = row.workload.figure.unit();
    match row.workload.target {
        Target::Ratio(ratio) => format!("{ratio}×"),
        Target::AtMost(most) => format!("≤ {} {unit}", counted(most)),
        Target::AtLeast(least) => format!("held: {}", counted(least)),
        Target::None => String::from("–"),
    }
}

fn figure(row: &Row, server: usize) -> String {
    let Some(median) = row.median(server) else { return String::new() };
    let values = row.values(server);
    if values.len() < 2 {
        return shown(median);
    }
    format!("{} ±{:.0} %", shown(median), spread(&values) * 50.0)
}

/// The row's note, what is absent and why, and warnings: of a disk that was not equally fast for both, of a client that
/// takes so much of the machine that the figure is partly its own.
fn remark(comparison: &Comparison, row: &Row) -> String {
    let mut parts = vec![row.workload.remark(comparison.peer)];
    parts.extend(row.absences.values().map(|reason| format!("**{}**", one_line(reason))));
    let syncs = |server: usize| row.median_of(server, |sample| sample.syncs);
    if let (Some(ours), Some(theirs)) = (syncs(0), syncs(1))
        && (ours > 1.5 * theirs || theirs > 1.5 * ours)
    {
        let peer = comparison.peer_name();
        parts.push(format!("**the disk did {} syncs/s for postrider, {} for {peer}**", shown(ours), shown(theirs)));
    }
    if client_percent(row).is_some_and(|percent| percent > CLIENT_PERCENT_MAX) {
        parts.push(String::from("**the client takes a good part of the machine**"));
    }
    parts.extend(memory(comparison, row));
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}

/// Of one processor, from which on the client's share is named.
const CLIENT_PERCENT_MAX: f64 = 50.0;

/// What all processes held when the figure was taken.
fn memory(comparison: &Comparison, row: &Row) -> Option<String> {
    let of = |server: usize, name: &str| {
        let memory = row.samples.get(server)?.iter().find_map(|sample| sample.memory)?;
        let mebibytes = |bytes: u64| shown(bytes as f64 / 1_048_576.0);
        Some(format!("{name} {} MiB ({} anonymous)", mebibytes(memory.proportional), mebibytes(memory.anonymous)))
    };
    let each: Vec<String> = [of(0, "postrider"), of(1, comparison.peer_name())].into_iter().flatten().collect();
    if each.is_empty() { None } else { Some(format!("all processes then, PSS: {}", each.join(", "))) }
}

/// The goals that are missed, each with what keeps it.
fn not_reached(comparison: &Comparison) -> String {
    let mut text = String::new();
    for (rows, suffix) in [(&comparison.rows, ""), (&comparison.tls_rows, " (TLS)")] {
        for row in rows.iter().filter(|row| row.verdict() == Verdict::NotReached) {
            let value = match row.workload.target {
                Target::Ratio(_) => row.ratio().map(|ratio| format!("{}×", shown(ratio))),
                _ => row.median(0).map(|value| format!("{} {}", shown(value), row.workload.figure.unit())),
            };
            let (value, goal, name) = (value.unwrap_or_default(), goal(row), row.workload.name);
            let efficiency = efficiency_ratio(row)
                .map(|ratio| format!(" For a second of its own processor time {}×.", shown(ratio)))
                .unwrap_or_default();
            let _ = writeln!(text, "- **{name}{suffix}**: {value}, wanted {goal}.{efficiency} {}", row.workload.missed);
        }
    }
    if text.is_empty() {
        return text;
    }
    format!("\n## Not reached\n\nGoals that are missed, what keeps them, and what would close the distance:\n\n{text}")
}

/// How many times as much as the peer we do with a second of the server's processor time. It tells apart a server that is
/// slow from one that waits, for the disk or for a client that has the processors.
fn efficiency_ratio(row: &Row) -> Option<f64> {
    let done = |server: usize| {
        let percent =
            processor_percent(row, server, |timing| timing.server_seconds).filter(|percent| *percent > 1.0)?;
        Some(row.median(server)? / percent)
    };
    Some(done(0)? / done(1)?)
}

fn client_percent(row: &Row) -> Option<f64> {
    processor_percent(row, 0, |timing| timing.client_seconds)
}

fn processor_percent(row: &Row, server: usize, of: fn(&Timing) -> f64) -> Option<f64> {
    row.median_of(server, |sample| sample.timing.map(|timing| 100.0 * of(&timing) / timing.seconds.max(1e-9)))
}

/// An error's text in a table's cell.
fn one_line(text: &str) -> String {
    let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/");
    words.chars().take(160).collect()
}

/// Processor time in percent of the time by the clock.
fn processors(row: &Row) -> String {
    let columns = [
        processor_percent(row, 0, |timing| timing.server_seconds),
        processor_percent(row, 1, |timing| timing.server_seconds),
        client_percent(row),
    ];
    let shown: Vec<String> = columns.into_iter().flatten().map(|percent| format!("{percent:.0}")).collect();
    shown.join(", ")
}

fn disagreements(comparison: &Comparison) -> String {
    let rows = comparison.rows.iter().chain(&comparison.tls_rows);
    let mut text = String::new();
    for (row, (ours, theirs)) in rows.filter_map(|row| Some((row, row.disagreement()?))) {
        let _ = writeln!(text, "- {}: {ours} by postrider, {theirs} by {}", row.workload.name, comparison.peer_name());
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
