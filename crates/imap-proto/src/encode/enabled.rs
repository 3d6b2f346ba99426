//! The ENABLED response (RFC 9051 §7.2.1).

/// Appends `* ENABLED …`, for no capability as well: RFC 5161 §3.2 wants the response even then.
pub fn encode_enabled<S: AsRef<str>>(out: &mut Vec<u8>, capabilities: impl IntoIterator<Item = S>) {
    out.extend_from_slice(b"* ENABLED");
    for name in capabilities {
        out.push(b' ');
        out.extend_from_slice(name.as_ref().as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}
