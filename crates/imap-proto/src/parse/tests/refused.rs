//! What is refused, and how; and that nothing panics.

use super::examples::mutated_examples;
use super::*;
use proptest::prelude::*;

#[test]
fn commands_against_the_grammar_are_refused_with_their_tag() {
    let cases = [
        "",
        "NOOP x",
        "LOGIN joe",
        "LOGIN \"joe pw",
        "LOGIN joe \"p\\w\"",
        "LOGIN {3}\r\njo pw",
        "LOGIN {2}\r\nj\0 pw",
        "LOGIN ~{2}\r\njo pw",
        "LOGIN {99999999999999999999}\r\njo pw",
        "AUTHENTICATE PLAIN ====",
        "AUTHENTICATE PLAIN dGVzdA",
        "ENABLE",
        "SELECT",
        "SELECT a b",
        "SELECT INBOX ()",
        "SELECT INBOX (BLURDYBLOOP)",
        "SELECT INBOX (QRESYNC (0 1))",
        "SELECT INBOX (QRESYNC (1 1 1:*))",
        "SELECT INBOX (QRESYNC (1 1 $))",
        "SELECT INBOX (QRESYNC (1 1 1:2 3:4))",
        "CREATE x (USE (Drafts))",
        "LIST \"\"",
        "LIST (RECURSIVEMATCH) \"\" *",
        "LIST (REMOTE RECURSIVEMATCH) \"\" *",
        "LIST (NONSENSE) \"\" *",
        "LIST \"\" ()",
        "LIST \"\" * RETURN (NONSENSE)",
        "STATUS x ()",
        "STATUS x (NONSENSE)",
        "APPEND x",
        "APPEND x (\\Seen)",
        "APPEND x \"31-Feb-2024 00:00:00 +0000\" {1}\r\nx",
        "APPEND x \" 1-Feb-2024 24:00:00 +0000\" {1}\r\nx",
        "APPEND x \" 1-Feb-2024 00:00:00 +0060\" {1}\r\nx",
        "APPEND x UTF8 ({1}\r\nx)",
        "UID NOOP",
        "UID EXPUNGE",
        "EXPUNGE 1",
        "FETCH 0 FLAGS",
        "FETCH 1, FLAGS",
        "FETCH 4294967296 FLAGS",
        "FETCH 1 ()",
        "FETCH 1 (ALL)",
        "FETCH 1 FLAGS UID",
        "FETCH 1 BODY[MIME]",
        "FETCH 1 BODY[1.]",
        "FETCH 1 BODY[0]",
        "FETCH 1 BODY[1.2.NONSENSE]",
        "FETCH 1 BODY[HEADER.FIELDS ()]",
        "FETCH 1 BODY[]<0.0>",
        "FETCH 1 BODY[]<5>",
        "FETCH 1 BODY.PEEK",
        "FETCH 1 BINARY.SIZE",
        "FETCH 1 BINARY[1.TEXT]",
        "FETCH 1 FLAGS (VANISHED)",
        "FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)",
        "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        "UID FETCH 1 FLAGS (VANISHED)",
        "STORE 1 FLAGS",
        "STORE 1 NONSENSE (\\Seen)",
        "STORE 1 FLAGS (\\Seen",
        "STORE 1 FLAGS (\\*)",
        "COPY 1",
        "SEARCH",
        "SEARCH NOT",
        "SEARCH OR SEEN",
        "SEARCH ()",
        "SEARCH (SEEN",
        "SEARCH SINCE 31-Jun-2020",
        "SEARCH SINCE \"1-Jun-2020",
        "SEARCH RETURN (NONSENSE) ALL",
        "SEARCH YOUNGER 0",
        "SEARCH MODSEQ \"/flags/\\\\draft\" mine 1",
        "SEARCH KEYWORD \\Seen",
        "SEARCH  SEEN",
        "SORT",
        "SORT ALL",
        "SORT () UTF-8 ALL",
        "SORT (SUBJECT) UTF-8",
        "SORT (SUBJECT) UTF-8 ",
        "SORT (REVERSE) UTF-8 ALL",
        "SORT (REVERSE REVERSE DATE) UTF-8 ALL",
        "SORT (REVERSEDATE) UTF-8 ALL",
        "SORT (MODSEQ) UTF-8 ALL",
        "SORT (SUBJECT  DATE) UTF-8 ALL",
        "SORT SUBJECT UTF-8 ALL",
        "SORT (SUBJECT) RETURN (COUNT) UTF-8 ALL",
        "SORT RETURN (UPDATE) (SUBJECT) UTF-8 ALL",
        "THREAD",
        "THREAD REFERENCES UTF-8",
        "THREAD REFS UTF-8 ALL",
        "THREAD UTF-8 REFERENCES ALL",
        "THREAD RETURN (COUNT) REFERENCES UTF-8 ALL",
        "ID (\"name\")",
        "ID (NIL NIL)",
    ];
    for case in cases {
        let error = parse(&format!("a1 {case}")).expect_err(case);
        assert_eq!(error.tag.as_deref(), Some("a1"), "{case}");
        assert!(error.message.bytes().all(|octet| (b' '..=b'~').contains(&octet)), "{case}");
    }
    assert_eq!(parse("a1 XYZZY").unwrap_err().kind, ParseErrorKind::UnknownCommand);
}

