//! Mailbox names as servers write them: the octets, and what they mean.
//!
//! [`crate::mailbox_name`] is strict, because a server must have one spelling for each name. A client takes what there
//! is, and says the same octets again when it means the mailbox: to decode and to encode anew would lose mailboxes whose
//! names are not in the one right spelling.

use bytes::Bytes;

use crate::command::RawMailbox;
use crate::mailbox_name::{NameEncoding, decode_modified_utf7, encode_modified_utf7};

/// A mailbox name as it came.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReceivedMailbox(pub Bytes);

impl ReceivedMailbox {
    /// The name as text.
    ///
    /// In a session without UTF-8, a name that is not proper modified UTF-7 is tried as UTF-8 and otherwise taken octet for
    /// octet: mailboxes have been made by programs that did not encode, or through the file system, as `R&D` is. Octets
    /// that are not UTF-8 are replaced.
    pub fn name(&self, encoding: NameEncoding) -> String {
        if encoding == NameEncoding::ModifiedUtf7
            && let Ok(name) = decode_modified_utf7(&self.0)
        {
            return name;
        }
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// The name as an argument of a command: the same octets.
    pub fn to_argument(&self) -> RawMailbox {
        RawMailbox(self.0.to_vec())
    }
}

/// A name of our own as an argument of a command, in the encoding in use.
pub fn mailbox_argument(name: &str, encoding: NameEncoding) -> RawMailbox {
    RawMailbox(match encoding {
        NameEncoding::ModifiedUtf7 => encode_modified_utf7(name),
        NameEncoding::Utf8 => name.as_bytes().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_spelling_and_said_again_in_theirs() {
        let cases: [(&[u8], NameEncoding, &str); 6] = [
            (b"Entw&APw-rfe", NameEncoding::ModifiedUtf7, "Entwürfe"),
            (b"Entw&APw-rfe", NameEncoding::Utf8, "Entw&APw-rfe"),
            ("Entwürfe".as_bytes(), NameEncoding::ModifiedUtf7, "Entwürfe"),
            (b"R&D", NameEncoding::ModifiedUtf7, "R&D"),
            (b"Entw\xfcrfe", NameEncoding::ModifiedUtf7, "Entw\u{fffd}rfe"),
            (b"&AGE-", NameEncoding::ModifiedUtf7, "&AGE-"),
        ];
        for (raw, encoding, name) in cases {
            let received = ReceivedMailbox(Bytes::copy_from_slice(raw));
            assert_eq!(received.name(encoding), name);
            assert_eq!(received.to_argument(), RawMailbox(raw.to_vec()));
        }
        assert_eq!(mailbox_argument("Entwürfe", NameEncoding::ModifiedUtf7).0, b"Entw&APw-rfe");
    }
}
