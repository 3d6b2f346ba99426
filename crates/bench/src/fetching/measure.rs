//! Takes a tool's time, processor time, memory and bytes on the wire.

use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Source;
use super::tool::{Place, Protocol, Tool};
use crate::process;
use crate::server::write_out;

/// How long a tool may take.
const TIME_MAX: Duration = Duration::from_secs(3600);
/// How often its memory is looked at in its first moments and later. The kernel keeps each process's maximum, so only its
/// last moments can be missed, and processes that live shorter; looking more often would take the processor from what is
/// measured.
const LOOKS: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(20)];
/// How long the first moments last.
const FIRST_MOMENTS: Duration = Duration::from_millis(300);

/// What one run cost.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// By the clock.
    pub seconds: f64,
    /// Processor time of the tool and of the server that keeps what it fetched, if there is one.
    pub processor_seconds: f64,
    /// Bytes from the server.
    pub received: u64,
    /// Bytes to the server.
    pub sent: u64,
    /// The most memory that the tool's processes had resident, and those of that server.
    pub peak: u64,
}

/// Runs the tool once.
pub fn measure(tool: &Tool, place: &Place, source: &Source) -> Result<Sample> {
    source.server.wait_until_quiescent()?;
    write_out()?;
    let proxy = match tool.protocol() {
        Protocol::Imap => &source.imap,
        Protocol::Pop3 => &source.pop3,
    };
    let keeper = place.keeper()?;
    let keeper_seconds = || keeper.map_or(Ok(0.0), process::processor_seconds);
    forget_peaks(keeper)?;
    let (received, sent, before) = (proxy.bytes_from_server(), proxy.bytes_from_client(), keeper_seconds()?);
    let log = fs::File::create(place.log())?;
    let mut command = place.command(tool)?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let begin = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let (peak, seconds, processor_seconds) = watch(&mut child, keeper, begin)?;
    if !child.wait()?.success() {
        let said = fs::read(place.log()).unwrap_or_default();
        let end = said.get(said.len().saturating_sub(3000)..).unwrap_or_default();
        bail!("{} failed:\n{}", tool.name(), String::from_utf8_lossy(end));
    }
    Ok(Sample {
        seconds,
        processor_seconds: processor_seconds + keeper_seconds()? - before,
        received: proxy.bytes_from_server() - received,
        sent: proxy.bytes_from_client() - sent,
        peak,
    })
}

/// Looks at the tool until it has ended. It is not yet waited for then, and the kernel still tells its processor time.
fn watch(child: &mut Child, keeper: Option<u32>, begin: Instant) -> Result<(u64, f64, f64)> {
    let mut peak = 0;
    loop {
        peak = peak.max(peak_of_tree(child.id()) + keeper.map_or(0, peak_of_tree));
        if has_ended(child.id()) {
            let seconds = begin.elapsed().as_secs_f64();
            return Ok((peak, seconds, process::processor_seconds(child.id())?));
        }
        if begin.elapsed() > TIME_MAX {
            child.kill()?;
            bail!("a tool ran longer than {} s", TIME_MAX.as_secs());
        }
        thread::sleep(if begin.elapsed() < FIRST_MOMENTS { LOOKS[0] } else { LOOKS[1] });
    }
}

/// Whether a process is there only to be waited for.
fn has_ended(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, behind)| behind.trim_start().starts_with(['Z', 'X']))
}

/// The maxima of all processes below `root`, itself included, added up.
fn peak_of_tree(root: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{root}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let own = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024;
    own + children(root).into_iter().map(peak_of_tree).sum::<u64>()
}

/// A process's children, as the kernel lists them by thread: much cheaper than to look at all processes.
fn children(process: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let listed = threads.flatten().map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    listed
        .flat_map(|list| list.split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

/// Lets the kernel begin anew with the maxima of a server (proc(5): 5 in `clear_refs`).
fn forget_peaks(keeper: Option<u32>) -> Result<()> {
    for process in keeper.map_or(Ok(Vec::new()), process::tree)? {
        fs::write(format!("/proc/{process}/clear_refs"), "5").context("cannot reset a process's peak of memory")?;
    }
    Ok(())
}
