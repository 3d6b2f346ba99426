//! A run that goes on over broken connections and servers that ask for patience.
//!
//! A run is made so that it can be given again after whatever ended it. That is all that is done here: wait, tell so, connect
//! anew, run again; and make one report of the parts.

use std::{collections::BTreeSet, fmt::Display};

use crate::{
    backoff::{Backoff, BackoffOptions, Remedy},
    connect::Stop,
    counted::counted,
    error::PullError,
    imap::{
        ImapReport, MailboxReport, Remark, Weight,
        migrate::{MigratedMailbox, MigrationError, MigrationReport},
    },
    observer::Observer,
    report::Report,
};

/// What can end a part of a run.
pub(crate) trait Failure: Display {
    /// What may help.
    fn remedy(&self) -> Remedy;

    /// The run was to stop.
    fn stopped() -> Self;
}

/// What came of a part of a run.
pub(crate) trait Part: Sized {
    /// What can end it.
    type Failure: Failure;

    /// What ended it early.
    fn ended_early(&self) -> Option<&Self::Failure>;

    /// Whether it brought anything on.
    fn has_progressed(&self) -> bool;

    /// Whether the connection broke at a message, so that another try asks for less at once, or for others.
    fn broke_at_a_message(&self) -> bool;

    /// One report of this and of what came before.
    fn behind(self, earlier: Self) -> Self;

    /// The same, with another reason why there is no more.
    fn ended_by(self, error: Self::Failure) -> Self;
}

impl Failure for PullError {
    fn remedy(&self) -> Remedy {
        Self::remedy(self)
    }

    fn stopped() -> Self {
        Self::Stopped
    }
}

impl Failure for MigrationError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Old(error) | Self::New(error) => error.remedy(),
            Self::Journal(_) | Self::Stopped => Remedy::None,
        }
    }

    fn stopped() -> Self {
        Self::Stopped
    }
}

/// Runs until it is done, is given up, or is to stop.
pub(crate) async fn persevere<P: Part, F: Future<Output = Result<P, P::Failure>>>(
    options: BackoffOptions,
    stop: &Stop,
    observer: &dyn Observer,
    mut run: impl FnMut() -> F,
) -> Result<P, P::Failure> {
    let mut backoff = Backoff::new(options);
    let mut done: Option<P> = None;
    loop {
        let outcome = run().await;
        let broke_at_a_message = outcome.as_ref().is_ok_and(Part::broke_at_a_message);
        if broke_at_a_message || outcome.as_ref().is_ok_and(Part::has_progressed) {
            backoff.progress();
        }
        let failure = match &outcome {
            Ok(part) => part.ended_early(),
            Err(error) => Some(error),
        };
        // A part that got as far as a report has reached the server.
        let is_known = done.is_some() || outcome.is_ok();
        let wait = failure.and_then(|failure| match failure.remedy() {
            Remedy::ReconnectIfKnown if !is_known => None,
            // The server that says goodbye at a message is not out of order.
            Remedy::WaitAWhile if broke_at_a_message => backoff.failed(Remedy::Reconnect).map(|wait| (wait, failure)),
            remedy => backoff.failed(remedy).map(|wait| (wait, failure)),
        });
        if let Some((wait, failure)) = &wait {
            tracing::info!("{failure}; trying again in {wait:?}");
            observer.note(format!(
                "{failure}; trying again in {} (try {} of {} without progress)",
                spoken(wait.as_secs().max(1)),
                backoff.failures() + 1,
                options.tries_max
            ));
        }
        let wait = wait.map(|(wait, _)| wait);
        let (part, error) = match (outcome, done.take()) {
            (Ok(part), Some(earlier)) => (Some(part.behind(earlier)), None),
            (Ok(part), None) => (Some(part), None),
            (Err(error), earlier) => (earlier, Some(error)),
        };
        let Some(wait) = wait else {
            return match (part, error) {
                // What was done before is told, with the reason why there is no more.
                (Some(part), Some(error)) => Ok(part.ended_by(error)),
                (Some(part), None) => Ok(part),
                (None, error) => Err(error.unwrap_or_else(P::Failure::stopped)),
            };
        };
        done = part;
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.requested() => {
                let stopped = P::Failure::stopped;
                return done.map(|done| done.ended_by(stopped())).ok_or_else(stopped);
            }
        }
    }
}

fn spoken(seconds: u64) -> String {
    match seconds {
        0..120 => counted(seconds, "second"),
        _ => counted(seconds / 60, "minute"),
    }
}

impl Part for Report {
    type Failure = PullError;

    fn ended_early(&self) -> Option<&PullError> {
        self.ended_early.as_ref()
    }

