//! What programs note about messages of an mbox file in their headers.
//!
//! Those fields are read and stay in the message, except where this crate's writer put them: it says how many fields of
//! its own follow, so that they can be taken out again and the message is the one that was written.

use postrider_message::{Fields, field_value};

use crate::flag::{Flag, MOZILLA_EXPUNGED, add_flag, add_keyword};

/// The field that says how many of those behind it our writer added.
const ADDED: &str = "X-Postrider-Added";
const ADDED_NAMES: [&str; 6] = ["X-IMAPbase", "Status", "X-Status", "X-Keywords", "X-UID", "X-UIDL"];

/// What a header says about a message's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Marks {
    pub flags: Vec<Flag>,
    pub uid: Option<u32>,
    pub pop3_uidl: Option<String>,
    pub expunged: bool,
}

impl Marks {
    /// Reads a header. What our writer added goes before what the message had of its own.
    pub fn of(header: &[u8]) -> Self {
        let added = added_bytes(header);
        if added > 0 {
            return Self::of_fields(header.get(..added).unwrap_or_default());
        }
        Self::of_fields(header)
    }

    fn of_fields(header: &[u8]) -> Self {
        let mut marks = Self::default();
        for field in Fields::new(header) {
            let value = field.value.trim_ascii();
            let text = || String::from_utf8_lossy(value);
            let number = || std::str::from_utf8(value).ok()?.parse::<u32>().ok();
            if field.is(b"status") || field.is(b"x-status") {
                // `D` of Status is a note of mail programs long gone; in X-Status it is a flag.
                let letters = value.iter().filter(|letter| field.is(b"x-status") || **letter == b'R');
                letters.filter_map(|letter| Flag::of_status_letter(*letter)).for_each(|flag| marks.add(flag));
            } else if field.is(b"x-keywords") || field.is(b"x-mozilla-keys") {
                text().split([' ', '\t', ',', '\r', '\n']).for_each(|name| add_keyword(&mut marks.flags, name));
            } else if field.is(b"x-mozilla-status") {
                let bits = u32::from_str_radix(&text(), 16).unwrap_or(0);
                Flag::of_mozilla_bits(bits).into_iter().for_each(|flag| marks.add(flag));
                marks.expunged |= bits & MOZILLA_EXPUNGED != 0;
            } else if field.is(b"x-uid") {
                marks.uid = number().filter(|uid| *uid > 0);
            } else if field.is(b"x-uidl") {
                marks.pop3_uidl = Some(text().into_owned()).filter(|uidl| is_uidl(uidl));
            }
        }
        if marks.expunged {
            marks.add(Flag::Deleted);
        }
        marks
    }

    fn add(&mut self, flag: Flag) {
        add_flag(&mut self.flags, flag);
    }
}

/// RFC 1939 §7: one to 70 characters from `!` to `~`.
pub(crate) fn is_uidl(text: &str) -> bool {
    (1..=70).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// UIDVALIDITY, the last UID and the keywords, which some programs note in the first message's header.
pub(crate) fn imap_base(header: &[u8]) -> Option<(u32, u32, Vec<String>)> {
    let value = field_value(header, b"x-imapbase").or_else(|| field_value(header, b"x-imap"))?;
    let text = String::from_utf8_lossy(value);
    let mut words = text.split_ascii_whitespace();
    let (validity, last) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (validity > 0).then(|| (validity, last, words.map(str::to_owned).collect()))
}

/// Whether this is no message but the note that UW IMAP and its relatives keep at the beginning of a file.
pub(crate) fn is_internal_data(header: &[u8]) -> bool {
    let subject = field_value(header, b"subject").unwrap_or_default();
    let is_note = memchr::memmem::find(subject, b"DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA").is_some();
    is_note && field_value(header, b"x-imap").is_some()
}

/// How long the fields are that our writer added; 0 if it added none.
fn added_bytes(header: &[u8]) -> usize {
    let mut fields = Fields::new(header);
    let Some(first) = fields.next().filter(|field| field.is(ADDED.as_bytes())) else { return 0 };
    let count = std::str::from_utf8(first.value).ok().and_then(|text| text.trim().parse::<usize>().ok()).unwrap_or(0);
    // Another program may have taken fields out since.
    let ours = fields.take(count).take_while(|field| ADDED_NAMES.iter().any(|name| field.is(name.as_bytes())));
    ours.last().map_or(first.range.end, |field| field.range.end)
}

/// The message without the fields that our writer added.
pub(crate) fn remove_added_fields(mut raw: Vec<u8>) -> Vec<u8> {
    let bytes = added_bytes(&raw);
    raw.drain(..bytes);
    raw
}

/// The fields that tell a message's state in an mbox file.
pub(crate) struct AddedFields<'a> {
    pub flags: &'a [Flag],
    pub uid: Option<u32>,
    pub pop3_uidl: Option<&'a str>,
    /// For the first message of a file: UIDVALIDITY, the last UID, keywords.
    pub base: Option<(u32, u32, &'a [String])>,
}

impl AddedFields<'_> {
    /// The fields with `line_end`.
    pub fn encode(&self, line_end: &str) -> Vec<u8> {
        let mut fields = Vec::new();
        if let Some((validity, last, keywords)) = self.base {
            let words: String = keywords.iter().map(|word| format!(" {word}")).collect();
            fields.push(format!("X-IMAPbase: {validity:010} {last:010}{words}"));
        }
        let has = |flag| self.flags.contains(flag);
        fields.push(format!("Status: {}", if has(&Flag::Seen) { "RO" } else { "O" }));
        let letters = [(Flag::Answered, 'A'), (Flag::Deleted, 'D'), (Flag::Flagged, 'F'), (Flag::Draft, 'T')];
        let letters: String = letters.iter().filter(|(flag, _)| has(flag)).map(|(_, letter)| letter).collect();
        let keywords: Vec<&str> = self.flags.iter().filter_map(Flag::as_keyword).collect();
        let lines = [
            ("X-Status", letters),
            ("X-Keywords", keywords.join(" ")),
            ("X-UID", self.uid.map_or_else(String::new, |uid| uid.to_string())),
            ("X-UIDL", self.pop3_uidl.unwrap_or_default().to_owned()),
        ];
        fields.extend(
            lines.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}: {value}")),
        );
        let mut out = format!("{ADDED}: {}{line_end}", fields.len());
        for field in fields {
            out.push_str(&field);
            out.push_str(line_end);
        }
        out.into_bytes()
    }
}
