//! Parameters of MAIL and RCPT.
//!
//! `esmtp-param = esmtp-keyword ["=" esmtp-value]` (RFC 5321 §4.1.2). A keyword that no extension announced is told
//! apart from a bad value, since the replies differ (RFC 5321 §4.1.1.11). Every parameter may stand only once.

use crate::{
    address::{Mailbox, is_atom},
    xtext,
};

/// Why parameters are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// No extension of this server has the parameter.
    #[error("parameter {0} is not implemented")]
    Unknown(String),
    /// The value is missing, superfluous, or outside its grammar.
    #[error("bad value of parameter {0}")]
    BadValue(&'static str),
    /// The parameter stands there twice.
    #[error("parameter {0} is repeated")]
    Repeated(&'static str),
}

/// What the content of a message is made of (RFC 6152, RFC 3030).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// Lines of ASCII.
    SevenBit,
    /// Lines of any octets.
    EightBitMime,
    /// Octets that need not be lines; only with BDAT.
    BinaryMime,
}

/// What a report of failure returns of the message (RFC 3461 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// The whole message.
    Full,
    /// Its header.
    Headers,
}

/// Who submitted the message to the mail system, as the client says (RFC 4954 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitter {
    /// `<>`: nobody known.
    Unknown,
    /// This mailbox.
    Mailbox(Mailbox),
}

/// The parameters of MAIL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// SIZE: the declared size in octets (RFC 1870).
    pub size: Option<u64>,
    /// BODY: the kind of content.
    pub body: Option<Body>,
    /// SMTPUTF8: addresses and header may hold UTF-8 (RFC 6531).
    pub smtputf8: bool,
    /// RET: what a report of failure returns.
    pub returned: Option<Return>,
    /// ENVID: the sender's own name for the transaction, decoded (RFC 3461 §4.4).
    pub envelope_id: Option<String>,
    /// AUTH: who submitted the message.
    pub submitter: Option<Submitter>,
}

/// When the sender wants a report about a recipient (RFC 3461 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notify {
    /// Never.
    Never,
    /// On these occasions.
    On {
        /// The message was delivered.
        success: bool,
        /// It could not be delivered.
        failure: bool,
        /// It takes unusually long.
        delay: bool,
    },
}

/// The address that the sender wrote, before any forwarding (RFC 3461 §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalRecipient {
    /// The kind of address, mostly `rfc822`.
    pub address_type: String,
    /// The address, decoded.
    pub address: String,
}

/// The parameters of RCPT.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecipientParameters {
    /// NOTIFY: when a report is wanted.
    pub notify: Option<Notify>,
    /// ORCPT: the original address.
    pub original_recipient: Option<OriginalRecipient>,
}

impl MailParameters {
    /// Reads what follows the path of MAIL.
    pub fn parse(text: &str) -> Result<Self, ParameterError> {
        let mut parameters = Self::default();
        for (keyword, value) in split(text) {
            match keyword.to_ascii_uppercase().as_str() {
                "SIZE" => set(&mut parameters.size, "SIZE", value.and_then(parse_size))?,
                "BODY" => set(&mut parameters.body, "BODY", value.and_then(parse_body))?,
                // RFC 6531 §3.4: the parameter takes no value.
                "SMTPUTF8" if value.is_some() => return Err(ParameterError::BadValue("SMTPUTF8")),
                "SMTPUTF8" if parameters.smtputf8 => return Err(ParameterError::Repeated("SMTPUTF8")),
                "SMTPUTF8" => parameters.smtputf8 = true,
                "RET" => set(&mut parameters.returned, "RET", value.and_then(parse_return))?,
                "ENVID" => set(&mut parameters.envelope_id, "ENVID", value.and_then(parse_envelope_id))?,
                "AUTH" => set(&mut parameters.submitter, "AUTH", value.and_then(parse_submitter))?,
                _ => return Err(ParameterError::Unknown(keyword.to_owned())),
            }
        }
        Ok(parameters)
    }
}

impl RecipientParameters {
    /// Reads what follows the path of RCPT.
    pub fn parse(text: &str) -> Result<Self, ParameterError> {
        let mut parameters = Self::default();
        for (keyword, value) in split(text) {
            match keyword.to_ascii_uppercase().as_str() {
                "NOTIFY" => set(&mut parameters.notify, "NOTIFY", value.and_then(parse_notify))?,
                "ORCPT" => {
                    set(&mut parameters.original_recipient, "ORCPT", value.and_then(parse_original_recipient))?;
                }
                _ => return Err(ParameterError::Unknown(keyword.to_owned())),
            }
        }
        Ok(parameters)
    }
}

