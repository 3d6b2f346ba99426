//! The steps written so far, and what every command is made of.

use bytes::Bytes;
use memchr::{memchr, memchr2};

use super::{Dialect, Encode, EncodeError, LiteralSupport, Step};
use crate::command::{Flag, RawMailbox};
use crate::encode::{Utf8Quoting, encode_flag, encode_number};
use crate::parse::is_astring_char;
use crate::set::{Bound, SequenceSet};

/// The most octets that are quoted, so that a line stays of the length that RFC 2683 §3.2.1.5 advises.
const QUOTED_BYTES_MAX: usize = 1000;

/// The most octets of a literal that `LITERAL-` lets pass unasked (RFC 7888 §5).
const SMALL_LITERAL_BYTES_MAX: u64 = 4096;

/// Whether a literal may hold NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LiteralMark {
    /// `{n}`
    Plain,
    /// `~{n}` (RFC 3516 §4.4)
    Literal8,
}

pub(super) struct Writer<'d> {
    dialect: &'d Dialect,
    steps: Vec<Step>,
    text: Vec<u8>,
}

impl<'d> Writer<'d> {
    pub(super) fn new(dialect: &'d Dialect) -> Self {
        Self { dialect, steps: Vec::new(), text: Vec::new() }
    }

    pub(super) fn dialect(&self) -> &'d Dialect {
        self.dialect
    }

    /// What is written since the last step.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    pub(super) fn finish(mut self) -> Vec<Step> {
        self.flush();
        self.steps
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.steps.push(Step::Write(std::mem::take(&mut self.text).into()));
        }
    }

    pub(super) fn await_continuation(&mut self) {
        self.step(Step::AwaitContinuation);
    }

    /// A step behind what is written.
    pub(super) fn step(&mut self, step: Step) {
        self.flush();
        self.steps.push(step);
    }

    /// Octets of the grammar itself.
    pub(super) fn raw(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    pub(super) fn number(&mut self, number: impl itoa::Integer) {
        encode_number(&mut self.text, number);
    }

    /// `atom`
    pub(super) fn atom(&mut self, text: &str) -> Encode {
        if text.is_empty() || !text.bytes().all(|octet| is_astring_char(octet) && octet != b']') {
            return Err(EncodeError::NotAnAtom);
        }
        self.raw(text);
        Ok(())
    }

    /// `string`: quoted, or a literal.
    pub(super) fn string(&mut self, text: &[u8]) -> Encode {
        if memchr(0, text).is_some() {
            return Err(EncodeError::Nul);
        }
        let is_text =
            text.is_ascii() || (self.dialect.quoting() == Utf8Quoting::Allowed && std::str::from_utf8(text).is_ok());
        if is_text && text.len() <= QUOTED_BYTES_MAX && memchr2(b'\r', b'\n', text).is_none() {
            self.quoted(text);
        } else {
            self.literal_header(LiteralMark::Plain, text.len() as u64);
            self.text.extend_from_slice(text);
        }
        Ok(())
    }

    fn quoted(&mut self, text: &[u8]) {
        self.text.push(b'"');
        for &octet in text {
            if matches!(octet, b'"' | b'\\') {
                self.text.push(b'\\');
            }
            self.text.push(octet);
        }
        self.text.push(b'"');
    }

    /// `astring`, an atom where it can be.
    pub(super) fn astring(&mut self, text: &[u8]) -> Encode {
        let plain = !text.is_empty() && text.iter().all(|&octet| is_astring_char(octet) && octet != b']');
        if plain && !text.eq_ignore_ascii_case(b"NIL") {
            self.text.extend_from_slice(text);
            return Ok(());
        }
        self.string(text)
    }

    /// A mailbox or a pattern, always a string: no name is then taken for something else.
    pub(super) fn mailbox(&mut self, mailbox: &RawMailbox) -> Encode {
        self.string(&mailbox.0)
    }

    /// A literal's announcement and, if the server must agree, the wait; exactly `length` octets must follow.
    pub(super) fn literal_header(&mut self, mark: LiteralMark, length: u64) {
        let at_once = match self.dialect.literals {
            LiteralSupport::Synchronising => false,
            LiteralSupport::NonSynchronisingSmall => length <= SMALL_LITERAL_BYTES_MAX,
            LiteralSupport::NonSynchronising => true,
        };
        self.raw(if mark == LiteralMark::Literal8 { "~{" } else { "{" });
        self.number(length);
        self.raw(if at_once { "+}\r\n" } else { "}\r\n" });
        if !at_once {
            self.await_continuation();
        }
    }

    /// Octets that are shared rather than copied.
    pub(super) fn shared(&mut self, octets: &Bytes) {
        if !octets.is_empty() {
            self.step(Step::Write(octets.clone()));
        }
    }

    /// Elements with spaces between, one at least.
    pub(super) fn spaced<T>(
        &mut self,
        elements: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T) -> Encode,
    ) -> Encode {
        let mut first = true;
        for element in elements {
            if !std::mem::take(&mut first) {
                self.raw(" ");
            }
            write(self, element)?;
        }
        if first { Err(EncodeError::Empty) } else { Ok(()) }
    }

    /// Elements in parentheses, one at least.
    pub(super) fn parenthesised<T>(
        &mut self,
        elements: impl IntoIterator<Item = T>,
        write: impl FnMut(&mut Self, T) -> Encode,
    ) -> Encode {
        self.raw("(");
        self.spaced(elements, write)?;
        self.raw(")");
        Ok(())
    }

    /// `flag-list`, which may be empty
    pub(super) fn flags(&mut self, flags: &[Flag]) -> Encode {
        if flags.is_empty() {
            self.raw("()");
            return Ok(());
        }
        self.parenthesised(flags, |writer, flag| writer.flag(flag))
    }

    fn flag(&mut self, flag: &Flag) -> Encode {
        match flag {
            Flag::Recent => Err(EncodeError::Recent),
            Flag::Keyword(name) => self.atom(name),
            Flag::Extension(name) => {
                self.raw("\\");
                self.atom(name)
            }
            _ => {
                encode_flag(&mut self.text, flag);
                Ok(())
            }
        }
    }

    /// `sequence-set`
    pub(super) fn set(&mut self, set: &SequenceSet) -> Encode {
        let ranges = match set {
            SequenceSet::Saved => {
                self.raw("$");
                return Ok(());
            }
            SequenceSet::Ranges(ranges) => ranges,
        };
        for (index, &(first, last)) in ranges.iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            self.bound(first);
            if first != last {
                self.raw(":");
                self.bound(last);
            }
        }
        if ranges.is_empty() { Err(EncodeError::Empty) } else { Ok(()) }
    }

    fn bound(&mut self, bound: Bound) {
        match bound {
            Bound::Number(number) => self.number(number.get()),
            Bound::Last => self.raw("*"),
        }
    }
}
