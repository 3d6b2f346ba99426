//! Accepting connections: within the limits, each in a task of its own, until told to stop.
//!
//! One task per session is what contains a panic: it ends that session, is logged, and nobody else notices.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};

use crate::{
    limits::{ConnectionLimits, ConnectionPermit, OverLimit},
    shutdown::Shutdown,
    transport::Peer,
};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// The pause after the system ran out of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Goodbyes to refused connections that may be under way at once, for one listener; more are just closed.
const REFUSALS_MAX: usize = 64;
/// How long one goodbye may take.
const REFUSAL_LIMIT: Duration = Duration::from_secs(5);

/// Listens on an address; port 0 lets the system choose. An IPv6 address takes IPv6 only, so that `0.0.0.0`
/// and `[::]` can stand side by side with the same port.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // The delay of small packets would cost every short answer. On Linux accepted connections have this from their listener.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts connections of a listener from [`bind`] and runs `handler` for each, until `shutdown`; then waits up to `drain`
/// for the sessions, which listen to the same [`Shutdown`] and say goodbye, and cuts those that are left.
///
/// `refused` gets connections beyond the limits, to answer in the protocol's own words; it has five seconds.
pub async fn serve_listener<H, HF, R, RF>(
    listener: TcpListener,
    limits: Arc<ConnectionLimits>,
    mut shutdown: Shutdown,
    drain: Duration,
    handler: H,
    refused: R,
) where
    H: Fn(TcpStream, Peer, ConnectionPermit) -> HF + Send + Sync,
    HF: Future<Output = ()> + Send + 'static,
    R: Fn(TcpStream, Peer, OverLimit) -> RF + Send + Sync,
    RF: Future<Output = ()> + Send + 'static,
{
    let mut sessions = JoinSet::new();
    let mut refusals = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = shutdown.requested() => break,
            Some(ended) = sessions.join_next(), if !sessions.is_empty() => report(ended),
            Some(ended) = refusals.join_next(), if !refusals.is_empty() => report(ended),
            accepted = listener.accept() => match accepted.and_then(prepare) {
                Ok((stream, peer)) => match limits.acquire(peer.address()) {
                    Ok(permit) => {
                        sessions.spawn(handler(stream, peer, permit));
                    }
                    Err(over) => {
                        tracing::warn!(client = %peer.remote, "refused: {over}");
                        if refusals.len() < REFUSALS_MAX {
                            let goodbye = refused(stream, peer, over);
                            refusals.spawn(async move {
                                let _ = timeout(REFUSAL_LIMIT, goodbye).await;
                            });
                        }
                    }
                },
                Err(error) => pause_after(&error).await,
            },
        }
    }
    drop(listener);
    let finish = async {
        while let Some(ended) = sessions.join_next().await {
            report(ended);
        }
    };
    if timeout(drain, finish).await.is_err() {
        tracing::warn!(sessions = sessions.len(), "cut sessions that did not end in time");
        sessions.shutdown().await;
    }
}

/// Reads both addresses, and turns off the delay of small packets where [`bind`] could not do it for all.
fn prepare((stream, remote): (TcpStream, SocketAddr)) -> io::Result<(TcpStream, Peer)> {
    let local = stream.local_addr()?;
    if !cfg!(target_os = "linux") {
        stream.set_nodelay(true)?;
    }
    Ok((stream, Peer { remote, local }))
}

/// Waits where trying again at once would only burn the processor: out of descriptors, buffers or memory.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, InvalidInput, NotConnected};
    // The client was gone before we came to it; `InvalidInput` is how some systems say so to setsockopt.
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | InvalidInput | NotConnected) {
        return;
    }
    tracing::warn!("cannot accept connections for a moment: {error}");
    sleep(ACCEPT_PAUSE).await;
}

/// Logs a session that panicked.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a session panicked and was ended: {error}");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::{limits::ConnectionLimitOptions, shutdown::shutdown_channel};

    /// A server that sends each client one line, obeys `panic` and `wait`, and else ends.
    async fn session(mut stream: TcpStream, mut shutdown: Shutdown, permit: ConnectionPermit) {
        let _permit = permit;
        stream.write_all(b"hello\n").await.unwrap();
        let mut order = [0; 1];
        tokio::select! {
            read = stream.read_exact(&mut order) => { read.unwrap(); }
            () = shutdown.requested() => { stream.write_all(b"bye\n").await.unwrap(); return; }
        }
        match order {
            [b'p'] => panic!("told to"),
            [b'w'] => std::future::pending().await,
            _ => {}
        }
    }

    struct Server {
        address: SocketAddr,
        trigger: crate::ShutdownTrigger,
        task: tokio::task::JoinHandle<()>,
        limits: Arc<ConnectionLimits>,
    }

    fn start(connections_max: usize, drain: Duration) -> Server {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let options = ConnectionLimitOptions { connections_max, ..Default::default() };
        let limits = ConnectionLimits::new(options);
        let (trigger, shutdown) = shutdown_channel();
        let for_sessions = shutdown.clone();
        let handler = move |stream, _, permit| session(stream, for_sessions.clone(), permit);
        let refused = |mut stream: TcpStream, _, over: OverLimit| async move {
            stream.write_all(over.to_string().as_bytes()).await.unwrap();
        };
        let task = tokio::spawn(serve_listener(listener, Arc::clone(&limits), shutdown, drain, handler, refused));
        Server { address, trigger, task, limits }
    }

    async fn connect(server: &Server) -> TcpStream {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let mut greeting = [0; 6];
        stream.read_exact(&mut greeting).await.unwrap();
        assert_eq!(&greeting, b"hello\n");
        stream
    }

    async fn rest(mut stream: TcpStream) -> String {
        let mut text = String::new();
        // A cut connection may end in a reset.
        let _ = stream.read_to_string(&mut text).await;
        text
    }

    #[tokio::test]
    async fn a_panic_ends_one_session_only_and_frees_its_place() {
        let server = start(10, Duration::from_secs(5));
        let other = connect(&server).await;
        let mut bad = connect(&server).await;
        bad.write_all(b"p").await.unwrap();
        assert_eq!(rest(bad).await, "");
        connect(&server).await.write_all(b"q").await.unwrap();
        server.trigger.request();
        assert_eq!(rest(other).await, "bye\n");
        server.task.await.unwrap();
        assert_eq!(server.limits.open(), 0);
    }

    #[tokio::test]
    async fn a_client_beyond_the_limit_is_told_why() {
        let server = start(1, Duration::from_secs(5));
        let _held = connect(&server).await;
        let refused = TcpStream::connect(server.address).await.unwrap();
        assert_eq!(rest(refused).await, "too many connections");
    }

    #[tokio::test]
    async fn a_session_that_does_not_end_is_cut_after_the_drain_time() {
        let server = start(10, Duration::from_millis(20));
        let mut stubborn = connect(&server).await;
        stubborn.write_all(b"w").await.unwrap();
        // The order has arrived once the session stops reacting; both outcomes end the server in time.
        server.trigger.request();
        server.task.await.unwrap();
        assert!(TcpStream::connect(server.address).await.is_err());
    }

    #[tokio::test]
    async fn small_packets_are_not_delayed() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.and_then(prepare).unwrap();
        assert!(stream.nodelay().unwrap());
    }

    #[tokio::test]
    async fn both_wildcard_addresses_share_a_port() {
        let four = bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let port = four.local_addr().unwrap().port();
        // A machine without IPv6 has nothing to share.
        if let Err(error) = bind(SocketAddr::new("::".parse().unwrap(), port)) {
            assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}");
        }
    }
}
