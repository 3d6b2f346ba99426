//! Maildir: one file for each message, flags in its name, and the files beside it in which Dovecot and Courier keep UIDs,
//! keywords and subscriptions.

use std::collections::HashMap;

use crate::{
    finding::Finding,
    flag::{Flag, add_flag, add_keyword},
    mbox::is_uidl,
};

/// How many keywords have letters in file names: `a` to `z`.
pub(crate) const LETTER_KEYWORDS_MAX: usize = 26;

/// What a file's name says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FileName<'a> {
    /// The name without flags: what identifies the message.
    pub base: &'a str,
    /// The letters of the flags.
    pub letters: &'a str,
    /// `S=`: the file's size.
    pub size: Option<u64>,
    /// `W=`: the message's size with CRLF line ends.
    pub wire_size: Option<u64>,
    /// The number in front: when it was delivered.
    pub delivered: Option<i64>,
}

impl<'a> FileName<'a> {
    pub fn parse(name: &'a str) -> Self {
        // File systems that cannot hold `:` have `;` or `!` in its place.
        let info = [":2,", ";2,", "!2,"].iter().find_map(|mark| name.split_once(mark));
        let (base, letters) = info.unwrap_or_else(|| (name.split_once(':').map_or(name, |(base, _)| base), ""));
        let mut parsed = Self { base, letters, ..Self::default() };
        for word in base.split(',').skip(1) {
            match word.split_once('=') {
                Some(("S", size)) => parsed.size = size.parse().ok(),
                Some(("W", size)) => parsed.wire_size = size.parse().ok(),
                _ => {}
            }
        }
        let number = base.split('.').next().unwrap_or_default();
        parsed.delivered = number.parse().ok().filter(|seconds| (1..=4_102_444_800).contains(seconds));
        parsed
    }

    /// The flags; `keywords` are those of the letters `a` to `z`.
    pub fn flags(&self, keywords: &[String]) -> Vec<Flag> {
        let mut flags = Vec::new();
        for letter in self.letters.bytes() {
            if let Some(flag) = Flag::of_maildir_letter(char::from(letter)) {
                add_flag(&mut flags, flag);
            } else if letter.is_ascii_lowercase()
                && let Some(name) = keywords.get(usize::from(letter - b'a'))
            {
                add_keyword(&mut flags, name);
            }
        }
        flags
    }

    /// Sizes that are not those of the file and of the message.
    pub fn check_sizes(&self, file_bytes: usize, message_bytes: usize, findings: &mut Vec<Finding>) {
        let differs = |noted: Option<u64>, bytes| noted.is_some_and(|noted| u64::try_from(bytes) != Ok(noted));
        if differs(self.size, file_bytes) || differs(self.wire_size, message_bytes) {
            findings.push(Finding::WrongSize);
        }
    }
}

/// What `dovecot-uidlist` or `courierimapuiddb` say of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UidRow {
    pub uid: u32,
    /// Its unique id in POP3.
    pub pop3_uidl: Option<NotedUidl>,
    /// Its GUID, where Dovecot notes one; else it is the file's name.
    pub guid: Option<String>,
}

/// A unique id as Dovecot notes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotedUidl {
    /// It is the file's name without flags: `P` stands alone.
    FileName,
    Text(String),
}

impl NotedUidl {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "" => Some(Self::FileName),
            text => is_uidl(text).then(|| Self::Text(text.to_owned())),
        }
    }

    /// The unique id of the message in the file with that name without flags.
    pub fn of(&self, base: &str) -> Option<String> {
        match self {
            Self::FileName => is_uidl(base).then(|| base.to_owned()),
            Self::Text(text) => Some(text.clone()),
        }
    }
}

/// The UIDs of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct UidList {
    pub validity: Option<u32>,
    pub next: Option<u32>,
    pub rows: HashMap<Box<str>, UidRow>,
    /// Lines that could not be read.
    pub bad_lines: usize,
    /// Whether Dovecot wrote it.
    pub is_dovecot: bool,
}

