//! The grammar of SCRAM's four messages (RFC 5802 §7), both directions, without any cryptography.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use crate::SaslError;

/// `gs2-cbind-flag`: what the client says of channel binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BindingFlag {
    /// `n`: the client cannot bind.
    Unsupported,
    /// `y`: the client can, and believes that the server cannot.
    ServerLacksIt,
    /// `p=…`: the client binds, with this type.
    Bound(String),
}

/// `client-first-message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientFirst {
    /// The header as it was sent, with its closing comma; the client's proof covers it.
    pub(crate) header: String,
    pub(crate) flag: BindingFlag,
    pub(crate) authorization: Option<String>,
    /// All after the header, as it was sent; the proofs cover it.
    pub(crate) bare: String,
    pub(crate) user: String,
    pub(crate) nonce: String,
}

/// `server-first-message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerFirst {
    pub(crate) nonce: String,
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: u32,
}

/// `client-final-message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientFinal {
    /// All before the proof, as it was sent; the proofs cover it.
    pub(crate) without_proof: String,
    pub(crate) binding: Vec<u8>,
    pub(crate) nonce: String,
    pub(crate) proof: Vec<u8>,
}

/// `server-final-message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServerFinal {
    Verifier(Vec<u8>),
    Error(String),
}

impl ClientFirst {
    pub(crate) fn parse(message: &str) -> Result<Self, SaslError> {
        let malformed = || SaslError::Malformed("client-first-message");
        let (flag, rest) = message.split_once(',').ok_or_else(malformed)?;
        let (authorization, bare) = rest.split_once(',').ok_or_else(malformed)?;
        let header = message.strip_suffix(bare).ok_or_else(malformed)?;
        let flag = match flag {
            "n" => BindingFlag::Unsupported,
            "y" => BindingFlag::ServerLacksIt,
            _ => match flag.strip_prefix("p=") {
                Some(name) if !name.is_empty() => BindingFlag::Bound(name.to_owned()),
                _ => return Err(malformed()),
            },
        };
        let authorization = match authorization {
            "" => None,
            named => Some(decode_name(attribute(Some(named), "a=").ok_or_else(malformed)?)?),
        };
        let mut attributes = bare.split(',');
        let first = attributes.next();
        // RFC 5802 §5.1: an extension that must be understood, and none is.
        if first.is_some_and(|first| first.starts_with("m=")) {
            return Err(SaslError::Malformed("a mandatory extension"));
        }
        let user = decode_name(attribute(first, "n=").ok_or_else(malformed)?)?;
        let nonce = parse_nonce(attributes.next()).ok_or_else(malformed)?;
        Ok(Self { header: header.to_owned(), flag, authorization, bare: bare.to_owned(), user, nonce })
    }
}

impl ServerFirst {
    pub(crate) fn parse(message: &str) -> Result<Self, SaslError> {
        let malformed = || SaslError::Malformed("server-first-message");
        let mut attributes = message.split(',');
        let nonce = parse_nonce(attributes.next()).ok_or_else(malformed)?;
        let salt = parse_base64(attribute(attributes.next(), "s=")).ok_or_else(malformed)?;
        let iterations = attribute(attributes.next(), "i=")
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(malformed)?;
        Ok(Self { nonce, salt, iterations })
    }

    pub(crate) fn encode(&self) -> String {
        format!("r={},s={},i={}", self.nonce, BASE64.encode(&self.salt), self.iterations)
    }
}

impl ClientFinal {
    pub(crate) fn parse(message: &str) -> Result<Self, SaslError> {
        let malformed = || SaslError::Malformed("client-final-message");
        // The proof is the last attribute, after any extensions.
        let (without_proof, proof) = message.rsplit_once(',').ok_or_else(malformed)?;
        let proof = parse_base64(attribute(Some(proof), "p=")).ok_or_else(malformed)?;
        let mut attributes = without_proof.split(',');
        let binding = parse_base64(attribute(attributes.next(), "c=")).ok_or_else(malformed)?;
        let nonce = parse_nonce(attributes.next()).ok_or_else(malformed)?;
        Ok(Self { without_proof: without_proof.to_owned(), binding, nonce, proof })
    }

    /// The message before its proof.
    pub(crate) fn encode_without_proof(binding: &[u8], nonce: &str) -> String {
        format!("c={},r={nonce}", BASE64.encode(binding))
    }

