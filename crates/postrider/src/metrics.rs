//! Figures for a monitoring system, in the OpenMetrics text form that Prometheus and others read.
//!
//! They are gathered when somebody asks and kept nowhere: what they tell of is counted where it happens. Nothing in them names a
//! person's mail or password; entries of the configuration are told apart by their names.

use std::sync::atomic::AtomicU64;

use anyhow::{Context, Result};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::{control::Administration, pull::PullStatus};

/// The media type of what [`text`] gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Version {
    version: String,
}

/// All figures, as of now.
pub async fn text(administration: &Administration) -> Result<String> {
    let mut registry = Registry::with_prefix("postrider");
    let build = Family::<Version, Gauge>::default();
    build.get_or_create(&Version { version: env!("CARGO_PKG_VERSION").to_owned() }).set(1);
    registry.register("build", "The version that runs; always 1", build);
    if let Some(server) = &administration.server {
        let uptime = server.started.elapsed().as_secs();
        gauge(&mut registry, "uptime", "How long the server has been running", Some(Unit::Seconds), uptime);
        gauge(&mut registry, "connections", "Open connections of all protocols", None, server.connections.open());
    }
    storage(&mut registry, administration).await?;
    backups(&mut registry, administration);
    pulls(&mut registry, administration);
    let mut text = String::new();
    encode(&mut text, &registry).context("cannot write the metrics")?;
    Ok(text)
}

async fn storage(registry: &mut Registry, administration: &Administration) -> Result<()> {
    let accounts = administration.storage.accounts.list().await?.len();
    gauge(registry, "accounts", "Accounts", None, accounts);
    let engine = administration.storage.engine.statistics().await?;
    gauge(registry, "store_disk", "What the store takes on disk", Some(Unit::Bytes), engine.bytes_on_disk);
    let help = "Contents on disk that nothing names any more and compaction wins back";
    gauge(registry, "store_dead", help, Some(Unit::Bytes), engine.bytes_dead);
    gauge(
        registry,
        "store_commits",
        "Commits since the start, each with one flush of the device",
        None,
        engine.commits,
    );
    gauge(registry, "store_batches", "Changes since the start; many share a commit", None, engine.batches);
    let help = "The age of the oldest view that is read from, such as a backup's; old ones make the store grow";
    #[expect(clippy::cast_precision_loss, reason = "ages are far below 2^52 milliseconds")]
    let seconds = engine.oldest_reader_milliseconds as f64 / 1000.0;
    let oldest = Gauge::<f64, AtomicU64>::default();
    oldest.set(seconds);
    registry.register_with_unit("store_oldest_reader", help, Unit::Seconds, oldest);
    Ok(())
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Entry {
    entry: String,
}

/// How the `[[pull]]` entries are doing.
fn pulls(registry: &mut Registry, administration: &Administration) {
    let statuses = administration.pulls.statuses();
    if statuses.is_empty() {
        return;
    }
    let family = |value: fn(&PullStatus) -> u64| {
        let family = Family::<Entry, Gauge>::default();
        for status in &statuses {
            let gauge = family.get_or_create(&Entry { entry: status.name.clone() });
            gauge.set(i64::try_from(value(status)).unwrap_or(i64::MAX));
        }
        family
    };
    let help = "When the last complete run of a [[pull]] entry ended; 0 if there was none";
    let last = family(|status| status.last_success.unwrap_or(0));
    registry.register_with_unit("pull_last_success_timestamp", help, Unit::Seconds, last);
    let help = "Runs of a [[pull]] entry that failed since the last one that did not";
    registry.register("pull_failures", help, family(|status| status.failures.into()));
    let help = "Messages that a [[pull]] entry stored since the server started";
    registry.register("pull_fetched_messages", help, family(|status| status.fetched));
}

/// How the safe is; nothing where there is none.
fn backups(registry: &mut Registry, administration: &Administration) {
    let status = administration.safe.status(administration.storage.store.now());
    if status.repository.is_none() {
        return;
    }
    let never = |moment: Option<i64>| moment.unwrap_or(0);
    let help = "The moment that the newest backup shows; 0 if there is none";
    gauge(registry, "backup_last_success_timestamp", help, Some(Unit::Seconds), never(status.last_success));
    let help = "When a backup was last read back and found right; 0 if never";
    gauge(registry, "backup_last_verified_timestamp", help, Some(Unit::Seconds), never(status.last_verified));
    gauge(registry, "backup_late", "Whether there should have been a backup by now", None, u8::from(status.late));
    let help = "Whether the newest attempt failed, or what it wrote was not right";
    gauge(registry, "backup_failed", help, None, u8::from(status.last_failure.is_some()));
    gauge(registry, "backup_running", "Whether a backup is being made", None, u8::from(status.running));
}

/// Adds one figure without labels; what is beyond a gauge's range is shown as its end.
pub fn gauge(registry: &mut Registry, name: &str, help: &str, unit: Option<Unit>, value: impl TryInto<i64>) {
    let gauge = Gauge::<i64>::default();
    gauge.set(value.try_into().unwrap_or(i64::MAX));
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, gauge),
        None => registry.register(name, help, gauge),
    }
}
