//! LIST: patterns, selection and return options (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154), and LSUB.

mod common;

use common::{Client, Server};
use tokio::io::DuplexStream;

/// The hierarchy of the examples of RFC 5258 §5, beside what every account begins with.
async fn fruit() -> (Server, Client<DuplexStream>) {
    let server = Server::with_messages(1).await;
    let mut client = server.login().await;
    for name in ["Archive", "Drafts", "Junk", "Sent", "Trash"] {
        client.says(&format!("C: d DELETE {name}\nS: d OK …\nC: u UNSUBSCRIBE {name}\nS: u OK …")).await;
    }
    for name in ["Fruit/Apple", "Fruit/Banana", "Tofu", "Vegetable/Broccoli", "Vegetable/Corn"] {
        client.says(&format!("C: c CREATE {name}\nS: c OK …")).await;
    }
    for name in ["Fruit/Banana", "Fruit/Peach", "Vegetable", "Vegetable/Broccoli"] {
        client.says(&format!("C: s SUBSCRIBE {name}\nS: s OK …")).await;
    }
    (server, client)
}

/// Asks and expects these untagged responses.
async fn lists(client: &mut Client<DuplexStream>, arguments: &str, told: &[&str]) {
    let told: String = told.iter().map(|line| format!("S: * LIST {line}\n")).collect();
    client.says(&format!("C: l LIST {arguments}\n{told}S: l OK …")).await;
}

const INBOX: &str = r#"(\HasNoChildren) "/" INBOX"#;
const FRUIT: &str = r#"(\HasChildren) "/" Fruit"#;
const APPLE: &str = r#"(\HasNoChildren) "/" Fruit/Apple"#;
const BANANA: &str = r#"(\HasNoChildren) "/" Fruit/Banana"#;
const TOFU: &str = r#"(\HasNoChildren) "/" Tofu"#;
const VEGETABLE: &str = r#"(\HasChildren) "/" Vegetable"#;
const BROCCOLI: &str = r#"(\HasNoChildren) "/" Vegetable/Broccoli"#;
const CORN: &str = r#"(\HasNoChildren) "/" Vegetable/Corn"#;

