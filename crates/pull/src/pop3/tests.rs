//! Runs against a server that reads from a script: `S:` is what it says, `C:` what it must be told, `S| ` an escape for
//! octets that are no text (`\0`, `\n` alone, `\xFF`), and `#close` ends the connection.

mod manners;
mod utf8;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use postrider_engine::{Batch, Engine, memory::MemoryEngine};
use postrider_sasl::Password;
use postrider_store::{AccountId, ExpungeOnly, INBOX, Store, StoreOptions, Transfer, UidSet};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex},
    task::JoinHandle,
};

use super::*;
use crate::{connect::Connection, report::NotFetchedReason};

/// Up to the end of the login, in the clear.
const LOGIN: &str = "\
    S: +OK ready\n\
    C: CAPA\n\
    S: -ERR what?\n\
    C: USER alice\n\
    S: +OK\n\
    C: PASS secret\n\
    S: +OK\n";

struct Here {
    engine: Arc<MemoryEngine>,
    account: Arc<Account>,
    notes: Mutex<Vec<String>>,
    breaks: Arc<breaks::Breaks>,
}

impl Observer for Here {
    fn progress(&self, _: u64, _: Option<u64>, _: u64) {}

    fn note(&self, note: String) {
        self.notes.lock().unwrap().push(note);
    }
}

impl Here {
    async fn new() -> Self {
        let engine = Arc::new(MemoryEngine::new());
        let store =
            Store::open(Arc::clone(&engine) as Arc<dyn Engine>, StoreOptions::default(), Arc::new(|| 1_000_000))
                .await
                .unwrap();
        store.create_account(AccountId(1)).await.unwrap();
        Self {
            engine,
            account: store.account(AccountId(1)).await.unwrap(),
            notes: Mutex::default(),
            breaks: Arc::default(),
        }
    }

    fn inbox(&self) -> MailboxId {
        self.account.state().find(INBOX).unwrap().id
    }

    async fn contents(&self) -> Vec<String> {
        let inbox = self.account.mailbox(self.inbox()).await.unwrap();
        let mut contents = Vec::new();
        for entry in inbox.messages().unwrap().iter() {
            let body = self.account.body(entry.blob).await.unwrap().unwrap();
            contents.push(body.escape_ascii().to_string());
        }
        contents
    }

    async fn pull(&self, options: &Options, now: i64, script: &str) -> Result<Report, PullError> {
        self.pull_from("pop3://alice@127.0.0.1?security=none", options, now, &format!("{LOGIN}{script}")).await
    }

    async fn pull_from(&self, url: &str, options: &Options, now: i64, script: &str) -> Result<Report, PullError> {
        let (near, server) = serve(script);
        let remote = url.parse().unwrap();
        let credential = Credential::Password(Password::new("secret"));
        let pull = Pull {
            remote: &remote,
            credential: &credential,
            account: &self.account,
            mailbox: self.inbox(),
            now,
            options,
            observer: self,
        };
        let connection = Connection::over(near, Duration::from_secs(5));
        let outcome = match login::log_in(connection, pull, &ConnectOptions::default()).await {
            Ok(mut client) => {
                client.breaks = Arc::clone(&self.breaks);
                run::run(client, pull).await
            }
            Err(error) => Err(error),
        };
        if let Err(failed) = server.await {
            let ended = outcome.as_ref().ok().and_then(|report| report.ended_early.as_ref());
            panic!("{failed}; ended by {ended:?}");
        }
        outcome
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        match (octet, octet == b'\\') {
            (_, false) => octets.push(octet),
            _ => octets.push(match rest.next() {
                Some(b'0') => 0,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b'F') => 0xff,
                other => panic!("{other:?} is no escape"),
            }),
        }
    }
    octets
}

fn serve(script: &str) -> (DuplexStream, JoinHandle<()>) {
    let (near, far) = duplex(64 * 1024);
    let script = script.to_owned();
    let server = tokio::spawn(async move {
        let mut far = BufReader::new(far);
        for (number, line) in script.lines().map(str::trim_start).enumerate() {
            if let Some(text) = line.strip_prefix("S| ") {
                far.write_all(&unescape(text)).await.unwrap();
            } else if let Some(text) = line.strip_prefix("S: ") {
                far.write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
            } else if let Some(expected) = line.strip_prefix("C: ") {
                let mut told = String::new();
                far.read_line(&mut told).await.unwrap();
                assert_eq!(told.trim_end(), expected, "line {number} of the script");
            } else {
                assert_eq!(line, "#close", "line {number} of the script");
                return;
            }
        }
        let mut rest = String::new();
        far.read_line(&mut rest).await.unwrap();
        assert_eq!(rest, "", "said behind the end of the script");
    });
    (near, server)
}