impl UidList {
    /// Reads `dovecot-uidlist`, version 1 or 3. Nothing where it is neither.
    pub fn parse_dovecot(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.lines();
        let header = lines.next()?;
        let mut list = match header.split_once(' ')? {
            ("3", rest) => {
                let number = |letter| rest.split(' ').find_map(|word| word.strip_prefix(letter)?.parse().ok());
                Self { validity: number('V'), next: number('N'), is_dovecot: true, ..Self::default() }
            }
            ("1", rest) => {
                let mut words = rest.split(' ').map(|word| word.parse().ok());
                Self { validity: words.next()?, next: words.next()?, is_dovecot: true, ..Self::default() }
            }
            _ => return None,
        };
        list.validity = list.validity.filter(|validity| *validity > 0);
        for line in lines.filter(|line| !line.is_empty()) {
            match parse_row(line) {
                Some((base, row)) => drop(list.rows.insert(base.into(), row)),
                None => list.bad_lines += 1,
            }
        }
        Some(list)
    }

    /// Reads `courierimapuiddb`: version, UIDVALIDITY, next UID, then a UID and a name on each line.
    pub fn parse_courier(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.lines();
        let mut header = lines.next()?.split(' ');
        let (_, validity, next) = (header.next()?, header.next()?.parse().ok()?, header.next()?.parse().ok()?);
        let mut list = Self { validity: Some(validity), next: Some(next), ..Self::default() };
        for line in lines.filter(|line| !line.is_empty()) {
            let row = line.split_once(' ').and_then(|(uid, base)| Some((uid.parse().ok()?, base)));
            match row {
                Some((uid, base)) => drop(list.rows.insert(base.into(), UidRow { uid, pop3_uidl: None, guid: None })),
                None => list.bad_lines += 1,
            }
        }
        Some(list)
    }

    /// The UID after all that were given out.
    pub fn floor(&self) -> Option<u32> {
        let last = self.rows.values().map(|row| row.uid).max();
        self.next.max(last.map(|last| last.saturating_add(1)))
    }

    /// What is known of the message in the file of that name without flags. Courier leaves sizes out of its list.
    pub fn row(&self, base: &str) -> Option<&UidRow> {
        self.rows.get(base).or_else(|| self.rows.get(base.split(',').next()?))
    }
}

/// `uid extensions :name`, in version 1 `uid name`.
fn parse_row(line: &str) -> Option<(&str, UidRow)> {
    let (uid, rest) = line.split_once(' ')?;
    let uid = uid.parse().ok().filter(|uid| *uid > 0)?;
    let (extensions, name) = match rest.strip_prefix(':') {
        Some(name) => ("", name),
        None => rest.split_once(" :").unwrap_or(("", rest)),
    };
    let word_after = |letter| extensions.split(' ').find_map(|word| word.strip_prefix(letter));
    let (pop3_uidl, guid) = (word_after('P').and_then(NotedUidl::parse), word_after('G').map(str::to_owned));
    Some((FileName::parse(name).base, UidRow { uid, pop3_uidl, guid }))
}

/// Reads `dovecot-keywords`: a number and a name on each line. The letter `a` is number 0.
pub(crate) fn parse_keywords(bytes: &[u8]) -> Vec<String> {
    let mut keywords = Vec::new();
    for line in String::from_utf8_lossy(bytes).lines() {
        let Some((number, name)) = line.split_once(' ') else { continue };
        let Some(number) = number.parse().ok().filter(|number| *number < LETTER_KEYWORDS_MAX) else { continue };
        if keywords.len() <= number {
            keywords.resize(number + 1, String::new());
        }
        if let Some(place) = keywords.get_mut(number) {
            name.clone_into(place);
        }
    }
    keywords
}

/// Reads Courier's `courierimapkeywords/:list`: keywords, an empty line, then `name:number number…` for each message.
pub(crate) fn parse_courier_keywords(bytes: &[u8]) -> HashMap<String, Vec<String>> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let names: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let row = |line: &str| {
        let (base, numbers) = line.rsplit_once(':')?;
        let known = numbers.split(' ').filter_map(|number| names.get(number.parse::<usize>().ok()?));
        Some((base.to_owned(), known.map(|name| (*name).to_owned()).collect()))
    };
    lines.filter_map(row).collect()
}