    fn has_progressed(&self) -> bool {
        self.fetched > 0 || self.removed_there > 0
    }

    fn broke_at_a_message(&self) -> bool {
        self.is_nearer_to_a_break
    }

    fn behind(self, earlier: Self) -> Self {
        Self {
            there: earlier.there,
            // What an earlier part brought is known to the later one.
            known: self.known.saturating_sub(earlier.fetched),
            fetched: earlier.fetched.saturating_add(self.fetched),
            bytes: earlier.bytes.saturating_add(self.bytes),
            removed_there: earlier.removed_there.saturating_add(self.removed_there),
            ..self
        }
    }

    fn ended_by(self, error: PullError) -> Self {
        Self { ended_early: Some(error), verified: None, ..self }
    }
}

impl Part for ImapReport {
    type Failure = PullError;

    fn ended_early(&self) -> Option<&PullError> {
        self.ended_early.as_ref()
    }

    fn has_progressed(&self) -> bool {
        let did = |one: &MailboxReport| {
            [one.fetched, one.recognised, one.removed, one.uploaded, one.removed_there].iter().any(|count| *count > 0)
        };
        self.mailboxes.iter().any(did)
    }

    fn broke_at_a_message(&self) -> bool {
        self.is_nearer_to_a_break
    }

    fn behind(mut self, earlier: Self) -> Self {
        self.bytes_received = self.bytes_received.saturating_add(earlier.bytes_received);
        keep_notices(&mut self.remarks, earlier.remarks);
        for before in earlier.mailboxes {
            match self.mailboxes.iter_mut().find(|mailbox| mailbox.remote == before.remote) {
                Some(mailbox) => add(mailbox, before),
                None => self.mailboxes.push(before),
            }
        }
        self
    }

    fn ended_by(self, error: PullError) -> Self {
        Self { ended_early: Some(error), ..self }
    }
}

impl Part for MigrationReport {
    type Failure = MigrationError;

    fn ended_early(&self) -> Option<&MigrationError> {
        self.ended_early.as_ref()
    }

    fn has_progressed(&self) -> bool {
        let did = |one: &MigratedMailbox| one.copied > 0 || one.recognised > 0 || one.flags_changed > 0;
        self.mailboxes.iter().any(did)
    }

    fn broke_at_a_message(&self) -> bool {
        self.is_nearer_to_a_break
    }

    fn behind(mut self, earlier: Self) -> Self {
        keep_notices(&mut self.remarks, earlier.remarks);
        for before in earlier.mailboxes {
            match self.mailboxes.iter_mut().find(|mailbox| mailbox.source == before.source) {
                Some(mailbox) => add_migrated(mailbox, before),
                None => self.mailboxes.push(before),
            }
        }
        self
    }

    fn ended_by(self, error: MigrationError) -> Self {
        Self { ended_early: Some(error), ..self }
    }
}

/// Problems of an earlier part are those of the later part, too, or they are over.
fn keep_notices(remarks: &mut Vec<Remark>, earlier: Vec<Remark>) {
    let mut told: BTreeSet<String> = remarks.iter().map(|remark| remark.text.clone()).collect();
    let notices = earlier.into_iter().filter(|remark| remark.weight == Weight::Notice);
    remarks.extend(notices.filter(|remark| told.insert(remark.text.clone())));
}

/// Adds what an earlier part did.
fn add_migrated(mailbox: &mut MigratedMailbox, before: MigratedMailbox) {
    for (count, earlier) in [
        (&mut mailbox.copied, before.copied),
        (&mut mailbox.copied_bytes, before.copied_bytes),
        (&mut mailbox.recognised, before.recognised),
        (&mut mailbox.flags_changed, before.flags_changed),
    ] {
        *count = count.saturating_add(earlier);
    }
    keep_notices(&mut mailbox.remarks, before.remarks);
}

