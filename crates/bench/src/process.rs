//! What the kernel knows about a server's processes: processor time and memory, of the whole tree.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// The kernel counts processor time in hundredths of a second, on every architecture that Debian supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// Memory of a tree of processes, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// Resident, pages that processes share counted once for each.
    pub resident: u64,
    /// Proportional: a page shared by n processes counts a n-th in each.
    pub proportional: u64,
    /// The part of the proportional that is no file: what the kernel cannot take back.
    pub anonymous: u64,
}

/// The processes below `root`, itself included.
pub fn tree(root: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot read /proc")?.flatten() {
        let Ok(process) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        if let Some(parent) = stat(process).and_then(|fields| fields.get(1)?.parse::<u32>().ok()) {
            parents.push((process, parent));
        }
    }
    let mut members = vec![root];
    let mut next = 0;
    while let Some(&parent) = members.get(next) {
        members.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(process, _)| *process));
        next += 1;
    }
    Ok(members)
}

/// Processor seconds that the tree has used, with those of its children that have ended.
pub fn processor_seconds(root: u32) -> Result<f64> {
    Ok(tree(root)?.into_iter().filter_map(|process| processor_seconds_of(process, 4)).sum())
}

/// Processor seconds of this process, all threads.
pub fn own_processor_seconds() -> f64 {
    processor_seconds_of(std::process::id(), 2).unwrap_or(0.0)
}

/// Memory of the tree.
pub fn memory(root: u32) -> Result<Memory> {
    let mut sum = Memory::default();
    for process in tree(root)? {
        // A process may end between the two looks.
        let Ok(text) = fs::read_to_string(format!("/proc/{process}/smaps_rollup")) else { continue };
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        sum.resident += field("Rss:");
        sum.proportional += field("Pss:");
        sum.anonymous += field("Pss_Anon:");
    }
    Ok(sum)
}

/// Bytes of memory that the machine has left.
pub fn memory_left() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// How many files this process may have open.
pub fn files_max() -> usize {
    files_limits().map_or(1024, |(soft, _)| soft)
}

/// Lets this process, and the servers that it will start, have as many files open as the system lets them. It is done by
/// `prlimit` of util-linux: the standard library cannot.
pub fn raise_files_max() {
    let Some((soft, hard)) = files_limits().filter(|(soft, hard)| soft < hard) else { return };
    let own = std::process::id().to_string();
    let limits = format!("--nofile={hard}:{hard}");
    let status = Command::new("prlimit").args(["--pid", &own, &limits]).stderr(Stdio::null()).status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("cannot raise the limit of open files above {soft}: there will be fewer idle connections");
    }
}

/// The soft and the hard limit of open files.
fn files_limits() -> Option<(usize, usize)> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let mut fields = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace();
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// `fields` of user and system time: 2 for the process's own, 4 with its ended children's.
fn processor_seconds_of(process: u32, fields: usize) -> Option<f64> {
    let stat = stat(process)?;
    // proc(5): utime, stime, cutime and cstime follow on the process's name as fields 12 to 15.
    let ticks: f64 = stat.iter().skip(11).take(fields).filter_map(|field| field.parse::<f64>().ok()).sum();
    Some(ticks / TICKS_PER_SECOND)
}

/// The fields of `/proc/PROCESS/stat` behind the name, which may itself contain spaces.
fn stat(process: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, behind) = text.rsplit_once(')')?;
    Some(behind.split_whitespace().map(str::to_owned).collect())
}
