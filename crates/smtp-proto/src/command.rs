//! Command lines of SMTP and LMTP.
//!
//! A line comes without its line end, from whoever frames lines. The parser knows no state and no role: whether LHLO or
//! EHLO is right, and whether a command may be given now, is the session's to say. The reply that fits a fault
//! stands here beside the fault, so that every session answers alike.

use std::fmt;

use crate::{
    address::{ForwardPath, Host, ReversePath},
    parameter::{MailParameters, ParameterError, RecipientParameters},
    reply::EnhancedCode,
};

/// What an AUTH command says before the server's first challenge (RFC 4954 §4).
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

/// The arguments of MAIL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Where failures are reported to.
    pub from: ReversePath,
    /// What else the client says.
    pub parameters: MailParameters,
}

/// The arguments of RCPT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Where the message goes to.
    pub to: ForwardPath,
    /// What else the client says.
    pub parameters: RecipientParameters,
}

/// Whether more chunks follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// More chunks follow.
    More,
    /// This is the last one.
    Last,
}

/// The arguments of BDAT (RFC 3030 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// How many octets follow the command line.
    pub bytes: u64,
    /// Whether more chunks follow.
    pub position: Position,
}

/// A command of an SMTP or LMTP client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// HELO: greet, without extensions.
    Helo(Host),
    /// EHLO: greet.
    Ehlo(Host),
    /// LHLO: greet in LMTP (RFC 2033 §4.1).
    Lhlo(Host),
    /// MAIL: begin a transaction.
    Mail(Box<Mail>),
    /// RCPT: add a recipient.
    Rcpt(Box<Recipient>),
    /// DATA: the content follows, after a reply.
    Data,
    /// BDAT: a chunk of the content follows at once.
    Bdat(Chunk),
    /// RSET: forget the transaction.
    Rset,
    /// NOOP: do nothing.
    Noop,
    /// VRFY: is this somebody? The text may be anything.
    Vrfy(String),
    /// EXPN: who is on this list?
    Expn(String),
    /// HELP, perhaps on a topic.
    Help(Option<String>),
    /// QUIT: end.
    Quit,
    /// STARTTLS: begin TLS (RFC 3207).
    StartTls,
    /// AUTH: a SASL exchange (RFC 4954 §4).
    Auth {
        /// The mechanism's name in upper case.
        mechanism: String,
        /// The client's first response, if it came with the command.
        initial: Option<InitialResponse>,
    },
}

/// Why a line is not a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The keyword is none that this grammar has.
    #[error("command not recognized")]
    UnknownCommand,
    /// The line holds control characters, or what is not UTF-8.
    #[error("invalid characters in command")]
    InvalidCharacters,
    /// Arguments are missing, too many, or outside their grammar.
    #[error("syntax error in arguments of {0}")]
    Arguments(&'static str),
    /// The address of MAIL is outside its grammar.
    #[error("bad sender address syntax")]
    SenderSyntax,
    /// The address of RCPT is outside its grammar.
    #[error("bad recipient address syntax")]
    RecipientSyntax,
    /// The size of a chunk cannot be read, so that nobody knows where the next command begins.
    #[error("bad chunk size")]
    ChunkSize,
    /// The sender's address has UTF-8 but MAIL has no SMTPUTF8 (RFC 6531 §3.5).
    #[error("address needs SMTPUTF8")]
    Utf8NotAnnounced,
    /// A parameter is not implemented, repeated, or has a bad value.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
}

impl ParseError {
    /// The reply that the fault deserves.
    pub fn reply(&self) -> (u16, EnhancedCode) {
        match self {
            Self::UnknownCommand => (500, EnhancedCode(5, 5, 1)),
            Self::InvalidCharacters => (500, EnhancedCode(5, 5, 2)),
            Self::Arguments(_) | Self::ChunkSize => (501, EnhancedCode(5, 5, 4)),
            Self::SenderSyntax => (501, EnhancedCode(5, 1, 7)),
            Self::RecipientSyntax => (501, EnhancedCode(5, 1, 3)),
            Self::Utf8NotAnnounced => (553, EnhancedCode(5, 6, 7)),
            // RFC 5321 §4.1.1.11
            Self::Parameter(ParameterError::Unknown(_)) => (555, EnhancedCode(5, 5, 4)),
            Self::Parameter(_) => (501, EnhancedCode(5, 5, 4)),
        }
    }
}

