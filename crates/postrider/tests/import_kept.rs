//! An import that finds the disk full keeps what it has brought, says what is the matter, and goes on when there is room.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::{collections::BTreeMap, fs};

use postrider_testkit::{Corpus, ImapClient, Program, ServerUnderTest, SmallDisk, program::Output};
use serde_json::Value;

const POSTRIDER: &str = env!("CARGO_BIN_EXE_postrider");
const MESSAGES: usize = 2200;

/// Whether the server runs, and does the work, or the command does it itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Server,
    Command,
}

fn import(server: &ServerUnderTest, file: &str) -> Output {
    Program::new(POSTRIDER, &server.home("import"))
        .arg("--config")
        .arg(server.configuration_file())
        .args(["import", file, "--into", &server.account("alice").address, "--json"])
        .run()
}

/// Messages of one mailbox, by their Message-IDs, each with how often it is there.
fn kept(server: &ServerUnderTest, mailbox: &str) -> BTreeMap<String, usize> {
    let mut client = ImapClient::of(server, "alice");
    let mut kept = BTreeMap::new();
    if client.command(&format!("EXAMINE {mailbox}")).unwrap().untagged.contains(&b"0 EXISTS".to_vec()) {
        return kept;
    }
    let Ok(answer) = client.command("UID FETCH 1:* (BODY.PEEK[])") else { return kept };
    for fetch in answer.fetches() {
        *kept.entry(postrider_testkit::maildir::message_id(&fetch.items["BODY[]"])).or_default() += 1;
    }
    kept
}

#[test]
fn an_import_on_a_full_disk_is_gone_on_with_when_there_is_room() {
    let mut mbox = Vec::new();
    for message in Corpus::new(31).messages(MESSAGES, 30_000) {
        mbox.extend_from_slice(b"From sender@corpus.example Fri May  1 10:00:00 2026\n");
        mbox.extend(message.into_iter().filter(|byte| *byte != b'\r'));
        mbox.push(b'\n');
    }
    for by in [By::Server, By::Command] {
        let mut server = ServerUnderTest::start_kind(postrider_testkit::ServerKind::Postrider, POSTRIDER, &["alice"]);
        fs::write(server.home("import").join("Many"), &mbox).unwrap();
        server.stop();
        let disk = SmallDisk::under(&server.data_folder("alice"), 7 * 1024);
        if by == By::Server {
            server.start_again();
        }
        let full = import(&server, "Many").failure();
        let said = full.said().to_lowercase();
        assert!(said.contains("no space left") || said.contains("no room"), "{by:?}: {said}");
        println!("{by:?}: {}", full.stderr.lines().rev().take(2).collect::<Vec<_>>().join(" / "));
        if by == By::Server {
            let before = kept(&server, "Many");
            println!("{} of {MESSAGES} messages are here", before.len());
            assert!(!before.is_empty() && before.len() < MESSAGES && before.values().all(|count| *count == 1));
        }
        disk.grow(256 * 1024);
        let report: Value = serde_json::from_str(&import(&server, "Many").success().stdout).unwrap();
        println!("{by:?}: continued after {}", report["continued_after"]);
        assert_eq!(report["total"]["messages"], MESSAGES, "{report:#}");
        if by == By::Server {
            server.stop();
        }
        server.check_store();
        server.start_again();
        let all = kept(&server, "Many");
        assert_eq!((all.len(), all.values().sum::<usize>()), (MESSAGES, MESSAGES), "{by:?}");
    }
}
