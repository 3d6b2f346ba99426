//! QRESYNC (RFC 7162 §3.2).

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{ALICE, Server, Setup, message};
use postrider_store::{ExpungeOnly, Flag, FlagMode, INBOX, StoreFlags, StoreOptions, Uid, UidSet};

/// What a client knew of alice's INBOX when it left.
struct Left {
    server: Server,
    uid_validity: u32,
    modseq: u64,
}

/// Ten messages were known; then 2 to 4 and 7 went, 5 and 9 were flagged and 11 arrived.
async fn left(options: StoreOptions) -> Left {
    let server = Server::start_with(Setup { store: options, ..Setup::default() }).await;
    server.fill(INBOX, 10).await;
    let account = server.account(ALICE).await;
    let mailbox = account.state().find(INBOX).unwrap().clone();
    let (uid_validity, modseq) = (mailbox.record.uid_validity.0, mailbox.record.highest_modseq.0);
    expunge(&server, &[2, 3, 4, 7]).await;
    for uid in [5, 9] {
        let wish = StoreFlags {
            mailbox: mailbox.id,
            uids: UidSet::from_iter([Uid(uid)]),
            mode: FlagMode::Add,
            flags: vec![Flag::Flagged],
            unchanged_since: None,
        };
        account.store_flags(wish).await.unwrap();
    }
    server.append(INBOX, Vec::new(), message(11)).await;
    // Somebody else took the recent messages.
    server.select().await;
    Left { server, uid_validity, modseq }
}

async fn expunge(server: &Server, uids: &[u32]) {
    let account = server.account(ALICE).await;
    let inbox = account.state().find(INBOX).unwrap().id;
    for &uid in uids {
        account.expunge(inbox, Some(UidSet::from_iter([Uid(uid)])), ExpungeOnly::Named).await.unwrap();
    }
}

