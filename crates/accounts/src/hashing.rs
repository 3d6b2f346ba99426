//! The slow hashes: Argon2id for passwords, and SCRAM's key derivation.
//!
//! They run on the runtime's blocking threads, at most as many at a time as there are cores for them, so that a storm
//! of logins takes neither the memory nor the time of the connections that are already there.

mod memory;

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use postrider_sasl::{Password, ScramKeys};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task,
};

use self::memory::Memory;
use crate::{
    AccountsError, AccountsOptions,
    record::{PasswordRecord, ScramRecord},
};

/// The salt of work that is done for nobody.
const DECOY_SALT: &[u8; 16] = b"nobody is behind";

/// Hashes and verifies passwords.
pub(crate) struct Hasher {
    argon2: Argon2Memory,
    /// The iterations of new SCRAM keys; none are made where no SCRAM mechanism is offered.
    scram_iterations: Option<u32>,
    turns: Arc<Semaphore>,
}

/// The right to compute one hash.
pub(crate) struct Turn(OwnedSemaphorePermit);

/// Argon2 as configured, and what it computes in.
#[derive(Clone)]
struct Argon2Memory {
    params: Params,
    memory: Arc<Memory>,
}

impl Hasher {
    pub(crate) fn new(options: &AccountsOptions) -> Result<Self, AccountsError> {
        let hashing = &options.hashing;
        let params = Params::new(hashing.memory_kibibytes, hashing.passes, hashing.lanes, None).map_err(failure)?;
        let scram = options.mechanisms.iter().any(|mechanism| !mechanism.reveals_password());
        Ok(Self {
            argon2: Argon2Memory { memory: Memory::new(params.block_count()), params },
            scram_iterations: scram.then_some(hashing.scram_iterations),
            turns: Arc::new(Semaphore::new(hashing.concurrency_max.clamp(1, Semaphore::MAX_PERMITS))),
        })
    }

    /// Waits for the right to compute.
    pub(crate) async fn turn(&self) -> Result<Turn, AccountsError> {
        let permit = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| AccountsError::Interrupted)?;
        Ok(Turn(permit))
    }

    /// What is kept of a new password.
    pub(crate) async fn hash(&self, password: &Password) -> Result<PasswordRecord, AccountsError> {
        let turn = self.turn().await?;
        let (argon2, scram_iterations, password) = (self.argon2.clone(), self.scram_iterations, password.clone());
        compute(turn, move || {
            let hash = argon2.hash(password.prepared().as_bytes())?;
            let keys = scram_iterations.map(|iterations| ScramKeys::generate(&password, iterations)).transpose();
            let keys = keys.map_err(|error| AccountsError::Random(error.to_string()))?;
            Ok(PasswordRecord { argon2: hash.to_string(), scram: keys.as_ref().map(ScramRecord::from) })
        })
        .await
    }

    /// Whether the password is the one behind `stored`. Without a stored hash the answer is no, after the same work.
    pub(crate) async fn verify(
        &self,
        turn: Turn,
        password: &Password,
        stored: Option<String>,
    ) -> Result<bool, AccountsError> {
        let (argon2, password) = (self.argon2.clone(), password.clone());
        compute(turn, move || {
            let prepared = password.prepared();
            match stored {
                Some(stored) => argon2.verify(prepared.as_bytes(), &PasswordHash::new(&stored).map_err(failure)?),
                None => {
                    let params = argon2.params.clone();
                    argon2.compute(Algorithm::Argon2id, Version::V0x13, params, prepared.as_bytes(), DECOY_SALT)?;
                    Ok(false)
                }
            }
        })
        .await
    }
}