#[tokio::test]
async fn patterns_and_references_choose_names() {
    let (_server, mut client) = fruit().await;
    let all = [INBOX, FRUIT, APPLE, BANANA, TOFU, VEGETABLE, BROCCOLI, CORN];
    for (arguments, told) in [
        (r#""" *"#, &all[..]),
        (r#""" "*""#, &all),
        (r#""" %"#, &[INBOX, FRUIT, TOFU, VEGETABLE]),
        (r#""" %/%"#, &[APPLE, BANANA, BROCCOLI, CORN]),
        (r#""" %/%/%"#, &[]),
        (r#""" Fruit"#, &[FRUIT]),
        (r#""" fruit"#, &[]),
        (r#""" Fruit*"#, &[FRUIT, APPLE, BANANA]),
        (r#""" Fruit/*"#, &[APPLE, BANANA]),
        (r#"Fruit/ %"#, &[APPLE, BANANA]),
        (r#"Fruit/ *an*"#, &[BANANA]),
        (r#"Fru it/Apple"#, &[APPLE]),
        (r#""" %of%"#, &[TOFU]),
        (r#""" *ap"#, &[]),
        (r#""" inbox"#, &[INBOX]),
        (r#""" InB%"#, &[INBOX]),
        (r#""" iNbOx*"#, &[INBOX]),
        (r#""" None"#, &[]),
        // RFC 5258 §3: several patterns; each name once.
        (r#""" (Tofu "Fruit/%" T*)"#, &[APPLE, BANANA, TOFU]),
        (r#""" (INBOX %)"#, &[INBOX, FRUIT, TOFU, VEGETABLE]),
        (r#"Vegetable/ (Corn Fruit)"#, &[CORN]),
    ] {
        lists(&mut client, arguments, told).await;
    }
}

#[tokio::test]
async fn an_empty_pattern_asks_for_the_separator() {
    let (_server, mut client) = fruit().await;
    lists(&mut client, r#""" """#, &[r#"(\Noselect) "/" """#]).await;
    lists(&mut client, r#"Fruit/ """#, &[r#"(\Noselect) "/" """#]).await;
    // Not in the extended form: there an empty pattern matches no name (RFC 5258 §3).
    lists(&mut client, r#"() "" """#, &[]).await;
    lists(&mut client, r#""" ("")"#, &[]).await;
}

#[tokio::test]
async fn subscribed_names_are_selected_or_marked() {
    let (_server, mut client) = fruit().await;
    let subscribed = [
        r#"(\HasNoChildren \Subscribed) "/" INBOX"#,
        r#"(\HasNoChildren \Subscribed) "/" Fruit/Banana"#,
        r#"(\NonExistent \Noselect \HasNoChildren \Subscribed) "/" Fruit/Peach"#,
        r#"(\HasChildren \Subscribed) "/" Vegetable"#,
        r#"(\HasNoChildren \Subscribed) "/" Vegetable/Broccoli"#,
    ];
    lists(&mut client, r#"(SUBSCRIBED) "" *"#, &subscribed).await;
    lists(&mut client, r#"(SUBSCRIBED REMOTE) "" * RETURN (SUBSCRIBED)"#, &subscribed).await;
    lists(&mut client, r#"(SUBSCRIBED) "" %"#, &[subscribed[0], subscribed[3]]).await;
    lists(
        &mut client,
        r#""" * RETURN (SUBSCRIBED)"#,
        &[subscribed[0], FRUIT, APPLE, subscribed[1], TOFU, subscribed[3], subscribed[4], CORN],
    )
    .await;
}

#[tokio::test]
async fn recursive_match_tells_of_children_that_are_not_told_themselves() {
    let (_server, mut client) = fruit().await;
    lists(
        &mut client,
        r#"(SUBSCRIBED RECURSIVEMATCH) "" %"#,
        &[
            r#"(\HasNoChildren \Subscribed) "/" INBOX"#,
            r#"(\HasChildren) "/" Fruit ("CHILDINFO" ("SUBSCRIBED"))"#,
            r#"(\HasChildren \Subscribed) "/" Vegetable ("CHILDINFO" ("SUBSCRIBED"))"#,
        ],
    )
    .await;
    // RFC 5258 §3.5: Fruit itself is not subscribed, and both of its children that are come here too.
    lists(
        &mut client,
        r#"(RECURSIVEMATCH SUBSCRIBED) "" *"#,
        &[
            r#"(\HasNoChildren \Subscribed) "/" INBOX"#,
            r#"(\HasNoChildren \Subscribed) "/" Fruit/Banana"#,
            r#"(\NonExistent \Noselect \HasNoChildren \Subscribed) "/" Fruit/Peach"#,
            r#"(\HasChildren \Subscribed) "/" Vegetable ("CHILDINFO" ("SUBSCRIBED"))"#,
            r#"(\HasNoChildren \Subscribed) "/" Vegetable/Broccoli"#,
        ],
    )
    .await;
    for options in ["RECURSIVEMATCH", "RECURSIVEMATCH REMOTE", "SPECIAL-USE RECURSIVEMATCH", "NOSUCH"] {
        client.says(&format!("C: b LIST ({options}) \"\" *\nS: b BAD …")).await;
    }
    client.says("C: c LIST \"\" * RETURN (NOSUCH)\nS: c BAD …\nC: d LIST \"\" * CHILDREN\nS: d BAD …").await;
}

/// Example 9 of RFC 5258 §5; redundant CHILDINFO is left out, as §3.5 asks.
#[tokio::test]
async fn child_info_stands_where_a_child_is_not_told_itself() {
    let (_server, mut client) = fruit().await;
    client.says("C: u UNSUBSCRIBE INBOX\nS: u OK …").await;
    for name in ["foo2/bar1", "foo2/bar2", "baz2/bar2", "baz2/bar22", "baz2/bar222", "eps2/mamba", "qux2/bar2"] {
        client.says(&format!("C: c CREATE {name}\nS: c OK …\nC: s SUBSCRIBE {name}\nS: s OK …")).await;
    }
    client.says("C: s SUBSCRIBE eps2\nS: s OK …\nC: d DELETE qux2\nS: d OK …").await;
    lists(
        &mut client,
        r#"(RECURSIVEMATCH SUBSCRIBED) "" *2"#,
        &[
            r#"(\HasNoChildren \Subscribed) "/" baz2/bar2"#,
            r#"(\HasNoChildren \Subscribed) "/" baz2/bar22"#,
            r#"(\HasNoChildren \Subscribed) "/" baz2/bar222"#,
            r#"(\HasChildren \Subscribed) "/" eps2 ("CHILDINFO" ("SUBSCRIBED"))"#,
            r#"(\HasChildren) "/" foo2 ("CHILDINFO" ("SUBSCRIBED"))"#,
            r#"(\HasNoChildren \Subscribed) "/" foo2/bar2"#,
            r#"(\HasNoChildren \Subscribed) "/" qux2/bar2"#,
        ],
    )
    .await;
    // Over more than one level.
    client.says("C: c CREATE deep2/x/y\nS: c OK …\nC: s SUBSCRIBE deep2/x/y\nS: s OK …").await;
    lists(
        &mut client,
        r#"(RECURSIVEMATCH SUBSCRIBED) "" deep%"#,
        &[r#"(\HasChildren) "/" deep2 ("CHILDINFO" ("SUBSCRIBED"))"#],
    )
    .await;
}

#[tokio::test]
async fn status_comes_behind_each_name_that_was_asked_for_and_can_be_selected() {
    let (_server, mut client) = fruit().await;
    client
        .says(
            r#"
            C: 1 LIST "" % RETURN (STATUS (MESSAGES UNSEEN))
            S: * LIST (\HasNoChildren) "/" INBOX
            S: * STATUS INBOX (MESSAGES 1 UNSEEN 1)
            S: * LIST (\HasChildren) "/" Fruit
            S: * STATUS Fruit (MESSAGES 0 UNSEEN 0)
            S: * LIST (\HasNoChildren) "/" Tofu
            S: * STATUS Tofu (MESSAGES 0 UNSEEN 0)
            S: * LIST (\HasChildren) "/" Vegetable
            S: * STATUS Vegetable (MESSAGES 0 UNSEEN 0)
            S: 1 OK …
            # RFC 5819 §3: Fruit is told for its children only; Peach does not exist.
            C: 2 LIST (SUBSCRIBED RECURSIVEMATCH) "" (Fruit% Fruit/P%) RETURN (CHILDREN STATUS (MESSAGES))
            S: * LIST (\HasChildren) "/" Fruit ("CHILDINFO" ("SUBSCRIBED"))
            S: * LIST (\NonExistent \Noselect \HasNoChildren \Subscribed) "/" Fruit/Peach
            S: 2 OK …
            C: 3 LIST "" INBOX RETURN (STATUS ())
            S: 3 BAD …
            C: 4 LIST "" INBOX RETURN (STATUS (NOSUCH))
            S: 4 BAD …
            "#,
        )
        .await;
}

#[tokio::test]
async fn a_level_without_a_mailbox_is_told_where_others_lie_below_it() {
    let (_server, mut client) = fruit().await;
    client.says("C: 1 DELETE Fruit\nS: 1 OK …").await;
    let level = r#"(\NonExistent \Noselect \HasChildren) "/" Fruit"#;
    lists(&mut client, r#""" %"#, &[INBOX, level, TOFU, VEGETABLE]).await;
    lists(&mut client, r#""" F*"#, &[level, APPLE, BANANA]).await;
    lists(&mut client, r#""" Fruit RETURN (CHILDREN STATUS (MESSAGES))"#, &[level]).await;
    lists(
        &mut client,
        r#"(SUBSCRIBED RECURSIVEMATCH) "" F%"#,
        &[r#"(\NonExistent \Noselect \HasChildren) "/" Fruit ("CHILDINFO" ("SUBSCRIBED"))"#],
    )
    .await;
    // Only names that meet the selection are told, and a level is none of them.
    lists(&mut client, r#"(SUBSCRIBED) "" F%"#, &[]).await;
    lists(&mut client, r#"(SPECIAL-USE) "" %"#, &[]).await;
    client.says("C: 2 SELECT Fruit\nS: 2 NO [NONEXISTENT] …\nC: 3 DELETE Fruit\nS: 3 NO [HASCHILDREN] …").await;
    client.says("C: 4 DELETE Fruit/Apple\nS: 4 OK …\nC: 5 DELETE Fruit/Banana\nS: 5 OK …").await;
    lists(&mut client, r#""" F*"#, &[]).await;
}

#[tokio::test]
async fn special_uses_are_told_and_selected() {
    let server = Server::start().await;
    let mut client = server.login().await;
    let special = [
        r#"(\HasNoChildren \Archive) "/" Archive"#,
        r#"(\HasNoChildren \Drafts) "/" Drafts"#,
        r#"(\HasNoChildren \Junk) "/" Junk"#,
        r#"(\HasNoChildren \Sent) "/" Sent"#,
        r#"(\HasNoChildren \Trash) "/" Trash"#,
    ];
    lists(&mut client, r#"(SPECIAL-USE) "" *"#, &special).await;
    let with_inbox: Vec<&str> = std::iter::once(INBOX).chain(special).collect();
    lists(&mut client, r#""" % RETURN (SPECIAL-USE)"#, &with_inbox).await;
    client.says("C: 1 UNSUBSCRIBE Junk\nS: 1 OK …").await;
    lists(&mut client, r#"(SPECIAL-USE SUBSCRIBED) "" (J% S%)"#, &[r#"(\HasNoChildren \Sent \Subscribed) "/" Sent"#])
        .await;
}

#[tokio::test]
async fn names_are_in_modified_utf7_until_the_client_reads_utf8() {
    let server = Server::start().await;
    let mut client = server.login().await;
    client
        .says(
            r#"
            C: 1 CREATE Entw&APw-rfe
            S: 1 OK …
            C: 2 CREATE "Q&-A"
            S: 2 OK …
            C: 3 LIST "" "Entw&APw-%"
            S: * LIST (\HasNoChildren) "/" Entw&APw-rfe
            S: 3 OK …
            C: 4 LIST "" Q*
            S: * LIST (\HasNoChildren) "/" Q&-A
            S: 4 OK …
            C: 5 CREATE "Entwürfe"
            S: 5 NO [CANNOT] …
            C: 6 CREATE Entw&APw-rf&AGU-
            S: 6 NO [CANNOT] …
            C: 7 STATUS Entw&APw-rfe (MESSAGES)
            S: * STATUS Entw&APw-rfe (MESSAGES 0)
            S: 7 OK …
            "#,
        )
        .await;
    for enabled in ["IMAP4rev2", "UTF8=ACCEPT"] {
        let mut client = server.login().await;
        client
            .says(&format!(
                r#"
                C: 1 ENABLE {enabled}
                S: * ENABLED {enabled}
                S: 1 OK …
                C: 2 LIST "" "Entwü%"
                S: * LIST (\HasNoChildren) "/" "Entwürfe"
                S: 2 OK …
                C: 3 LIST "" "Q&A"
                S: * LIST (\HasNoChildren) "/" Q&A
                S: 3 OK …
                C: 4 STATUS "Entwürfe" (MESSAGES)
                S: * STATUS "Entwürfe" (MESSAGES 0)
                S: 4 OK …
                C: 5 STATUS Entw&APw-rfe (MESSAGES)
                S: 5 NO [NONEXISTENT] …
                "#
            ))
            .await;
    }
}

#[tokio::test]
async fn lsub_tells_of_subscribed_names_and_of_levels_above_them() {
    let (_server, mut client) = fruit().await;
    client
        .says(
            r#"
            C: 1 LSUB "" *
            S: * LSUB () "/" Fruit/Banana
            S: * LSUB () "/" Fruit/Peach
            S: * LSUB () "/" INBOX
            S: * LSUB () "/" Vegetable
            S: * LSUB () "/" Vegetable/Broccoli
            S: 1 OK …
            # RFC 3501 §6.3.9: "foo" is told for "foo/bar", and cannot be selected.
            C: 2 LSUB "" %
            S: * LSUB (\Noselect) "/" Fruit
            S: * LSUB () "/" INBOX
            S: * LSUB () "/" Vegetable
            S: 2 OK …
            C: 3 LSUB Fruit/ %
            S: * LSUB () "/" Fruit/Banana
            S: * LSUB () "/" Fruit/Peach
            S: 3 OK …
            C: 4 LSUB "" inbox
            S: * LSUB () "/" INBOX
            S: 4 OK …
            C: 5 LSUB "" None
            S: 5 OK …
            "#,
        )
        .await;
}
