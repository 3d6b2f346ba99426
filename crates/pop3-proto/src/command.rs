//! Command lines.
//!
//! A line comes without its line end, from whoever frames lines. Keywords are case-insensitive; numbers are
//! checked for form here, and for existence by the session. The parser knows no state: whether a command may be
//! given now is the session's to say.

use std::fmt;

/// A number that a session gives to a message of its maildrop, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageNumber(pub u32);

/// A password, which never shows itself in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Wraps a password as the client sent it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(redacted)")
    }
}

/// What an AUTH command says before the server's first challenge (RFC 5034 §4).
#[derive(Clone, PartialEq, Eq)]
pub enum InitialResponse {
    /// A response of no bytes, written `=`.
    Empty,
    /// A response in Base64, as sent: it is decoded where the mechanism reads it.
    Base64(String),
}

impl fmt::Debug for InitialResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The response of PLAIN is a password.
        formatter.write_str(match self {
            Self::Empty => "Empty",
            Self::Base64(_) => "Base64(redacted)",
        })
    }
}

/// The argument of LANG (RFC 6856 §3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Language {
    /// No argument: which languages are there?
    List,
    /// `*`: the language that the server prefers.
    Preferred,
    /// A basic language range (RFC 4647 §2.1), as sent.
    Range(String),
}

/// A command of a POP3 client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// USER: the name of a mailbox (RFC 1939 §7).
    User(String),
    /// PASS: its password (RFC 1939 §7).
    Pass(Password),
    /// AUTH: a SASL exchange (RFC 5034 §4).
    Auth {
        /// The mechanism's name in upper case.
        mechanism: String,
        /// The client's first response, if it came with the command.
        initial: Option<InitialResponse>,
    },
    /// STLS: begin TLS (RFC 2595 §4).
    Stls,
    /// CAPA: list capabilities (RFC 2449 §5).
    Capa,
    /// UTF8: switch to UTF-8 mode (RFC 6856 §2.1).
    Utf8,
    /// LANG: list or choose the language of texts (RFC 6856 §3.2).
    Lang(Language),
    /// STAT: count and size of the maildrop.
    Stat,
    /// LIST: sizes of all messages, or of one.
    List(Option<MessageNumber>),
    /// UIDL: unique ids of all messages, or of one.
    Uidl(Option<MessageNumber>),
    /// RETR: a whole message.
    Retr(MessageNumber),
    /// DELE: mark a message as deleted.
    Dele(MessageNumber),
    /// TOP: the header and some lines of the body.
    Top {
        /// The message.
        message: MessageNumber,
        /// The number of lines of the body.
        lines: u64,
    },
    /// NOOP: do nothing.
    Noop,
    /// RSET: unmark all messages.
    Rset,
    /// QUIT: end, and in a transaction make the deletions real.
    Quit,
}

/// Why a line is not a command. Its text is fit for an answer to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The keyword is none that this server has.
    #[error("unknown command")]
    UnknownCommand,
    /// The command needs an argument that is not there.
    #[error("missing argument")]
    MissingArgument,
    /// The command does not take that many arguments.
    #[error("unexpected argument")]
    UnexpectedArgument,
    /// A message number is not a number, or zero, or beyond all bounds.
    #[error("invalid message number")]
    InvalidNumber,
    /// A number of lines is not a number.
    #[error("invalid number of lines")]
    InvalidLineCount,
    /// An argument is outside its grammar.
    #[error("invalid argument")]
    InvalidArgument,
    /// Text that is not UTF-8 (RFC 6856 §2.2), or holds control characters.
    #[error("arguments must be text in UTF-8")]
    InvalidText,
}

/// Reads a command line, given without its line end.
///
/// `command = keyword *(SP param) CRLF` (RFC 2449 §3)
pub fn parse_command(line: &[u8]) -> Result<Command, ParseError> {
    let text = std::str::from_utf8(line).map_err(|_| ParseError::InvalidText)?;
    if text.chars().any(|character| character.is_control()) {
        return Err(ParseError::InvalidText);
    }
    let (keyword, rest) = match text.split_once(' ') {
        Some((keyword, rest)) => (keyword, Some(rest)),
        None => (text, None),
    };
    let keyword = keyword.to_ascii_uppercase();
    match keyword.as_str() {
        "USER" => required(rest).map(|name| Command::User(name.trim_end_matches(' ').to_owned())),
        // RFC 1939 §7: PASS has exactly one argument, so spaces may be part of the password.
        "PASS" => rest.ok_or(ParseError::MissingArgument).map(|secret| Command::Pass(Password::new(secret))),
        "AUTH" => parse_auth(rest),
        "LANG" => parse_language(rest),
        "LIST" => parse_optional_number(rest).map(Command::List),
        "UIDL" => parse_optional_number(rest).map(Command::Uidl),
        "RETR" => parse_one_number(rest).map(Command::Retr),
        "DELE" => parse_one_number(rest).map(Command::Dele),
        "TOP" => parse_top(rest),
        "STLS" => bare(Command::Stls, rest),
        "CAPA" => bare(Command::Capa, rest),
        "UTF8" => bare(Command::Utf8, rest),
        "STAT" => bare(Command::Stat, rest),
        "NOOP" => bare(Command::Noop, rest),
        "RSET" => bare(Command::Rset, rest),
        "QUIT" => bare(Command::Quit, rest),
        _ => Err(ParseError::UnknownCommand),
    }
}

