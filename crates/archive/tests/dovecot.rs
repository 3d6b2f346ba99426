//! Dovecot takes over a Maildir that we wrote, with UIDs, UIDVALIDITY, flags, keywords and subscriptions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::{
    fs,
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use postrider_archive::{Flag, Folder, Outgoing, WriteFormat, WriteOptions, Writer};

const IMAP: &str = "/usr/lib/dovecot/imap";

fn folder(name: &[&str], validity: u32) -> Folder {
    Folder {
        uid_validity: Some(validity),
        uid_next: Some(500),
        subscribed: Some(true),
        ..Folder::new(name.iter().copied())
    }
}

fn write(target: &Path) {
    let mut writer = Writer::create(target, &WriteOptions::new(WriteFormat::Maildir)).unwrap();
    let work = || Flag::Keyword("work".to_owned());
    for (folder, uids) in [(folder(&["INBOX"], 77), [3, 9]), (folder(&["A", "Größe"], 88), [4, 200])] {
        writer.begin_folder(&folder).unwrap();
        for (uid, flags) in uids.into_iter().zip([vec![Flag::Seen, work()], vec![Flag::Flagged]]) {
            let raw = format!("Subject: number {uid}\r\n\r\ntext\r\n");
            let outgoing = Outgoing {
                raw: raw.as_bytes(),
                flags: &flags,
                received: Some(1_700_000_000),
                uid: Some(uid),
                pop3_uidl: Some("popid"),
            };
            writer.add(&outgoing).unwrap();
        }
    }
    writer.finish().unwrap();
}

/// Runs Dovecot's IMAP process alone, already logged in.
fn converse(place: &Path, commands: &str) -> String {
    let maildir = place.join("Maildir");
    let configuration = format!(
        "base_dir = {0}/run\nstate_dir = {0}/state\nlog_path = /dev/stderr\nssl = no\nmail_location = maildir:{1}\nmail_uid = mail\nmail_gid = mail\nfirst_valid_uid = 1\nfirst_valid_gid = 1\nnamespace inbox {{\n  inbox = yes\n  separator = /\n}}\n",
        place.display(),
        maildir.display()
    );
    fs::write(place.join("dovecot.conf"), configuration).unwrap();
    // Dovecot refuses to work on mail as root, and changes to this user.
    let owned = Command::new("chown").args(["-R", "mail:mail"]).arg(place).status().unwrap();
    assert!(owned.success(), "Dovecot's tests must be run by root");
    let mut child = Command::new(IMAP)
        .arg("-c")
        .arg(place.join("dovecot.conf"))
        .env("USER", "root")
        .env("HOME", place)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the Debian package dovecot-imapd is needed");
    child.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    let mut answer = String::new();
    child.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    child.wait().unwrap();
    format!("{answer}{errors}")
}

#[test]
fn dovecot_takes_over_a_maildir_that_we_wrote() {
    let place = tempfile::tempdir().unwrap();
    write(&place.path().join("Maildir"));
    let answer = converse(
        place.path(),
        "a LSUB \"\" *\r\nb SELECT INBOX\r\nc UID FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])\r\nd SELECT \"A/Gr&APYA3w-e\"\r\ne UID FETCH 1:* (FLAGS)\r\nf LOGOUT\r\n",
    );
    for expected in [
        "\"/\" A/Gr&APYA3w-e",
        "[UIDVALIDITY 77]",
        "[UIDNEXT 500]",
        "UID 3 FLAGS (\\Seen work)",
        "UID 9 FLAGS (\\Flagged)",
        "14-Nov-2023 22:13:20",
        "Subject: number 9\r\n\r\ntext\r\n",
        "[UIDVALIDITY 88]",
        "UID 4 FLAGS (\\Seen work)",
        "UID 200 FLAGS (\\Flagged)",
    ] {
        assert!(answer.contains(expected), "{expected} is not in {answer}");
    }
}
