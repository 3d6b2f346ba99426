//! Response codes as servers send them, and what a failure means to a client that must decide what to do next.

use std::time::Duration;

use bytes::Bytes;

use super::response::StatusResponse;
use crate::encode::{Code, Status};

/// A response code. Codes that are not known are kept, and are never a reason to fail (RFC 9051 §7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseCode {
    /// A code that our own server knows, too.
    Known(Code),
    /// `COMPRESSIONACTIVE` (RFC 4978 §3)
    CompressionActive,
    /// `NOTIFICATIONOVERFLOW` (RFC 5465 §5.8): the server tells no more by itself.
    NotificationOverflow,
    /// `REFERRAL`: the URL of another server (RFC 2221, RFC 2193)
    Referral(Vec<u8>),
    /// `MESSAGELIMIT` (RFC 9738 §3): the command was done for so many messages only.
    MessageLimit {
        /// How many messages a command may touch.
        messages: u32,
        /// The first UID that was done, if it is told; those below it were not.
        first_done: Option<u32>,
    },
    /// `THROTTLED`: Yahoo, Gmail and others, in no standard
    Throttled,
    /// `WEBALERT`: a page that the user must visit in a browser (Gmail)
    WebAlert(Vec<u8>),
    /// Another code, or a known one whose arguments are not in its form.
    Other {
        /// The code's word, in capitals.
        name: String,
        /// What stands between the word and the closing bracket, as it came.
        arguments: Bytes,
    },
}

impl ResponseCode {
    /// The code's word, in capitals.
    pub fn name(&self) -> &str {
        match self {
            Self::Known(code) => code.name(),
            Self::CompressionActive => "COMPRESSIONACTIVE",
            Self::NotificationOverflow => "NOTIFICATIONOVERFLOW",
            Self::Referral(_) => "REFERRAL",
            Self::MessageLimit { .. } => "MESSAGELIMIT",
            Self::Throttled => "THROTTLED",
            Self::WebAlert(_) => "WEBALERT",
            Self::Other { name, .. } => name,
        }
    }
}

/// What a client can do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// Too much was asked in too short a time, or over too many connections: wait, and ask for less.
    Throttled,
    /// The server or the mailbox is out of order or in use for the moment: try again later.
    Temporary,
    /// The name or the password is wrong, or not accepted any more: ask the user.
    Credentials,
    /// Logged in, but not permitted, or only through another door (TLS, a browser).
    Permission,
    /// The mailbox, or the message, does not exist.
    NonExistent,
    /// The mailbox exists already.
    AlreadyExists,
    /// There is no room.
    OverQuota,
    /// The message, or the literal, is larger than the server takes.
    TooLarge,
    /// The server does not know the command, or not in this form.
    NotUnderstood,
    /// Nothing is known but that it failed.
    Unknown,
}

impl StatusResponse {
    /// What a failure means; `None` for success.
    ///
    /// The code decides where there is one that says enough, then the text: large providers tell limits in words only.
    /// Phrases are those seen of Gmail, Outlook.com and Exchange, Yahoo and Dovecot.
    pub fn failure(&self) -> Option<FailureKind> {
        if matches!(self.status, Status::Ok | Status::PreAuth) {
            return None;
        }
        let by_code = self.code.as_ref().and_then(failure_by_code);
        Some(by_code.or_else(|| failure_by_text(&self.text)).unwrap_or(match (&self.code, self.status) {
            (Some(ResponseCode::Known(Code::OverQuota)), _) => FailureKind::OverQuota,
            (_, Status::Bad) => FailureKind::NotUnderstood,
            (_, Status::Bye) => FailureKind::Temporary,
            _ => FailureKind::Unknown,
        }))
    }

    /// How long the server asks to wait: `Suggested Backoff Time: 299961 milliseconds` (Outlook.com and Exchange Online).
    pub fn suggested_wait(&self) -> Option<Duration> {
        const PHRASE: &str = "suggested backoff time: ";
        let text = self.text.to_ascii_lowercase();
        let rest = text.get(text.find(PHRASE)? + PHRASE.len()..)?;
        let digits = rest.get(..rest.find(|character: char| !character.is_ascii_digit())?)?;
        digits.parse().ok().map(Duration::from_millis)
    }
}

