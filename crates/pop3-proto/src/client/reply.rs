//! Status lines, the greeting among them, and what a failure means to a client that must decide what to do next.

use crate::response::ResponseCode;

/// A reply's first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`
    Ok(StatusLine),
    /// `-ERR`
    Err(StatusLine),
    /// `+ …`: a SASL challenge in Base64, without the spaces around it; `+` alone is an empty one.
    Continuation(String),
    /// Something else, as it came. The connection is out of step, or what answers is no POP3 server.
    Unrecognised(Vec<u8>),
}

/// What follows `+OK` or `-ERR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusLine {
    /// The response code, if one stands in brackets (RFC 2449 §8).
    pub code: Option<ReceivedCode>,
    /// The rest, without spaces at its ends; octets that are not UTF-8 are replaced.
    pub text: String,
}

/// A response code as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceivedCode {
    /// A code that our own server knows, too; what a server appends to it with `/` is left out, since codes are
    /// hierarchical (RFC 2449 §8).
    Known(ResponseCode),
    /// Another one, in capitals.
    Other(String),
}

/// How a server greets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// The status line.
    pub status: StatusLine,
    /// The timestamp that APOP needs, angle brackets included (RFC 1939 §7).
    pub apop_timestamp: Option<String>,
}

/// What a client can do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The name or the password is wrong, or not accepted any more: ask the user.
    Credentials,
    /// Another session holds the maildrop: try again soon.
    InUse,
    /// Logins come too often: wait.
    Throttled,
    /// The server has a problem that passes by itself: try again later.
    Temporary,
    /// The server has a problem that somebody must solve.
    Permanent,
    /// Nothing is known but that it failed.
    Unknown,
}

impl StatusLine {
    /// What this line means as the text of `-ERR`. The code decides where there is one, then words that servers are known
    /// to use.
    pub fn failure(&self) -> FailureKind {
        let Some(code) = &self.code else { return failure_by_text(&self.text) };
        match code {
            ReceivedCode::Known(ResponseCode::Auth) => FailureKind::Credentials,
            ReceivedCode::Known(ResponseCode::InUse) => FailureKind::InUse,
            ReceivedCode::Known(ResponseCode::LoginDelay) => FailureKind::Throttled,
            ReceivedCode::Known(ResponseCode::SysTemp) => FailureKind::Temporary,
            ReceivedCode::Known(ResponseCode::SysPerm) => FailureKind::Permanent,
            _ => failure_by_text(&self.text),
        }
    }
}

/// Words in failures, in small letters; the first that is found decides.
const PHRASES: [(&str, FailureKind); 12] = [
    // Hotmail's "Exceeded the login limit for a 15 minute period"
    ("login limit", FailureKind::Throttled),
    ("too many", FailureKind::Throttled),
    // qpopper's "lock busy! Is another session active?"
    ("lock busy", FailureKind::InUse),
    ("another session", FailureKind::InUse),
    ("locked", FailureKind::InUse),
    ("in use", FailureKind::InUse),
    ("try again later", FailureKind::Temporary),
    ("temporar", FailureKind::Temporary),
    // Exchange's "Logon failure: unknown user name or bad password."
    ("logon failure", FailureKind::Credentials),
    ("authentication failed", FailureKind::Credentials),
    ("password", FailureKind::Credentials),
    ("invalid login", FailureKind::Credentials),
];

fn failure_by_text(text: &str) -> FailureKind {
    let text = text.to_ascii_lowercase();
    PHRASES.iter().find(|(phrase, _)| text.contains(phrase)).map_or(FailureKind::Unknown, |&(_, kind)| kind)
}

/// Reads a status line, given without its line end.
///
/// `+OK` and `-ERR` in any case of letters, with or without a space behind them.
pub fn parse_reply(line: &[u8]) -> Reply {
    let trimmed = line.trim_ascii();
    if let Some(rest) = strip_word(trimmed, b"+OK") {
        return Reply::Ok(status_line(rest));
    }
    if let Some(rest) = strip_word(trimmed, b"-ERR") {
        return Reply::Err(status_line(rest));
    }
    // RFC 5034 §4: `continue-req = "+" SP [base64] CRLF`; the space is missing where there is nothing behind it.
    match trimmed.strip_prefix(b"+") {
        Some(rest) if rest.is_empty() || rest.starts_with(b" ") => {
            Reply::Continuation(String::from_utf8_lossy(rest.trim_ascii()).into_owned())
        }
        _ => Reply::Unrecognised(line.to_vec()),
    }
}

/// Reads a greeting; `None` where it is not `+OK …`.
pub fn parse_greeting(line: &[u8]) -> Option<Greeting> {
    let Reply::Ok(status) = parse_reply(line) else { return None };
    let apop_timestamp = apop_timestamp(&status.text).map(str::to_owned);
    Some(Greeting { status, apop_timestamp })
}

/// `timestamp = "<" *VCHAR "@" *VCHAR ">"`, somewhere in the text (RFC 2449 §4, as `msg-id`)
fn apop_timestamp(text: &str) -> Option<&str> {
    text.match_indices('<').find_map(|(start, _)| {
        let rest = text.get(start..)?;
        let timestamp = rest.get(..=rest.find('>')?)?;
        let is_timestamp = timestamp.contains('@') && timestamp.bytes().all(|octet| octet.is_ascii_graphic());
        is_timestamp.then_some(timestamp)
    })
}

fn strip_word<'a>(line: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

