//! What a message says its name is: with size and date the means to know it again without fetching it.

use postrider_message::message_ids;

/// The field's name, in small letters, with its colon.
const FIELD: &[u8] = b"message-id:";

/// The beginning of the hash of a header's first Message-ID; 0 if it has none.
pub(crate) fn message_id_hash(header: &[u8]) -> u64 {
    let Some(value) = message_id_field(header) else { return 0 };
    let Some(id) = message_ids(&value).next() else { return 0 };
    let hash = blake3::hash(id.as_bytes());
    let first = hash.as_bytes().first_chunk::<8>().copied().unwrap_or_default();
    u64::from_be_bytes(first).max(1)
}

/// The value of the first such field, unfolded.
fn message_id_field(header: &[u8]) -> Option<Vec<u8>> {
    let mut lines = header.split(|&octet| octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    loop {
        let line = lines.next().filter(|line| !line.is_empty())?;
        if line.get(..FIELD.len()).is_some_and(|name| name.eq_ignore_ascii_case(FIELD)) {
            let mut value = line.get(FIELD.len()..)?.to_vec();
            let folded = lines.take_while(|line| line.first().is_some_and(|octet| matches!(octet, b' ' | b'\t')));
            folded.for_each(|line| value.extend_from_slice(line));
            return Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_id_is_found_in_a_message_and_in_its_one_field() {
        let message = b"Subject: x\r\nMESSAGE-ID:\r\n <a@b>\r\n\r\nMessage-ID: <no@no>\r\n";
        assert_ne!(message_id_hash(message), 0);
        assert_eq!(message_id_hash(message), message_id_hash(b"Message-Id: <a@b>\r\n\r\n"));
        assert_ne!(message_id_hash(message), message_id_hash(b"Message-Id: <a@c>\r\n\r\n"));
        for without in
            [&b""[..], b"Subject: x\r\n\r\nMessage-ID: <a@b>", b"Message-ID: none\r\n", b"\n", b"Message-ID:"]
        {
            assert_eq!(message_id_hash(without), 0, "{}", String::from_utf8_lossy(without));
        }
    }
}
