//! ARCHITECTURE.md and the crates say the same.
//!
//! The table there, `| floor | crate | may use |`, is what a reader believes; this holds it against `cargo metadata`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

/// A row of the table. Crates of the floor `dev` may use everything and be used in tests only.
#[derive(Debug)]
struct Row {
    floor: Option<u32>,
    may_use: BTreeSet<String>,
}

fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The names between backticks.
fn names(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn table() -> BTreeMap<String, Row> {
    let text = std::fs::read_to_string(workspace().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let mut lines = text.lines().skip_while(|line| *line != "| floor | crate | may use |");
    assert!(lines.next().is_some(), "ARCHITECTURE.md has no table `| floor | crate | may use |`");
    let mut rows = BTreeMap::new();
    for line in lines.skip(1).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [floor, crates, may_use] = cells[..] else { panic!("not three cells: {line}") };
        let floor = match floor {
            "dev" => None,
            number => Some(number.parse().unwrap_or_else(|_| panic!("a floor is a number or `dev`: {line}"))),
        };
        for name in names(crates) {
            let row = Row { floor, may_use: names(may_use).into_iter().collect() };
            assert!(rows.insert(name, row).is_none(), "a crate is there twice: {line}");
        }
    }
    rows
}

/// Every workspace crate by its short name, with the workspace crates that it is built from; tests do not count.
fn edges() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let short = |name: &serde_json::Value| {
        let name = name.as_str().unwrap();
        name.strip_prefix("postrider-").unwrap_or(name).to_owned()
    };
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let inside = dependencies.filter(|one| one["path"].is_string() && one["kind"] != "dev");
            (short(&package["name"]), inside.map(|one| short(&one["name"])).collect())
        })
        .collect()
}

#[test]
fn every_crate_is_in_the_table_and_every_row_is_a_crate() {
    let (table, edges) = (table(), edges());
    assert_eq!(table.keys().collect::<Vec<_>>(), edges.keys().collect::<Vec<_>>());
}

#[test]
fn a_crate_uses_only_what_the_table_allows() {
    let table = table();
    for (name, uses) in edges() {
        let Some(row) = table.get(&name) else { panic!("{name} is not in the table") };
        if row.floor.is_some() {
            let forbidden: Vec<_> = uses.difference(&row.may_use).collect();
            assert!(forbidden.is_empty(), "{name} uses {forbidden:?}, which ARCHITECTURE.md does not allow");
        }
    }
}

#[test]
fn the_table_leads_downwards() {
    let table = table();
    for (name, row) in table.iter().filter(|(_, row)| row.floor.is_some()) {
        for used in &row.may_use {
            let below = table.get(used).unwrap_or_else(|| panic!("{name} may use {used}, which has no row"));
            assert!(below.floor.is_some(), "{name} may not be built from {used}, which is for tests");
            assert!(below.floor <= row.floor, "{name} may use {used}, which stands on a higher floor");
        }
    }
}
