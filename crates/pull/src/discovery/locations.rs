//! Where configuration files lie (draft-ietf-mailmaint-autoconfig, "Configuration retrieval"). Only `https` addresses are among
//! them: a file that came in the clear could be anybody's.

use super::{Address, Source};
use crate::https::encode_form;

/// Addresses of files, in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Locations {
    pub(super) urls: Vec<String>,
    pub(super) source: Source,
}

impl Locations {
    /// Of the domain itself. It is told the address, since it may have servers that differ from user to user.
    pub(super) fn of_domain(address: &Address) -> Self {
        let (domain, text) = (address.domain(), address.to_string());
        let query = encode_form(&[("emailaddress", &text)]);
        let urls = vec![
            format!("https://autoconfig.{domain}/mail/config-v1.1.xml?{}", query.as_str()),
            format!("https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml"),
        ];
        Self { urls, source: Source::Domain }
    }

    /// Of a database, which is told the domain and not the address.
    pub(super) fn of_database(database: &str, domain: &str) -> Self {
        Self { urls: vec![format!("{}/{domain}", database.trim_end_matches('/'))], source: Source::Database }
    }

    /// Of whoever takes the mail.
    pub(super) fn of_exchanger(domain: &str) -> Self {
        Self { urls: vec![format!("https://autoconfig.{domain}/mail/config-v1.1.xml")], source: Source::Exchanger }
    }
}

/// The domains that a mail exchanger's name may belong to, the longer first; not the address's own, which was asked already.
pub(super) fn exchanger_domains(exchanger: &str, own: &str) -> Vec<String> {
    let Some((_, full)) = exchanger.split_once('.').filter(|(_, full)| full.contains('.')) else { return Vec::new() };
    let labels: Vec<&str> = full.split('.').collect();
    // The list of public suffixes is large and changes; a short label before a country's is taken for one, as in co.uk.
    let is_registry = |label: &&str| label.len() <= 3;
    let base_labels = match labels.as_slice() {
        [.., second, country] if country.len() == 2 && is_registry(second) && labels.len() > 2 => 3,
        _ => 2,
    };
    let base = labels.get(labels.len().saturating_sub(base_labels)..).unwrap_or_default().join(".");
    let mut domains = vec![full.to_owned()];
    if base != full {
        domains.push(base);
    }
    domains.retain(|domain| domain != own);
    domains
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_escaped_and_only_the_domain_itself_is_told_them() {
        let address: Address = "a&b@example.org".parse().unwrap();
        let own = Locations::of_domain(&address);
        assert_eq!(
            own.urls,
            [
                "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=a%26b%40example.org",
                "https://example.org/.well-known/autoconfig/mail/config-v1.1.xml"
            ]
        );
        for others in
            [Locations::of_database(super::super::DATABASE, "example.org"), Locations::of_exchanger("example.net")]
        {
            assert!(others.urls.iter().all(|url| url.starts_with("https://") && !url.contains("a%26b")));
        }
    }

    #[test]
    fn an_exchanger_belongs_to_the_domain_above_it() {
        // The draft's examples, and others.
        for (exchanger, own, expected) in [
            ("mx.example.com", "example.org", &["example.com"][..]),
            ("mx.example.co.uk", "example.org", &["example.co.uk"]),
            ("mx.premium.europe.example.com", "example.org", &["premium.europe.example.com", "example.com"]),
            ("mx.mail.example.co.uk", "example.org", &["mail.example.co.uk", "example.co.uk"]),
            ("mx.example.org", "example.org", &[]),
            ("mx.org", "example.org", &[]),
            ("localhost", "example.org", &[]),
        ] {
            assert_eq!(exchanger_domains(exchanger, own), expected, "{exchanger}");
        }
    }
}
