//! Mailboxes: made, renamed and removed on either side.
//!
//! A pair is known by the id of the mailbox here and by the name there; a mailbox that was renamed there is found again by its
//! MAILBOXID, or by its UIDVALIDITY and messages. A mailbox is removed only if everything in it is as it was when both sides
//! last agreed, it has no special use, and it holds little or somebody agreed; otherwise it comes back.

use std::collections::BTreeSet;

use postrider_imap_proto::client::mailbox_argument;
use postrider_imap_proto::client::{FailureKind, ReceivedMailbox};
use postrider_imap_proto::command::CommandBody;
use postrider_store::{INBOX, Mailbox, SpecialUse, StoreError};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Syncer;
use crate::counted::counted;
use crate::imap::connection::ImapConnection;
use crate::imap::error::ImapError;
use crate::imap::flags::FlagSet;
use crate::imap::following::place_of;
use crate::imap::keeping::unnoted;
use crate::imap::listing::Access;
use crate::imap::mailboxes::{Directory, RemoteMailbox, is_wanted};
use crate::imap::memory::{MailboxNote, Memory};
use crate::imap::options::Consent;
use crate::imap::report::{ImapReport, Remark, printable};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Syncer<'_, S> {
    /// Renames there what was renamed here. Answers whether anything was.
    pub(super) async fn follow_renames_here(
        &mut self,
        directory: &mut Directory,
        report: &mut ImapReport,
    ) -> Result<bool, ImapError> {
        let mut noted = self.worker.key.mailboxes(self.worker.account).await?;
        // What is above is renamed first, and takes along what is below.
        noted.sort_by_key(|note| note.local_name.len());
        let mut renamed = false;
        for position in 0..noted.len() {
            let Some(note) = noted.get(position).cloned() else { break };
            let Some((before, now)) = self.renamed_here(&note, directory) else { continue };
            let target = directory.name_there(&now);
            if target == note.name {
                self.note_name_here(&note, &now).await?;
                continue;
            }
            if directory.existing.contains(&target) {
                report.remarks.push(Remark::notice(format!(
                    "{before} was renamed to {now} here, but there is another mailbox of that name there: the names stay apart"
                )));
                self.note_name_here(&note, &now).await?;
                continue;
            }
            let (from, to) = (printable(&note.name), printable(&target));
            if !self.is_real() {
                report.remarks.push(Remark::notice(format!("{from} would be renamed to {to} there")));
                continue;
            }
            let rename = CommandBody::Rename {
                from: self.worker.connection.argument(&note.name).to_argument(),
                to: self.worker.connection.argument(&target).to_argument(),
            };
            match self.worker.connection.command("RENAME", rename, drop).await {
                Ok(_) => {
                    report.remarks.push(Remark::notice(format!("{from} was renamed to {to} there, as it was here")));
                    self.move_notes(&mut noted, &note.name, &target, directory.separator).await?;
                    self.note_name_here(&MailboxNote { name: target.clone(), ..note }, &now).await?;
                    directory.existing.insert(target);
                    renamed = true;
                }
                Err(error) if error.is_of_one_command() => {
                    report.remarks.push(Remark::problem(format!("{from} was not renamed to {to} there: {error}")));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(renamed)
    }

    /// The name that a mailbox had here and the one it has, if it was renamed here and nothing stands against a rename there.
    fn renamed_here(&self, note: &MailboxNote, directory: &Directory) -> Option<(String, String)> {
        let state = self.worker.account.state();
        let mailbox = state.mailbox(note.local)?;
        let there = directory.mailboxes.iter().find(|remote| remote.name == note.name)?;
        let is_same = mailbox.record.uid_validity == note.local_validity;
        let is_plain = mailbox.record.special_use.is_empty() && there.special_use.is_none() && note.name != INBOX;
        let differs = !note.local_name.is_empty() && note.local_name != mailbox.record.name;
        (is_same && is_plain && differs).then(|| (note.local_name.clone(), mailbox.record.name.clone()))
    }

    /// Notes lie where the name there has them: they go along with it, and so do those of mailboxes below.
    async fn move_notes(
        &mut self,
        noted: &mut [MailboxNote],
        from: &str,
        to: &str,
        separator: Option<char>,
    ) -> Result<(), ImapError> {
        for note in noted {
            let Some(rest) = note.name.strip_prefix(from) else { continue };
            if !rest.is_empty() && !separator.is_some_and(|separator| rest.starts_with(separator)) {
                continue;
            }
            let name = format!("{to}{rest}");
            let mut memory = Memory::read(self.worker.account, self.worker.key.place(&note.name)).await?;
            let mut notes = memory.forgetting();
            memory.place = self.worker.key.place(&name);
            if let Some(mailbox) = &mut memory.mailbox {
                mailbox.name.clone_from(&name);
            }
            notes.extend(memory.writing());
            self.worker.account.write_notes(notes).await?;
            note.name = name;
        }
        Ok(())
    }

    async fn note_name_here(&self, note: &MailboxNote, name: &str) -> Result<(), ImapError> {
        let place = self.worker.key.place(&note.name);
        let mut memory = Memory::read(self.worker.account, place).await?;
        if let (Some(mailbox), true) = (&mut memory.mailbox, self.is_real()) {
            name.clone_into(&mut mailbox.local_name);
            let note = memory.place.mailbox(Some(mailbox));
            self.worker.account.write_notes(vec![note]).await?;
        }
        Ok(())
    }

    /// Which noted mailboxes are not there any more, and which mailboxes here have their counterpart.
    pub(super) async fn learn_what_is_gone(
        &mut self,
        directory: &Directory,
        report: &mut ImapReport,
    ) -> Result<(), ImapError> {
        let noted = self.worker.key.mailboxes(self.worker.account).await?;
        // A list without INBOX, which every user has, is not whole (RFC 9051 §5.1).
        let is_whole = directory.existing.contains(INBOX);
        if !is_whole {
            report.remarks.push(Remark::problem("the server's list of mailboxes lacks INBOX, and may lack others"));
        }
        // One with mailboxes below it leaves its name behind when it is removed (RFC 9051 §6.3.5).
        let is_there = |name: &String| directory.existing.contains(name) && !directory.without_messages.contains(name);
        let (gone, kept): (Vec<_>, Vec<_>) = noted.into_iter().partition(|note| is_whole && !is_there(&note.name));
        self.worker.taken = kept.iter().map(|note| note.local).collect();
        self.worker.gone = gone;
        Ok(())
    }

    /// Mailboxes here that have no counterpart there, and are to get one: their names.
    pub(super) async fn only_here(
        &mut self,
        directory: &Directory,
        report: &mut ImapReport,
    ) -> Result<Vec<String>, ImapError> {
        self.bring_back(report).await?;
        let gone: BTreeSet<_> = self.worker.gone.iter().map(|note| note.local).collect();
        let state = self.worker.account.state();
        let mut names: Vec<String> = state
            .mailboxes()
            .filter(|mailbox| !self.worker.taken.contains(&mailbox.id) && !gone.contains(&mailbox.id))
            .map(|mailbox| mailbox.record.name.clone())
            .filter(|name| is_wanted(name, self.worker.options) && !directory.passed_over_local.contains(name))
            .collect();
        if !directory.existing.contains(INBOX) {
            // What is missing in a list that is not whole may be there.
            names.clear();
        }
        names.sort();
        Ok(names)
    }

    /// Mailboxes that were removed there, but hold something new here, go there again: without their notes they are new.
    async fn bring_back(&mut self, report: &mut ImapReport) -> Result<(), ImapError> {
        for note in std::mem::take(&mut self.worker.gone) {
            let memory = Memory::read(self.worker.account, self.worker.key.place(&note.name)).await?;
            let name = printable(&note.name);
            let mailbox = match self.worker.account.mailbox(note.local).await {
                Ok(mailbox) if mailbox.record.uid_validity == note.local_validity => mailbox,
                Ok(_) | Err(StoreError::NoMailbox) => {
                    self.forget_all(&memory).await?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let stays = mailbox.record.name == INBOX || !mailbox.record.special_use.is_empty();
            if stays || has_news_here(&mailbox, &memory)? {
                report.remarks.push(Remark::notice(format!(
                    "{name} was removed there, but is needed or holds something new here: it goes there again"
                )));
                self.forget_all(&memory).await?;
            } else {
                self.worker.gone.push(note);
            }
        }
        Ok(())
    }

    async fn forget_all(&self, memory: &Memory) -> Result<(), ImapError> {
        if self.is_real() {
            self.worker.account.write_notes(memory.forgetting()).await?;
        }
        Ok(())
    }

    /// Makes mailboxes there. Answers whether there are any.
    pub(super) async fn make_there(
        &mut self,
        names: &[String],
        directory: &Directory,
        report: &mut ImapReport,
    ) -> Result<bool, ImapError> {
        let state = self.worker.account.state();
        let uses: BTreeSet<SpecialUse> = directory.mailboxes.iter().filter_map(|remote| remote.special_use).collect();
        for local in names {
            let name = directory.name_there(local);
            let Some(mailbox) = state.find(local) else { continue };
            if !self.is_real() {
                let (name, messages) = (printable(&name), counted(mailbox.record.counts.messages, "message"));
                report.remarks.push(Remark::notice(format!("{name} would be made there, with {messages}")));
                continue;
            }
            let special_use = mailbox.record.special_use.iter().find(|kind| !uses.contains(kind));
            match self.worker.connection.make_mailbox(&name, special_use).await {
                Ok(()) => {}
                // Perhaps a name without messages, which can be one with messages now.
                Err(ImapError::Refused { kind: FailureKind::AlreadyExists, .. }) => {}
                Err(error) if error.is_of_one_command() && self.is_empty_here(local) => {
                    let text = format!("{} was not made there: {error}", printable(&name));
                    report.remarks.push(Remark::notice(text));
                }
                Err(error) if error.is_of_one_command() => report.remarks.push(Remark::problem(format!(
                    "{} was not made there, so its messages did not go there: {error}",
                    printable(&name)
                ))),
                Err(error) => return Err(error),
            }
        }
        Ok(self.is_real() && !names.is_empty())
    }

    /// Mailboxes that were removed there go here.
    pub(super) async fn remove_mailboxes_here(&mut self, report: &mut ImapReport) -> Result<(), ImapError> {
        let mut gone = std::mem::take(&mut self.worker.gone);
        gone.sort_by_key(|note| std::cmp::Reverse(note.local_name.len()));
        for note in gone {
            let memory = Memory::read(self.worker.account, self.worker.key.place(&note.name)).await?;
            let mailbox = self.worker.account.mailbox(note.local).await?;
            // Again, as mail may have come meanwhile.
            if has_news_here(&mailbox, &memory)? {
                continue;
            }
            let name = &mailbox.record.name;
            let count = u64::from(mailbox.record.counts.messages);
            if let Some(refusal) = self.ask(count, name, "there") {
                report.remarks.push(refusal);
                continue;
            }
            if self.is_real() {
                self.worker.account.delete_mailbox(note.local).await?;
                self.worker.account.write_notes(memory.forgetting()).await?;
            }
            let here = if self.is_real() { "here, too" } else { "would go here, too" };
            let messages = counted(count, "message");
            report.remarks.push(Remark::notice(format!("{name} was removed there, and with {messages} {here}")));
        }
        Ok(())
    }

    /// Mailboxes that were removed here go there.
    pub(super) async fn remove_mailboxes_there(&mut self, report: &mut ImapReport) -> Result<(), ImapError> {
        let mut removed = std::mem::take(&mut self.removed_here);
        removed.sort_by_key(|(remote, _)| std::cmp::Reverse(remote.name.len()));
        for (remote, note) in removed {
            let name = printable(&remote.name);
            let memory = Memory::read(self.worker.account, self.worker.key.place(&remote.name)).await?;
            if remote.special_use.is_some() || remote.name == INBOX || self.has_news_there(&remote, &memory).await? {
                report.remarks.push(Remark::notice(format!(
                    "{} was removed here, but {name} has a use or holds something new there: it comes again",
                    note.local_name
                )));
                self.forget_all(&memory).await?;
                if self.is_real() {
                    report.mailboxes.retain(|mailbox| mailbox.remote != name);
                    self.work(&remote, report).await?;
                }
                continue;
            }
            let count = memory.messages.len() as u64;
            if let Some(refusal) = self.ask(count, &name, "here") {
                report.remarks.push(refusal);
                continue;
            }
            if self.is_real() {
                // It is selected, and some servers do not remove what is.
                let connection = &mut *self.worker.connection;
                if connection.capabilities.has("UNSELECT") {
                    connection.command("UNSELECT", CommandBody::Unselect, drop).await?;
                }
                match connection.command("DELETE", CommandBody::Delete(remote.raw.to_argument()), drop).await {
                    Ok(_) => self.forget_all(&memory).await?,
                    Err(error) if error.is_of_one_command() => {
                        report.remarks.push(Remark::problem(format!("{name} was not removed there: {error}")));
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            report.mailboxes.retain(|mailbox| mailbox.remote != name);
            let there = if self.is_real() { "there, too" } else { "would go there, too" };
            let messages = counted(count, "message");
            report.remarks.push(Remark::notice(format!("{name} was removed here, and with {messages} {there}")));
        }
        Ok(())
    }

    /// Whether anything there is not as it was when both sides last agreed. Leaves the mailbox selected.
    async fn has_news_there(&mut self, remote: &RemoteMailbox, memory: &Memory) -> Result<bool, ImapError> {
        let selected = self.worker.connection.open_mailbox(remote, memory, Access::Read).await?;
        let noted = memory.mailbox.as_ref().map_or(0, |note| note.uid_validity);
        if noted == 0 || selected.uid_validity != noted || selected.is_set_back {
            return Ok(true);
        }
        let changes = self.worker.connection.changes(&selected, memory).await?;
        let is_changed = |(uid, flags): (&u32, &FlagSet)| {
            let before = memory.messages.get(uid).map(|note| note.flags.clone().without_deleted());
            before.is_some_and(|before| before != flags.clone().without_deleted())
        };
        Ok(!changes.is_whole || !changes.new.is_empty() || changes.flags.iter().any(is_changed))
    }

    /// A refusal, if so many messages are not to be removed with their mailbox unasked.
    fn ask(&self, messages: u64, name: &str, side: &str) -> Option<Remark> {
        let options = self.worker.options;
        (options.consent == Consent::Unasked && messages > options.removals_max).then(|| {
            Remark::problem(format!(
                "{name} with {} was removed {side}; it is kept on the other side until you agree to remove it (--yes)",
                counted(messages, "message")
            ))
        })
    }
}

/// Whether anything here is not as it was when both sides last agreed.
fn has_news_here(mailbox: &Mailbox, memory: &Memory) -> Result<bool, ImapError> {
    let messages = mailbox.messages().ok_or(StoreError::NoMailbox)?;
    let is_changed = memory.messages.values().any(|note| {
        place_of(messages, note).is_some_and(|entry| {
            let now = FlagSet::from_store(&mailbox.record.keywords.flags(entry.flags));
            now.without_deleted() != note.flags.clone().without_deleted()
        })
    });
    Ok(is_changed || unnoted(mailbox, memory).values().any(|entries| !entries.is_empty()))
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ImapConnection<S> {
    /// A name of ours as the server spells it.
    pub(in crate::imap) fn argument(&self, name: &str) -> ReceivedMailbox {
        ReceivedMailbox(mailbox_argument(name, self.dialect.names).0.into())
    }

    /// Makes a mailbox, with its use where the server can be told (RFC 6154 §3).
    pub(in crate::imap) async fn create_mailbox(
        &mut self,
        name: &str,
        special_use: Option<SpecialUse>,
    ) -> Result<(), ImapError> {
        let mailbox = self.argument(name).to_argument();
        let uses = special_use.filter(|_| self.capabilities.has("CREATE-SPECIAL-USE"));
        let uses: Vec<String> = uses.map(|kind| format!("\\{}", kind.name())).into_iter().collect();
        let with_use = !uses.is_empty();
        let create = CommandBody::Create { mailbox: mailbox.clone(), special_use: uses };
        match self.command("CREATE", create, drop).await {
            // The use may be one that the server gives to nobody.
            Err(error) if with_use && error.is_of_one_command() => {
                let create = CommandBody::Create { mailbox, special_use: Vec::new() };
                self.command("CREATE", create, drop).await.map(drop)
            }
            other => other.map(drop),
        }
    }

    /// Makes a mailbox and subscribes to it.
    async fn make_mailbox(&mut self, name: &str, special_use: Option<SpecialUse>) -> Result<(), ImapError> {
        self.create_mailbox(name, special_use).await?;
        let mailbox = self.argument(name).to_argument();
        match self.command("SUBSCRIBE", CommandBody::Subscribe(mailbox), drop).await {
            Err(error) if !error.is_of_one_command() => Err(error),
            _ => Ok(()),
        }
    }
}
