//! How many connections there may be: in all, from one address, and how many new ones in a minute.
//!
//! One set of limits is shared by all listeners. An IPv6 client commands a whole /64, so that is its address here.
//! Login attempts are not counted here: only `accounts` knows what a failed login is.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Bounds on connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimitOptions {
    /// Open connections in all.
    pub connections_max: usize,
    /// Open connections from one IPv4 address or one IPv6 /64.
    pub connections_per_address_max: usize,
    /// New connections in one minute from one IPv4 address or one IPv6 /64; short bursts up to this number pass.
    pub connections_per_address_and_minute_max: u32,
    /// Whether clients on this machine are held only to the bound on all connections. A web mail program in front
    /// brings all its users from one address.
    pub loopback_exempt: bool,
}

impl Default for ConnectionLimitOptions {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            connections_per_address_max: 100,
            connections_per_address_and_minute_max: 300,
            loopback_exempt: true,
        }
    }
}

/// Which bound a refused connection would have broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverLimit {
    /// The server is full.
    #[error("too many connections")]
    Total,
    /// The client's address has too many open.
    #[error("too many connections from this address")]
    Address,
    /// The client's address opened too many in the last minute.
    #[error("too many new connections from this address")]
    Rate,
}

/// Counts open connections.
#[derive(Debug)]
pub struct ConnectionLimits {
    options: ConnectionLimitOptions,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    open: usize,
    addresses: HashMap<IpAddr, AddressState>,
    /// The number of addresses at which quiet ones are next swept out.
    sweep_at: usize,
}

#[derive(Debug)]
struct AddressState {
    open: usize,
    /// New connections that may still come, in thousandths; refilled as time passes.
    tokens: u64,
    refilled: Instant,
}

/// Addresses remembered before the first sweep.
const SWEEP_MIN: usize = 1024;

impl ConnectionLimits {
    /// Limits with nothing open yet.
    pub fn new(options: ConnectionLimitOptions) -> Arc<Self> {
        Arc::new(Self { options, table: Mutex::new(Table { sweep_at: SWEEP_MIN, ..Table::default() }) })
    }

    /// The number of open connections.
    pub fn open(&self) -> usize {
        self.lock().open
    }

    /// Counts a new connection from `address` until the permit is dropped, or says which bound forbids it.
    pub fn acquire(self: &Arc<Self>, address: IpAddr) -> Result<ConnectionPermit, OverLimit> {
        self.acquire_at(address, Instant::now())
    }

    fn acquire_at(self: &Arc<Self>, address: IpAddr, now: Instant) -> Result<ConnectionPermit, OverLimit> {
        let mut table = self.lock();
        if table.open >= self.options.connections_max {
            return Err(OverLimit::Total);
        }
        let counted = self.counted(address);
        if let Some(key) = counted {
            self.sweep(&mut table, now);
            let full = self.tokens_max();
            let state =
                table.addresses.entry(key).or_insert_with(|| AddressState { open: 0, tokens: full, refilled: now });
            if state.open >= self.options.connections_per_address_max {
                return Err(OverLimit::Address);
            }
            state.refill(now, full);
            state.tokens = state.tokens.checked_sub(TOKEN).ok_or(OverLimit::Rate)?;
            state.open += 1;
        }
        table.open += 1;
        Ok(ConnectionPermit { limits: Arc::clone(self), counted })
    }

