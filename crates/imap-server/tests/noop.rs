//! NOOP: the news of a mailbox in the sequence numbers the client knows.

mod common;

use common::Server;

#[tokio::test]
async fn noop_without_news_says_nothing() {
    let server = Server::with_messages(1).await;
    server.selected("C: 1 NOOP\nS: 1 OK Done\nC: 2 CHECK\nS: 2 OK …").await;
}
