//! An account that was restored from a backup: notes are there, and UIDs may be others.

use super::*;
use crate::imap::flags::FlagSet;
use crate::imap::memory::{MailboxNote, Memory, MessageNote};
use crate::imap::options::Rehearsal;
use crate::imap::recall::recall;
use postrider_store::{BlobHash, Uid, UidValidity};

const ONE: &[u8] = b"Message-ID: <1@x>\r\n\r\none\r\n";
const TWO: &[u8] = b"Message-ID: <2@x>\r\n\r\ntwo\r\n";
const LOST: &[u8] = b"Message-ID: <3@x>\r\n\r\nlos\r\n";

fn note(local: u32, content: &[u8]) -> MessageNote {
    MessageNote {
        local: Uid(local),
        told_bytes: content.len() as u64,
        bytes: content.len() as u64,
        received: 0,
        message_id: 0,
        hash: BlobHash::of(content),
        flags: FlagSet::default(),
        is_gone: false,
        was_here: false,
    }
}

#[tokio::test]
async fn messages_are_found_again_by_content_and_what_is_lost_is_nowhere() {
    let world = World::new(ImapPullOptions::default()).await;
    let inbox = world.account.state().find("INBOX").unwrap().id;
    for content in [ONE, TWO] {
        let message = world.account.prepare(content.to_vec().into(), Vec::new(), 0).await;
        world.account.append(inbox, vec![message]).await.unwrap();
    }
    let validity = world.account.mailbox(inbox).await.unwrap().record.uid_validity;
    let place = RemoteKey::new("example.org", 993, "alice").place("INBOX");
    let mut memory = Memory { place: place.clone(), ..Memory::empty() };
    memory.mailbox = Some(MailboxNote {
        name: "INBOX".into(),
        uid_validity: 7,
        modseq: 0,
        mailbox_id: String::new(),
        local: inbox,
        local_validity: validity,
        certain_before: Uid(0),
        local_name: String::new(),
        local_modseq: 0,
    });
    // The lost one has the UID of another, of the same size.
    memory.messages = [(11, note(2, ONE)), (12, note(5, TWO)), (13, note(1, LOST))].into();
    world.account.write_notes(memory.writing()).await.unwrap();
    let mut memory = Memory::read(&world.account, place.clone()).await.unwrap();
    recall(&world.account, &mut memory, Rehearsal::Real).await.unwrap().unwrap();
    let read = Memory::read(&world.account, place).await.unwrap();
    for memory in [&memory, &read] {
        let locals: Vec<u32> = memory.messages.values().map(|note| note.local.0).collect();
        assert_eq!(locals, [1, 2, 0]);
        assert_eq!(memory.mailbox.as_ref().unwrap().certain_before, Uid(3), "it is proved once");
        assert_ne!(memory.mailbox.as_ref().unwrap().local_validity, UidValidity(0));
    }
}
