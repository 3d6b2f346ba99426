//! The answer to EHLO and LHLO (RFC 5321 §4.1.1.1).

use crate::reply::encode_reply;

/// The extensions that a server offers at this point of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions {
    /// SIZE with the largest message in octets (RFC 1870).
    pub size: Option<u64>,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// AUTH with these mechanisms; none: no AUTH line (RFC 4954).
    pub auth: Vec<String>,
    /// CHUNKING (RFC 3030).
    pub chunking: bool,
    /// BINARYMIME (RFC 3030), which needs CHUNKING.
    pub binarymime: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
}

impl Extensions {
    /// Writes the whole reply, opened by the server's own name and a greeting.
    ///
    /// PIPELINING, 8BITMIME and ENHANCEDSTATUSCODES stand in it always. The reply carries no enhanced code
    /// itself (RFC 2034 §3).
    pub fn encode(&self, out: &mut Vec<u8>, host_name: &str, greeting: &str) {
        let mut lines = vec![format!("{host_name} {greeting}"), "PIPELINING".into(), "8BITMIME".into()];
        lines.push("ENHANCEDSTATUSCODES".into());
        lines.extend(self.size.map(|size| format!("SIZE {size}")));
        if !self.auth.is_empty() {
            lines.push(format!("AUTH {}", self.auth.join(" ")));
        }
        let optional = [
            (self.starttls, "STARTTLS"),
            (self.chunking, "CHUNKING"),
            (self.chunking && self.binarymime, "BINARYMIME"),
            (self.dsn, "DSN"),
            (self.smtputf8, "SMTPUTF8"),
        ];
        lines.extend(optional.iter().filter(|(offered, _)| *offered).map(|(_, line)| (*line).to_owned()));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        encode_reply(out, 250, None, &lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(extensions: &Extensions) -> String {
        let mut out = Vec::new();
        extensions.encode(&mut out, "mx.example.net", "greets you");
        String::from_utf8(out).expect("replies are ASCII")
    }

    #[test]
    fn every_extension_has_its_line() {
        let least = "250-mx.example.net greets you\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n";
        assert_eq!(written(&Extensions::default()), least);
        let all = Extensions {
            size: Some(1_000_000),
            starttls: true,
            auth: vec!["PLAIN".into(), "SCRAM-SHA-256".into()],
            chunking: true,
            binarymime: true,
            dsn: true,
            smtputf8: true,
        };
        let shown = written(&all);
        for line in
            ["SIZE 1000000", "STARTTLS", "AUTH PLAIN SCRAM-SHA-256", "CHUNKING", "BINARYMIME", "DSN", "SMTPUTF8"]
        {
            assert!(shown.lines().any(|shown| shown.get(4..) == Some(line)), "{line} in {shown}");
        }
        assert!(shown.ends_with("250 SMTPUTF8\r\n"));
    }
}
