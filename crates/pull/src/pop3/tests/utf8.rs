//! UTF-8 mode (RFC 6856): asked for before the login where it is announced, and no condition of anything.

use super::*;

/// An inbox with one message, from the second announcement on.
fn rest(announced: &str) -> String {
    let again = format!("C: CAPA\nS: +OK\n{announced}S: .\n");
    [&again, &listing(&[("a", "caf\u{e9}")]), &retr(1, "caf\u{e9}"), QUIT].concat()
}

/// Fetches the one message; the script of the login stands between the two announcements.
async fn fetch(announced: &str, login: &str) -> Result<(Report, Vec<String>), PullError> {
    let here = Here::new().await;
    let script = format!("S: +OK ready\nC: CAPA\nS: +OK\n{announced}S: .\n{login}{}", rest(announced));
    let url = "pop3://alice@127.0.0.1?security=none";
    let report = here.pull_from(url, &options(Mode::Keep), 1, &script).await?;
    Ok((report, here.contents().await))
}

#[tokio::test]
async fn utf8_is_asked_for_before_the_login_where_it_is_announced_and_nowhere_else() {
    const USER: &str = "C: USER alice\nS: +OK\nC: PASS secret\nS: +OK\n";
    const PLAIN: &str = "C: AUTH PLAIN AGFsaWNlAHNlY3JldA==\nS: +OK\n";
    const SWITCHED: &str = "C: UTF8\nS: +OK UTF8 enabled\n";
    for (announced, login) in [
        ("S: USER\nS: UTF8\n", [SWITCHED, USER]),
        // RFC 6856 §2.2: with the argument, user names may be in UTF-8 too.
        ("S: utf8 USER\nS: USER\n", [SWITCHED, USER]),
        ("S: UTF8\nS: SASL PLAIN\n", [SWITCHED, PLAIN]),
        ("S: USER\n", ["", USER]),
        // RFC 6856 §2: LANG is another matter.
        ("S: USER\nS: LANG\nS: X-UTF8\n", ["", USER]),
        ("S: SASL PLAIN\n", ["", PLAIN]),
    ] {
        let (report, contents) = fetch(announced, &login.concat()).await.unwrap();
        assert!(report.is_complete(), "{announced}: {report:?}");
        assert_eq!(contents, ["Subject: caf\\xc3\\xa9\\r\\n"], "{announced}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_utf8_is_logged_in_to_all_the_same() {
    for refusal in ["-ERR", "-ERR what?", "-ERR [SYS/TEMP] not now", "-ERR [AUTH] log in first"] {
        let login = format!("C: UTF8\nS: {refusal}\nC: USER alice\nS: +OK\nC: PASS secret\nS: +OK\n");
        let (report, contents) = fetch("S: USER\nS: UTF8\n", &login).await.unwrap();
        assert!(report.is_complete(), "{refusal}: {report:?}");
        assert_eq!(contents, ["Subject: caf\\xc3\\xa9\\r\\n"], "{refusal}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_at_utf8_has_closed_the_connection() {
    let here = Here::new().await;
    let script = "S: +OK\nC: CAPA\nS: +OK\nS: UTF8\nS: .\nC: UTF8\n#close\n";
    let url = "pop3://alice@127.0.0.1?security=none";
    let error = here.pull_from(url, &options(Mode::Keep), 1, script).await.unwrap_err();
    assert!(matches!(error, PullError::Closed), "{error:?}");
}
