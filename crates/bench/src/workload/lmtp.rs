//! Delivery by LMTP, one recipient each, to all users in turn.

use anyhow::Result;

use super::append::each;
use crate::driver::LmtpConnection;
use crate::site::{Sample, Site};

/// With so many connections at once.
pub fn run(site: &Site<'_>, connections: usize) -> Result<Sample> {
    let each = each(site.scale.stored, connections);
    let (timing, count) = site.concurrently(
        connections,
        |_| LmtpConnection::connect(site.server),
        |number, mut client| {
            for turn in 0..each {
                let place = number * each + turn;
                client.deliver(&site.user(place)?.address, site.mail.message(place))?;
            }
            Ok(each as u64)
        },
    )?;
    Ok(Sample::rate(count as f64, timing, count))
}
