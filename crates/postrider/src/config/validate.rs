//! What the types cannot say: values that fit their type and still make no sense.

use std::collections::HashSet;

use super::Config;

/// Bounds of what is remembered or kept inside; none is a choice.
const MAY_BE_ZERO: [&str; 10] = [
    "store.growth_bytes_max",
    "store.reserve_bytes_max",
    "store.inline_body_bytes_max",
    "store.changes_kept_max",
    "store.accounts_resident_max",
    "store.digest_bytes_max",
    "message.header_copy_bytes_max",
    "message.search_text_bytes_max",
    "login.verified_logins_max",
    "login.delay_seconds_max",
];

impl Config {
    /// One line for each value that cannot be meant, naming its key.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(name) = self.hostname.as_deref().filter(|name| !is_hostname(name)) {
            problems.push(format!("hostname: {name:?} is no host name; write it as in \"mail.example.org\""));
        }
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            problems.push("tls: certificate and key belong together; set both or neither".to_owned());
        }
        problems.extend(level_problem(&self.log.level));
        let mut seen = HashSet::new();
        for (name, address) in self.listen.all() {
            if address.port() != 0 && !seen.insert(address) {
                problems.push(format!("listen.{name}: {address} is taken by another protocol of this file"));
            }
        }
        problems.extend(self.login.problems());
        problems.extend(self.pop3.problems());
        problems.extend(self.store.problems());
        problems.extend(self.backup.problems());
        problems.extend(super::pull::problems(&self.pull));
        problems.extend(self.zeros());
        problems
    }

    /// Bounds that would let nothing through.
    fn zeros(&self) -> Vec<String> {
        let Ok(serde_json::Value::Object(sections)) = serde_json::to_value(self) else { return Vec::new() };
        let mut problems = Vec::new();
        for (section, keys) in &sections {
            for (key, value) in keys.as_object().into_iter().flatten() {
                let path = format!("{section}.{key}");
                let means_something = MAY_BE_ZERO.contains(&path.as_str());
                if key.ends_with("_max") && value.as_u64() == Some(0) && !means_something {
                    problems.push(format!("{path}: 0 would let nothing through"));
                }
            }
        }
        problems
    }
}

impl super::Listen {
    /// Every address with the name of its protocol.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, std::net::SocketAddr)> + '_ {
        let lists = [
            ("imap", &self.imap),
            ("imaps", &self.imaps),
            ("pop3", &self.pop3),
            ("pop3s", &self.pop3s),
            ("submission", &self.submission),
            ("submissions", &self.submissions),
            ("smtp", &self.smtp),
            ("lmtp", &self.lmtp),
            ("metrics", &self.metrics),
        ];
        lists.into_iter().flat_map(|(name, addresses)| addresses.iter().map(move |address| (name, *address)))
    }
}

/// The levels of the log.
const LEVELS: &str = "off, error, warn, info, debug or trace";

/// What is wrong with the log's level. To its library a word alone names a part of the program, so that a mistyped level would
/// turn everything else off.
fn level_problem(text: &str) -> Option<String> {
    // Fields of a span may hold commas; only the library reads those.
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty() && !text.contains('['));
    for word in words {
        let level = word.rsplit_once('=').map_or(word, |(_, level)| level).trim();
        if level.parse::<tracing_subscriber::filter::LevelFilter>().is_err() {
            let part = if word == level && word.starts_with("postrider") {
                format!("; for a part: {word}=debug")
            } else {
                String::new()
            };
            return Some(format!("log.level: {level:?} is no level; write {LEVELS}{part}"));
        }
    }
    let error = text.parse::<tracing_subscriber::EnvFilter>().err()?;
    Some(format!("log.level: {text:?} cannot be read: {error}"))
}

/// Letters, digits and hyphens between dots (RFC 1123 §2.1).
pub(super) fn is_hostname(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(Config::default().problems(), Vec::<String>::new());
    }

    #[test]
    fn each_senseless_value_is_named_by_its_key() {
        let mut config = Config { hostname: Some("not a name".into()), ..Config::default() };
        config.tls.key = Some("key.pem".into());
        config.log.level = "loud=very=much".into();
        config.listen.pop3 = config.listen.imap.clone();
        config.limits.connections_max = 0;
        let problems = config.problems().join("\n");
        for key in ["hostname:", "tls:", "log.level:", "listen.pop3:", "limits.connections_max:"] {
            assert!(problems.contains(key), "{key} in {problems}");
        }
    }

    #[test]
    fn a_level_is_one_of_the_list_alone_or_for_a_part() {
        for good in
            ["info", "WARN", "off", "info,postrider_imap_server=debug", "info,postrider_store=trace", "[a]=debug"]
        {
            assert_eq!(level_problem(good), None, "{good}");
        }
        for (wrong, wanted) in [
            ("verbose", "\"verbose\" is no level; write off, error, warn, info, debug or trace"),
            ("warn,verbose", "\"verbose\" is no level"),
            ("postrider_store=loud", "\"loud\" is no level"),
            ("info,postrider_store", "for a part: postrider_store=debug"),
        ] {
            assert!(level_problem(wrong).unwrap().contains(wanted), "{wrong}: {:?}", level_problem(wrong));
        }
    }

    #[test]
    fn host_names_are_told_from_other_text() {
        for (name, wanted) in
            [("mail.example.org", true), ("localhost", true), ("", false), ("a..b", false), ("-a", false), ("ä", false)]
        {
            assert_eq!(is_hostname(name), wanted, "{name}");
        }
    }
}
