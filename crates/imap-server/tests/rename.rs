//! RENAME (RFC 9051 §6.3.6).

mod common;

use common::Server;

#[tokio::test]
async fn mailboxes_below_move_along_and_superiors_are_created() {
    let server = Server::start().await;
    server
        .session(
            r#"
            C: 1 CREATE foo/bar/zap
            S: 1 OK …
            C: 2 STATUS foo/bar (UIDVALIDITY MAILBOXID)
            S: * STATUS foo/bar (UIDVALIDITY 1700000007 MAILBOXID (F8))
            S: 2 OK …
            C: 3 RENAME foo/bar baz/rag/zowie/
            S: 3 OK …
            C: 4 LIST "" (foo* baz*)
            S: * LIST (\HasChildren) "/" baz
            S: * LIST (\HasChildren) "/" baz/rag
            S: * LIST (\HasChildren) "/" baz/rag/zowie
            S: * LIST (\HasNoChildren) "/" baz/rag/zowie/zap
            S: * LIST (\HasNoChildren) "/" foo
            S: 4 OK …
            # It is the same mailbox (RFC 8474 §4).
            C: 5 STATUS baz/rag/zowie (UIDVALIDITY MAILBOXID)
            S: * STATUS baz/rag/zowie (UIDVALIDITY 1700000007 MAILBOXID (F8))
            S: 5 OK …
            "#,
        )
        .await;
}

#[tokio::test]
async fn renames_that_cannot_be_are_refused() {
    let server = Server::start().await;
    let mut client = server.login().await;
    client.says("C: 1 CREATE foo/bar\nS: 1 OK …\nC: 2 CREATE foox\nS: 2 OK …").await;
    for (arguments, code) in [
        ("none other", "NONEXISTENT"),
        ("foo foox", "ALREADYEXISTS"),
        ("foo foo", "ALREADYEXISTS"),
        ("foo inbox", "ALREADYEXISTS"),
        ("foo foo/bar", "ALREADYEXISTS"),
        ("foo foo/inside", "CANNOT"),
        ("foo a//b", "CANNOT"),
        ("foo \"\"", "CANNOT"),
        ("INBOX Trash", "ALREADYEXISTS"),
    ] {
        client.says(&format!("C: r RENAME {arguments}\nS: r NO [{code}] …")).await;
    }
    client.says("C: b RENAME foo\nS: b BAD …").await;
    // A name of which another is the beginning is not below it.
    client.says("C: 3 RENAME foo foxes\nS: 3 OK …\nC: 4 LIST \"\" fo*\nS: * LIST (\\HasNoChildren) \"/\" foox\nS: * LIST (\\HasChildren) \"/\" foxes\nS: * LIST (\\HasNoChildren) \"/\" foxes/bar\nS: 4 OK …").await;
}

#[tokio::test]
async fn a_mailbox_may_move_up_beside_what_it_was_below() {
    let server = Server::start().await;
    server
        .session(
            r#"
            C: 1 CREATE a/b/c
            S: 1 OK …
            C: 2 RENAME a/b a2
            S: 2 OK …
            C: 3 RENAME a2/c a/b
            S: 3 OK …
            C: 4 LIST "" a*
            S: * LIST (\HasChildren) "/" a
            S: * LIST (\HasNoChildren) "/" a/b
            S: * LIST (\HasNoChildren) "/" a2
            S: 4 OK …
            "#,
        )
        .await;
}

#[tokio::test]
async fn renaming_inbox_moves_its_messages_and_leaves_it_empty() {
    let server = Server::with_messages(2).await;
    let mut other = server.select().await;
    server
        .session(
            r#"
            C: 1 CREATE INBOX/bar
            S: 1 OK …
            C: 2 RENAME inbox old/mail
            S: 2 OK …
            C: 3 LIST "" (INBOX* old*)
            S: * LIST (\HasChildren) "/" INBOX
            S: * LIST (\HasNoChildren) "/" INBOX/bar
            S: * LIST (\HasChildren) "/" old
            S: * LIST (\HasNoChildren) "/" old/mail
            S: 3 OK …
            C: 4 STATUS INBOX (MESSAGES UIDNEXT)
            S: * STATUS INBOX (MESSAGES 0 UIDNEXT 3)
            S: 4 OK …
            C: 5 STATUS old/mail (MESSAGES)
            S: * STATUS old/mail (MESSAGES 2)
            S: 5 OK …
            "#,
        )
        .await;
    other.says("C: 1 NOOP\nS: * 1 EXPUNGE\nS: * 1 EXPUNGE\nS: 1 OK …").await;
}

#[tokio::test]
async fn a_session_stays_in_a_mailbox_that_is_renamed_and_subscriptions_stay_with_the_name() {
    let server = Server::start().await;
    let mut client = server.login().await;
    client
        .says(
            r#"
            C: 1 SELECT Trash
            S…
            S: 1 OK [READ-WRITE] …
            C: 2 RENAME Trash Bin
            S: 2 OK …
            C: 3 APPEND Bin {5+}
            C: a: b
            S: * 1 EXISTS
            S: * 1 RECENT
            S: 3 OK [APPENDUID …
            C: 4 LIST (SUBSCRIBED) "" (Trash Bin)
            S: * LIST (\NonExistent \Noselect \HasNoChildren \Subscribed) "/" Trash
            S: 4 OK …
            C: 5 LIST (SPECIAL-USE) "" (Trash Bin)
            S: * LIST (\HasNoChildren \Trash) "/" Bin
            S: 5 OK …
            "#,
        )
        .await;
}