fn options(mode: Mode) -> Options {
    Options { mode, ..Options::default() }
}

fn verifying(mode: Mode, verify: Verify) -> Options {
    Options { mode, verify, ..Options::default() }
}

/// A script's listing of messages by unique id and content; all of one line `Subject: …`.
fn listing(messages: &[(&str, &str)]) -> String {
    let mut script = format!("C: STAT\nS: +OK {} 1\nC: LIST\nS: +OK\n", messages.len());
    for (at, (_, subject)) in messages.iter().enumerate() {
        script.push_str(&format!("S: {} {}\n", at + 1, subject.len() + 11));
    }
    script.push_str("S: .\nC: UIDL\nS: +OK\n");
    for (at, (id, _)) in messages.iter().enumerate() {
        script.push_str(&format!("S: {} {id}\n", at + 1));
    }
    script + "S: .\n"
}

fn retr(number: usize, subject: &str) -> String {
    format!("C: RETR {number}\nS: +OK\nS: Subject: {subject}\nS: .\n")
}

const QUIT: &str = "C: QUIT\nS: +OK bye\n";

#[tokio::test]
async fn everything_is_fetched_once() {
    let here = Here::new().await;
    let mail = [("a", "one"), ("b", "two")];
    let script = [listing(&mail), retr(1, "one"), retr(2, "two"), QUIT.to_owned()].concat();
    let report = here.pull(&options(Mode::Keep), 1, &script).await.unwrap();
    assert_eq!((report.there, report.fetched, report.known, report.removed_there), (2, 2, 0, 0));
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(here.contents().await, ["Subject: one\\r\\n", "Subject: two\\r\\n"]);

    let script = [&listing(&mail), QUIT].concat();
    let report = here.pull(&options(Mode::Keep), 2, &script).await.unwrap();
    assert_eq!((report.fetched, report.known), (0, 2));

    let more = [("b", "two"), ("c", "three")];
    let script = [&listing(&more), &retr(2, "three"), QUIT].concat();
    let report = here.pull(&options(Mode::Keep), 3, &script).await.unwrap();
    assert_eq!((report.fetched, report.known), (1, 1));
    assert_eq!(here.contents().await.len(), 3);
}

#[tokio::test]
async fn messages_are_kept_octet_by_octet() {
    let here = Here::new().await;
    let script = [
        &listing(&[("a", "x")]),
        "C: RETR 1\n",
        "S: +OK\n",
        "S: Subject: x\n",
        "S| X: \\F\\F\\r\\n\n",
        "S: \n",
        "S: ..\n",
        "S: ..dots\n",
        "S: a.\n",
        "S| nul \\0 here\\r\\n\n",
        "S| bare\\nline\\n\n",
        "S: .\n",
        QUIT,
    ]
    .concat();
    let report = here.pull(&options(Mode::Keep), 1, &script).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    let expected = b"Subject: x\r\nX: \xff\xff\r\n\r\n.\r\n.dots\r\na.\r\nnul \0 here\r\nbare\nline\n";
    assert_eq!(here.contents().await, [expected.escape_ascii().to_string()]);
}

#[tokio::test]
async fn what_is_here_is_removed_there_also_if_it_was_fetched_before() {
    let here = Here::new().await;
    let script = [&listing(&[("a", "one")]), &retr(1, "one"), QUIT].concat();
    here.pull(&options(Mode::Keep), 1, &script).await.unwrap();
    let script =
        [&listing(&[("a", "one"), ("b", "two")]), &retr(2, "two"), "C: DELE 1\nS: +OK\nC: DELE 2\nS: -ERR no\n", QUIT]
            .concat();
    let report = here.pull(&options(Mode::Delete), 2, &script).await.unwrap();
    assert_eq!((report.fetched, report.known, report.removed_there), (1, 1, 1));
    let reason = NotFetchedReason::NotRemoved(String::from("no"));
    assert_eq!(report.not_removed[0].reason, reason);
    assert!(!report.is_complete());
}

