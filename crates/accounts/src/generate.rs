//! Passwords that are made and not chosen: for programs and devices, and for what only this machine opens.
//!
//! People copy them from a screen or from paper, so their characters are not mistaken for one another and stand in groups.

use postrider_sasl::Password;
use zeroize::Zeroizing;

use crate::AccountsError;

/// 32 characters that are not mistaken for one another: five random bits in each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Makes a password of so many characters, with a dash after each `group` of them. What is needed on the way is wiped.
///
/// # Errors
/// [`AccountsError::Random`] if the system gives no random numbers.
pub fn generate_password(characters: usize, group: usize) -> Result<Password, AccountsError> {
    let group = group.max(1);
    let mut random = Zeroizing::new(vec![0_u8; characters]);
    getrandom::fill(&mut random).map_err(|error| AccountsError::Random(error.to_string()))?;
    // Large enough from the start, lest a smaller copy stays behind in memory.
    let mut text = String::with_capacity(characters + characters / group);
    for (position, byte) in random.iter().enumerate() {
        if position > 0 && position % group == 0 {
            text.push('-');
        }
        // 256 is a multiple of 32, so every character is equally likely.
        text.extend(ALPHABET.get(usize::from(byte % 32)).map(|character| char::from(*character)));
    }
    Ok(Password::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_stand_in_groups_and_differ() {
        for (characters, group, length) in [(20, 4, 24), (30, 5, 35), (3, 5, 3), (4, 0, 7), (0, 5, 0)] {
            let made = generate_password(characters, group).unwrap();
            assert_eq!(made.len(), length);
            assert!(made.expose().bytes().all(|byte| byte == b'-' || ALPHABET.contains(&byte)));
            assert!(group == 0 || made.expose().split('-').all(|part| part.len() <= group));
        }
        assert!(generate_password(20, 4).unwrap() != generate_password(20, 4).unwrap());
    }
}
