//! CONDSTORE (RFC 7162 §3.1).

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{ALICE, Server, message};
use postrider_store::INBOX;

/// The highest mod-sequence of alice's INBOX.
async fn highest(server: &Server) -> u64 {
    server.account(ALICE).await.state().find(INBOX).unwrap().record.highest_modseq.0
}

#[tokio::test]
async fn every_way_to_ask_for_mod_sequences_enables_them() {
    // RFC 7162 §3.1
    for (command, enables) in [
        ("SELECT INBOX (CONDSTORE)", true),
        ("EXAMINE INBOX (CONDSTORE)", true),
        ("STATUS INBOX (HIGHESTMODSEQ)", true),
        ("FETCH 1 (MODSEQ)", true),
        ("FETCH 1 (FLAGS) (CHANGEDSINCE 1)", true),
        ("STORE 1 (UNCHANGEDSINCE 1) FLAGS ()", true),
        ("SEARCH MODSEQ 1", true),
        ("ENABLE CONDSTORE", true),
        ("ENABLE QRESYNC", true),
        ("FETCH 1 (FLAGS)", false),
        ("SELECT INBOX", false),
    ] {
        let server = Server::with_messages(2).await;
        let mut client = server.select().await;
        client.says(&format!("C: a {command}\nS…\nS: a OK …")).await;
        server.selected("C: a STORE 2 +FLAGS.SILENT (\\Seen)\nS: a OK …").await;
        let modseq = if enables { format!(" MODSEQ ({})", highest(&server).await) } else { String::new() };
        client.says(&format!("C: b NOOP\nS: * 2 FETCH (UID 2 FLAGS (…\\Seen){modseq})\nS: b OK …")).await;
    }
}

#[tokio::test]
async fn enabling_with_a_mailbox_selected_tells_from_where_mod_sequences_count() {
    for (command, answer) in [
        ("STATUS INBOX (HIGHESTMODSEQ)", "S: * STATUS INBOX (HIGHESTMODSEQ {n})"),
        ("FETCH 1 (MODSEQ)", "S: * 1 FETCH (MODSEQ ({n}))"),
        ("SEARCH MODSEQ {n}", "S: * SEARCH 1 (MODSEQ {n})"),
    ] {
        let server = Server::with_messages(1).await;
        let n = highest(&server).await;
        let text = format!("C: a {command}\nS: * OK [HIGHESTMODSEQ {n}] …\n{answer}\nS: a OK …");
        server.selected(&text.replace("{n}", &n.to_string())).await;
    }
}

#[tokio::test]
async fn changedsince_gives_only_what_changed_and_its_mod_sequence() {
    let server = Server::with_messages(3).await;
    let mut client = server.select_with("CONDSTORE").await;
    let before = highest(&server).await;
    client
        .says(&format!(
            "C: a STORE 2 +FLAGS (\\Seen)\nS: * 2 FETCH (UID 2 FLAGS (…) MODSEQ ({}))\nS: a OK …",
            before + 1
        ))
        .await;
    let text = format!(
        r"
        C: b FETCH 1:* (FLAGS) (CHANGEDSINCE {before})
        S: * 2 FETCH (FLAGS (\Recent \Seen) MODSEQ ({after}))
        S: b OK …
        C: c UID FETCH 1:* (FLAGS) (CHANGEDSINCE {before})
        S: * 2 FETCH (UID 2 FLAGS (\Recent \Seen) MODSEQ ({after}))
        S: c OK …
        C: d UID FETCH 1:* (FLAGS) (CHANGEDSINCE {after})
        S: d OK …",
        after = before + 1
    );
    client.says(&text).await;
}

#[tokio::test]
async fn search_by_mod_sequence_tells_the_highest_that_was_found() {
    let server = Server::with_messages(3).await;
    let mut client = server.select_with("CONDSTORE").await;
    let n = highest(&server).await;
    let text = format!(
        r#"
        C: a SEARCH MODSEQ {n}
        S: * SEARCH 3 (MODSEQ {n})
        S: a OK …
        C: b SEARCH MODSEQ "/flags/\\draft" all 1 NOT 3
        S: * SEARCH 1 2 (MODSEQ {m})
        S: b OK …
        C: c UID SEARCH RETURN (ALL) MODSEQ 1
        S: * ESEARCH (TAG "c") UID ALL 1:3 MODSEQ {n}
        S: c OK …
        C: d SEARCH RETURN (MIN) MODSEQ 1
        S: * ESEARCH (TAG "d") MIN 1 MODSEQ {l}
        S: d OK …
        C: e SEARCH MODSEQ {h}
        S: * SEARCH
        S: e OK …"#,
        m = n - 1,
        l = n - 2,
        h = n + 1,
    );
    client.says(&text).await;
}

#[tokio::test]
async fn each_change_has_a_higher_mod_sequence_and_no_change_has_none() {
    let server = Server::with_messages(2).await;
    let mut client = server.select_with("CONDSTORE").await;
    let n = highest(&server).await;
    let text = format!(
        r"
        C: a STORE 1:2 +FLAGS.SILENT (\Seen)
        S: * 1 FETCH (UID 1 MODSEQ ({m}))
        S: * 2 FETCH (UID 2 MODSEQ ({m}))
        S: a OK …
        C: b STORE 1 +FLAGS.SILENT (\Seen)
        S: b OK …
        C: c FETCH 1 (MODSEQ BODY[TEXT])
        S: * 1 FETCH (MODSEQ ({m}) BODY[TEXT] {{8}}
        S: text 1
        S: )
        S: c OK …
        C: d STATUS INBOX (HIGHESTMODSEQ)
        S: * STATUS INBOX (HIGHESTMODSEQ {m})
        S: d OK …",
        m = n + 1,
    );
    client.says(&text).await;
    server.append(INBOX, Vec::new(), message(3)).await;
    let text = format!(
        "
        C: a NOOP
        S: * 3 EXISTS
        S: * 3 RECENT
        S: a OK …
        C: b FETCH 3 MODSEQ
        S: * 3 FETCH (MODSEQ ({}))
        S: b OK …",
        n + 2,
    );
    client.says(&text).await;
}
