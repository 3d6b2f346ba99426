//! Slowing down those who guess passwords, without locking out those who know them.
//!
//! Three counts of failures, each forgiven one by one as time passes:
//!
//! - by network (an IPv4 address, or the /64 of an IPv6 address): answers to failures come later and later, and past
//!   a limit the network is refused unheard. This stops one machine that tries many passwords or many accounts.
//! - by account: past a number of failures, strangers to the account wait before they are heard. This slows
//!   many machines that try one account. It never refuses: that would hand everybody a way to lock out an owner.
//! - by account and network, once a login from there has succeeded: such a visitor is no stranger, is subject to
//!   this count alone, and so feels nothing of what others do, from elsewhere or from the same network.
//!
//! A success clears only the last count: whoever owns one account could otherwise clear a network's count at will
//! while guessing at another. A wrong password that is repeated counts once, since a program with an outdated
//! password is no guesser. Everything is in memory and bounded; a restart forgives everybody.

use std::{
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use postrider_sasl::Password;
use tokio::time::Instant;

use crate::{AccountId, AccountsError, ThrottleOptions, recent::RecentMap};

/// How many different wrong passwords are remembered for each count, to tell repetitions.
const REPEATED_MAX: usize = 4;

/// Where a visitor comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Network {
    V4(u32),
    /// The upper half of an address: one site's smallest network, within which addresses cost nothing.
    V6(u64),
}

/// Who tries to log in, as far as throttling is concerned.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    network: Network,
    name: [u8; 32],
    account: Option<AccountId>,
}

/// A wrong password's mark, to recognise it again.
pub(crate) type Mark = u64;

/// The counts.
pub(crate) struct Throttle {
    options: ThrottleOptions,
    key: [u8; 32],
    counts: Mutex<Counts>,
}

struct Counts {
    networks: RecentMap<Network, Failures>,
    accounts: RecentMap<[u8; 32], Failures>,
    known: RecentMap<(AccountId, Network), Known>,
}

struct Known {
    until: Instant,
    failures: Failures,
}

struct Failures {
    count: u32,
    /// Up to when time has been turned into forgiveness.
    since: Instant,
    /// The marks of the last wrong passwords, the newest last.
    marks: Vec<Mark>,
}

impl Visitor {
    /// `account` is the account of that name, where there is one.
    pub(crate) fn new(address: IpAddr, name: &str, account: Option<AccountId>) -> Self {
        let network = match address.to_canonical() {
            IpAddr::V4(address) => Network::V4(address.to_bits()),
            IpAddr::V6(address) => Network::V6((address.to_bits() >> 64) as u64),
        };
        Self { network, name: blake3::hash(name.as_bytes()).into(), account }
    }
}

impl Throttle {
    pub(crate) fn new(options: ThrottleOptions) -> Result<Self, AccountsError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| AccountsError::Random(error.to_string()))?;
        let counts = Counts {
            networks: RecentMap::new(options.entries_max),
            accounts: RecentMap::new(options.entries_max),
            known: RecentMap::new(options.entries_max),
        };
        Ok(Self { options, key, counts: Mutex::new(counts) })
    }

    /// How long to wait before hearing the visitor; the error is how long to stay away instead.
    pub(crate) fn admit(&self, visitor: &Visitor) -> Result<Duration, Duration> {
        let now = Instant::now();
        let mut counts = self.counts();
        if let Some(known) = counts.known(visitor, now) {
            self.refuse(&mut known.failures, now)?;
            return Ok(Duration::ZERO);
        }
        if let Some(failures) = counts.networks.get_mut(&visitor.network) {
            self.refuse(failures, now)?;
        }
        let failures = counts.accounts.get_mut(&visitor.name).map_or(0, |failures| self.current(failures, now));
        Ok(self.delay(failures.saturating_sub(self.options.account_failures_free)))
    }

    /// Counts a failure; returns how long to wait before answering.
    pub(crate) fn failed(&self, visitor: &Visitor, mark: Option<Mark>) -> Duration {
        let now = Instant::now();
        let mut counts = self.counts();
        if let Some(known) = counts.known(visitor, now) {
            return self.delay(self.count(&mut known.failures, now, mark));
        }
        let by_account = counts.accounts.get_or_insert_with(visitor.name, || Failures::none(now));
        self.count(by_account, now, mark);
        let by_network = counts.networks.get_or_insert_with(visitor.network, || Failures::none(now));
        self.delay(self.count(by_network, now, mark))
    }

    /// The visitor is no stranger to the account from now on.
    pub(crate) fn succeeded(&self, visitor: &Visitor) {
        let now = Instant::now();
        if let (Some(account), Some(until)) = (visitor.account, now.checked_add(self.options.known_for)) {
            let known = Known { until, failures: Failures::none(now) };
            self.counts().known.insert((account, visitor.network), known);
        }
    }

    /// The mark of a password tried by a visitor.
    pub(crate) fn mark(&self, visitor: &Visitor, password: &Password) -> Mark {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&visitor.name);
        hasher.update(password.expose().as_bytes());
        let mut mark = [0; 8];
        hasher.finalize_xof().fill(&mut mark);
        Mark::from_le_bytes(mark)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse(&self, failures: &mut Failures, now: Instant) -> Result<(), Duration> {
        if self.current(failures, now) < self.options.address_failures_max {
            return Ok(());
        }
        Err(self.options.forgiven_after.saturating_sub(now.saturating_duration_since(failures.since)))
    }

    /// The failures that time has not forgiven.
    fn current(&self, failures: &mut Failures, now: Instant) -> u32 {
        let elapsed = now.saturating_duration_since(failures.since).as_nanos();
        let after = self.options.forgiven_after.as_nanos();
        let forgiven =
            elapsed.checked_div(after).map_or(u32::MAX, |forgiven| u32::try_from(forgiven).unwrap_or(u32::MAX));
        failures.count = failures.count.saturating_sub(forgiven);
        if failures.count == 0 {
            *failures = Failures::none(now);
        } else {
            failures.since += self.options.forgiven_after.saturating_mul(forgiven);
        }
        failures.count
    }

    fn count(&self, failures: &mut Failures, now: Instant, mark: Option<Mark>) -> u32 {
        self.current(failures, now);
        if mark.is_some_and(|mark| failures.marks.contains(&mark)) {
            return failures.count.max(1);
        }
        if let Some(mark) = mark {
            if failures.marks.len() >= REPEATED_MAX {
                failures.marks.remove(0);
            }
            failures.marks.push(mark);
        }
        failures.count = failures.count.saturating_add(1).min(self.options.address_failures_max.max(1));
        failures.count
    }

    fn delay(&self, failures: u32) -> Duration {
        match failures.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => {
                let factor = 2_u32.saturating_pow(doublings);
                self.options.delay_first.saturating_mul(factor).min(self.options.delay_max)
            }
        }
    }
}

impl Counts {
    fn known(&mut self, visitor: &Visitor, now: Instant) -> Option<&mut Known> {
        let pair = (visitor.account?, visitor.network);
        self.known.get_mut(&pair).filter(|known| now < known.until)
    }
}

impl Failures {
    fn none(now: Instant) -> Self {
        Self { count: 0, since: now, marks: Vec::new() }
    }
}
