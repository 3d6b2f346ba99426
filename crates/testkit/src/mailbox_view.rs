//! A mailbox as a client knows it, made from nothing but what the server has said.
//!
//! RFC 9051 §7 lets a client keep its picture of the selected mailbox from EXISTS, EXPUNGE and FETCH, and RFC 7162
//! adds VANISHED. A server that leaves one of them out, sends one too many or numbers them wrongly makes the picture
//! differ from the truth: that is what the comparison in the tests looks for.

use std::collections::BTreeSet;

use crate::imap_client::Fetch;

/// One message as the client knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownMessage {
    /// UID; `None` as long as only EXISTS has told of the message.
    pub uid: Option<u32>,
    /// Flags, when told.
    pub flags: Option<BTreeSet<String>>,
}

/// The picture of the selected mailbox; index 0 is sequence number 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailboxView {
    /// The messages in the order of their sequence numbers.
    pub messages: Vec<KnownMessage>,
}

impl MailboxView {
    /// Applies an untagged response, without its `* `; others than the four are passed over.
    ///
    /// # Errors
    /// When the response cannot be true, given what the server said before: the text says why.
    pub fn apply(&mut self, response: &[u8]) -> Result<(), String> {
        if let Some(fetch) = Fetch::parse(response) {
            return self.apply_fetch(&fetch);
        }
        let text = String::from_utf8_lossy(response);
        if let Some(uids) = text.strip_prefix("VANISHED ") {
            return self.apply_vanished(uids);
        }
        let mut words = text.split(' ');
        let Some(number) = words.next().and_then(|word| word.parse::<usize>().ok()) else { return Ok(()) };
        match words.next() {
            Some("EXISTS") if number < self.messages.len() => {
                Err(format!("{number} EXISTS, but {} were known and EXISTS never takes away", self.messages.len()))
            }
            Some("EXISTS") => {
                self.messages.resize(number, KnownMessage::default());
                Ok(())
            }
            Some("EXPUNGE") if number == 0 || number > self.messages.len() => {
                Err(format!("{number} EXPUNGE, but there are {} messages", self.messages.len()))
            }
            Some("EXPUNGE") => {
                self.messages.remove(number - 1);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn apply_fetch(&mut self, fetch: &Fetch) -> Result<(), String> {
        let count = self.messages.len();
        let Some(known) = fetch.number.checked_sub(1).and_then(|index| self.messages.get_mut(index)) else {
            return Err(format!("FETCH of number {}, but there are {count} messages", fetch.number));
        };
        if let Some(uid) = fetch.uid() {
            if known.uid.is_some_and(|before| before != uid) {
                return Err(format!("number {} has UID {uid}, but it was {:?}", fetch.number, known.uid));
            }
            known.uid = Some(uid);
        }
        if let Some(flags) = fetch.flags() {
            known.flags = Some(flags);
        }
        Ok(())
    }

    /// `VANISHED [(EARLIER)] uid-set`. EARLIER may name UIDs that the client never knew; without it, each UID is one
    /// message of the view (RFC 7162 §3.2.10).
    fn apply_vanished(&mut self, text: &str) -> Result<(), String> {
        let (earlier, uids) = match text.strip_prefix("(EARLIER) ") {
            Some(uids) => (true, uids),
            None => (false, text),
        };
        for uid in uids.split(',').flat_map(numbers) {
            if let Some(index) = self.messages.iter().position(|message| message.uid == Some(uid)) {
                self.messages.remove(index);
            } else if !earlier {
                match self.unknown_place_of(uid) {
                    Some(index) => drop(self.messages.remove(index)),
                    None => return Err(format!("VANISHED {uid}, which is not in the view")),
                }
            }
        }
        Ok(())
    }

    /// Where a message stands of which the client knows no more than that it exists: UIDs ascend, so between its known
    /// neighbours. Such messages are alike to the client, and any of them will do.
    fn unknown_place_of(&self, uid: u32) -> Option<usize> {
        let end = self.messages.iter().position(|message| message.uid.is_some_and(|known| known > uid));
        let end = end.unwrap_or(self.messages.len());
        let before = self.messages[..end].last()?;
        before.uid.is_none().then(|| end - 1)
    }

    /// Changes the flags of the messages with these sequence numbers as a `.SILENT` STORE does: the server does not
    /// repeat what the client has asked for.
    pub fn store_silently(&mut self, numbers: impl Iterator<Item = usize>, action: char, flags: &BTreeSet<String>) {
        for number in numbers {
            let Some(known) = number.checked_sub(1).and_then(|index| self.messages.get_mut(index)) else { continue };
            // Flags that were never told cannot be followed.
            let Some(known) = known.flags.as_mut() else { continue };
            match action {
                '+' => known.extend(flags.iter().cloned()),
                '-' => known.retain(|flag| !flags.contains(flag)),
                _ => known.clone_from(flags),
            }
        }
    }

    /// The least sequence number of a message of which UID or flags are not known.
    #[must_use]
    pub fn first_unknown(&self) -> Option<usize> {
        let unknown = self.messages.iter().position(|message| message.uid.is_none() || message.flags.is_none());
        unknown.map(|index| index + 1)
    }

    /// The sequence number of a UID.
    #[must_use]
    pub fn number_of(&self, uid: u32) -> Option<usize> {
        self.messages.iter().position(|message| message.uid == Some(uid)).map(|index| index + 1)
    }
}

/// The numbers of `7` or `3:5`.
fn numbers(range: &str) -> std::ops::RangeInclusive<u32> {
    let (first, last) = range.split_once(':').unwrap_or((range, range));
    first.parse().unwrap()..=last.parse().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uids(view: &MailboxView) -> Vec<Option<u32>> {
        view.messages.iter().map(|message| message.uid).collect()
    }

    #[test]
    fn the_view_follows_exists_fetch_expunge_and_vanished() {
        let mut view = MailboxView::default();
        for response in
            ["4 EXISTS", "1 FETCH (UID 7)", "2 FETCH (UID 9 FLAGS (\\Seen))", "3 FETCH (UID 11)", "1 EXPUNGE"]
        {
            view.apply(response.as_bytes()).unwrap();
        }
        assert_eq!(uids(&view), [Some(9), Some(11), None]);
        view.apply(b"VANISHED (EARLIER) 1:9").unwrap();
        view.apply(b"VANISHED 12").unwrap();
        assert_eq!(uids(&view), [Some(11)]);
        assert_eq!(view.first_unknown(), Some(1));
    }

    #[test]
    fn what_cannot_be_true_is_an_error() {
        let mut view = MailboxView::default();
        view.apply(b"2 EXISTS").unwrap();
        view.apply(b"1 FETCH (UID 7)").unwrap();
        for response in ["1 EXISTS", "3 EXPUNGE", "0 EXPUNGE", "3 FETCH (FLAGS ())", "1 FETCH (UID 8)"] {
            assert!(view.clone().apply(response.as_bytes()).is_err(), "{response}");
        }
    }
}
