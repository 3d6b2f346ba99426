//! The forms in which people have mail, and what is wrong with some of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::{fs, io::Write as _, path::Path};

use postrider_archive::{
    ArchiveError, Entry, Expunged, Finding, Flag, Format, Item, PassedOverReason, ReadLimits, ReadOptions, Reader,
    SpecialUse, detect,
};

/// Files to lie in a directory.
fn lay(root: &Path, files: &[(&str, &[u8])]) {
    for (path, bytes) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

struct Seen {
    names: Vec<String>,
    items: Vec<(String, Item)>,
    passed: Vec<PassedOverReason>,
    notes: Vec<String>,
    sentence: String,
    special: Vec<Option<SpecialUse>>,
}

fn read_with(path: &Path, options: &ReadOptions) -> Seen {
    let mut reader = Reader::open(path, options).unwrap();
    let names: Vec<String> = reader.folders().iter().map(|folder| folder.name.join("/")).collect();
    let mut seen = Seen {
        names: names.clone(),
        items: Vec::new(),
        passed: Vec::new(),
        notes: reader.notes().to_vec(),
        sentence: reader.detection().sentence.clone(),
        special: reader.folders().iter().map(|folder| folder.special_use).collect(),
    };
    while let Some(entry) = reader.next_entry().unwrap() {
        match entry {
            Entry::Message(item) => seen.items.push((names[item.folder].clone(), item)),
            Entry::PassedOver(other) => seen.passed.push(other.reason),
        }
    }
    seen
}

fn read(path: &Path) -> Seen {
    read_with(path, &ReadOptions::default())
}

const MAIL: &[u8] = b"Date: Thu, 1 Jan 1970 00:00:09 +0000\nSubject: x\n\ntext\n";
const WIRE: &[u8] = b"Date: Thu, 1 Jan 1970 00:00:09 +0000\r\nSubject: x\r\n\r\ntext\r\n";
const MBOX: &[u8] = b"From a Thu Jan  1 00:00:05 1970\nX-Mozilla-Status: 0001\nSubject: 1\n\nx\n\nFrom - Thu Jan  1 00:00:06 1970\nX-Mozilla-Status: 0009\nSubject: 2\n\ny\n\n";

#[test]
fn thunderbird_profiles_are_read() {
    let place = tempfile::tempdir().unwrap();
    lay(
        place.path(),
        &[
            ("Mail/Local Folders/Inbox", MBOX),
            ("Mail/Local Folders/Inbox.msf", b"// <!-- <mdb:mork"),
            ("Mail/Local Folders/Trash.msf", b""),
            ("Mail/Local Folders/Trash", b""),
            ("Mail/Local Folders/Inbox.sbd/Work", MBOX),
            ("Mail/Local Folders/filterlog.html", b"<html>"),
        ],
    );
    let seen = read(place.path());
    assert_eq!(seen.names, ["INBOX", "INBOX/Work", "Trash"]);
    assert_eq!(seen.special[2], Some(SpecialUse::Trash));
    assert_eq!(seen.items.len(), 2);
    assert_eq!(seen.items[0].1.flags, [Flag::Seen]);
    assert_eq!(seen.items[0].1.received, Some(5));
    assert_eq!(seen.passed, [PassedOverReason::Expunged, PassedOverReason::Expunged]);
    assert!(seen.notes.iter().any(|note| note.contains("filterlog.html")), "{:?}", seen.notes);
    let all = read_with(place.path(), &ReadOptions { expunged: Expunged::HandOut, ..ReadOptions::default() });
    assert_eq!(all.items.len(), 4);
    assert!(all.items[1].1.flags.contains(&Flag::Deleted));
}

#[test]
fn several_accounts_keep_their_names() {
    let place = tempfile::tempdir().unwrap();
    lay(place.path(), &[("Mail/Local Folders/Inbox", MBOX), ("ImapMail/mail.example.org/INBOX", MBOX)]);
    assert_eq!(read(place.path()).names, ["Local Folders/Inbox", "mail.example.org/INBOX"]);
}

#[test]
fn maildir_is_read_with_what_dovecot_keeps_beside_it() {
    let place = tempfile::tempdir().unwrap();
    let old = "cur/1000000000.b.host,S=999:2,FSa";
    lay(
        place.path(),
        &[
            (old, MAIL),
            ("new/1000000001.a.host", MAIL),
            ("tmp/1000000002.c.host", b"half"),
            ("dovecot-uidlist", b"3 V77 N9\n3 :1000000001.a.host\n8 Pxyz :1000000000.b.host,S=999\n"),
            ("dovecot-keywords", b"0 work\n"),
            ("subscriptions", b"A.B\n"),
            (".A.B/cur/1.x:2,", MAIL),
            (".&AOQ-/new/2.y", MAIL),
            (".Sent/cur/.keep", b""),
        ],
    );
    let seen = read(place.path());
    assert_eq!(seen.names, ["A/B", "INBOX", "Sent", "ä"]);
    assert_eq!(seen.special[2], Some(SpecialUse::Sent));
    let inbox: Vec<&Item> = seen.items.iter().filter(|(name, _)| name == "INBOX").map(|(_, item)| item).collect();
    assert_eq!(inbox.iter().map(|item| item.uid).collect::<Vec<_>>(), [Some(3), Some(8)]);
    assert_eq!(inbox[1].flags, [Flag::Flagged, Flag::Seen, Flag::Keyword("work".to_owned())]);
    assert_eq!(inbox[1].pop3_uidl.as_deref(), Some("xyz"));
    assert_eq!(inbox[1].findings, [Finding::WrongSize]);
    assert_eq!(inbox[0].raw.as_ref(), WIRE);
    assert!(seen.notes.iter().any(|note| note.contains("tmp")), "{:?}", seen.notes);
    let reader = Reader::open(place.path(), &ReadOptions::default()).unwrap();
    let subscribed: Vec<_> = reader.folders().iter().map(|folder| folder.subscribed).collect();
    assert_eq!(subscribed, [Some(true), Some(false), Some(false), Some(false)]);
    assert_eq!((reader.folders()[1].uid_validity, reader.folders()[1].uid_next), (Some(77), Some(9)));
}

#[test]
fn maildir_in_directories_and_of_several_people_is_read() {
    let place = tempfile::tempdir().unwrap();
    lay(place.path(), &[("cur/1.a:2,", MAIL), ("Work/cur/1.b:2,", MAIL), ("Work/2020/cur/1.c:2,S", MAIL)]);
    assert_eq!(read(place.path()).names, ["INBOX", "Work", "Work/2020"]);
    let place = tempfile::tempdir().unwrap();
    lay(place.path(), &[("joe/Maildir/cur/1.a:2,", MAIL), ("joe/Maildir/.X/cur/1.b:2,", MAIL)]);
    assert_eq!(read(place.path()).names, ["INBOX", "X"]);
    lay(place.path(), &[("ann/Maildir/cur/1.a:2,", MAIL)]);
    assert_eq!(read(place.path()).names, ["ann/Maildir", "joe/Maildir", "joe/Maildir/X"]);
}

#[test]
fn eml_and_mh_folders_are_read() {
    let place = tempfile::tempdir().unwrap();
    lay(place.path(), &[("a/1.eml", MAIL), ("a/b/2.EML", WIRE), ("mh/1", MAIL), ("mh/note.txt", b"no mail")]);
    let seen = read(place.path());
    assert_eq!(seen.names, ["a", "a/b", "mh"]);
    assert!(seen.items.iter().all(|(_, item)| item.raw.as_ref() == WIRE && item.received == Some(9)));
    assert!(seen.sentence.contains("3 single messages"), "{}", seen.sentence);
}

#[test]
fn apple_mail_is_read() {
    let place = tempfile::tempdir().unwrap();
    let file = [
        format!("{}\n", MAIL.len()).as_bytes(),
        MAIL,
        b"<?xml version=\"1.0\"?><plist><dict><key>flags</key><integer>17</integer></dict></plist>",
    ]
    .concat();
    let account = "01234567-89AB-CDEF-0123-456789ABCDEF";
    let inbox = format!("V10/{account}/INBOX.mbox/0B-2/Data");
    lay(
        place.path(),
        &[
            (&format!("{inbox}/Messages/1.emlx"), &file),
            (&format!("{inbox}/3/Messages/2.partial.emlx"), &file),
            (&format!("{inbox}/3/Attachments/2/2/x.pdf"), b"%PDF"),
            (&format!("V10/{account}/Work.mbox/Old.mbox/Messages/3.emlx"), &file),
            ("V10/MailData/Envelope Index", b"SQLite"),
        ],
    );
    let seen = read(place.path());
    assert_eq!(seen.names, ["INBOX", "Work/Old"]);
    assert!(seen.items.iter().all(|(_, item)| item.raw.as_ref() == WIRE && item.flags == [Flag::Seen, Flag::Flagged]));
    assert_eq!(seen.items.iter().filter(|(_, item)| item.findings == [Finding::Partial]).count(), 1);
    let place = tempfile::tempdir().unwrap();
    lay(place.path(), &[("Sent.mbox/mbox", MBOX), ("Sent.mbox/table_of_contents", b"x")]);
    assert_eq!(read(place.path()).names, ["Sent"]);
}

#[test]
fn single_files_are_read() {
    for (name, bytes, folder, count) in [
        ("Old.mbox", MBOX, "Old", 1),
        ("Inbox", MBOX, "INBOX", 1),
        ("letter.eml", MAIL, "letter", 1),
        ("plain", MAIL, "plain", 1),
        ("empty", b"".as_slice(), "empty", 0),
    ] {
        let place = tempfile::tempdir().unwrap();
        lay(place.path(), &[(name, bytes)]);
        let seen = read(&place.path().join(name));
        assert_eq!((seen.names[0].as_str(), seen.items.len()), (folder, count), "{name}");
    }
}

fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mtime(1_700_000_000);
        // The crate itself refuses to write `..`.
        let name = &mut header.as_old_mut().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Packs by a program, if it is installed.
fn packed_by(program: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let place = tempfile::tempdir().unwrap();
    let input = place.path().join("x");
    fs::write(&input, bytes).unwrap();
    let output = std::process::Command::new(program).arg("-c").arg(&input).output().ok()?;
    output.status.success().then_some(output.stdout)
}

#[test]
fn archives_are_read_packed_or_not_and_nothing_leads_out_of_them() {
    let files: &[(&str, &[u8])] = &[
        ("home/joe/Maildir/cur/1.b:2,S", MAIL),
        ("home/joe/Maildir/dovecot-uidlist", b"3 V7 N3\n1 :2.a\n2 :1.b\n"),
        ("home/joe/Maildir/cur/2.a:2,", MAIL),
        ("../../etc/evil.eml", MAIL),
        ("/etc/evil.eml", MAIL),
        ("home/joe/Maildir/.Old/cur/3.c:2,F", MAIL),
    ];
    let plain = tar_of(files);
    let packed = [Some(plain.clone()), Some(gzip(&plain)), packed_by("zstd", &plain), packed_by("xz", &plain)];
    for bytes in packed.into_iter().flatten() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("mail.tar");
        fs::write(&path, &bytes).unwrap();
        let seen = read(&path);
        assert_eq!(seen.names, ["INBOX", "Old"], "{}", seen.sentence);
        assert_eq!(seen.items.len(), 3);
        assert_eq!(seen.notes.iter().filter(|note| note.contains("leads out")).count(), 2, "{:?}", seen.notes);
        let mut uids: Vec<_> = seen.items.iter().filter_map(|(_, item)| item.uid).collect();
        uids.sort_unstable();
        assert_eq!(uids, [1, 2]);
        assert!(seen.items.iter().all(|(_, item)| item.received == Some(1_700_000_000) && item.raw.as_ref() == WIRE));
        for (at, (_, item)) in seen.items.iter().enumerate() {
            let mut reader = Reader::open(&path, &ReadOptions::default()).unwrap();
            reader.resume(&item.position).unwrap();
            assert_eq!(reader.count(), seen.items.len() - at - 1);
        }
    }
}

