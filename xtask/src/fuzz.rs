//! Fuzzing with libFuzzer on the ordinary toolchain.
//!
//! cargo-fuzz asks for a nightly toolchain because of the address sanitiser. Our code has no `unsafe` to sanitise, and
//! the coverage that guides the fuzzer is an LLVM pass that the stable compiler runs when asked, so the flags are set
//! here and the targets run by themselves. New inputs go to `fuzz/corpus`, crashes to `fuzz/artifacts`; neither is
//! kept in the repository, a crash becomes a unit test instead.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::step::{Steps, cargo, execute, workspace};

/// What cargo-fuzz passes for coverage, too. `fuzzing` is the conventional cfg.
const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// The largest input in bytes; every bound of the targets lies below.
const INPUT_BYTES_MAX: u32 = 8192;
/// Seconds that one input may take.
const INPUT_SECONDS_MAX: u32 = 10;

/// Builds all targets and runs each for so many seconds.
pub fn run(steps: &mut Steps, seconds: u32) -> Result<()> {
    let host = host()?;
    let folder = workspace().join("target/fuzz");
    steps.run("build of the fuzz targets", || {
        let mut build = cargo();
        build.args(["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--target", &host]);
        build.env("CARGO_TARGET_DIR", &folder).env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
        execute(&mut build)
    })?;
    for target in targets()? {
        let program = folder.join(&host).join("release").join(&target);
        steps.run(&format!("fuzz {target}"), || run_target(&program, &target, seconds))?;
    }
    Ok(())
}

fn run_target(program: &PathBuf, target: &str, seconds: u32) -> Result<()> {
    let fuzz = workspace().join("fuzz");
    let (corpus, artifacts) = (fuzz.join("corpus").join(target), fuzz.join("artifacts").join(target));
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder)?;
    }
    let mut command = Command::new(program);
    command
        .current_dir(&fuzz)
        .arg(format!("-dict={}", fuzz.join("dictionaries").join(format!("{target}.dict")).display()))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args([format!("-max_total_time={seconds}"), format!("-max_len={INPUT_BYTES_MAX}")])
        .args([format!("-timeout={INPUT_SECONDS_MAX}"), String::from("-rss_limit_mb=1024")])
        .args(["-verbosity=0", "-print_final_stats=1"])
        .arg(corpus)
        .arg(fuzz.join("seeds").join(target));
    // libFuzzer is talkative; what it says is shown when it has found something.
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        eprintln!("{text}");
        bail!("{target}: {}; the input is in {}", output.status, artifacts.display());
    }
    for line in text.lines().filter_map(|line| line.strip_prefix("stat::")) {
        println!("{line}");
    }
    Ok(())
}

/// The targets' names: those of the files.
fn targets() -> Result<Vec<String>> {
    let folder = workspace().join("fuzz/targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        if let Some(name) = entry?.path().file_stem() {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The host's target triple. Naming it keeps the flags away from build scripts.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot run rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    Ok(host.to_owned())
}
