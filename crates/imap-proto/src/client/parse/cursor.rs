//! The position in a response, and the steps that every rule is made of, each as forgiving as it can be.
//!
//! A step that does not succeed is `None` and may leave the position anywhere; whoever tries something sets it back.

use bytes::Bytes;
use memchr::memchr2;

use super::ResponseParseLimits;
use crate::client::framing::ResponseFrame;

/// A response, how far it is read, and the bounds.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    frame: &'a ResponseFrame,
    position: usize,
    pub(super) limits: &'a ResponseParseLimits,
}

/// A literal: its octets, or the length of what was handed out before.
pub(super) enum Literal {
    Inline(Bytes),
    Streamed { length: u64 },
}

/// What ends a bare word.
fn is_delimiter(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'(' | b')' | b'\r' | b'\n')
}

impl<'a> Cursor<'a> {
    pub(super) fn new(frame: &'a ResponseFrame, limits: &'a ResponseParseLimits) -> Self {
        Self { frame, position: 0, limits }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn set_position(&mut self, position: usize) {
        self.position = position;
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.frame.bytes().get(self.position..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    /// Whether only spaces are left.
    pub(super) fn at_end(&self) -> bool {
        self.rest().trim_ascii().is_empty()
    }

    /// The octets from a position up to this one, sharing the response's memory.
    pub(super) fn since(&self, start: usize) -> Bytes {
        let taken = self.frame.bytes().get(start..self.position).unwrap_or_default();
        self.frame.bytes().slice_ref(taken)
    }

    /// All octets that are left, sharing the response's memory.
    pub(super) fn take_rest(&mut self) -> Bytes {
        let start = self.position;
        self.position = self.frame.bytes().len().max(start);
        self.since(start)
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.rest().get(..length)?;
        self.position += length;
        Some(taken)
    }

    pub(super) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|&octet| !wanted(octet)).unwrap_or(rest.len());
        self.take(length).unwrap_or_default()
    }

    /// Steps over an octet if it is next.
    pub(super) fn eat(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(octet);
        self.position += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, octet: u8) -> Option<()> {
        self.eat(octet).then_some(())
    }

    /// Spaces, any number: Exchange has one too many behind STATUS, Yahoo behind SEARCH, QQ before a parenthesis.
    pub(super) fn spaces(&mut self) {
        self.take_while(|octet| octet == b' ' || octet == b'\t');
    }

    /// A name of the grammar in capitals; may be empty.
    pub(super) fn name(&mut self) -> String {
        let name = self.take_while(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_' | b'='));
        name.iter().map(|octet| char::from(octet.to_ascii_uppercase())).collect()
    }

    /// Octets up to a space or a parenthesis; may be empty.
    pub(super) fn bare(&mut self) -> &'a [u8] {
        self.take_while(|octet| !is_delimiter(octet))
    }

    /// Steps over `NIL` if just that is next.
    pub(super) fn nil(&mut self) -> bool {
        let start = self.position;
        let found = self.bare().eq_ignore_ascii_case(b"NIL");
        if !found {
            self.position = start;
        }
        found
    }

    /// A number; quotes around it are let pass.
    pub(super) fn number64(&mut self) -> Option<u64> {
        let quoted = self.eat(b'"');
        let digits = self.take_while(|octet| octet.is_ascii_digit());
        if digits.is_empty() || (quoted && !self.eat(b'"')) {
            return None;
        }
        digits.iter().try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        self.number64()?.try_into().ok()
    }

    /// `uid-set`, each range with its smaller end first.
    pub(super) fn uid_set(&mut self) -> Option<Vec<(u32, u32)>> {
        let mut ranges = Vec::new();
        loop {
            let first = self.number()?;
            let last = if self.eat(b':') { self.number()? } else { first };
            ranges.push((first.min(last), first.max(last)));
            if !self.eat(b',') {
                return Some(ranges);
            }
        }
    }

    /// `quoted`. Octets above 127 are taken as they are, with UTF-8 enabled or not. A backslash before any but a quote
    /// or a backslash stands for itself, as a server means it that does not escape.
    pub(super) fn quoted(&mut self) -> Option<Bytes> {
        self.expect(b'"')?;
        let start = self.position;
        let mut unescaped: Option<Vec<u8>> = None;
        let mut copied = start;
        loop {
            let length = memchr2(b'"', b'\\', self.rest())?;
            self.position += length;
            if self.peek() == Some(b'"') {
                break;
            }
            if let Some(b'"' | b'\\') = self.rest().get(1) {
                let text = unescaped.get_or_insert_default();
                text.extend_from_slice(self.frame.bytes().get(copied..self.position)?);
                copied = self.position + 1;
                self.position += 1;
            }
            self.position += 1;
        }
        let text = match unescaped {
            Some(mut text) => {
                text.extend_from_slice(self.frame.bytes().get(copied..self.position)?);
                Bytes::from(text)
            }
            None => self.since(start),
        };
        self.position += 1;
        Some(text)
    }

    /// `literal` and `literal8`
    pub(super) fn literal(&mut self) -> Option<Literal> {
        self.eat(b'~');
        self.expect(b'{')?;
        let length = self.number64()?;
        self.eat(b'+');
        self.expect(b'}')?;
        self.eat(b'\r');
        self.expect(b'\n')?;
        if let Some(length) = self.frame.streamed_at(self.position) {
            return Some(Literal::Streamed { length });
        }
        let start = self.position;
        self.take(usize::try_from(length).ok()?)?;
        Some(Literal::Inline(self.since(start)))
    }

    pub(super) fn is_at_literal(&self) -> bool {
        matches!(self.rest(), [b'{', ..] | [b'~', b'{', ..])
    }

    /// A string that is held.
    pub(super) fn string(&mut self) -> Option<Bytes> {
        if !self.is_at_literal() {
            return self.quoted();
        }
        match self.literal()? {
            Literal::Inline(content) => Some(content),
            Literal::Streamed { .. } => None,
        }
    }

    /// `astring`: a string, or whatever stands up to a space or a parenthesis: `[Gmail]/Starred` comes without quotes
    /// from Virgin Media, though `[` was never allowed there by RFC 3501.
    pub(super) fn astring(&mut self) -> Option<Bytes> {
        if self.peek() == Some(b'"') || self.is_at_literal() {
            return self.string();
        }
        let start = self.position;
        if self.bare().is_empty() { None } else { Some(self.since(start)) }
    }

    /// A text where the grammar has a string; a bare word is let pass.
    pub(super) fn text(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(&self.astring()?).into_owned())
    }

