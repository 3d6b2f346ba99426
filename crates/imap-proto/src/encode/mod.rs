//! Responses, written to the end of a buffer: one file per response.
//!
//! Every function appends whole responses, their CR LF included, unless its doc says otherwise; none fails and none
//! reads the clock. What cannot be said in a response (a line end in a text, a NUL) is replaced, so a response can
//! never break the stream. Sizes of what is written are the caller's affair.

pub mod capability;
pub mod code;
pub mod continuation;
pub mod date_time;
pub mod enabled;
pub mod fetch;
pub mod flags;
pub mod id;
pub mod list;
pub mod mailbox_size;
pub mod mailbox_status;
pub mod namespace;
pub mod search;
pub mod sort;
pub mod status;
pub mod string;
pub mod thread;
pub mod uid_set;
pub mod vanished;

pub use capability::encode_capability;
pub use code::{Code, NewKeywords, encode_code};
pub use continuation::{encode_challenge, encode_continuation};
pub use date_time::{DateTimes, encode_date_time};
pub use enabled::encode_enabled;
pub use fetch::{FetchWriter, LiteralForm, SectionName, SuspendedFetch, encode_section, encode_section_name};
pub use flags::{encode_flag, encode_flag_list, encode_flags};
pub use id::encode_id;
pub use list::{ListAttribute, ListResponse, encode_list, encode_lsub};
pub use mailbox_size::{encode_exists, encode_expunge, encode_recent};
pub use mailbox_status::{StatusValue, encode_mailbox_status};
pub use namespace::{Namespace, encode_namespace};
pub use search::{EsearchResponse, encode_esearch, encode_search};
pub use sort::encode_sort;
pub use status::{Status, encode_status};
pub use string::{Utf8Quoting, encode_astring, encode_literal_header, encode_nstring, encode_string};
pub use thread::{ThreadLinks, encode_thread};
pub use uid_set::encode_uid_set;
pub use vanished::{Vanished, encode_vanished};

/// Appends a number in decimal.
#[inline]
pub fn encode_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends the parts with single spaces between.
fn encode_separated<T>(out: &mut Vec<u8>, parts: impl IntoIterator<Item = T>, mut encode: impl FnMut(&mut Vec<u8>, T)) {
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        encode(out, part);
    }
}
