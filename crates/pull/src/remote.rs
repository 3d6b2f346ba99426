//! Where the other server is and who is asked for: a URL, and what proves who asks.
//!
//! The rule for security is in the scheme: `pop3s` and `imaps` speak TLS from the first octet, `pop3` and `imap` begin in the clear
//! and demand TLS before anything else (STLS, STARTTLS). Plain text has to be asked for, with `?security=none`.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

use postrider_sasl::Password;

use crate::oauth::Tokens;

/// The protocol of the other server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// POP3 (RFC 1939).
    Pop3,
    /// IMAP (RFC 9051, RFC 3501).
    Imap,
}

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    /// TLS from the first octet (RFC 8314 §3).
    Tls,
    /// TLS begun by a command, and nothing without it.
    StartTls,
    /// None, because it was asked for.
    Plain,
}

/// A mailbox elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Its protocol.
    pub protocol: Protocol,
    /// The server's name or address; an IPv6 address is without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// The login name.
    pub user: String,
}

/// What proves who asks.
#[derive(Clone)]
pub enum Credential {
    /// A password.
    Password(Password),
    /// Access tokens.
    OAuth2(Arc<Tokens>),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password(_) => f.write_str("Password(…)"),
            Self::OAuth2(_) => f.write_str("OAuth2(…)"),
        }
    }
}

/// Why a text is no [`Remote`]; the text says what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// There is no scheme, or one that is not known.
    #[error(
        "{0:?} does not begin with pop3s://, imaps://, pop3:// or imap://; write it as in pop3s://alice@mail.example.org"
    )]
    Scheme(String),
    /// There is no user.
    #[error("the URL names no user; write it as in {scheme}://alice@{host}, with %40 for an @ within the name")]
    NoUser {
        /// The scheme that was given.
        scheme: String,
        /// The host that was given.
        host: String,
    },
    /// A password stands in the URL, where everybody on the machine can see it.
    #[error(
        "the URL has a password in it, which other people on this machine could see; leave it out, and let it be asked for \
         or give it with --password-file or --password-command (a colon within the user's name is written %3A)"
    )]
    Password,
    /// There is no host, or it holds what no host's name does.
    #[error(
        "the URL names no server; write it as in pop3s://alice@mail.example.org, an IPv6 address as in [2001:db8::1]"
    )]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("{0:?} is no port; write a number from 1 to 65535 behind the server's name, as in mail.example.org:995")]
    Port(String),
    /// A percent sign that does not begin an escape, or octets that are no text.
    #[error("{0:?} is not well escaped; write %25 for a percent sign, %40 for an @ and %2F for a slash in a name")]
    Escape(String),
    /// Something follows the host that means nothing here.
    #[error("{0:?} means nothing here; only ?security=none may follow the server's name")]
    Rest(String),
    /// Plain text on a port that was said to speak TLS.
    #[error("{scheme}:// speaks TLS; for plain text write {plain}://…?security=none")]
    Contradiction {
        /// The scheme that was given.
        scheme: String,
        /// The one that goes with plain text.
        plain: &'static str,
    },
}

impl Protocol {
    /// The port where nothing else is said.
    pub fn default_port(self, security: Security) -> u16 {
        match (self, security) {
            (Self::Pop3, Security::Tls) => 995,
            (Self::Pop3, _) => 110,
            (Self::Imap, Security::Tls) => 993,
            (Self::Imap, _) => 143,
        }
    }

    fn scheme(self, security: Security) -> &'static str {
        match (self, security) {
            (Self::Pop3, Security::Tls) => "pop3s",
            (Self::Pop3, _) => "pop3",
            (Self::Imap, Security::Tls) => "imaps",
            (Self::Imap, _) => "imap",
        }
    }
}

impl Remote {
    /// Whether the server is this machine, so that nobody between can listen.
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// A name for this mailbox under which is noted what was fetched from it: 32 hexadecimal digits.
    ///
    /// The standard ports are one, so that a change from STARTTLS to TLS does not fetch all mail again; another port may be
    /// another server, as with tunnels.
    pub fn memory_name(&self) -> String {
        let usual = [Security::Tls, Security::StartTls].map(|security| self.protocol.default_port(security));
        let port = if usual.contains(&self.port) { String::new() } else { self.port.to_string() };
        let name = format!("{}\0{port}\0{}", self.host.to_ascii_lowercase(), self.user);
        blake3::hash(name.as_bytes()).to_hex().chars().take(32).collect()
    }
}

