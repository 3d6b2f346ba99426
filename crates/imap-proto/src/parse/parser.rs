//! The position in a frame, and the steps that every rule of the grammar is made of.

use bytes::Bytes;

use super::{ParseErrorKind, ParseLimits};

/// What went wrong. The message is fixed text, so an error cannot repeat a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: ParseErrorKind,
    pub(super) message: &'static str,
}

impl Fault {
    pub(super) fn syntax(message: &'static str) -> Self {
        Self { kind: ParseErrorKind::Syntax, message }
    }

    pub(super) fn unknown_command(message: &'static str) -> Self {
        Self { kind: ParseErrorKind::UnknownCommand, message }
    }

    pub(super) fn too_many(message: &'static str) -> Self {
        Self { kind: ParseErrorKind::TooMany, message }
    }

    pub(super) fn too_deep(message: &'static str) -> Self {
        Self { kind: ParseErrorKind::TooDeep, message }
    }
}

pub(super) type Parse<T> = Result<T, Fault>;

/// A frame, how far it is read, and the bounds.
pub(super) struct Parser<'a> {
    frame: &'a Bytes,
    position: usize,
    pub(super) limits: &'a ParseLimits,
    /// Search keys so far.
    pub(super) search_keys: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(frame: &'a Bytes, limits: &'a ParseLimits) -> Self {
        Self { frame, position: 0, limits, search_keys: 0 }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.frame.get(self.position..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    pub(super) fn at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// The next octets, or `None` where there are not so many.
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.rest().get(..length)?;
        self.position += length;
        Some(taken)
    }

    /// The next octets, sharing the frame's memory.
    pub(super) fn take_shared(&mut self, length: usize) -> Option<Bytes> {
        let taken = self.take(length)?;
        Some(self.frame.slice_ref(taken))
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

    pub(super) fn expect(&mut self, octet: u8, message: &'static str) -> Parse<()> {
        if self.eat(octet) { Ok(()) } else { Err(Fault::syntax(message)) }
    }

    pub(super) fn space(&mut self) -> Parse<()> {
        self.expect(b' ', "a space is missing")
    }

    /// Letters, digits, `.`, `-` and `_`: whatever a name in the grammar may be made of; may be empty.
    pub(super) fn word(&mut self) -> &'a [u8] {
        self.take_while(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_'))
    }

    /// Steps over a name, in any case, if just this word is next.
    pub(super) fn eat_word(&mut self, name: &str) -> bool {
        let start = self.position;
        let found = self.word().eq_ignore_ascii_case(name.as_bytes());
        if !found {
            self.position = start;
        }
        found
    }

    /// `"(" element *(SP element) ")"`
    pub(super) fn list<T>(&mut self, element: impl FnMut(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        let elements = self.list_or_empty(element)?;
        if elements.is_empty() { Err(Fault::syntax("a list is empty")) } else { Ok(elements) }
    }

    /// `"(" [element *(SP element)] ")"`
    pub(super) fn list_or_empty<T>(&mut self, mut element: impl FnMut(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        self.expect(b'(', "an opening parenthesis is missing")?;
        let mut elements = Vec::new();
        if self.eat(b')') {
            return Ok(elements);
        }
        loop {
            if elements.len() >= self.limits.list_elements_max {
                return Err(Fault::too_many("a list has too many elements"));
            }
            elements.push(element(self)?);
            if self.eat(b')') {
                return Ok(elements);
            }
            self.expect(b' ', "a space or a closing parenthesis is missing")?;
        }
    }

    /// `element *(SP element)`, up to the end of the command.
    pub(super) fn spaced<T>(&mut self, mut element: impl FnMut(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        let mut elements = vec![element(self)?];
        while !self.only_spaces_left() {
            if elements.len() >= self.limits.list_elements_max {
                return Err(Fault::too_many("the command has too many elements"));
            }
            self.space()?;
            elements.push(element(self)?);
        }
        Ok(elements)
    }

    pub(super) fn only_spaces_left(&self) -> bool {
        self.rest().iter().all(|&octet| octet == b' ')
    }
}
