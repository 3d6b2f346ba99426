//! Mail that waits for a backup before it is removed there, and servers that want to be left alone for a while.

use std::collections::{HashSet, VecDeque};

use postrider_store::BlobHash;

use super::*;
use crate::{
    backoff::BackoffOptions,
    backup::{BackupUnknown, Backups, Held},
    connect::{Stop, StopTrigger},
    persevere::persevere,
};

/// A backup that holds some contents, and how often it was asked.
#[derive(Debug, Default)]
struct Backup {
    contents: Vec<&'static [u8]>,
    asked: Mutex<usize>,
}

impl Backups for Backup {
    fn held<'a>(&'a self, account: AccountId, contents: &'a [BlobHash]) -> Held<'a> {
        assert_eq!(account, AccountId(1));
        *self.asked.lock().unwrap() += 1;
        let held: HashSet<_> = self.contents.iter().map(|content| BlobHash::of(content)).collect();
        let held = contents.iter().copied().filter(|hash| held.contains(hash)).collect();
        Box::pin(async move { Ok::<_, BackupUnknown>(held) })
    }
}

/// There are no backups.
#[derive(Debug)]
struct NoBackup;

impl Backups for NoBackup {
    fn held<'a>(&'a self, _: AccountId, _: &'a [BlobHash]) -> Held<'a> {
        Box::pin(std::future::ready(Err(BackupUnknown(String::from("no backup is configured")))))
    }
}

fn after(mode: Mode, backups: &Arc<Backup>) -> Options {
    Options { mode, removal: Removal::AfterBackup(Arc::clone(backups) as Arc<dyn Backups>), ..Options::default() }
}

#[tokio::test]
async fn mail_goes_there_in_the_run_after_the_backup_has_it() {
    let here = Here::new().await;
    let (none, one) = (Arc::new(Backup::default()), &b"Subject: one\r\n"[..]);
    // One was fetched before, by a run that was to keep it; one comes now.
    let script = [&listing(&[("a", "one")]), &retr(1, "one"), QUIT].concat();
    here.pull(&options(Mode::Keep), 1, &script).await.unwrap();
    let mail = [("a", "one"), ("b", "two")];
    let script = [&listing(&mail), &retr(2, "two"), QUIT].concat();
    let report = here.pull(&after(Mode::Delete, &none), 2, &script).await.unwrap();
    assert_eq!((report.fetched, report.removed_there, report.waiting_for_backup), (1, 0, 2));
    // Nothing went wrong: it is as it was wished.
    assert!(report.is_complete(), "{report:?}");

    let first = Arc::new(Backup { contents: vec![one], ..Backup::default() });
    let script = [&listing(&mail), "C: DELE 1\nS: +OK\n", QUIT].concat();
    let report = here.pull(&after(Mode::Delete, &first), 3, &script).await.unwrap();
    assert_eq!((report.removed_there, report.waiting_for_backup), (1, 1));
    assert_eq!(*first.asked.lock().unwrap(), 1);

    let both = Arc::new(Backup { contents: vec![one, b"Subject: two\r\n"], ..Backup::default() });
    let script = [&listing(&[("b", "two")]), "C: DELE 1\nS: +OK\n", QUIT].concat();
    let report = here.pull(&after(Mode::Delete, &both), 4, &script).await.unwrap();
    assert_eq!((report.removed_there, report.waiting_for_backup), (1, 0));
}

#[tokio::test]
async fn what_is_not_due_is_not_asked_for_and_what_is_gone_here_is_told_as_ever() {
    let here = Here::new().await;
    let backup = Arc::new(Backup { contents: vec![b"Subject: one\r\n"], ..Backup::default() });
    let script = [&listing(&[("a", "one")]), &retr(1, "one"), QUIT].concat();
    let report = here.pull(&after(Mode::KeepDays(10), &backup), 1, &script).await.unwrap();
    assert_eq!((report.removed_there, report.waiting_for_backup, *backup.asked.lock().unwrap()), (0, 0, 0));
    let eleven_days = 11 * 24 * 3600;
    let script = [&listing(&[("a", "one")]), "C: DELE 1\nS: +OK\n", QUIT].concat();
    let report = here.pull(&after(Mode::KeepDays(10), &backup), eleven_days, &script).await.unwrap();
    assert_eq!((report.removed_there, *backup.asked.lock().unwrap()), (1, 1));
}

#[tokio::test]
async fn without_a_backup_nothing_is_removed_there_and_it_is_said_why() {
    let here = Here::new().await;
    let removal = || Removal::AfterBackup(Arc::new(NoBackup));
    let options = Options { mode: Mode::Delete, removal: removal(), ..Options::default() };
    let script = [&listing(&[("a", "one")]), &retr(1, "one"), QUIT].concat();
    let report = here.pull(&options, 1, &script).await.unwrap();
    assert_eq!((report.fetched, report.removed_there, report.waiting_for_backup), (1, 0, 1));
    assert_eq!(*here.notes.lock().unwrap(), ["no backup is configured: nothing is removed there"]);
    let options = Options { action: Action::DryRun, removal: removal(), ..options };
    let script = [&listing(&[("a", "one"), ("b", "two")]), QUIT].concat();
    let plan = here.pull(&options, 2, &script).await.unwrap().plan;
    assert!(plan[0].ends_with("would stay there until a backup holds it"), "{plan:?}");
    assert!(plan[1].ends_with("then removed there once a backup holds it"), "{plan:?}");
}

