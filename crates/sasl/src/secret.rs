//! A password as a type that prints as redacted and is wiped when dropped.

use std::{borrow::Cow, fmt};

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::prepare::prepare;

/// A password. Prints as `…`, compares in constant time, is wiped when dropped.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Takes over a password.
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    /// The password as it was given. Every use of this deserves a second look.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The password as it is hashed and compared: SASLprep's form (RFC 4013), or the text as given where SASLprep
    /// refuses it (say, for a character newer than its tables).
    ///
    /// The fallback lets everybody keep the password they chose; two forms of such a password are then two passwords.
    pub fn prepared(&self) -> Cow<'_, str> {
        prepare(&self.0).unwrap_or(Cow::Borrowed(&self.0))
    }

    /// The length, in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Password {}

impl From<String> for Password {
    fn from(password: String) -> Self {
        Self(password)
    }
}

impl From<&str> for Password {
    fn from(password: &str) -> Self {
        Self(password.to_owned())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_shows_in_debug_output() {
        assert!(!format!("{:?}", Password::new("hunter2")).contains("hunter2"));
    }

    #[test]
    fn a_password_that_saslprep_refuses_is_used_as_given() {
        assert_eq!(Password::new("a\u{0007}b").prepared(), "a\u{0007}b");
        assert_eq!(Password::new("\u{2168}").prepared(), "IX");
    }
}
