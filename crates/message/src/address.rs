//! Address lists (RFC 5322 §3.4) as the address structures of an IMAP envelope, one at a time.
//!
//! The reader is an iterator so that a header full of commas costs no memory. It takes everything: what is no address
//! by the grammar is returned with an empty host or mailbox rather than dropped, because a client shows it.

use crate::encoded_word::decode_encoded_words;
use crate::parameter::{comment_bytes, quoted_string};

/// One address structure (RFC 9051 §7.5.2). Encoded words stay as they are; quoting is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A mailbox.
    Mailbox {
        /// Display name; a comment stands in where there is none.
        name: Option<Vec<u8>>,
        /// Source route, `@a,@b`.
        route: Option<Vec<u8>>,
        /// Local part, perhaps empty.
        mailbox: Vec<u8>,
        /// Domain, empty when missing.
        host: Vec<u8>,
    },
    /// The start of a group with its name.
    GroupStart(Vec<u8>),
    /// The end of a group.
    GroupEnd,
}

impl Address {
    /// The sort value for DISPLAYFROM and DISPLAYTO (RFC 5957 §3).
    pub fn display(&self) -> String {
        match self {
            Self::Mailbox { name, mailbox, host, .. } => {
                let name = name.as_deref().map(decode_encoded_words).filter(|name| !name.is_empty());
                name.unwrap_or_else(|| {
                    format!("{}@{}", decode_encoded_words(mailbox), decode_encoded_words(host))
                        .trim_end_matches('@')
                        .to_owned()
                })
            }
            Self::GroupStart(name) => decode_encoded_words(name),
            Self::GroupEnd => String::new(),
        }
    }

    /// The sort value for FROM, TO and CC (RFC 5256 §3): `addr-mailbox`.
    pub fn mailbox_key(&self) -> String {
        match self {
            Self::Mailbox { mailbox, .. } => decode_encoded_words(mailbox),
            Self::GroupStart(name) => decode_encoded_words(name),
            Self::GroupEnd => String::new(),
        }
    }
}

/// Reads the addresses of one field value.
#[derive(Debug, Clone)]
pub struct Addresses<'a> {
    rest: &'a [u8],
    in_group: bool,
}

impl<'a> Addresses<'a> {
    /// Reads `value`, folded or not.
    pub fn new(value: &'a [u8]) -> Self {
        Self { rest: value, in_group: false }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }
}

impl Iterator for Addresses<'_> {
    type Item = Address;

    fn next(&mut self) -> Option<Address> {
        loop {
            let words = Words::read(&mut self.rest, Ends::InList);
            let Some(&end) = self.rest.first() else {
                let last = words.into_mailbox();
                // The end of the value ends the group too, so that start and end always pair.
                return last.or_else(|| std::mem::take(&mut self.in_group).then_some(Address::GroupEnd));
            };
            match end {
                b'<' => return Some(angle_address(&mut self.rest, words)),
                b':' if !self.in_group => {
                    self.skip(1);
                    self.in_group = true;
                    return Some(Address::GroupStart(words.phrase));
                }
                b';' if self.in_group => {
                    if let Some(last) = words.into_mailbox() {
                        return Some(last);
                    }
                    self.skip(1);
                    self.in_group = false;
                    return Some(Address::GroupEnd);
                }
                // A comma, or a mark that means nothing here and separates like one.
                _ => {
                    self.skip(1);
                    if let Some(mailbox) = words.into_mailbox() {
                        return Some(mailbox);
                    }
                }
            }
        }
    }
}

/// `angle-addr`, with the route of RFC 5322 §4.4; `rest` starts at the `<`.
fn angle_address(rest: &mut &[u8], before: Words) -> Address {
    *rest = rest.get(1..).unwrap_or_default();
    let mut route = Vec::new();
    let mut inner = Words::read(rest, Ends::InAngle);
    // obs-route = "@a,@b:" stands before the address.
    while let Some(mark @ (b',' | b':')) = rest.first().copied() {
        if !(inner.is_route() || inner.is_empty() && mark == b',') {
            break;
        }
        *rest = rest.get(1..).unwrap_or_default();
        if !inner.is_empty() {
            if !route.is_empty() {
                route.push(b',');
            }
            route.extend_from_slice(&inner.address);
        }
        inner = Words::read(rest, Ends::InAngle);
    }
    if rest.first() == Some(&b'>') {
        *rest = rest.get(1..).unwrap_or_default();
    }
    // What stands between ">" and the next comma belongs to no address; a comment there may be the name.
    let after = Words::read(rest, Ends::InList);
    let (mailbox, host) = inner.split();
    let name = Some(before.phrase).filter(|name| !name.is_empty());
    let name = name.or(before.comment).or(inner.comment).or(after.comment);
    Address::Mailbox { name, route: Some(route).filter(|route| !route.is_empty()), mailbox, host }
}