fn split(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split(' ').filter(|word| !word.is_empty()).map(|word| match word.split_once('=') {
        Some((keyword, value)) => (keyword, Some(value)),
        None => (word, None),
    })
}

fn set<T>(slot: &mut Option<T>, keyword: &'static str, value: Option<T>) -> Result<(), ParameterError> {
    let value = value.ok_or(ParameterError::BadValue(keyword))?;
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(ParameterError::Repeated(keyword)),
    }
}

/// `size-value = 1*20DIGIT` (RFC 1870 §4)
fn parse_size(value: &str) -> Option<u64> {
    let digits = (1..=20).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
    // Twenty digits may be beyond a u64, and then beyond every limit too.
    digits.then(|| value.parse().unwrap_or(u64::MAX))
}

fn parse_body(value: &str) -> Option<Body> {
    match value.to_ascii_uppercase().as_str() {
        "7BIT" => Some(Body::SevenBit),
        "8BITMIME" => Some(Body::EightBitMime),
        "BINARYMIME" => Some(Body::BinaryMime),
        _ => None,
    }
}

fn parse_return(value: &str) -> Option<Return> {
    match value.to_ascii_uppercase().as_str() {
        "FULL" => Some(Return::Full),
        "HDRS" => Some(Return::Headers),
        _ => None,
    }
}

/// xtext that decodes to printable ASCII, up to 100 characters (RFC 3461 §4.4).
fn parse_envelope_id(value: &str) -> Option<String> {
    if value.is_empty() || value.len() > 100 {
        return None;
    }
    decode_printable(value)
}

fn decode_printable(value: &str) -> Option<String> {
    let text = String::from_utf8(xtext::decode(value)?).ok()?;
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')).then_some(text)
}

fn parse_submitter(value: &str) -> Option<Submitter> {
    if value == "<>" {
        return Some(Submitter::Unknown);
    }
    let text = String::from_utf8(xtext::decode(value)?).ok()?;
    Mailbox::parse(&text).ok().map(Submitter::Mailbox)
}

/// `notify-esmtp-value = "NEVER" / 1#notify-list-element`
fn parse_notify(value: &str) -> Option<Notify> {
    if value.eq_ignore_ascii_case("NEVER") {
        return Some(Notify::Never);
    }
    let (mut success, mut failure, mut delay) = (false, false, false);
    for word in value.split(',') {
        match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => success = true,
            "FAILURE" => failure = true,
            "DELAY" => delay = true,
            _ => return None,
        }
    }
    Some(Notify::On { success, failure, delay })
}

