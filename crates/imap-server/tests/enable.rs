//! ENABLE (RFC 9051 §6.3.1, RFC 5161).

mod common;

use common::Server;

#[tokio::test]
async fn what_was_enabled_is_told_and_the_unknown_is_passed_over() {
    let server = Server::start().await;
    let text = "
        C: a ENABLE CONDSTORE
        S: * ENABLED CONDSTORE
        S: a OK …
        C: b enable condstore qresync X-UNKNOWN imap4rev2 utf8=accept
        S: * ENABLED CONDSTORE QRESYNC IMAP4rev2 UTF8=ACCEPT
        S: b OK …
        C: c ENABLE X-UNKNOWN IDLE
        S: * ENABLED
        S: c OK …
        C: d ENABLE
        S: d BAD …";
    server.session(text).await;
}

#[tokio::test]
async fn mailbox_names_are_in_utf8_once_that_is_enabled() {
    let server = Server::start().await;
    for enabled in ["UTF8=ACCEPT", "IMAP4rev2"] {
        let text = format!(
            "
            C: a CREATE &AOQ-
            S: a …
            C: b LIST \"\" &AOQ-
            S: * LIST (…) \"/\" &AOQ-
            S: b OK …
            C: c ENABLE {enabled}
            S: * ENABLED {enabled}
            S: c OK …
            C: d LIST \"\" \"ä\"
            S: * LIST (…) \"/\" \"ä\"
            S: d OK …"
        );
        server.session(&text).await;
    }
}

#[tokio::test]
async fn enabling_condstore_with_a_mailbox_selected_tells_its_highest_mod_sequence() {
    let server = Server::with_messages(2).await;
    let text = "
        C: a ENABLE QRESYNC
        S: * OK [HIGHESTMODSEQ …] …
        S: * ENABLED QRESYNC
        S: a OK …
        C: b ENABLE CONDSTORE
        S: * ENABLED CONDSTORE
        S: b OK …";
    server.selected(text).await;
}
