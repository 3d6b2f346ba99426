//! What people do to their mail between two runs, at random.

use postrider_testkit::{Corpus, ImapClient, SplitMix64};

use super::{Names, mailboxes};

/// Does something somewhere; `number` differs each time.
pub fn disturb(client: &mut ImapClient, names: Names, random: &mut SplitMix64, corpus: &mut Corpus, number: usize) {
    let all = mailboxes(client);
    let mailbox = random.pick(&all).clone();
    client.ok(&format!("SELECT \"{mailbox}\""));
    let uids = client.ok("UID SEARCH ALL").search();
    let uid = if uids.is_empty() { 0 } else { *random.pick(&uids) };
    match random.below(20) {
        0..=5 => {
            let flags = *random.pick(&["", "\\Seen", "\\Flagged work", "\\Seen $Forwarded", "\\Answered"]);
            for message in corpus.messages(random.between(1, 4), 6_000) {
                let command = format!("APPEND \"{mailbox}\" ({flags})");
                assert_eq!(client.command_with_literal(&command, &message).unwrap().status, "OK");
            }
        }
        6..=12 if uid > 0 => {
            let sign = if random.chance(60) { '+' } else { '-' };
            let flag =
                random.pick(&["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "work", "$Forwarded", "\\Deleted"]);
            client.ok(&format!("UID STORE {uid}:{} {sign}FLAGS.SILENT ({flag})", uid + random.below(4) as u32));
        }
        13..=15 if uid > 0 => remove(client, uid),
        16 | 17 if uid > 0 => {
            let target = random.pick(&all).clone();
            if target != mailbox {
                client.ok(&format!("UID COPY {uid} \"{target}\""));
                remove(client, uid);
            }
        }
        18 => drop(client.command(&format!("CREATE \"{}\"", names.there(&format!("Box{number}/inner")))).unwrap()),
        19 if mailbox.contains("Box") => {
            // Without expunging anything, and without UNSELECT, which not everybody has.
            client.ok("EXAMINE INBOX");
            match random.chance(50) {
                true => {
                    let new = names.there(&format!("Boxed{number}"));
                    drop(client.command(&format!("RENAME \"{mailbox}\" \"{new}\"")).unwrap());
                }
                false => drop(client.command(&format!("DELETE \"{mailbox}\"")).unwrap()),
            }
        }
        _ => {}
    }
}

/// Expunges one message.
pub fn remove(client: &mut ImapClient, uid: u32) {
    client.ok(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"));
    client.ok(&format!("UID EXPUNGE {uid}"));
}