#[test]
fn a_packed_mbox_is_read_and_gone_on_with() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("Old.mbox.gz");
    fs::write(&path, gzip(MBOX)).unwrap();
    let seen = read(&path);
    assert_eq!((seen.names[0].as_str(), seen.items.len()), ("Old", 1));
    let mut reader = Reader::open(&path, &ReadOptions::default()).unwrap();
    reader.resume(&seen.items[0].1.position).unwrap();
    assert_eq!(reader.count(), 1);
}

#[test]
fn a_cut_archive_gives_what_is_there_and_says_so() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("mail.tar");
    let plain = tar_of(&[("a/1.eml", MAIL), ("a/2.eml", &[b'x'; 4000])]);
    fs::write(&path, &plain[..plain.len() - 4000]).unwrap();
    let seen = read(&path);
    assert_eq!(seen.items[0].1.raw.as_ref(), WIRE);
    assert!(seen.notes.iter().any(|note| note.contains("cut off")) || seen.items.len() == 2, "{:?}", seen.notes);
    let packed = gzip(&[MBOX, &b"From a Thu Jan  1 00:00:05 1970\n\nz\n\n".repeat(2000)].concat());
    let path = place.path().join("x.mbox.gz");
    fs::write(&path, &packed[..packed.len() - 20]).unwrap();
    let seen = read(&path);
    assert!(seen.items.len() > 10);
    assert!(seen.items.iter().any(|(_, item)| item.findings.contains(&Finding::Cut)));
}

