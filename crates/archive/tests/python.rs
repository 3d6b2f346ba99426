//! Python's `mailbox` module, an independent reader and writer of mbox and Maildir, understands us and we it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::{path::Path, process::Command};

use postrider_archive::{Entry, Flag, Folder, Item, Outgoing, ReadOptions, Reader, WriteFormat, WriteOptions, Writer};

fn python(program: &str, path: &Path) -> String {
    let output = Command::new("python3").args(["-c", program]).arg(path).output().expect("python3 is needed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn items(path: &Path) -> (Vec<Folder>, Vec<Item>) {
    let reader = Reader::open(path, &ReadOptions::default()).unwrap();
    let folders = reader.folders().to_vec();
    let items = reader.map(|entry| match entry.unwrap() {
        Entry::Message(item) => item,
        Entry::PassedOver(other) => panic!("{other:?}"),
    });
    (folders, items.collect())
}

fn write(target: &Path, format: WriteFormat) {
    let mut writer = Writer::create(target, &WriteOptions::new(format)).unwrap();
    writer.begin_folder(&Folder::new(["INBOX"])).unwrap();
    for (number, flags) in [(1, vec![Flag::Seen, Flag::Flagged]), (2, vec![]), (3, vec![Flag::Answered])] {
        let raw = format!("Subject: {number}\r\n\r\nFrom me\r\n\r\nFrom you to {number}\r\n");
        let outgoing =
            Outgoing { raw: raw.as_bytes(), flags: &flags, received: Some(1_700_000_000), ..Outgoing::default() };
        writer.add(&outgoing).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn python_reads_what_we_write() {
    let place = tempfile::tempdir().unwrap();
    let show = "
for message in sorted(box, key=lambda one: one['Subject']):
    print(message['Subject'], ''.join(sorted(message.get_flags())), message.get_payload().count('From'))
";
    let mbox = place.path().join("INBOX.mbox");
    write(&mbox, WriteFormat::MboxFile);
    let program = format!("import mailbox, sys\nbox = mailbox.mbox(sys.argv[1], create=False)\n{show}");
    assert_eq!(python(&program, &mbox), "1 FOR 2\n2 O 2\n3 AO 2\n");
    let maildir = place.path().join("Maildir");
    write(&maildir, WriteFormat::Maildir);
    let program = format!("import mailbox, sys\nbox = mailbox.Maildir(sys.argv[1], create=False)\n{show}");
    assert_eq!(python(&program, &maildir), "1 FS 2\n2  2\n3 R 2\n");
}

const FILL: &str = "
for number in (1, 2, 3):
    message = kind()
    message['Subject'] = str(number)
    message.set_payload('From me\\n\\nFrom you\\n>From them\\n')
    if number == 2:
        message.add_flag(flags)
    box.add(message)
box.flush()
";

#[test]
fn we_read_what_python_writes() {
    let place = tempfile::tempdir().unwrap();
    for (name, variant, flags) in [("mbox", "mbox", "RFA"), ("Maildir", "Maildir", "SFR")] {
        let path = place.path().join(name);
        let program = format!(
            "import mailbox, sys\nbox = mailbox.{variant}(sys.argv[1])\nkind = mailbox.{variant}Message\nflags = '{flags}'\n{FILL}"
        );
        python(&program, &path);
        let (_, mut items) = items(&path);
        items.sort_by_key(|item| String::from_utf8_lossy(&item.raw).split("Subject: ").nth(1).unwrap().to_owned());
        assert_eq!(items.len(), 3, "{name}");
        for (item, number) in items.iter().zip(1..) {
            let text = String::from_utf8_lossy(&item.raw);
            assert!(text.contains(&format!("Subject: {number}\r\n")), "{text}");
            assert!(text.contains("\r\n\r\nFrom me\r\n\r\nFrom you\r\n"), "{text}");
            let mut flags = item.flags.clone();
            flags.sort();
            let expected = if number == 2 { vec![Flag::Seen, Flag::Answered, Flag::Flagged] } else { vec![] };
            assert_eq!(flags, expected, "{name} {number}");
            assert!(item.received.is_some());
        }
    }
}

#[test]
fn we_read_subfolders_that_python_makes() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("Maildir");
    let program =
        "import mailbox, sys\nbox = mailbox.Maildir(sys.argv[1])\nbox.add_folder('A.B').add('Subject: x\\n\\ny\\n')";
    python(program, &path);
    let (folders, items) = items(&path);
    let names: Vec<_> = folders.iter().map(|folder| folder.name.join("/")).collect();
    assert_eq!(names, ["A/B", "INBOX"]);
    assert_eq!(items[0].raw.as_ref(), b"Subject: x\r\n\r\ny\r\n");
}
