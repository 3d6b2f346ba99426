//! What a server announces in answer to CAPA (RFC 2449 §5).

use crate::capability::{Expiry, LoginDelay, Scope};

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncedCapability {
    /// The capability, in capitals.
    pub tag: String,
    /// Its parameters, as they came.
    pub parameters: Vec<String>,
}

/// All that a server announces. Before login and after it a server may announce different things (RFC 2449 §5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerCapabilities {
    announced: Vec<AnnouncedCapability>,
}

impl ServerCapabilities {
    /// Nothing announced: what must be assumed of a server that does not know CAPA.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a line of the answer, without its line end; octets that are not UTF-8 are replaced.
    pub fn push_line(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let mut words = text.split_ascii_whitespace();
        if let Some(tag) = words.next() {
            let parameters = words.map(str::to_owned).collect();
            self.announced.push(AnnouncedCapability { tag: tag.to_ascii_uppercase(), parameters });
        }
    }

    /// All lines.
    pub fn announced(&self) -> &[AnnouncedCapability] {
        &self.announced
    }

    /// Whether a capability is announced, in any case of letters.
    pub fn has(&self, tag: &str) -> bool {
        self.parameters(tag).is_some()
    }

    /// A capability's parameters, if it is announced.
    pub fn parameters(&self, tag: &str) -> Option<&[String]> {
        let announced = self.announced.iter().find(|announced| announced.tag.eq_ignore_ascii_case(tag))?;
        Some(&announced.parameters)
    }

    /// The SASL mechanisms (RFC 5034 §3). Where there are any, AUTH may come with an initial response.
    pub fn mechanisms(&self) -> &[String] {
        self.parameters("SASL").unwrap_or_default()
    }

    /// How long messages stay; `None` where it is not announced, or not in its form.
    pub fn expire(&self) -> Option<Expiry> {
        let (value, scope) = self.value_and_scope("EXPIRE")?;
        if value.eq_ignore_ascii_case("NEVER") {
            return Some(Expiry::Never);
        }
        value.parse().ok().map(|days| Expiry::Days(days, scope))
    }

    /// The least time between logins; `None` where it is not announced, or not in its form.
    pub fn login_delay(&self) -> Option<LoginDelay> {
        let (value, scope) = self.value_and_scope("LOGIN-DELAY")?;
        value.parse().ok().map(|seconds| LoginDelay { seconds, scope })
    }

    fn value_and_scope(&self, tag: &str) -> Option<(&str, Scope)> {
        let (value, rest) = self.parameters(tag)?.split_first()?;
        let is_per_user = rest.first().is_some_and(|word| word.eq_ignore_ascii_case("USER"));
        Some((value, if is_per_user { Scope::PerUser } else { Scope::Exact }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::Capabilities;
    use crate::client::{ListingLine, ListingReader};

    #[test]
    fn what_our_server_announces_comes_back() {
        let ours = Capabilities {
            user: true,
            stls: true,
            sasl: vec![String::from("PLAIN"), String::from("SCRAM-SHA-256")],
            expire: Some(Expiry::Days(30, Scope::PerUser)),
            login_delay: Some(LoginDelay { seconds: 60, scope: Scope::Exact }),
            utf8: true,
            lang: false,
            implementation: Some(String::from("postrider 1")),
        };
        let mut out = Vec::new();
        ours.encode(&mut out);
        let body = out.strip_prefix(b"+OK Capability list follows\r\n").unwrap();
        let mut theirs = ServerCapabilities::new();
        ListingReader::new(1024).push(body, |line| match line {
            ListingLine::Line(line) => theirs.push_line(line),
            ListingLine::TooLong => panic!("no line is long"),
        });
        assert!(["USER", "STLS", "top", "UIDL", "PIPELINING", "UTF8"].iter().all(|tag| theirs.has(tag)));
        assert!(!theirs.has("LANG"));
        assert_eq!(theirs.mechanisms(), ours.sasl);
        assert_eq!((theirs.expire(), theirs.login_delay()), (ours.expire, ours.login_delay));
        assert_eq!(theirs.parameters("IMPLEMENTATION").unwrap().join(" "), "postrider 1");
    }

    #[test]
    fn what_is_out_of_form_is_not_announced() {
        let mut theirs = ServerCapabilities::new();
        for line in ["EXPIRE soon", "LOGIN-DELAY", "", "  sasl  login ", "\u{fffd}"] {
            theirs.push_line(line.as_bytes());
        }
        assert_eq!((theirs.expire(), theirs.login_delay()), (None, None));
        assert_eq!(theirs.mechanisms(), ["login"]);
        assert_eq!(theirs.announced().len(), 4);
    }
}
