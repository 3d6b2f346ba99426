//! What is written comes back: every byte, flag, date and UID that a form can hold.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::path::Path;

use postrider_archive::{
    Entry, Existing, Flag, Folder, Item, Outgoing, Packing, ReadOptions, Reader, SpecialUse, WriteFormat, WriteOptions,
    Writer, Written,
};
use proptest::prelude::*;

#[derive(Debug, Clone, PartialEq)]
struct Mail {
    raw: Vec<u8>,
    flags: Vec<Flag>,
    received: i64,
    uid: Option<u32>,
    pop3_uidl: Option<String>,
}

impl Mail {
    fn outgoing(&self) -> Outgoing<'_> {
        Outgoing {
            raw: &self.raw,
            flags: &self.flags,
            received: Some(self.received),
            uid: self.uid,
            pop3_uidl: self.pop3_uidl.as_deref(),
        }
    }
}

fn mail(uid: u32, text: &str) -> Mail {
    Mail {
        raw: format!("Subject: {uid}\r\n\r\n{text}\r\n").into_bytes(),
        flags: vec![Flag::Seen, Flag::Keyword("work".to_owned())],
        received: 1_700_000_000 + i64::from(uid),
        uid: Some(uid),
        pop3_uidl: Some(format!("u{uid}")),
    }
}

fn folder(name: &[&str]) -> Folder {
    Folder {
        uid_validity: Some(77),
        uid_next: Some(1000),
        keywords: vec!["work".to_owned()],
        ..Folder::new(name.iter().copied())
    }
}

fn write(target: &Path, options: &WriteOptions, folders: &[(Folder, Vec<Mail>)]) -> postrider_archive::Summary {
    let mut writer = Writer::create(target, options).unwrap();
    for (folder, mails) in folders {
        writer.begin_folder(folder).unwrap();
        for mail in mails {
            writer.add(&mail.outgoing()).unwrap();
        }
    }
    writer.finish().unwrap()
}

fn read(target: &Path) -> (Vec<Folder>, Vec<Item>) {
    let mut reader = Reader::open(target, &ReadOptions::default()).unwrap();
    let folders = reader.folders().to_vec();
    let mut items = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        match entry {
            Entry::Message(item) => items.push(item),
            Entry::PassedOver(other) => panic!("{other:?}"),
        }
    }
    (folders, items)
}

fn sorted(flags: &[Flag]) -> Vec<Flag> {
    let mut flags = flags.to_vec();
    flags.sort();
    flags
}

fn assert_same(target: &Path, folders: &[(Folder, Vec<Mail>)], what: &str) {
    let (read_folders, items) = read(target);
    assert_eq!(read_folders.len(), folders.len(), "{what}");
    for (number, found) in read_folders.iter().enumerate() {
        let (wanted, mails) =
            folders.iter().find(|(one, _)| one.name == found.name).unwrap_or_else(|| panic!("{what}: {found:?}"));
        if !mails.is_empty() {
            assert_eq!((found.uid_validity, found.uid_next), (wanted.uid_validity, wanted.uid_next), "{what}");
            assert_eq!(found.keywords, wanted.keywords, "{what}");
        }
        let mut of_folder: Vec<&Item> = items.iter().filter(|item| item.folder == number).collect();
        of_folder.sort_by_key(|item| item.uid);
        assert_eq!(of_folder.len(), mails.len(), "{what}");
        for (item, mail) in of_folder.iter().zip(mails) {
            assert_eq!(String::from_utf8_lossy(&item.raw), String::from_utf8_lossy(&mail.raw), "{what}");
            assert_eq!(item.raw, mail.raw, "{what}");
            assert_eq!(sorted(&item.flags), sorted(&mail.flags), "{what}");
            assert_eq!(item.received, Some(mail.received), "{what}");
            assert_eq!((item.uid, &item.pop3_uidl), (mail.uid, &mail.pop3_uidl), "{what}");
            assert_eq!(item.findings.iter().filter(|one| one.to_string().contains("noted")).count(), 0, "{what}");
        }
    }
}

const ALL: [(WriteFormat, Packing); 7] = [
    (WriteFormat::Mbox, Packing::Directory),
    (WriteFormat::Maildir, Packing::Directory),
    (WriteFormat::Tree, Packing::Directory),
    (WriteFormat::Maildir, Packing::Tar),
    (WriteFormat::Tree, Packing::Tar),
    (WriteFormat::Maildir, Packing::Zip),
    (WriteFormat::Tree, Packing::Zip),
];

fn options(format: WriteFormat, packing: Packing) -> WriteOptions {
    WriteOptions { packing, ..WriteOptions::new(format) }
}

fn sample() -> Vec<(Folder, Vec<Mail>)> {
    vec![
        (folder(&["INBOX"]), vec![mail(1, "From here\r\n>From there"), mail(5, "five")]),
        (folder(&["Work", "Größe & Co"]), vec![mail(2, "x"), mail(3, "\r\nFrom a\r\n\r\n")]),
        (folder(&["Empty"]), vec![]),
    ]
}

#[test]
fn every_form_keeps_folders_messages_flags_dates_and_uids() {
    for (format, packing) in ALL {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("mail");
        let summary = write(&target, &options(format, packing), &sample());
        assert_eq!((summary.folders, summary.messages, summary.inexact), (3, 4, 0));
        assert_same(&target, &sample(), &format!("{format:?} {packing:?}"));
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing else is left");
    }
}

