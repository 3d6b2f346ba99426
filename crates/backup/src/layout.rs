//! Names and times of the files in a snapshot. `docs/backup-format.md` tells the same to people.
//!
//! ```text
//! .postrider.json                         which layout this is
//! ADDRESS/.account.json                   counters, subscriptions, what the caller saves of the account
//! ADDRESS/.credentials.json               only if asked for
//! ADDRESS/.notes.jsonl                    the store's notes
//! ADDRESS/Mailbox/.mailbox.json           UIDVALIDITY, UIDNEXT, special use, ...
//! ADDRESS/Mailbox/0000001000.messages/.messages.jsonl     a line for each message
//! ADDRESS/Mailbox/0000001000.messages/1234.eml            its bytes
//! ADDRESS/Mailbox/Sub/...                 a mailbox below
//! ```
//!
//! Messages lie in folders of [`RANGE_UIDS`] UIDs each. The format of the repository knows a folder as one record that is written anew whenever
//! anything in it changed, and a list in pieces of a megabyte. In one folder, a mail that comes into a mailbox of 100,000 would cost some 8 MB in
//! every snapshot and four times that in memory; in ranges, a change costs 110 KB at most (measured with 1,000 messages in the range).

use postrider_store::{SEPARATOR, Uid};

/// The version of the layout that this program writes.
pub const VERSION: u32 = 1;

/// At the top: which layout this is.
pub const LAYOUT_FILE: &str = ".postrider.json";
/// In an account's folder: what is known of it beside mail.
pub const ACCOUNT_FILE: &str = ".account.json";
/// In an account's folder: password hashes and the like, if they are saved at all.
pub const CREDENTIALS_FILE: &str = ".credentials.json";
/// In an account's folder: what others noted beside the mail.
pub const NOTES_FILE: &str = ".notes.jsonl";
/// In a mailbox's folder: what is known of it without its messages.
pub const MAILBOX_FILE: &str = ".mailbox.json";
/// In a range's folder: what is known of each message.
pub const MESSAGES_FILE: &str = ".messages.jsonl";

/// How many UIDs a folder of messages is for.
pub const RANGE_UIDS: u32 = 1000;

/// Files of messages end so.
const MESSAGE_SUFFIX: &str = ".eml";
/// Folders of messages end so.
const RANGE_SUFFIX: &str = ".messages";

/// File systems take names of 255 bytes; longer levels are cut and end in a hash.
const NAME_BYTES_MAX: usize = 200;

/// Stands before the hash in a name that was cut: no escape begins so.
const CUT: &str = "%~";

/// The name of the folder for one level of a mailbox name, or for an address.
///
/// What would be taken for something else is written as `%` and two hexadecimal digits: `%` itself, control characters, what file
/// systems of this world forbid, a dot at the beginning (our own files begin so) or the end, and the dot of our own suffixes.
pub fn encode_level(level: &str) -> String {
    if level.is_empty() {
        return String::from(CUT);
    }
    let suffix = [MESSAGE_SUFFIX, RANGE_SUFFIX].into_iter().find_map(|suffix| {
        let start = level.len().checked_sub(suffix.len())?;
        level.get(start..).filter(|end| end.eq_ignore_ascii_case(suffix)).map(|_| start)
    });
    let last = level.char_indices().next_back().map(|(at, _)| at);
    let mut name = String::with_capacity(level.len());
    for (at, c) in level.char_indices() {
        let is_edge = at == 0 || Some(at) == last || Some(at) == suffix;
        let is_forbidden = c.is_ascii_control() || "%/\\:*?\"<>|".contains(c);
        let is_lost_at_the_end = c == ' ' && Some(at) == last;
        if is_forbidden || (c == '.' && is_edge) || is_lost_at_the_end {
            name.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            name.push(c);
        }
    }
    if name.len() <= NAME_BYTES_MAX { name } else { cut(level, &name) }
}

fn cut(level: &str, name: &str) -> String {
    let hash: String = blake3::hash(level.as_bytes()).to_hex().chars().take(32).collect();
    let mut end = NAME_BYTES_MAX - CUT.len() - hash.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{CUT}{hash}", name.get(..end).unwrap_or_default())
}

/// The level that [`encode_level`] made `name` of; `None` if that is not how it makes names, or if it was cut, and
/// only the file inside tells.
pub fn decode_level(name: &str) -> Option<String> {
    if name == CUT {
        return Some(String::new());
    }
    let mut level = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('%') {
        level.push_str(rest.get(..at)?);
        let digits = rest.get(at + 1..at + 3)?;
        let code = u8::from_str_radix(digits, 16).ok().filter(u8::is_ascii)?;
        level.push(char::from(code));
        rest = rest.get(at + 3..)?;
    }
    level.push_str(rest);
    (encode_level(&level) == name).then_some(level)
}

/// The folders, one below the other, of a mailbox.
pub fn mailbox_folders(name: &str) -> impl Iterator<Item = String> + '_ {
    name.split(SEPARATOR).map(encode_level)
}

/// The first UID of the range that `uid` belongs to.
pub fn range_of(uid: Uid) -> u32 {
    uid.0 - uid.0 % RANGE_UIDS
}

/// The folder of the range that begins with UID `first`.
pub fn range_folder(first: u32) -> String {
    format!("{first:010}{RANGE_SUFFIX}")
}