/// Reads a command line, given without its line end.
pub fn parse_command(line: &[u8]) -> Result<Command, ParseError> {
    let text = std::str::from_utf8(line).map_err(|_| ParseError::InvalidCharacters)?;
    // RFC 5321 §4.1.1: white space before the line end is tolerated.
    let text = text.trim_end_matches([' ', '\t']);
    if text.chars().any(char::is_control) {
        return Err(ParseError::InvalidCharacters);
    }
    let (keyword, rest) = text.split_once(' ').unwrap_or((text, ""));
    let keyword = keyword.to_ascii_uppercase();
    match keyword.as_str() {
        "HELO" => parse_greeting("HELO", rest).map(Command::Helo),
        "EHLO" => parse_greeting("EHLO", rest).map(Command::Ehlo),
        "LHLO" => parse_greeting("LHLO", rest).map(Command::Lhlo),
        "MAIL" => parse_mail(rest),
        "RCPT" => parse_recipient(rest),
        "DATA" => bare("DATA", rest, Command::Data),
        "BDAT" => parse_chunk(rest).ok_or(ParseError::ChunkSize).map(Command::Bdat),
        "RSET" => bare("RSET", rest, Command::Rset),
        // RFC 5321 §4.1.1.9: a parameter string is ignored.
        "NOOP" => Ok(Command::Noop),
        "VRFY" => required("VRFY", rest).map(Command::Vrfy),
        "EXPN" => required("EXPN", rest).map(Command::Expn),
        "HELP" => Ok(Command::Help(Some(rest.trim().to_owned()).filter(|topic| !topic.is_empty()))),
        "QUIT" => bare("QUIT", rest, Command::Quit),
        "STARTTLS" => bare("STARTTLS", rest, Command::StartTls),
        "AUTH" => parse_auth(rest),
        _ => Err(ParseError::UnknownCommand),
    }
}

fn bare(keyword: &'static str, rest: &str, command: Command) -> Result<Command, ParseError> {
    if rest.is_empty() { Ok(command) } else { Err(ParseError::Arguments(keyword)) }
}

fn required(keyword: &'static str, rest: &str) -> Result<String, ParseError> {
    match rest.trim() {
        "" => Err(ParseError::Arguments(keyword)),
        text => Ok(text.to_owned()),
    }
}

fn parse_greeting(keyword: &'static str, rest: &str) -> Result<Host, ParseError> {
    Host::parse_greeting(rest.trim_start()).map_err(|_| ParseError::Arguments(keyword))
}

/// Strips `FROM:` or `TO:`.
///
/// `quirk_space_after_colon`: RFC 5321 §3.3 allows no space there, and enough senders write one.
fn strip_label<'a>(rest: &'a str, label: &str) -> Option<&'a str> {
    let (start, path) = rest.trim_start_matches(' ').split_at_checked(label.len())?;
    start.eq_ignore_ascii_case(label).then(|| path.trim_start_matches(' '))
}

/// Splits off parameters: nothing, or a space and they.
fn strip_space(rest: &str) -> Option<&str> {
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(' ') }
}

/// `mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF`
fn parse_mail(rest: &str) -> Result<Command, ParseError> {
    let path = strip_label(rest, "FROM:").ok_or(ParseError::Arguments("MAIL"))?;
    let (from, rest) = ReversePath::parse_prefix(path).map_err(|_| ParseError::SenderSyntax)?;
    let parameters = MailParameters::parse(strip_space(rest).ok_or(ParseError::SenderSyntax)?)?;
    let submitter_is_ascii = match &parameters.submitter {
        Some(crate::Submitter::Mailbox(mailbox)) => mailbox.is_ascii(),
        _ => true,
    };
    if parameters.smtputf8 || (from.is_ascii() && submitter_is_ascii) {
        return Ok(Command::Mail(Box::new(Mail { from, parameters })));
    }
    Err(ParseError::Utf8NotAnnounced)
}

/// `rcpt = "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path ) [SP Rcpt-parameters] CRLF`
fn parse_recipient(rest: &str) -> Result<Command, ParseError> {
    let path = strip_label(rest, "TO:").ok_or(ParseError::Arguments("RCPT"))?;
    let (to, rest) = ForwardPath::parse_prefix(path).map_err(|_| ParseError::RecipientSyntax)?;
    let parameters = RecipientParameters::parse(strip_space(rest).ok_or(ParseError::RecipientSyntax)?)?;
    Ok(Command::Rcpt(Box::new(Recipient { to, parameters })))
}

/// `bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ] CR LF`, `chunk-size = 1*DIGIT`
fn parse_chunk(rest: &str) -> Option<Chunk> {
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let size = words.next()?;
    let bytes = size.bytes().all(|byte| byte.is_ascii_digit()).then(|| size.parse().ok())??;
    let position = match words.next() {
        None => Position::More,
        Some(word) if word.eq_ignore_ascii_case("LAST") => Position::Last,
        Some(_) => return None,
    };
    words.next().is_none().then_some(Chunk { bytes, position })
}

