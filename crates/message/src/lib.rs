//! RFC 5322 and MIME as mail access sees them: where a message's parts lie, what ENVELOPE and BODYSTRUCTURE say,
//! which text a search looks at, how a message sorts and threads.
//!
//! It knows no store, no session and no clock. A message is a `&[u8]` exactly as stored and is never changed; all
//! answers are byte ranges into it or texts derived from it.
//!
//! Two decisions shape it. IMAP addresses bytes (`BODY[1.2.MIME]<100.200>`), so the walker that finds parts is our
//! own and keeps exact offsets; `mail-parser` is used where meaning matters more than position (HTML to text, rare
//! charsets). And mail is hostile: every reader here takes any bytes, is linear in them, and makes the best of what
//! it finds instead of failing, since a message that is already stored cannot be refused any more.

mod address;
mod body_structure;
mod charset;
mod collation;
mod date;
mod decode;
mod derived;
mod derived_view;
mod encoded_word;
mod envelope;
mod fold;
mod header;
mod header_index;
mod html_sieve;
mod imap_text;
mod line_ends;
mod message_id;
mod parameter;
mod preview;
mod search;
mod searched;
mod structure;
mod structure_codec;
mod subject;
mod submission;
mod text_scan;
mod walker;

pub use address::{Address, Addresses};
pub use body_structure::{render_body, render_bodystructure};
pub use charset::{charset_to_utf8, decode_charset};
pub use collation::collation_key;
pub use date::{SentDate, days_from_civil, format_date, format_internal_date, parse_date};
pub use decode::{TransferEncoding, UnknownEncoding, decoded_part};
pub use derived::{Derived, HeaderText, SearchTexts};
pub use derived_view::{DerivedError, DerivedView, SearchText};
pub use encoded_word::decode_encoded_words;
pub use envelope::render_envelope;
pub use fold::fold_case;
pub use header::{
    Field, Fields, Selection, decode_unstructured, field_value, header_block_bytes, header_fields, unfold,
};
pub use header_index::{FieldSelection, IndexedHeader, encode_header};
pub use line_ends::has_bare_line_ends;
pub use message_id::{MessageIds, message_ids};
pub use parameter::Parameter;
pub use preview::preview;
pub use search::Needle;
pub use searched::{SearchScope, SearchedPart};
pub use structure::{Disposition, MimeLimits, Part, PartKind, SectionKind, Structure};
pub use subject::{BaseSubject, base_subject};
pub use submission::{MissingFields, missing_fields};
pub use text_scan::SearchBuffers;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod imap_syntax;
#[cfg(test)]
mod search_model_tests;
#[cfg(test)]
mod structure_tests;
