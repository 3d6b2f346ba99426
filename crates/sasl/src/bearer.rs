//! OAUTHBEARER (RFC 7628) and XOAUTH2 (its forerunner, which Google and Microsoft describe): the user's name and an access token
//! in one message.
//!
//! They stand apart from [`crate::Mechanism`], which lists what our servers offer to who has a password here: nobody here
//! issues tokens. Both mechanisms send the token readable, so the connection must be private.

use zeroize::Zeroizing;

use crate::{Limits, Password, SaslError};

/// A mechanism that takes an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BearerMechanism {
    /// OAUTHBEARER (RFC 7628).
    OAuthBearer,
    /// XOAUTH2, never standardised, and the only one that some offer.
    XOAuth2,
}

impl BearerMechanism {
    /// Both, the standard first: the order in which clients choose.
    pub const ALL: [Self; 2] = [Self::OAuthBearer, Self::XOAuth2];

    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
        }
    }

    /// The mechanism of this name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }
}

/// What a client logs in with.
#[derive(Debug, Clone)]
pub struct BearerCredentials {
    /// The user name.
    pub user: String,
    /// The name of the server that is spoken to, which OAUTHBEARER may tell it (RFC 7628 §3.1).
    pub host: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// The access token.
    pub token: Password,
}

/// One login with a token, seen from the client.
///
/// Send [`BearerExchange::initial_response`] with the command or after the first empty challenge, and answer every challenge with
/// [`BearerExchange::step`]. A challenge with content is a refusal: the server wants one more answer before it says so in its
/// protocol, and [`BearerExchange::refusal`] has what it said.
#[derive(Debug)]
pub struct BearerExchange {
    mechanism: BearerMechanism,
    credentials: BearerCredentials,
    limits: Limits,
    is_begun: bool,
    refusal: Option<String>,
}

impl BearerExchange {
    /// Begins an exchange with the default limits.
    pub fn new(mechanism: BearerMechanism, credentials: BearerCredentials) -> Self {
        Self { mechanism, credentials, limits: Limits::default(), is_begun: false, refusal: None }
    }

    /// The message to begin with.
    ///
    /// # Errors
    /// When the name or the token holds what cannot be sent.
    pub fn initial_response(&mut self) -> Result<Zeroizing<Vec<u8>>, SaslError> {
        self.is_begun = true;
        encode_bearer(self.mechanism, &self.credentials)
    }

    /// Answers a challenge, decoded from base64.
    ///
    /// # Errors
    /// When the challenge is too long, is no text, or is one too many.
    pub fn step(&mut self, challenge: &[u8]) -> Result<Zeroizing<Vec<u8>>, SaslError> {
        if challenge.len() > self.limits.message_bytes_max {
            return Err(SaslError::TooLong);
        }
        if !self.is_begun {
            // A server that took no initial response invites it with an empty challenge.
            return if challenge.is_empty() { self.initial_response() } else { Err(SaslError::OutOfOrder) };
        }
        if self.refusal.is_some() {
            return Err(SaslError::OutOfOrder);
        }
        let said = std::str::from_utf8(challenge).map_err(|_| SaslError::Malformed("not UTF-8"))?;
        self.refusal = Some(said.to_owned());
        Ok(Zeroizing::new(match self.mechanism {
            // RFC 7628 §3.2.3: the server fails the login only once it has had this.
            BearerMechanism::OAuthBearer => vec![SEPARATOR],
            // Google's description: an empty line.
            BearerMechanism::XOAuth2 => Vec::new(),
        }))
    }

    /// Why the server refuses, in its own words, mostly JSON (RFC 7628 §3.2.2).
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// Whether success may be believed.
    ///
    /// # Errors
    /// When the token was not sent, or was refused before.
    pub fn finish(&self) -> Result<(), SaslError> {
        if self.is_begun && self.refusal.is_none() { Ok(()) } else { Err(SaslError::OutOfOrder) }
    }
}

/// What a client's message says, for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BearerMessage {
    /// The user name; empty where OAUTHBEARER leaves it to the token.
    pub user: String,
    /// The access token.
    pub token: Password,
    /// The server that the client believes to speak to.
    pub host: Option<String>,
    /// Its port.
    pub port: Option<u16>,
}

const SEPARATOR: u8 = 1;

