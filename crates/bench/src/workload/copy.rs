//! COPY, MOVE and EXPUNGE of many messages: each row continues where the one before ended.

use anyhow::Result;

use crate::driver::ImapConnection;
use crate::site::{Sample, Site};

const COPIED: &str = "Copied";
const MOVED: &str = "Moved";

/// From the large mailbox to an empty one.
pub fn copy(site: &Site<'_>) -> Result<Sample> {
    let mut client = site.inbox()?;
    client.run(&format!("CREATE {COPIED}"))?;
    let (timing, _) = site.timed(|| client.run(&format!("COPY 1:{} {COPIED}", site.scale.copied)))?;
    client.logout()?;
    Ok(Sample::rate(site.scale.copied as f64, timing, 0))
}

/// From there to another.
pub fn r#move(site: &Site<'_>) -> Result<Sample> {
    let mut client = ImapConnection::selected(site.server, site.transport, site.reader()?, COPIED)?;
    client.run(&format!("CREATE {MOVED}"))?;
    let (timing, _) = site.timed(|| client.run(&format!("MOVE 1:* {MOVED}")))?;
    client.run("UNSELECT")?;
    client.run(&format!("DELETE {COPIED}"))?;
    client.logout()?;
    Ok(Sample::rate(site.scale.copied as f64, timing, 0))
}

/// And away.
pub fn expunge(site: &Site<'_>) -> Result<Sample> {
    let mut client = ImapConnection::selected(site.server, site.transport, site.reader()?, MOVED)?;
    let (timing, expunged) = site.timed(|| {
        client.run("STORE 1:* +FLAGS.SILENT (\\Deleted)")?;
        client.run("EXPUNGE")
    })?;
    anyhow::ensure!(expunged.responses >= site.scale.copied as u64, "EXPUNGE told {} messages", expunged.responses);
    client.run("UNSELECT")?;
    client.run(&format!("DELETE {MOVED}"))?;
    client.logout()?;
    Ok(Sample::rate(site.scale.copied as f64, timing, 0))
}