/// Where a run of words ends.
#[derive(Clone, Copy, PartialEq)]
enum Ends {
    /// At `,` `;` `:` `<`.
    InList,
    /// At `,` `:` `>`.
    InAngle,
}

/// A run of words, read both as a phrase and as an address since what it is shows only at its end.
#[derive(Default)]
struct Words {
    /// Words with one space between them, unquoted.
    phrase: Vec<u8>,
    /// Words put together without space, unquoted.
    address: Vec<u8>,
    /// Where in `address` the `@` of the domain stands.
    at: Option<usize>,
    /// The last comment.
    comment: Option<Vec<u8>>,
}

impl Words {
    fn read(rest: &mut &[u8], ends: Ends) -> Self {
        let mut words = Self::default();
        let mut spaced = false;
        while let Some(&byte) = rest.first() {
            match (byte, ends) {
                (b',' | b':', _) | (b';' | b'<', Ends::InList) | (b'>', Ends::InAngle) => break,
                _ if byte.is_ascii_whitespace() || byte == 0 => {
                    spaced = true;
                    *rest = rest.get(1..).unwrap_or_default();
                }
                (b'(', _) => {
                    words.take_comment(rest);
                    spaced = true;
                }
                _ => words.take_word(rest, std::mem::take(&mut spaced), ends),
            }
        }
        words
    }

    fn take_comment(&mut self, rest: &mut &[u8]) {
        let (comment, after) = rest.split_at_checked(comment_bytes(rest)).unwrap_or((rest, b""));
        *rest = after;
        let comment = comment.strip_prefix(b"(").unwrap_or(comment);
        let comment = comment.strip_suffix(b")").unwrap_or(comment).trim_ascii();
        if !comment.is_empty() {
            self.comment = Some(without_escapes(comment));
        }
    }

    fn take_word(&mut self, rest: &mut &[u8], spaced: bool, ends: Ends) {
        if spaced && !self.phrase.is_empty() {
            self.phrase.push(b' ');
        }
        match rest.first() {
            Some(b'"') => {
                let (content, after) = quoted_string(rest);
                self.phrase.extend_from_slice(&content);
                self.address.extend_from_slice(&content);
                *rest = after;
            }
            Some(b'[') => {
                // A domain literal may hold colons, but never reaches over the end of the address.
                let stop = |byte: &u8| matches!(byte, b']' | b',' | b'>' | b'<');
                let length = rest.iter().position(stop).unwrap_or(rest.len());
                let closed = usize::from(rest.get(length) == Some(&b']'));
                self.take_bytes(rest, length + closed);
            }
            Some(b'@') => {
                self.at = Some(self.address.len());
                self.take_bytes(rest, 1);
            }
            _ => {
                let stop = |byte: &u8| {
                    byte.is_ascii_whitespace()
                        || matches!(byte, 0 | b',' | b':' | b'(' | b'"' | b'@' | b'[')
                        || (ends == Ends::InList && matches!(byte, b';' | b'<'))
                        || (ends == Ends::InAngle && *byte == b'>')
                };
                let length = rest.iter().position(stop).unwrap_or(rest.len());
                self.take_bytes(rest, length.max(1));
            }
        }
    }

    fn take_bytes(&mut self, rest: &mut &[u8], length: usize) {
        let (taken, after) = rest.split_at_checked(length).unwrap_or((rest, b""));
        self.phrase.extend_from_slice(taken);
        self.address.extend_from_slice(taken);
        *rest = after;
    }

    fn is_empty(&self) -> bool {
        self.address.is_empty()
    }

    fn is_route(&self) -> bool {
        self.address.first() == Some(&b'@')
    }

    /// Local part and domain; without a domain the host is empty.
    fn split(&self) -> (Vec<u8>, Vec<u8>) {
        let (mailbox, host) = self.address.split_at(self.at.unwrap_or(self.address.len()).min(self.address.len()));
        (mailbox.to_vec(), host.strip_prefix(b"@").unwrap_or(host).to_vec())
    }