#[tokio::test]
async fn nothing_counts_as_removed_before_quit_is_answered() {
    for ending in ["C: QUIT\nS: -ERR some messages not removed\n", "C: QUIT\n#close\n"] {
        let here = Here::new().await;
        let script = [&listing(&[("a", "one")]), &retr(1, "one"), "C: DELE 1\nS: +OK\n", ending].concat();
        let report = here.pull(&options(Mode::Delete), 1, &script).await.unwrap();
        assert_eq!((report.fetched, report.removed_there), (1, 0));
        assert!(report.ended_early.is_some() && !report.is_complete());
        let script = [&listing(&[("a", "one")]), "C: DELE 1\nS: +OK\n", QUIT].concat();
        let report = here.pull(&options(Mode::Delete), 2, &script).await.unwrap();
        assert_eq!((report.fetched, report.removed_there), (0, 1));
    }
}

#[tokio::test]
async fn a_quit_without_an_answer_is_no_matter_where_nothing_was_removed() {
    let here = Here::new().await;
    let script = [&listing(&[("a", "one")]), &retr(1, "one"), "C: QUIT\n#close\n"].concat();
    let report = here.pull(&options(Mode::Keep), 1, &script).await.unwrap();
    assert!(report.is_complete() && report.fetched == 1, "{report:?}");
}

#[tokio::test]
async fn what_is_not_here_any_more_stays_there() {
    let here = Here::new().await;
    let script = [&listing(&[("a", "one")]), &retr(1, "one"), QUIT].concat();
    here.pull(&options(Mode::Keep), 1, &script).await.unwrap();
    here.account.expunge(here.inbox(), None, ExpungeOnly::Named).await.unwrap();
    let script = [&listing(&[("a", "one")]), QUIT].concat();
    let report = here.pull(&verifying(Mode::Delete, Verify::Listing), 2, &script).await.unwrap();
    assert_eq!((report.known, report.removed_there), (1, 0));
    assert_eq!(report.verified.as_ref().unwrap().missing.len(), 1);
    assert!(!report.is_complete());
    let report = here.pull(&options(Mode::Delete), 2, &script).await.unwrap();
    assert_eq!(report.not_removed[0].reason, NotFetchedReason::NotHere);
}

#[tokio::test]
async fn what_is_damaged_here_stays_there() {
    let here = Here::new().await;
    let script = [&listing(&[("a", "one")]), &retr(1, "one"), QUIT].concat();
    here.pull(&options(Mode::Keep), 1, &script).await.unwrap();
    let inbox = here.account.mailbox(here.inbox()).await.unwrap();
    let blob = inbox.messages().unwrap().get(1).unwrap().blob;
    // Bodies lie under the account, table 0x21 and the blob's id.
    let key = [&1u32.to_be_bytes()[..], &[0x21], &blob.0.to_be_bytes()].concat();
    let mut batch = Batch::new();
    batch.delete_body(key.clone());
    batch.put_body(key, Bytes::from_static(b"Subject: 0ne\r\n"));
    here.engine.commit(batch).await.unwrap();
    assert_eq!(here.contents().await, ["Subject: 0ne\\r\\n"]);
    let script = [&listing(&[("a", "one")]), QUIT].concat();
    let report = here.pull(&options(Mode::Delete), 2, &script).await.unwrap();
    assert_eq!((report.removed_there, report.not_removed.len()), (0, 1));
    assert!(!report.is_complete());
}

#[tokio::test]
async fn what_could_not_be_stored_stays_there_and_comes_again() {
    let here = Here::new().await;
    let script = [listing(&[("a", "one"), ("b", "two")]), retr(1, "one"), retr(2, "two")].concat();
    here.engine.fail_commits(1);
    let report = here.pull(&options(Mode::Delete), 1, &script).await.unwrap();
    assert!(matches!(report.ended_early, Some(PullError::Store(_))), "{report:?}");
    assert_eq!((report.fetched, report.removed_there, here.contents().await.len()), (0, 0, 0));
    let script = [&script, "C: DELE 1\nS: +OK\nC: DELE 2\nS: +OK\n", QUIT].concat();
    let report = here.pull(&options(Mode::Delete), 2, &script).await.unwrap();
    assert_eq!((report.fetched, report.removed_there, here.contents().await.len()), (2, 2, 2));
}