fn status_line(rest: &[u8]) -> StatusLine {
    let text = String::from_utf8_lossy(rest.trim_ascii()).into_owned();
    let code = text.strip_prefix('[').and_then(|inner| inner.split_once(']'));
    match code {
        Some((name, text)) if is_code(name) => {
            StatusLine { code: Some(received_code(name)), text: text.trim_ascii().to_owned() }
        }
        _ => StatusLine { code: None, text },
    }
}

/// `resp-code`: words with slashes between; spaces are let pass, since parameters may follow.
fn is_code(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic() || octet == b' ')
}

fn received_code(name: &str) -> ReceivedCode {
    let name = name.trim_ascii().to_ascii_uppercase();
    let known = [
        ResponseCode::InUse,
        ResponseCode::LoginDelay,
        ResponseCode::SysTemp,
        ResponseCode::SysPerm,
        ResponseCode::Auth,
        ResponseCode::Utf8,
    ];
    let is_it = |code: &&ResponseCode| {
        name.strip_prefix(code.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ' ']))
    };
    known.iter().find(is_it).map_or(ReceivedCode::Other(name.clone()), |&code| ReceivedCode::Known(code))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::response::{encode_continuation, encode_err, encode_ok};

    fn status(code: Option<ReceivedCode>, text: &str) -> StatusLine {
        StatusLine { code, text: text.to_owned() }
    }

    #[test]
    fn replies_are_told_apart() {
        let known = |code| Some(ReceivedCode::Known(code));
        for (line, expected) in [
            ("+OK", Reply::Ok(status(None, ""))),
            ("+OK 2 320", Reply::Ok(status(None, "2 320"))),
            ("+ok  hello ", Reply::Ok(status(None, "hello"))),
            ("+OK<1896.697170952@dbc.mtview.ca.us>", Reply::Ok(status(None, "<1896.697170952@dbc.mtview.ca.us>"))),
            ("-ERR [IN-USE] Busy", Reply::Err(status(known(ResponseCode::InUse), "Busy"))),
            ("-err [sys/temp/disk] Full", Reply::Err(status(known(ResponseCode::SysTemp), "Full"))),
            ("-ERR[AUTH]", Reply::Err(status(known(ResponseCode::Auth), ""))),
            ("-ERR [AUTHX] x", Reply::Err(status(Some(ReceivedCode::Other(String::from("AUTHX"))), "x"))),
            ("-ERR [x", Reply::Err(status(None, "[x"))),
            ("-ERR [] x", Reply::Err(status(None, "[] x"))),
            ("+", Reply::Continuation(String::new())),
            ("+ ", Reply::Continuation(String::new())),
            ("+ Zm9v ", Reply::Continuation(String::from("Zm9v"))),
            ("* OK IMAP4rev1", Reply::Unrecognised(b"* OK IMAP4rev1".to_vec())),
            ("+Zm9v", Reply::Unrecognised(b"+Zm9v".to_vec())),
            ("", Reply::Unrecognised(vec![])),
        ] {
            assert_eq!(parse_reply(line.as_bytes()), expected, "{line}");
        }
        assert_eq!(parse_reply(b"-ERR \xfcber"), Reply::Err(status(None, "\u{fffd}ber")));
    }

    #[test]
    fn greetings_may_hold_a_timestamp() {
        for (line, expected) in [
            ("+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>", Some("<1896.697170952@dbc.mtview.ca.us>")),
            ("+OK <not one> ready <a@b> x", Some("<a@b>")),
            ("+OK Dovecot ready.", None),
            ("+OK <unclosed@x", None),
        ] {
            let greeting = parse_greeting(line.as_bytes()).expect("it is a greeting");
            assert_eq!(greeting.apop_timestamp.as_deref(), expected, "{line}");
        }
        assert_eq!(parse_greeting(b"-ERR too busy"), None);
    }

    #[test]
    fn failures_are_told_by_their_code_and_else_by_their_words() {
        for (line, expected) in [
            ("-ERR [AUTH] Web login required", FailureKind::Credentials),
            ("-ERR [LOGIN-DELAY] wait", FailureKind::Throttled),
            ("-ERR [SYS/PERM] broken", FailureKind::Permanent),
            ("-ERR [SYS/TEMP] Server error", FailureKind::Temporary),
            ("-ERR Logon failure: unknown user name or bad password.", FailureKind::Credentials),
            ("-ERR Exceeded the login limit for a 15 minute period.", FailureKind::Throttled),
            ("-ERR .joe.pop lock busy! Is another session active?", FailureKind::InUse),
            ("-ERR no", FailureKind::Unknown),
        ] {
            let Reply::Err(status) = parse_reply(line.as_bytes()) else { panic!("{line}") };
            assert_eq!(status.failure(), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_our_server_says_comes_back(text in "[!-Z^-~][ -~]{0,40}", code in 0usize..7) {
            let codes = [
                ResponseCode::InUse, ResponseCode::LoginDelay, ResponseCode::SysTemp, ResponseCode::SysPerm,
                ResponseCode::Auth, ResponseCode::Utf8,
            ];
            let code = codes.get(code).copied();
            let expected = status(code.map(ReceivedCode::Known), text.trim());
            let mut out = Vec::new();
            encode_ok(&mut out, code, &text);
            prop_assert_eq!(parse_reply(&out), Reply::Ok(expected.clone()));
            out.clear();
            encode_err(&mut out, code, &text);
            prop_assert_eq!(parse_reply(&out), Reply::Err(expected));
            out.clear();
            encode_continuation(&mut out, "Zm9v");
            prop_assert_eq!(parse_reply(&out), Reply::Continuation(String::from("Zm9v")));
        }

        #[test]
        fn any_line_is_read(line in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse_reply(&line);
            let _ = parse_greeting(&[b"+OK <", line.as_slice()].concat());
        }
    }
}
