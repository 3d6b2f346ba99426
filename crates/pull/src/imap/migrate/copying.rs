//! Messages that came from the old server are sent on to the new one as they come.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use postrider_imap_proto::client::FailureKind;
use postrider_imap_proto::command::RawMailbox;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Failure, Journal, MigratedMailbox};
use crate::counted::{agreeing, counted};
use crate::imap::appending::{Appends, Settled, Upload, with_line_ends};
use crate::imap::bodies::{Arrived, Take};
use crate::imap::body::Body;
use crate::imap::connection::ImapConnection;
use crate::imap::error::ImapError;
use crate::imap::flags::{FlagSet, Permitted};
use crate::imap::listing::Described;
use crate::imap::memory::Place;
use crate::imap::report::{Remark, printable};
use crate::imap::suspects::{Company, Step};
use crate::observer::Observer;
use crate::received::date_of_header;

/// Lines that are written and synced together, at most.
const LINES_MAX: usize = 64;

/// Messages that were not taken and are named one by one; more are counted. Of keywords likewise.
const NAMED_MAX: usize = 10;

/// Sends messages to one mailbox.
pub(super) struct Copying<'a, T> {
    pub(super) new: &'a mut ImapConnection<T>,
    pub(super) journal: &'a mut Journal,
    pub(super) observer: &'a dyn Observer,
    pub(super) refusals_max: u64,
    pub(super) appends: Appends<(Described, u64)>,
    pub(super) mailbox: &'a RawMailbox,
    /// That of the mailbox at the old server, by which suspects are told apart.
    pub(super) place: &'a Place,
    pub(super) permitted: &'a Permitted,
    pub(super) uid_validity: u32,
    pub(super) report: &'a mut MigratedMailbox,
    /// Messages that the new server asked to be given later.
    pub(super) again: Vec<Described>,
    /// Flags that the new server does not keep.
    pub(super) left_out: BTreeSet<String>,
    pub(super) total: u64,
    pub(super) retries: u32,
    pub(super) refused: u64,
    /// What went wrong at the new server, where only an error of the old one can be handed on.
    pub(super) failure: Option<Failure>,
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Take for Copying<'_, T> {
    async fn take(&mut self, messages: Vec<Arrived>) -> Result<(), ImapError> {
        for message in messages {
            if let Err(failure) = self.send(message).await {
                self.failure = Some(failure);
                return Err(ImapError::NotTaken);
            }
        }
        Ok(())
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Copying<'_, T> {
    async fn send(&mut self, message: Arrived) -> Result<(), Failure> {
        let uid = message.described.uid;
        if let Body::TooLarge { bytes } = message.body {
            self.refuse(uid, &format!("with {bytes} bytes it is larger than this program copies"))?;
        }
        let Some(octets) = message.octets() else { return Ok(()) };
        // Cyrus takes no message with a bare LF.
        let completed = with_line_ends(octets);
        let octets = completed.as_deref().unwrap_or(octets);
        let bytes = octets.len() as u64;
        if self.new.capabilities.append_limit().is_some_and(|limit| bytes > limit) {
            return self.refuse(uid, &format!("with {bytes} bytes it is larger than the new server takes"));
        }
        if self.new.suspects.is_left_out(self.place, uid) {
            let why = "the connection to the new server broke each time it was sent; the next run sends it again";
            return self.refuse(uid, why);
        }
        // One at which a connection broke goes with nothing else under way.
        let is_suspect = self.new.suspects.group_messages_max(Step::Append, self.place, uid).is_some();
        while self.appends.is_full() || is_suspect && self.appends.unanswered().next().is_some() {
            self.settle().await?;
        }
        let flags = self.permitted.fit(&message.described.flags);
        let lost = message.described.flags.without(&flags).to_words();
        self.left_out.extend(lost.split_ascii_whitespace().map(str::to_owned));
        let received = message.described.received.or_else(|| date_of_header(octets)).unwrap_or_else(unix_now);
        let upload = Upload { mailbox: self.mailbox, flags: &flags, received, octets };
        match self.appends.send(self.new, upload, (message.described.clone(), bytes)).await {
            Err(error @ ImapError::Encode(_)) => {
                self.refuse(uid, &format!("the new server could not take it in any form: {error}"))
            }
            Err(error) => {
                self.broke(&error, Some(uid));
                Err(Failure::New(error))
            }
            Ok(()) if is_suspect => self.settle().await.map(drop),
            Ok(()) => Ok(()),
        }
    }

    /// The connection to the new server may have broken at a message that it was to take.
    fn broke(&self, error: &ImapError, under_way: Option<u32>) {
        if !error.is_of_connection() || !error.may_be_of_a_message() {
            return;
        }
        let unanswered = self.appends.unanswered().map(|(described, _)| described.uid);
        let uids: Vec<u32> = unanswered.chain(under_way).collect();
        let company = if uids.len() == 1 { Company::Alone } else { Company::Others };
        self.new.suspects.broke(Step::Append, self.place, company, uids.into_iter());
    }

    /// Waits until all that was sent is answered for, and remembers it.
    pub(super) async fn drain(&mut self) -> Result<(), Failure> {
        while self.settle().await? {}
        Ok(self.journal.flush()?)
    }

    /// Waits for an answer, if there is one to wait for.
    async fn settle(&mut self) -> Result<bool, Failure> {
        let settled = match self.appends.settle(self.new).await {
            Ok(Some(settled)) => settled,
            Ok(None) => return Ok(false),
            Err(error) => {
                self.broke(&error, None);
                return Err(Failure::New(error));
            }
        };
        let uid = settled.append_uid().filter(|(validity, _)| *validity == self.uid_validity).map_or(0, |(_, uid)| uid);
        let Settled { of: (described, bytes), status } = settled;
        let said = printable(&status.text);
        match status.failure() {
            None => {
                self.retries = 0;
                self.journal.copied(described.uid, uid, &described.flags);
                if self.journal.waiting() >= LINES_MAX {
                    self.journal.flush()?;
                }
                self.report.copied += 1;
                self.report.copied_bytes += bytes;
                let copied = self.report.copied;
                self.observer.progress(copied, Some(self.total.max(copied)), self.report.copied_bytes);
            }
            Some(FailureKind::Throttled | FailureKind::Temporary) => {
                self.again.push(described);
                self.new.be_patient("APPEND", &status, &mut self.retries).await.map_err(Failure::New)?;
            }
            // Every other message would meet the same.
            Some(FailureKind::OverQuota) => {
                self.report.remarks.push(Remark::problem(format!(
                    "the new account is full ({said}): make room there or have its quota raised, and run this again"
                )));
                return Err(Failure::New(ImapError::Bye { text: said, kind: FailureKind::OverQuota }));
            }
            Some(_) => self.refuse(described.uid, &format!("the new server did not take it: {said}"))?,
        }
        Ok(true)
    }

    fn refuse(&mut self, uid: u32, why: &str) -> Result<(), Failure> {
        self.refused += 1;
        if self.refused <= NAMED_MAX as u64 {
            self.report.remarks.push(Remark::problem(format!("message UID {uid} was not copied: {why}")));
        }
        if self.refused > self.refusals_max {
            let (command, kind) = ("APPEND", FailureKind::Unknown);
            return Err(Failure::New(ImapError::Refused { command, kind, text: why.to_owned() }));
        }
        Ok(())
    }

    /// Tells what the new server does not keep, and how many more messages it did not take.
    pub(super) fn tell_left_out(&mut self) {
        let more = self.refused.saturating_sub(NAMED_MAX as u64);
        if more > 0 {
            let (messages, were) = (counted(more, "more message"), agreeing(more, "was", "were"));
            self.report.remarks.push(Remark::problem(format!("{messages} {were} not copied")));
        }
        if !self.left_out.is_empty() {
            let names: Vec<&str> = self.left_out.iter().map(String::as_str).take(NAMED_MAX).collect();
            let names = names.join(", ");
            let text = format!("flags were left out, as the new server does not keep them: {names}");
            self.report.remarks.push(Remark::notice(text));
        }
    }
}

fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// Flags that a message of the new server is known to have of the old one's: none yet.
pub(super) fn no_flags() -> FlagSet {
    FlagSet::default()
}
