//! FETCH (RFC 9051 §7.5.2).

use bytes::Bytes;

use super::cursor::{Cursor, Literal};
use crate::calendar::{self, CivilDateTime};
use crate::client::fetch::{Content, ContentName, Fetch, FetchItem, PartialFetch};
use crate::command::{DateTime, Section, SectionText};

impl Cursor<'_> {
    /// `msg-att = "(" (msg-att-dynamic / msg-att-static) *(SP (msg-att-dynamic / msg-att-static)) ")"`
    ///
    /// Spaces may be missing or too many: QQ has one before the parenthesis that closes.
    pub(super) fn fetch(&mut self, sequence_number: u32) -> Option<Fetch> {
        self.spaces();
        self.expect(b'(')?;
        let mut fetch = Fetch { sequence_number, items: Vec::new(), unparsed: None };
        loop {
            self.spaces();
            if self.eat(b')') {
                return Some(fetch);
            }
            let start = self.position();
            let item = (fetch.items.len() < self.limits.elements_max).then(|| self.item()).flatten();
            let Some(item) = item else {
                self.set_position(start);
                fetch.unparsed = Some(self.take_rest());
                return Some(fetch);
            };
            fetch.items.push(item);
        }
    }

    /// A FETCH whose frame ends where a content begins.
    pub(super) fn partial_fetch(&mut self, sequence_number: u32) -> Option<PartialFetch> {
        let mut fetch = self.fetch(sequence_number)?;
        if !fetch.unparsed.take()?.is_empty() {
            return None;
        }
        match fetch.items.pop()? {
            FetchItem::Content { name, origin, content: Content::Streamed { length } } => {
                Some(PartialFetch { fetch, name, origin, length })
            }
            _ => None,
        }
    }

    /// One item. A name repeated with its `.PEEK`, which is the command's only, is let pass.
    fn item(&mut self) -> Option<FetchItem> {
        let start = self.position();
        let name = self.name();
        let has_section = self.peek() == Some(b'[');
        let item = match name.as_str() {
            "BODY" | "BINARY" | "BODY.PEEK" | "BINARY.PEEK" if has_section => self.section_content(&name),
            "BINARY.SIZE" if has_section => self.binary_size(),
            "RFC822" => self.content(ContentName::Rfc822),
            "RFC822.HEADER" => self.content(ContentName::Rfc822Header),
            "RFC822.TEXT" => self.content(ContentName::Rfc822Text),
            _ => self.plain_item(&name),
        };
        if item.is_some() {
            return item;
        }
        self.set_position(start);
        self.other_item()
    }

    fn plain_item(&mut self, name: &str) -> Option<FetchItem> {
        self.spaces();
        Some(match name {
            "UID" => FetchItem::Uid(self.number()?),
            "FLAGS" => FetchItem::Flags(self.list(Self::flag)?),
            "INTERNALDATE" => FetchItem::InternalDate(date_time(&self.string()?)?),
            "RFC822.SIZE" => FetchItem::Size(self.number64()?),
            "MODSEQ" => FetchItem::ModSeq(self.number_in_parentheses()?),
            "EMAILID" => FetchItem::EmailId(self.object_id()?),
            "THREADID" if self.nil() => FetchItem::ThreadId(None),
            "THREADID" => FetchItem::ThreadId(Some(self.object_id()?)),
            "SAVEDATE" if self.nil() => FetchItem::SaveDate(None),
            "SAVEDATE" => FetchItem::SaveDate(Some(date_time(&self.string()?)?)),
            "PREVIEW" if self.nil() => FetchItem::Preview(None),
            "PREVIEW" => FetchItem::Preview(Some(self.string()?)),
            // https://developers.google.com/workspace/gmail/imap/imap-extensions
            "X-GM-LABELS" if self.nil() => FetchItem::GmailLabels(Vec::new()),
            "X-GM-LABELS" => FetchItem::GmailLabels(self.list(Self::astring)?),
            "X-GM-MSGID" => FetchItem::GmailMessageId(self.number64()?),
            "X-GM-THRID" => FetchItem::GmailThreadId(self.number64()?),
            _ => return None,
        })
    }

    /// An item that is not read: its name with what stands in brackets, and a value.
    fn other_item(&mut self) -> Option<FetchItem> {
        let start = self.position();
        self.take_while(|octet| !matches!(octet, b' ' | b'\t' | b'(' | b')' | b'[' | b'"' | b'\r' | b'\n'));
        if self.eat(b'[') {
            self.take_while(|octet| octet != b']');
            self.expect(b']')?;
            // An origin.
            self.bare();
        }
        let name = String::from_utf8_lossy(&self.since(start)).to_ascii_uppercase();
        if name.is_empty() {
            return None;
        }
        self.spaces();
        // A message in an item that is spelled in an unknown way is a message still, and may be large.
        if self.is_at_literal() {
            return self.content(ContentName::Other(name));
        }
        Some(FetchItem::Other { name, value: self.value()? })
    }

    /// `permsg-modsequence` in parentheses; without them it is let pass.
    fn number_in_parentheses(&mut self) -> Option<u64> {
        let open = self.eat(b'(');
        self.spaces();
        let number = self.number64()?;
        self.spaces();
        (!open || self.eat(b')')).then_some(number)
    }

    /// `"BODY" section ["<" number ">"] SP nstring / "BINARY" section-binary SP (nstring / literal8)`
    fn section_content(&mut self, name: &str) -> Option<FetchItem> {
        self.expect(b'[')?;
        let part = self.part_numbers()?;
        let name = if name.starts_with("BODY") {
            let text = if self.peek() == Some(b']') { SectionText::All } else { self.section_text()? };
            ContentName::Body(Section { part, text })
        } else {
            ContentName::Binary(part)
        };
        self.spaces();
        self.expect(b']')?;
        self.content(name)
    }

    fn binary_size(&mut self) -> Option<FetchItem> {
        self.expect(b'[')?;
        let part = self.part_numbers()?;
        self.expect(b']')?;
        self.spaces();
        Some(FetchItem::BinarySize { part, octets: self.number64()? })
    }

    /// `[number *("." number) ["."]]`
    fn part_numbers(&mut self) -> Option<Vec<u32>> {
        let mut part = Vec::new();
        while self.peek().is_some_and(|octet| octet.is_ascii_digit()) {
            if part.len() >= self.limits.elements_max {
                return None;
            }
            part.push(self.number()?);
            if !self.eat(b'.') {
                break;
            }
        }
        Some(part)
    }

    fn section_text(&mut self) -> Option<SectionText> {
        let name = self.name();
        self.spaces();
        let fields = |cursor: &mut Self| cursor.list(|cursor| cursor.astring().map(|field| field.to_vec()));
        Some(match name.as_str() {
            "HEADER" => SectionText::Header,
            "HEADER.FIELDS" => SectionText::HeaderFields(fields(self)?),
            "HEADER.FIELDS.NOT" => SectionText::HeaderFieldsNot(fields(self)?),
            "TEXT" => SectionText::Text,
            "MIME" => SectionText::Mime,
            _ => return None,
        })
    }

    /// `["<" number ">"] SP (nstring / literal8)`
    fn content(&mut self, name: ContentName) -> Option<FetchItem> {
        let mut origin = None;
        if self.eat(b'<') {
            origin = Some(self.number64()?);
            // RFC 9051 §7.5.2 has the origin alone; `<0.2048>`, as it was asked for, is let pass.
            if self.eat(b'.') {
                self.number64()?;
            }
            self.expect(b'>')?;
        }
        self.spaces();
        let content = match self.peek()? {
            b'"' => Content::Inline(self.quoted()?),
            b'{' | b'~' => match self.literal()? {
                Literal::Inline(octets) => Content::Inline(octets),
                Literal::Streamed { length } => Content::Streamed { length },
            },
            _ if self.nil() => Content::Nil,
            _ => return None,
        };
        Some(FetchItem::Content { name, origin, content })
    }
}

/// `date-time`, between its quotes. Let pass are a day of one digit without the space before it, a time without
/// seconds, and a missing zone, which counts as UTC.
fn date_time(text: &Bytes) -> Option<DateTime> {
    let text = std::str::from_utf8(text).ok()?;
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let mut date = words.next()?.split('-');
    let day = date.next()?.parse().ok()?;
    let month = calendar::month_number(date.next()?.as_bytes())?;
    let year = date.next().filter(|year| year.len() == 4)?.parse().ok()?;
    let mut time = words.next()?.split(':');
    let (hour, minute) = (time.next()?.parse().ok()?, time.next()?.parse().ok()?);
    let second = time.next().map_or(Some(0), |second| second.parse().ok())?;
    let zone_minutes = words.next().map_or(Some(0), zone)?;
    CivilDateTime { year, month, day, hour, minute, second }.to_unix(zone_minutes)
}

/// `zone = ("+" / "-") 4DIGIT`, in minutes
fn zone(text: &str) -> Option<i16> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let number: i16 =
        digits.parse().ok().filter(|_| digits.len() == 4 && digits.bytes().all(|c| c.is_ascii_digit()))?;
    let (hours, minutes) = (number / 100, number % 100);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}
