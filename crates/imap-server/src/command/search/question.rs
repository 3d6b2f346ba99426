//! Tests that need more of a message than its row in the snapshot: each is put to what is kept in memory of many
//! messages, then to the message's derived answers, then to the message itself.

use postrider_message::{DerivedView, HeaderText, Needle, SearchScope, SearchText};
use postrider_store::{Entry, FieldPresence, ThreadId};

use super::rows::{Group, Rows, Verdict};
use crate::command::fetch::thread_id;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// A test that the snapshot does not answer.
pub(super) enum Question {
    /// The day of the Date field, from and to (exclusive), in days since 1970.
    Sent(i64, i64),
    ThreadId(String),
    Header(HeaderQuestion),
    Text(SearchScope, Needle),
}

/// A text in the fields of one name.
pub(super) struct HeaderQuestion {
    field: String,
    /// The field, if its text is kept.
    kept: Option<HeaderText>,
    needle: Needle,
}

impl HeaderQuestion {
    pub(super) fn new(field: &str, needle: Needle) -> Self {
        // Line feeds stand between the fields of a kept text, NUL between the texts: what has them could be found across.
        let is_within = |byte: &u8| !matches!(byte, b'\n' | 0);
        let kept = HeaderText::named(field.as_bytes()).filter(|_| needle.finder().needle().iter().all(is_within));
        Self { field: field.to_owned(), kept, needle }
    }

    /// Looks at a header block.
    pub(super) fn in_header(&self, header: &[u8]) -> bool {
        self.needle.matches_header_field(header, &self.field)
    }

    fn in_view(&self, view: &DerivedView<'_>) -> Option<bool> {
        match self.kept.map(|text| view.search_text(text)) {
            Some(SearchText::Text(text)) => Some(self.needle.is_in(text.as_bytes())),
            Some(SearchText::NoField) => Some(false),
            Some(SearchText::NotKept) | None => None,
        }
    }

    fn in_digest(&self, group: &Group<'_>, among: Rows) -> Verdict {
        let (Some(text), Some((digest, first))) = (self.kept, group.digest) else { return Verdict::open(among) };
        let mut yes = Rows::NONE;
        if !self.needle.is_empty() {
            digest.find(text, self.needle.finder(), |row| {
                if let Some(row) = group.of_digest(digest, first, row) {
                    yes.insert(row);
                }
            });
        }
        let mut open = Rows::NONE;
        for row in among.iter() {
            let Some((sequence, _)) = group.rows.get(row) else { continue };
            match digest.header_field(text, (sequence - first) as usize) {
                FieldPresence::Unknown => open.insert(row),
                FieldPresence::Here if self.needle.is_empty() => yes.insert(row),
                FieldPresence::Here | FieldPresence::Absent => {}
            }
        }
        Verdict { yes: yes.and(among), open }
    }
}

impl Question {
    /// Whether digests can answer it.
    pub(super) fn is_digested(&self) -> bool {
        matches!(self, Self::Sent(..) | Self::Header(HeaderQuestion { kept: Some(_), .. }))
    }

    /// Puts it to the digest of a group, if there is one.
    pub(super) fn in_digest(&self, group: &Group<'_>, among: Rows) -> Verdict {
        let Some((digest, first)) = group.digest else { return Verdict::open(among) };
        let row = |sequence: u32| (sequence - first) as usize;
        // A message that is gone matches nothing: the closer look will find it out.
        let gone = group.select(among, |sequence, _| digest.is_gone(row(sequence)));
        let among = among.without(gone);
        let verdict = match self {
            Self::Sent(from, to) => Verdict::known(
                group.select(among, |sequence, entry| is_sent(digest.sent_day(row(sequence)), entry, *from, *to)),
            ),
            Self::Header(question) => question.in_digest(group, among),
            Self::ThreadId(_) | Self::Text(..) => Verdict::open(among),
        };
        Verdict { open: verdict.open.or(gone), ..verdict }
    }

    /// Puts it to the derived answers of a message; `None` where they do not tell.
    pub(super) fn in_view(&self, view: &DerivedView<'_>, entry: &Entry, thread: Option<ThreadId>) -> Option<bool> {
        match self {
            Self::Sent(from, to) => Some(is_sent(view.sent_day(), entry, *from, *to)),
            Self::ThreadId(id) => Some(thread.is_some_and(|thread| thread_id(thread) == *id)),
            Self::Header(question) => question.in_view(view),
            Self::Text(_, needle) => needle.is_empty().then_some(true),
        }
    }
}

/// A message without a readable Date counts by its arrival, as RFC 5256 §2.2 has it for sorting.
fn is_sent(day: Option<i64>, entry: &Entry, from: i64, to: i64) -> bool {
    let day = day.unwrap_or_else(|| entry.received.div_euclid(DAY_SECONDS));
    (from..to).contains(&day)
}
