//! Apple Mail's `.emlx`: a line with the message's length, the message, a property list.
//!
//! Of the property list three numbers are of interest. It is looked through for their keys; a whole parser of property
//! lists would find no more.

use crate::{finding::Finding, flag::Flag};

/// What an `.emlx` file holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Emlx {
    pub raw: Vec<u8>,
    pub flags: Vec<Flag>,
    pub received: Option<i64>,
    pub findings: Vec<Finding>,
}

/// Reads a file. One without a length is taken as a message as a whole.
pub(crate) fn parse_emlx(mut file: Vec<u8>) -> Emlx {
    let mut emlx = Emlx::default();
    let line_end = file.iter().take(32).position(|byte| *byte == b'\n');
    let length = line_end.and_then(|end| std::str::from_utf8(file.get(..end)?).ok()?.trim().parse::<usize>().ok());
    let (Some(line_end), Some(length)) = (line_end, length) else {
        emlx.findings.push(Finding::BadMetadata("there is no length on the first line".to_owned()));
        emlx.raw = file;
        return emlx;
    };
    let begin = line_end + 1;
    let end = begin.saturating_add(length);
    if end > file.len() {
        emlx.findings.push(Finding::Cut);
    }
    let plist = file.get(end..).unwrap_or_default();
    if let Some(bits) = number_of(plist, "flags") {
        emlx.flags = Flag::of_apple_bits(bits);
    }
    emlx.received = number_of(plist, "date-received").and_then(|seconds| i64::try_from(seconds).ok());
    file.truncate(end.min(file.len()));
    file.drain(..begin);
    emlx.raw = file;
    emlx
}

/// The number behind `<key>name</key>`.
fn number_of(plist: &[u8], name: &str) -> Option<u64> {
    let key = format!("<key>{name}</key>");
    let at = memchr::memmem::find(plist, key.as_bytes())? + key.len();
    let rest = plist.get(at..)?.trim_ascii_start();
    let open = rest.iter().position(|byte| *byte == b'>')?;
    if !matches!(rest.get(..open)?, b"<integer" | b"<real") {
        return None;
    }
    let digits = rest.get(open + 1..)?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLIST: &[u8] = b"<?xml version=\"1.0\"?>\n<plist version=\"1.0\">\n<dict>\n\t<key>date-received</key>\n\t<integer>1700000000</integer>\n\t<key>flags</key>\n\t<integer>8590195717</integer>\n</dict>\n</plist>\n";

    #[test]
    fn message_flags_and_date_are_read() {
        let file = [b"9   \nA: b\n\nx\n".as_slice(), PLIST].concat();
        let emlx = parse_emlx(file);
        assert_eq!(emlx.raw, b"A: b\n\nx\n<".get(..9).unwrap_or_default());
        assert_eq!(emlx.received, Some(1_700_000_000));
        assert_eq!(emlx.flags, [Flag::Seen, Flag::Answered]);
    }

    #[test]
    fn damage_is_told() {
        for (file, raw, finding) in [
            ("100\nA: b\n", "A: b\n", Finding::Cut),
            ("A: b\n", "A: b\n", Finding::BadMetadata("there is no length on the first line".to_owned())),
            ("", "", Finding::BadMetadata("there is no length on the first line".to_owned())),
        ] {
            let emlx = parse_emlx(file.as_bytes().to_vec());
            assert_eq!((emlx.raw.as_slice(), emlx.findings), (raw.as_bytes(), vec![finding]));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "[0-9]{0,20}\n?(<key>flags</key>|<integer>|[0-9]|>){0,8}") {
            parse_emlx(bytes);
            parse_emlx(text.into_bytes());
        }
    }
}
