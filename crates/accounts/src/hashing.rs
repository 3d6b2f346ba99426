//! The slow hashes: Argon2id for passwords, and SCRAM's key derivation.
//!
//! They run on the runtime's blocking threads, at most as many at a time as there are cores for them, so that a storm
//! of logins takes neither the memory nor the time of the connections that are already there.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use postrider_sasl::{Password, ScramKeys};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task,
};

use crate::{
    AccountsError, AccountsOptions,
    record::{PasswordRecord, ScramRecord},
};

/// The salt of work that is done for nobody.
const DECOY_SALT: &[u8; 16] = b"nobody is behind";

/// Hashes and verifies passwords.
pub(crate) struct Hasher {
    argon2: Argon2<'static>,
    /// The iterations of new SCRAM keys; none are made where no SCRAM mechanism is offered.
    scram_iterations: Option<u32>,
    turns: Arc<Semaphore>,
}

/// The right to compute one hash.
pub(crate) struct Turn(OwnedSemaphorePermit);

impl Hasher {
    pub(crate) fn new(options: &AccountsOptions) -> Result<Self, AccountsError> {
        let hashing = &options.hashing;
        let params = Params::new(hashing.memory_kibibytes, hashing.passes, hashing.lanes, None).map_err(failure)?;
        let scram = options.mechanisms.iter().any(|mechanism| !mechanism.reveals_password());
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
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
            let hash = argon2.hash_password(password.prepared().as_bytes()).map_err(failure)?;
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
                Some(stored) => {
                    let stored = PasswordHash::new(&stored).map_err(failure)?;
                    Ok(argon2.verify_password(prepared.as_bytes(), &stored).is_ok())
                }
                None => {
                    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
                    argon2.hash_password_into(prepared.as_bytes(), DECOY_SALT, &mut output).map_err(failure)?;
                    Ok(false)
                }
            }
        })
        .await
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