/// A command without arguments; spaces at the end of the line are forgiven.
fn bare(command: Command, rest: Option<&str>) -> Result<Command, ParseError> {
    match words(rest).next() {
        None => Ok(command),
        Some(_) => Err(ParseError::UnexpectedArgument),
    }
}

fn words(rest: Option<&str>) -> impl Iterator<Item = &str> {
    rest.unwrap_or_default().split(' ').filter(|word| !word.is_empty())
}

fn required(rest: Option<&str>) -> Result<&str, ParseError> {
    match rest {
        Some(text) if !text.trim_matches(' ').is_empty() => Ok(text),
        _ => Err(ParseError::MissingArgument),
    }
}

fn parse_number(word: &str) -> Result<MessageNumber, ParseError> {
    if !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseError::InvalidNumber);
    }
    match word.parse() {
        Ok(0) | Err(_) => Err(ParseError::InvalidNumber),
        Ok(number) => Ok(MessageNumber(number)),
    }
}

fn parse_optional_number(rest: Option<&str>) -> Result<Option<MessageNumber>, ParseError> {
    let mut words = words(rest);
    let number = words.next().map(parse_number).transpose()?;
    match words.next() {
        None => Ok(number),
        Some(_) => Err(ParseError::UnexpectedArgument),
    }
}

fn parse_one_number(rest: Option<&str>) -> Result<MessageNumber, ParseError> {
    parse_optional_number(rest)?.ok_or(ParseError::MissingArgument)
}

fn parse_top(rest: Option<&str>) -> Result<Command, ParseError> {
    let mut words = words(rest);
    let message = parse_number(words.next().ok_or(ParseError::MissingArgument)?)?;
    let lines = words.next().ok_or(ParseError::MissingArgument)?;
    if words.next().is_some() {
        return Err(ParseError::UnexpectedArgument);
    }
    if !lines.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseError::InvalidLineCount);
    }
    // More lines than fit a u64 is as good as all of them.
    Ok(Command::Top { message, lines: lines.parse().unwrap_or(u64::MAX) })
}

/// `auth-command = "AUTH" SP sasl-mech [SP initial-response]` (RFC 5034 §5)
fn parse_auth(rest: Option<&str>) -> Result<Command, ParseError> {
    let mut words = words(rest);
    let mechanism = words.next().ok_or(ParseError::MissingArgument)?;
    // RFC 4422 §3.1: sasl-mech = 1*20mech-char
    let is_mechanism_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if mechanism.len() > 20 || !mechanism.bytes().all(is_mechanism_byte) {
        return Err(ParseError::InvalidArgument);
    }
    let initial = words.next().map(parse_initial_response).transpose()?;
    if words.next().is_some() {
        return Err(ParseError::UnexpectedArgument);
    }
    Ok(Command::Auth { mechanism: mechanism.to_ascii_uppercase(), initial })
}

fn parse_initial_response(word: &str) -> Result<InitialResponse, ParseError> {
    if word == "=" {
        return Ok(InitialResponse::Empty);
    }
    let is_base64_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    if !word.bytes().all(is_base64_byte) {
        return Err(ParseError::InvalidArgument);
    }
    Ok(InitialResponse::Base64(word.to_owned()))
}

