//! Merged flags are set on both sides, and then noted.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use postrider_imap_proto::client::Response;
use postrider_imap_proto::client::command::{SetLimits, ranges_of_uids, split_into_sets};
use postrider_imap_proto::command::{CommandBody, Numbering, Store, StoreMode};
use postrider_imap_proto::set::SequenceSet;
use postrider_store::{FlagMode, MailboxId, StoreFlags, Uid, UidSet};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Syncer;
use crate::counted::counted;
use crate::imap::connection::ImapConnection;
use crate::imap::error::ImapError;
use crate::imap::flags::{FlagSet, KeywordRoom, Permitted};
use crate::imap::memory::{Memory, MessageNote};
use crate::imap::report::{MailboxReport, Remark};

/// Messages by the flags that they are to get, or to lose; here by their UIDs here, there by those there.
type ByFlags<U> = BTreeMap<FlagSet, Vec<U>>;

/// Flags to be set.
#[derive(Default)]
pub(super) struct FlagPlan {
    add_here: ByFlags<Uid>,
    remove_here: ByFlags<Uid>,
    add_there: ByFlags<u32>,
    remove_there: ByFlags<u32>,
    /// What both will have then, by UID there, where that is not noted yet.
    agreed: BTreeMap<u32, FlagSet>,
}

impl FlagPlan {
    /// Plans for one message, whose flags are `here` and `there`, and are to be `merged`.
    #[expect(clippy::too_many_arguments, reason = "two sides of one message, and what each of them can have")]
    pub(super) fn add(
        &mut self,
        uid: u32,
        note: &MessageNote,
        here: &FlagSet,
        there: &FlagSet,
        merged: &FlagSet,
        permitted: &Permitted,
        room: &mut KeywordRoom,
    ) {
        let removed = note.flags.without(merged);
        let add_here = room.fit(&merged.without(here));
        let add_there = permitted.fit(&merged.without(there));
        let remove_here = removed.intersection(here);
        let remove_there = permitted.fit(&removed.intersection(there));
        let agreed = here.union(&add_here).without(&remove_here);
        let agreed = agreed.intersection(&there.union(&add_there).without(&remove_there));
        if agreed != note.flags {
            self.agreed.insert(uid, agreed);
        }
        put(&mut self.add_here, add_here, note.local);
        put(&mut self.remove_here, remove_here, note.local);
        put(&mut self.add_there, add_there, uid);
        put(&mut self.remove_there, remove_there, uid);
    }
}

fn put<U>(by_flags: &mut ByFlags<U>, flags: FlagSet, uid: U) {
    if !flags.is_empty() {
        by_flags.entry(flags).or_default().push(uid);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Syncer<'_, S> {
    /// Sets flags as planned, the mailbox there being selected.
    pub(super) async fn apply_flags(
        &mut self,
        mailbox: MailboxId,
        mut plan: FlagPlan,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        if !self.is_real() {
            let count = |by_flags: &ByFlags<u32>| by_flags.values().map(|uids| uids.len() as u64).sum::<u64>();
            report.flags_changed_there += count(&plan.add_there) + count(&plan.remove_there);
            let here = plan.add_here.values().chain(plan.remove_here.values());
            report.flags_changed += here.map(|uids| uids.len() as u64).sum::<u64>();
            return Ok(());
        }
        for (mode, by_flags) in [(FlagMode::Add, plan.add_here), (FlagMode::Remove, plan.remove_here)] {
            for (flags, uids) in by_flags {
                let uids: UidSet = uids.into_iter().collect();
                let flags = flags.to_store();
                let wish = StoreFlags { mailbox, uids, mode, flags, unchanged_since: None };
                report.flags_changed += self.worker.account.store_flags(wish).await?.changed.count();
            }
        }
        for (mode, by_flags) in [(StoreMode::Add, plan.add_there), (StoreMode::Remove, plan.remove_there)] {
            for (flags, uids) in by_flags {
                match self.worker.connection.store_flags(&uids, mode, &flags, None).await {
                    Ok(_) => report.flags_changed_there += uids.len() as u64,
                    Err(error) if error.is_of_one_command() => {
                        // What both have is not known then: the next run looks again.
                        uids.iter().for_each(|uid| drop(plan.agreed.remove(uid)));
                        let messages = counted(uids.len(), "message");
                        let text = format!("the flags of {messages} were not changed there: {error}");
                        report.remarks.push(Remark::problem(text));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        self.note_agreed(plan.agreed, memory).await
    }

    async fn note_agreed(&self, agreed: BTreeMap<u32, FlagSet>, memory: &mut Memory) -> Result<(), ImapError> {
        let mut notes = Vec::with_capacity(agreed.len());
        for (uid, flags) in agreed {
            if let Some(note) = memory.messages.get_mut(&uid) {
                note.flags = flags;
                notes.push(memory.place.message(uid, Some(note)));
            }
        }
        if !notes.is_empty() {
            self.worker.account.write_notes(notes).await?;
        }
        Ok(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ImapConnection<S> {
    /// Adds or removes flags of messages in the mailbox that is selected. With `unchanged_since`, answers those that were
    /// left alone as they had changed after it (RFC 7162 §3.1.3).
    pub(in crate::imap) async fn store_flags(
        &mut self,
        uids: &[u32],
        mode: StoreMode,
        flags: &FlagSet,
        unchanged_since: Option<u64>,
    ) -> Result<Vec<(u32, u32)>, ImapError> {
        let mut modified = Vec::new();
        for set in sets_of(uids) {
            let flags = flags.to_wire();
            let store = Store { numbering: Numbering::Uid, set, unchanged_since, mode, silent: true, flags };
            let mut learn = |code: Option<&postrider_imap_proto::client::ResponseCode>| {
                use postrider_imap_proto::{client::ResponseCode, encode::Code};
                if let Some(ResponseCode::Known(Code::Modified(uids))) = code {
                    modified.extend_from_slice(uids);
                }
            };
            let status = self
                .command("STORE", CommandBody::Store(store), |response| {
                    if let Response::Status(status) = &response {
                        learn(status.code.as_ref());
                    }
                })
                .await?;
            learn(status.code.as_ref());
        }
        Ok(modified)
    }
}

/// UIDs, in any order, in sets for one command each.
pub(in crate::imap) fn sets_of(uids: &[u32]) -> Vec<SequenceSet> {
    let mut uids: Vec<u32> = uids.iter().copied().filter(|uid| NonZeroU32::new(*uid).is_some()).collect();
    uids.sort_unstable();
    split_into_sets(&ranges_of_uids(uids), SetLimits::default())
}
