//! What a session does with a maildrop.

mod support;

use postrider_accounts::{AccountSettings, Pop3Delete};
use postrider_pop3_server::{Pop3Options, Utf8ForAscii};
use postrider_store::{ExpungeOnly, INBOX};
use postrider_testkit::transcript;
use support::{ADDRESS, LOGIN, Server, Setup, message_of};

#[tokio::test]
async fn the_maildrop_is_listed_with_sizes_and_unique_ids() {
    let server = Server::with_two_messages(Setup::default()).await;
    let text = "
        C: STAT
        S: +OK 2 320
        C: LIST
        S: +OK 2 messages (320 octets)
        S: 1 120
        S: 2 200
        S: .
        C: LIST 2
        S: +OK 2 200
        C: LIST 3
        S: -ERR No such message
        C: UIDL
        S: +OK Unique-id listing follows
        S: 1 ….1
        S: 2 ….2
        S: .
        C: UIDL 2
        S: +OK 2 ….2
        C: NOOP
        S: +OK Done
        ";
    server.after_login_in_any_pieces(text).await;
}

#[tokio::test]
async fn a_message_that_brought_its_unique_id_is_called_by_it() {
    let server = Server::with_mail(Setup::default(), &[&message_of(120)]).await;
    let account = server.account().await;
    let mut message = account.prepare(message_of(200).into(), Vec::new(), 0).await;
    message.unique_id = Some("whqtswO00WBw418f9t5JxYwZ".to_owned());
    let inbox = account.state().find("INBOX").unwrap().id;
    account.append(inbox, vec![message]).await.unwrap();
    let text = "
        C: UIDL
        S: +OK Unique-id listing follows
        S: 1 ….1
        S: 2 whqtswO00WBw418f9t5JxYwZ
        S: .
        C: UIDL 2
        S: +OK 2 whqtswO00WBw418f9t5JxYwZ
        ";
    server.after_login(text).await;
}

#[tokio::test]
async fn an_empty_maildrop_has_empty_listings() {
    let server = Server::start(Setup::default()).await;
    let text = "
        C: STAT
        S: +OK 0 0
        C: LIST
        S: +OK 0 messages (0 octets)
        S: .
        C: UIDL
        S: +OK …
        S: .
        C: RETR 1
        S: -ERR No such message
        ";
    server.after_login_in_any_pieces(text).await;
}

#[tokio::test]
async fn messages_are_sent_whole_and_stuffed() {
    let messages = ["Subject: dots\r\n\r\n.\r\n..two\r\na.b\r\n", "Subject: no end\r\n\r\n.unended", "\r\n.\r\n"];
    let server = Server::with_mail(Setup::default(), &messages).await;
    let text = "
        C: LIST
        S: +OK 3 messages (66 octets)
        S: 1 32
        S: 2 29
        S: 3 5
        S: .
        C: RETR 1
        S: +OK 32 octets
        S: Subject: dots
        S:
        S: ..
        S: ...two
        S: a.b
        S: .
        C: RETR 2
        S: +OK 29 octets
        S: Subject: no end
        S:
        S: ..unended
        S: .
        C: RETR 3
        S: +OK 5 octets
        S:
        S: ..
        S: .
        ";
    server.after_login_in_any_pieces(text).await;
}

#[tokio::test]
async fn top_sends_the_header_and_some_lines() {
    let server = Server::with_mail(Setup::default(), &["A: 1\r\nB: 2\r\n\r\none\r\n.two\r\nthree\r\n"]).await;
    let text = "
        C: TOP 1 0
        S: +OK Top of message follows
        S: A: 1
        S: B: 2
        S:
        S: .
        C: TOP 1 2
        S: +OK …
        S: A: 1
        S: B: 2
        S:
        S: one
        S: ..two
        S: .
        C: TOP 1 99
        S: +OK …
        S: A: 1
        S: B: 2
        S:
        S: one
        S: ..two
        S: three
        S: .
        C: TOP 2 0
        S: -ERR No such message
        C: TOP 1
        S: -ERR An argument is missing
        ";
    server.after_login_in_any_pieces(text).await;
}

#[tokio::test]
async fn pieces_of_any_size_make_the_same_message() {
    let message = "Subject: pieces\r\n\r\n.a\r\n..\r\nlonger line of text\r\n.\r\n";
    for (piece_bytes, output_bytes) in [(1, 1), (2, 3), (7, 1000), (1000, 5)] {
        let pop3 = Pop3Options { piece_bytes, output_bytes, ..Pop3Options::default() };
        let server = Server::with_mail(Setup { pop3, ..Setup::default() }, &[message]).await;
        let text = "
            C: RETR 1
            S: +OK 51 octets
            S: Subject: pieces
            S:
            S: ..a
            S: ...
            S: longer line of text
            S: ..
            S: .
            C: TOP 1 1
            S: +OK …
            S: Subject: pieces
            S:
            S: ..a
            S: .
            ";
        server.after_login(text).await;
    }
}

#[tokio::test]
async fn quit_deletes_what_was_marked() {
    let messages = [message_of(100), message_of(200), message_of(300)];
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    let server = Server::with_mail(Setup::default(), &messages).await;
    let text = "
        C: DELE 1
        S: +OK Message 1 marked as deleted
        C: DELE 1
        S: -ERR The message is marked as deleted
        C: RETR 1
        S: -ERR The message is marked as deleted
        C: DELE 3
        S: +OK …
        C: STAT
        S: +OK 1 200
        C: LIST
        S: +OK 1 messages (200 octets)
        S: 2 200
        S: .
        C: UIDL
        S: +OK …
        S: 2 ….2
        S: .
        C: QUIT
        S: +OK Goodbye, 2 messages deleted
        S closes
        ";
    server.after_login(text).await;
    assert_eq!(server.count(INBOX).await, 1);
    server.after_login("C: UIDL\nS: +OK …\nS: 1 ….2\nS: .").await;
}