impl Argon2Memory {
    /// Hashes a new password with a salt of its own.
    fn hash(&self, password: &[u8]) -> Result<PasswordHash, AccountsError> {
        let mut salt = [0; Salt::RECOMMENDED_LENGTH];
        getrandom::fill(&mut salt).map_err(|error| AccountsError::Random(error.to_string()))?;
        let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
        let output = self.compute(algorithm, version, self.params.clone(), password, &salt)?;
        Ok(PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: ParamsString::try_from(&self.params).map_err(failure)?,
            salt: Some(Salt::new(&salt).map_err(failure)?),
            hash: Some(output),
        })
    }

    /// Whether the password is the one behind a hash, which says itself how it was computed: it may be older than the
    /// configuration.
    fn verify(&self, password: &[u8], stored: &PasswordHash) -> Result<bool, AccountsError> {
        let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else { return Ok(false) };
        let algorithm = Algorithm::try_from(stored.algorithm.as_str()).map_err(failure)?;
        let version = stored.version.map_or(Ok(Version::default()), Version::try_from).map_err(failure)?;
        let params = Params::try_from(stored).map_err(failure)?;
        let output = self.compute(algorithm, version, params, password, salt)?;
        // `Output` compares in constant time.
        Ok(output == *expected)
    }

    /// Computes one hash.
    fn compute(
        &self,
        algorithm: Algorithm,
        version: Version,
        params: Params,
        password: &[u8],
        salt: &[u8],
    ) -> Result<Output, AccountsError> {
        let mut output = [0; Output::MAX_LENGTH];
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let output = output.get_mut(..length).ok_or_else(|| failure("the hash is too long"))?;
        let blocks = params.block_count();
        let argon2 = Argon2::new(algorithm, version, params);
        let computed =
            self.memory.lend(blocks, |memory| argon2.hash_password_into_with_memory(password, salt, output, memory))?;
        computed.map_err(failure)?;
        Output::new(output).map_err(failure)
    }
}

/// Runs a computation on a blocking thread. The turn ends with the computation, also when its caller goes away.
async fn compute<T: Send + 'static>(
    turn: Turn,
    work: impl FnOnce() -> Result<T, AccountsError> + Send + 'static,
) -> Result<T, AccountsError> {
    let joined = task::spawn_blocking(move || {
        let result = work();
        drop(turn.0);
        result
    });
    joined.await.map_err(|_| AccountsError::Interrupted)?
}

fn failure(error: impl std::fmt::Display) -> AccountsError {
    AccountsError::Hashing(error.to_string())
}

#[cfg(test)]
mod tests {
    use argon2::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;

    fn argon2(memory_kibibytes: u32, passes: u32) -> Argon2Memory {
        let params = Params::new(memory_kibibytes, passes, 1, None).unwrap();
        Argon2Memory { memory: Memory::new(params.block_count()), params }
    }

    #[tokio::test]
    async fn hashes_are_those_of_argon2_and_verified_with_their_own_parameters() {
        let ours = argon2(8, 1).hash(b"secret").unwrap();
        assert!(ours.to_string().starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{ours}");
        Argon2::default().verify_password(b"secret", &ours).unwrap();
        let other = argon2(32, 3);
        assert!(other.verify(b"secret", &ours).unwrap());
        assert!(!other.verify(b"Secret", &ours).unwrap());
        assert_ne!(argon2(8, 1).hash(b"secret").unwrap().hash, ours.hash, "salts differ");
    }

    #[tokio::test]
    async fn hashes_of_every_algorithm_version_and_length_are_verified() {
        let verifier = argon2(8, 1);
        for algorithm in [Algorithm::Argon2d, Algorithm::Argon2i, Algorithm::Argon2id] {
            for version in [Version::V0x10, Version::V0x13] {
                for length in [16, 32, 64] {
                    let params = Params::new(16, 2, 2, Some(length)).unwrap();
                    let hash = Argon2::new(algorithm, version, params).hash_password(b"secret").unwrap();
                    assert!(verifier.verify(b"secret", &hash).unwrap(), "{hash}");
                    assert!(!verifier.verify(b"secres", &hash).unwrap(), "{hash}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_buffer_that_was_used_before_changes_no_hash() {
        let verifier = argon2(16, 1);
        let hashes: Vec<_> = [b"one", b"two"].iter().map(|password| verifier.hash(*password).unwrap()).collect();
        for (password, hash) in [b"one", b"two"].iter().zip(&hashes) {
            assert!(verifier.verify(*password, hash).unwrap());
            assert!(!verifier.verify(b"six", hash).unwrap());
        }
    }
}
