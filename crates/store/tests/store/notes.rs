//! Notes beside the mail.

use bytes::Bytes;
use postrider_store::{NOTE_KEY_BYTES_MAX, Note};

use crate::fixture::{ACCOUNT, World, letter};

async fn notes(world: &World, prefix: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    world.account.notes(prefix.as_bytes(), |key, value| found.push((text(key), text(value)))).await.unwrap();
    found
}

fn note(key: &str, value: Option<&str>) -> Note {
    Note { key: key.into(), value: value.map(Into::into) }
}

#[tokio::test]
async fn notes_are_written_read_by_prefix_and_removed() {
    let world = World::new().await;
    world
        .account
        .write_notes(vec![note("a/1", Some("x")), note("a/2", Some("y")), note("b/1", Some("z"))])
        .await
        .unwrap();
    assert_eq!(notes(&world, "a/").await, [("a/1".into(), "x".into()), ("a/2".into(), "y".into())]);
    world.account.write_notes(vec![note("a/1", None), note("a/2", Some("w"))]).await.unwrap();
    assert_eq!(notes(&world, "").await, [("a/2".into(), "w".into()), ("b/1".into(), "z".into())]);
    world.assert_whole().await;
}

#[tokio::test]
async fn a_note_is_there_if_and_only_if_its_message_is() {
    let world = World::new().await;
    let message = world.account.prepare(Bytes::from(letter("one", "1")), Vec::new(), 0).await;
    let inbox = world.id("INBOX");
    world.account.append_noting(inbox, vec![message.clone()], vec![note("n", Some("1"))]).await.unwrap();
    assert_eq!(notes(&world, "n").await.len(), 1);
    let long = note(&"k".repeat(NOTE_KEY_BYTES_MAX + 1), Some(""));
    for bad in [long, note("", Some(""))] {
        assert!(
            world.account.append_noting(inbox, vec![message.clone()], vec![note("m", Some("")), bad]).await.is_err()
        );
    }
    assert_eq!((world.uids("INBOX").await.len(), notes(&world, "m").await.len()), (1, 0));
}

#[tokio::test]
async fn notes_go_with_their_account() {
    let world = World::new().await;
    world.account.write_notes(vec![note("a", Some("x"))]).await.unwrap();
    world.store.delete_account(ACCOUNT).await.unwrap();
    world.store.create_account(ACCOUNT).await.unwrap();
    let account = world.store.account(ACCOUNT).await.unwrap();
    let mut count = 0;
    account.notes(b"", |_, _| count += 1).await.unwrap();
    assert_eq!(count, 0);
}
