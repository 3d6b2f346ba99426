//! A process that is killed has everything it acknowledged when the store is opened again.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use postrider_engine::{
    Batch, Engine,
    conformance::{content, values, wait},
};

use super::{everything, small};
use crate::{LmdbEngine, LmdbOptions};

/// Tells the child process where its store is.
const FOLDER: &str = "POSTRIDER_TEST_STORE_TO_BE_KILLED";
const WORKERS: u64 = 3;

fn options(round: usize) -> LmdbOptions {
    if round.is_multiple_of(2) { small() } else { LmdbOptions::default() }
}

fn body_key(worker: u64, number: u64) -> Vec<u8> {
    [worker.to_be_bytes(), number.to_be_bytes()].concat()
}

/// Not a test but the process that is killed: each worker counts up in a record, with a body for each number, and says
/// what was acknowledged.
#[test]
#[ignore = "started by another test"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let round = std::env::var("ROUND").unwrap().parse().unwrap();
    let engine = LmdbEngine::open(Path::new(&folder), options(round)).unwrap();
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let engine = Arc::clone(&engine);
            scope.spawn(move || count(&engine, worker));
        }
    });
}

fn count(engine: &LmdbEngine, worker: u64) {
    let last = wait(values(engine, &[&worker.to_be_bytes()])).remove(0);
    let start = last.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()) + 1);
    for number in start.. {
        let mut batch = Batch::new();
        batch.put(worker.to_be_bytes(), number.to_be_bytes());
        batch.put_body(body_key(worker, number), content(number, 50 + number as usize * 977 % 9_000).into());
        if let Some(old) = number.checked_sub(20) {
            batch.delete_body(body_key(worker, old));
        }
        wait(engine.commit(batch)).unwrap();
        writeln!(std::io::stdout().lock(), "acknowledged {worker} {number}").unwrap();
    }
}

#[test]
fn a_killed_process_leaves_everything_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = [None; WORKERS as usize];
    for (round, lines) in [40, 150, 3, 90].into_iter().enumerate() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::kill::child", "--ignored", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder.path())
            .env("ROUND", round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut note = |line: String| {
            let words: Vec<&str> = line.split(' ').collect();
            if let ["acknowledged", worker, number] = words[..] {
                acknowledged[worker.parse::<usize>().unwrap()] = Some(number.parse::<u64>().unwrap());
            }
        };
        output.by_ref().take(lines).for_each(&mut note);
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had said before it was killed.
        output.for_each(note);
        let engine = LmdbEngine::open(folder.path(), small()).unwrap();
        assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
        let [records, bodies] = everything(&*engine);
        for (key, last) in &records {
            let worker = u64::from_be_bytes(key[..].try_into().unwrap());
            let last = u64::from_be_bytes(last[..].try_into().unwrap());
            assert!(
                acknowledged[worker as usize].is_none_or(|number| number <= last),
                "worker {worker} lost something"
            );
            let expected = (last.saturating_sub(19)..=last)
                .map(|number| (body_key(worker, number), content(number, 50 + number as usize * 977 % 9_000)));
            let found = bodies.iter().filter(|(found, _)| found.starts_with(key)).cloned();
            assert!(found.eq(expected), "worker {worker} has the bodies of its last twenty numbers");
        }
        for (worker, number) in (0_u64..).zip(&acknowledged) {
            let is_there = records.iter().any(|(key, _)| key[..] == worker.to_be_bytes());
            assert!(number.is_none() || is_there, "worker {worker} lost everything");
        }
    }
}
