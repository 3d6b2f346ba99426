//! Who is in which maildrop, and when somebody was last.
//!
//! RFC 1939 §4 gives a session its maildrop alone. The lock is a guard: however a session ends, dropping it
//! lets the next one in.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use postrider_accounts::AccountId;

/// Logins that are remembered for LOGIN-DELAY before old ones are looked for and forgotten.
const LOGINS_KEPT: usize = 10_000;

/// Why a maildrop cannot be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Another session is in it.
    InUse,
    /// The last login was too short a time ago.
    TooSoon,
}

#[derive(Debug, Default)]
struct State {
    occupied: HashSet<AccountId>,
    /// When somebody last entered, seconds since 1970, and the delay that held then.
    logins: HashMap<AccountId, (i64, u32)>,
}

/// All maildrops' occupants.
#[derive(Debug, Clone, Default)]
pub(crate) struct Occupancy(Arc<Mutex<State>>);

/// The right to be in a maildrop; given back when dropped.
#[derive(Debug)]
pub(crate) struct Occupant {
    account: AccountId,
    occupancy: Occupancy,
}

impl Occupancy {
    /// Enters a maildrop, unless somebody is in it, or the last login was less than `delay_seconds` ago.
    pub(crate) fn enter(&self, account: AccountId, now: i64, delay_seconds: u32) -> Result<Occupant, Refused> {
        let mut state = self.lock();
        let last = state.logins.get(&account).map(|(when, _)| *when);
        // A clock that was set back must not lock anybody out.
        if last.is_some_and(|last| (0..i64::from(delay_seconds)).contains(&now.saturating_sub(last))) {
            return Err(Refused::TooSoon);
        }
        if !state.occupied.insert(account) {
            return Err(Refused::InUse);
        }
        if delay_seconds > 0 {
            if state.logins.len() >= LOGINS_KEPT {
                state.logins.retain(|_, (when, delay)| (0..i64::from(*delay)).contains(&now.saturating_sub(*when)));
            }
            state.logins.insert(account, (now, delay_seconds));
        }
        Ok(Occupant { account, occupancy: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is a single step, so the state is whole even after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Occupant {
    fn drop(&mut self) {
        self.occupancy.lock().occupied.remove(&self.account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: AccountId = AccountId(7);

    #[test]
    fn a_maildrop_has_one_occupant_at_a_time() {
        let occupancy = Occupancy::default();
        let occupant = occupancy.enter(ACCOUNT, 0, 0).expect("nobody is there");
        assert_eq!(occupancy.enter(ACCOUNT, 0, 0).err(), Some(Refused::InUse));
        assert!(occupancy.enter(AccountId(8), 0, 0).is_ok(), "another account is another matter");
        drop(occupant);
        assert!(occupancy.enter(ACCOUNT, 0, 0).is_ok());
    }

    #[test]
    fn the_delay_counts_from_the_last_login() {
        let occupancy = Occupancy::default();
        drop(occupancy.enter(ACCOUNT, 1000, 60));
        assert_eq!(occupancy.enter(ACCOUNT, 1059, 60).err(), Some(Refused::TooSoon));
        assert_eq!(occupancy.enter(ACCOUNT, 1000, 60).err(), Some(Refused::TooSoon));
        assert!(occupancy.enter(ACCOUNT, 1060, 60).is_ok());
        assert!(occupancy.enter(ACCOUNT, 900, 60).is_ok(), "a clock that was set back locks nobody out");
    }
}