#[test]
fn a_bomb_is_stopped() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("x.mbox.gz");
    fs::write(&path, gzip(&[b"From a Thu Jan  1 00:00:05 1970\n\n".as_slice(), &vec![b'x'; 8 << 20]].concat()))
        .unwrap();
    let limits = ReadLimits { expanded_bytes_free: 1 << 20, expansion_ratio_max: 10, ..ReadLimits::default() };
    let seen = read_with(&path, &ReadOptions { limits, ..ReadOptions::default() });
    assert_eq!(seen.items.len(), 1);
    assert!(seen.items[0].1.raw.len() <= 1 << 20);
    assert!(seen.items[0].1.findings.contains(&Finding::Cut));
}

#[test]
fn what_is_damaged_is_handed_out_as_it_is() {
    let long = [b"A: b\n\n".as_slice(), &[b'x'; 1 << 20], b"\n"].concat();
    type Case<'a> = (&'a str, &'a [u8], &'a [u8], &'a [Finding]);
    let cases: &[Case] = &[
        ("1.eml", b"", b"", &[Finding::Empty]),
        ("2.eml", b"A: b\n\n\0\n", b"A: b\r\n\r\n\0\r\n", &[Finding::NulBytes]),
        ("3.eml", b"A: \xff\n\nx\n", b"A: \xff\r\n\r\nx\r\n", &[Finding::EightBitHeader]),
        ("4.eml", b"A: b\r\n\r\nx\ny\r\n", b"A: b\r\n\r\nx\ny\r\n", &[Finding::BareLineEnd]),
        ("5.eml", b"A: b\r\rx\r", b"A: b\r\rx\r", &[Finding::BareLineEnd]),
        ("6.eml", b"A: b\n\nhalf", b"A: b\r\n\r\nhalf", &[]),
        ("7.eml", b"no header\n", b"no header\r\n", &[Finding::NoHeader]),
        ("8.emlx", b"50\nA: b\n", b"A: b\r\n", &[Finding::Cut]),
    ];
    let place = tempfile::tempdir().unwrap();
    let files: Vec<(&str, &[u8])> =
        cases.iter().map(|(name, file, ..)| (*name, *file)).chain([("9.eml", &*long)]).collect();
    lay(place.path(), &files);
    let seen = read(place.path());
    assert_eq!(seen.items.len(), 9);
    for ((_, item), (name, _, raw, findings)) in seen.items.iter().zip(cases) {
        assert_eq!((item.raw.as_ref(), item.findings.as_slice()), (*raw, *findings), "{name}");
    }
    assert_eq!(seen.items[8].1.findings, [Finding::LongLine]);
    let limits = ReadLimits { message_bytes_max: 1000, ..ReadLimits::default() };
    let small = read_with(place.path(), &ReadOptions { limits, ..ReadOptions::default() });
    assert_eq!(small.passed, [PassedOverReason::TooLarge(long.len() as u64)]);
}

