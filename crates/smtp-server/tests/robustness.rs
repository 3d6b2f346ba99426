//! Nothing that a client sends makes a session panic, hang, or take mail that it should not.

mod support;

use postrider_smtp_server::SmtpRole;
use postrider_testkit::SplitMix64;
use support::{PLAIN, Server, Setup};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PIECES: &[&str] = &[
    "EHLO a\r\n",
    "LHLO a\r\n",
    "MAIL FROM:<c@d>\r\n",
    "MAIL FROM:<> SIZE=9\r\n",
    "RCPT TO:<bob@example.net>\r\n",
    "RCPT TO:<a@b>\r\n",
    "DATA\r\n",
    ".\r\n",
    ".",
    "\r\n",
    "\r",
    "\n",
    "BDAT 5\r\n",
    "BDAT 0 LAST\r\n",
    "BDAT 3 LAST\r\n",
    "RSET\r\n",
    "AUTH PLAIN\r\n",
    "AUTH LOGIN\r\n",
    "*\r\n",
    "STARTTLS\r\n",
    "QUIT\r\n",
    "Subject: a\r\n\r\n",
    "\0",
    "é",
    "\u{ff}",
];

#[tokio::test]
async fn random_dialogues_end_without_a_panic() {
    let server = Server::start(Setup::default()).await;
    let auth = format!("AUTH PLAIN {PLAIN}\r\n");
    for seed in 0..300 {
        let mut random = SplitMix64::new(seed);
        let role = [SmtpRole::Receive, SmtpRole::Submission, SmtpRole::Lmtp][random.below(3)];
        let mut input = String::from(if random.below(2) == 0 { "EHLO a\r\n" } else { "LHLO a\r\n" });
        if role == SmtpRole::Submission {
            input.push_str(&auth);
        }
        for _ in 0..random.below(40) {
            input.push_str(PIECES[random.below(PIECES.len())]);
        }
        let (client, session) = server.connect_from("127.0.0.1:4000", role);
        let (mut reading, mut writing) = tokio::io::split(client);
        let client = async {
            // The session may have ended before everything was sent.
            let _ = writing.write_all(input.as_bytes()).await;
            let _ = writing.shutdown().await;
        };
        let mut answers = Vec::new();
        let (_, read, ended) = tokio::join!(client, reading.read_to_end(&mut answers), session);
        read.unwrap();
        ended.unwrap_or_else(|error| panic!("seed {seed}: {error}\n{input:?}"));
        assert!(answers.starts_with(b"220 ") && answers.ends_with(b"\r\n"), "seed {seed}");
    }
}
