//! Everything the server can say, in every state of what a client enabled, is read by an IMAP parser that is not ours.

#![allow(clippy::unwrap_used)]

mod common;
mod responses;

use common::{Client, LOGIN, Server, message};
use postrider_store::{Flag, INBOX};
use responses::{Enabled, check, check_greeting};
use tokio::io::{AsyncReadExt as _, DuplexStream};

/// Messages that are hard to describe.
const HARD: [&str; 11] = [
    "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: \"Gray \\\"T\\\" \\\\\" <gray@cac.example>\r\nSender: s@x\r\n\
     Reply-To: list: a@b, \"c d\"@e, Some One <f@g>;\r\nTo: undisclosed-recipients:;\r\nCc: <@route,@b:c@d>\r\n\
     Bcc: x\r\nIn-Reply-To: <a@b>\r\nMessage-ID: <c@d>\r\nSubject: plain\r\n\r\none\r\n",
    "From: =?utf-8?q?J=C3=B6rg?= <joerg@example.com>\r\nSubject: =?iso-8859-1?b?R3L832U=?=\r\n\r\ntext\r\n",
    "From: J\u{f6}rg <j\u{f6}rg@m\u{fc}nchen.example>\r\nSubject: Gr\u{fc}\u{df}e \u{1f600}\r\n\
     Content-Type: text/plain; charset=utf-8; name=\"gr\u{fc}n\"\r\n\r\nGr\u{fc}\u{df}e\r\n",
    "Subject: a\0b\r\nFrom: c\0 <d\0@e>\r\n\r\nf\0g\r\n",
    "Content-Type: multipart/mixed; boundary=top\r\n\r\n--top\r\nContent-Type: text/plain; format=flowed; x=\"a \\\"b\\\"\"\r\n\
     Content-ID: <1@x>\r\nContent-Description: =?utf-8?q?d=C3=A9?=\r\nContent-MD5: Q2hlY2s=\r\nContent-Language: de, en\r\n\
     Content-Location: http://x/y\r\nContent-Disposition: attachment; filename*=utf-8''gr%C3%BCn.txt\r\n\
     Content-Transfer-Encoding: quoted-printable\r\n\r\ncaf=C3=A9\r\n\
     --top\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n\
     --in\r\n\r\nplain\r\n--in\r\nContent-Type: text/html\r\n\r\n<b>x</b>\r\n--in--\r\n\r\n\
     --top\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC/w==\r\n\
     --top\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: x-unknown\r\n\r\nx\r\n--top--\r\n",
    "Content-Type: multipart/mixed; boundary=none\r\n\r\nno boundary at all\r\n",
    "Content-Type: multipart/mixed\r\n\r\n",
    "Content-Type: message/rfc822\r\n\r\n",
    "Content-Type: ;;;=\"\r\nContent-Disposition: \"\r\nDate: never\r\nFrom: @@,,<>\r\nTo: (((\r\nMessage-ID: <<>\r\nSubject:\r\n\r\n",
    "no header at all",
    "\r\n",
];