fn parse_language(rest: Option<&str>) -> Result<Command, ParseError> {
    let mut words = words(rest);
    let language = match words.next() {
        None => Language::List,
        Some("*") => Language::Preferred,
        // RFC 4647 §2.1: language-range = (1*8ALPHA *("-" 1*8alphanum)) / "*"
        Some(range)
            if range.split('-').all(|tag| (1..=8).contains(&tag.len()))
                && range.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') =>
        {
            Language::Range(range.to_owned())
        }
        Some(_) => return Err(ParseError::InvalidArgument),
    };
    match words.next() {
        None => Ok(Command::Lang(language)),
        Some(_) => Err(ParseError::UnexpectedArgument),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(line: &str) -> Result<Command, ParseError> {
        parse_command(line.as_bytes())
    }

    #[test]
    fn every_command_is_read_in_any_case() {
        let one = MessageNumber(1);
        for (line, expected) in [
            ("USER mrose", Command::User("mrose".into())),
            ("user fred@example.com ", Command::User("fred@example.com".into())),
            ("PASS secret", Command::Pass(Password::new("secret"))),
            ("pass  two words ", Command::Pass(Password::new(" two words "))),
            ("PASS ", Command::Pass(Password::new(""))),
            ("USER fräulein", Command::User("fräulein".into())),
            ("STLS", Command::Stls),
            ("CAPA", Command::Capa),
            ("utf8", Command::Utf8),
            ("LANG", Command::Lang(Language::List)),
            ("LANG *", Command::Lang(Language::Preferred)),
            ("LANG en-boont", Command::Lang(Language::Range("en-boont".into()))),
            ("STAT", Command::Stat),
            ("STAT ", Command::Stat),
            ("LIST", Command::List(None)),
            ("LIST ", Command::List(None)),
            ("LIST 1", Command::List(Some(one))),
            ("UIDL", Command::Uidl(None)),
            ("uidl 4294967295", Command::Uidl(Some(MessageNumber(u32::MAX)))),
            ("RETR 1", Command::Retr(one)),
            ("RETR 001", Command::Retr(one)),
            ("DELE 1", Command::Dele(one)),
            ("TOP 1 10", Command::Top { message: one, lines: 10 }),
            ("TOP 1 0", Command::Top { message: one, lines: 0 }),
            ("TOP 1 99999999999999999999999", Command::Top { message: one, lines: u64::MAX }),
            ("NOOP", Command::Noop),
            ("RSET", Command::Rset),
            ("quit", Command::Quit),
        ] {
            assert_eq!(parsed(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn auth_carries_mechanism_and_initial_response() {
        let base64 = |text: &str| Some(InitialResponse::Base64(text.into()));
        for (line, mechanism, initial) in [
            // RFC 5034 §6
            ("AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=", "PLAIN", base64("dGVzdAB0ZXN0AHRlc3Q=")),
            ("AUTH DIGEST-MD5", "DIGEST-MD5", None),
            ("auth scram-sha-256 =", "SCRAM-SHA-256", Some(InitialResponse::Empty)),
        ] {
            assert_eq!(parsed(line), Ok(Command::Auth { mechanism: mechanism.into(), initial }), "{line}");
        }
    }

    #[test]
    fn faults_are_told_apart() {
        for (line, expected) in [
            ("", ParseError::UnknownCommand),
            (" STAT", ParseError::UnknownCommand),
            ("STATS", ParseError::UnknownCommand),
            ("APOP mrose c4c9334bac560ecc979e58001b3e22fb", ParseError::UnknownCommand),
            ("USER", ParseError::MissingArgument),
            ("USER  ", ParseError::MissingArgument),
            ("PASS", ParseError::MissingArgument),
            ("RETR", ParseError::MissingArgument),
            ("RETR 0", ParseError::InvalidNumber),
            ("RETR -1", ParseError::InvalidNumber),
            ("RETR +1", ParseError::InvalidNumber),
            ("RETR 4294967296", ParseError::InvalidNumber),
            ("RETR one", ParseError::InvalidNumber),
            ("RETR 1 2", ParseError::UnexpectedArgument),
            ("LIST 1 2", ParseError::UnexpectedArgument),
            ("STAT 1", ParseError::UnexpectedArgument),
            ("QUIT now", ParseError::UnexpectedArgument),
            ("TOP 1", ParseError::MissingArgument),
            ("TOP", ParseError::MissingArgument),
            ("TOP 1 -1", ParseError::InvalidLineCount),
            ("TOP 1 1 1", ParseError::UnexpectedArgument),
            ("AUTH", ParseError::MissingArgument),
            ("AUTH PLAIN ab!c", ParseError::InvalidArgument),
            ("AUTH PLAIN a b", ParseError::UnexpectedArgument),
            ("AUTH A-MECHANISM-NAME-OF-MORE-THAN-20", ParseError::InvalidArgument),
            ("LANG en de", ParseError::UnexpectedArgument),
            ("LANG en--de", ParseError::InvalidArgument),
            ("LANG abcdefghi", ParseError::InvalidArgument),
            ("USER a\0b", ParseError::InvalidText),
            ("USER a\rb", ParseError::InvalidText),
        ] {
            assert_eq!(parsed(line), Err(expected), "{line:?}");
        }
        assert_eq!(parse_command(b"USER \xff"), Err(ParseError::InvalidText));
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        for line in ["PASS hunter2", "AUTH PLAIN aHVudGVyMg=="] {
            let shown = format!("{:?}", parsed(line));
            assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyMg"), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(line in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_command(&line);
        }

        #[test]
        fn no_argument_makes_the_parser_panic(
            keyword in "(USER|PASS|AUTH|LANG|LIST|UIDL|RETR|DELE|TOP|STLS|CAPA|STAT)", rest in "[ -~]{0,30}",
        ) {
            let _ = parse_command(format!("{keyword} {rest}").as_bytes());
        }
    }
}
