//! Commands as they are sent. The values are those that our server reads.

use std::fmt;

use crate::command::{Command, InitialResponse, Language};

/// The longest command line, with its end, in octets (RFC 2449 §4).
const LINE_BYTES_MAX: usize = 255;

/// Where the first response of a SASL exchange is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialResponseSupport {
    /// With the command, if the line stays short enough: servers that announce SASL (RFC 5034 §4).
    WithCommand,
    /// In answer to the server's first, empty challenge: all others (RFC 1734).
    AfterContinuation,
}

/// A command, ready to be sent. Its octets do not show when printed, since they may be a password.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandLines {
    /// The command's line.
    pub line: Vec<u8>,
    /// What to send when the server has answered with a continuation; `None` for all commands but an AUTH whose initial
    /// response cannot go with it.
    pub after_continuation: Option<Vec<u8>>,
}

impl fmt::Debug for CommandLines {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.after_continuation.is_some() { ", and more" } else { "" };
        write!(formatter, "CommandLines({} octets{more})", self.line.len())
    }
}

/// Why a command cannot be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// An argument holds a line end or a NUL.
    #[error("an argument holds a line end or a NUL")]
    ControlCharacter,
    /// A word is empty or holds a space.
    #[error("a word is empty or holds a space")]
    NotAWord,
}

/// Writes a command.
///
/// Lines are not held to the 255 octets of RFC 2449 §4, but for AUTH: a long password is the server's to refuse.
pub fn encode_command(command: &Command, support: InitialResponseSupport) -> Result<CommandLines, EncodeError> {
    let text = match command {
        Command::User(name) => format!("USER {name}"),
        Command::Pass(password) => format!("PASS {}", password.expose()),
        Command::Auth { mechanism, initial } => return encode_auth(mechanism, initial.as_ref(), support),
        Command::Stls => String::from("STLS"),
        Command::Capa => String::from("CAPA"),
        Command::Utf8 => String::from("UTF8"),
        Command::Lang(Language::List) => String::from("LANG"),
        Command::Lang(Language::Preferred) => String::from("LANG *"),
        Command::Lang(Language::Range(range)) => format!("LANG {}", word(range)?),
        Command::Stat => String::from("STAT"),
        Command::List(None) => String::from("LIST"),
        Command::List(Some(message)) => format!("LIST {}", message.0),
        Command::Uidl(None) => String::from("UIDL"),
        Command::Uidl(Some(message)) => format!("UIDL {}", message.0),
        Command::Retr(message) => format!("RETR {}", message.0),
        Command::Dele(message) => format!("DELE {}", message.0),
        Command::Top { message, lines } => format!("TOP {} {lines}", message.0),
        Command::Noop => String::from("NOOP"),
        Command::Rset => String::from("RSET"),
        Command::Quit => String::from("QUIT"),
    };
    Ok(CommandLines { line: encode_line(text)?, after_continuation: None })
}

/// Writes APOP with a digest that the caller has computed: MD5 of the greeting's timestamp and the password, in
/// hexadecimal (RFC 1939 §7). It is no command of our server's, because it needs passwords that are stored readable.
pub fn encode_apop(name: &str, digest: &str) -> Result<Vec<u8>, EncodeError> {
    encode_line(format!("APOP {} {}", word(name)?, word(digest)?))
}

/// Writes the answer to a SASL challenge, already in Base64.
pub fn encode_sasl_response(base64: &str) -> Result<Vec<u8>, EncodeError> {
    encode_line(base64.to_owned())
}

fn encode_auth(
    mechanism: &str,
    initial: Option<&InitialResponse>,
    support: InitialResponseSupport,
) -> Result<CommandLines, EncodeError> {
    let mechanism = word(mechanism)?;
    let alone = format!("AUTH {mechanism}");
    // RFC 5034 §4: an empty response is `=` in the command, and an empty line behind a challenge.
    let (in_command, by_itself) = match initial {
        None => return Ok(CommandLines { line: encode_line(alone)?, after_continuation: None }),
        Some(InitialResponse::Empty) => ("=", ""),
        Some(InitialResponse::Base64(response)) => (word(response)?, response.as_str()),
    };
    let line = encode_line(format!("{alone} {in_command}"))?;
    if support == InitialResponseSupport::WithCommand && line.len() <= LINE_BYTES_MAX {
        return Ok(CommandLines { line, after_continuation: None });
    }
    Ok(CommandLines { line: encode_line(alone)?, after_continuation: Some(encode_sasl_response(by_itself)?) })
}

fn word(text: &str) -> Result<&str, EncodeError> {
    if text.is_empty() || text.contains(' ') { Err(EncodeError::NotAWord) } else { Ok(text) }
}