#[tokio::test]
async fn what_was_moved_here_goes_there() {
    let here = Here::new().await;
    let script = [&listing(&[("a", "one")]), &retr(1, "one"), QUIT].concat();
    here.pull(&options(Mode::Keep), 1, &script).await.unwrap();
    let archive = here.account.state().find("Archive").unwrap().id;
    let all = UidSet::from_ranges(vec![(1, 9)]);
    here.account.transfer(here.inbox(), all, archive, Transfer::Move).await.unwrap();
    let script = [&listing(&[("a", "one")]), "C: DELE 1\nS: +OK\n", QUIT].concat();
    let report = here.pull(&options(Mode::Delete), 2, &script).await.unwrap();
    assert!(report.is_complete() && report.removed_there == 1, "{report:?}");
}

#[tokio::test]
async fn messages_stay_there_for_as_many_days_as_asked() {
    let here = Here::new().await;
    let day = 24 * 3600;
    let script = [&listing(&[("a", "one")]), &retr(1, "one"), QUIT].concat();
    here.pull(&options(Mode::KeepDays(3)), day, &script).await.unwrap();
    let mail = [("a", "one"), ("b", "two")];
    let script = [&listing(&mail), &retr(2, "two"), QUIT].concat();
    let report = here.pull(&options(Mode::KeepDays(3)), 4 * day - 1, &script).await.unwrap();
    assert_eq!(report.removed_there, 0);
    let script = [&listing(&mail), "C: DELE 1\nS: +OK\n", QUIT].concat();
    let report = here.pull(&options(Mode::KeepDays(3)), 4 * day, &script).await.unwrap();
    assert_eq!(report.removed_there, 1);
}

#[tokio::test]
async fn an_interrupted_run_is_continued() {
    let here = Here::new().await;
    let mail = [("a", "one"), ("b", "two"), ("c", "three")];
    let cut = "C: RETR 2\nS: +OK\nS: Subject: tw\n#close\n";
    let script = [&listing(&mail), &retr(1, "one"), cut].concat();
    let options = verifying(Mode::Delete, Verify::Listing);
    let report = here.pull(&options, 1, &script).await.unwrap();
    assert!(matches!(report.ended_early, Some(PullError::Closed)), "{report:?}");
    assert_eq!((report.fetched, report.verified), (1, None));
    let deletions = "C: DELE 1\nS: +OK\nC: DELE 2\nS: +OK\nC: DELE 3\nS: +OK\n";
    let script = [&listing(&mail), &retr(2, "two"), &retr(3, "three"), deletions, QUIT].concat();
    let report = here.pull(&options, 2, &script).await.unwrap();
    assert_eq!((report.fetched, report.known, report.removed_there), (2, 1, 3));
    assert!(report.is_complete());
    assert_eq!(here.contents().await.len(), 3);
}

#[tokio::test]
async fn changed_unique_ids_make_no_duplicates() {
    let here = Here::new().await;
    let script = [&listing(&[("a", "one"), ("b", "two")]), &retr(1, "one"), &retr(2, "two"), QUIT].concat();
    here.pull(&options(Mode::KeepDays(1)), 1, &script).await.unwrap();
    let changed = [("x", "one"), ("y", "two"), ("z", "new")];
    let script = [&listing(&changed), &retr(1, "one"), &retr(2, "two"), &retr(3, "new"), QUIT].concat();
    let report = here.pull(&options(Mode::KeepDays(1)), 2, &script).await.unwrap();
    assert_eq!((report.fetched, report.known), (1, 2));
    assert_eq!(here.contents().await.len(), 3);
    assert!(here.notes.lock().unwrap()[0].starts_with("2 messages have other unique ids"));
    // The new ids are remembered, with the time when the messages were first seen.
    let script = [&listing(&changed), "C: DELE 1\nS: +OK\nC: DELE 2\nS: +OK\n", QUIT].concat();
    let report = here.pull(&options(Mode::KeepDays(1)), 24 * 3600 + 1, &script).await.unwrap();
    assert_eq!((report.fetched, report.known, report.removed_there), (0, 3, 2));
}

