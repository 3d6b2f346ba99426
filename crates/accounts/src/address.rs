//! Addresses in the one form that they are stored and compared in.

use std::{borrow::Borrow, fmt};

/// The longest address, in bytes (RFC 5321 §4.5.3.1.3, less its angle brackets).
const ADDRESS_BYTES_MAX: usize = 254;
/// The longest local part, in bytes (RFC 5321 §4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;
/// The longest label of a domain, in bytes (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// What is wrong with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `@`, or nothing after it.
    #[error("it has no domain")]
    NoDomain,
    /// It, or its local part, is longer than RFC 5321 allows.
    #[error("it is too long")]
    TooLong,
    /// The local part is empty, or is not atoms joined by single dots.
    #[error("the part before the @ is not valid")]
    LocalPart,
    /// The domain is not labels of letters, digits and hyphens joined by single dots.
    #[error("the domain is not valid")]
    Domain,
}

/// A mail address in normal form: ASCII letters in lower case, no quotes.
///
/// UTF-8 is allowed (RFC 6531) and compared as it is written; internationalised domains are not converted
/// between their two forms. RFC 5321 §2.4 lets the receiving system alone decide what a local part means; here case
/// means nothing, as everybody expects.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(String);

impl Address {
    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the last `@`.
    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// The part after the last `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl Borrow<str> for Address {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Reads an address and brings it to normal form.
///
/// Takes RFC 5321's `Mailbox` less address literals; a quoted local part is taken where its content needs no quotes.
pub fn parse_address(text: &str) -> Result<Address, AddressError> {
    let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoDomain)?;
    let local = unquote(local);
    if local.len() > LOCAL_BYTES_MAX || local.len() + domain.len() + 1 > ADDRESS_BYTES_MAX {
        return Err(AddressError::TooLong);
    }
    if !is_dot_string(&local) {
        return Err(AddressError::LocalPart);
    }
    let domain = parse_domain(domain)?;
    Ok(Address(format!("{}@{domain}", local.to_ascii_lowercase())))
}

/// Reads a domain and brings it to normal form.
pub(crate) fn parse_domain(text: &str) -> Result<String, AddressError> {
    if text.is_empty() {
        return Err(AddressError::NoDomain);
    }
    if text.len() > ADDRESS_BYTES_MAX {
        return Err(AddressError::TooLong);
    }
    if !text.split('.').all(is_label) {
        return Err(AddressError::Domain);
    }
    Ok(text.to_ascii_lowercase())
}

/// The content of a quoted local part, or the local part itself (RFC 5321 §4.1.2: the two mean the same).
pub(crate) fn unquote(local: &str) -> String {
    let Some(quoted) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return local.to_owned();
    };
    let mut content = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => content.extend(characters.next()),
            other => content.push(other),
        }
    }
    content
}

fn is_dot_string(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// RFC 5322 §3.2.3, with RFC 6531 §3.3's non-ASCII characters.
fn is_atext(character: char) -> bool {
    if character.is_ascii() {
        character.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(character)
    } else {
        !character.is_control() && !character.is_whitespace()
    }
}

fn is_label(label: &str) -> bool {
    let inner = |character: char| {
        if character.is_ascii() { character.is_ascii_alphanumeric() || character == '-' } else { is_atext(character) }
    };
    !label.is_empty()
        && label.len() <= LABEL_BYTES_MAX
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_come_to_one_form() {
        let table = [
            ("anna@example.org", "anna@example.org"),
            ("Anna.B+Lists@EXAMPLE.org", "anna.b+lists@example.org"),
            ("\"anna\"@example.org", "anna@example.org"),
            ("\"an\\na\"@example.org", "anna@example.org"),
            ("用户@例子.广告", "用户@例子.广告"),
            ("root@localhost", "root@localhost"),
        ];
        for (text, expected) in table {
            let address = parse_address(text).unwrap();
            assert_eq!(address.as_str(), expected);
            assert_eq!(format!("{}@{}", address.local(), address.domain()), expected);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        let table = [
            ("", AddressError::NoDomain),
            ("anna", AddressError::NoDomain),
            ("anna@", AddressError::NoDomain),
            ("@example.org", AddressError::LocalPart),
            (".anna@example.org", AddressError::LocalPart),
            ("an..na@example.org", AddressError::LocalPart),
            ("an na@example.org", AddressError::LocalPart),
            ("\"an na\"@example.org", AddressError::LocalPart),
            ("an\u{0}na@example.org", AddressError::LocalPart),
            ("<anna@example.org", AddressError::LocalPart),
            ("anna@example..org", AddressError::Domain),
            ("anna@-example.org", AddressError::Domain),
            ("anna@example.org>", AddressError::Domain),
            ("anna@[192.0.2.1]", AddressError::Domain),
        ];
        for (text, expected) in table {
            assert_eq!(parse_address(text), Err(expected), "{text:?}");
        }
        assert_eq!(parse_address(&format!("{}@example.org", "a".repeat(65))), Err(AddressError::TooLong));
        assert_eq!(parse_address(&format!("a@{}org", "a.".repeat(130))), Err(AddressError::TooLong));
        assert_eq!(parse_address(&format!("a@{}.org", "a".repeat(64))), Err(AddressError::Domain));
    }

    proptest! {
        #[test]
        fn the_normal_form_is_its_own_normal_form(text in "\\PC{0,20}@[a-zA-Z.-]{0,20}") {
            if let Ok(address) = parse_address(&text) {
                prop_assert_eq!(parse_address(address.as_str()), Ok(address));
            }
        }
    }
}
