//! Tags, atoms and strings (RFC 9051 §4.3 and §9).

use bytes::Bytes;
use memchr::{memchr, memchr2};

use super::parser::{Fault, Parse, Parser};
use crate::command::RawMailbox;

/// `ATOM-CHAR`
pub(super) fn is_atom_char(octet: u8) -> bool {
    octet.is_ascii_graphic() && !matches!(octet, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// `ASTRING-CHAR`
pub(crate) fn is_astring_char(octet: u8) -> bool {
    is_atom_char(octet) || octet == b']'
}

/// `list-char`
fn is_list_char(octet: u8) -> bool {
    is_astring_char(octet) || matches!(octet, b'%' | b'*')
}

/// `tag = 1*<any ASTRING-CHAR except "+">`
pub(crate) fn is_tag(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&octet| is_astring_char(octet) && octet != b'+')
}

/// A literal's content.
pub(super) struct Literal {
    pub(super) content: Bytes,
    /// It was a `literal8`.
    pub(super) binary: bool,
}

impl Parser<'_> {
    pub(super) fn tag(&mut self) -> Parse<String> {
        let tag = self.take_while(|octet| octet != b' ');
        if is_tag(tag) { Ok(text_of(tag)) } else { Err(Fault::syntax("a tag is missing or malformed")) }
    }

    /// `atom`
    pub(super) fn atom(&mut self) -> Parse<String> {
        let atom = self.take_while(is_atom_char);
        if atom.is_empty() { Err(Fault::syntax("an atom is missing")) } else { Ok(text_of(atom)) }
    }

    /// `astring = 1*ASTRING-CHAR / string`
    pub(super) fn astring(&mut self) -> Parse<Vec<u8>> {
        self.string_or(is_astring_char)
    }

    /// `list-mailbox = 1*list-char / string`
    pub(super) fn list_mailbox(&mut self) -> Parse<Vec<u8>> {
        self.string_or(is_list_char)
    }

    /// `mailbox`
    pub(super) fn mailbox(&mut self) -> Parse<RawMailbox> {
        self.astring().map(RawMailbox)
    }

    /// `SP mailbox`
    pub(super) fn mailbox_argument(&mut self) -> Parse<RawMailbox> {
        self.space()?;
        self.mailbox()
    }

    /// `string = quoted / literal`
    pub(super) fn string(&mut self) -> Parse<Vec<u8>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.text_literal(),
            _ => Err(Fault::syntax("a string is missing")),
        }
    }

    /// `nstring = string / nil`
    pub(super) fn nstring(&mut self) -> Parse<Option<Vec<u8>>> {
        if self.eat_word("NIL") { Ok(None) } else { self.string().map(Some) }
    }

    /// A string, or bare octets of a kind.
    fn string_or(&mut self, bare: impl Fn(u8) -> bool) -> Parse<Vec<u8>> {
        if matches!(self.peek(), Some(b'"' | b'{')) {
            return self.string();
        }
        match self.take_while(bare) {
            [] => Err(Fault::syntax("an argument is missing or malformed")),
            text => Ok(text.to_vec()),
        }
    }

    /// `quoted = DQUOTE *QUOTED-CHAR DQUOTE`
    ///
    /// Octets above 127 are taken as they are: UTF-8 once the client may use it, and before that what LOGIN of old
    /// clients sends. Whoever uses the text knows what it must be.
    fn quoted(&mut self) -> Parse<Vec<u8>> {
        const OPEN: &str = "a quoted string is not closed";
        self.expect(b'"', "a quoted string is missing")?;
        let mut text = Vec::new();
        loop {
            let length = memchr2(b'"', b'\\', self.rest()).ok_or(Fault::syntax(OPEN))?;
            text.extend_from_slice(self.take(length).unwrap_or_default());
            if self.eat(b'"') {
                break;
            }
            match self.take(2) {
                Some(&[_, escaped @ (b'"' | b'\\')]) => text.push(escaped),
                _ => return Err(Fault::syntax("a backslash in a quoted string must precede a quote or a backslash")),
            }
        }
        if text.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
            return Err(Fault::syntax("a quoted string holds a line end or a NUL"));
        }
        Ok(text)
    }

    /// A literal that is a text: neither `literal8` nor with NUL in it.
    fn text_literal(&mut self) -> Parse<Vec<u8>> {
        let literal = self.literal()?;
        if literal.binary || memchr(0, &literal.content).is_some() {
            return Err(Fault::syntax("a literal holds a NUL"));
        }
        Ok(literal.content.to_vec())
    }

    /// `literal = "{" number64 ["+"] "}" CRLF *CHAR8`, or `literal8`, which begins with `~`
    pub(super) fn literal(&mut self) -> Parse<Literal> {
        const CUT: Fault = Fault { kind: super::ParseErrorKind::Syntax, message: "a literal is malformed or cut off" };
        let binary = self.eat(b'~');
        self.expect(b'{', "a literal is missing")?;
        let length = usize::try_from(self.number64()?).map_err(|_| CUT)?;
        self.eat(b'+');
        self.expect(b'}', CUT.message)?;
        self.eat(b'\r');
        self.expect(b'\n', CUT.message)?;
        let content = self.take_shared(length).ok_or(CUT)?;
        Ok(Literal { content, binary })
    }
}

/// ASCII as a string.
pub(super) fn text_of(ascii: &[u8]) -> String {
    ascii.iter().map(|&octet| char::from(octet)).collect()
}