    /// The whole message.
    pub(crate) fn encode(without_proof: &str, proof: &[u8]) -> String {
        format!("{without_proof},p={}", BASE64.encode(proof))
    }
}

impl ServerFinal {
    pub(crate) fn parse(message: &str) -> Result<Self, SaslError> {
        let first = message.split(',').next();
        if let Some(error) = attribute(first, "e=") {
            return Ok(Self::Error(error.to_owned()));
        }
        let verifier = parse_base64(attribute(first, "v=")).ok_or(SaslError::Malformed("server-final-message"))?;
        Ok(Self::Verifier(verifier))
    }

    pub(crate) fn encode_verifier(verifier: &[u8]) -> String {
        format!("v={}", BASE64.encode(verifier))
    }
}

/// `saslname` for a name: commas and equals signs are written as codes.
pub(crate) fn encode_name(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// The name behind a `saslname`. RFC 5802 §5.1: an equals sign that opens none of the two codes is an error.
fn decode_name(encoded: &str) -> Result<String, SaslError> {
    let mut pieces = encoded.split('=');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (character, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(SaslError::Malformed("an equals sign in a name")),
        };
        name.push(character);
        name.push_str(rest);
    }
    if name.is_empty() || name.contains('\0') {
        return Err(SaslError::Malformed("an empty name, or a NUL in it"));
    }
    Ok(name)
}

fn attribute<'a>(attribute: Option<&'a str>, prefix: &str) -> Option<&'a str> {
    attribute?.strip_prefix(prefix)
}

fn parse_nonce(text: Option<&str>) -> Option<String> {
    let nonce = attribute(text, "r=")?;
    let printable = nonce.bytes().all(|byte| byte.is_ascii_graphic());
    (!nonce.is_empty() && printable).then(|| nonce.to_owned())
}

fn parse_base64(text: Option<&str>) -> Option<Vec<u8>> {
    text.filter(|text| !text.is_empty()).and_then(|text| BASE64.decode(text).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_header_and_names_of_a_first_message_are_taken_apart() {
        let read = ClientFirst::parse("p=tls-exporter,a=bo=2Css,n=an=3Dna,r=abc,x=y").unwrap();
        assert_eq!(read.header, "p=tls-exporter,a=bo=2Css,");
        assert_eq!(read.flag, BindingFlag::Bound("tls-exporter".into()));
        assert_eq!(read.authorization.as_deref(), Some("bo,ss"));
        assert_eq!((read.user.as_str(), read.nonce.as_str()), ("an=na", "abc"));
        assert_eq!(read.bare, "n=an=3Dna,r=abc,x=y");
    }

    #[test]
    fn broken_messages_are_refused() {
        for message in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=user",
            "n,,n=user,r=",
            "n,,n=,r=abc",
            "n,,n=a=b,r=abc",
            "n,,n=a=2,r=abc",
            "n,,m=x,n=a,r=abc",
            "q,,n=user,r=abc",
            "p,,n=user,r=abc",
            "p=,,n=user,r=abc",
            "n,b=x,n=user,r=abc",
            "n,,n=user,r=a\u{e4}",
        ] {
            assert!(ClientFirst::parse(message).is_err(), "{message:?}");
        }
        for message in ["", "c=biws,r=abc", "c=,r=abc,p=YQ==", "c=biws,p=YQ==", "r=abc,c=biws,p=YQ==", "c=biws,r=a,p=!"]
        {
            assert!(ClientFinal::parse(message).is_err(), "{message:?}");
        }
        for message in ["", "r=a,s=YQ==", "r=a,s=YQ==,i=", "r=a,s=YQ==,i=+1", "r=a,s=,i=1", "r=a,s=YQ==,i=99999999999"]
        {
            assert!(ServerFirst::parse(message).is_err(), "{message:?}");
        }
        for message in ["", "v=", "x=YQ==", "v=?"] {
            assert!(ServerFinal::parse(message).is_err(), "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn names_survive_encoding(name in "[^\0]{1,40}") {
            prop_assert_eq!(decode_name(&encode_name(&name)).unwrap(), name);
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC{0,80}") {
            let _ = ClientFirst::parse(&text);
            let _ = ClientFinal::parse(&text);
            let _ = ServerFirst::parse(&text);
            let _ = ServerFinal::parse(&text);
        }
    }
}