#[tokio::test]
async fn two_messages_of_the_same_content_are_two() {
    let here = Here::new().await;
    let mail = [("a", "one"), ("b", "one")];
    let script = [&listing(&mail), &retr(1, "one"), &retr(2, "one"), QUIT].concat();
    let report = here.pull(&options(Mode::Keep), 1, &script).await.unwrap();
    assert_eq!((report.fetched, here.contents().await.len()), (2, 2));
    let changed = [("x", "one"), ("y", "one")];
    let script = [&listing(&changed), &retr(1, "one"), &retr(2, "one"), QUIT].concat();
    let report = here.pull(&options(Mode::Keep), 2, &script).await.unwrap();
    assert_eq!((report.fetched, report.known, here.contents().await.len()), (0, 2, 2));
}

#[tokio::test]
async fn without_unique_ids_the_content_decides() {
    let here = Here::new().await;
    let list = "C: STAT\nS: +OK 3 39\nC: LIST\nS: +OK\nS: 1 14\nS: 2 14\nS: 3 14\nS: .\nC: UIDL\nS: -ERR no\n";
    let all = [retr(1, "one"), retr(2, "two"), retr(3, "one")].concat();
    let script = [list, &all, QUIT].concat();
    let report = here.pull(&options(Mode::Keep), 1, &script).await.unwrap();
    assert_eq!((report.fetched, report.known), (3, 0));
    assert!(here.notes.lock().unwrap().iter().any(|note| note.contains("UIDL")));
    let deletions = "C: DELE 1\nS: +OK\nC: DELE 2\nS: +OK\nC: DELE 3\nS: +OK\n";
    let script = [list, &all, deletions, QUIT].concat();
    let report = here.pull(&options(Mode::Delete), 2, &script).await.unwrap();
    assert_eq!((report.fetched, report.known, report.removed_there), (0, 3, 3));
    assert_eq!(here.contents().await.len(), 3);
}

#[tokio::test]
async fn a_unique_id_given_to_another_message_costs_no_message_its_life() {
    let here = Here::new().await;
    let script = [&listing(&[("1", "one")]), &retr(1, "one"), QUIT].concat();
    here.pull(&options(Mode::Keep), 1, &script).await.unwrap();
    let script = [&listing(&[("1", "another")]), &retr(1, "another"), "C: DELE 1\nS: +OK\n", QUIT].concat();
    let report = here.pull(&options(Mode::Delete), 2, &script).await.unwrap();
    assert_eq!((report.fetched, report.removed_there), (1, 1));
    assert_eq!(here.contents().await.len(), 2);
}

#[tokio::test]
async fn a_wrong_size_is_told_and_no_more() {
    let here = Here::new().await;
    let list = "C: STAT\nS: +OK 1 999\nC: LIST\nS: +OK\nS: 1 999\nS: .\nC: UIDL\nS: +OK\nS: 1 a\nS: .\n";
    let script = [list, &retr(1, "one"), QUIT].concat();
    let report = here.pull(&verifying(Mode::Keep, Verify::Listing), 1, &script).await.unwrap();
    let verified = report.verified.as_ref().unwrap();
    assert!(verified.remarks[0].difference.contains("999"), "{verified:?}");
    assert!(report.is_complete());
}

/// One message, by its unique id, of which LIST tells this size.
fn told(octets: u32) -> String {
    format!("C: STAT\nS: +OK 1 {octets}\nC: LIST\nS: +OK\nS: 1 {octets}\nS: .\nC: UIDL\nS: +OK\nS: 1 a\nS: .\n")
}

#[tokio::test]
async fn an_end_where_a_message_should_be_is_not_stored_and_costs_no_message_its_life() {
    let here = Here::new().await;
    let nothing = "C: RETR 1\nS: +OK 170 octets\nS: \nS: .\n";
    for mode in [Mode::Keep, Mode::Delete, Mode::KeepDays(0)] {
        let script = [&told(170), nothing, QUIT].concat();
        let report = here.pull(&options(mode), 1, &script).await.unwrap();
        assert_eq!((report.fetched, report.removed_there, report.is_complete()), (0, 0, false), "{mode:?}");
        let left = &report.not_fetched[0];
        assert_eq!(left.message, "message 1 (UIDL a)");
        assert_eq!(left.reason, NotFetchedReason::Nothing { told: 170, came: 2 });
    }
    let script = [&told(170), nothing, QUIT].concat();
    let report = here.pull(&verifying(Mode::Delete, Verify::Content), 1, &script).await.unwrap();
    assert_eq!((report.removed_there, report.verified.unwrap().missing.len()), (0, 1));
    // A later session gives it, and has its size right.
    let script = [&told(14), &retr(1, "one"), "C: DELE 1\nS: +OK\n", QUIT].concat();
    let report = here.pull(&options(Mode::Delete), 2, &script).await.unwrap();
    assert_eq!((report.fetched, report.removed_there, report.is_complete()), (1, 1, true));
}