#[tokio::test]
async fn reset_takes_all_marks_away() {
    let server = Server::with_two_messages(Setup::default()).await;
    let text = "
        C: DELE 1
        S: +OK …
        C: DELE 2
        S: +OK …
        C: STAT
        S: +OK 0 0
        C: RSET
        S: +OK 2 messages (320 octets)
        C: QUIT
        S: +OK Goodbye
        S closes
        ";
    server.after_login(text).await;
    assert_eq!(server.count(INBOX).await, 2);
}

#[tokio::test]
async fn without_quit_nothing_is_deleted() {
    let server = Server::with_two_messages(Setup::default()).await;
    let (mut client, session) = server.connect_from("127.0.0.1:4000");
    transcript(&mut client, &format!("{LOGIN}C: DELE 1\nS: +OK …\nC closes\nS closes")).await;
    session.await.unwrap();
    assert_eq!(server.count(INBOX).await, 2);
}

#[tokio::test]
async fn a_store_that_fails_at_quit_deletes_nothing_and_says_so() {
    let server = Server::with_two_messages(Setup::default()).await;
    let mut client = server.connect();
    transcript(&mut client, &format!("{LOGIN}C: DELE 1\nS: +OK …")).await;
    server.engine.fail_commits(1000);
    transcript(client, "C: QUIT\nS: -ERR [SYS/TEMP] Nothing was deleted: the store failed\nS closes").await;
    server.engine.fail_commits(0);
    assert_eq!(server.count(INBOX).await, 2);
}

#[tokio::test]
async fn deleted_messages_go_to_the_trash_where_the_owner_wants_it() {
    let server = Server::with_two_messages(Setup::default()).await;
    let settings = AccountSettings { pop3_delete: Pop3Delete::MoveToTrash, ..AccountSettings::default() };
    server.accounts.set_settings(ADDRESS, settings).await.unwrap();
    server.after_login("C: DELE 2\nS: +OK …\nC: QUIT\nS: +OK Goodbye, 1 messages deleted\nS closes").await;
    assert_eq!((server.count(INBOX).await, server.count("Trash").await), (1, 1));
    // A trash that its owner removed is made again.
    let account = server.account().await;
    account.delete_mailbox(account.state().find("Trash").unwrap().id).await.unwrap();
    server.after_login("C: DELE 1\nS: +OK …\nC: QUIT\nS: +OK Goodbye, 1 messages deleted\nS closes").await;
    assert_eq!((server.count(INBOX).await, server.count("Trash").await), (0, 1));
}

#[tokio::test]
async fn the_maildrop_is_the_inbox_as_it_was_at_login() {
    let server = Server::with_two_messages(Setup::default()).await;
    let mut client = server.connect();
    transcript(&mut client, LOGIN).await;
    server.deliver(message_of(300).as_bytes()).await;
    let account = server.account().await;
    let inbox = account.state().find(INBOX).unwrap().id;
    let first = [postrider_store::Uid(1)].into_iter().collect();
    account.expunge(inbox, Some(first), ExpungeOnly::Named).await.unwrap();
    transcript(
        client,
        "
        C: STAT
        S: +OK 2 320
        C: RETR 1
        S: -ERR The message was removed by another program
        C: DELE 1
        S: +OK …
        C: DELE 2
        S: +OK …
        C: QUIT
        S: +OK Goodbye, 1 messages deleted
        S closes
        ",
    )
    .await;
    server.after_login("C: STAT\nS: +OK 1 300").await;
}

#[tokio::test]
async fn pipelined_commands_are_answered_in_order() {
    let server = Server::with_two_messages(Setup::default()).await;
    let text = "
        S: +OK …
        C: USER mrose@example.com
        C: PASS tanstaaf
        C: STAT
        C: XYZZY
        C: DELE 1
        C: LIST
        C: QUIT
        S: +OK …
        S: +OK 2 messages (320 octets)
        S: +OK 2 320
        S: -ERR Unknown command
        S: +OK …
        S: +OK …
        S: 2 200
        S: .
        S: +OK Goodbye, 1 messages deleted
        S closes
        ";
    transcript(server.connect(), text).await;
}

#[tokio::test]
async fn messages_in_utf8_need_utf8_mode_where_the_server_is_strict() {
    let message = "Subject: Grüße\r\n\r\nHallo\r\n";
    let pop3 = Pop3Options { utf8_for_ascii: Utf8ForAscii::Refuse, ..Pop3Options::default() };
    let server = Server::with_mail(Setup { pop3, ..Setup::default() }, &[message]).await;
    server.after_login("C: RETR 1\nS: -ERR [UTF8] The message needs UTF-8 mode\nC: QUIT\nS: +OK …\nS closes").await;
    let text = "
        S: +OK …
        C: UTF8
        S: +OK UTF-8 mode
        C: USER mrose@example.com
        C: PASS tanstaaf
        S: +OK …
        S: +OK …
        C: RETR 1
        S: +OK 27 octets
        S: Subject: Grüße
        S:
        S: Hallo
        S: .
        ";
    transcript(server.connect(), text).await;
    let lenient = Server::with_mail(Setup::default(), &[message]).await;
    lenient.after_login("C: RETR 1\nS: +OK 27 octets\nS: Subject: Grüße\nS:\nS: Hallo\nS: .").await;
}