impl FromStr for Remote {
    type Err = RemoteError;

    fn from_str(text: &str) -> Result<Self, RemoteError> {
        let unknown = || RemoteError::Scheme(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(unknown)?;
        let scheme = scheme.to_ascii_lowercase();
        let (protocol, implicit) = match scheme.as_str() {
            "pop3s" => (Protocol::Pop3, Security::Tls),
            "pop3" => (Protocol::Pop3, Security::StartTls),
            "imaps" => (Protocol::Imap, Security::Tls),
            "imap" => (Protocol::Imap, Security::StartTls),
            _ => return Err(unknown()),
        };
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let security = match query {
            None | Some("") => implicit,
            Some("security=none") if implicit == Security::Tls => {
                return Err(RemoteError::Contradiction { scheme, plain: protocol.scheme(Security::Plain) });
            }
            Some("security=none") => Security::Plain,
            Some(other) => return Err(RemoteError::Rest(format!("?{other}"))),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !path.is_empty() {
            return Err(RemoteError::Rest(format!("/{path}")));
        }
        // The last one: whoever writes an unescaped address as the name means that.
        let (user, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (host, port) = split_port(place)?;
        if user.is_empty() {
            return Err(RemoteError::NoUser { scheme, host });
        }
        if user.contains(':') {
            return Err(RemoteError::Password);
        }
        let user = unescape(user)?;
        let port = port.unwrap_or_else(|| protocol.default_port(security));
        Ok(Self { protocol, host, port, security, user })
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.protocol.scheme(self.security))?;
        for octet in self.user.bytes() {
            match octet {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'+' => {
                    write!(f, "{}", char::from(octet))?;
                }
                _ => write!(f, "%{octet:02X}")?,
            }
        }
        match self.host.contains(':') {
            true => write!(f, "@[{}]", self.host)?,
            false => write!(f, "@{}", self.host)?,
        }
        if self.port != self.protocol.default_port(self.security) {
            write!(f, ":{}", self.port)?;
        }
        if self.security == Security::Plain { f.write_str("?security=none") } else { Ok(()) }
    }
}

fn split_port(place: &str) -> Result<(String, Option<u16>), RemoteError> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (address, behind) = rest.split_once(']').ok_or(RemoteError::Host)?;
            address.parse::<Ipv6Addr>().map_err(|_| RemoteError::Host)?;
            let port = match behind {
                "" => None,
                behind => Some(behind.strip_prefix(':').ok_or(RemoteError::Host)?),
            };
            (address.to_owned(), port)
        }
        None => {
            let (host, port) = place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)));
            (unescape(host)?, port)
        }
    };
    let is_name =
        |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '/');
    if !is_name(&host) {
        return Err(RemoteError::Host);
    }
    let port = match port {
        None | Some("") => None,
        Some(text) => {
            let number = text.parse::<u16>().ok().filter(|number| *number > 0);
            Some(number.ok_or_else(|| RemoteError::Port(text.to_owned()))?)
        }
    };
    Ok((host, port))
}