#[tokio::test]
async fn what_may_be_cut_off_stays_there_and_is_asked_for_once_more() {
    let here = Here::new().await;
    let script = [&told(99), &retr(1, "one"), QUIT].concat();
    let report = here.pull(&options(Mode::Delete), 1, &script).await.unwrap();
    assert_eq!((report.fetched, report.removed_there), (1, 0));
    assert_eq!(report.not_removed[0].reason, NotFetchedReason::Short { told: 99, came: 14 });
    let script = [&told(99), &retr(1, "one"), QUIT].concat();
    let report = here.pull(&options(Mode::Delete), 2, &script).await.unwrap();
    assert_eq!((report.fetched, report.known, report.removed_there, report.is_complete()), (0, 1, 0, false));
    // The same in a later session: it is not asked for any more, and stays.
    for mode in [Mode::Delete, Mode::KeepDays(0), Mode::Keep] {
        let report = here.pull(&options(mode), 3, &[&told(99), QUIT].concat()).await.unwrap();
        assert_eq!((report.known, report.removed_there, report.is_complete()), (1, 0, mode == Mode::Keep), "{mode:?}");
    }
    // Its size is told right in the end, and there is more of it.
    let script = [&told(16), &retr(1, "one, two"), "C: DELE 1\nS: +OK\n", QUIT].concat();
    let report = here.pull(&options(Mode::Delete), 4, &script).await.unwrap();
    assert_eq!((report.fetched, report.removed_there, report.is_complete()), (1, 1, true));
    assert_eq!(here.contents().await.len(), 2);
}

#[tokio::test]
async fn what_has_no_header_stays_there() {
    let here = Here::new().await;
    let script = [&told(7), "C: RETR 1\nS: +OK\nS: hello\nS: .\n", QUIT].concat();
    let report = here.pull(&options(Mode::Delete), 1, &script).await.unwrap();
    assert_eq!((report.fetched, report.removed_there), (1, 0));
    assert_eq!(report.not_removed[0].reason, NotFetchedReason::NoHeader { came: 7 });
}

#[tokio::test]
async fn what_came_under_an_earlier_version_is_looked_at_before_it_is_removed() {
    let here = Here::new().await;
    let script = [&told(14), &retr(1, "one"), QUIT].concat();
    here.pull(&options(Mode::Keep), 1, &script).await.unwrap();
    let mut notes = Vec::new();
    let read = here.account.notes(b"pull/pop3/", |key, value| notes.push((key.to_vec(), value.to_vec()))).await;
    read.unwrap();
    let (key, mut value) = notes.pop().unwrap();
    // The size that LIST told then, behind version, hash and size.
    value[41..49].copy_from_slice(&170u64.to_be_bytes());
    here.account.write_notes(vec![postrider_store::Note { key, value: Some(value) }]).await.unwrap();
    let report = here.pull(&options(Mode::Delete), 2, &[&told(170), QUIT].concat()).await.unwrap();
    assert_eq!(report.removed_there, 0);
    assert_eq!(report.not_removed[0].reason, NotFetchedReason::Short { told: 170, came: 14 });
}

#[tokio::test]
async fn verification_by_content_finds_what_differs_and_keeps_it_there() {
    let here = Here::new().await;
    let mail = [("a", "one"), ("b", "two")];
    let script = [
        &listing(&mail),
        &retr(1, "one"),
        &retr(2, "two"),
        &retr(1, "one"),
        &retr(2, "2.0"),
        "C: DELE 1\nS: +OK\n",
        QUIT,
    ]
    .concat();
    let report = here.pull(&verifying(Mode::Delete, Verify::Content), 1, &script).await.unwrap();
    let verified = report.verified.as_ref().unwrap();
    assert_eq!((verified.compared, verified.contents_compared, verified.missing.len()), (2, 2, 1));
    assert_eq!(report.removed_there, 1);
    assert!(!report.is_complete());
}