    /// The address a connection is counted under, unless it is exempt.
    fn counted(&self, address: IpAddr) -> Option<IpAddr> {
        let address = address.to_canonical();
        if self.options.loopback_exempt && address.is_loopback() {
            return None;
        }
        Some(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        })
    }

    fn tokens_max(&self) -> u64 {
        u64::from(self.options.connections_per_address_and_minute_max) * TOKEN
    }

    /// Forgets addresses that have nothing open and their full rate back, when there are many.
    fn sweep(&self, table: &mut Table, now: Instant) {
        if table.addresses.len() < table.sweep_at {
            return;
        }
        let full = self.tokens_max();
        table.addresses.retain(|_, state| {
            state.refill(now, full);
            state.open > 0 || state.tokens < full
        });
        table.sweep_at = SWEEP_MIN.max(table.addresses.len() * 2);
    }

    fn release(&self, counted: Option<IpAddr>) {
        let mut table = self.lock();
        table.open = table.open.saturating_sub(1);
        if let Some(state) = counted.and_then(|key| table.addresses.get_mut(&key)) {
            state.open = state.open.saturating_sub(1);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        // Nothing panics while it holds the lock, and counts stay counts if it did.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection, in the unit of [`AddressState::tokens`].
const TOKEN: u64 = 1000;
/// The time in which all tokens come back.
const REFILL: Duration = Duration::from_secs(60);

impl AddressState {
    fn refill(&mut self, now: Instant, full: u64) {
        let passed = u64::try_from(now.saturating_duration_since(self.refilled).as_millis()).unwrap_or(u64::MAX);
        let gained = full.saturating_mul(passed) / (REFILL.as_secs() * 1000);
        // Less than a thousandth of a connection: leave the time to add up.
        if gained > 0 {
            self.tokens = self.tokens.saturating_add(gained).min(full);
            self.refilled = now;
        }
    }
}

/// The right to one open connection; dropping it gives the place back.
#[derive(Debug)]
pub struct ConnectionPermit {
    limits: Arc<ConnectionLimits>,
    counted: Option<IpAddr>,
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.limits.release(self.counted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(total: usize, address: usize, rate: u32) -> Arc<ConnectionLimits> {
        ConnectionLimits::new(ConnectionLimitOptions {
            connections_max: total,
            connections_per_address_max: address,
            connections_per_address_and_minute_max: rate,
            loopback_exempt: true,
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_total_is_bounded_and_a_dropped_permit_makes_room() {
        let limits = limits(2, 10, 100);
        let first = limits.acquire(ip("192.0.2.1")).unwrap();
        let _second = limits.acquire(ip("127.0.0.1")).unwrap();
        assert_eq!(limits.acquire(ip("192.0.2.3")).unwrap_err(), OverLimit::Total);
        drop(first);
        assert_eq!(limits.open(), 1);
        limits.acquire(ip("192.0.2.3")).unwrap();
    }

    #[test]
    fn an_ipv6_network_of_64_bits_counts_as_one_address() {
        let limits = limits(10, 1, 100);
        let _held = limits.acquire(ip("2001:db8:0:1::1")).unwrap();
        assert_eq!(limits.acquire(ip("2001:db8:0:1:ffff::9")).unwrap_err(), OverLimit::Address);
        limits.acquire(ip("2001:db8:0:2::1")).unwrap();
    }

    #[test]
    fn an_ipv4_address_mapped_into_ipv6_is_the_same_client() {
        let limits = limits(10, 1, 100);
        let _held = limits.acquire(ip("192.0.2.1")).unwrap();
        assert_eq!(limits.acquire(ip("::ffff:192.0.2.1")).unwrap_err(), OverLimit::Address);
        limits.acquire(ip("::ffff:192.0.2.2")).unwrap();
    }

    #[test]
    fn the_rate_comes_back_with_time() {
        let limits = limits(10, 10, 2);
        let start = Instant::now();
        limits.acquire_at(ip("192.0.2.1"), start).unwrap();
        limits.acquire_at(ip("192.0.2.1"), start).unwrap();
        assert_eq!(limits.acquire_at(ip("192.0.2.1"), start).unwrap_err(), OverLimit::Rate);
        let later = start + Duration::from_secs(30);
        limits.acquire_at(ip("192.0.2.1"), later).unwrap();
        assert_eq!(limits.acquire_at(ip("192.0.2.1"), later).unwrap_err(), OverLimit::Rate);
    }

    #[test]
    fn clients_on_this_machine_are_exempt_from_bounds_per_address() {
        let limits = limits(100, 1, 1);
        let held: Vec<_> = (0..50).map(|_| limits.acquire(ip("::1")).unwrap()).collect();
        assert_eq!(limits.open(), held.len());
    }

    #[test]
    fn quiet_addresses_are_forgotten() {
        let limits = limits(10, 10, 60);
        let start = Instant::now();
        for number in 0..5000_u32 {
            let address = IpAddr::V4(std::net::Ipv4Addr::from_bits(0xC000_0000 + number));
            limits.acquire_at(address, start + Duration::from_secs(u64::from(number))).unwrap();
        }
        assert!(limits.lock().addresses.len() <= SWEEP_MIN);
    }
}
