//! The keys behind SCRAM: what a server stores instead of a password (RFC 5802 §3).

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::{Password, SaslError};

/// The length of a SHA-256 value, in bytes.
pub(crate) const HASH_BYTES: usize = 32;
/// The block size of SHA-256, in bytes.
const BLOCK_BYTES: usize = 64;
/// The length of a fresh salt, in bytes.
const SALT_BYTES: usize = 16;

/// What a server keeps of a password for SCRAM-SHA-256. A thief can pretend to be the server with it, or guess
/// passwords against it, but cannot log in with it.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    salt: Vec<u8>,
    iterations: u32,
    stored_key: [u8; HASH_BYTES],
    server_key: [u8; HASH_BYTES],
}

impl ScramKeys {
    /// Keys read back from where they were stored.
    pub fn new(salt: impl Into<Vec<u8>>, iterations: u32, stored_key: [u8; 32], server_key: [u8; 32]) -> Self {
        Self { salt: salt.into(), iterations, stored_key, server_key }
    }

    /// Derives the keys of a password. Slow on purpose, in proportion to `iterations`: some milliseconds for
    /// 10,000, so not for a thread that serves connections.
    pub fn derive(password: &Password, salt: &[u8], iterations: u32) -> Self {
        let salted = salted_password(password, salt, iterations);
        let client_key = Zeroizing::new(hmac(&*salted, &[b"Client Key"]));
        Self::new(salt, iterations, hash(&*client_key), hmac(&*salted, &[b"Server Key"]))
    }

    /// Derives the keys of a password with a fresh random salt.
    pub fn generate(password: &Password, iterations: u32) -> Result<Self, SaslError> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|error| SaslError::Random(error.to_string()))?;
        Ok(Self::derive(password, &salt, iterations))
    }

    /// Keys for a user who does not exist: always the same for the same name and secret, so that the challenge does
    /// not tell them from a real user's (RFC 5802 §9 asks that it should not), and no password matches them.
    pub fn decoy(secret: &[u8; 32], user: &str, iterations: u32) -> Self {
        let mut salt = hmac(secret, &[b"salt\0", user.as_bytes()]).to_vec();
        salt.truncate(SALT_BYTES);
        let stored_key = hmac(secret, &[b"stored key\0", user.as_bytes()]);
        let server_key = hmac(secret, &[b"server key\0", user.as_bytes()]);
        Self { salt, iterations, stored_key, server_key }
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// The iteration count.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// `StoredKey`, which checks the client's proof.
    pub fn stored_key(&self) -> &[u8; 32] {
        &self.stored_key
    }

    /// `ServerKey`, which signs the server's answer.
    pub fn server_key(&self) -> &[u8; 32] {
        &self.server_key
    }
}

impl Drop for ScramKeys {
    fn drop(&mut self) {
        self.stored_key.zeroize();
        self.server_key.zeroize();
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ScramKeys").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// `SaltedPassword := Hi(Normalize(password), salt, i)`: PBKDF2 with one output block (RFC 5802 §2.2).
pub(crate) fn salted_password(password: &Password, salt: &[u8], iterations: u32) -> Zeroizing<[u8; HASH_BYTES]> {
    let prepared = Zeroizing::new(password.prepared().into_owned());
    let keyed = keyed(prepared.as_bytes());
    let mut round = finish(keyed.clone(), &[salt, &1_u32.to_be_bytes()]);
    let mut salted = Zeroizing::new(round);
    for _ in 1..iterations {
        round = finish(keyed.clone(), &[&round]);
        salted.iter_mut().zip(&round).for_each(|(sum, byte)| *sum ^= byte);
    }
    round.zeroize();
    salted
}

/// HMAC-SHA-256 over the pieces, one after another.
pub(crate) fn hmac(key: &[u8], pieces: &[&[u8]]) -> [u8; HASH_BYTES] {
    finish(keyed(key), pieces)
}

/// SHA-256.
pub(crate) fn hash(data: &[u8]) -> [u8; HASH_BYTES] {
    Sha256::digest(data).into()
}

/// HMAC ready for data. The key is brought to the block size here, as RFC 2104 §2 says, so that no length can fail.
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0_u8; BLOCK_BYTES]);
    if key.len() > BLOCK_BYTES {
        block.iter_mut().zip(hash(key)).for_each(|(to, from)| *to = from);
    } else {
        block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    }
    Hmac::new(&(*block).into())
}

fn finish(mut mac: Hmac<Sha256>, pieces: &[&[u8]]) -> [u8; HASH_BYTES] {
    for piece in pieces {
        mac.update(piece);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    // RFC 4231 §4.2, §4.3, §4.7
    #[test]
    fn hmac_agrees_with_the_published_vectors() {
        let table: [(&[u8], &[u8], &str); 3] = [
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, data, expected) in table {
            assert_eq!(hex(&hmac(key, &[data])), expected);
        }
    }

    // RFC 7914 §11
    #[test]
    fn the_derivation_is_pbkdf2_with_hmac_sha_256() {
        let password = Password::new("passwd");
        assert_eq!(
            hex(&*salted_password(&password, b"salt", 1)),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
        );
    }

    #[test]
    fn decoys_are_stable_for_a_name_and_differ_between_names_and_secrets() {
        let decoy = ScramKeys::decoy(&[1; 32], "anna", 4096);
        assert_eq!(decoy, ScramKeys::decoy(&[1; 32], "anna", 4096));
        assert_eq!(decoy.salt().len(), SALT_BYTES);
        assert_ne!(decoy.salt(), ScramKeys::decoy(&[1; 32], "bert", 4096).salt());
        assert_ne!(decoy.salt(), ScramKeys::decoy(&[2; 32], "anna", 4096).salt());
    }

    #[test]
    fn keys_never_show_in_debug_output() {
        let keys = ScramKeys::new(*b"saltsalt", 4096, [65; 32], [66; 32]);
        assert_eq!(format!("{keys:?}"), "ScramKeys { iterations: 4096, .. }");
    }
}
