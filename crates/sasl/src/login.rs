//! LOGIN: user name and password, each asked for by a prompt.
//!
//! No RFC defines it; the prompts are those of draft-murchison-sasl-login-00, which old programs compare to the letter.

use crate::{Limits, SaslError};

/// Asks for the user name.
pub(crate) const USER_PROMPT: &[u8] = b"Username:";
/// Asks for the password.
pub(crate) const PASSWORD_PROMPT: &[u8] = b"Password:";

/// Reads the answer to the first prompt.
pub(crate) fn parse_user(response: &[u8], limits: &Limits) -> Result<String, SaslError> {
    parse_field(response, limits.name_bytes_max)
}

/// Reads the answer to the second prompt.
pub(crate) fn parse_password(response: &[u8], limits: &Limits) -> Result<String, SaslError> {
    parse_field(response, limits.password_bytes_max)
}

fn parse_field(response: &[u8], bytes_max: usize) -> Result<String, SaslError> {
    if response.len() > bytes_max {
        return Err(SaslError::TooLong);
    }
    // Some programs end the field with a NUL, as the draft asks of them.
    let response = response.strip_suffix(b"\0").unwrap_or(response);
    match std::str::from_utf8(response) {
        Ok("") => Err(SaslError::Malformed("an empty answer")),
        Ok(text) if text.contains('\0') => Err(SaslError::Malformed("a NUL inside an answer")),
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(SaslError::Malformed("not UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_with_or_without_a_closing_nul() {
        for response in [&b"tim"[..], b"tim\0"] {
            assert_eq!(parse_user(response, &Limits::default()).unwrap(), "tim");
        }
        for response in [&b""[..], b"\0", b"a\0b", b"\xff"] {
            assert!(matches!(parse_user(response, &Limits::default()), Err(SaslError::Malformed(_))), "{response:?}");
        }
        assert_eq!(parse_password(&[b'a'; 2000], &Limits::default()), Err(SaslError::TooLong));
    }
}
