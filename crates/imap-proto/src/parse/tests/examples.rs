//! The example commands of RFC 9051, RFC 3501 and the extensions, wrapped lines joined and literals shortened.

use super::*;
use crate::framing::{Frame, FrameLimits, Framer};
use bytes::BytesMut;
use proptest::prelude::*;

/// The commands, as framing delivers them.
pub(super) const EXAMPLES: &[&str] = &[
    "abcd CAPABILITY",
    "efgh STARTTLS",
    "a002 NOOP",
    "A023 LOGOUT",
    "a004 AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q=",
    "A001 AUTHENTICATE GSSAPI",
    "A01 AUTHENTICATE EXTERNAL =",
    "a001 LOGIN SMITH SESAME",
    "t2 ENABLE CONDSTORE X-GOOD-IDEA",
    "A142 SELECT INBOX",
    "A932 EXAMINE blurdybloop",
    "A003 CREATE owatagusiam/",
    "A683 DELETE blurdybloop",
    "A686 LIST \"\" *",
    "A86 LIST \"\" %",
    "Z433 RENAME INBOX old-mail",
    "A002 SUBSCRIBE #news.comp.mail.mime",
    "A002 UNSUBSCRIBE #news.comp.mail.mime",
    "A101 LIST \"\" \"\"",
    "A102 LIST #news.comp.mail.misc \"\"",
    "A103 LIST /usr/staff/jones \"\"",
    "A202 LIST ~/Mail/ %",
    "A02 LIST (SUBSCRIBED) \"\" \"*\"",
    "A03 LIST () \"\" \"%\" RETURN (CHILDREN)",
    "A04 LIST (REMOTE) \"\" \"%\" RETURN (CHILDREN)",
    "A05 LIST (REMOTE SUBSCRIBED) \"\" \"*\"",
    "A06 LIST (REMOTE) \"\" \"*\" RETURN (SUBSCRIBED)",
    "C04 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"%\" RETURN (CHILDREN)",
    "D03 LIST (RECURSIVEMATCH SUBSCRIBED) \"\" \"*2\"",
    "a3 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" foo RETURN (CHILDREN)",
    "a3.1 LIST \"\" (% music/rock)",
    "BBB LIST \"\" (\"INBOX\" \"Drafts\" \"Sent/%\")",
    "A01 LIST \"\" % RETURN (STATUS (MESSAGES UNSEEN))",
    "A02 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" % RETURN (STATUS (MESSAGES))",
    "t2 LIST \"\" \"%\" RETURN (SPECIAL-USE)",
    "A003 LIST (SPECIAL-USE) \"#mh/\" \"*\"",
    "11 list \"\" \"*\" return (status (mailboxid))",
    "A003 LSUB \"#news.\" \"comp.%\"",
    "A001 NAMESPACE",
    "A002 CREATE \"INBOX.Sent Mail\"",
    "t2 CREATE MySpecial (USE (\\Drafts \\Sent))",
    "t3 CREATE Everything (USE (\\All))",
    "A042 STATUS blurdybloop (UIDNEXT MESSAGES)",
    "A042 STATUS blurdybloop (UIDNEXT MESSAGES HIGHESTMODSEQ)",
    "A01 STATUS frop (MESSAGES SIZE UIDNEXT)",
    "t1 STATUS INBOX (APPENDLIMIT)",
    "6 status foo (mailboxid)",
    "A003 APPEND saved-messages (\\Seen) {3}\r\nabc",
    "A003 APPEND saved-messages (\\Seen) {3+}\r\nabc",
    "A003 APPEND saved-messages (\\Seen) {3}\r\nabc (\\Seen) \" 7-Feb-1994 22:43:04 -0800\" {2}\r\nxy",
    "5 append inbox \"20-Mar-2018 03:07:37 +1100\" {3}\r\nabc",
    "A005 COPY 2:4 meeting",
    "A005 UID COPY 305:310 meeting",
    "A002 IDLE",
    "FXXZ CHECK",
    "A341 CLOSE",
    "A342 UNSELECT",
    "A202 EXPUNGE",
    "A003 UID EXPUNGE 3000:3002",
    "A282 SEARCH RETURN (MIN COUNT) FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
    "A283 SEARCH RETURN () FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
    "A284 SEARCH TEXT \"string not in mailbox\"",
    "A285 SEARCH CHARSET UTF-8 TEXT {12}\r\nотпуск",
    "A285 UID SEARCH RETURN (MIN MAX) 1:5000",
    "A283 FETCH $ (UID INTERNALDATE FLAGS BODY.PEEK[HEADER])",
    "A283 FETCH $ (UID INTERNALDATE FLAGS RFC822.HEADER)",
    "A301 UID SEARCH UID $ SMALLER 4096",
    "A301 UID SEARCH $ SMALLER 4096",
    "P283 SEARCH CHARSET UTF-8 (OR $ 1,3000:3021) TEXT {8+}\r\nмать",
    "B283 SEARCH RETURN (SAVE) CHARSET KOI8-R (OR $ 1,3000:3021) TEXT {4}\r\nXXXX",
    "E283 COPY $ \"Other Messages\"",
    "F282 SEARCH RETURN (SAVE) KEYWORD $Junk",
    "F284 STORE $ +FLAGS.Silent (\\Deleted)",
    "C285 SEARCH RETURN (MAX SAVE MIN) SINCE 12-Feb-2006 NOT FROM \"Smith\"",
    "A654 FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])",
    "A003 STORE 2:4 +FLAGS (\\Deleted)",
    "a UID MOVE 42:69 foo",
    "23 move 2 foo",
    "A999 UID FETCH 4827313:4828442 FLAGS",
    "b LOGIN \"fred\" \"foo\"",
    "l create \"///////\"",
    "k2 status \"/archive/projects/experiment-iv\" (messages)",
    "h search from maria@example.com",
    "m STORE 42 FLAGS f1 f2 f3 f4 f5 ... f250",
    "n1 uid copy 1:* oldmail",
    "A001 LOGIN {11}\r\nFRED FOOBAR {7}\r\nfat man",
    "A001 LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man",
    "A001 LOGIN \"FRED FOOBAR\" \"fat man\"",
    "A001 AUTHENTICATE SCRAM-SHA-256",
    "babc ENABLE IMAP4rev2",
    "a003 fetch 12 full",
    "a004 fetch 12 body[header]",
    "a005 store 12 +flags \\deleted",
    "a1 SEARCH RETURN (MIN) MODSEQ \"/flags/\\\\draft\" all 620162338",
    "a SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338",
    "t SEARCH OR NOT MODSEQ 720162338 LARGER 50000",
    "a1 SEARCH UNSEEN YOUNGER 259200",
    "A282 SORT (SUBJECT) UTF-8 SINCE 1-Feb-1994",
    "A283 SORT (SUBJECT REVERSE DATE) UTF-8 ALL",
    "A284 SORT (SUBJECT) US-ASCII TEXT \"not in mailbox\"",
    "E01 UID SORT RETURN () (REVERSE DATE) UTF-8 UNDELETED UNKEYWORD $Junk",
    "a SORT RETURN (ALL) (DATE) UTF-8 MODSEQ 1234",
    "A283 THREAD ORDEREDSUBJECT UTF-8 SINCE 5-MAR-2000",
    "A284 THREAD ORDEREDSUBJECT US-ASCII TEXT \"gewp\"",
    "A285 THREAD REFERENCES UTF-8 SINCE 5-MAR-2000",
    "a103 UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)",
    "a104 STORE * (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted $Processed)",
    "a102 STORE 12 (UNCHANGEDSINCE 0) +FLAGS.SILENT ($MDNSent)",
    "A150 STORE 1:2 (UNCHANGEDSINCE 96) +FLAGS.SILENT \\Seen",
    "s100 UID FETCH 1:* (FLAGS) (CHANGEDSINCE 12345)",
    "s100 UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)",
    "a FETCH 1:3 (MODSEQ)",
    "A142 SELECT INBOX (CONDSTORE)",
    "A02 SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541))",
    "A03 SELECT INBOX (QRESYNC (67890007 90060115194045000 41:211,214:541))",
    "B04 SELECT INBOX (QRESYNC (67890007 90060115205545359 1:29997 (5000,7500,9000,9990:9999 15000,22500,27000,29970,29973,29976,29979,29982,29985,29988,29991)))",
    "22 fetch 1:* (emailid threadid)",
    "27 search emailid M6d99ac3275bb4e",
    "28 search threadid T64b478a75b7ea9",
    "A101 FETCH 998 (SAVEDATE)",
    "A102 SEARCH SAVEDON 28-Dec-2014",
    "A103 SEARCH SAVEDSINCE 28-Dec-2014",
    "A1 FETCH 1 (PREVIEW)",
    "B1 FETCH 1:4 (ENVELOPE PREVIEW (LAZY))",
    "C3 FETCH $ (UID PREVIEW (LAZY))",
    "A001 FETCH 1 BINARY.PEEK[1.2]<0.100>",
    "A001 FETCH 1 (BINARY.SIZE[3] BINARY[])",
    "A001 APPEND saved ~{3}\r\nabc",
    "A001 APPEND saved UTF8 (~{3+}\r\nabc)",
    "A001 UNAUTHENTICATE",
    "a023 ID (\"name\" \"sodr\" \"version\" \"19.34\" \"vendor\" \"Pink Floyd Music Limited\")",
    "a042 ID NIL",
];

