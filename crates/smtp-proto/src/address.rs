//! Hosts, mailboxes and paths (RFC 5321 §4.1.2 and §4.1.3, extended by RFC 6531 §3.3).
//!
//! A [`Mailbox`] holds what an address means, not how it was spelled: the quotes of a local part are gone, so that two
//! spellings of one mailbox are equal; writing it out quotes again where it must. UTF-8 is accepted throughout, and
//! whether it was allowed is the caller's question ([`Mailbox::is_ascii`]), because it depends on the session.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

/// The longest domain, in octets (RFC 5321 §4.5.3.1.2).
const DOMAIN_BYTES_MAX: usize = 255;
/// The longest label of a domain, in octets (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// The text is outside the grammar of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid address")]
pub struct AddressError;

/// An address literal, what stands in brackets instead of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AddressLiteral {
    /// `[192.0.2.1]`
    V4(Ipv4Addr),
    /// `[IPv6:2001:db8::1]`
    V6(Ipv6Addr),
    /// `[tag:content]`, of a kind that is still to be standardized.
    General {
        /// What stands before the colon.
        tag: String,
        /// What stands after it.
        content: String,
    },
}

impl fmt::Display for AddressLiteral {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => write!(formatter, "[{address}]"),
            Self::V6(address) => write!(formatter, "[IPv6:{address}]"),
            Self::General { tag, content } => write!(formatter, "[{tag}:{content}]"),
        }
    }
}

/// A domain or an address literal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A domain, as spelled.
    Domain(String),
    /// An address.
    Literal(AddressLiteral),
}

impl Host {
    /// Reads `Domain / address-literal`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        match text.strip_prefix('[') {
            Some(rest) => parse_literal(rest.strip_suffix(']').ok_or(AddressError)?).map(Self::Literal),
            None => check_domain(text, LabelBytes::LetterDigitHyphen).map(|()| Self::Domain(text.to_owned())),
        }
    }

    /// Reads the argument of HELO, EHLO or LHLO, which is ASCII even where addresses are not (RFC 6531 §3.7.1).
    ///
    /// `quirk_underscore_in_greeting`: Windows hosts greet with their own name, which may have an underscore;
    /// nothing is decided by it, so it is not worth losing mail over.
    pub fn parse_greeting(text: &str) -> Result<Self, AddressError> {
        if !text.is_ascii() {
            return Err(AddressError);
        }
        match Self::parse(text) {
            Err(_) if !text.starts_with('[') => {
                check_domain(text, LabelBytes::WithUnderscore).map(|()| Self::Domain(text.to_owned()))
            }
            result => result,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => formatter.write_str(domain),
            Self::Literal(literal) => literal.fmt(formatter),
        }
    }
}

fn parse_literal(text: &str) -> Result<AddressLiteral, AddressError> {
    let Some((tag, content)) = text.split_once(':') else {
        return text.parse().map(AddressLiteral::V4).map_err(|_| AddressError);
    };
    if tag.eq_ignore_ascii_case("IPv6") {
        return content.parse().map(AddressLiteral::V6).map_err(|_| AddressError);
    }
    let is_content = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'[' | b'\\' | b']');
    check_label(tag, LabelBytes::LetterDigitHyphen)?;
    if content.is_empty() || !tag.is_ascii() || !content.bytes().all(is_content) {
        return Err(AddressError);
    }
    Ok(AddressLiteral::General { tag: tag.to_owned(), content: content.to_owned() })
}

/// What the labels of a domain are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LabelBytes {
    LetterDigitHyphen,
    WithUnderscore,
}

fn check_domain(text: &str, bytes: LabelBytes) -> Result<(), AddressError> {
    if text.len() > DOMAIN_BYTES_MAX {
        return Err(AddressError);
    }
    text.split('.').try_for_each(|label| check_label(label, bytes))
}

/// `sub-domain = Let-dig [Ldh-str]`, and any non-ASCII character as part of a U-label (RFC 6531 §3.3).
fn check_label(label: &str, bytes: LabelBytes) -> Result<(), AddressError> {
    let is_inner = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || byte == b'-'
            || !byte.is_ascii()
            || (byte == b'_' && bytes == LabelBytes::WithUnderscore)
    };
    let fits = (1..=LABEL_BYTES_MAX).contains(&label.len());
    let controls = label.chars().any(char::is_control);
    if !fits || controls || label.starts_with('-') || label.ends_with('-') || !label.bytes().all(is_inner) {
        return Err(AddressError);
    }
    Ok(())
}

/// A mailbox: local part and host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mailbox {
    /// The local part without quotes, in the case in which it was spelled.
    pub local_part: String,
    /// Where it is.
    pub host: Host,
}

impl Mailbox {
    /// Reads `Mailbox = Local-part "@" ( Domain / address-literal )`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local_part, rest) = split_local_part(text)?;
        let host = Host::parse(rest.strip_prefix('@').ok_or(AddressError)?)?;
        Ok(Self { local_part, host })
    }

    /// Whether the address can be used without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.local_part.is_ascii()
            && match &self.host {
                Host::Domain(domain) => domain.is_ascii(),
                Host::Literal(_) => true,
            }
    }
}

