//! No more octets in a second than was said: a token bucket over the stream, both directions in one.
//!
//! It lies below TLS, so what is counted is what goes over the wire. Connections that share a [`Pace`] share its rate: those of one
//! run, one after the other or side by side. Octets are counted when they have passed, so the bucket may fall below
//! nothing for a moment and whoever comes next waits the longer; over time the rate holds. Where nothing is read, the
//! system's buffers fill and the server has to wait, which is how TCP hands the rate on to it.
//!
//! The bucket itself knows no clock: moments are arguments.

use std::{
    io,
    num::NonZeroU64,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// How much may pass at once after a pause, as a part of what may pass in a second: a quarter.
const BURST_PARTS: u64 = 4;
/// The least that may pass at once, in bytes, so that a small rate does not cut the stream to crumbs.
const BURST_BYTES_MIN: u64 = 512;

/// A rate, shared by all connections that were given it.
#[derive(Debug, Clone)]
pub struct Pace(Arc<Mutex<Bucket>>);

/// The bucket: its level is in bytes.
#[derive(Debug)]
struct Bucket {
    bytes_per_second: f64,
    bytes_max: f64,
    level: f64,
    filled: Option<Instant>,
}

/// What may be done now.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Grant {
    /// So many bytes may pass.
    Bytes(usize),
    /// Nothing may pass before so much time has.
    After(Duration),
}

impl Pace {
    /// So many bytes in a second, sent and received together.
    pub fn new(bytes_per_second: NonZeroU64) -> Self {
        Self(Arc::new(Mutex::new(Bucket::new(bytes_per_second.get()))))
    }

    /// A bucket is sound at every moment, also after a panic elsewhere.
    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    fn new(bytes_per_second: u64) -> Self {
        let bytes_max = (bytes_per_second / BURST_PARTS).max(BURST_BYTES_MIN) as f64;
        Self { bytes_per_second: bytes_per_second.max(1) as f64, bytes_max, level: bytes_max, filled: None }
    }

    /// What may pass at this moment.
    fn grant(&mut self, now: Instant) -> Grant {
        let passed = self.filled.map_or(Duration::ZERO, |filled| now.saturating_duration_since(filled));
        self.filled = Some(now);
        self.level = (self.level + passed.as_secs_f64() * self.bytes_per_second).min(self.bytes_max);
        if self.level >= 1.0 {
            return Grant::Bytes(self.level as usize);
        }
        // Not one byte at a time: until an eighth of the bucket is full.
        let missing = (self.bytes_max / 8.0).max(1.0) - self.level;
        Grant::After(Duration::from_secs_f64(missing / self.bytes_per_second).max(Duration::from_millis(1)))
    }

    /// So many bytes have passed.
    fn spend(&mut self, bytes: usize) {
        self.level -= bytes as f64;
    }
}

/// A stream that keeps a pace.
pub(super) struct Paced<S> {
    stream: S,
    pace: Pace,
    /// Reading and writing wait each for themselves, as each has its own task to wake.
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S, pace: Pace) -> Self {
        Self { stream, pace, reading: None, writing: None }
    }
}

/// How many bytes may pass; waits until it is at least one.
fn poll_grant(pace: &Pace, pause: &mut Option<Pin<Box<Sleep>>>, context: &mut Context<'_>) -> Poll<usize> {
    loop {
        if let Some(sleeping) = pause {
            ready!(sleeping.as_mut().poll(context));
            *pause = None;
        }
        match pace.bucket().grant(Instant::now()) {
            Grant::Bytes(bytes) => return Poll::Ready(bytes),
            Grant::After(wait) => *pause = Some(Box::pin(sleep(wait))),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let bytes = ready!(poll_grant(&this.pace, &mut this.reading, context)).min(into.remaining());
        let mut part = vec![0; bytes];
        let mut part = ReadBuf::new(&mut part);
        ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
        this.pace.bucket().spend(part.filled().len());
        into.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let bytes = ready!(poll_grant(&this.pace, &mut this.writing, context));
        let part = octets.get(..bytes).unwrap_or(octets);
        let written = ready!(Pin::new(&mut this.stream).poll_write(context, part))?;
        this.pace.bucket().spend(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[test]
    fn over_time_no_more_passes_than_the_rate_and_one_burst() {
        for rate in [1u64, 700, 10_000, 2 << 20] {
            let mut bucket = Bucket::new(rate);
            let begin = Instant::now();
            let (mut now, mut passed) = (begin, 0u64);
            while now < begin + Duration::from_secs(20) {
                match bucket.grant(now) {
                    Grant::Bytes(bytes) => {
                        let bytes = bytes.min(1460);
                        bucket.spend(bytes);
                        passed += bytes as u64;
                    }
                    Grant::After(wait) => now += wait,
                }
            }
            let most = rate * 20 + (rate / BURST_PARTS).max(BURST_BYTES_MIN) + 1460;
            let least = rate * 18;
            assert!((least..=most).contains(&passed), "{passed} bytes at {rate} in a second");
        }
    }

    #[test]
    fn a_pause_earns_one_burst_and_a_debt_is_paid_first() {
        let mut bucket = Bucket::new(8_000);
        let now = Instant::now();
        assert_eq!(bucket.grant(now), Grant::Bytes(2_000));
        assert_eq!(bucket.grant(now + Duration::from_secs(3600)), Grant::Bytes(2_000));
        // Two connections were told the same at the same moment.
        bucket.spend(2_000);
        bucket.spend(2_000);
        let after = now + Duration::from_secs(3600);
        let Grant::After(wait) = bucket.grant(after) else { panic!("there is nothing left") };
        assert_eq!(wait, Duration::from_millis(281).max(Duration::from_micros(281_250)));
        assert_eq!(bucket.grant(after + wait), Grant::Bytes(250));
    }

    #[tokio::test(start_paused = true)]
    async fn both_directions_of_all_streams_share_the_rate() {
        let pace = Pace::new(NonZeroU64::new(10_000).unwrap());
        let (near, mut far) = duplex(1 << 20);
        let mut stream = Paced::new(near, pace.clone());
        far.write_all(&[7; 30_000]).await.unwrap();
        let began = Instant::now();
        let mut read = vec![0; 30_000];
        stream.read_exact(&mut read).await.unwrap();
        let (near, _far) = duplex(1 << 20);
        Paced::new(near, pace).write_all(&[7; 30_000]).await.unwrap();
        assert!(read.iter().all(|octet| *octet == 7));
        let seconds = began.elapsed().as_secs_f64();
        assert!((5.5..6.5).contains(&seconds), "{seconds}");
    }
}
