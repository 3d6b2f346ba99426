//! STORE: flags of all messages, and of one after the other.

use anyhow::Result;
use postrider_testkit::random::SplitMix64;

use crate::driver::ImapConnection;
use crate::site::{Sample, Site};

/// How often all messages are flagged in one sample: once takes some milliseconds, which says little.
const TIMES: usize = 8;

/// Flags all messages, and takes the flag away again, some times.
pub fn all(site: &Site<'_>) -> Result<Sample> {
    let mut client = site.inbox()?;
    let (timing, responses) = site.timed(|| {
        let mut responses = 0;
        for _ in 0..TIMES {
            responses += client.run("STORE 1:* +FLAGS (\\Flagged)")?.responses;
            responses += client.run("STORE 1:* -FLAGS (\\Flagged)")?.responses;
        }
        Ok(responses)
    })?;
    client.logout()?;
    Ok(Sample::rate((2 * TIMES * site.scale.messages) as f64, timing, responses))
}

/// Every connection flags a message of an account of its own and takes the flag away again, each command when the one
/// before is confirmed.
pub fn single(site: &Site<'_>) -> Result<Sample> {
    let each = site.scale.stored;
    let (timing, responses) = site.concurrently(
        16,
        |number| ImapConnection::selected(site.server, site.transport, site.user(number)?, "INBOX"),
        |number, mut client| {
            let mut random = SplitMix64::new((site.round * 16 + number) as u64);
            let mut responses = 0;
            for _ in 0..each / 2 {
                let message = 1 + random.below(site.scale.user_messages);
                responses += client.run(&format!("STORE {message} +FLAGS (\\Answered)"))?.responses;
                responses += client.run(&format!("STORE {message} -FLAGS (\\Answered)"))?.responses;
            }
            Ok(responses)
        },
    )?;
    Ok(Sample::rate((16 * (each / 2 * 2)) as f64, timing, responses))
}