impl fmt::Display for Mailbox {
    /// Writes the address with as little quoting as possible (RFC 5321 §4.1.2).
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.local_part) {
            return write!(formatter, "{}@{}", self.local_part, self.host);
        }
        formatter.write_str("\"")?;
        for character in self.local_part.chars() {
            if matches!(character, '"' | '\\') {
                formatter.write_str("\\")?;
            }
            write!(formatter, "{character}")?;
        }
        write!(formatter, "\"@{}", self.host)
    }
}

/// `Local-part = Dot-string / Quoted-string`, unquoted, and what follows it.
fn split_local_part(text: &str) -> Result<(String, &str), AddressError> {
    if let Some(quoted) = text.strip_prefix('"') {
        return split_quoted_string(quoted);
    }
    let end = text.find('@').ok_or(AddressError)?;
    let (local_part, rest) = text.split_at_checked(end).ok_or(AddressError)?;
    if is_dot_string(local_part) { Ok((local_part.to_owned(), rest)) } else { Err(AddressError) }
}

/// `Quoted-string = DQUOTE *QcontentSMTP DQUOTE`, after its first quote.
fn split_quoted_string(text: &str) -> Result<(String, &str), AddressError> {
    let mut content = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return Ok((content, characters.as_str())),
            '\\' => match characters.next() {
                Some(escaped @ ' '..='~') => content.push(escaped),
                _ => return Err(AddressError),
            },
            character if character.is_control() => return Err(AddressError),
            character => content.push(character),
        }
    }
    Err(AddressError)
}

/// `Dot-string = Atom *("." Atom)`
fn is_dot_string(text: &str) -> bool {
    text.split('.').all(is_atom)
}

/// `Atom = 1*atext`, with `atext =/ UTF8-non-ascii`.
pub(crate) fn is_atom(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|character| {
            character.is_ascii_alphanumeric()
                || "!#$%&'*+-/=?^_`{|}~".contains(character)
                || (!character.is_ascii() && !character.is_control())
        })
}

/// Where a message came from, and where failures are reported to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: nobody wants a report (RFC 5321 §4.5.5).
    Null,
    /// A mailbox.
    Mailbox(Mailbox),
}

impl ReversePath {
    /// Reads a path off the front of the text, and answers what follows it.
    pub fn parse_prefix(text: &str) -> Result<(Self, &str), AddressError> {
        if let Some(rest) = text.strip_prefix("<>") {
            return Ok((Self::Null, rest));
        }
        let (mailbox, rest) = parse_path_prefix(text)?;
        Ok((Self::Mailbox(mailbox), rest))
    }

    /// Whether the path can be used without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Mailbox(mailbox) => mailbox.is_ascii(),
        }
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("<>"),
            Self::Mailbox(mailbox) => write!(formatter, "<{mailbox}>"),
        }
    }
}

/// Where a message goes to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    /// `<postmaster>` without a domain, which every server accepts (RFC 5321 §4.5.1).
    Postmaster,
    /// A mailbox.
    Mailbox(Mailbox),
}

impl ForwardPath {
    /// Reads a path off the front of the text, and answers what follows it.
    pub fn parse_prefix(text: &str) -> Result<(Self, &str), AddressError> {
        const POSTMASTER: &str = "<postmaster>";
        if let Some((start, rest)) = text.split_at_checked(POSTMASTER.len())
            && start.eq_ignore_ascii_case(POSTMASTER)
        {
            return Ok((Self::Postmaster, rest));
        }
        let (mailbox, rest) = parse_path_prefix(text)?;
        Ok((Self::Mailbox(mailbox), rest))
    }

    /// Whether the path can be used without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        match self {
            Self::Postmaster => true,
            Self::Mailbox(mailbox) => mailbox.is_ascii(),
        }
    }
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => formatter.write_str("<postmaster>"),
            Self::Mailbox(mailbox) => write!(formatter, "<{mailbox}>"),
        }
    }
}

