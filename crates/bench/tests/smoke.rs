//! Every workload runs: a meter that is broken is noticed before figures are wanted.
//!
//! It measures postrider's build for debugging, alone, with little mail. What comes out are no figures.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::fs;
use std::process::{Command, Output};

fn bench(arguments: &[&str]) -> (tempfile::TempDir, Output) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_postrider-bench"));
    command.args(arguments).args(["--peer", "none", "--quick", "--output"]).arg(folder.path());
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (folder, output)
}

#[test]
fn compare_runs_every_workload() {
    let (folder, _) = bench(&["compare", "--rounds", "1", "--messages", "200"]);
    let text = fs::read_to_string(folder.path().join("latest.json")).unwrap();
    let results: serde_json::Value = serde_json::from_str(&text).unwrap();
    for rows in [&results["plain"], &results["tls"]] {
        for row in rows.as_array().expect("a table") {
            // A row is left out only for want of a capability.
            let absent = row["absent"].as_array().expect("reasons");
            let excused = absent.iter().any(|reason| reason.as_str().unwrap().contains("does not announce"));
            assert!(row["postrider"]["median"].is_number() || excused, "no figure in {row}");
        }
    }
    for file in ["latest.md", "latest.svg"] {
        assert!(fs::metadata(folder.path().join(file)).unwrap().len() > 500, "{file} is empty");
    }
}

#[test]
fn growth_runs() {
    let (folder, _) = bench(&["growth"]);
    let text = fs::read_to_string(folder.path().join("growth.md")).unwrap();
    for heading in ["### SELECT, cold", "### SELECT, first of an account"] {
        assert!(text.contains(heading), "{text}");
    }
}