/// Reads `subscriptions`: Dovecot's, in version 2 with tabs between levels, or Courier's with `INBOX.` in front.
pub(crate) fn parse_subscriptions(bytes: &[u8]) -> Vec<Vec<String>> {
    let text = String::from_utf8_lossy(bytes);
    let versioned = text.starts_with("V\t2");
    let lines = text.lines().skip(if versioned { 2 } else { 0 }).filter(|line| !line.is_empty());
    let separators: &[char] = if versioned { &['\t'] } else { &['.', '/'] };
    lines
        .map(|line| {
            let mut levels: Vec<String> = line.split(separators).map(crate::folder_name::decode_level).collect();
            if levels.len() > 1 && !versioned && levels.first().is_some_and(|level| level == "INBOX") {
                levels.remove(0);
            }
            levels
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test, a failed expectation is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn names_say_flags_and_sizes() {
        let keywords = vec!["work".to_owned(), "home".to_owned()];
        for (name, base, flags, size) in [
            ("1.a.host,S=10,W=12:2,FSb", "1.a.host,S=10,W=12", vec!["\\Flagged", "\\Seen", "home"], Some(10)),
            ("1.a.host:2,", "1.a.host", vec![], None),
            ("1.a.host", "1.a.host", vec![], None),
            ("1.a.host;2,SRPTDz", "1.a.host", vec!["\\Seen", "\\Answered", "$Forwarded", "\\Deleted", "\\Draft"], None),
            ("1.a:1,x", "1.a", vec![], None),
            ("x,S=ü:2,ü", "x,S=ü", vec![], None),
        ] {
            let parsed = FileName::parse(name);
            assert_eq!((parsed.base, parsed.size), (base, size), "{name}");
            assert_eq!(parsed.flags(&keywords).iter().map(Flag::name).collect::<Vec<_>>(), flags, "{name}");
        }
    }

    #[test]
    fn lists_of_uids_are_read() {
        let three = b"3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394:2,\n25017 W2481 Pabc Gdef :1276533073.M242911P3632\nbad\n";
        let list = UidList::parse_dovecot(three).unwrap();
        assert_eq!((list.validity, list.next, list.bad_lines), (Some(1_275_660_208), Some(25_022), 1));
        assert_eq!(list.row("1276528487.M364837P9451.kurkku,S=1355,W=1394").unwrap().uid, 25_006);
        let row = list.row("1276533073.M242911P3632").unwrap();
        assert_eq!((row.uid, row.guid.as_deref()), (25_017, Some("def")));
        assert_eq!(row.pop3_uidl.as_ref().unwrap().of("x").as_deref(), Some("abc"));
        let named = UidList::parse_dovecot(b"3 V1 N3\n1 W17 P :a.b,S=5:2,S\n").unwrap();
        let noted = named.row("a.b,S=5").unwrap().pop3_uidl.clone().unwrap();
        assert_eq!(noted.of("a.b,S=5").as_deref(), Some("a.b,S=5"));
        assert_eq!(noted.of("with space"), None);
        assert_eq!(UidList::parse_dovecot(b"3 V1 N3\n9 :a\n").unwrap().floor(), Some(10));
        let one = UidList::parse_dovecot(b"1 7 3\n1 a.b\n2 c:2,S\n").unwrap();
        assert_eq!((one.validity, one.next, one.row("c").unwrap().uid), (Some(7), Some(3), 2));
        let courier = UidList::parse_courier(b"1 7 3\n1 a.b\n2 c\n").unwrap();
        assert_eq!((courier.validity, courier.row("a.b,S=5").unwrap().uid), (Some(7), 1));
        for bytes in ["", "2 x", "3", "\n"] {
            assert_eq!(UidList::parse_dovecot(bytes.as_bytes()), None, "{bytes}");
        }
    }

    #[test]
    fn keywords_and_subscriptions_are_read() {
        assert_eq!(parse_keywords(b"0 work\n2 $Junk\n99 far\nbad\n"), ["work", "", "$Junk"]);
        let courier = parse_courier_keywords(b"work\nhome\n\n1.a:0 1\n2.b:1 7\n");
        assert_eq!(courier.get("1.a").unwrap(), &["work", "home"]);
        assert_eq!(courier.get("2.b").unwrap(), &["home"]);
        assert_eq!(parse_subscriptions(b"V\t2\n\nA\tB\nINBOX\n"), [vec!["A", "B"], vec!["INBOX"]]);
        assert_eq!(parse_subscriptions(b"INBOX.A.&APw-\n"), [vec!["A", "ü"]]);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "[13VN0-9 :PW\t\n.,=S]{0,60}") {
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                UidList::parse_dovecot(bytes);
                UidList::parse_courier(bytes);
                parse_keywords(bytes);
                parse_courier_keywords(bytes);
                parse_subscriptions(bytes);
                FileName::parse(&String::from_utf8_lossy(bytes)).flags(&[]);
            }
        }
    }
}