/// Writes the client's message: `client-resp` of RFC 7628 §3.1, or XOAUTH2's `user=…^Aauth=Bearer …^A^A`.
fn encode_bearer(mechanism: BearerMechanism, credentials: &BearerCredentials) -> Result<Zeroizing<Vec<u8>>, SaslError> {
    let BearerCredentials { user, host, port, token } = credentials;
    let is_sayable = |text: &str| !text.chars().any(char::is_control);
    let host = host.as_deref().unwrap_or_default();
    if ![user, host, token.expose()].into_iter().all(is_sayable) {
        return Err(SaslError::Malformed("a control character in a name or token"));
    }
    let mut message = Zeroizing::new(Vec::with_capacity(user.len() * 3 + host.len() + token.len() + 64));
    match mechanism {
        BearerMechanism::OAuthBearer => {
            message.extend_from_slice(b"n,a=");
            // RFC 5801 §4: a saslname.
            message.extend_from_slice(user.replace('=', "=3D").replace(',', "=2C").as_bytes());
            message.extend_from_slice(b",\x01");
            if !host.is_empty() {
                message.extend_from_slice(format!("host={host}\x01").as_bytes());
            }
            if let Some(port) = port {
                message.extend_from_slice(format!("port={port}\x01").as_bytes());
            }
        }
        BearerMechanism::XOAuth2 => {
            message.extend_from_slice(b"user=");
            message.extend_from_slice(user.as_bytes());
            message.push(SEPARATOR);
        }
    }
    message.extend_from_slice(b"auth=Bearer ");
    message.extend_from_slice(token.expose().as_bytes());
    message.extend_from_slice(&[SEPARATOR, SEPARATOR]);
    Ok(message)
}

/// Reads a client's first message.
///
/// # Errors
/// When it does not follow the mechanism's grammar, or is longer than allowed.
pub fn parse_bearer(mechanism: BearerMechanism, message: &[u8], limits: &Limits) -> Result<BearerMessage, SaslError> {
    if message.len() > limits.message_bytes_max {
        return Err(SaslError::TooLong);
    }
    let text = std::str::from_utf8(message).map_err(|_| SaslError::Malformed("not UTF-8"))?;
    let text = text.strip_suffix("\x01\x01").ok_or(SaslError::Malformed("no end"))?;
    let (mut user, pairs) = match mechanism {
        BearerMechanism::XOAuth2 => (None, text),
        BearerMechanism::OAuthBearer => {
            let (header, pairs) = text.split_once('\x01').ok_or(SaslError::Malformed("no key"))?;
            (Some(parse_header(header)?), pairs)
        }
    };
    let (mut token, mut host, mut port) = (None, None, None);
    for pair in pairs.split('\x01') {
        let (key, value) = pair.split_once('=').ok_or(SaslError::Malformed("a key without a value"))?;
        match key {
            "auth" => token = Some(parse_token(value)?),
            "host" => host = Some(value.to_owned()),
            "port" => port = Some(value.parse().map_err(|_| SaslError::Malformed("not a port"))?),
            "user" if mechanism == BearerMechanism::XOAuth2 => user = Some(value.to_owned()),
            // RFC 7628 §3.1: others are passed over.
            _ => {}
        }
    }
    let (Some(user), Some(token)) = (user, token) else { return Err(SaslError::Malformed("no user or no token")) };
    if user.len() > limits.name_bytes_max {
        return Err(SaslError::TooLong);
    }
    Ok(BearerMessage { user, token, host, port })
}

/// `gs2-header` of RFC 5801 §4, without channel binding, which the mechanism has not.
fn parse_header(header: &str) -> Result<String, SaslError> {
    let rest = header.strip_prefix("n,").or_else(|| header.strip_prefix("y,"));
    let name = rest.and_then(|rest| rest.strip_suffix(',')).ok_or(SaslError::Malformed("no GS2 header"))?;
    if name.is_empty() {
        return Ok(String::new());
    }
    let name = name.strip_prefix("a=").filter(|name| !name.contains(','));
    let name = name.ok_or(SaslError::Malformed("no GS2 header"))?;
    let mut pieces = name.split('=');
    let mut user = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (octet, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(SaslError::Malformed("an escape that is none")),
        };
        user.push(octet);
        user.push_str(rest);
    }
    Ok(user)
}