fn encode_line(text: String) -> Result<Vec<u8>, EncodeError> {
    let mut line = text.into_bytes();
    if line.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
        return Err(EncodeError::ControlCharacter);
    }
    line.extend_from_slice(b"\r\n");
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{MessageNumber, Password, parse_command};

    fn written(command: &Command, support: InitialResponseSupport) -> (String, Option<String>) {
        let lines = encode_command(command, support).expect("it can be said");
        let text = |octets: Vec<u8>| String::from_utf8(octets).expect("commands are text");
        (text(lines.line), lines.after_continuation.map(text))
    }

    #[test]
    fn commands_are_written_and_read_again_by_our_server() {
        let auth = |initial| Command::Auth { mechanism: String::from("PLAIN"), initial };
        for (command, expected) in [
            (Command::User(String::from("joe smith")), "USER joe smith"),
            (Command::Pass(Password::new(" p w ")), "PASS  p w "),
            (auth(None), "AUTH PLAIN"),
            (auth(Some(InitialResponse::Empty)), "AUTH PLAIN ="),
            (auth(Some(InitialResponse::Base64(String::from("Zm9v")))), "AUTH PLAIN Zm9v"),
            (Command::Stls, "STLS"),
            (Command::Capa, "CAPA"),
            (Command::Utf8, "UTF8"),
            (Command::Lang(Language::List), "LANG"),
            (Command::Lang(Language::Preferred), "LANG *"),
            (Command::Lang(Language::Range(String::from("de"))), "LANG de"),
            (Command::Stat, "STAT"),
            (Command::List(None), "LIST"),
            (Command::List(Some(MessageNumber(2))), "LIST 2"),
            (Command::Uidl(None), "UIDL"),
            (Command::Uidl(Some(MessageNumber(2))), "UIDL 2"),
            (Command::Retr(MessageNumber(3)), "RETR 3"),
            (Command::Dele(MessageNumber(4)), "DELE 4"),
            (Command::Top { message: MessageNumber(5), lines: 0 }, "TOP 5 0"),
            (Command::Noop, "NOOP"),
            (Command::Rset, "RSET"),
            (Command::Quit, "QUIT"),
        ] {
            let (line, rest) = written(&command, InitialResponseSupport::WithCommand);
            assert_eq!((line.as_str(), rest), (format!("{expected}\r\n").as_str(), None));
            assert_eq!(parse_command(expected.as_bytes()), Ok(command));
        }
    }

    #[test]
    fn initial_responses_wait_where_they_must() {
        let auth = |initial| Command::Auth { mechanism: String::from("XOAUTH2"), initial: Some(initial) };
        let short = auth(InitialResponse::Base64(String::from("Zm9v")));
        let waiting = (String::from("AUTH XOAUTH2\r\n"), Some(String::from("Zm9v\r\n")));
        assert_eq!(written(&short, InitialResponseSupport::AfterContinuation), waiting);
        let long = "A".repeat(244);
        let waiting = (String::from("AUTH XOAUTH2\r\n"), Some(format!("{long}\r\n")));
        assert_eq!(written(&auth(InitialResponse::Base64(long)), InitialResponseSupport::WithCommand), waiting);
        let waiting = (String::from("AUTH XOAUTH2\r\n"), Some(String::from("\r\n")));
        assert_eq!(written(&auth(InitialResponse::Empty), InitialResponseSupport::AfterContinuation), waiting);
    }

    #[test]
    fn what_cannot_be_said_is_not_sent() {
        let refused = |command| encode_command(&command, InitialResponseSupport::WithCommand).expect_err("it cannot");
        assert_eq!(refused(Command::User(String::from("a\r\nDELE 1"))), EncodeError::ControlCharacter);
        assert_eq!(refused(Command::Pass(Password::new("a\0"))), EncodeError::ControlCharacter);
        assert_eq!(refused(Command::Auth { mechanism: String::new(), initial: None }), EncodeError::NotAWord);
        assert_eq!(encode_apop("a b", "c4c9334bac560ecc979e58001b3e22fb"), Err(EncodeError::NotAWord));
        let apop = encode_apop("mrose", "c4c9334bac560ecc979e58001b3e22fb").expect("it can be said");
        assert_eq!(apop, b"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n");
    }

    #[test]
    fn lines_do_not_print_passwords() {
        let pass = Command::Pass(Password::new("secret"));
        let lines = encode_command(&pass, InitialResponseSupport::WithCommand).expect("it can be said");
        assert_eq!(format!("{lines:?}"), "CommandLines(13 octets)");
    }
}
