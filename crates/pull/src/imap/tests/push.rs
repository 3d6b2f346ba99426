//! Waiting for news, compression, and runs over several connections.

use std::collections::VecDeque;
use std::sync::Mutex;

use postrider_imap_proto::client::Capabilities;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;
use crate::backoff::BackoffOptions;
use crate::connect::{ConnectOptions, Stop};
use crate::imap::connection::ImapConnectionOptions;
use crate::imap::tests::{Script, World};
use crate::imap::{ImapPullOptions, ImapReport};
use crate::observer::Observer;
use crate::persevere::persevere;

const NOTIFY: &str = "NOTIFY SET (selected (MessageNew MessageExpunge FlagChange)) \
    (personal (MessageNew MessageExpunge FlagChange MailboxName))";

/// Plays a script with somebody who waits for news as often as it says.
async fn listen(capabilities: &str, options: PushOptions, times: usize, script: &str) -> (PushChannel, Vec<String>) {
    let (stream, server) = Script { text: script, literals: &[] }.play();
    let mut connection = ImapConnection::new(stream, ImapConnectionOptions::default());
    connection.capabilities = Capabilities::new(capabilities.split(' '));
    connection.is_capable = true;
    let mut listener = PushListener::over(connection, options).await.unwrap();
    let mut outcomes = Vec::new();
    for _ in 0..times {
        outcomes.push(match listener.news().await {
            Ok(()) => String::from("news"),
            Err(error) => error.to_string(),
        });
    }
    let channel = listener.channel();
    drop(listener);
    server.await.unwrap();
    (channel, outcomes)
}

#[tokio::test(start_paused = true)]
async fn news_of_inbox_ends_an_idle_and_silence_renews_it() {
    let script = r#"
        C: P1 EXAMINE "INBOX"
        S: * 3 EXISTS
        S: P1 OK done
        C: P2 IDLE
        S: + idling
        S: * OK Still here
        C: DONE
        S: P2 OK done
        C: P3 IDLE
        S: + idling
        S: * 4 EXISTS
        S: * 1 RECENT
        C: DONE
        S: P3 OK done
        C: P4 IDLE
        S: + idling
        S: * 2 FETCH (FLAGS (\Seen))
        C: DONE
        S: P4 OK done
    "#;
    let (channel, outcomes) = listen("IMAP4rev1 IDLE", PushOptions::default(), 2, script).await;
    assert_eq!((channel, outcomes.join(" ").as_str()), (PushChannel::Inbox, "news news"));
}