/// The first UID of the range whose folder is `name`.
pub fn parse_range_folder(name: &str) -> Option<u32> {
    let first = name.strip_suffix(RANGE_SUFFIX)?.parse().ok()?;
    (range_folder(first) == name).then_some(first)
}

/// The file of a message.
pub fn message_file(uid: Uid) -> String {
    format!("{uid}{MESSAGE_SUFFIX}")
}

/// The UID of the message whose file is `name`.
pub fn parse_message_file(name: &str) -> Option<Uid> {
    let uid = Uid(name.strip_suffix(MESSAGE_SUFFIX)?.parse().ok()?);
    (message_file(uid) == name).then_some(uid)
}

/// What tells whether a file is as it was in the snapshot before, so that it need not be read.
///
/// Repositories compare a file's name, size, mtime and ctime. `mtime` is for people: when the message was received. `ctime`, which no
/// program restores, is no time at all but 62 bits of the content's BLAKE3 hash: other content behind the same
/// name is read, whatever the clock said and however alike the sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Seconds since 1970 (UTC), within the years that the repository's format can write.
    pub mtime_seconds: i64,
    /// Seconds of ctime.
    pub ctime_seconds: i64,
    /// Nanoseconds of ctime.
    pub ctime_nanoseconds: i32,
}

/// 0001-01-03 and 9999-12-30: beyond, RFC 3339 in some time zone has no four digits for the year.
const MTIME_SECONDS: std::ops::RangeInclusive<i64> = -62_135_424_000..=253_402_128_000;

impl Stamp {
    /// Of content with the BLAKE3 hash `hash` and a time to show.
    pub fn new(hash: &[u8; 32], seconds: i64) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = *hash;
        Self {
            mtime_seconds: seconds.clamp(*MTIME_SECONDS.start(), *MTIME_SECONDS.end()),
            ctime_seconds: i64::from(u32::from_be_bytes([a, b, c, d])),
            ctime_nanoseconds: (u32::from_be_bytes([e, f, g, h]) % 1_000_000_000) as i32,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_stay_readable_and_never_look_like_our_own() {
        for (level, name) in [
            ("INBOX", "INBOX"),
            ("Grüße 2026", "Grüße 2026"),
            ("alice@example.org", "alice@example.org"),
            (".mailbox.json", "%2Emailbox.json"),
            ("1.eml", "1%2Eeml"),
            ("1.EML", "1%2EEML"),
            ("0000001000.messages", "0000001000%2Emessages"),
            ("a.b.", "a.b%2E"),
            ("end ", "end%20"),
            ("50%", "50%25"),
            ("..", "%2E%2E"),
            ("a\\b:\"c\"", "a%5Cb%3A%22c%22"),
            ("tab\t\u{7f}", "tab%09%7F"),
            ("", "%~"),
        ] {
            assert_eq!(encode_level(level), name);
            assert_eq!(decode_level(name).as_deref(), Some(level));
        }
    }

    #[test]
    fn what_no_name_is_written_as_is_not_read() {
        for name in ["%", "%4", "%41", "%zz", "%C3", ".x", "1.eml", "a%~00", "%2e"] {
            assert_eq!(decode_level(name), None, "{name}");
        }
    }

    #[test]
    fn long_names_fit_file_systems_and_stay_apart() {
        let (one, two) = ("ü".repeat(150) + "1", "ü".repeat(150) + "2");
        assert!(encode_level(&one).len() <= NAME_BYTES_MAX);
        assert_ne!(encode_level(&one), encode_level(&two));
        assert_eq!(decode_level(&encode_level(&one)), None);
    }

    #[test]
    fn ranges_and_messages_have_one_name_each() {
        assert_eq!(range_folder(range_of(Uid(1999))), "0000001000.messages");
        assert_eq!(parse_range_folder("0000001000.messages"), Some(1000));
        assert_eq!(parse_message_file("17.eml"), Some(Uid(17)));
        for name in ["017.eml", "+17.eml", "4294967296.eml", ".eml", "17.EML"] {
            assert_eq!(parse_message_file(name), None, "{name}");
        }
        assert_eq!(parse_range_folder("1000.messages"), None);
    }

    #[test]
    fn times_stay_within_four_digit_years() {
        for seconds in [i64::MIN, i64::MAX, 0] {
            let stamp = Stamp::new(&[0xff; 32], seconds);
            assert!(MTIME_SECONDS.contains(&stamp.mtime_seconds));
            assert!(stamp.ctime_nanoseconds < 1_000_000_000 && stamp.ctime_seconds <= i64::from(u32::MAX));
        }
    }

    proptest! {
        #[test]
        fn every_short_level_comes_back(level in ".{0,40}") {
            let name = encode_level(&level);
            prop_assert!(!name.starts_with('.') && !name.contains('/') && !name.is_empty());
            prop_assert!(parse_message_file(&name).is_none() && parse_range_folder(&name).is_none());
            if !name.contains(CUT) || level.is_empty() {
                prop_assert_eq!(decode_level(&name), Some(level));
            }
        }

        #[test]
        fn arbitrary_names_are_read_without_fail(name in "[%~a-zA-Z0-9.é]{0,30}") {
            if let Some(level) = decode_level(&name) {
                prop_assert_eq!(encode_level(&level), name);
            }
        }
    }
}
