//! A session as of a person who reads mail: a look at the inbox, three messages, an answer.

use anyhow::Result;
use postrider_testkit::random::SplitMix64;

use crate::driver::ImapConnection;
use crate::site::{Sample, Site};

/// Sixteen people at a time.
pub fn run(site: &Site<'_>) -> Result<Sample> {
    for number in 0..16 {
        let mut client = ImapConnection::logged_in(site.server, site.transport, site.user(number)?)?;
        if site.round == 0 {
            client.run("CREATE Answers")?;
        }
        client.logout()?;
    }
    let sessions = (site.scale.sessions / 5).max(1);
    let (timing, count) = site.concurrently(
        16,
        |_| Ok(()),
        |number, ()| {
            let mut random = SplitMix64::new((site.round * 16 + number) as u64);
            for _ in 0..sessions {
                session(site, number, &mut random)?;
            }
            Ok(sessions as u64)
        },
    )?;
    Ok(Sample::rate(count as f64, timing, count))
}

fn session(site: &Site<'_>, number: usize, random: &mut SplitMix64) -> Result<()> {
    let mut client = ImapConnection::connect_small(site.server, site.transport)?;
    client.login(site.user(number)?)?;
    client.run("SELECT INBOX")?;
    let last = site.scale.user_messages;
    client.run(&format!("FETCH {}:{last} (UID FLAGS ENVELOPE BODYSTRUCTURE)", last.saturating_sub(19).max(1)))?;
    let tags = [0; 3].map(|_| client.queue(&format!("FETCH {} BODY.PEEK[]", 1 + random.below(last))));
    client.flush()?;
    for tag in tags {
        client.finish(tag)?;
    }
    client.run(&format!("STORE {} +FLAGS (\\Seen)", 1 + random.below(last)))?;
    client.append("Answers", [site.mail.message(random.below(1000))])?;
    client.run("STATUS Answers (MESSAGES UNSEEN)")?;
    client.logout()
}
