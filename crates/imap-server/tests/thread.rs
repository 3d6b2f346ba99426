//! THREAD (RFC 5256).

mod common;

use common::{NOW, Server};
use postrider_store::INBOX;

/// A mailbox of mail that answers mail, as `(id, references, in reply to, subject)`.
async fn talk(messages: &[(&str, &str, &str, &str)]) -> Server {
    let server = Server::start().await;
    for (number, (id, references, in_reply_to, subject)) in messages.iter().enumerate() {
        let mut raw = format!("Date: Tue, 14 Nov 2023 22:{number:02}:00 +0000\r\n");
        for (name, value) in
            [("Message-ID", id), ("References", references), ("In-Reply-To", in_reply_to), ("Subject", subject)]
        {
            if !value.is_empty() {
                raw += &format!("{name}: {value}\r\n");
            }
        }
        server.set_clock(NOW + number as i64);
        server.append(INBOX, Vec::new(), raw + "\r\ntext\r\n").await;
    }
    server
}

#[tokio::test]
async fn messages_are_threaded_by_references() {
    let server = talk(&[
        ("<1@x>", "", "", "plans"),
        ("<2@x>", "<1@x>", "", "Re: plans"),
        ("<3@x>", "<1@x> <2@x>", "", "Re: plans"),
        ("<4@x>", "", "<1@x> <nonsense@x>", "Re: plans"),
        // Of a thread whose beginning is not here.
        ("<6@x>", "<5@x>", "", "lunch"),
        ("<7@x>", "<5@x>", "", "dinner"),
        // No references, but the subject.
        ("<8@x>", "", "", "Re: PLANS (fwd)"),
        ("", "", "", ""),
    ])
    .await;
    let text = "
        C: 1 THREAD REFERENCES UTF-8 ALL
        S: * THREAD (1 (2 3)(4)(7))((5)(6))(8)
        S: 1 OK …
        # Threads of what was found alone: who is not among them is nobody's parent.
        C: 2 THREAD REFERENCES UTF-8 NOT 1
        S: * THREAD ((2 3)(4)(7))((5)(6))(8)
        S: 2 OK …
        C: 3 THREAD REFERENCES UTF-8 3,8
        S: * THREAD (3)(8)
        S: 3 OK …
        C: 4 THREAD REFERENCES US-ASCII ANSWERED
        S: * THREAD
        S: 4 OK …
        C: 5 thread references \"utf-8\" subject dinner
        S: * THREAD (6)
        S: 5 OK …
        C: 6 THREAD ORDEREDSUBJECT UTF-8 ALL
        S: * THREAD (1 (2)(3)(4)(7))(5)(6)(8)
        S: 6 OK …
        C: 7 THREAD ORDEREDSUBJECT UTF-8 SUBJECT zebra
        S: * THREAD
        S: 7 OK …";
    server.selected(text).await;
}

#[tokio::test]
async fn uid_thread_tells_uids() {
    let server = talk(&[
        ("<0@x>", "", "", "gone"),
        ("<1@x>", "", "", "a"),
        ("<2@x>", "<1@x>", "", "Re: a"),
        ("<3@x>", "<1@x>", "", "Re: a"),
    ])
    .await;
    let text = r"
        C: 1 STORE 1 +FLAGS.SILENT (\Deleted)
        S: 1 OK …
        C: 2 EXPUNGE
        S: * 1 EXPUNGE
        S: 2 OK …
        C: 3 THREAD REFERENCES UTF-8 ALL
        S: * THREAD (1 (2)(3))
        S: 3 OK …
        C: 4 UID THREAD REFERENCES UTF-8 ALL
        S: * THREAD (2 (3)(4))
        S: 4 OK …
        C: 5 UID THREAD ORDEREDSUBJECT UTF-8 2:3
        S: * THREAD (3 4)
        S: 5 OK …";
    server.selected(text).await;
}

#[tokio::test]
async fn a_thread_command_that_makes_no_sense_is_refused() {
    let text = "
        C: 1 THREAD REFS UTF-8 ALL
        S: 1 BAD …
        C: 2 THREAD REFERENCES ALL
        S: 2 BAD …
        C: 3 THREAD REFERENCES X-NONE ALL
        S: 3 NO [BADCHARSET (US-ASCII UTF-8 ISO-8859-1)] …
        C: 4 THREAD RETURN (COUNT) REFERENCES UTF-8 ALL
        S: 4 BAD …
        C: 5 UID THREAD REFERENCES UTF-8 7
        S: 5 BAD …";
    Server::with_messages(1).await.selected(text).await;
}

#[tokio::test]
async fn mail_that_comes_while_a_client_threads_is_told_behind_the_answer() {
    let server = talk(&[("<1@x>", "", "", "a")]).await;
    let mut client = server.select().await;
    server.append(INBOX, Vec::new(), "Message-ID: <2@x>\r\nReferences: <1@x>\r\n\r\n").await;
    let text = "
        C: 1 THREAD REFERENCES UTF-8 ALL
        S: * THREAD (1)
        S: * 2 EXISTS
        S: * 2 RECENT
        S: 1 OK …
        C: 2 THREAD REFERENCES UTF-8 ALL
        S: * THREAD (1 2)
        S: 2 OK …";
    client.says(text).await;
}
