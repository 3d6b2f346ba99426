//! CREATE: superiors, special uses, object ids, and names that are refused (RFC 9051 §6.3.4, RFC 6154 §3, RFC 8474 §4.1).

mod common;

use common::Server;

#[tokio::test]
async fn superiors_are_created_too_and_a_trailing_separator_is_no_part_of_the_name() {
    let server = Server::start().await;
    server
        .session(
            r#"
            C: 1 CREATE owatagusiam/
            S: 1 OK [MAILBOXID (…)] …
            C: 2 CREATE owatagusiam/blurdybloop
            S: 2 OK [MAILBOXID (…)] …
            C: 3 CREATE foo/bar/zap
            S: 3 OK …
            C: 4 LIST "" (o* f*)
            S: * LIST (\HasChildren) "/" foo
            S: * LIST (\HasChildren) "/" foo/bar
            S: * LIST (\HasNoChildren) "/" foo/bar/zap
            S: * LIST (\HasChildren) "/" owatagusiam
            S: * LIST (\HasNoChildren) "/" owatagusiam/blurdybloop
            S: 4 OK …
            C: 5 CREATE foo/bar/
            S: 5 NO [ALREADYEXISTS] …
            C: 6 CREATE owatagusiam
            S: 6 NO [ALREADYEXISTS] …
            # A new name is not subscribed unasked.
            C: 7 LIST (SUBSCRIBED) "" foo*
            S: 7 OK …
            "#,
        )
        .await;
}

#[tokio::test]
async fn inbox_exists_in_every_spelling_and_may_have_mailboxes_below() {
    let server = Server::start().await;
    server
        .session(
            r#"
            C: 1 CREATE inbox
            S: 1 NO [ALREADYEXISTS] …
            C: 2 CREATE InBox/work
            S: 2 OK …
            C: 3 LIST "" inbox*
            S: * LIST (\HasChildren) "/" INBOX
            S: * LIST (\HasNoChildren) "/" INBOX/work
            S: 3 OK …
            C: 4 CREATE INBOX/work
            S: 4 NO [ALREADYEXISTS] …
            # INBOX is the first level alone.
            C: 5 CREATE foo/inbox
            S: 5 OK …
            C: 6 CREATE foo/INBOX
            S: 6 OK …
            "#,
        )
        .await;
}

#[tokio::test]
async fn names_that_cannot_be_are_refused() {
    let server = Server::start().await;
    let mut client = server.login().await;
    let long = "x".repeat(500);
    let deep = vec!["a"; 40].join("/");
    for (name, code) in [
        ("\"\"", "CANNOT"),
        ("/", "CANNOT"),
        ("a//b", "CANNOT"),
        ("/a", "CANNOT"),
        ("a//", "CANNOT"),
        ("..", "CANNOT"),
        ("a/../b", "CANNOT"),
        ("\"a\tb\"", "CANNOT"),
        ("a&AAk-", "CANNOT"),
        ("a&ICg-", "CANNOT"),
        ("a&", "CANNOT"),
        (long.as_str(), "LIMIT"),
        (deep.as_str(), "LIMIT"),
    ] {
        client.says(&format!("C: c CREATE {name}\nS: c NO [{code}] …")).await;
    }
    for arguments in ["", "a b", "a (NOSUCH)", "a (USE \\Trash)", "a (USE (Trash))"] {
        client.says(&format!("C: b CREATE {arguments}\nS: b BAD …")).await;
    }
}

#[tokio::test]
async fn special_uses_are_given_once() {
    let server = Server::start().await;
    server
        .session(
            r#"
            C: 1 CREATE Bin (USE (\Trash))
            S: 1 NO [USEATTR] …
            C: 2 DELETE Trash
            S: 2 OK …
            C: 3 CREATE Bin (USE (\Trash))
            S: 3 OK …
            C: 4 DELETE Sent
            S: 4 OK …
            C: 5 DELETE Archive
            S: 5 OK …
            C: 6 CREATE Old (USE (\sent \ARCHIVE))
            S: 6 OK …
            C: 7 LIST (SPECIAL-USE) "" (Bin Old)
            S: * LIST (\HasNoChildren \Trash) "/" Bin
            S: * LIST (\HasNoChildren \Archive \Sent) "/" Old
            S: 7 OK …
            # RFC 6154 §3: what is not supported is refused, and nothing is created.
            C: 8 CREATE Everything (USE (\All))
            S: 8 NO [USEATTR] …
            C: 9 LIST "" Everything
            S: 9 OK …
            C: 10 CREATE Plain (USE ())
            S: 10 OK …
            "#,
        )
        .await;
}

#[tokio::test]
async fn a_name_that_comes_back_has_another_id_and_a_larger_uidvalidity() {
    let server = Server::start().await;
    server
        .session(
            "
            C: 1 CREATE again
            S: 1 OK [MAILBOXID (F7)] …
            C: 2 STATUS again (UIDVALIDITY MAILBOXID)
            S: * STATUS again (UIDVALIDITY 1700000006 MAILBOXID (F7))
            S: 2 OK …
            C: 3 DELETE again
            S: 3 OK …
            C: 4 CREATE again
            S: 4 OK [MAILBOXID (F8)] …
            C: 5 STATUS again (UIDVALIDITY MAILBOXID)
            S: * STATUS again (UIDVALIDITY 1700000007 MAILBOXID (F8))
            S: 5 OK …
            ",
        )
        .await;
}

#[tokio::test]
async fn a_letter_and_its_accent_are_one_name_however_they_are_written() {
    let server = Server::start().await;
    let mut client = server.login().await;
    // RFC 9051 §5.1: such a name is converted, and then accepted by all commands.
    let (composed, decomposed) = ("Entw\u{fc}rfe", "Entwu\u{308}rfe");
    client
        .says(&format!(
            r#"
            C: 1 ENABLE IMAP4rev2
            S: * ENABLED IMAP4rev2
            S: 1 OK …
            C: 2 CREATE "{decomposed}"
            S: * LIST (\HasNoChildren) "/" "{composed}" ("OLDNAME" ("{decomposed}"))
            S: 2 OK …
            C: 3 CREATE "{composed}"
            S: 3 NO [ALREADYEXISTS] …
            C: 4 STATUS "{decomposed}" (MESSAGES)
            S: * STATUS "{composed}" (MESSAGES 0)
            S: 4 OK …
            C: 5 LIST "" "{decomposed}*"
            S: * LIST (\HasNoChildren) "/" "{composed}"
            S: 5 OK …
            C: 6 CREATE "{composed} 2"
            S: 6 OK …
            C: 7 SUBSCRIBE "{decomposed}"
            S: 7 OK …
            C: 8 LSUB "" "{decomposed}"
            S: * LSUB () "/" "{composed}"
            S: 8 OK …
            "#
        ))
        .await;
    let mut older = server.login().await;
    older.says("C: 1 STATUS Entwu&Awg-rfe (MESSAGES)\nS: * STATUS Entw&APw-rfe (MESSAGES 0)\nS: 1 OK …").await;
}
