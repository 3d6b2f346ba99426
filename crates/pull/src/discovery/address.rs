//! An address whose servers are looked for.

use std::{fmt, str::FromStr};

/// An address of mail, with a domain that DNS can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    local: String,
    domain: String,
}

/// Why a text is no [`Address`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAddress {
    /// It lacks a part, or a part holds what it cannot.
    #[error("{0:?} is no address, as in alice@example.org")]
    Form(String),
    /// The domain is written in other letters than DNS has.
    #[error("the domain {0:?} has to be written as DNS has it, which is xn--… for other letters than a to z")]
    International(String),
}

impl Address {
    /// The part before the `@`.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The part behind it, in small letters.
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let wrong = || NotAnAddress::Form(text.to_owned());
        let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
        if !domain.is_ascii() {
            return Err(NotAnAddress::International(domain.to_owned()));
        }
        let domain = host_name(domain).filter(|domain| domain.contains('.')).ok_or_else(wrong)?;
        if local.is_empty() || local.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(wrong());
        }
        Ok(Self { local: local.to_owned(), domain })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

/// A host's name in small letters and without the dot of the root, if the text is one (RFC 1123 §2.1); addresses are none.
pub(super) fn host_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A last label of digits makes it an IPv4 address.
    let is_number = name.rsplit('.').next().is_some_and(|label| label.bytes().all(|octet| octet.is_ascii_digit()));
    (name.len() <= 253 && name.split('.').all(is_label) && !is_number).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_a_domain_that_dns_can_have() {
        let address: Address = "Alice+x@Example.ORG.".parse().unwrap();
        assert_eq!((address.local(), address.domain()), ("Alice+x", "example.org"));
        for wrong in [
            "alice",
            "@example.org",
            "alice@",
            "alice@localhost",
            "a b@example.org",
            "a@ex ample.org",
            "a@b..c",
            "a@-b.c",
            "a@192.0.2.1",
            "a@[192.0.2.1]",
            "a@b.c/d",
            "a@b.c?x",
            "a@b.c:443",
        ] {
            assert!(matches!(wrong.parse::<Address>(), Err(NotAnAddress::Form(_))), "{wrong}");
        }
        assert!(matches!("a@bücher.example".parse::<Address>(), Err(NotAnAddress::International(_))));
    }
}