#[test]
fn the_tree_keeps_what_nothing_else_can() {
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("mail");
    let mut one = folder(&["A"]);
    one.special_use = Some(SpecialUse::Junk);
    one.subscribed = Some(true);
    let odd = Mail { raw: b"\nbare\n\rlf, no end".to_vec(), received: -5, ..mail(9, "") };
    write(&target, &WriteOptions::new(WriteFormat::Tree), &[(one.clone(), vec![odd.clone()])]);
    let (folders, items) = read(&target);
    assert_eq!(folders, [one]);
    assert_eq!((items[0].raw.as_ref(), items[0].received), (odd.raw.as_slice(), Some(-5)));
}

#[test]
fn an_existing_target_is_only_replaced_when_asked() {
    for (format, packing) in ALL {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("mail");
        let mut options = options(format, packing);
        write(&target, &options, &sample());
        Writer::create(&target, &options).unwrap_err();
        options.existing = Existing::Replace;
        let other = vec![(folder(&["INBOX"]), vec![mail(7, "new")])];
        write(&target, &options, &other);
        assert_same(&target, &other, &format!("{format:?} {packing:?}"));
    }
}

#[test]
fn a_run_that_was_broken_off_is_gone_on_with() {
    for (format, packing) in ALL.into_iter().chain([(WriteFormat::MboxFile, Packing::Directory)]) {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("mail");
        let options = options(format, packing);
        let mut before = Writer::create(&target, &options).unwrap();
        before.begin_folder(&folder(&["INBOX"])).unwrap();
        for uid in [1, 2, 3, 4, 5] {
            before.add(&mail(uid, "text").outgoing()).unwrap();
        }
        // A file that is written at one go holds what was flushed.
        drop(before);
        let mut after = Writer::create(&target, &options).unwrap();
        after.begin_folder(&folder(&["INBOX"])).unwrap();
        // The fourth was expunged meanwhile.
        let mails: Vec<Mail> = [1, 2, 3, 5, 6].into_iter().map(|uid| mail(uid, "text")).collect();
        let written: Vec<Written> = mails.iter().map(|mail| after.add(&mail.outgoing()).unwrap()).collect();
        let summary = after.finish().unwrap();
        if packing != Packing::Zip {
            assert_eq!(written[..3], [Written::AlreadyThere; 3], "{format:?} {packing:?}");
            assert!(summary.already_there >= 3);
        }
        let (_, items) = read(&target);
        let uids: Vec<u32> = items.iter().filter_map(|item| item.uid).collect();
        assert_eq!(uids, [1, 2, 3, 5, 6], "{format:?} {packing:?}");
    }
}

#[test]
fn reading_goes_on_after_every_entry() {
    for (format, packing) in ALL {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("mail");
        write(&target, &options(format, packing), &sample());
        let (_, all) = read(&target);
        for (at, item) in all.iter().enumerate() {
            let mut reader = Reader::open(&target, &ReadOptions::default()).unwrap();
            reader.resume(&item.position.to_string().parse().unwrap()).unwrap();
            let rest: Vec<Entry> = reader.map(Result::unwrap).collect();
            let expected: Vec<Entry> = all[at + 1..].iter().cloned().map(Entry::Message).collect();
            assert_eq!(rest, expected, "{format:?} {packing:?}");
        }
    }
}

fn any_flag() -> impl Strategy<Value = Flag> {
    prop_oneof![
        Just(Flag::Seen),
        Just(Flag::Answered),
        Just(Flag::Flagged),
        Just(Flag::Deleted),
        Just(Flag::Draft),
        "[$a-z][a-z0-9]{0,5}".prop_map(Flag::Keyword),
    ]
}

/// Messages that end in a line end, as mbox needs it.
fn any_raw() -> impl Strategy<Value = Vec<u8>> {
    "(A: b\r\n|B: c\r\n d\r\n|Status: RO\r\n|X-Postrider-Added: 3\r\n){1,3}(\r\n(From a Thu Jan  1 00:00:05 1970\r\n|From \r\n|>From x\r\n|>>From y\r\n|\r\n|\n|x\r\r\n|text\r\n|A: b\r\n|ü\0\r\n){0,8})?"
        .prop_map(String::into_bytes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_message_comes_back(
        raws in proptest::collection::vec((any_raw(), proptest::collection::btree_set(any_flag(), 0..4), 0i64..4_000_000_000), 1..5),
    ) {
        let mails: Vec<Mail> = raws.into_iter().zip(1..).map(|((raw, flags, received), uid)| Mail {
            raw,
            flags: flags.into_iter().collect(),
            received,
            uid: Some(uid),
            pop3_uidl: None,
        }).collect();
        let mut folder = folder(&["INBOX"]);
        for (format, packing) in ALL.into_iter().chain([(WriteFormat::MboxFile, Packing::Directory)]) {
            let place = tempfile::tempdir().unwrap();
            let target = place.path().join("INBOX.mbox");
            folder.keywords = mails.iter().flat_map(|mail| &mail.flags).filter_map(Flag::as_keyword).map(str::to_owned).collect();
            folder.keywords.sort();
            folder.keywords.dedup();
            let folders = vec![(folder.clone(), mails.clone())];
            let summary = write(&target, &options(format, packing), &folders);
            prop_assert_eq!(summary.inexact, 0);
            assert_same(&target, &folders, &format!("{format:?} {packing:?}"));
        }
    }
}