/// `Path = "<" [ A-d-l ":" ] Mailbox ">"`; the source route is read and forgotten (RFC 5321 §4.1.1.3, appendix C).
fn parse_path_prefix(text: &str) -> Result<(Mailbox, &str), AddressError> {
    let mut inner = text.strip_prefix('<').ok_or(AddressError)?;
    if inner.starts_with('@') {
        let (route, rest) = inner.split_once(':').ok_or(AddressError)?;
        for hop in route.split(',') {
            check_domain(hop.strip_prefix('@').ok_or(AddressError)?, LabelBytes::LetterDigitHyphen)?;
        }
        inner = rest;
    }
    let (local_part, rest) = split_local_part(inner)?;
    let (host, rest) = rest.strip_prefix('@').ok_or(AddressError)?.split_once('>').ok_or(AddressError)?;
    Ok((Mailbox { local_part, host: Host::parse(host)? }, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mailboxes_are_unquoted_and_written_with_least_quoting() {
        for (text, local_part, written) in [
            ("Smith@bar.com", "Smith", "Smith@bar.com"),
            (r#""Joe\,Smith"@example.com"#, "Joe,Smith", r#""Joe,Smith"@example.com"#),
            (r#""joe"@example.com"#, "joe", "joe@example.com"),
            (r#""a b"@example.com"#, "a b", r#""a b"@example.com"#),
            (r#""a\"b\\"@example.com"#, r#"a"b\"#, r#""a\"b\\"@example.com"#),
            (r#""a@b"@example.com"#, "a@b", r#""a@b"@example.com"#),
            (r#""a>b"@example.com"#, "a>b", r#""a>b"@example.com"#),
            (r#"""@example.com"#, "", r#"""@example.com"#),
            ("e=mc2+x@example.com", "e=mc2+x", "e=mc2+x@example.com"),
            ("o'hara/x=y@example.com", "o'hara/x=y", "o'hara/x=y@example.com"),
            ("用户@例子.广告", "用户", "用户@例子.广告"),
            ("a@[192.0.2.1]", "a", "a@[192.0.2.1]"),
            ("a@[IPv6:2001:DB8::1]", "a", "a@[IPv6:2001:db8::1]"),
        ] {
            let mailbox = Mailbox::parse(text).expect(text);
            assert_eq!(mailbox.local_part, local_part, "{text}");
            assert_eq!(mailbox.to_string(), written, "{text}");
        }
    }

    #[test]
    fn what_is_no_mailbox_is_refused() {
        for text in [
            "",
            "@",
            "a@",
            "@b",
            "a",
            "a.@b",
            ".a@b",
            "a..b@c",
            "a b@c",
            "a@b c",
            "a@b_c",
            "a@-b",
            "a@b-",
            "a@b..c",
            "a@b.",
            "a@[1.2.3]",
            "a@[1.2.3.256]",
            "a@[IPv6:zz]",
            "a@[1.2.3.4",
            "a@[]",
            "a@[x:]",
            "a@b@c",
            r#""a@b"#,
            "\"a\\\u{e4}\"@b",
            "a@b\u{85}c",
            "\"a\u{7}\"@b",
            "a\0@b",
            "<a@b>",
            r#""a"b@c"#,
        ] {
            assert_eq!(Mailbox::parse(text), Err(AddressError), "{text:?}");
        }
        assert!(Mailbox::parse(&format!("a@{}", "b".repeat(64))).is_err(), "a label of 64 octets");
        assert!(Mailbox::parse(&format!("a@{}c", "b.".repeat(128))).is_err(), "a domain of 257 octets");
    }

    #[test]
    fn reverse_paths_leave_what_follows() {
        let mailbox = |text: &str| ReversePath::Mailbox(Mailbox::parse(text).expect(text));
        for (text, path, rest) in [
            ("<>", ReversePath::Null, ""),
            ("<> SIZE=1", ReversePath::Null, " SIZE=1"),
            ("<a@b.c> BODY=7BIT", mailbox("a@b.c"), " BODY=7BIT"),
            ("<@hosta.int,@jkl.org:userc@d.bar.org>", mailbox("userc@d.bar.org"), ""),
        ] {
            assert_eq!(ReversePath::parse_prefix(text), Ok((path, rest)), "{text}");
        }
        for text in ["", "a@b", "<a@b", "<a>", "<postmaster>", "< a@b>", "<@a b@c>", "<@a:>", "<@:a@b>", "<a@b,@c:d@e>"]
        {
            assert!(ReversePath::parse_prefix(text).is_err(), "{text}");
        }
    }

    #[test]
    fn postmaster_needs_no_domain() {
        assert_eq!(ForwardPath::parse_prefix("<Postmaster> X=1"), Ok((ForwardPath::Postmaster, " X=1")));
        let with_domain = ForwardPath::parse_prefix("<postmaster@example.com>").expect("a mailbox");
        assert_eq!(with_domain.0.to_string(), "<postmaster@example.com>");
        assert!(ForwardPath::parse_prefix("<>").is_err());
        assert!(ForwardPath::parse_prefix("<postmästers>").is_err());
    }

    #[test]
    fn greetings_are_read_with_their_quirks() {
        for text in ["mail.example.com", "localhost", "[192.0.2.1]", "[IPv6:::1]", "WIN_PC", "[x-tag:abc]"] {
            assert_eq!(Host::parse_greeting(text).expect(text).to_string(), text);
        }
        for text in ["", "a b", "[1.2.3.4", "a/b", "-", "_x y", "[a_b:c]", "bücher.example"] {
            assert!(Host::parse_greeting(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn written_mailboxes_are_read_back_equal(local_part in "[ -~ä漢]{0,20}", host in "[a-z]{1,5}(\\.[a-z0-9]{1,5}){0,3}") {
            let mailbox = Mailbox { local_part, host: Host::Domain(host) };
            prop_assert_eq!(Mailbox::parse(&mailbox.to_string()), Ok(mailbox));
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in any::<String>(), ascii in "[<>@:,.\"\\\\a\\[\\]0-9]{0,30}") {
            for text in [text, ascii] {
                let _ = Mailbox::parse(&text);
                let _ = Host::parse_greeting(&text);
                let _ = ReversePath::parse_prefix(&text);
                let _ = ForwardPath::parse_prefix(&text);
            }
        }
    }
}