/// Commands in their order; `$` stands for nothing special, and a literal is written out.
const COMMANDS: &[&str] = &[
    "CAPABILITY",
    "NOOP",
    "ID (\"name\" \"x\")",
    "NAMESPACE",
    "NOSUCH",
    "LOGIN a b",
    "CREATE Entw&APw-rfe",
    "CREATE \"Entwürfe 2\"",
    "CREATE \"a \\\"b\\\" \\\\ {c}/(d)\"",
    "CREATE a//b",
    "CREATE Bin (USE (\\All))",
    "CREATE deep/er/still",
    "SUBSCRIBE deep/er/still",
    "SUBSCRIBE gone",
    "LIST \"\" *",
    "LIST \"\" \"\"",
    "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" % RETURN (CHILDREN STATUS (MESSAGES SIZE MAILBOXID APPENDLIMIT HIGHESTMODSEQ))",
    "LIST (SPECIAL-USE) \"\" * RETURN (SUBSCRIBED STATUS (UNSEEN DELETED RECENT UIDNEXT UIDVALIDITY))",
    "LSUB \"\" %",
    "LSUB \"\" *",
    "STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE MAILBOXID APPENDLIMIT)",
    "STATUS INBOX (MAILBOXID)",
    "STATUS none (MESSAGES)",
    "SELECT none",
    "SELECT INBOX",
    "FETCH 1:* ALL",
    "FETCH 1:* FULL",
    "FETCH 1:* (UID BODYSTRUCTURE)",
    "FETCH 1:* (PREVIEW EMAILID THREADID SAVEDATE)",
    "FETCH 1:* PREVIEW (LAZY)",
    "FETCH 1:* (BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[2.HEADER] BODY.PEEK[9])",
    "FETCH 1:* (BODY.PEEK[HEADER.FIELDS (Subject \"From\")] BODY.PEEK[HEADER.FIELDS.NOT (x\"y)])",
    "FETCH 1:* (BODY.PEEK[HEADER.FIELDS (Subject \"a b\" {3+}\r\nx\"y)] BODY.PEEK[2.1]<1.3> BODY.PEEK[]<99999.1>)",
    "FETCH 1:* (RFC822.SIZE RFC822.HEADER RFC822.TEXT)",
    "FETCH 1 RFC822",
    "FETCH 1:* BINARY.PEEK[1]",
    "FETCH 1:* (BINARY.SIZE[1] BINARY.PEEK[1]<1.2> UID)",
    "FETCH 1:* BINARY.PEEK[4]",
    "FETCH 1:* BINARY.SIZE[4]",
    "FETCH 1:* (BINARY.PEEK[] BINARY[3])",
    "UID FETCH 1:* BODY[1]",
    "FETCH 1:* (FLAGS MODSEQ) ",
    "FETCH 999 FLAGS",
    "STORE 1:3 +FLAGS (\\Flagged $New \\Deleted)",
    "STORE 2 -FLAGS.SILENT (\\Deleted)",
    "UID STORE 3 FLAGS ()",
    "STORE 4:5 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)",
    "STORE 1 FLAGS (\\NoSuch)",
    "SEARCH ALL",
    "SEARCH NOT ALL",
    "UID SEARCH SEEN",
    "SEARCH MODSEQ 1",
    "SEARCH RETURN (MIN MAX ALL COUNT) ALL",
    "UID SEARCH RETURN (MIN MAX ALL COUNT) 1,3,5:7",
    "SEARCH RETURN (ALL) NOT ALL",
    "SEARCH RETURN (ALL COUNT) MODSEQ 1",
    "SEARCH RETURN (SAVE) SEEN",
    "SEARCH RETURN () $",
    "SEARCH CHARSET X-NONE ALL",
    "SEARCH BODY \"x\"",
    "SORT (SUBJECT REVERSE DATE) UTF-8 ALL",
    "UID SORT (REVERSE SIZE DISPLAYFROM) UTF-8 ALL",
    "SORT (ARRIVAL) UTF-8 NOT ALL",
    "UID SORT RETURN (MIN MAX COUNT) (REVERSE DATE) UTF-8 ALL",
    "SORT (DATE) X-NONE ALL",
    "THREAD REFERENCES UTF-8 ALL",
    "UID THREAD REFERENCES UTF-8 SEEN",
    "THREAD ORDEREDSUBJECT UTF-8 ALL",
    "THREAD ORDEREDSUBJECT UTF-8 NOT ALL",
    "COPY 1:4 Archive",
    "COPY $ Archive",
    "COPY 1 none",
    "UID COPY 9999 Archive",
    "MOVE 4 Archive",
    "UID MOVE 9999 Archive",
    "EXPUNGE",
    "UID EXPUNGE 1:*",
    "APPEND INBOX (\\Seen $Other) \"17-Jul-1996 02:44:25 -0700\" {4}\r\na: b",
    "APPEND INBOX {4+}\r\na: b {4+}\r\na: c",
    "APPEND INBOX UTF8 (~{4+}\r\na: b)",
    "APPEND none {4+}\r\na: b",
    "APPEND INBOX {999999999}",
    "IDLE\r\nDONE",
    "IDLE\r\nNOOP",
    "CHECK",
    "ENABLE NOSUCH",
    "RENAME INBOX old/mail",
    "RENAME old new",
    "RENAME none other",
    "DELETE new",
    "DELETE new",
    "DELETE INBOX",
    "EXAMINE new/mail",
    "STORE 1 FLAGS ()",
    "FETCH 1:* (FLAGS BODY[TEXT])",
    "UNSELECT",
    "SELECT INBOX (CONDSTORE)",
    "CLOSE",
    "UNSUBSCRIBE gone",
    "AUTHENTICATE PLAIN AAA=",
    "STARTTLS",
];

/// What another session does meanwhile, and how ours asks for the news.
const NEWS: &[(&str, &str)] = &[
    ("STORE 1 +FLAGS (\\Answered $Fresh)", "NOOP"),
    ("STORE 1:2 +FLAGS (\\Deleted)", "FETCH 1 FLAGS"),
    ("EXPUNGE", "FETCH 1:* ENVELOPE"),
    ("NOOP", "UID FETCH 1:* (FLAGS)"),
    ("COPY 1:3 INBOX", "IDLE\r\nDONE"),
    ("STORE 2:3 +FLAGS (\\Deleted)", "STORE 1 +FLAGS.SILENT (\\Seen)"),
    ("EXPUNGE", "NOOP"),
];

/// Commands that only a client that enabled QRESYNC may use; refused to others.
const RESYNCHRONISE: &[&str] = &[
    "SELECT INBOX (QRESYNC (1700000000 1))",
    "SELECT INBOX (QRESYNC (1700000000 1 1:20 (1:3 1:3)))",
    "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)",
    "FETCH 1:* (UID) (CHANGEDSINCE 3)",
    "UID STORE 1:* (UNCHANGEDSINCE 1) +FLAGS.SILENT ($x)",
];

