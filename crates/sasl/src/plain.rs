//! PLAIN (RFC 4616): one message with everything in it.

use zeroize::Zeroizing;

use crate::{ClientCredentials, Limits, Password, SaslError};

/// What a client's message says.
pub(crate) struct PlainMessage {
    pub(crate) authorization: Option<String>,
    pub(crate) user: String,
    pub(crate) password: Password,
}

/// Reads `message = [authzid] UTF8NUL authcid UTF8NUL passwd` (RFC 4616 §2).
pub(crate) fn parse_plain(message: &[u8], limits: &Limits) -> Result<PlainMessage, SaslError> {
    let text = std::str::from_utf8(message).map_err(|_| SaslError::Malformed("not UTF-8"))?;
    let mut fields = text.split('\0');
    let (Some(authorization), Some(user), Some(password), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(SaslError::Malformed("not three fields"));
    };
    if user.is_empty() || password.is_empty() {
        return Err(SaslError::Malformed("no user name or no password"));
    }
    if authorization.len().max(user.len()) > limits.name_bytes_max || password.len() > limits.password_bytes_max {
        return Err(SaslError::TooLong);
    }
    Ok(PlainMessage {
        authorization: (!authorization.is_empty()).then(|| authorization.to_owned()),
        user: user.to_owned(),
        password: Password::new(password),
    })
}

/// Writes the client's message.
pub(crate) fn encode_plain(credentials: &ClientCredentials) -> Result<Zeroizing<Vec<u8>>, SaslError> {
    let authorization = credentials.authorization.as_deref().unwrap_or_default();
    let password = credentials.password.expose();
    if [authorization, &credentials.user, password].iter().any(|field| field.contains('\0')) {
        return Err(SaslError::Malformed("a NUL in a name or password"));
    }
    let length = authorization.len() + credentials.user.len() + password.len() + 2;
    let mut message = Zeroizing::new(Vec::with_capacity(length));
    message.extend_from_slice(authorization.as_bytes());
    message.push(0);
    message.extend_from_slice(credentials.user.as_bytes());
    message.push(0);
    message.extend_from_slice(password.as_bytes());
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 4616 §4
    #[test]
    fn the_examples_of_the_standard_are_read() {
        let table: [(&str, Option<&str>, &str, &str); 2] = [
            ("\0tim\0tanstaaftanstaaf", None, "tim", "tanstaaftanstaaf"),
            ("Ursel\0Kurt\0xipj3plmq", Some("Ursel"), "Kurt", "xipj3plmq"),
        ];
        for (message, authorization, user, password) in table {
            let read = parse_plain(message.as_bytes(), &Limits::default()).unwrap();
            assert_eq!(read.authorization.as_deref(), authorization);
            assert_eq!(read.user, user);
            assert_eq!(read.password.expose(), password);
        }
    }

    #[test]
    fn messages_with_other_than_three_fields_or_an_empty_one_are_refused() {
        for message in [&b""[..], b"a", b"\0a", b"\0a\0", b"\0\0b", b"\0a\0b\0c", b"\0\xff\0b"] {
            assert!(matches!(parse_plain(message, &Limits::default()), Err(SaslError::Malformed(_))), "{message:?}");
        }
    }

    #[test]
    fn fields_beyond_their_bounds_are_refused() {
        let limits = Limits { name_bytes_max: 3, password_bytes_max: 4, ..Limits::default() };
        assert!(parse_plain(b"\0abc\0abcd", &limits).is_ok());
        for message in [&b"\0abcd\0abcd"[..], b"abcd\0abc\0abcd", b"\0abc\0abcde"] {
            assert!(matches!(parse_plain(message, &limits), Err(SaslError::TooLong)), "{message:?}");
        }
    }
}
