//! The ID response (RFC 2971 §3.2).

use super::encode_separated;
use super::string::{Utf8Quoting, encode_nstring, encode_string};

/// Appends `* ID (…)`, or `* ID NIL` for no field.
pub fn encode_id(out: &mut Vec<u8>, fields: &[(&str, Option<&str>)]) {
    out.extend_from_slice(b"* ID ");
    if fields.is_empty() {
        out.extend_from_slice(b"NIL");
    } else {
        out.push(b'(');
        encode_separated(out, fields, |out, (name, value)| {
            encode_string(out, name.as_bytes(), Utf8Quoting::LiteralOnly);
            out.push(b' ');
            encode_nstring(out, value.map(str::as_bytes), Utf8Quoting::LiteralOnly);
        });
        out.push(b')');
    }
    out.extend_from_slice(b"\r\n");
}