#[test]
fn without_a_right_tag_there_is_none_to_answer() {
    for case in ["", " NOOP", "a+ NOOP", "* NOOP", "(a NOOP", "\"a\" NOOP", "é NOOP"] {
        assert_eq!(parse(case).expect_err(case).tag, None, "{case}");
    }
    assert_eq!(parse("a1").expect_err("no command").tag.as_deref(), Some("a1"));
}

#[test]
fn nesting_and_counts_are_bounded() {
    let limits = ParseLimits {
        search_depth_max: 3,
        search_keys_max: 8,
        list_elements_max: 3,
        set_ranges_max: 2,
        id_pairs_max: 1,
    };
    let cases: [(&str, Option<ParseErrorKind>); 13] = [
        ("SEARCH NOT NOT NOT SEEN", None),
        ("SEARCH NOT NOT NOT NOT SEEN", Some(ParseErrorKind::TooDeep)),
        ("SEARCH (((SEEN)))", None),
        ("SEARCH ((((SEEN))))", Some(ParseErrorKind::TooDeep)),
        ("SEARCH OR OR OR 1 2 3 4", None),
        ("SEARCH OR OR 1 2 OR 3 4 OR 5 6", Some(ParseErrorKind::TooMany)),
        ("FETCH 1:2,4 FLAGS", None),
        ("FETCH 1,3,5 FLAGS", Some(ParseErrorKind::TooMany)),
        ("STORE 1 FLAGS (a b c)", None),
        ("STORE 1 FLAGS (a b c d)", Some(ParseErrorKind::TooMany)),
        ("STORE 1 FLAGS a b c d", Some(ParseErrorKind::TooMany)),
        ("FETCH 1 BODY[1.2.3.4]", Some(ParseErrorKind::TooMany)),
        ("ID (\"a\" \"b\" \"c\" \"d\")", Some(ParseErrorKind::TooMany)),
    ];
    for (text, expected) in cases {
        let found = parse_command_within(&frame(&format!("a1 {text}")), &limits).err().map(|error| error.kind);
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn the_deepest_search_allowed_fits_the_stack() {
    let deep = ParseLimits::default().search_depth_max;
    assert!(parse(&format!("a1 SEARCH {}SEEN", "NOT ".repeat(deep))).is_ok());
    assert!(parse(&format!("a1 SEARCH {}SEEN{}", "(".repeat(deep), ")".repeat(deep))).is_ok());
    assert!(parse(&format!("a1 SEARCH {}", "(".repeat(60_000))).is_err());
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_command(&Bytes::copy_from_slice(&octets));
        let _ = parse_authenticate_response(&octets);
    }

    #[test]
    fn words_of_the_grammar_in_any_order_never_panic(
        words in proptest::collection::vec(
            prop_oneof![
                Just("a1 "), Just("SEARCH "), Just("FETCH "), Just("UID "), Just("1:*"), Just(" "), Just("("), Just(")"),
                Just("NOT "), Just("OR "), Just("BODY["), Just("]"), Just("<0.5>"), Just("HEADER.FIELDS "), Just("{3}\r\n"),
                Just("abc"), Just("\""), Just("\\"), Just("RETURN "), Just("MODSEQ "), Just("1-Jan-2020"), Just("$"),
                Just("APPEND "), Just("LIST "), Just("STORE "), Just("FLAGS "), Just("SELECT "), Just("QRESYNC "), Just("~"),
            ],
            0..25,
        ),
    ) {
        let _ = parse_command(&Bytes::from(format!("a1 {}", words.concat())));
    }

    #[test]
    fn mutated_commands_never_panic(command in mutated_examples(any::<u8>())) {
        let _ = parse_command(&Bytes::from(command));
    }
}