#[test]
fn the_standards_own_examples_are_understood() {
    for example in EXAMPLES {
        match parse(example) {
            Ok(command) => assert_eq!(Some(command.tag.as_str()), example.split(' ').next()),
            Err(error) => panic!("{example}: {error}"),
        }
    }
}

#[test]
fn the_examples_come_out_of_a_stream_as_they_went_in() {
    let stream = EXAMPLES.iter().map(|example| format!("{example}\r\n")).collect::<String>();
    for size in [1, 2, 7, 1000] {
        let mut framer = Framer::new(FrameLimits::default());
        let mut input = BytesMut::new();
        let mut commands = Vec::new();
        for portion in stream.as_bytes().chunks(size) {
            input.extend_from_slice(portion);
            loop {
                match framer.next(&mut input) {
                    Frame::Incomplete => break,
                    Frame::Continuation => {}
                    Frame::Command(command) => commands.push(command),
                    Frame::Refused { refusal, .. } => panic!("{refusal:?}"),
                }
            }
        }
        assert_eq!(commands, *EXAMPLES);
    }
}

#[test]
fn the_case_of_a_command_and_spaces_behind_it_do_not_matter() {
    for example in EXAMPLES.iter().filter(|example| !example.contains(['{', '"', '='])) {
        let (tag, rest) = example.split_once(' ').expect("a tag");
        let lower = parse(&format!("{tag} {}", rest.to_ascii_lowercase())).map(|command| command.body);
        assert!(lower.is_ok(), "{example}");
        assert_eq!(parse(&format!("{example}  ")), parse(example), "{example}");
    }
}

/// Examples with one to three octets changed, inserted or, with what follows, cut off.
pub(super) fn mutated_examples(octets: impl Strategy<Value = u8>) -> impl Strategy<Value = Vec<u8>> {
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), octets, 0u8..4), 1..4);
    (proptest::sample::select(EXAMPLES), changes).prop_map(|(example, changes)| {
        let mut command = example.as_bytes().to_vec();
        for (index, octet, kind) in changes {
            if command.is_empty() {
                break;
            }
            let position = index.index(command.len());
            match kind {
                0 => command[position] = octet,
                1 => command.insert(position, octet),
                2 => drop(command.remove(position)),
                _ => command.truncate(position),
            }
        }
        command
    })
}
