//! POP3's names of messages (RFC 1939 §7).
//!
//! A message's own unique-id is made of what names it here for ever, so nothing is stored. A message that comes from another
//! server may bring the unique-id that it had there, so that mail programs which leave their mail on the server
//! do not fetch all of it again. Such ids lie in a table of their own, which is looked at only for mailboxes that have any.

use crate::identifier::{AccountId, Uid, UidValidity};

/// The longest unique-id, in characters (RFC 1939 §7).
pub const UNIQUE_ID_BYTES_MAX: usize = 70;

/// The unique-id of a message that did not bring one: accounts' numbers are never used again, nor are UIDs while
/// UIDVALIDITY stays.
pub fn own_unique_id(account: AccountId, uid_validity: UidValidity, uid: Uid) -> String {
    format!("{account}.{uid_validity}.{uid}")
}

/// Whether messages of a mailbox can have this unique-id besides those that we make. RFC 1939 §7: one to 70 characters in
/// the range 0x21 to 0x7E. One that looks like ours could be that of another message here.
pub(crate) fn is_possible(unique_id: &str, account: AccountId, uid_validity: UidValidity) -> bool {
    let ours = format!("{account}.{uid_validity}.");
    (1..=UNIQUE_ID_BYTES_MAX).contains(&unique_id.len())
        && unique_id.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
        && !unique_id.starts_with(&ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_pop3_can_say_and_we_do_not_is_possible() {
        let longest = "x".repeat(70);
        let too_long = "x".repeat(71);
        let cases = [
            ("whqtswO00WBw418f9t5JxYwZ", true),
            ("!", true),
            ("~", true),
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("", false),
            ("a b", false),
            ("a\u{7f}", false),
            ("ä", false),
            ("7.12.", false),
            ("7.12.5", false),
            ("7.13.5", true),
            ("71.12.5", true),
        ];
        for (unique_id, expected) in cases {
            assert_eq!(is_possible(unique_id, AccountId(7), UidValidity(12)), expected, "{unique_id}");
        }
    }
}
