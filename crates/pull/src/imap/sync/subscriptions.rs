//! Subscriptions, followed both ways.
//!
//! Only changes are followed: both sides may have begun with different ones for good reasons, and a server that has never been told
//! of any would otherwise hide all mailboxes here. What is subscribed there at first is subscribed here, too.

use postrider_imap_proto::command::CommandBody;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Syncer;
use crate::imap::error::ImapError;
use crate::imap::mailboxes::{Directory, RemoteMailbox, subscriptions};
use crate::imap::memory::{Memory, Subscribed};

/// What is to be on both sides, of what was and what is.
fn decide(noted: Option<Subscribed>, now: Subscribed) -> Subscribed {
    let Some(noted) = noted else { return Subscribed { here: now.here || now.there, ..now } };
    match (noted.there != now.there, noted.here != now.here) {
        (true, false) => Subscribed { here: now.there, ..now },
        (false, true) => Subscribed { there: now.here, ..now },
        // Both changed: if not in the same way, both have what one of them had, so that nothing is hidden.
        (true, true) => Subscribed { there: now.there || now.here, here: now.there || now.here },
        (false, false) => now,
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Syncer<'_, S> {
    /// Takes over what changed in subscriptions, where the server tells them with its list (LIST-EXTENDED, RFC 5258).
    pub(super) async fn follow_subscriptions(&mut self, directory: &Directory) -> Result<(), ImapError> {
        if !self.is_real() || !self.worker.connection.capabilities.has("LIST-EXTENDED") {
            return Ok(());
        }
        let Some(there) = subscriptions(self.worker.connection).await? else { return Ok(()) };
        for remote in &directory.mailboxes {
            self.follow_subscription(remote, there.contains(&remote.name)).await?;
        }
        Ok(())
    }

    async fn follow_subscription(&mut self, remote: &RemoteMailbox, is_there: bool) -> Result<(), ImapError> {
        let account = self.worker.account;
        let place = self.worker.key.place(&remote.name);
        let Some((local, noted)) = Memory::read_subscribed(account, &place).await? else { return Ok(()) };
        let state = account.state();
        let Some(name) = state.mailbox(local).map(|mailbox| mailbox.record.name.clone()) else { return Ok(()) };
        let now = Subscribed { there: is_there, here: state.is_subscribed(&name) };
        let mut wanted = decide(noted, now);
        if wanted.there != now.there {
            let mailbox = remote.raw.to_argument();
            let (name, command) = match wanted.there {
                true => ("SUBSCRIBE", CommandBody::Subscribe(mailbox)),
                false => ("UNSUBSCRIBE", CommandBody::Unsubscribe(mailbox)),
            };
            match self.worker.connection.command(name, command, drop).await {
                Ok(_) => {}
                // A server may have its own opinion of a mailbox; it is asked again only when something changes.
                Err(error) if error.is_of_one_command() => wanted.there = now.there,
                Err(error) => return Err(error),
            }
        }
        if wanted.here != now.here {
            account.subscribe(&name, wanted.here).await?;
        }
        if noted != Some(wanted) {
            account.write_notes(vec![place.subscribed(Some(wanted))]).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_followed_and_differences_left() {
        let pair = |there, here| Subscribed { there, here };
        for (noted, now, expected) in [
            (None, pair(true, false), pair(true, true)),
            (None, pair(false, true), pair(false, true)),
            (Some(pair(false, true)), pair(false, true), pair(false, true)),
            (Some(pair(true, true)), pair(false, true), pair(false, false)),
            (Some(pair(false, false)), pair(true, false), pair(true, true)),
            (Some(pair(true, true)), pair(true, false), pair(false, false)),
            (Some(pair(false, false)), pair(false, true), pair(true, true)),
            (Some(pair(true, false)), pair(false, true), pair(true, true)),
            (Some(pair(true, true)), pair(false, false), pair(false, false)),
        ] {
            assert_eq!(decide(noted, now), expected, "{noted:?} {now:?}");
        }
    }
}