#[test]
fn what_is_no_mail_is_refused_with_a_reason() {
    let place = tempfile::tempdir().unwrap();
    let files: [(&str, &[u8]); 5] = [
        ("a/readme.txt", b"hello"),
        ("d/mailboxes/INBOX/dbox-Mails/u.1", b"2 M1e"),
        ("e/x.pst", b"!BDN"),
        ("mail.tar.bz2", b"BZh91AY&SY..."),
        ("mail.7z", b"7z\xbc\xaf\x27\x1c..."),
    ];
    lay(place.path(), &files);
    let open = |name: &str| Reader::open(&place.path().join(name), &ReadOptions::default()).map(drop).unwrap_err();
    assert!(matches!(open("a"), ArchiveError::Unrecognised { .. }));
    assert!(open("a").to_string().contains("readme.txt"));
    assert!(open("d").to_string().contains("d/mailboxes/INBOX/dbox-Mails: ") && open("d").to_string().contains("IMAP"));
    assert!(open("mail.tar.bz2").to_string().contains("compressed with bzip2, which is not read"));
    assert!(open("mail.tar.bz2").to_string().contains("bunzip2"));
    assert!(open("mail.7z").to_string().contains("7z x"));
    assert!(open("e/x.pst").to_string().contains("readpst"));
    assert!(matches!(open("none"), ArchiveError::Io { .. }));
}