    /// Elements in parentheses, with any number of spaces between.
    pub(super) fn list<T>(&mut self, mut element: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.expect(b'(')?;
        let mut elements = Vec::new();
        loop {
            self.spaces();
            if self.eat(b')') {
                return Some(elements);
            }
            if elements.len() >= self.limits.elements_max {
                return None;
            }
            elements.push(element(self)?);
        }
    }

    /// An object's id in parentheses (RFC 8474 §7); without them, it is let pass.
    pub(super) fn object_id(&mut self) -> Option<String> {
        if self.peek() != Some(b'(') {
            return self.text();
        }
        self.list(Self::text)?.pop()
    }

    /// Whatever value is next, unread: a word, a string, or a list with all that is in it.
    pub(super) fn value(&mut self) -> Option<Bytes> {
        let start = self.position;
        let mut depth = 0usize;
        loop {
            match self.peek()? {
                b'(' => {
                    self.position += 1;
                    depth += 1;
                    if depth > self.limits.nesting_max {
                        return None;
                    }
                }
                b')' => {
                    // A parenthesis that closes what is around ends the value, which is missing.
                    depth = depth.checked_sub(1)?;
                    self.position += 1;
                }
                b' ' | b'\t' if depth > 0 => self.spaces(),
                b'"' => drop(self.quoted()?),
                _ if self.is_at_literal() => drop(self.literal()?),
                _ if self.bare().is_empty() => return None,
                _ => {}
            }
            if depth == 0 {
                return Some(self.since(start));
            }
        }
    }
}
