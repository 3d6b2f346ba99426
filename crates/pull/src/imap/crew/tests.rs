//! Crews whose work is imaginary.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{DuplexStream, duplex};

use super::*;
use crate::imap::ImapConnectionOptions;

/// A server that lets there be so many connections.
struct Server {
    bears: usize,
    asked: AtomicUsize,
    lowered: AtomicUsize,
    /// Whether one that is too many is refused; else there is no permit for it.
    refuses: bool,
}

impl Server {
    fn new(bears: usize) -> Self {
        Self { bears, asked: AtomicUsize::new(0), lowered: AtomicUsize::new(usize::MAX), refuses: true }
    }
}

fn connection() -> ImapConnection<DuplexStream> {
    ImapConnection::new(duplex(64).0, ImapConnectionOptions::default())
}

impl Reinforce<DuplexStream> for Server {
    fn connections_max(&self) -> usize {
        4
    }

    async fn open(&self) -> Result<Option<Helper<DuplexStream>>, PullError> {
        match self.asked.fetch_add(1, Ordering::Relaxed) + 1 < self.bears {
            true => Ok(Some(Helper { connection: connection(), permit: None })),
            false if self.refuses => Err(PullError::Throttled { text: String::from("too many connections") }),
            false => Ok(None),
        }
    }

    fn lower(&self, connections_max: usize) {
        self.lowered.fetch_min(connections_max, Ordering::Relaxed);
    }
}

/// What happens at a mailbox, each time that it is worked on.
type Fate = fn(position: usize, tries: usize) -> Result<(), ImapError>;

struct Labour {
    messages: u64,
    fate: Fate,
    tries: Mutex<BTreeMap<usize, usize>>,
    at_once: AtomicUsize,
    at_once_most: AtomicUsize,
}

impl Labour {
    fn new(messages: u64, fate: Fate) -> Self {
        let (at_once, at_once_most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { messages, fate, tries: Mutex::default(), at_once, at_once_most }
    }
}

impl Work<DuplexStream> for Labour {
    fn begin(&self, position: usize, _: Option<&MailboxReport>) -> MailboxReport {
        MailboxReport { remote: position.to_string(), ..MailboxReport::default() }
    }

    async fn work(
        &self,
        _: &mut ImapConnection<DuplexStream>,
        position: usize,
        report: &mut MailboxReport,
        board: &Board,
    ) -> Result<(), ImapError> {
        board.expect(self.messages);
        let at_once = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
        self.at_once_most.fetch_max(at_once, Ordering::Relaxed);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.at_once.fetch_sub(1, Ordering::Relaxed);
        report.fetched += 1;
        let tries = {
            let mut tries = self.tries.lock().unwrap();
            let tries = tries.entry(position).or_default();
            *tries += 1;
            *tries
        };
        (self.fate)(position, tries)
    }

    fn end(&self, mut report: MailboxReport, before: Option<MailboxReport>) -> MailboxReport {
        report.fetched += before.map_or(0, |before| before.fetched);
        report
    }
}

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn progress(&self, _: u64, _: Option<u64>, _: u64) {}

    fn note(&self, note: String) {
        self.0.lock().unwrap().push(note);
    }
}

async fn run(server: &Server, labour: &Labour) -> (Vec<u64>, Result<(), ImapError>, String) {
    let notes = Notes::default();
    let crew = Crew::new(server, usize::MAX, &notes);
    let (reports, outcome) = crew.work(&mut connection(), 0..12, BTreeMap::new(), labour).await;
    let fetched = reports.into_values().map(|report| report.fetched).collect();
    (fetched, outcome, notes.0.into_inner().unwrap().join("; "))
}

#[tokio::test]
async fn as_many_connections_as_there_may_be_work_side_by_side_on_each_mailbox_once() {
    let (server, labour) = (Server::new(9), Labour::new(200, |_, _| Ok(())));
    let (fetched, outcome, notes) = run(&server, &labour).await;
    assert!(outcome.is_ok() && notes.is_empty(), "{outcome:?} {notes}");
    assert_eq!((fetched, labour.at_once_most.into_inner()), (vec![1; 12], 4));
}

#[tokio::test]
async fn for_little_work_no_connection_is_opened() {
    let (server, labour) = (Server::new(9), Labour::new(1, |_, _| Ok(())));
    assert_eq!(run(&server, &labour).await.0, vec![1; 12]);
    assert_eq!(server.asked.into_inner(), 0);
}

#[tokio::test]
async fn where_a_connection_is_refused_no_more_are_asked_for_and_the_others_do_the_work() {
    let (server, labour) = (Server::new(2), Labour::new(200, |_, _| Ok(())));
    let (fetched, outcome, notes) = run(&server, &labour).await;
    assert!(outcome.is_ok() && notes.contains("going on with the 2 that there are"), "{outcome:?} {notes}");
    assert_eq!((fetched, labour.at_once_most.into_inner()), (vec![1; 12], 2));
    assert_eq!((server.asked.into_inner(), server.lowered.into_inner()), (2, 2));
    // Those that other runs have are not the server's fault.
    let (server, labour) = (Server { refuses: false, ..Server::new(2) }, Labour::new(200, |_, _| Ok(())));
    let (fetched, _, notes) = run(&server, &labour).await;
    assert!(fetched == vec![1; 12] && notes.is_empty() && server.lowered.into_inner() == usize::MAX);
}

#[tokio::test]
async fn a_mailbox_whose_connection_breaks_is_taken_over_and_its_reports_are_added() {
    let fate: Fate = |position, tries| match (position, tries) {
        (3 | 7, 1) => Err(ImapError::Closed),
        _ => Ok(()),
    };
    let (server, labour) = (Server::new(4), Labour::new(200, fate));
    let (fetched, outcome, _) = run(&server, &labour).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(fetched, [1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 1]);
}

#[tokio::test]
async fn a_break_that_nobody_makes_up_for_ends_the_work_and_so_does_what_no_connection_can_help() {
    let breaks: Fate = |position, _| if position == 5 { Err(ImapError::Closed) } else { Ok(()) };
    let (fetched, outcome, _) = run(&Server::new(4), &Labour::new(200, breaks)).await;
    assert!(matches!(outcome, Err(ImapError::Closed)) && fetched.get(5) == Some(&4), "{fetched:?} {outcome:?}");
    let fails: Fate = |_, _| Err(ImapError::NoGreeting);
    let (fetched, outcome, _) = run(&Server::new(4), &Labour::new(200, fails)).await;
    assert!(matches!(outcome, Err(ImapError::NoGreeting)) && fetched.len() < 12, "{fetched:?} {outcome:?}");
}

#[tokio::test]
async fn where_the_server_wants_to_be_asked_less_there_are_fewer_connections() {
    let throttled: Fate = |position, tries| match (position, tries) {
        (2, 1) => {
            let (text, kind) = (String::from("slow down"), postrider_imap_proto::client::FailureKind::Throttled);
            Err(ImapError::Bye { text, kind })
        }
        _ => Ok(()),
    };
    let (server, labour) = (Server::new(4), Labour::new(200, throttled));
    let (fetched, outcome, _) = run(&server, &labour).await;
    assert!(outcome.is_ok() && fetched.iter().all(|tries| *tries > 0), "{outcome:?} {fetched:?}");
    assert!(server.lowered.into_inner() < 4);
}
