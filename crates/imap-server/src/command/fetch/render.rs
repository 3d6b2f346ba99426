//! Rows of a FETCH are written.

use postrider_imap_proto::{
    command::{DateTime, FetchAttribute},
    encode::{FetchWriter, Utf8Quoting},
};
use postrider_message::DerivedView;
use postrider_store::{Entry, KeywordTable, ThreadId};

use super::plan::Plan;
use crate::selected::{Enabled, flags_of};

/// A message to be told of.
pub(super) struct Row {
    pub(super) sequence: u32,
    pub(super) entry: Entry,
    pub(super) recent: bool,
    /// This very command set `\Seen`, so the flags are told even if nobody asked.
    pub(super) flags_changed: bool,
    pub(super) thread: Option<ThreadId>,
}

/// What all rows of a command share.
pub(super) struct Rendering<'p> {
    pub(super) plan: &'p Plan,
    pub(super) keywords: KeywordTable,
    pub(super) enabled: Enabled,
}

impl Rendering<'_> {
    /// Begins a response with everything that needs no content.
    pub(super) fn begin<'o>(&self, out: &'o mut Vec<u8>, row: &Row, view: Option<&DerivedView<'_>>) -> FetchWriter<'o> {
        let mut writer = FetchWriter::begin(out, row.sequence);
        for attribute in &self.plan.plain {
            self.attribute(&mut writer, attribute, row, view);
        }
        if row.flags_changed && !self.plan.plain.contains(&FetchAttribute::Flags) {
            self.attribute(&mut writer, &FetchAttribute::Flags, row, view);
        }
        if row.flags_changed && self.enabled.condstore && !self.plan.plain.contains(&FetchAttribute::ModSeq) {
            writer.modseq(row.entry.modseq.0);
        }
        writer
    }

    fn attribute(
        &self,
        writer: &mut FetchWriter<'_>,
        attribute: &FetchAttribute,
        row: &Row,
        view: Option<&DerivedView<'_>>,
    ) {
        let entry = &row.entry;
        match attribute {
            FetchAttribute::Uid => writer.uid(entry.uid.0),
            FetchAttribute::Flags => writer.flags(&flags_of(&self.keywords, entry.flags, row.recent)),
            FetchAttribute::InternalDate => writer.internal_date(utc(entry.received)),
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

/// Ends a response. Where nothing that was asked for could be decoded it tells the UID, as it must not be empty
/// (RFC 9051 §9, `msg-att`).
pub(super) fn end(mut writer: FetchWriter<'_>, row: &Row) {
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