#[test]
fn how_far_reading_is_is_told_in_bytes_of_the_files() {
    let place = tempfile::tempdir().unwrap();
    lay(place.path(), &[("a/Old", MBOX), ("a/1.eml", MAIL), ("a/notes.txt", b"no mail")]);
    let mut reader = Reader::open(&place.path().join("a"), &ReadOptions::default()).unwrap();
    let bytes = (MBOX.len() + MAIL.len()) as u64;
    assert_eq!((reader.detection().bytes, reader.bytes_done()), (Some(bytes), 0));
    assert!(reader.notes().contains(&"1 file is no mail and was not read: notes.txt".to_owned()));
    assert!(reader.detection().sentence.contains("1 mbox file (it begins"));
    let mut before = 0;
    let mut position = None;
    while let Some(entry) = reader.next_entry().unwrap() {
        assert!(reader.bytes_done() > before && reader.bytes_done() <= bytes);
        before = reader.bytes_done();
        if let Entry::Message(item) = entry {
            position.get_or_insert((item.position, before));
        }
    }
    assert_eq!(reader.bytes_done(), bytes);
    let (position, done) = position.unwrap();
    let mut again = Reader::open(&place.path().join("a"), &ReadOptions::default()).unwrap();
    again.resume(&position).unwrap();
    assert_eq!(again.bytes_done(), done, "also where it goes on");
}

#[test]
fn a_form_that_was_asked_for_is_the_only_one_read() {
    let place = tempfile::tempdir().unwrap();
    lay(place.path(), &[("a/1.eml", MAIL), ("b/Old", MBOX)]);
    for (format, names) in [(Format::Eml, ["a"]), (Format::Mbox, ["b/Old"])] {
        let options = ReadOptions { format, ..ReadOptions::default() };
        assert_eq!(read_with(place.path(), &options).names, names);
        assert_eq!(detect(place.path(), &options).unwrap().format, format);
    }
}

#[test]
fn folders_whose_names_collide_are_kept_apart_and_told() {
    let place = tempfile::tempdir().unwrap();
    lay(place.path(), &[("Old", MBOX), ("old.mbox", MBOX)]);
    let seen = read(place.path());
    assert_eq!(seen.names, ["Old", "old (2)"]);
    assert_eq!(seen.notes.len(), 1);
}

#[test]
fn messages_beside_damaged_metadata_are_still_read() {
    let place = tempfile::tempdir().unwrap();
    let json = br#"{"format":"postrider-mail-tree","version":1,"name":["A"],"messa"#;
    lay(place.path(), &[("x/folder.json", json), ("x/1.eml", MAIL)]);
    let seen = read(place.path());
    assert_eq!((seen.names[0].as_str(), seen.items.len()), ("x", 1));
    assert!(seen.notes[0].contains("folder.json"), "{:?}", seen.notes);
}

