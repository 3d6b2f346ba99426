//! NeoMutt: lists and reads a mailbox, sets flags, copies to another mailbox, sends.
//!
//! NeoMutt reads mail only on a terminal, so `script` gives it one, and its keys come from a `push` command.
#![allow(clippy::unwrap_used, reason = "in a test, a failed expectation is a failed test")]

use std::path::Path;

use postrider_testkit::maildir::{self, body, message_id};
use postrider_testkit::{Corpus, ImapClient, Program, ServerUnderTest};

/// Mutt and NeoMutt built with GNU SASL (as Debian's are) choose SCRAM-SHA-256-PLUS wherever a server offers it,
/// cannot give it the channel binding, and then do not try another mechanism for SMTP. Their users need this line with
/// every server that offers PLUS on TLS 1.3; NeoMutt 20220429 knows no SCRAM by name there.
const AUTHENTICATORS: &str = "set smtp_authenticators = plain\n";

fn write_configuration(server: &ServerUnderTest, home: &Path) {
    let alice = server.account("alice");
    let text = format!(
        "set folder = imaps://localhost:{imaps}/\nset spoolfile = +INBOX\nset imap_user = {user}\n\
         set imap_pass = {password}\nset smtp_url = smtps://{user}@localhost:{submissions}/\nset smtp_pass = {password}\n\
         set from = {user}\nset realname = \"Alice\"\nset use_envelope_from = no\nset hostname = client.example\n\
         set certificate_file = {certificate}\nset ssl_ca_certificates_file = {certificate}\nset ssl_force_tls = yes\n\
         set mbox_type = mbox\nset record = +Sent\nset copy = yes\nset confirmcreate = no\nset confirmappend = no\n\
         set delete = yes\nset move = no\nset mail_check = 5\nset wait_key = no\nset imap_check_subscribed = no\n\
         set header_cache = \"\"\nset charset = utf-8\nset send_charset = utf-8\nset quit = yes\nset net_inc = 0\nset read_inc = 0\nset write_inc = 0\n",
        imaps = server.ports().imaps,
        submissions = server.ports().submissions,
        user = alice.address,
        password = alice.password,
        certificate = server.certificate_file().display(),
    );
    std::fs::write(home.join("muttrc"), text + AUTHENTICATORS).unwrap();
}

/// Runs NeoMutt on a terminal with these keys.
fn press(home: &Path, keys: &str) {
    std::fs::write(home.join("keys"), format!("push '{keys}'\n")).unwrap();
    let _ = Program::new("script", home)
        .env("TERM", "xterm")
        .args(["--quiet", "--return", "--command", "neomutt -n -F muttrc -e 'source keys'", "/dev/null"])
        .run()
        .success();
}

#[test]
fn a_mailbox_is_read_flagged_and_copied() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice"]);
    let home = server.home("neomutt");
    write_configuration(&server, &home);
    let messages = Corpus::new(22).messages(12, 20_000);
    let mut client = ImapClient::of(&server, "alice");
    client.ok("CREATE Kept");
    for message in &messages {
        assert_eq!(client.append("INBOX", "", &[message]).unwrap().status, "OK");
    }
    client.ok("SELECT INBOX");

    // Everything is copied to a local mbox file and to another mailbox of the server.
    press(
        &home,
        "<tag-pattern>~A<enter><tag-prefix><copy-message>./copy.mbox<enter><tag-prefix><copy-message>+Kept<enter><exit>",
    );
    let copy = std::fs::read(home.join("copy.mbox")).unwrap();
    let copy = String::from_utf8_lossy(&copy);
    for message in &messages {
        assert!(copy.contains(&message_id(message)), "{} was not read", message_id(message));
    }
    client.ok("EXAMINE Kept");
    let kept = client.raw_messages();
    assert_eq!(
        kept.values().map(|raw| body(raw)).collect::<Vec<_>>(),
        messages.iter().map(|m| body(m)).collect::<Vec<_>>()
    );

    // One is flagged, one is answered to nobody but read, one is deleted.
    press(
        &home,
        "<jump>1<enter><flag-message><jump>2<enter><display-message><exit><jump>3<enter><delete-message><sync-mailbox><exit>",
    );
    client.ok("SELECT INBOX");
    let flags = client.uids_and_flags();
    assert_eq!(flags.len(), 11);
    assert!(flags[&1].contains("\\flagged"), "{flags:?}");
    assert!(flags[&2].contains("\\seen"), "{flags:?}");
    assert!(!flags.contains_key(&3), "{flags:?}");
}

#[test]
fn mail_is_sent_and_a_copy_kept() {
    let server = ServerUnderTest::start(env!("CARGO_BIN_EXE_postrider"), &["alice", "bob"]);
    let home = server.home("neomutt");
    write_configuration(&server, &home);
    let mut client = ImapClient::of(&server, "alice");
    if client.command("CREATE Sent").unwrap().status != "OK" {
        client.ok("STATUS Sent (MESSAGES)");
    }
    let sends = server.kind().receives_by_smtp();
    // Against a server that does not receive, the copy is still put by APPEND.
    if !sends {
        append_to_configuration(&home, "unset smtp_url\nset sendmail = /bin/true\n");
    }
    append_to_configuration(&home, "set editor = \"cp body.txt %s\"\nset abort_unmodified = no\n");
    std::fs::write(home.join("body.txt"), "Ein Text mit ü\n").unwrap();
    press(&home, "<mail>bob@example.test<enter>Grüße<enter><send-message><exit>");
    client.ok("SELECT Sent");
    let sent = client.raw_messages();
    assert_eq!(sent.len(), 1);
    for raw in sent.values() {
        assert_eq!(String::from_utf8_lossy(&maildir::body(raw)), "Ein Text mit ü\n");
    }
    let raw = String::from_utf8_lossy(sent.values().next().unwrap()).into_owned();
    let decoded = client.search_text("SUBJECT", "grüße");
    assert_eq!(decoded, [1], "subjects are searched decoded (RFC 9051 §6.4.4)\n{raw}");
    if sends {
        let mut bob = ImapClient::of(&server, "bob");
        bob.ok("SELECT INBOX");
        assert_eq!(bob.ok("SEARCH FROM \"alice\" BODY \"Ein Text\"").search(), [1]);
    }
}

fn append_to_configuration(home: &Path, text: &str) {
    let file = home.join("muttrc");
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("{before}{text}")).unwrap();
}
