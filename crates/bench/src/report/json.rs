//! The figures for programs.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Comparison, Row, Verdict};
use crate::workload::{self, Figure, Target};

/// The whole document.
pub fn document(comparison: &Comparison) -> Result<String> {
    let machine = &comparison.machine;
    let missing: Vec<Value> =
        workload::MISSING.iter().map(|(name, reason)| json!({ "workload": name, "reason": reason })).collect();
    let value = json!({
        "versions": comparison.versions,
        "seed": comparison.seed,
        "rounds": comparison.rounds,
        "seconds": comparison.seconds,
        "mail": {
            "messages": comparison.messages,
            "bytes": comparison.mail_bytes,
            "bytes_median": comparison.sizes.0,
            "bytes_mean": comparison.sizes.1,
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
        "plain": comparison.rows.iter().map(row).collect::<Vec<_>>(),
        "tls": comparison.tls_rows.iter().map(row).collect::<Vec<_>>(),
        "missing": missing,
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&value)?))
}

fn row(row: &Row) -> Value {
    let (unit, better) = match row.workload.figure {
        Figure::PerSecond(unit) => (unit, "more"),
        Figure::Least(unit) => (unit, "less"),
    };
    let goal = match row.workload.target {
        Target::Ratio(ratio) => json!({ "ratio": ratio }),
        Target::AtMost(most) => json!({ "at_most": most }),
    };
    json!({
        "workload": row.workload.name,
        "unit": unit,
        "better": better,
        "postrider": samples(row, 0),
        "peer": samples(row, 1),
        "ratio": row.ratio(),
        "goal": goal,
        "reached": match row.verdict() {
            Verdict::Reached => json!(true),
            Verdict::NotReached => json!(false),
            Verdict::Unknown => Value::Null,
        },
        "note": row.workload.note,
    })
}

fn samples(row: &Row, server: usize) -> Value {
    let samples = row.samples.get(server).map(Vec::as_slice).unwrap_or_default();
    let seconds = |of: fn(&crate::site::Timing) -> f64| -> Vec<Option<f64>> {
        samples.iter().map(|sample| sample.timing.as_ref().map(of)).collect()
    };
    json!({
        "median": row.median(server),
        "values": row.values(server),
        "checks": samples.iter().map(|sample| sample.check).collect::<Vec<_>>(),
        "syncs_per_second_before": samples.iter().map(|sample| sample.syncs).collect::<Vec<_>>(),
        "seconds": seconds(|timing| timing.seconds),
        "server_processor_seconds": seconds(|timing| timing.server_seconds),
        "client_processor_seconds": seconds(|timing| timing.client_seconds),
    })
}