#[test]
fn a_position_that_is_nowhere_is_told() {
    let place = tempfile::tempdir().unwrap();
    lay(place.path(), &[("1.eml", MAIL)]);
    let mut reader = Reader::open(place.path(), &ReadOptions::default()).unwrap();
    let error = reader.resume(&"1::2.eml".parse().unwrap()).unwrap_err();
    assert!(matches!(error, ArchiveError::UnknownPosition { .. }));
    assert_eq!(reader.count(), 1);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 60, ..Default::default() })]
    #[test]
    fn no_bytes_make_a_reader_panic(
        bytes: Vec<u8>,
        cut in 0usize..2000,
        flips in proptest::collection::vec((0usize..4000, 0u8..), 0..4),
        kind in 0usize..4,
    ) {
        let files: &[(&str, &[u8])] = &[("Maildir/cur/1.b:2,S", MAIL), ("Maildir/dovecot-uidlist", b"3 V7 N3\n2 :1.b\n"), ("x/Old", MBOX)];
        let mut file = match kind {
            0 => bytes,
            1 => tar_of(files),
            2 => gzip(&tar_of(files)),
            _ => {
                let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
                for (path, bytes) in files {
                    zip.start_file(*path, zip::write::SimpleFileOptions::default()).unwrap();
                    zip.write_all(bytes).unwrap();
                }
                zip.finish().unwrap().into_inner()
            }
        };
        for (at, byte) in flips {
            if let Some(place) = file.get_mut(at) {
                *place = byte;
            }
        }
        if kind > 0 {
            file.truncate(file.len().saturating_sub(cut.saturating_sub(1500)));
        }
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x");
        fs::write(&path, &file).unwrap();
        for format in [Format::Detect, Format::Mbox, Format::Eml] {
            if let Ok(reader) = Reader::open(&path, &ReadOptions { format, ..ReadOptions::default() }) {
                for entry in reader {
                    drop(entry);
                }
            }
        }
    }
}

#[test]
fn messages_come_by_their_uids_where_the_files_can_be_read_in_that_order() {
    let list: &[u8] = b"3 V7 N9 Gabc\n2 :z.host\n5 :b.host\n4 :a.host\n11 :gone.host\n";
    let files = [
        ("m/cur/a.host:2,", MAIL),
        ("m/cur/b.host:2,S", MAIL),
        ("m/cur/z.host:2,", MAIL),
        ("m/new/0.host", MAIL),
        ("m/dovecot-uidlist", list),
    ];
    let place = tempfile::tempdir().unwrap();
    lay(place.path(), &files);
    let tar = tar_of(&files);
    lay(place.path(), &[("plain.tar", &tar), ("packed.tar.gz", &gzip(&tar))]);
    for (path, uids, ascend) in [
        ("m", [Some(2), Some(4), Some(5), None], true),
        ("plain.tar", [Some(2), Some(4), Some(5), None], true),
        ("packed.tar.gz", [Some(4), Some(5), Some(2), None], false),
    ] {
        let path = place.path().join(path);
        let reader = Reader::open(&path, &ReadOptions::default()).unwrap();
        let folder = &reader.folders()[0];
        // A message that is gone had its UID all the same.
        assert_eq!((folder.uid_validity, folder.uid_next), (Some(7), Some(12)), "{}", path.display());
        assert_eq!(reader.uids_ascend(0), ascend, "{}", path.display());
        assert!(!reader.uids_ascend(1));
        let read: Vec<Option<u32>> = read(&path).items.iter().map(|(_, item)| item.uid).collect();
        assert_eq!(read, uids, "{}", path.display());
    }
}

#[test]
fn unique_ids_are_those_that_dovecot_noted_or_made_for_its_inbox() {
    let list: &[u8] = b"3 V7 N9 Gabc\n1 :a.host\n2 Pnoted :b.host\n3 P :c.host\n4 Gguid :d.host\n";
    let bases = ["a", "b", "c", "d"];
    let place = tempfile::tempdir().unwrap();
    for folder in ["", ".Sub/"] {
        lay(place.path(), &[(&format!("{folder}dovecot-uidlist"), list)]);
        bases.iter().for_each(|base| lay(place.path(), &[(&format!("{folder}cur/{base}.host:2,"), MAIL)]));
    }
    lay(place.path(), &[("new/e.host", MAIL)]);
    let sub = [None, Some("noted"), Some("c.host"), None];
    for (format, inbox) in [
        (None, [None, Some("noted"), Some("c.host"), None, None]),
        (Some("%08Xu%08Xv"), [Some("0000000100000007"), Some("noted"), Some("c.host"), Some("0000000400000007"), None]),
        (Some("%g"), [Some("a.host"), Some("noted"), Some("c.host"), Some("guid"), None]),
    ] {
        let pop3_uidl_format = format.map(|format| format.parse().unwrap());
        let seen = read_with(place.path(), &ReadOptions { pop3_uidl_format, ..ReadOptions::default() });
        let of = |name: &str| {
            let items = seen.items.iter().filter(|(folder, _)| folder == name);
            items.map(|(_, item)| item.pop3_uidl.as_deref()).collect::<Vec<_>>()
        };
        assert_eq!(of("INBOX"), inbox, "{format:?}");
        assert_eq!(of("Sub"), sub, "{format:?}");
    }
}