async fn server() -> Server {
    let server = Server::start().await;
    for raw in HARD {
        server.append(INBOX, vec![Flag::Draft, Flag::Keyword("$Work".to_owned())], raw).await;
    }
    server.append(INBOX, Vec::new(), format!("Subject: {}\r\n\r\n{}", "long ".repeat(500), "x".repeat(700_000))).await;
    for number in 1..4 {
        server.append(INBOX, Vec::new(), message(number)).await;
    }
    server
}

struct Conversation {
    client: Client<DuplexStream>,
    enabled: Enabled,
    commands: usize,
}

impl Conversation {
    async fn begin(server: &Server, enable: &str) -> Self {
        let mut client = Client(server.connect());
        let mut greeting = vec![0; 4096];
        let length = client.0.read(&mut greeting).await.unwrap();
        check_greeting(&greeting[..length]);
        let mut conversation = Self { client, enabled: Enabled::default(), commands: 0 };
        for command in
            ["NOOP", "LOGIN nobody nothing", "SELECT INBOX", "AUTHENTICATE NOSUCH", "AUTHENTICATE PLAIN\r\n*"]
        {
            conversation.says(command).await;
        }
        conversation.says("AUTHENTICATE PLAIN\r\nAGFsaWNlQGV4YW1wbGUubmV0AHNlY3JldA==").await;
        conversation.enabled = Enabled {
            rev2: enable.contains("rev2"),
            condstore: enable.contains("CONDSTORE") || enable.contains("QRESYNC"),
            qresync: enable.contains("QRESYNC"),
            utf8: enable.contains("UTF8"),
        };
        if !enable.is_empty() {
            conversation.says(&format!("ENABLE {enable}")).await;
        }
        conversation
    }

    async fn says(&mut self, command: &str) {
        self.commands += 1;
        let tag = format!("tag-{}", self.commands);
        // These switch mod-sequences on (RFC 7162 §3.1).
        let asks = ["MODSEQ", "CONDSTORE", "UNCHANGEDSINCE", "CHANGEDSINCE"];
        self.enabled.condstore |= asks.iter().any(|word| command.contains(word));
        let said = self.client.exchange(&tag, format!("{tag} {command}\r\n").as_bytes()).await;
        assert!(check(&said, self.enabled) >= 1, "{command}");
    }
}

async fn converse(enable: &str) {
    let server = server().await;
    let mut conversation = Conversation::begin(&server, enable).await;
    for command in COMMANDS {
        conversation.says(command).await;
    }
    for number in 10..20 {
        server.append(INBOX, vec![Flag::Seen], message(number)).await;
    }
    let mut other = server.login().await;
    for client in [&mut conversation, &mut Conversation::begin(&server, enable).await] {
        client.says("SELECT INBOX").await;
        other.says("C: s SELECT INBOX\nS…\nS: s OK …").await;
        for (theirs, ours) in NEWS {
            other.says(&format!("C: o {theirs}\nS…\nS: o OK …")).await;
            client.says(ours).await;
        }
    }
    for command in RESYNCHRONISE {
        conversation.says(command).await;
    }
    conversation.says("UNAUTHENTICATE").await;
    conversation.enabled = Enabled::default();
    conversation.says("LOGIN alice@example.net secret").await;
    conversation.says("SELECT INBOX").await;
    conversation.says("FETCH 1:* FULL").await;
    conversation.says("LOGOUT").await;
}

#[tokio::test]
async fn rev1_is_well_formed() {
    converse("").await;
}

#[tokio::test]
async fn rev1_with_condstore_is_well_formed() {
    converse("CONDSTORE").await;
}

#[tokio::test]
async fn rev1_with_qresync_is_well_formed() {
    converse("QRESYNC").await;
}

#[tokio::test]
async fn rev1_with_utf8_is_well_formed() {
    converse("UTF8=ACCEPT").await;
}

#[tokio::test]
async fn rev2_is_well_formed() {
    converse("IMAP4rev2").await;
}

#[tokio::test]
async fn rev2_with_everything_is_well_formed() {
    converse("IMAP4rev2 QRESYNC UTF8=ACCEPT").await;
}

#[tokio::test]
async fn a_session_that_is_thrown_out_is_told_so_properly() {
    let server = Server::start().await;
    let mut client = Client(server.connect());
    client.says(LOGIN).await;
    for _ in 0..20 {
        tokio::io::AsyncWriteExt::write_all(&mut client.0, b"\"\r\n").await.unwrap();
    }
    let mut said = Vec::new();
    client.0.read_to_end(&mut said).await.unwrap();
    assert_eq!(check(&said, Enabled::default()), 21);
    assert!(memchr::memmem::find(&said, b"\r\n* BYE ").is_some());
}
