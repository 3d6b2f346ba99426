//! What a submitted message lacks and its server must add (RFC 6409 §8).

use crate::header::{Fields, header_block_bytes, slice, unfold};

/// True for each field that is missing or empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingFields {
    /// No Date
    pub date: bool,
    /// No Message-ID
    pub message_id: bool,
    /// No From
    pub from: bool,
}

/// Looks at the header of `raw` only.
pub fn missing_fields(raw: &[u8]) -> MissingFields {
    let mut missing = MissingFields { date: true, message_id: true, from: true };
    for field in Fields::new(slice(raw, 0..header_block_bytes(raw))) {
        let is_empty = unfold(field.value).is_empty();
        match () {
            () if field.is(b"date") => missing.date &= is_empty,
            () if field.is(b"message-id") => missing.message_id &= is_empty,
            () if field.is(b"from") => missing.from &= is_empty,
            () => {}
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_absent_fields_are_missing() {
        let missing = missing_fields(b"From: a@b\r\nDATE: \r\n\r\nMessage-ID: <a@b>\r\n");
        assert_eq!(missing, MissingFields { date: true, message_id: true, from: false });
        let missing = missing_fields(b"Date: x\r\nmessage-id: <a@b>");
        assert_eq!(missing, MissingFields { date: false, message_id: false, from: true });
    }
}
