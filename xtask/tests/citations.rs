//! Every RFC that the sources cite is in the table of docs/PROTOCOLS.md.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a failed expectation is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The numbers that follow `RFC ` in a text.
fn cited(text: &str) -> BTreeSet<u32> {
    let behind = text.split("RFC ").skip(1);
    behind
        .filter_map(|rest| {
            let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
            rest[..end].parse().ok()
        })
        .collect()
}

/// The Rust files below a folder, build output left out.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_rfc_that_is_cited_is_in_the_table_of_protocols() {
    let table = fs::read_to_string(workspace().join("docs/PROTOCOLS.md")).expect("docs/PROTOCOLS.md");
    let rows = table.lines().filter(|line| line.starts_with("| RFC "));
    let listed: BTreeSet<u32> = rows.flat_map(|row| cited(row.split('|').nth(1).unwrap_or_default())).collect();
    let mut files = Vec::new();
    sources(&workspace(), &mut files);
    assert!(files.len() > 50, "the sources were not found");
    let mut missing: BTreeMap<u32, PathBuf> = BTreeMap::new();
    for file in files.into_iter().filter(|file| !file.ends_with("xtask/tests/citations.rs")) {
        let text = fs::read_to_string(&file).unwrap();
        for number in cited(&text).difference(&listed) {
            missing.entry(*number).or_insert_with(|| file.clone());
        }
    }
    assert!(missing.is_empty(), "cited, but not in docs/PROTOCOLS.md (each with one file): {missing:#?}");
}

#[test]
fn citations_are_found() {
    assert_eq!(cited("RFC 9051 §6 and RFC 5321, not RFCs"), BTreeSet::from([5321, 9051]));
}
