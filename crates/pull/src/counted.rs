//! Numbers of things in words for people: one message, two messages. The program that shows the remarks of this crate words its
//! own numbers with this too, so that there is one way.

use std::fmt::Display;

/// A number of things, of which one is called `noun`, as in `1 mailbox` and `2 mailboxes`.
///
/// The plurals are the regular ones: `-es` behind an x, `-s` behind all else.
pub fn counted<N: PartialEq + From<u8> + Display>(count: N, noun: &str) -> String {
    let ending = match count == N::from(1) {
        true => "",
        false if noun.ends_with('x') => "es",
        false => "s",
    };
    format!("{count} {noun}{ending}")
}

/// The word that goes with a number of things, as `was` and `were`.
pub fn agreeing<'a, N: PartialEq + From<u8>>(count: N, one: &'a str, many: &'a str) -> &'a str {
    if count == N::from(1) { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_and_verbs_agree_with_their_number() {
        for (count, messages, mailboxes, verb) in [
            (0_u64, "0 messages", "0 mailboxes", "were"),
            (1, "1 message", "1 mailbox", "was"),
            (2, "2 messages", "2 mailboxes", "were"),
            (11, "11 messages", "11 mailboxes", "were"),
        ] {
            assert_eq!(counted(count, "message"), messages);
            assert_eq!(counted(count, "mailbox"), mailboxes);
            assert_eq!(agreeing(count, "was", "were"), verb);
        }
    }
}
