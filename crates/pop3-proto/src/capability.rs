//! The answer to CAPA (RFC 2449 §5 and §6).

use crate::response::{encode_end, encode_line, encode_ok};

/// Whether a value holds for every account, or may differ after login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The same for all, or the value of the account that is logged in.
    Exact,
    /// The strictest value of any account, before login; marked `USER`.
    PerUser,
}

/// How long messages stay (RFC 2449 §6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// The server does not delete messages by itself.
    Never,
    /// The server may delete messages after this many days; 0: what was downloaded may not stay.
    Days(u32, Scope),
}

/// The least time between logins (RFC 2449 §6.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginDelay {
    /// The time in seconds.
    pub seconds: u32,
    /// Whether it is the same for all.
    pub scope: Scope,
}

/// What the server can do, in the state in which it is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// USER and PASS are accepted now.
    pub user: bool,
    /// STLS may be given now.
    pub stls: bool,
    /// Names of SASL mechanisms; none: no SASL line.
    pub sasl: Vec<String>,
    /// How long messages stay.
    pub expire: Option<Expiry>,
    /// The least time between logins, if there is one.
    pub login_delay: Option<LoginDelay>,
    /// The UTF8 command, with user names and passwords in UTF-8 (RFC 6856 §2.2).
    pub utf8: bool,
    /// The LANG command.
    pub lang: bool,
    /// The server's name and perhaps version, for people who look at protocol logs.
    pub implementation: Option<String>,
}

impl Capabilities {
    /// Writes the whole answer.
    ///
    /// TOP, UIDL, RESP-CODES, AUTH-RESP-CODE and PIPELINING stand in it always: this grammar has them all.
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode_ok(out, None, "Capability list follows");
        for tag in ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"] {
            encode_line(out, tag);
        }
        let optional = [(self.user, "USER"), (self.stls, "STLS"), (self.utf8, "UTF8 USER"), (self.lang, "LANG")];
        for (_, tag) in optional.iter().filter(|(present, _)| *present) {
            encode_line(out, tag);
        }
        if !self.sasl.is_empty() {
            encode_line(out, &format!("SASL {}", self.sasl.join(" ")));
        }
        match self.expire {
            Some(Expiry::Never) => encode_line(out, "EXPIRE NEVER"),
            Some(Expiry::Days(days, scope)) => encode_line(out, &format!("EXPIRE {days}{}", scope_suffix(scope))),
            None => {}
        }
        if let Some(delay) = self.login_delay {
            encode_line(out, &format!("LOGIN-DELAY {}{}", delay.seconds, scope_suffix(delay.scope)));
        }
        if let Some(name) = &self.implementation {
            encode_line(out, &format!("IMPLEMENTATION {name}"));
        }
        encode_end(out);
    }
}

fn scope_suffix(scope: Scope) -> &'static str {
    match scope {
        Scope::Exact => "",
        Scope::PerUser => " USER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(capabilities: &Capabilities) -> Vec<String> {
        let mut out = Vec::new();
        capabilities.encode(&mut out);
        let text = String::from_utf8(out).expect("capabilities are UTF-8");
        text.split_terminator("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn the_least_list_has_what_is_always_there() {
        let expected =
            ["+OK Capability list follows", "TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "."];
        assert_eq!(lines(&Capabilities::default()), expected);
    }

    #[test]
    fn every_capability_has_its_line() {
        let all = Capabilities {
            user: true,
            stls: true,
            sasl: vec!["PLAIN".into(), "SCRAM-SHA-256".into()],
            expire: Some(Expiry::Days(60, Scope::PerUser)),
            login_delay: Some(LoginDelay { seconds: 900, scope: Scope::Exact }),
            utf8: true,
            lang: true,
            implementation: Some("postrider".into()),
        };
        let shown = lines(&all);
        for line in [
            "USER",
            "STLS",
            "SASL PLAIN SCRAM-SHA-256",
            "EXPIRE 60 USER",
            "LOGIN-DELAY 900",
            "UTF8 USER",
            "LANG",
            "IMPLEMENTATION postrider",
        ] {
            assert!(shown.iter().any(|shown| shown == line), "{line} in {shown:?}");
        }
        let never = Capabilities { expire: Some(Expiry::Never), ..Capabilities::default() };
        assert!(lines(&never).contains(&"EXPIRE NEVER".to_owned()));
    }
}