/// Adds what an earlier part did.
pub(crate) fn add(mailbox: &mut MailboxReport, before: MailboxReport) {
    for (count, earlier) in [
        (&mut mailbox.fetched, before.fetched),
        (&mut mailbox.fetched_bytes, before.fetched_bytes),
        (&mut mailbox.recognised, before.recognised),
        (&mut mailbox.flags_changed, before.flags_changed),
        (&mut mailbox.removed, before.removed),
        (&mut mailbox.uploaded, before.uploaded),
        (&mut mailbox.uploaded_bytes, before.uploaded_bytes),
        (&mut mailbox.flags_changed_there, before.flags_changed_there),
        (&mut mailbox.removed_there, before.removed_there),
    ] {
        *count = count.saturating_add(earlier);
    }
    mailbox.vanished = mailbox.vanished.max(before.vanished);
    keep_notices(&mut mailbox.remarks, before.remarks);
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::{Mutex, PoisonError},
    };

    use super::*;
    use crate::connect::StopTrigger;

    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>);

    impl Observer for Notes {
        fn progress(&self, _: u64, _: Option<u64>, _: u64) {}

        fn note(&self, note: String) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(note);
        }
    }

    fn part(fetched: u64, known: u64, ended_early: Option<PullError>) -> Result<Report, PullError> {
        Ok(Report { there: 9, fetched, known, ended_early, ..Report::default() })
    }

    async fn run(parts: Vec<Result<Report, PullError>>) -> (Result<Report, PullError>, Vec<String>, usize) {
        let (notes, parts) = (Notes::default(), Mutex::new(VecDeque::from(parts)));
        let next = || {
            let part = parts.lock().unwrap().pop_front();
            async { part.unwrap() }
        };
        let outcome = persevere(BackoffOptions::default(), &Stop::default(), &notes, next).await;
        (outcome, notes.0.into_inner().unwrap(), parts.into_inner().unwrap().len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_goes_on_where_it_stopped_as_long_as_it_brings_something() {
        let mut parts: Vec<_> = (0..8).map(|done| part(1, done, Some(PullError::Closed))).collect();
        parts.push(part(1, 8, None));
        let (outcome, notes, left) = run(parts).await;
        let report = outcome.unwrap();
        assert_eq!((report.there, report.fetched, report.known, left), (9, 9, 0, 0));
        assert!(report.is_complete());
        assert_eq!(notes.len(), 8);
        assert_eq!(
            notes[7],
            "the server closed the connection; trying again in 1 second (try 2 of 5 without progress)"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn without_progress_it_is_given_up_and_what_was_done_is_told() {
        let busy = || Err(PullError::InUse { text: String::from("locked") });
        let (outcome, notes, left) = run(vec![busy(), busy(), busy(), busy(), busy(), busy()]).await;
        assert!(matches!(outcome, Err(PullError::InUse { .. })));
        assert_eq!((notes.len(), left), (4, 1));
        let parts = vec![part(3, 0, Some(PullError::Closed)), Err(PullError::Credentials { text: String::new() })];
        let report = run(parts).await.0.unwrap();
        assert_eq!(report.fetched, 3);
        assert!(matches!(report.ended_early, Some(PullError::Credentials { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_be_a_slip_of_the_user_is_told_at_once() {
        let refused = || Err(PullError::Refused { host: String::from("h"), port: 1 });
        let wrong = Err(PullError::Credentials { text: String::new() });
        for error in [refused(), wrong] {
            let (outcome, notes, _) = run(vec![error, part(1, 0, None)]).await;
            assert!(outcome.is_err() && notes.is_empty());
        }
        // A server that was there a moment ago is another matter.
        let (outcome, notes, _) = run(vec![part(1, 0, Some(PullError::Closed)), refused(), part(1, 1, None)]).await;
        assert_eq!((outcome.unwrap().fetched, notes.len()), (2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_when_it_is_to_stop() {
        let (trigger, stop) = StopTrigger::new();
        let again = BackoffOptions { wait: std::time::Duration::from_secs(1 << 30), ..BackoffOptions::default() };
        let again = BackoffOptions { wait_max: again.wait, ..again };
        let notes = Notes::default();
        let waiting = persevere(again, &stop, &notes, || async { part(2, 0, Some(PullError::Closed)) });
        let (outcome, ()) = tokio::join!(waiting, async { trigger.request() });
        let report = outcome.unwrap();
        assert_eq!(report.fetched, 2);
        assert!(matches!(report.ended_early, Some(PullError::Stopped)));
    }

    #[test]
    fn parts_of_one_mailbox_are_added_and_old_problems_forgotten() {
        use crate::imap::Remark;
        let mailbox = |fetched, weight, text: &str| MailboxReport {
            remote: String::from("INBOX"),
            messages: 5,
            fetched,
            remarks: vec![Remark { weight, text: text.to_owned() }],
            ..MailboxReport::default()
        };
        let other = MailboxReport { remote: String::from("Sent"), fetched: 7, ..MailboxReport::default() };
        let first = ImapReport {
            mailboxes: vec![mailbox(2, Weight::Problem, "broken"), other],
            bytes_received: 10,
            ..ImapReport::default()
        };
        let second = ImapReport {
            mailboxes: vec![mailbox(3, Weight::Notice, "seen")],
            bytes_received: 5,
            ..ImapReport::default()
        };
        let report = second.behind(first);
        assert_eq!((report.fetched(), report.bytes_received, report.mailboxes.len()), (12, 15, 2));
        assert!(report.is_complete());
    }
}