#[tokio::test]
async fn what_is_refused_or_too_large_is_told() {
    let here = Here::new().await;
    let limits = Limits { message_bytes_max: 20, ..Limits::default() };
    let options = Options { limits, mode: Mode::Delete, ..Options::default() };
    let list = "C: STAT\nS: +OK 3 1\nC: LIST\nS: +OK\nS: 1 14\nS: 2 900\nS: 3 15\nS: .\n\
        C: UIDL\nS: +OK\nS: 1 a\nS: 2 b\nS: 3 c\nS: .\n";
    let script = [list, "C: RETR 1\nS: -ERR broken\x1b\n", &retr(3, &"x".repeat(40)), QUIT].concat();
    let report = here.pull(&options, 1, &script).await.unwrap();
    let reasons: Vec<_> = report.not_fetched.iter().map(|left| (left.message.as_str(), &left.reason)).collect();
    let too_large = NotFetchedReason::TooLarge { bytes_max: 20 };
    let refused = NotFetchedReason::Refused(String::from("broken\u{fffd}"));
    let expected =
        [("message 2 (UIDL b)", &too_large), ("message 1 (UIDL a)", &refused), ("message 3 (UIDL c)", &too_large)];
    assert_eq!(reasons, expected);
    assert!(!report.is_complete());
}

