//! What this machine can do at best, measured in the same run: no figure means anything without it.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

/// How long each limit is measured.
const TIME: Duration = Duration::from_millis(700);

/// The machine and its limits.
#[derive(Debug)]
pub struct Machine {
    /// Name of the processor.
    pub processor: String,
    /// Processors that may be used.
    pub processors: usize,
    /// Memory in GiB.
    pub memory_gibibytes: f64,
    /// Release of the kernel.
    pub kernel: String,
    /// The day of the run, in UTC.
    pub date: String,
    /// Bytes per second from one thread to another over the loopback.
    pub loopback_bytes: f64,
    /// Appends of 4 KiB, each with fdatasync, per second.
    pub syncs: f64,
    /// Bytes per second that one thread copies in memory.
    pub copy_bytes: f64,
}

impl Machine {
    /// Looks at the machine and measures its limits; `folder` is on the disk that the servers use.
    pub fn measure(folder: &Path) -> Result<Self> {
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
            line.and_then(|line| line.split_once(':').map(|(_, value)| value.trim().to_owned())).unwrap_or_default()
        };
        let memory_kibibytes: f64 =
            field("/proc/meminfo", "MemTotal").split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0.0);
        Ok(Self {
            processor: field("/proc/cpuinfo", "model name"),
            processors: thread::available_parallelism().map_or(1, usize::from),
            memory_gibibytes: memory_kibibytes / 1_048_576.0,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            date: said("date", &["-u", "+%Y-%m-%d"])?,
            loopback_bytes: loopback_bytes()?,
            syncs: syncs(folder, TIME)?,
            copy_bytes: copy_bytes(),
        })
    }
}

/// What a program says on its standard output, without the line's end.
pub fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("cannot run {program}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn loopback_bytes() -> Result<f64> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let writer = thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        let block = vec![b'x'; 262_144];
        let end = Instant::now() + TIME;
        while Instant::now() < end {
            stream.write_all(&block)?;
        }
        Ok(())
    });
    let mut stream = TcpStream::connect(address)?;
    let mut buffer = vec![0; 262_144];
    let start = Instant::now();
    let mut bytes = 0_u64;
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            count => bytes += count as u64,
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    writer.join().map_err(|_| anyhow!("the writer of the loopback measurement panicked"))??;
    Ok(bytes as f64 / seconds)
}

/// Appends of 4 KiB, each with fdatasync, per second, measured for this long.
pub fn syncs(folder: &Path, time: Duration) -> Result<f64> {
    let path = folder.join("syncs");
    let mut file = File::create(&path)?;
    let block = [b'x'; 4096];
    let start = Instant::now();
    let mut count = 0_u32;
    while start.elapsed() < time {
        file.write_all(&block)?;
        file.sync_data()?;
        count += 1;
    }
    let rate = f64::from(count) / start.elapsed().as_secs_f64();
    fs::remove_file(path)?;
    Ok(rate)
}

fn copy_bytes() -> f64 {
    let from = vec![b'x'; 67_108_864];
    let mut to = vec![0_u8; from.len()];
    let start = Instant::now();
    let mut bytes = 0_usize;
    while start.elapsed() < TIME {
        to.copy_from_slice(black_box(&from));
        bytes += black_box(&mut to).len();
    }
    bytes as f64 / start.elapsed().as_secs_f64()
}
