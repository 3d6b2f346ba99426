//! What a mail server says when it refuses a token.

use serde::Deserialize;

use super::shown;

/// RFC 7628 §3.2.2; XOAUTH2's is alike.
#[derive(Deserialize)]
struct Refusal {
    status: Option<String>,
    scope: Option<String>,
}

/// What a mail server said, for people: the challenge of the failed exchange, if there was one, and the refusal itself.
pub(crate) fn refusal_text(challenge: Option<&str>, text: &str) -> String {
    let text = shown(text);
    let said = match challenge.map(|challenge| (challenge, serde_json::from_str::<Refusal>(challenge))) {
        None | Some(("", _)) => return text,
        Some((challenge, Err(_))) => shown(challenge),
        Some((_, Ok(refusal))) => {
            let status = refusal.status.map_or(String::from("no status"), |status| shown(&status));
            match refusal.scope.filter(|scope| !scope.is_empty()) {
                Some(scope) => format!("{status}, it wants a token for the scope {}", shown(&scope)),
                None => status,
            }
        }
    };
    if text.is_empty() { said } else { format!("{text} ({said})") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_refusal_tells_status_and_scope() {
        // RFC 7628 §4.3; the second as Google has it
        for (challenge, text, expected) in [
            (
                Some(
                    r#"{"status":"invalid_token","scope":"example_scope","openid-configuration":"https://example.com/"}"#,
                ),
                "SASL authentication failed",
                "SASL authentication failed (invalid_token, it wants a token for the scope example_scope)",
            ),
            (
                Some(r#"{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}"#),
                "",
                "400, it wants a token for the scope https://mail.google.com/",
            ),
            (Some(r#"{"status":"invalid_token"}"#), "no", "no (invalid_token)"),
            (Some("what?\u{1b}[2J"), "no", "no (what?\u{fffd}[2J)"),
            (Some(""), "no", "no"),
            (None, "no", "no"),
        ] {
            assert_eq!(refusal_text(challenge, text), expected);
        }
    }

    proptest! {
        #[test]
        fn any_challenge_is_told_in_one_short_line(challenge in "\\PC{0,900}|\\{\"status\":\"\\PC{0,900}\"\\}", text in any::<String>()) {
            let told = refusal_text(Some(&challenge), &text);
            prop_assert!(told.chars().count() < 1000 && !told.contains(char::is_control));
        }
    }
}