fn parse_token(value: &str) -> Result<Password, SaslError> {
    // RFC 6750 §2.1; names of schemes are written in any case (RFC 9110 §11.1).
    let (scheme, token) = value.split_once(' ').ok_or(SaslError::Malformed("no token"))?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(SaslError::Malformed("no bearer token"));
    }
    Ok(Password::new(token.trim()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn credentials(user: &str, token: &str) -> BearerCredentials {
        let host = Some(String::from("server.example.com"));
        BearerCredentials { user: user.to_owned(), host, port: Some(143), token: Password::new(token) }
    }

    // RFC 7628 §4.1, with its port and host; XOAUTH2 as Google describes it
    #[test]
    fn messages_are_written_as_the_descriptions_have_them() {
        let token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
        let mut exchange = BearerExchange::new(BearerMechanism::OAuthBearer, credentials("user@example.com", token));
        let expected =
            format!("n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer {token}\x01\x01");
        assert_eq!(exchange.initial_response().unwrap().as_slice(), expected.as_bytes());
        exchange.finish().unwrap();
        let mut exchange = BearerExchange::new(BearerMechanism::XOAuth2, credentials("someuser@example.com", "ya29.v"));
        let expected = b"user=someuser@example.com\x01auth=Bearer ya29.v\x01\x01";
        assert_eq!(exchange.initial_response().unwrap().as_slice(), expected);
    }

    #[test]
    fn a_refusal_is_answered_once_and_remembered() {
        // RFC 7628 §4.3
        let said = br#"{"status":"invalid_token","scope":"example_scope"}"#;
        for (mechanism, answer) in [(BearerMechanism::OAuthBearer, &b"\x01"[..]), (BearerMechanism::XOAuth2, b"")] {
            let mut exchange = BearerExchange::new(mechanism, credentials("a", "b"));
            // As a server without initial responses does.
            assert!(exchange.step(b"").unwrap().ends_with(b"\x01\x01"));
            assert_eq!(exchange.step(said).unwrap().as_slice(), answer);
            assert_eq!(exchange.refusal().map(str::as_bytes), Some(&said[..]));
            assert_eq!(exchange.finish(), Err(SaslError::OutOfOrder));
            assert_eq!(exchange.step(said).unwrap_err(), SaslError::OutOfOrder);
        }
        let mut exchange = BearerExchange::new(BearerMechanism::XOAuth2, credentials("a", "b"));
        assert!(exchange.step(b"x").is_err() && exchange.finish().is_err());
        let _ = exchange.initial_response().unwrap();
        assert_eq!(exchange.step(&[b'a'; 5000]).unwrap_err(), SaslError::TooLong);
    }

    #[test]
    fn a_token_does_not_print_itself_and_separators_cannot_be_smuggled() {
        let exchange = BearerExchange::new(BearerMechanism::XOAuth2, credentials("a", "hunter2"));
        assert!(!format!("{exchange:?}").contains("hunter2"));
        for (user, token) in [("a\x01auth=Bearer x", "b"), ("a", "b\x01"), ("a\n", "b")] {
            for mechanism in BearerMechanism::ALL {
                assert!(BearerExchange::new(mechanism, credentials(user, token)).initial_response().is_err());
            }
        }
    }

    #[test]
    fn messages_that_break_the_grammar_are_refused() {
        for message in [
            "",
            "\x01",
            "n,,",
            "n,,\x01\x01",
            "n,,\x01auth=Bearer\x01\x01",
            "n,,\x01auth=Basic x\x01\x01",
            "p=tls-exporter,,\x01auth=Bearer x\x01\x01",
            "n,a=a=2D,\x01auth=Bearer x\x01\x01",
            "n,,\x01auth=Bearer x\x01",
            "n,,\x01port=x\x01auth=Bearer x\x01\x01",
            "n,,\x01auth\x01\x01",
        ] {
            let read = parse_bearer(BearerMechanism::OAuthBearer, message.as_bytes(), &Limits::default());
            assert!(read.is_err(), "{message:?}");
        }
        let anonymous =
            parse_bearer(BearerMechanism::OAuthBearer, b"n,,\x01x=y\x01auth=bearer t\x01\x01", &Limits::default());
        assert_eq!(anonymous.unwrap().user, "");
    }

    proptest! {
        #[test]
        fn what_a_client_writes_a_server_reads(user in "\\PC{1,20}", token in "[!-~]{1,40}") {
            for mechanism in BearerMechanism::ALL {
                let credentials = credentials(&user, &token);
                let message = BearerExchange::new(mechanism, credentials).initial_response();
                let read = parse_bearer(mechanism, &message.unwrap(), &Limits::default()).unwrap();
                prop_assert_eq!(&read.user, &user);
                prop_assert_eq!(read.token.expose(), &token);
                prop_assert_eq!(read.port, (mechanism == BearerMechanism::OAuthBearer).then_some(143));
            }
        }

        #[test]
        fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
            for mechanism in BearerMechanism::ALL {
                let _ = parse_bearer(mechanism, &octets, &Limits::default());
            }
        }
    }
}
