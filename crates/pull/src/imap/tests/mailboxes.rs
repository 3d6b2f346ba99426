//! Names there and here, as servers of different habits have them.

use bytes::Bytes;
use postrider_imap_proto::client::{Namespaces as Told, ResponseFrame, parse_response};

use super::*;

fn listings(lines: &[&str]) -> Vec<Listing> {
    let parse = |line: &&str| match parse_response(&ResponseFrame::new(Bytes::from(format!("* LIST {line}")))) {
        Response::List(listing) => listing,
        other => panic!("{other:?}"),
    };
    lines.iter().map(parse).collect()
}

fn namespaces(line: &str) -> Told {
    match parse_response(&ResponseFrame::new(Bytes::from(format!("* NAMESPACE {line}")))) {
        Response::Namespace(namespaces) => namespaces,
        other => panic!("{other:?}"),
    }
}

fn names(directory: &Directory) -> Vec<(&str, &str)> {
    directory.mailboxes.iter().map(|mailbox| (mailbox.name.as_str(), mailbox.local.as_str())).collect()
}

fn directory(lines: &[&str], told: &Told, options: &ImapPullOptions) -> Directory {
    Directory::of(&listings(lines), told, NameEncoding::ModifiedUtf7, options)
}

#[test]
fn names_lose_the_servers_habits_and_keep_their_levels() {
    let personal = namespaces("((\"INBOX.\" \".\")) NIL NIL");
    let lines = ["() \".\" INBOX", "() \".\" INBOX.Sent", "() \".\" \"INBOX.a/b.c\"", "() \".\" INBOX.Entw&APw-rfe"];
    let expected =
        [("INBOX", "INBOX"), ("INBOX.Entwürfe", "Entwürfe"), ("INBOX.Sent", "Sent"), ("INBOX.a/b.c", "a_b/c")];
    assert_eq!(names(&directory(&lines, &personal, &ImapPullOptions::default())), expected);
    // Without NAMESPACE the names themselves tell, if all of them do.
    assert_eq!(names(&directory(&lines, &Told::default(), &ImapPullOptions::default())), expected);
    let mixed = ["() \"/\" inbox", "() \"/\" INBOX/Sub", "() \"/\" Sub"];
    assert_eq!(
        names(&directory(&mixed, &Told::default(), &ImapPullOptions::default())),
        [("INBOX", "INBOX"), ("INBOX/Sub", "INBOX/Sub"), ("Sub", "Sub")]
    );
}

#[test]
fn what_cannot_be_a_name_here_becomes_one() {
    let lines = [
        "() \"/\" INBOX",
        "() \".\" \"a..b\"",
        "() \".\" \"Inbox.x\"",
        "() NIL \"flat/name\"",
        "() NIL \"flat_name\"",
        "() \"|\" \"..|.\"",
        "(\\Noselect) \"/\" Nothing",
        "(\\NonExistent) \"/\" Gone",
    ];
    let told = namespaces("((\"\" \"/\")) NIL NIL");
    let found = directory(&lines, &told, &ImapPullOptions::default());
    let expected = [
        ("INBOX", "INBOX"),
        ("..|.", "__/_"),
        ("Inbox.x", "INBOX/x"),
        ("a..b", "a/_/b"),
        ("flat/name", "flat_name"),
        ("flat_name", "flat_name (2)"),
    ];
    assert_eq!(names(&found), expected);
    assert!(found.existing.contains("Nothing") && !found.existing.contains("Gone"));
    let long = format!("() \"/\" \"{}\"", "é/".repeat(150));
    let found = directory(&[long.as_str()], &Told::default(), &ImapPullOptions::default());
    assert!(found.mailboxes[0].local.len() <= NAME_BYTES_MAX && !found.mailboxes[0].local.ends_with('/'));
}

#[test]
fn views_and_other_peoples_mailboxes_are_passed_over_unless_asked_for() {
    let lines = [
        "() \"/\" INBOX",
        "(\\All) \"/\" \"[Gmail]/All Mail\"",
        "(\\Important) \"/\" \"[Gmail]/Important\"",
        "(\\Sent) \"/\" \"[Gmail]/Sent Mail\"",
        "() \"/\" \"Other/bob\"",
        "() \"/\" Work",
        "(\\Junk) \"/\" Spam",
        "(\\Junk) \"/\" Spam2",
    ];
    let told = namespaces("((\"\" \"/\")) ((\"Other/\" \"/\")) NIL");
    let found = directory(&lines, &told, &ImapPullOptions::default());
    assert_eq!(
        names(&found).iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["INBOX", "Spam", "Spam2", "Work", "[Gmail]/Sent Mail"]
    );
    assert_eq!(found.passed_over.len(), 3);
    assert_eq!(found.existing.len(), 8);
    let uses: Vec<Option<SpecialUse>> = found.mailboxes.iter().map(|mailbox| mailbox.special_use).collect();
    assert_eq!(uses, [None, Some(SpecialUse::Junk), None, None, Some(SpecialUse::Sent)]);
    let options = ImapPullOptions {
        include: vec!["Work*".into(), "Other/*".into(), "[Gmail]/%".into()],
        exclude: vec!["*/Important".into()],
        virtual_mailboxes: true,
        namespaces: Namespaces::All,
        ..ImapPullOptions::default()
    };
    let found = directory(&lines, &told, &options);
    assert_eq!(
        names(&found).iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["Other/bob", "Work", "[Gmail]/All Mail", "[Gmail]/Sent Mail"]
    );
}