/// Runs over one script after the other.
async fn pull_over(here: &Here, scripts: &[String]) -> Result<Report, PullError> {
    let scripts = Mutex::new(scripts.iter().collect::<VecDeque<_>>());
    let options = options(Mode::Keep);
    let again = || async {
        let script = scripts.lock().unwrap().pop_front().unwrap();
        here.pull_from("pop3://alice@127.0.0.1?security=none", &options, 1, script).await
    };
    let outcome = persevere(BackoffOptions::default(), &Stop::default(), here, again).await;
    assert!(scripts.into_inner().unwrap().is_empty());
    outcome
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_to_wait_is_waited_for_and_a_wrong_password_is_not_said_again() {
    let login = |answer: &str| format!("{}S: {answer}\n", LOGIN.strip_suffix("S: +OK\n").unwrap());
    let here = Here::new().await;
    let scripts = [
        login("-ERR [IN-USE] locked"),
        login("-ERR [SYS/TEMP] later"),
        login("-ERR [LOGIN-DELAY] not yet"),
        [LOGIN, &listing(&[("a", "one")]), &retr(1, "one"), QUIT].concat(),
    ];
    let report = pull_over(&here, &scripts).await.unwrap();
    assert!(report.is_complete() && report.fetched == 1, "{report:?}");
    let notes = here.notes.lock().unwrap().join("\n");
    for part in ["in use by another program: locked; trying again", "should pass: later", "asks to wait: not yet"] {
        assert!(notes.contains(part), "{part} in {notes}");
    }
    let error = pull_over(&Here::new().await, &[login("-ERR [AUTH] no")]).await.unwrap_err();
    assert!(matches!(error, PullError::Credentials { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_within_a_message_is_made_anew_and_nothing_comes_twice() {
    let here = Here::new().await;
    let mail = [("a", "one"), ("b", "two")];
    let cut = "C: RETR 2\nS: +OK\nS| Subje\n#close\n";
    let scripts = [
        [LOGIN, &listing(&mail), &retr(1, "one"), cut].concat(),
        [LOGIN, &listing(&mail), &retr(2, "two"), QUIT].concat(),
    ];
    let report = pull_over(&here, &scripts).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!((report.there, report.fetched, report.known), (2, 2, 0));
    assert_eq!(here.contents().await.len(), 2);
}

#[tokio::test]
async fn a_run_that_is_to_stop_keeps_what_came_whole() {
    let here = Here::new().await;
    let (near, mut far) = duplex(1 << 16);
    let script = [LOGIN, &listing(&[("a", "one"), ("b", "two")]), &retr(1, "one"), "C: RETR 2\nS: +OK\n"].concat();
    let said = script.lines().filter_map(|line| line.trim_start().strip_prefix("S: ")).collect::<Vec<_>>();
    far.write_all((said.join("\r\n") + "\r\nSubj").as_bytes()).await.unwrap();
    let (trigger, stop) = StopTrigger::new();
    let remote = "pop3://alice@127.0.0.1?security=none".parse().unwrap();
    let credential = Credential::Password(Password::new("secret"));
    let options = options(Mode::Delete);
    let mailbox = here.inbox();
    let pull = Pull {
        remote: &remote,
        credential: &credential,
        account: &here.account,
        mailbox,
        now: 1,
        options: &options,
        observer: &here,
    };
    let connection = Connection::over(near, Duration::from_secs(5)).until(&stop);
    let client = login::log_in(connection, pull, &ConnectOptions::default()).await.unwrap();
    trigger.request();
    let report = run::run(client, pull).await.unwrap();
    assert!(matches!(report.ended_early, Some(PullError::Stopped)), "{report:?}");
    assert_eq!((report.fetched, report.removed_there, here.contents().await.len()), (1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_message_at_which_the_server_hangs_up_is_left_out_and_told() {
    let here = Here::new().await;
    let mail = listing(&[("a", "one"), ("b", "two"), ("c", "three")]);
    let breaks = "C: RETR 2\n#close\n";
    let scripts = [
        [LOGIN, &mail, &retr(1, "one"), breaks].concat(),
        [LOGIN, &mail, breaks].concat(),
        [LOGIN, &mail, &retr(3, "three"), QUIT].concat(),
    ];
    let report = pull_over(&here, &scripts).await.unwrap();
    assert_eq!((report.fetched, report.is_complete()), (2, false));
    assert!(report.ended_early.is_none(), "{report:?}");
    assert_eq!(report.not_fetched[0].message, "message 2 (UIDL b)");
    assert_eq!(report.not_fetched[0].reason, NotFetchedReason::Breaks);
}