    fn into_mailbox(self) -> Option<Address> {
        if self.is_empty() {
            return None;
        }
        let (mailbox, host) = self.split();
        Some(Address::Mailbox { name: self.comment, route: None, mailbox, host })
    }
}

/// Takes the backslash off each quoted pair.
fn without_escapes(comment: &[u8]) -> Vec<u8> {
    let mut escaped = false;
    let kept = |byte: &u8| {
        escaped = *byte == b'\\' && !escaped;
        !escaped
    };
    comment.iter().copied().filter(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name|route|mailbox|host`, `+group` and `-`.
    fn shown(value: &str) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let optional = |bytes: &Option<Vec<u8>>| bytes.as_deref().map_or("NIL".to_owned(), text);
        let address = |address| match address {
            Address::Mailbox { name, route, mailbox, host } => {
                format!("{}|{}|{}|{}", optional(&name), optional(&route), text(&mailbox), text(&host))
            }
            Address::GroupStart(name) => format!("+{}", text(&name)),
            Address::GroupEnd => "-".to_owned(),
        };
        Addresses::new(value.as_bytes()).map(address).collect()
    }

    #[test]
    fn addresses_of_the_grammar_are_understood() {
        for (value, expected) in [
            ("joe@example.com", &["NIL|NIL|joe|example.com"][..]),
            (" <joe@example.com> ", &["NIL|NIL|joe|example.com"]),
            ("Joe  Q. Public <joe@example.com>", &["Joe Q. Public|NIL|joe|example.com"]),
            ("\"Giant; \\\"Big\\\" Box\" <a@b.c>, x@y", &["Giant; \"Big\" Box|NIL|a|b.c", "NIL|NIL|x|y"]),
            ("\"joe q\"@b", &["NIL|NIL|joe q|b"]),
            ("joe@b (Joe \\(x\\) (nested))", &["Joe (x) (nested)|NIL|joe|b"]),
            ("=?utf-8?q?J=C3=B6?= <j@b>", &["=?utf-8?q?J=C3=B6?=|NIL|j|b"]),
            ("<@a,@b:joe@c>", &["NIL|@a,@b|joe|c"]),
            ("John Doe <@a.net:j@x>", &["John Doe|@a.net|j|x"]),
            ("joe . x @ b . c", &["NIL|NIL|joe.x|b.c"]),
            ("joe@[IPv6:::1]", &["NIL|NIL|joe|[IPv6:::1]"]),
            (
                "A Group:Ed Jones <joe@where.test>,jdoe@one.test;",
                &["+A Group", "Ed Jones|NIL|joe|where.test", "NIL|NIL|jdoe|one.test", "-"],
            ),
            ("Undisclosed recipients:;", &["+Undisclosed recipients", "-"]),
            ("(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", &["+Hidden recipients", "-"]),
        ] {
            assert_eq!(shown(value), expected, "{value}");
        }
    }

    #[test]
    fn what_is_no_address_is_kept_readably() {
        for (value, expected) in [
            ("", &[][..]),
            (" , ,", &[]),
            ("joe", &["NIL|NIL|joe|"]),
            ("<>", &["NIL|NIL||"]),
            ("joe@b <joe@b>", &["joe@b|NIL|joe|b"]),
            ("Joe <joe@b", &["Joe|NIL|joe|b"]),
            ("a:b:c@d", &["+a", "NIL|NIL|b|", "NIL|NIL|c|d", "-"]),
            ("g:a@b", &["+g", "NIL|NIL|a|b", "-"]),
            ("a@b; c@d", &["NIL|NIL|a|b", "NIL|NIL|c|d"]),
            ("\"open <a@b>", &["NIL|NIL|open <a@b>|"]),
            ("a@b>, c@d", &["NIL|NIL|a|b>", "NIL|NIL|c|d"]),
            ("a@b@c", &["NIL|NIL|a@b|c"]),
        ] {
            assert_eq!(shown(value), expected, "{value}");
        }
    }

    #[test]
    fn sort_values_follow_rfc_5957() {
        for (value, display, key) in [
            ("=?utf-8?q?J=C3=B6?= <j@b>", "Jö", "j"),
            ("j@b", "j@b", "j"),
            ("j", "j", "j"),
            ("team: j@b;", "team", "team"),
        ] {
            let first = Addresses::new(value.as_bytes()).next().unwrap();
            assert_eq!((first.display().as_str(), first.mailbox_key().as_str()), (display, key), "{value}");
        }
    }
}
