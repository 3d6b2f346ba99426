//! FETCH of what mail programs ask for.

use anyhow::Result;
use postrider_testkit::random::SplitMix64;

use crate::driver::Totals;
use crate::site::{Sample, Site};

/// Bodies that each of 16 connections fetches in a run.
const RANDOM_BODIES: usize = 1200;
/// Commands a connection has under way.
const PIPELINED: usize = 8;

/// What a program asks for when it synchronises.
pub fn flags(site: &Site<'_>) -> Result<Sample> {
    whole(site, "UID FETCH 1:* (FLAGS)", |totals| totals.responses)
}

/// What a program asks for to show a list.
pub fn envelope(site: &Site<'_>) -> Result<Sample> {
    let command = "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)";
    whole(site, command, |totals| totals.responses)
}

/// The same by header fields, as many programs do.
pub fn header_fields(site: &Site<'_>) -> Result<Sample> {
    let command = "FETCH 1:* BODY.PEEK[HEADER.FIELDS (DATE FROM TO CC SUBJECT MESSAGE-ID REFERENCES IN-REPLY-TO \
                   CONTENT-TYPE)]";
    whole(site, command, |totals| totals.responses)
}

/// All mail, as for a backup.
pub fn bodies(site: &Site<'_>) -> Result<Sample> {
    whole(site, "FETCH 1:* BODY.PEEK[]", |totals| totals.literal_bytes)
}

fn whole(site: &Site<'_>, command: &str, check: fn(&Totals) -> u64) -> Result<Sample> {
    let mut client = site.inbox()?;
    let (timing, times, totals) = site.repeated(|| client.run(command))?;
    client.logout()?;
    anyhow::ensure!(totals.responses == site.scale.messages as u64, "{} answers to {command}", totals.responses);
    Ok(Sample::rate(times * site.scale.messages as f64, timing, check(&totals)))
}

/// Messages here and there, as of many readers.
pub fn random_bodies(site: &Site<'_>) -> Result<Sample> {
    let each = RANDOM_BODIES.min(site.scale.messages);
    let (timing, bytes) = site.concurrently(
        16,
        |_| site.inbox(),
        |number, mut client| {
            let mut random = SplitMix64::new((site.round * 16 + number) as u64);
            let mut bytes = 0;
            for _ in 0..each / PIPELINED {
                let commands = (0..PIPELINED).map(|_| 1 + random.below(site.scale.messages));
                let tags: Vec<u32> =
                    commands.map(|message| client.queue(&format!("FETCH {message} BODY.PEEK[]"))).collect();
                client.flush()?;
                for tag in tags {
                    bytes += client.finish(tag)?.literal_bytes;
                }
            }
            Ok(bytes)
        },
    )?;
    Ok(Sample::rate((each / PIPELINED * PIPELINED * 16) as f64, timing, bytes))
}
