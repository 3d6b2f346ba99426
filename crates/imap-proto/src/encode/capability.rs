//! The CAPABILITY response (RFC 9051 §7.2.2).

use super::encode_separated;

/// Appends `* CAPABILITY …`; the names as given, which must be atoms.
pub fn encode_capability<S: AsRef<str>>(out: &mut Vec<u8>, capabilities: impl IntoIterator<Item = S>) {
    out.extend_from_slice(b"* CAPABILITY ");
    encode_separated(out, capabilities, |out, name| out.extend_from_slice(name.as_ref().as_bytes()));
    out.extend_from_slice(b"\r\n");
}
