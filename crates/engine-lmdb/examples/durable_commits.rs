//! Measures durable commits and reads on the disk of a folder, one line for each workload.
//!
//! ```text
//! cargo run --release -p postrider-engine-lmdb --example durable_commits -- FOLDER [SECONDS] [WORKLOAD] [SETTING=NUMBER...]
//! ```
//!
//! Disks have moods: compare two builds by turns, in several rounds. A delivery is ten records of about 2 KB together
//! and one body, log-normal with a median of 8 KiB and a mean of 25 KiB.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]

use std::{
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use postrider_engine::{Batch, BodyRange, Engine, Read, conformance::wait};
use postrider_engine_lmdb::{LmdbEngine, LmdbOptions};

/// A source of numbers that is the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Roughly log-normal: a sum of twelve uniform numbers is nearly normal.
    fn body_length(&mut self) -> usize {
        let normal = (0..12).map(|_| (self.next() >> 11) as f64 / (1_u64 << 53) as f64).sum::<f64>() - 6.0;
        ((8_192.0 * (1.5 * normal).exp()) as usize).clamp(200, 4 << 20)
    }
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // utime and stime, in hundredths of a second on every Linux there is.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn delivery(random: &mut Random, worker: u64, number: u64, content: &Bytes) -> Batch {
    let account = (random.next() % 1_000) as u32;
    let mut batch = Batch::new();
    for record in 0..10_u8 {
        let mut key = account.to_be_bytes().to_vec();
        key.push(record);
        if record > 2 {
            key.extend_from_slice(&worker.to_be_bytes());
            key.extend_from_slice(&number.to_be_bytes());
        }
        batch.put(key, content.slice(..180));
    }
    let key = [worker.to_be_bytes(), number.to_be_bytes()].concat();
    batch.put_body(key, content.slice(..random.body_length()));
    batch
}

fn small(random: &mut Random, worker: u64, content: &Bytes) -> Batch {
    let mut batch = Batch::new();
    batch.put([worker.to_be_bytes(), (random.next() % 1_000).to_be_bytes()].concat(), content.slice(..60));
    batch
}

