//! The comparison of fetching runs with the tools that Debian has, and finds that all mail came by all of them.
//!
//! It measures builds for debugging with little mail. What comes out are no figures.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::fs;
use std::process::Command;

#[test]
fn every_tool_fetches_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_postrider-bench"));
    command.args(["fetch", "--quick", "--messages", "40", "--output"]).arg(folder.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(folder.path().join("fetch.json")).unwrap();
    let results: serde_json::Value = serde_json::from_str(&text).unwrap();
    let tools = results["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 6, "{results:#}");
    for tool in tools {
        // Every message in the first run, and the hundred new ones in the third.
        for (compared, there) in tool["came"].as_array().unwrap().iter().zip([40, 140]) {
            let of = |name: &str| compared[name].as_u64().unwrap();
            assert_eq!((of("there"), of("missing"), of("too_many")), (there, 0, 0), "{tool:#}");
            if tool["tool"].as_str().unwrap().starts_with("postrider") {
                assert_eq!(of("byte_for_byte"), there, "{tool:#}");
            }
        }
    }
    assert!(fs::read_to_string(folder.path().join("fetch.md")).unwrap().contains("## When nothing is new"));
}