/// `auth-command = "AUTH" SP sasl-mech [SP initial-response] CRLF`, roughly (RFC 4954 §8)
fn parse_auth(rest: &str) -> Result<Command, ParseError> {
    const FAULT: ParseError = ParseError::Arguments("AUTH");
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let mechanism = words.next().ok_or(FAULT)?;
    // RFC 4422 §3.1: sasl-mech = 1*20mech-char
    let is_mechanism_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if mechanism.len() > 20 || !mechanism.bytes().all(is_mechanism_byte) {
        return Err(FAULT);
    }
    let is_base64_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let initial = match words.next() {
        None => None,
        Some("=") => Some(InitialResponse::Empty),
        Some(word) if word.bytes().all(is_base64_byte) => Some(InitialResponse::Base64(word.to_owned())),
        Some(_) => return Err(FAULT),
    };
    match words.next() {
        None => Ok(Command::Auth { mechanism: mechanism.to_ascii_uppercase(), initial }),
        Some(_) => Err(FAULT),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{AddressLiteral, Body, Mailbox};

    fn parsed(line: &str) -> Result<Command, ParseError> {
        parse_command(line.as_bytes())
    }

    fn mail(from: &str, parameters: MailParameters) -> Command {
        let from = match from {
            "" => ReversePath::Null,
            from => ReversePath::Mailbox(Mailbox::parse(from).expect(from)),
        };
        Command::Mail(Box::new(Mail { from, parameters }))
    }

    fn recipient(to: &str) -> Command {
        let to = ForwardPath::Mailbox(Mailbox::parse(to).expect(to));
        Command::Rcpt(Box::new(Recipient { to, parameters: RecipientParameters::default() }))
    }

    #[test]
    fn greetings_name_a_host() {
        let domain = |text: &str| Host::Domain(text.into());
        let literal = Host::Literal(AddressLiteral::V4([192, 0, 2, 1].into()));
        for (line, expected) in [
            ("HELO bar.com", Command::Helo(domain("bar.com"))),
            ("EHLO bar.com", Command::Ehlo(domain("bar.com"))),
            ("ehlo [192.0.2.1]", Command::Ehlo(literal)),
            ("LHLO foo.edu", Command::Lhlo(domain("foo.edu"))),
            ("EHLO MY_PC ", Command::Ehlo(domain("MY_PC"))),
        ] {
            assert_eq!(parsed(line), Ok(expected), "{line}");
        }
        for line in ["EHLO", "EHLO ", "EHLO a b", "EHLO [::1]", "EHLO bücher.example/x"] {
            assert_eq!(parsed(line), Err(ParseError::Arguments("EHLO")), "{line}");
        }
    }

    #[test]
    fn transactions_of_the_standards_examples_are_read() {
        let none = MailParameters::default;
        for (line, expected) in [
            // RFC 5321 appendix D
            ("MAIL FROM:<Smith@bar.com>", mail("Smith@bar.com", none())),
            ("RCPT TO:<Jones@foo.com>", recipient("Jones@foo.com")),
            ("RCPT TO:<@foo.com:Jones@XYZ.COM>", recipient("Jones@XYZ.COM")),
            ("MAIL FROM:<>", mail("", none())),
            ("mail from: <Smith@bar.com> ", mail("Smith@bar.com", none())),
            ("DATA", Command::Data),
            ("RSET", Command::Rset),
            ("QUIT ", Command::Quit),
            ("STARTTLS", Command::StartTls),
            ("NOOP", Command::Noop),
            ("NOOP whatever this is", Command::Noop),
            ("VRFY Crispin", Command::Vrfy("Crispin".into())),
            ("EXPN Example-People", Command::Expn("Example-People".into())),
            ("HELP", Command::Help(None)),
            ("HELP mail", Command::Help(Some("mail".into()))),
            // RFC 1870 §7
            (
                "MAIL FROM:<ned@thor.innosoft.com> SIZE=500000",
                mail("ned@thor.innosoft.com", MailParameters { size: Some(500_000), ..none() }),
            ),
            // RFC 3030 §4.2
            (
                "MAIL FROM:<ned@ymir.claremont.edu> BODY=BINARYMIME",
                mail("ned@ymir.claremont.edu", MailParameters { body: Some(Body::BinaryMime), ..none() }),
            ),
            ("BDAT 100000", Command::Bdat(Chunk { bytes: 100_000, position: Position::More })),
            ("BDAT 324", Command::Bdat(Chunk { bytes: 324, position: Position::More })),
            ("bdat 0 last", Command::Bdat(Chunk { bytes: 0, position: Position::Last })),
            (
                "MAIL FROM:<用户@例子.广告> SMTPUTF8",
                mail("用户@例子.广告", MailParameters { smtputf8: true, ..none() }),
            ),
            ("RCPT TO:<用户@例子.广告>", recipient("用户@例子.广告")),
        ] {
            assert_eq!(parsed(line), Ok(expected), "{line}");
        }
        assert!(
            matches!(parsed("RCPT TO:<postmaster>"), Ok(Command::Rcpt(recipient)) if recipient.to == ForwardPath::Postmaster)
        );
    }

    #[test]
    fn auth_carries_mechanism_and_initial_response() {
        let base64 = |text: &str| Some(InitialResponse::Base64(text.into()));
        for (line, mechanism, initial) in [
            // RFC 4954 §4.3
            ("AUTH PLAIN dGVzdAB0ZXN0ADEyMzQ=", "PLAIN", base64("dGVzdAB0ZXN0ADEyMzQ=")),
            ("AUTH DIGEST-MD5", "DIGEST-MD5", None),
            ("auth external =", "EXTERNAL", Some(InitialResponse::Empty)),
        ] {
            assert_eq!(parsed(line), Ok(Command::Auth { mechanism: mechanism.into(), initial }), "{line}");
        }
        assert!(!format!("{:?}", parsed("AUTH PLAIN c2VjcmV0")).contains("c2VjcmV0"));
    }

    #[test]
    fn faults_are_told_apart_and_have_their_replies() {
        let unknown = |name: &str| ParseError::Parameter(ParameterError::Unknown(name.into()));
        for (line, expected, code) in [
            ("", ParseError::UnknownCommand, 500),
            ("GET / HTTP/1.1", ParseError::UnknownCommand, 500),
            ("MAILFROM:<a@b>", ParseError::UnknownCommand, 500),
            ("NOOP a\rb", ParseError::InvalidCharacters, 500),
            ("MAIL", ParseError::Arguments("MAIL"), 501),
            ("MAIL TO:<a@b>", ParseError::Arguments("MAIL"), 501),
            ("MAIL FROM:", ParseError::SenderSyntax, 501),
            ("MAIL FROM:a@b", ParseError::SenderSyntax, 501),
            ("MAIL FROM:<a@b>SIZE=1", ParseError::SenderSyntax, 501),
            ("MAIL FROM:<a@b> SIZE=1 FOO", unknown("FOO"), 555),
            ("MAIL FROM:<a@b> SIZE=x", ParseError::Parameter(ParameterError::BadValue("SIZE")), 501),
            ("MAIL FROM:<ü@b>", ParseError::Utf8NotAnnounced, 553),
            ("RCPT", ParseError::Arguments("RCPT"), 501),
            ("RCPT TO:<>", ParseError::RecipientSyntax, 501),
            ("RCPT TO:<a@b> XFOO=bar", unknown("XFOO"), 555),
            ("DATA now", ParseError::Arguments("DATA"), 501),
            ("STARTTLS x", ParseError::Arguments("STARTTLS"), 501),
            ("VRFY", ParseError::Arguments("VRFY"), 501),
            ("BDAT", ParseError::ChunkSize, 501),
            ("BDAT -1", ParseError::ChunkSize, 501),
            ("BDAT 1 FIRST", ParseError::ChunkSize, 501),
            ("BDAT 1 LAST 2", ParseError::ChunkSize, 501),
            ("BDAT 99999999999999999999999", ParseError::ChunkSize, 501),
            ("AUTH", ParseError::Arguments("AUTH"), 501),
            ("AUTH PLAIN a!", ParseError::Arguments("AUTH"), 501),
            ("AUTH PLAIN a b", ParseError::Arguments("AUTH"), 501),
        ] {
            let fault = parsed(line).expect_err(line);
            assert_eq!((fault.reply().0, fault), (code, expected), "{line}");
        }
        assert_eq!(parse_command(b"NOOP \xff"), Err(ParseError::InvalidCharacters));
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(line in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_command(&line);
        }

        #[test]
        fn no_argument_makes_the_parser_panic(
            keyword in "(HELO|EHLO|MAIL FROM:|RCPT TO:|BDAT|AUTH|VRFY|NOOP) ?", rest in "[ -~äß漢]{0,40}",
        ) {
            let _ = parse_command(format!("{keyword}{rest}").as_bytes());
        }
    }
}