impl Left {
    /// Comes back with these parameters behind the mod-sequence; `expected` follows the usual lines of SELECT.
    async fn comes_back(&self, parameters: &str, expected: &str) {
        let text = format!(
            "
            C: a ENABLE QRESYNC
            S: * ENABLED QRESYNC
            S: a OK …
            C: b SELECT INBOX (QRESYNC ({} {}{parameters}))
            S…
            S: * OK [MAILBOXID …
            {expected}
            S: b OK [READ-WRITE] …",
            self.uid_validity, self.modseq
        );
        self.server.session(&text.replace("{5}", &(self.modseq + 5).to_string())).await;
    }
}

/// The changes of flags that came after the four expunges, and the message that arrived after them.
fn changed(modseq: u64) -> String {
    format!(
        r"
        S: * 2 FETCH (UID 5 FLAGS (\Flagged) MODSEQ ({}))
        S: * 5 FETCH (UID 9 FLAGS (\Flagged) MODSEQ ({}))
        S: * 7 FETCH (UID 11 FLAGS () MODSEQ ({}))",
        modseq + 5,
        modseq + 6,
        modseq + 7,
    )
}

#[tokio::test]
async fn select_tells_what_vanished_and_what_changed() {
    let left = left(StoreOptions::default()).await;
    left.comes_back("", &format!("S: * VANISHED (EARLIER) 2:4,7\n{}", changed(left.modseq))).await;
}

#[tokio::test]
async fn known_uids_restrict_the_answer() {
    let left = left(StoreOptions::default()).await;
    let expected =
        format!("S: * VANISHED (EARLIER) 3\nS: * 2 FETCH (UID 5 FLAGS (\\Flagged) MODSEQ ({}))", left.modseq + 5);
    left.comes_back(" 1,3,5:6", &expected).await;
    left.comes_back(" 1,6", "").await;
    left.comes_back(" 7", "S: * VANISHED (EARLIER) 7").await;
}

#[tokio::test]
async fn a_client_that_knows_everything_is_told_nothing() {
    let left = left(StoreOptions::default()).await;
    let left = Left { modseq: left.modseq + 7, ..left };
    left.comes_back("", "").await;
}

#[tokio::test]
async fn another_uidvalidity_means_that_nothing_is_known() {
    let left = left(StoreOptions::default()).await;
    let left = Left { uid_validity: left.uid_validity - 1, ..left };
    left.comes_back(" 1:10", "").await;
}

#[tokio::test]
async fn numbers_that_still_match_shorten_the_answer() {
    // RFC 7162 §3.2.5.2: nothing before a message whose number is the same went.
    let left = left(StoreOptions { changes_kept_max: 1, ..StoreOptions::default() }).await;
    let all = changed(left.modseq);
    left.comes_back(
        " 1:10 (1,5,10 1,5,10)",
        &format!("S: * VANISHED (EARLIER) 2:4,7\n{}", all.rsplit_once('\n').unwrap().0),
    )
    .await;
    let left = Left { modseq: left.modseq - 1, ..left };
    expunge(&left.server, &[11]).await;
    // The client knows of 2 to 4: its numbers 1 to 3 are UIDs 1, 5 and 6.
    let text = format!(
        r"
        S: * VANISHED (EARLIER) 7,11
        S: * 2 FETCH (UID 5 FLAGS (\Flagged) MODSEQ ({}))
        S: * 5 FETCH (UID 9 FLAGS (\Flagged) MODSEQ ({}))
        S: * 6 FETCH (UID 10 FLAGS () MODSEQ ({}))",
        left.modseq + 6,
        left.modseq + 7,
        left.modseq + 1,
    );
    left.comes_back(" (1:6 1,5:6,7:9)", &text).await;
}

#[tokio::test]
async fn where_the_log_was_cut_all_known_uids_that_are_gone_are_told() {
    let left = left(StoreOptions { changes_kept_max: 2, ..StoreOptions::default() }).await;
    expunge(&left.server, &[1]).await;
    let changed = changed(left.modseq).replace("* 2 F", "* 1 F").replace("* 5 F", "* 4 F").replace("* 7 F", "* 6 F");
    left.comes_back("", &format!("S: * VANISHED (EARLIER) 1:4,7\n{changed}")).await;
    left.comes_back(" 1:2,6", "S: * VANISHED (EARLIER) 1:2").await;
}

#[tokio::test]
async fn uid_fetch_tells_what_vanished() {
    // RFC 7162 §3.2.6
    let left = left(StoreOptions::default()).await;
    let mut client = left.server.select_with("QRESYNC").await;
    let text = format!(
        r"
        C: a UID FETCH 1:6 (FLAGS) (CHANGEDSINCE {n} VANISHED)
        S: * VANISHED (EARLIER) 2:4
        S: * 2 FETCH (UID 5 FLAGS (\Flagged) MODSEQ ({}))
        S: a OK …
        C: b UID FETCH 1:6 (FLAGS) (VANISHED)
        S: b BAD …
        C: c FETCH 1:6 (FLAGS) (CHANGEDSINCE {n} VANISHED)
        S: c BAD …",
        left.modseq + 5,
        n = left.modseq,
    );
    client.says(&text).await;
    let text = format!("C: a UID FETCH 1:6 (FLAGS) (CHANGEDSINCE {} VANISHED)\nS: a BAD …", left.modseq);
    left.server.selected(&text).await;
}

#[tokio::test]
async fn a_client_with_vanished_waiting_is_told_up_to_where_it_knows_everything() {
    // The example of RFC 7162 §6: a client that took 104 for what it knows would miss the VANISHED of 100.
    let server = Server::with_messages(3).await;
    let mut client = server.select_with("QRESYNC").await;
    let n = server.account(ALICE).await.state().find(INBOX).unwrap().record.highest_modseq.0;
    expunge(&server, &[3]).await;
    let text = format!(
        r"
        C: a STORE 1 +FLAGS.SILENT (\Seen)
        S: * 1 FETCH (UID 1 MODSEQ ({}))
        S: * OK [HIGHESTMODSEQ {n}] …
        S: a OK …
        C: b FETCH 1 FLAGS
        S: * 1 FETCH (FLAGS (\Recent \Seen))
        S: * OK [HIGHESTMODSEQ {n}] …
        S: b OK …
        C: c NOOP
        S: * VANISHED 3
        S: * OK [HIGHESTMODSEQ {}] …
        S: c OK …
        C: d FETCH 1 UID
        S: * 1 FETCH (UID 1)
        S: d OK …",
        n + 2,
        n + 2,
    );
    client.says(&text).await;
}

#[tokio::test]
async fn a_message_that_went_again_before_it_was_told_is_not_told_as_vanished_twice() {
    let server = Server::with_messages(2).await;
    let mut client = server.select_with("QRESYNC").await;
    server.append(INBOX, Vec::new(), message(3)).await;
    expunge(&server, &[3, 1]).await;
    client.says("C: a NOOP\nS: * VANISHED 1\nS: a OK …\nC: b FETCH 1:* UID\nS: * 1 FETCH (UID 2)\nS: b OK …").await;
}
