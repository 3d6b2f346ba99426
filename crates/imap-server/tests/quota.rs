//! The bound on an account's mail: what would exceed it is refused with OVERQUOTA (RFC 5530 §3), and nothing is lost.

mod common;

use common::{Server, Setup};
use postrider_store::StoreOptions;

#[tokio::test]
async fn what_would_exceed_the_quota_is_refused_and_the_rest_goes_on() {
    let store = StoreOptions { quota_bytes: Some(39), ..StoreOptions::default() };
    let server = Server::start_with(Setup { store, ..Setup::default() }).await;
    let text = "
        C: a APPEND INBOX {29+}
        C: Subject: twenty-nine octets!!
        S: a OK [APPENDUID …
        C: b APPEND INBOX {11+}
        C: Subject: b.
        S: b NO [OVERQUOTA] …
        C: c SELECT INBOX
        S…
        S: * 1 EXISTS
        S…
        S: c OK …
        C: d COPY 1 Archive
        S: d NO [OVERQUOTA] …
        C: e MOVE 1 Archive
        S: * OK [COPYUID …
        S: * 1 EXPUNGE
        S: e OK …
        C: f APPEND INBOX {10+}
        C: Subject: b
        S: * 1 EXISTS
        S: * 1 RECENT
        S: f OK [APPENDUID …
        ";
    server.login().await.says(text).await;
}
