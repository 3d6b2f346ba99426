//! A TCP proxy that misbehaves on demand: it cuts a connection after so many bytes of the server's, or holds it there
//! until the test says go on.
//!
//! What happens "in the middle of a run" must happen there on every machine. So a test does not sleep and hope: it lets
//! the proxy hold the connection after a number of bytes, waits until that has happened, does what it wants to do, and lets
//! go. The client keeps talking to one port, whatever becomes of the server behind it.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for a connection to come to its bound.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Bytes that are passed on at once.
const BLOCK_BYTES: usize = 1 << 16;

/// What becomes of the server's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Pass,
    /// Each connection is cut after so many bytes.
    Cut(u64),
    /// All connections together get so many bytes, and no more until another rule is set.
    Hold(u64),
}

#[derive(Debug)]
struct State {
    rule: Rule,
    /// Bytes passed on since the rule was set, of all connections.
    since_rule: u64,
    from_server: u64,
    from_client: u64,
    connections: u64,
    /// Connections that are held now.
    held: usize,
    /// Digits that follow on this are told falsely.
    false_after: Vec<u8>,
}

/// What the threads of a proxy share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// A proxy before one port of 127.0.0.1; it goes with the process.
#[derive(Debug, Clone)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Listens on a port of its own and passes connections on to `to`.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start(to: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State {
            rule: Rule::Pass,
            since_rule: 0,
            from_server: 0,
            from_client: 0,
            connections: 0,
            held: 0,
            false_after: Vec::new(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                thread::spawn(move || shared.serve(client, to));
            }
        });
        Self { port, shared }
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Passes everything on, what is held, too.
    pub fn pass(&self) {
        self.set(Rule::Pass);
    }

    /// Cuts each connection, in both directions, after so many bytes of the server's.
    pub fn cut_after(&self, bytes: u64) {
        self.set(Rule::Cut(bytes));
    }

    /// Holds all connections, neither cut nor served, when so many more bytes have come from the server.
    pub fn hold_after(&self, bytes: u64) {
        self.set(Rule::Hold(bytes));
    }

    /// Lets connections that begin from now on tell numbers falsely: of each that follows on `marker`, as on
    /// `RFC822.SIZE `, every digit becomes what is missing to nine. Nothing else changes, no length either.
    pub fn tell_falsely(&self, marker: &str) {
        self.shared.lock().false_after = marker.as_bytes().to_vec();
    }

    /// Waits until a connection is held; false when `ended` says first that there will be none.
    ///
    /// # Panics
    /// When neither happens in a minute.
    #[must_use]
    pub fn wait_until_held(&self, mut ended: impl FnMut() -> bool) -> bool {
        let end = Instant::now() + WAIT_MAX;
        let mut state = self.shared.lock();
        while state.held == 0 {
            if ended() {
                return false;
            }
            assert!(Instant::now() < end, "no connection came to its bound: {state:?}");
            state = self.shared.changed.wait_timeout(state, Duration::from_millis(5)).unwrap().0;
        }
        true
    }

    /// Bytes that the server sent through it so far.
    #[must_use]
    pub fn bytes_from_server(&self) -> u64 {
        self.shared.lock().from_server
    }

    /// Bytes that clients sent through it so far.
    #[must_use]
    pub fn bytes_from_client(&self) -> u64 {
        self.shared.lock().from_client
    }

    /// Connections so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.lock().connections
    }

    fn set(&self, rule: Rule) {
        let mut state = self.shared.lock();
        state.rule = rule;
        state.since_rule = 0;
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve(self: Arc<Self>, client: TcpStream, to: u16) {
        self.lock().connections += 1;
        // A server that is down: the client sees its connection closed.
        let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (Ok(from_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else { return };
        let upwards = Arc::clone(&self);
        thread::spawn(move || {
            let _ = upwards.pass_up(&from_client, &to_server);
            let _ = to_server.shutdown(Shutdown::Write);
        });
        let _ = self.pass_down(&server, &client);
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    }

    fn pass_up(&self, mut client: &TcpStream, mut server: &TcpStream) -> io::Result<()> {
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            let count = client.read(&mut block)?;
            if count == 0 {
                return Ok(());
            }
            self.lock().from_client += count as u64;
            server.write_all(&block[..count])?;
        }
    }

    fn pass_down(&self, mut server: &TcpStream, mut client: &TcpStream) -> io::Result<()> {
        let mut block = vec![0; BLOCK_BYTES];
        let mut passed = 0_u64;
        let mut falsifier = Falsifier { marker: self.lock().false_after.clone(), matched: 0 };
        loop {
            let count = server.read(&mut block)?;
            falsifier.go_over(&mut block[..count]);
            let mut rest = &block[..count];
            if rest.is_empty() {
                return Ok(());
            }
            while !rest.is_empty() {
                let Some(room) = self.room(rest.len() as u64, passed) else { return Ok(()) };
                let (now, later) = rest.split_at(usize::try_from(room).unwrap());
                client.write_all(now)?;
                passed += room;
                rest = later;
            }
        }
    }

    /// How many of `wanted` bytes may go on now, at least one; waits while the connection is held; `None` when it is to be
    /// cut.
    fn room(&self, wanted: u64, passed: u64) -> Option<u64> {
        let mut state = self.lock();
        let room = loop {
            let room = match state.rule {
                Rule::Pass => wanted,
                Rule::Cut(bytes) if passed >= bytes => return None,
                Rule::Cut(bytes) => wanted.min(bytes - passed),
                Rule::Hold(bytes) => wanted.min(bytes.saturating_sub(state.since_rule)),
            };
            if room > 0 {
                break room;
            }
            state.held += 1;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap();
            state.held -= 1;
        };
        state.since_rule += room;
        state.from_server += room;
        Some(room)
    }
}

/// Where in the marker a connection is. The marker's first byte must not come again within it.
#[derive(Debug)]
struct Falsifier {
    marker: Vec<u8>,
    matched: usize,
}

impl Falsifier {
    fn go_over(&mut self, bytes: &mut [u8]) {
        if self.marker.is_empty() {
            return;
        }
        for byte in bytes {
            if self.matched == self.marker.len() {
                if byte.is_ascii_digit() {
                    *byte = b'0' + b'9' - *byte;
                    continue;
                }
                self.matched = 0;
            }
            let follows = self.marker[self.matched] == *byte;
            self.matched = if follows { self.matched + 1 } else { usize::from(self.marker[0] == *byte) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that greets every client with the same bytes and closes.
    fn greeter(greeting: &'static [u8]) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let _ = client.write_all(greeting);
            }
        });
        port
    }

    fn received(mut stream: TcpStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        bytes
    }

    #[test]
    fn a_connection_is_cut_at_the_byte() {
        let proxy = Proxy::start(greeter(b"0123456789"));
        let connect = || TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        assert_eq!(received(connect()), b"0123456789");
        proxy.cut_after(4);
        assert_eq!(received(connect()), b"0123");
        assert_eq!(received(connect()), b"0123");
        assert_eq!((proxy.bytes_from_server(), proxy.connections()), (18, 3));
    }

    #[test]
    fn numbers_are_told_falsely() {
        let proxy = Proxy::start(greeter(b"SIZE 190 SISIZE 2) SIZE x 7"));
        proxy.tell_falsely("SIZE ");
        let client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        assert_eq!(received(client), b"SIZE 809 SISIZE 7) SIZE x 7");
    }

    #[test]
    fn a_connection_is_held_and_let_go() {
        let proxy = Proxy::start(greeter(b"0123456789"));
        proxy.hold_after(4);
        let client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        assert!(proxy.wait_until_held(|| false));
        assert_eq!(proxy.bytes_from_server(), 4);
        proxy.pass();
        assert_eq!(received(client), b"0123456789");
    }
}