#[tokio::test]
async fn a_full_account_takes_no_more() {
    let here = Here::new().await;
    let limits = Limits { account_bytes_max: Some(20), ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let mail = [("a", "one"), ("b", "two")];
    let script = [&listing(&mail), &retr(1, "one"), &retr(2, "two"), QUIT].concat();
    let report = here.pull(&options, 1, &script).await.unwrap();
    assert_eq!(report.fetched, 1);
    assert_eq!(report.not_fetched[0].reason, NotFetchedReason::Quota { bytes_max: 20 });
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let here = Here::new().await;
    let script = [&listing(&[("a", "one")]), &retr(1, "one"), QUIT].concat();
    here.pull(&options(Mode::Keep), 1, &script).await.unwrap();
    let script = [&listing(&[("a", "one"), ("b", "two")]), QUIT].concat();
    let options = Options { mode: Mode::Delete, action: Action::DryRun, ..Options::default() };
    let report = here.pull(&options, 2, &script).await.unwrap();
    let plan = report.plan.join("\n");
    assert!(report.plan[0].ends_with("would be removed there"), "{plan}");
    assert!(report.plan[1].contains("would be fetched (not seen before), then removed there"), "{plan}");
    assert_eq!((report.fetched, report.removed_there, here.contents().await.len()), (0, 0, 1));
}

#[tokio::test]
async fn many_messages_are_asked_for_ahead_where_the_server_allows_it() {
    let here = Here::new().await;
    let login = "S: +OK ready\nC: CAPA\nS: +OK\nS: USER\nS: PIPELINING\nS: .\nC: USER alice\nS: +OK\nC: PASS secret\nS: +OK\n\
        C: CAPA\nS: +OK\nS: PIPELINING\nS: .\n";
    let limits = Limits { window_messages_max: 2, ..Limits::default() };
    let options = Options { limits, mode: Mode::Delete, ..Options::default() };
    let answer = |subject: &str| format!("S: +OK\nS: Subject: {subject}\nS: .\n");
    let script = [
        login,
        &listing(&[("a", "one"), ("b", "two"), ("c", "three")]),
        "C: RETR 1\nC: RETR 2\n",
        &answer("one"),
        "C: RETR 3\n",
        &answer("two"),
        &answer("three"),
        "C: DELE 1\nC: DELE 2\nS: +OK\nS: +OK\nC: DELE 3\nS: +OK\n",
        QUIT,
    ]
    .concat();
    let url = "pop3://alice@127.0.0.1?security=none";
    let report = here.pull_from(url, &options, 1, &script).await.unwrap();
    assert_eq!((report.fetched, report.removed_there), (3, 3));
}

#[tokio::test]
async fn a_login_is_refused_in_words_that_help() {
    let url = "pop3://alice@127.0.0.1?security=none";
    type Expected = fn(&PullError) -> bool;
    let table: [(&str, &str, Expected); 6] = [
        (url, "S: -ERR [SYS/TEMP] full house\n", |error| matches!(error, PullError::Temporary { .. })),
        (url, "S: * OK IMAP4rev1 ready\n", |error| matches!(error, PullError::Protocol { .. })),
        (url, "S: +OK\nC: CAPA\nS: -ERR\nC: USER alice\nS: +OK\nC: PASS secret\nS: -ERR no\n", |error| {
            matches!(error, PullError::Credentials { .. })
        }),
        (url, "S: +OK\nC: CAPA\nS: -ERR\nC: USER alice\nS: +OK\nC: PASS secret\nS: -ERR [IN-USE] busy\n", |error| {
            matches!(error, PullError::InUse { .. })
        }),
        (url, "S: +OK\nC: CAPA\nS: +OK\nS: SASL GSSAPI\nS: .\n", |error| matches!(error, PullError::NoLogin { .. })),
        ("pop3://alice@127.0.0.1", "S: +OK\nC: CAPA\nS: -ERR\nC: STLS\nS: -ERR what?\n", |error| {
            matches!(error, PullError::NoStartTls { .. })
        }),
    ];
    for (url, script, is_expected) in table {
        let here = Here::new().await;
        let error = here.pull_from(url, &Options::default(), 1, script).await.unwrap_err();
        assert!(is_expected(&error), "{script}: {error:?}");
        assert!(error.hint().is_some() || matches!(error, PullError::Protocol { .. }), "{error}");
    }
}

#[tokio::test]
async fn what_was_said_before_tls_is_not_believed() {
    let here = Here::new().await;
    let script = "S: +OK\nC: CAPA\nS: +OK\nS: STLS\nS: .\nC: STLS\nS| +OK\\r\\n+OK I am inside\\r\\n\n";
    let error = here.pull_from("pop3://alice@127.0.0.1", &Options::default(), 1, script).await.unwrap_err();
    assert!(matches!(error, PullError::StartTlsInjection { .. }), "{error:?}");
}

#[tokio::test]
async fn plain_goes_with_the_command_where_that_is_offered() {
    let here = Here::new().await;
    let script = "S: +OK\nC: CAPA\nS: +OK\nS: SASL GSSAPI PLAIN\nS: .\nC: AUTH PLAIN AGFsaWNlAHNlY3JldA==\nS: +OK\n\
        C: CAPA\nS: +OK\nS: .\nC: STAT\nS: +OK 0 0\nC: LIST\nS: +OK\nS: .\nC: UIDL\nS: +OK\nS: .\nC: QUIT\nS: +OK\n";
    let url = "pop3://alice@192.0.2.1?security=none";
    let report = here.pull_from(url, &Options::default(), 1, script).await.unwrap();
    assert!(report.is_complete());
    // Not this machine: whoever asked for plain text is told what it means.
    assert!(here.notes.lock().unwrap()[0].contains("not encrypted"));
}

#[tokio::test]
async fn ids_that_several_messages_share_tell_none_of_them() {
    let here = Here::new().await;
    let mail = [("a", "one"), ("a", "two"), ("b", "three")];
    let script = [&listing(&mail), &retr(1, "one"), &retr(2, "two"), &retr(3, "three"), QUIT].concat();
    here.pull(&options(Mode::Keep), 1, &script).await.unwrap();
    let script = [&listing(&mail), &retr(1, "one"), &retr(2, "two"), QUIT].concat();
    let report = here.pull(&options(Mode::Keep), 2, &script).await.unwrap();
    assert_eq!((report.fetched, report.known), (0, 3));
}

#[tokio::test]
async fn what_is_long_gone_there_is_forgotten_in_the_end() {
    let here = Here::new().await;
    let script = [&listing(&[("a", "one")]), &retr(1, "one"), QUIT].concat();
    here.pull(&options(Mode::Keep), 1, &script).await.unwrap();
    let count = async || {
        let mut count = BTreeMap::new();
        here.account.notes(b"pull/pop3/", |key, value| drop(count.insert(key.to_vec(), value.to_vec()))).await.unwrap();
        count.len()
    };
    let empty = [&listing(&[]), QUIT].concat();
    for (now, expected) in [(10, 1), (11, 1), (100 * 24 * 3600, 0)] {
        here.pull(&options(Mode::Keep), now, &empty).await.unwrap();
        assert_eq!(count().await, expected, "at {now}");
    }
}
