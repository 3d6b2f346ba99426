//! App passwords: made here, never chosen, one for each program or device.
//!
//! They carry 100 random bits, so that nobody guesses them even at the speed of a plain hash; keyed BLAKE3 suffices,
//! and a login with one costs microseconds. People type them from a screen: dashes, spaces and case do not count.

use blake3::Hash;
use postrider_sasl::Password;
use zeroize::Zeroizing;

use crate::{
    AccountsError,
    generate::generate_password,
    record::{AccountRecord, CarriedSecret},
};

/// The number of characters, dashes not counted.
const CHARACTERS: usize = 20;
/// The number of characters between dashes.
const GROUP: usize = 4;

/// Makes an app password.
pub(crate) fn generate() -> Result<Password, AccountsError> {
    generate_password(CHARACTERS, GROUP)
}

/// The hash that is kept. Bound to the address, so that a record cannot be moved to another account.
pub(crate) fn hash(secret: &[u8; 32], address: &str, password: &Password) -> [u8; 32] {
    let key = blake3::derive_key("postrider 2026 app password", secret);
    let mut hasher = blake3::Hasher::new_keyed(&key);
    hasher.update(address.as_bytes());
    hasher.update(b"\0");
    hasher.update(canonical(password).as_bytes());
    hasher.finalize().into()
}

/// The label of the account's app password that this is.
pub(crate) fn find(secret: &[u8; 32], account: &AccountRecord, password: &Password) -> Option<String> {
    let own = hash(secret, &account.address, password);
    let found = account.app_passwords.iter().find(|app_password| {
        let given = match &app_password.secret {
            Some(CarriedSecret(other)) => hash(other, &account.address, password),
            None => own,
        };
        // The comparison of two `Hash`es takes constant time.
        Hash::from_bytes(given) == Hash::from_bytes(app_password.hash)
    })?;
    Some(found.label.clone())
}

fn canonical(password: &Password) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(password.len()));
    text.extend(
        password.expose().chars().filter(|character| !matches!(character, '-' | ' ')).map(|c| c.to_ascii_lowercase()),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_passwords_are_long_and_differ() {
        let (first, second) = (generate().unwrap(), generate().unwrap());
        assert_eq!(first.len(), 24);
        assert!(first != second);
    }

    #[test]
    fn dashes_spaces_and_case_do_not_count_and_the_address_does() {
        let right = hash(&[1; 32], "a@b", &Password::new("abcd-efgh"));
        for same in ["abcdefgh", "ABCD EFGH", " ab-cd-ef-gh "] {
            assert_eq!(hash(&[1; 32], "a@b", &Password::new(same)), right, "{same}");
        }
        assert_ne!(hash(&[1; 32], "a@c", &Password::new("abcdefgh")), right);
        assert_ne!(hash(&[2; 32], "a@b", &Password::new("abcdefgh")), right);
        assert_ne!(hash(&[1; 32], "a@b", &Password::new("abcdefgx")), right);
    }
}
