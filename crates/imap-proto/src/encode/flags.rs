//! Flags, and the untagged FLAGS response (RFC 9051 §7.3.5).

use super::encode_separated;
use crate::command::Flag;

/// Appends one flag.
pub fn encode_flag(out: &mut Vec<u8>, flag: &Flag) {
    let text: &[u8] = match flag {
        Flag::Answered => b"\\Answered",
        Flag::Flagged => b"\\Flagged",
        Flag::Deleted => b"\\Deleted",
        Flag::Seen => b"\\Seen",
        Flag::Draft => b"\\Draft",
        Flag::Recent => b"\\Recent",
        Flag::Keyword(keyword) => keyword.as_bytes(),
        Flag::Extension(name) => {
            out.push(b'\\');
            name.as_bytes()
        }
    };
    out.extend_from_slice(text);
}

/// Appends flags in parentheses.
pub fn encode_flag_list<'a>(out: &mut Vec<u8>, flags: impl IntoIterator<Item = &'a Flag>) {
    out.push(b'(');
    encode_separated(out, flags, encode_flag);
    out.push(b')');
}

/// Appends `* FLAGS (…)`.
pub fn encode_flags<'a>(out: &mut Vec<u8>, flags: impl IntoIterator<Item = &'a Flag>) {
    out.extend_from_slice(b"* FLAGS ");
    encode_flag_list(out, flags);
    out.extend_from_slice(b"\r\n");
}
