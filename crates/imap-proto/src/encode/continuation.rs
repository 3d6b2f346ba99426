//! Command continuation requests (RFC 9051 §7.6).

use base64::Engine as _;

/// Appends `+ text`; the text must be a single line.
pub fn encode_continuation(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"+ ");
    super::status::encode_text(out, text);
    out.extend_from_slice(b"\r\n");
}

/// Appends a SASL challenge in base64; an empty challenge is `+ ` and nothing more.
pub fn encode_challenge(out: &mut Vec<u8>, challenge: &[u8]) {
    out.extend_from_slice(b"+ ");
    out.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(challenge).as_bytes());
    out.extend_from_slice(b"\r\n");
}
