//! STORE: flags of all messages, and of one after the other.

use anyhow::Result;
use postrider_testkit::random::SplitMix64;

use crate::driver::ImapConnection;
use crate::site::{Sample, Site};

/// Flags all messages, and takes the flag away again.
pub fn all(site: &Site<'_>) -> Result<Sample> {
    let mut client = site.inbox()?;
    let (timing, responses) = site.timed(|| {
        let added = client.run("STORE 1:* +FLAGS (\\Flagged)")?.responses;
        Ok(added + client.run("STORE 1:* -FLAGS (\\Flagged)")?.responses)
    })?;
    client.logout()?;
    Ok(Sample::rate(2.0 * site.scale.messages as f64, timing, responses))
}

/// Every connection flags messages of an account of its own, each when the one before is confirmed.
pub fn single(site: &Site<'_>) -> Result<Sample> {
    let each = site.scale.stored;
    let (timing, responses) = site.concurrently(
        16,
        |number| ImapConnection::selected(site.server, site.transport, site.user(number)?, "INBOX"),
        |number, mut client| {
            let mut random = SplitMix64::new((site.round * 16 + number) as u64);
            let mut responses = 0;
            for turn in 0..each {
                let message = 1 + random.below(site.scale.user_messages);
                let sign = if turn % 2 == 0 { '+' } else { '-' };
                responses += client.run(&format!("STORE {message} {sign}FLAGS (\\Answered)"))?.responses;
            }
            Ok(responses)
        },
    )?;
    Ok(Sample::rate((16 * each) as f64, timing, responses))
}
