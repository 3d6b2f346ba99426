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