/// Undoes percent-encoding (RFC 3986 §2.1).
fn unescape(text: &str) -> Result<String, RemoteError> {
    let wrong = || RemoteError::Escape(text.to_owned());
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&octet, behind)) = rest.split_first() {
        if octet != b'%' {
            octets.push(octet);
            rest = behind;
            continue;
        }
        let (digits, behind) = behind.split_first_chunk::<2>().ok_or_else(wrong)?;
        let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let [high, low] = digits.map(digit);
        let (Some(high), Some(low)) = (high, low) else { return Err(wrong()) };
        octets.push(high << 4 | low);
        rest = behind;
    }
    String::from_utf8(octets).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> (Protocol, String, u16, Security, String) {
        let remote: Remote = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        (remote.protocol, remote.host, remote.port, remote.security, remote.user)
    }

    #[test]
    fn the_scheme_says_how_the_connection_is_protected() {
        use Protocol::{Imap, Pop3};
        for (text, protocol, host, port, security, user) in [
            ("pop3s://alice@mail.example.org", Pop3, "mail.example.org", 995, Security::Tls, "alice"),
            ("POP3S://alice@mail.example.org/", Pop3, "mail.example.org", 995, Security::Tls, "alice"),
            ("pop3://alice@mail.example.org", Pop3, "mail.example.org", 110, Security::StartTls, "alice"),
            ("imaps://alice@mail.example.org", Imap, "mail.example.org", 993, Security::Tls, "alice"),
            ("imap://alice@mail.example.org:1143", Imap, "mail.example.org", 1143, Security::StartTls, "alice"),
            ("pop3://alice@127.0.0.1:1110/?security=none", Pop3, "127.0.0.1", 1110, Security::Plain, "alice"),
            ("pop3s://alice%40example.org@[2001:db8::1]", Pop3, "2001:db8::1", 995, Security::Tls, "alice@example.org"),
            ("pop3s://alice@example.org@[::1]:2995", Pop3, "::1", 2995, Security::Tls, "alice@example.org"),
            ("imaps://j%C3%BCrgen%2fx@example.org:", Imap, "example.org", 993, Security::Tls, "jürgen/x"),
        ] {
            assert_eq!(parts(text), (protocol, host.to_owned(), port, security, user.to_owned()), "{text}");
        }
    }

    #[test]
    fn errors_say_what_to_write() {
        for (text, part) in [
            ("mail.example.org", "pop3s://alice@mail.example.org"),
            ("http://alice@example.org", "does not begin with"),
            ("pop3s://mail.example.org", "pop3s://alice@mail.example.org"),
            ("pop3s://alice:secret@example.org", "leave it out"),
            ("pop3s://alice@", "names no server"),
            ("pop3s://alice@[::1", "[2001:db8::1]"),
            ("pop3s://alice@[::x]", "[2001:db8::1]"),
            ("pop3s://alice@example.org:0", "1 to 65535"),
            ("pop3s://alice@example.org:pop3", "1 to 65535"),
            ("pop3s://al%ice@example.org", "%25"),
            ("pop3s://al%ff@example.org", "%25"),
            ("pop3s://alice@example.org/INBOX", "?security=none"),
            ("pop3://alice@example.org?tls=no", "?security=none"),
            ("pop3s://alice@example.org?security=none", "pop3://"),
        ] {
            let error = text.parse::<Remote>().expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn only_this_machine_is_the_loopback() {
        for (host, expected) in [
            ("127.0.0.1", true),
            ("[::1]", true),
            ("localhost", true),
            ("192.0.2.1", false),
            ("localhost.example.org", false),
        ] {
            let remote: Remote = format!("pop3://a@{host}?security=none").parse().unwrap();
            assert_eq!(remote.is_loopback(), expected, "{host}");
        }
    }

    #[test]
    fn memory_outlives_a_change_of_security_but_not_of_server() {
        let name = |text: &str| text.parse::<Remote>().unwrap().memory_name();
        assert_eq!(name("pop3s://a@example.org"), name("pop3://a@EXAMPLE.org"));
        let all =
            ["pop3s://a@example.org", "pop3s://a@example.org:1995", "pop3s://b@example.org", "pop3s://a@example.com"];
        let names: std::collections::BTreeSet<_> = all.iter().map(|text| name(text)).collect();
        assert_eq!(names.len(), all.len());
    }

    #[test]
    fn a_credential_does_not_print_itself() {
        let credential = Credential::Password(Password::new("hunter2"));
        assert!(!format!("{credential:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(user in "[^\0]{1,12}", port in 1u16.., plain in any::<bool>()) {
            let security = if plain { Security::Plain } else { Security::StartTls };
            let remote = Remote { protocol: Protocol::Pop3, host: String::from("a.example"), port, security, user };
            prop_assert_eq!(remote.to_string().parse::<Remote>(), Ok(remote));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            let _ = text.parse::<Remote>();
            let _ = format!("pop3s://{text}").parse::<Remote>();
        }
    }
}
