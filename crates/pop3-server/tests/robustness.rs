//! Nothing that a client sends makes a session panic or hang, and nothing but QUIT deletes.

mod support;

use postrider_store::INBOX;
use postrider_testkit::SplitMix64;
use support::{Server, Setup};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PIECES: &[&str] = &[
    "USER mrose\r\n",
    "PASS tanstaaf\r\n",
    "PASS x\r\n",
    "STAT\r\n",
    "LIST\n",
    "LIST 1\r\n",
    "UIDL\r\n",
    "RETR 1\r\n",
    "RETR 2\r\n",
    "TOP 1 1\r\n",
    "TOP 2 99\r\n",
    "DELE 1\r\n",
    "RSET\r\n",
    "NOOP\r\n",
    "CAPA\r\n",
    "LANG\r\n",
    "LANG de\r\n",
    "UTF8\r\n",
    "STLS\r\n",
    "AUTH PLAIN\r\n",
    "AUTH LOGIN\r\n",
    "*\r\n",
    "\r\n",
    "\r",
    "\n",
    "\0",
    "é",
    "RETR ",
    "99999999999\r\n",
];

#[tokio::test]
async fn random_dialogues_end_without_a_panic_and_delete_nothing() {
    let mut server = Server::with_two_messages(Setup::default()).await;
    for seed in 0..300 {
        if seed % 10 == 0 {
            // Else the failed logins of earlier sessions would lock out the later ones.
            assert_eq!(server.count(INBOX).await, 2);
            server = Server::with_two_messages(Setup::default()).await;
        }
        let mut random = SplitMix64::new(seed);
        let mut input = String::from(if random.below(3) == 0 { "" } else { "USER mrose\r\nPASS tanstaaf\r\n" });
        for _ in 0..random.below(40) {
            input.push_str(PIECES[random.below(PIECES.len())]);
        }
        let (client, session) = server.connect_from("127.0.0.1:4000");
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
        assert!(answers.starts_with(b"+OK ") && answers.ends_with(b"\r\n"), "seed {seed}");
    }
    assert_eq!(server.count(INBOX).await, 2);
}
