//! Whether what came is what was there.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher as _};

use memchr::memmem;

/// What is known of a message, on either side: hashes rather than bytes, since there are many.
#[derive(Debug, Clone)]
pub struct Kept {
    identity: String,
    exact: u64,
    /// With LF for CRLF.
    without_line_ends: u64,
    /// The body, likewise.
    body: u64,
    /// The lines of the header, likewise.
    header: BTreeSet<u64>,
    flags: BTreeSet<String>,
}

/// How one message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sameness {
    Exact,
    LineEnds,
    /// Lines were added to its header.
    HeaderAdded,
    Changed,
}

/// What the comparison of a mailbox found; counts of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Comparison {
    /// There.
    pub there: usize,
    /// Came byte for byte.
    pub exact: usize,
    /// Came with other line ends.
    pub line_ends: usize,
    /// Came with more lines in the header; line ends may differ, too.
    pub header_added: usize,
    /// Came otherwise changed.
    pub changed: usize,
    /// Did not come.
    pub missing: usize,
    /// Came more often than they are there.
    pub surplus: usize,
    /// Came without some of the system flags that they have there, or with others.
    pub flags_differ: usize,
    /// Came without a keyword that they have there.
    pub keywords_lost: usize,
}

impl Kept {
    /// A message; flags in lower case, as IMAP names them.
    pub fn new(raw: &[u8], flags: BTreeSet<String>) -> Self {
        let text = without_carriage_returns(raw);
        let end = memmem::find(&text, b"\n\n").map_or(text.len(), |end| end + 1);
        let (header, body) = text.split_at(end);
        Self {
            identity: identity(header),
            exact: hash(raw),
            without_line_ends: hash(&text),
            body: hash(body),
            header: header.split(|byte| *byte == b'\n').map(hash).collect(),
            flags,
        }
    }

    fn sameness(&self, there: &Self) -> Sameness {
        if self.exact == there.exact {
            Sameness::Exact
        } else if self.without_line_ends == there.without_line_ends {
            Sameness::LineEnds
        } else if self.body == there.body && there.header.is_subset(&self.header) {
            Sameness::HeaderAdded
        } else {
            Sameness::Changed
        }
    }

    fn system_flags(&self) -> impl Iterator<Item = &String> {
        self.flags.iter().filter(|flag| flag.starts_with('\\'))
    }
}

impl Comparison {
    /// Compares what is there with what came; messages are told apart by Message-ID, which is unique in this mail.
    pub fn of(there: &[Kept], came: &[Kept]) -> Self {
        let mut by_identity: BTreeMap<&str, Vec<&Kept>> = BTreeMap::new();
        for message in came {
            by_identity.entry(&message.identity).or_default().push(message);
        }
        let mut found = Self { there: there.len(), ..Self::default() };
        for message in there {
            let Some(mine) = by_identity.get_mut(message.identity.as_str()).and_then(Vec::pop) else {
                found.missing += 1;
                continue;
            };
            match mine.sameness(message) {
                Sameness::Exact => found.exact += 1,
                Sameness::LineEnds => found.line_ends += 1,
                Sameness::HeaderAdded => found.header_added += 1,
                Sameness::Changed => found.changed += 1,
            }
            found.flags_differ += usize::from(!mine.system_flags().eq(message.system_flags()));
            let keywords = message.flags.iter().filter(|flag| !flag.starts_with('\\'));
            found.keywords_lost += usize::from(keywords.into_iter().any(|keyword| !mine.flags.contains(keyword)));
        }
        found.surplus = by_identity.values().map(Vec::len).sum();
        found
    }
}

fn without_carriage_returns(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(content) => {
                text.extend_from_slice(content);
                text.push(b'\n');
            }
            None => text.extend_from_slice(line),
        }
    }
    text
}

fn identity(header: &[u8]) -> String {
    let text = String::from_utf8_lossy(header);
    let id =
        text.lines().find_map(|line| line.strip_prefix("Message-ID:").or_else(|| line.strip_prefix("Message-Id:")));
    id.unwrap_or_default().trim().to_owned()
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(raw: &str, flags: &[&str]) -> Kept {
        Kept::new(raw.as_bytes(), flags.iter().map(|flag| (*flag).to_owned()).collect())
    }

    #[test]
    fn every_way_of_coming_is_told_apart() {
        let there: Vec<Kept> = (0..6)
            .map(|number| kept(&format!("Message-ID: <{number}>\r\n\r\nbody\r\n"), &["\\seen", "project"]))
            .collect();
        let came = [
            kept("Message-ID: <0>\r\n\r\nbody\r\n", &["\\seen", "project"]),
            kept("Message-ID: <1>\n\nbody\n", &["\\seen"]),
            kept("Return-Path: <>\nMessage-ID: <2>\n\nbody\n", &[]),
            kept("Message-ID: <3>\r\n\r\nbodi\r\n", &["\\seen", "project"]),
            kept("Message-ID: <4>\r\n\r\nbody\r\n", &["\\seen", "project"]),
            kept("Message-ID: <4>\r\n\r\nbody\r\n", &["\\seen", "project"]),
        ];
        let expected = Comparison {
            there: 6,
            exact: 2,
            line_ends: 1,
            header_added: 1,
            changed: 1,
            missing: 1,
            surplus: 1,
            flags_differ: 1,
            keywords_lost: 2,
        };
        assert_eq!(Comparison::of(&there, &came), expected);
    }
}