#[tokio::test(start_paused = true)]
async fn news_that_comes_with_the_end_of_an_idle_counts() {
    let script = r#"
        C: P1 EXAMINE "INBOX"
        S: P1 OK done
        C: P2 IDLE
        S: + idling
        C: DONE
        S: * 4 EXISTS
        S: P2 OK done
        C: P3 IDLE
        S: P3 NO not now
    "#;
    let (_, outcomes) = listen("IMAP4rev1 IDLE", PushOptions::default(), 2, script).await;
    assert_eq!(outcomes, ["news", "the server refused IDLE: not now"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_notifies_tells_of_all_mailboxes() {
    let script = format!(
        r#"
        C: P1 EXAMINE "INBOX"
        S: P1 OK done
        C: P2 {NOTIFY}
        S: P2 OK done
        C: P3 IDLE
        S: + idling
        S: * STATUS Lists (MESSAGES 7 UIDNEXT 12)
        C: DONE
        S: P3 OK done
    "#
    );
    let (channel, outcomes) = listen("IMAP4rev1 IDLE NOTIFY", PushOptions::default(), 1, &script).await;
    assert_eq!((channel, outcomes.join(" ").as_str()), (PushChannel::AllMailboxes, "news"));
    let refused = format!(
        r#"
        C: P1 EXAMINE "INBOX"
        S: P1 OK done
        C: P2 {NOTIFY}
        S: P2 NO [NOTIFICATIONOVERFLOW] too much
        C: P3 IDLE
        S: + idling
        S: * 2 EXPUNGE
        C: DONE
        S: P3 OK done
    "#
    );
    let (channel, outcomes) = listen("IMAP4rev1 IDLE NOTIFY", PushOptions::default(), 1, &refused).await;
    assert_eq!((channel, outcomes.join(" ").as_str()), (PushChannel::Inbox, "news"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_the_end_of_an_idle_is_gone() {
    let (near, mut far) = duplex(1 << 12);
    let mut connection = ImapConnection::new(near, ImapConnectionOptions::default());
    connection.capabilities = Capabilities::new(["IDLE"]);
    far.write_all(b"P1 OK done\r\n+ idling\r\n").await.unwrap();
    let mut listener = PushListener::over(connection, PushOptions::default()).await.unwrap();
    let error = listener.news().await.unwrap_err();
    assert!(matches!(error, PullError::Silence { after } if after.as_secs() == 60), "{error}");
}

/// A server that speaks as a script says, and from the answer to COMPRESS on compressed.
async fn compressing(stream: tokio::io::DuplexStream, plain: &[u8], lines: &[(&str, &[u8])]) {
    let mut stream = Connection::over(stream, Duration::from_secs(5));
    let mut heard = vec![0; b"P1 COMPRESS DEFLATE\r\n".len()];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), "P1 COMPRESS DEFLATE\r\n");
    stream.write_all(plain).await.unwrap();
    stream.flush().await.unwrap();
    stream.start_deflate(bytes::BytesMut::new());
    for (command, answer) in lines {
        let mut heard = vec![0; command.len()];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&heard), *command);
        for piece in answer.chunks(7) {
            stream.write_all(piece).await.unwrap();
        }
        stream.flush().await.unwrap();
    }
}

#[tokio::test]
async fn behind_the_line_that_agrees_everything_is_compressed() {
    let (near, far) = duplex(1 << 16);
    let lines: [(&str, &[u8]); 2] = [
        // What follows the agreement is compressed even if it was not asked for.
        ("", b"* OK hello\r\n"),
        ("P2 NOOP\r\n", b"* 5 EXISTS\r\nP2 OK done\r\n"),
    ];
    let server = compressing(far, b"P1 OK DEFLATE active\r\n", &lines);
    let client = async {
        let stream = Connection::over(near, Duration::from_secs(5));
        let mut connection = ImapConnection::new(stream, ImapConnectionOptions::default());
        connection.capabilities = Capabilities::new(["COMPRESS=DEFLATE"]);
        connection.compress().await.unwrap();
        let mut told = Vec::new();
        connection.command("NOOP", CommandBody::Noop, |response| told.push(response)).await.unwrap();
        assert!(told.contains(&Response::Exists(5)), "{told:?}");
    };
    tokio::join!(server, client);
}

#[tokio::test]
async fn a_server_that_refuses_to_compress_is_spoken_to_in_plain() {
    for (capability, expected) in [("COMPRESS=DEFLATE", "P1 COMPRESS DEFLATE\r\nP2 NOOP\r\n"), ("IDLE", "P1 NOOP\r\n")]
    {
        let (near, mut far) = duplex(1 << 16);
        let stream = Connection::over(near, Duration::from_secs(5));
        let mut connection = ImapConnection::new(stream, ImapConnectionOptions::default());
        connection.capabilities = Capabilities::new([capability]);
        far.write_all(b"P1 NO [COMPRESSIONACTIVE] no\r\nP2 OK done\r\n").await.unwrap();
        connection.compress().await.unwrap();
        let _ = connection.command("NOOP", CommandBody::Noop, drop).await;
        drop(connection);
        let mut heard = String::new();
        far.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, expected);
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

const BEGIN: &str = r#"
    C: P1 CAPABILITY
    S: * CAPABILITY IMAP4rev1
    S: P1 OK done
    C: P2 LIST "" "*"
    S: * LIST () "/" INBOX
    S: P2 OK done
    C: P3 EXAMINE "INBOX"
    S: * 2 EXISTS
    S: * OK [UIDVALIDITY 7] valid
    S: P3 OK done
    C: P4 UID FETCH 1:* (UID FLAGS)
    S: * 1 FETCH (UID 1 FLAGS ())
    S: * 2 FETCH (UID 2 FLAGS ())
    S: P4 OK done
"#;

const DESCRIBED: &str = r#"
    C: P5 UID FETCH 1:2 (UID FLAGS INTERNALDATE RFC822.SIZE)
    S: * 1 FETCH (UID 1 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 27)
    S: * 2 FETCH (UID 2 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 27)
    S: P5 OK done
"#;

/// Runs over one script after the other.
async fn run_over(scripts: Vec<String>, world: &World) -> (ImapReport, Vec<String>) {
    let notes = Notes::default();
    let scripts = Mutex::new(VecDeque::from(scripts));
    let again = || async {
        let text = scripts.lock().unwrap().pop_front().unwrap();
        let literals: [(&str, &[u8]); 1] = [("good", b"Message-ID: <1@x>\r\n\r\ngood\r\n")];
        Ok(world.run(&Script { text: &text, literals: &literals }).await)
    };
    let options = BackoffOptions { wait: Duration::ZERO, wait_throttled: Duration::ZERO, ..BackoffOptions::default() };
    let report = persevere(options, &Stop::default(), &notes, again).await.unwrap();
    assert!(scripts.into_inner().unwrap().is_empty());
    (report, notes.0.into_inner().unwrap())
}

#[tokio::test]
async fn a_connection_that_breaks_within_a_message_is_made_anew_and_nothing_comes_twice() {
    let options = ImapPullOptions { group_messages_max: 1, groups_ahead_max: 1, ..ImapPullOptions::default() };
    let world = World::new(options).await;
    let cut = r#"
        C: P6 UID FETCH 1 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] <good>)
        S: P6 OK done
        C: P7 UID FETCH 2 (UID BODY.PEEK[])
        S: * 2 FETCH (UID 2 BODY[] {27}
        S: Message-ID
    "#;
    let rest = r#"
        C: P5 UID FETCH 2 (UID FLAGS INTERNALDATE RFC822.SIZE)
        S: * 2 FETCH (UID 2 FLAGS () INTERNALDATE " 5-Jan-2026 10:00:00 +0100" RFC822.SIZE 27)
        S: P5 OK done
        C: P6 UID FETCH 2 (UID BODY.PEEK[])
        S: * 2 FETCH (UID 2 BODY[] <good>)
        S: P6 OK done
    "#;
    let (report, notes) = run_over(vec![format!("{BEGIN}{DESCRIBED}{cut}"), format!("{BEGIN}{rest}")], &world).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!((report.fetched(), world.messages("INBOX").await.len()), (2, 2));
    assert!(notes.iter().any(|note| note.starts_with("the server closed the connection; trying again")), "{notes:?}");
}

/// What is told of one message.
fn described(uid: u32) -> String {
    let told = format!("UID {uid} FLAGS () INTERNALDATE \" 5-Jan-2026 10:00:00 +0100\" RFC822.SIZE 27");
    format!(
        "C: P5 UID FETCH {uid} (UID FLAGS INTERNALDATE RFC822.SIZE)\nS: * {uid} FETCH ({told})\nS: P5 OK done\n\
         C: P6 UID FETCH {uid} (UID BODY.PEEK[])\n"
    )
}

#[tokio::test]
async fn a_message_at_which_the_server_hangs_up_is_left_out_and_told_and_what_came_before_it_stays() {
    let world = World::new(ImapPullOptions::default()).await;
    let first = "C: P6 UID FETCH 1:2 (UID BODY.PEEK[])\nS: * 1 FETCH (UID 1 BODY[] <good>)\n";
    let alone = format!("{BEGIN}{}S: * BYE FETCH failed\n", described(2));
    let left_out = format!("{BEGIN}C: P5 UID SEARCH ALL\nS: * SEARCH 1 2\nS: P5 OK done\n");
    let scripts = vec![format!("{BEGIN}{DESCRIBED}{first}"), alone.clone(), alone, left_out];
    let (report, notes) = run_over(scripts, &world).await;
    assert!(!report.is_complete() && report.ended_early.is_none(), "{report:#?}");
    assert_eq!((report.fetched(), world.messages("INBOX").await.len()), (1, 1));
    let remarks = &report.mailboxes[0].remarks;
    assert!(
        remarks.iter().any(|remark| remark.text.contains("UID 2 was not fetched: the connection broke")),
        "{remarks:?}"
    );
    assert_eq!(notes.len(), 3);
}

#[tokio::test]
async fn a_message_whose_size_the_server_cannot_tell_does_not_keep_the_others_away() {
    let world = World::new(ImapPullOptions::default()).await;
    let ask = |uids: &str| format!("C: P5 UID FETCH {uids} (UID FLAGS INTERNALDATE RFC822.SIZE)\n");
    let broken = |uids: &str| format!("{BEGIN}{}S: * BYE FETCH failed\n", ask(uids));
    let give = "S: * 2 FETCH (UID 2 BODY[] <good>)\nS: P6 OK done\n";
    let rest = format!("{}{give}C: P7 UID SEARCH ALL\nS: * SEARCH 1 2\nS: P7 OK done\n", described(2));
    let (report, _) = run_over(vec![broken("1:2"), broken("1"), broken("1"), format!("{BEGIN}{rest}")], &world).await;
    assert!(!report.is_complete() && report.ended_early.is_none(), "{report:#?}");
    assert_eq!((report.fetched(), world.messages("INBOX").await.len()), (1, 1));
    let told = &report.mailboxes[0].remarks;
    assert!(told.iter().any(|remark| remark.text.contains("UID 1 was not fetched: the connection broke")), "{told:?}");
}

#[tokio::test]
async fn a_server_that_throws_us_out_for_asking_too_much_is_left_alone_and_asked_again() {
    let world = World::new(ImapPullOptions::default()).await;
    let thrown_out = "S: * BYE Too many requests, come back later\n";
    let rest = r#"
        C: P6 UID FETCH 1:2 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] <good>)
        S: * 2 FETCH (UID 2 BODY[] <good>)
        S: P6 OK done
    "#;
    let scripts = vec![format!("{BEGIN}{thrown_out}"), format!("{BEGIN}{DESCRIBED}{rest}")];
    let (report, notes) = run_over(scripts, &world).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!(report.fetched(), 2);
    assert!(notes.iter().any(|note| note.contains("asks to wait: Too many requests")), "{notes:?}");
}

#[test]
fn a_run_compresses_unless_told_not_to() {
    assert_eq!(ConnectOptions::default().compression, crate::connect::Compression::WhereOffered);
}
