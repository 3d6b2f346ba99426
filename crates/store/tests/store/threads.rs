//! Messages find their conversations.

use postrider_store::{ExpungeOnly, ThreadId, Transfer};

use crate::fixture::{World, set};

/// Appends a message; answers its thread.
async fn thread(world: &World, id: &str, subject: &str, references: &str) -> ThreadId {
    let id = if id.is_empty() { String::new() } else { format!("Message-ID: <{id}>\r\n") };
    let raw = format!("Subject: {subject}\r\n{id}References: {references}\r\n\r\n{}\r\n", references.len());
    let uid = world.deliver("INBOX", &raw, &[]).await;
    let email = world.entry("INBOX", uid).await.email;
    world.emails(&[email]).await.remove(0).unwrap().thread
}

#[tokio::test]
async fn answers_join_the_thread_of_what_they_answer() {
    let world = World::new().await;
    let first = thread(&world, "1@x", "Lunch", "").await;
    let cases = [
        ("2@x", "Re: Lunch", "<1@x>", true),
        ("3@x", "Fwd: Re: [list] Lunch", "<unknown@x> <2@x>", true),
        ("4@x", "Dinner (was: Lunch)", "<1@x>", false),
        ("5@x", "Lunch", "", false),
        ("6@x", "Lunch", "<7@x>", false),
        ("", "Re:  LUNCH ", "<3@x>", true),
    ];
    for (id, subject, references, joins) in cases {
        let found = thread(&world, id, subject, references).await;
        assert_eq!(found == first, joins, "{id} {subject}");
    }
    world.assert_whole().await;
}

#[tokio::test]
async fn a_message_that_comes_after_its_answer_joins_it() {
    let world = World::new().await;
    let answer = thread(&world, "2@x", "Re: Late", "<1@x>").await;
    assert_eq!(thread(&world, "1@x", "Late", "").await, answer);
    assert_eq!(thread(&world, "3@x", "Re: Late", "<2@x>").await, answer);
    assert_eq!(thread(&world, "4@x", "Re: Late", "<1@x>").await, answer, "siblings meet at their parent");
}

#[tokio::test]
async fn messages_without_ids_stand_alone() {
    let world = World::new().await;
    let first = thread(&world, "", "Hello", "").await;
    assert_ne!(thread(&world, "", "Hello", "").await, first);
}

#[tokio::test]
async fn messages_of_one_append_and_equal_messages_share_a_thread() {
    let world = World::new().await;
    let parent = "Subject: A\r\nMessage-ID: <1@x>\r\n\r\n";
    let child = "Subject: Re: A\r\nMessage-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\n\r\n";
    let mut messages = Vec::new();
    for raw in [parent, child, parent] {
        messages.push(world.account.prepare(raw.into(), Vec::new(), 0).await);
    }
    world.account.append(world.id("INBOX"), messages).await.unwrap();
    let entries: Vec<_> = world.mailbox("INBOX").await.messages().unwrap().iter().map(|entry| entry.email).collect();
    let threads: Vec<_> = world.emails(&entries).await.into_iter().map(|email| email.unwrap().thread).collect();
    assert!(threads.iter().all(|thread| *thread == threads[0]), "{threads:?}");
}

#[tokio::test]
async fn a_thread_outlives_its_first_message_and_moves() {
    let world = World::new().await;
    let first = thread(&world, "1@x", "Long", "").await;
    world.account.transfer(world.id("INBOX"), set(&[1]), world.id("Trash"), Transfer::Move).await.unwrap();
    assert_eq!(thread(&world, "2@x", "Re: Long", "<1@x>").await, first);
    world.account.expunge(world.id("Trash"), None, ExpungeOnly::Named).await.unwrap();
    world.account.expunge(world.id("INBOX"), None, ExpungeOnly::Named).await.unwrap();
    assert_eq!(thread(&world, "3@x", "Re: Long", "<1@x> <2@x>").await, first);
    world.assert_whole().await;
}