fn commits(engine: &Arc<LmdbEngine>, name: &str, workers: u64, seconds: f64, is_small: bool) {
    let content = Bytes::from(postrider_engine::conformance::content(1, 4 << 20));
    let (done, slowest) = (AtomicU64::new(0), AtomicU64::new(0));
    let stop = AtomicBool::new(false);
    let before = wait(engine.statistics()).unwrap();
    let (cpu, start) = (cpu_seconds(), Instant::now());
    thread::scope(|scope| {
        for worker in 0..workers {
            let (content, done, slowest, stop) = (&content, &done, &slowest, &stop);
            scope.spawn(move || {
                let mut random = Random(worker * 7_919 + 88_172_645_463_325_252);
                let mut number = start.elapsed().as_nanos() as u64 + (u64::from(std::process::id()) << 40);
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    let batch = if is_small {
                        small(&mut random, worker, content)
                    } else {
                        delivery(&mut random, worker, number, content)
                    };
                    let began = Instant::now();
                    wait(engine.commit(batch)).unwrap();
                    slowest.fetch_max(began.elapsed().as_micros() as u64, Ordering::Relaxed);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(Duration::from_secs_f64(seconds));
        stop.store(true, Ordering::Relaxed);
    });
    let (elapsed, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let after = wait(engine.statistics()).unwrap();
    let count = done.load(Ordering::Relaxed) as f64;
    println!(
        "{name:<24} {:>7.0} commits/s  {:>5.1} per group  {:>6.0} us of CPU each  slowest {:>6.1} ms",
        count / elapsed,
        count / (after.commits - before.commits).max(1) as f64,
        cpu * 1e6 / count,
        slowest.load(Ordering::Relaxed) as f64 / 1e3,
    );
}

/// Calls a read until some time is over, and tells how long one of what it counts took.
fn reads(name: &str, seconds: f64, mut read: impl FnMut() -> (u64, u64)) {
    read();
    let start = Instant::now();
    let (mut count, mut bytes) = (0, 0);
    while start.elapsed().as_secs_f64() < seconds {
        let (more, more_bytes) = read();
        count += more;
        bytes += more_bytes;
    }
    let elapsed = start.elapsed().as_secs_f64();
    println!(
        "{name:<24} {:>9.0} /s  {:>7.0} ns each  {:>7.1} MB/s",
        count as f64 / elapsed,
        elapsed * 1e9 / count as f64,
        bytes as f64 / elapsed / 1e6
    );
}

fn read_workloads(engine: &Arc<LmdbEngine>, seconds: f64) {
    const KEYS: u32 = 30_000;
    let content = Bytes::from(postrider_engine::conformance::content(2, 4 << 20));
    let key = |number: u32| [b"rows".as_slice(), &number.to_be_bytes()].concat();
    let body_key = |number: u32| [b"mail".as_slice(), &number.to_be_bytes()].concat();
    let mut random = Random(99);
    for chunk in 0..KEYS / 100 {
        let mut batch = Batch::new();
        for number in chunk * 100..chunk * 100 + 100 {
            batch.put(key(number), content.slice(..100));
            if number % 3 == 0 {
                batch.put_body(body_key(number / 3), content.slice(..random.body_length()));
            }
        }
        wait(engine.commit(batch)).unwrap();
    }
    // What is committed has come to rest.
    wait(engine.compact()).unwrap();
    let lists: Vec<Vec<Vec<u8>>> =
        (0..KEYS).collect::<Vec<_>>().chunks(256).map(|chunk| chunk.iter().map(|at| key(*at)).collect()).collect();
    let mut sum = 0;
    let mut get_all = || {
        for keys in &lists {
            let visit = &mut |_: usize, value: Option<&[u8]>| {
                sum += value.unwrap().len() as u64;
                ControlFlow::Continue(())
            };
            wait(engine.get(keys, visit)).unwrap();
        }
        (u64::from(KEYS), 0)
    };
    reads("get 256 in order", seconds, &mut get_all);
    let mut fresh = Batch::new();
    (0..KEYS).step_by(50).for_each(|number| fresh.put(key(number), content.slice(..100)));
    wait(engine.commit(fresh)).unwrap();
    let start = Instant::now();
    let (count, _) = get_all();
    println!("{:<24} {:>7.0} ns each", "  just after a commit", start.elapsed().as_secs_f64() * 1e9 / count as f64);
    reads("get 1 at random", seconds, || {
        let keys = [key((random.next() % u64::from(KEYS)) as u32)];
        wait(engine.get(&keys, &mut |_, _| ControlFlow::Continue(()))).unwrap();
        (1, 0)
    });
    let read_bodies = |numbers: &[u32]| {
        let wanted: Vec<BodyRange> = numbers.iter().map(|number| BodyRange::whole(body_key(*number))).collect();
        let mut bytes = 0;
        let visit = &mut |_: usize, body: Option<&[u8]>| {
            bytes += body.unwrap().len() as u64;
            ControlFlow::Continue(())
        };
        wait(engine.bodies(&wanted, visit)).unwrap();
        (numbers.len() as u64, bytes)
    };
    let mut at = 0;
    reads("bodies 256 in order", seconds, || {
        at = (at + 256) % (KEYS / 3 - 256);
        read_bodies(&(at..at + 256).collect::<Vec<_>>())
    });
    reads("bodies 1 at random", seconds, || read_bodies(&[(random.next() % u64::from(KEYS / 3)) as u32]));
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap();
    let seconds: f64 = arguments.next().map_or(3.0, |seconds| seconds.parse().unwrap());
    let only = arguments.next();
    let mut options = LmdbOptions::default();
    for setting in arguments {
        match setting.split_once('=').unwrap() {
            ("apply_milliseconds", number) => options.apply_milliseconds = number.parse().unwrap(),
            ("growth_bytes_max", number) => options.growth_bytes_max = number.parse().unwrap(),
            ("inline_body_bytes_max", number) => options.inline_body_bytes_max = number.parse().unwrap(),
            (name, _) => println!("there is no setting {name} here"),
        }
    }
    let wanted = |name: &str| only.as_deref().is_none_or(|only| name.contains(only));
    let open = |name: &str| {
        let folder = Path::new(&folder).join(name.replace(' ', "-"));
        LmdbEngine::open(&folder, options.clone()).unwrap()
    };
    for (name, workers, is_small) in [
        ("deliver 1", 1, false),
        ("deliver 16", 16, false),
        ("deliver 64", 64, false),
        ("update 1", 1, true),
        ("update 16", 16, true),
    ] {
        if wanted(name) {
            commits(&open(name), name, workers, seconds, is_small);
        }
    }
    if wanted("read") {
        read_workloads(&open("read"), seconds);
    }
}
