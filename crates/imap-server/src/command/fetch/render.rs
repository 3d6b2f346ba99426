//! Rows of a FETCH are written.

use postrider_imap_proto::{
    command::{DateTime, FetchAttribute},
    encode::{DateTimes, FetchWriter, Utf8Quoting},
};
use postrider_message::{DerivedView, IndexedHeader};
use postrider_store::{Entry, FlagBits, KeywordTable, ThreadId};

use super::plan::Plan;
use crate::selected::{Enabled, encode_flag_bits};

/// Different combinations of flags whose texts are remembered.
const FLAG_TEXTS_MAX: usize = 32;

/// A message to be told of.
pub(super) struct Row<'s> {
    pub(super) sequence: u32,
    pub(super) entry: &'s Entry,
    pub(super) recent: bool,
    /// This very command set `\Seen`, so the flags are told even if nobody asked.
    pub(super) flags_changed: bool,
    pub(super) thread: Option<ThreadId>,
}

/// What all rows of a command share.
pub(super) struct Rendering<'p> {
    plan: &'p Plan,
    enabled: Enabled,
    flags: FlagTexts,
    days: DateTimes,
}

impl<'p> Rendering<'p> {
    pub(super) fn new(plan: &'p Plan, keywords: KeywordTable, enabled: Enabled) -> Self {
        let flags = FlagTexts { keywords, texts: Vec::new(), last: 0 };
        Self { plan, enabled, flags, days: DateTimes::default() }
    }

    /// Writes the whole response from the snapshot.
    pub(super) fn snapshot(&mut self, out: &mut Vec<u8>, row: &Row<'_>) {
        self.begin(out, row, None).end();
    }

    /// Writes the whole response from the derived answers.
    pub(super) fn derived(&mut self, out: &mut Vec<u8>, row: &Row<'_>, view: &DerivedView<'_>) {
        self.begin(out, row, Some(view)).end();
    }

    /// Writes the whole response from the header, and from the derived answers where they are needed.
    pub(super) fn header(
        &mut self,
        out: &mut Vec<u8>,
        row: &Row<'_>,
        view: Option<&DerivedView<'_>>,
        header: IndexedHeader<'_>,
    ) {
        let plan = self.plan;
        let mut writer = self.begin(out, row, view);
        for attribute in &plan.from_header {
            attribute.render(&mut writer, header);
        }
        writer.end();
    }

    /// Begins a response with everything that needs no content.
    pub(super) fn begin<'o>(
        &mut self,
        out: &'o mut Vec<u8>,
        row: &Row<'_>,
        view: Option<&DerivedView<'_>>,
    ) -> FetchWriter<'o> {
        let plan = self.plan;
        let mut writer = FetchWriter::begin(out, row.sequence);
        for attribute in &plan.plain {
            self.attribute(&mut writer, attribute, row, view);
        }
        if row.flags_changed {
            if !plan.plain.contains(&FetchAttribute::Flags) {
                self.attribute(&mut writer, &FetchAttribute::Flags, row, view);
            }
            if self.enabled.condstore && !plan.plain.contains(&FetchAttribute::ModSeq) {
                writer.modseq(row.entry.modseq.0);
            }
        }
        writer
    }

    fn attribute(
        &mut self,
        writer: &mut FetchWriter<'_>,
        attribute: &FetchAttribute,
        row: &Row<'_>,
        view: Option<&DerivedView<'_>>,
    ) {
        let entry = row.entry;
        match attribute {
            FetchAttribute::Uid => writer.uid(entry.uid.0),
            FetchAttribute::Flags => writer.flag_list(self.flags.text(entry.flags, row.recent)),
            FetchAttribute::InternalDate => writer.internal_date_remembering(utc(entry.received), &mut self.days),
            FetchAttribute::Rfc822Size => writer.size(entry.size.into()),
            FetchAttribute::ModSeq => writer.modseq(entry.modseq.0),
            FetchAttribute::SaveDate => writer.save_date(Some(utc(entry.saved))),
            FetchAttribute::EmailId => writer.email_id(&email_id(entry)),
            FetchAttribute::ThreadId => writer.thread_id(row.thread.map(thread_id).as_deref()),
            FetchAttribute::Envelope => writer.envelope(view.map(DerivedView::envelope).unwrap_or_default()),
            FetchAttribute::Body => writer.body(view.map(DerivedView::body).unwrap_or_default()),
            FetchAttribute::BodyStructure => {
                writer.body_structure(view.map(DerivedView::body_structure).unwrap_or_default())
            }
            // The preview was made at delivery, so it is there for LAZY too. A message without a text to show has an
            // empty one: NIL would say that it is still to be made (RFC 8970 §3.2).
            FetchAttribute::Preview { .. } => {
                let text = view.and_then(DerivedView::preview).unwrap_or_default();
                writer.preview(Some(text), self.quoting())
            }
            // Made of content: not here.
            FetchAttribute::Section { .. }
            | FetchAttribute::Binary { .. }
            | FetchAttribute::BinarySize(_)
            | FetchAttribute::Rfc822
            | FetchAttribute::Rfc822Header
            | FetchAttribute::Rfc822Text => writer,
        };
    }

    fn quoting(&self) -> Utf8Quoting {
        if self.enabled.rev2 || self.enabled.utf8 { Utf8Quoting::Allowed } else { Utf8Quoting::LiteralOnly }
    }
}

/// Flag lists as they were written before: mailboxes have few different ones.
struct FlagTexts {
    keywords: KeywordTable,
    texts: Vec<(FlagBits, bool, Vec<u8>)>,
    last: usize,
}

impl FlagTexts {
    fn text(&mut self, bits: FlagBits, recent: bool) -> &[u8] {
        let is_it = |text: &(FlagBits, bool, Vec<u8>)| text.0 == bits && text.1 == recent;
        if !self.texts.get(self.last).is_some_and(is_it) {
            self.last = match self.texts.iter().position(is_it) {
                Some(position) => position,
                None => self.add(bits, recent),
            };
        }
        self.texts.get(self.last).map(|text| text.2.as_slice()).unwrap_or_default()
    }

    fn add(&mut self, bits: FlagBits, recent: bool) -> usize {
        if self.texts.len() == FLAG_TEXTS_MAX {
            self.texts.clear();
        }
        let mut text = Vec::new();
        encode_flag_bits(&mut text, &self.keywords, bits, recent);
        self.texts.push((bits, recent, text));
        self.texts.len() - 1
    }
}

/// Ends a response. Where nothing that was asked for could be decoded it tells the UID, as it must not be empty
/// (RFC 9051 §9, `msg-att`).
pub(super) fn end(mut writer: FetchWriter<'_>, row: &Row<'_>) {
    if writer.is_empty() {
        writer.uid(row.entry.uid.0);
    }
    writer.end();
}

fn utc(unix_seconds: i64) -> DateTime {
    DateTime { unix_seconds, zone_minutes: 0 }
}

/// An email's object id (RFC 8474 §5.1); copies of a message share it.
pub(crate) fn email_id(entry: &Entry) -> String {
    format!("M{}", entry.email)
}

/// A thread's object id (RFC 8474 §5.2).
pub(crate) fn thread_id(thread: ThreadId) -> String {
    format!("T{thread}")
}