fn failure_by_code(code: &ResponseCode) -> Option<FailureKind> {
    Some(match code {
        ResponseCode::Throttled => FailureKind::Throttled,
        ResponseCode::WebAlert(_) => FailureKind::Permission,
        ResponseCode::Known(code) => match code {
            Code::Limit => FailureKind::Throttled,
            Code::InUse | Code::Unavailable | Code::ServerBug | Code::ExpungeIssued => FailureKind::Temporary,
            Code::AuthenticationFailed | Code::Expired => FailureKind::Credentials,
            Code::AuthorizationFailed | Code::ContactAdmin | Code::NoPerm | Code::PrivacyRequired => {
                FailureKind::Permission
            }
            Code::NonExistent | Code::TryCreate => FailureKind::NonExistent,
            Code::AlreadyExists => FailureKind::AlreadyExists,
            Code::TooBig => FailureKind::TooLarge,
            Code::ClientBug | Code::Cannot | Code::Parse => FailureKind::NotUnderstood,
            _ => return None,
        },
        _ => return None,
    })
}

/// Words in failures, in small letters, and what they mean; the first that is found decides.
const PHRASES: [(&str, FailureKind); 17] = [
    // Outlook.com and Exchange Online
    ("request is throttled", FailureKind::Throttled),
    ("[throttled]", FailureKind::Throttled),
    // Yahoo
    ("rate limit", FailureKind::Throttled),
    // Gmail; it has `[OVERQUOTA]` before it though the mailbox is not full
    ("bandwidth limit", FailureKind::Throttled),
    ("too many simultaneous connections", FailureKind::Throttled),
    // Dovecot
    ("maximum number of connections", FailureKind::Throttled),
    ("too many connections", FailureKind::Throttled),
    ("too many login", FailureKind::Throttled),
    // Exchange says this with BAD when the mailbox behind its front end is away
    ("authenticated but not connected", FailureKind::Temporary),
    ("temporary", FailureKind::Temporary),
    ("try again later", FailureKind::Temporary),
    ("invalid credentials", FailureKind::Credentials),
    ("authentication failed", FailureKind::Credentials),
    ("login failed", FailureKind::Credentials),
    ("application-specific password", FailureKind::Credentials),
    ("doesn't exist", FailureKind::NonExistent),
    ("unknown mailbox", FailureKind::NonExistent),
];

fn failure_by_text(text: &str) -> Option<FailureKind> {
    let text = text.to_ascii_lowercase();
    PHRASES.iter().find(|(phrase, _)| text.contains(phrase)).map(|&(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Response, ResponseFrame, parse_response};

    fn status(line: &str) -> StatusResponse {
        match parse_response(&ResponseFrame::new(Bytes::copy_from_slice(line.as_bytes()))) {
            Response::Status(status) | Response::Tagged { status, .. } => status,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn failures_are_told_by_their_code_and_else_by_their_words() {
        use FailureKind::*;
        for (line, expected) in [
            ("a OK done", None),
            ("a NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)", Some(Credentials)),
            ("a NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)", Some(Throttled)),
            ("a NO [OVERQUOTA] Quota exceeded (mailbox for user is full)", Some(OverQuota)),
            ("a NO [ALERT] Too many simultaneous connections. (Failure)", Some(Throttled)),
            ("a NO [LIMIT] UID FETCH Rate limit hit.", Some(Throttled)),
            ("a BAD User is authenticated but not connected.", Some(Temporary)),
            ("a BAD Request is throttled. Suggested Backoff Time: 89117 milliseconds", Some(Throttled)),
            ("* BYE Connection is closed. 14", Some(Temporary)),
            ("a NO [TRYCREATE] Mailbox doesn't exist: x", Some(NonExistent)),
            ("a BAD Error in IMAP command", Some(NotUnderstood)),
            ("a NO no", Some(Unknown)),
        ] {
            assert_eq!(status(line).failure(), expected, "{line}");
        }
    }

    #[test]
    fn a_server_may_say_how_long_to_wait() {
        let wait = status("a NO Request is throttled. Suggested Backoff Time: 299961 milliseconds").suggested_wait();
        assert_eq!(wait, Some(Duration::from_millis(299_961)));
        assert_eq!(status("a NO Suggested Backoff Time: soon").suggested_wait(), None);
        assert_eq!(status("a NO Suggested Backoff Time: 5").suggested_wait(), None);
    }
}