/// `original-recipient-address = addr-type ";" xtext`, up to 500 characters (RFC 3461 §4.2); with the address type
/// `utf-8`, UTF-8 may stand unencoded (RFC 6533 §3).
fn parse_original_recipient(value: &str) -> Option<OriginalRecipient> {
    let (address_type, encoded) = value.split_once(';')?;
    if value.len() > 500 || encoded.is_empty() || !address_type.is_ascii() || !is_atom(address_type) {
        return None;
    }
    let address = match encoded.is_ascii() {
        true => decode_printable(encoded)?,
        false if address_type.eq_ignore_ascii_case("utf-8") => encoded.to_owned(),
        false => return None,
    };
    Some(OriginalRecipient { address_type: address_type.to_owned(), address })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_of_mail_are_read() {
        let mailbox = |text: &str| Submitter::Mailbox(Mailbox::parse(text).expect(text));
        let none = MailParameters::default;
        for (text, expected) in [
            ("", none()),
            ("SIZE=500000", MailParameters { size: Some(500_000), ..none() }),
            ("size=99999999999999999999", MailParameters { size: Some(u64::MAX), ..none() }),
            ("BODY=8bitmime", MailParameters { body: Some(Body::EightBitMime), ..none() }),
            ("BODY=7BIT", MailParameters { body: Some(Body::SevenBit), ..none() }),
            ("BODY=BINARYMIME", MailParameters { body: Some(Body::BinaryMime), ..none() }),
            ("SMTPUTF8  SIZE=1", MailParameters { smtputf8: true, size: Some(1), ..none() }),
            (
                "RET=HDRS ENVID=QQ314159",
                MailParameters { returned: Some(Return::Headers), envelope_id: Some("QQ314159".into()), ..none() },
            ),
            ("RET=full", MailParameters { returned: Some(Return::Full), ..none() }),
            ("AUTH=<>", MailParameters { submitter: Some(Submitter::Unknown), ..none() }),
            ("AUTH=e+3Dmc2@example.com", MailParameters { submitter: Some(mailbox("e=mc2@example.com")), ..none() }),
        ] {
            assert_eq!(MailParameters::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn parameters_of_rcpt_are_read() {
        let on = |success, failure, delay| Some(Notify::On { success, failure, delay });
        for (text, notify, original) in [
            ("", None, None),
            ("NOTIFY=NEVER", Some(Notify::Never), None),
            ("NOTIFY=success,failure", on(true, true, false), None),
            ("NOTIFY=DELAY ORCPT=rfc822;Dana@Ivory.EDU", on(false, false, true), Some(("rfc822", "Dana@Ivory.EDU"))),
            ("ORCPT=rfc822;Bob+2BX@Example.COM", None, Some(("rfc822", "Bob+X@Example.COM"))),
            ("ORCPT=utf-8;ü@example.com", None, Some(("utf-8", "ü@example.com"))),
        ] {
            let original_recipient =
                original.map(|(kind, text)| OriginalRecipient { address_type: kind.into(), address: text.into() });
            assert_eq!(
                RecipientParameters::parse(text),
                Ok(RecipientParameters { notify, original_recipient }),
                "{text}"
            );
        }
    }

    #[test]
    fn faults_are_told_apart() {
        for (text, expected) in [
            ("X-NEW=1", ParameterError::Unknown("X-NEW".into())),
            ("NOTIFY=NEVER", ParameterError::Unknown("NOTIFY".into())),
            ("SIZE", ParameterError::BadValue("SIZE")),
            ("SIZE=", ParameterError::BadValue("SIZE")),
            ("SIZE=-1", ParameterError::BadValue("SIZE")),
            ("SIZE=999999999999999999999", ParameterError::BadValue("SIZE")),
            ("SIZE=1 SIZE=2", ParameterError::Repeated("SIZE")),
            ("BODY=9BIT", ParameterError::BadValue("BODY")),
            ("SMTPUTF8=1", ParameterError::BadValue("SMTPUTF8")),
            ("SMTPUTF8 SMTPUTF8", ParameterError::Repeated("SMTPUTF8")),
            ("RET=SOME", ParameterError::BadValue("RET")),
            ("ENVID=", ParameterError::BadValue("ENVID")),
            ("ENVID=a+0A", ParameterError::BadValue("ENVID")),
            ("AUTH=", ParameterError::BadValue("AUTH")),
            ("AUTH=joe", ParameterError::BadValue("AUTH")),
        ] {
            assert_eq!(MailParameters::parse(text), Err(expected), "{text}");
        }
        for (text, expected) in [
            ("SIZE=1", ParameterError::Unknown("SIZE".into())),
            ("NOTIFY=NEVER,SUCCESS", ParameterError::BadValue("NOTIFY")),
            ("NOTIFY=", ParameterError::BadValue("NOTIFY")),
            ("NOTIFY=NEVER NOTIFY=NEVER", ParameterError::Repeated("NOTIFY")),
            ("ORCPT=joe@example.com", ParameterError::BadValue("ORCPT")),
            ("ORCPT=;joe@example.com", ParameterError::BadValue("ORCPT")),
            ("ORCPT=rfc822;ü@example.com", ParameterError::BadValue("ORCPT")),
            ("ORCPT=rfc822;a+0D+0Ab", ParameterError::BadValue("ORCPT")),
        ] {
            assert_eq!(RecipientParameters::parse(text), Err(expected), "{text}");
        }
        assert!(MailParameters::parse(&format!("ENVID={}", "x".repeat(101))).is_err());
        assert!(RecipientParameters::parse(&format!("ORCPT=rfc822;{}", "x".repeat(500))).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(
            text in any::<String>(), keyword in "(SIZE|BODY|RET|ENVID|AUTH|NOTIFY|ORCPT)=",
        ) {
            for text in [text.clone(), keyword + &text] {
                let _ = MailParameters::parse(&text);
                let _ = RecipientParameters::parse(&text);
            }
        }
    }
}
