//! The figures for programs.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Comparison, Row, Verdict};
use crate::server::Kind;
use crate::workload::{Figure, Target};

/// The whole document.
pub fn document(comparison: &Comparison) -> Result<String> {
    let machine = &comparison.machine;
    let peer = comparison.peer;
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
        "plain": comparison.rows.iter().map(|each| row(each, peer)).collect::<Vec<_>>(),
        "tls": comparison.tls_rows.iter().map(|each| row(each, peer)).collect::<Vec<_>>(),
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&value)?))
}

fn row(row: &Row, peer: Option<Kind>) -> Value {
    let better = match row.workload.figure {
        Figure::PerSecond(_) | Figure::Most(_) => "more",
        Figure::Least(_) => "less",
    };
    let goal = match row.workload.target {
        Target::Ratio(ratio) => json!({ "ratio": ratio }),
        Target::AtMost(most) => json!({ "at_most": most }),
        Target::AtLeast(least) => json!({ "at_least": least }),
        Target::None => Value::Null,
    };
    json!({
        "workload": row.workload.name,
        "unit": row.workload.figure.unit(),
        "better": better,
        "postrider": samples(row, 0),
        "peer": samples(row, 1),
        "ratio": row.ratio(),
        "goal": goal,
        "reached": match row.verdict() {
            Verdict::Reached => json!(true),
            Verdict::NotReached => json!(false),
            Verdict::Unknown | Verdict::NoGoal => Value::Null,
        },
        "note": row.workload.remark(peer),
        "absent": row.absences.values().collect::<Vec<_>>(),
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
        "memory": samples.iter().map(|sample| sample.memory.map(|memory| json!({
            "proportional_bytes": memory.proportional,
            "anonymous_bytes": memory.anonymous,
            "resident_bytes": memory.resident,
        }))).collect::<Vec<_>>(),
        "seconds": seconds(|timing| timing.seconds),
        "server_processor_seconds": seconds(|timing| timing.server_seconds),
        "client_processor_seconds": seconds(|timing| timing.client_seconds),
    })
}
