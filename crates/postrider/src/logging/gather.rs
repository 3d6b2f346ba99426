//! Lines of the log that gather for a moment before they are written to standard error.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long lines gather: nobody who reads along sees it.
const TIME: Duration = Duration::from_millis(20);
/// Who adds more than this many bytes writes them, and so waits for a slow reader.
const BYTES_MAX: usize = 64 * 1024;

/// Where the log's lines go.
#[derive(Clone, Default)]
pub struct Gathered(Arc<Shared>);

#[derive(Default)]
struct Shared {
    lines: Mutex<Lines>,
    signal: Condvar,
}

#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    /// There is a thread that writes.
    is_gathering: bool,
}

impl Shared {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds lines, to be written soon or now.
    fn add(&self, text: &[u8], urgency: Urgency, output: &mut impl Write) -> io::Result<()> {
        let mut lines = self.lines();
        let is_first = lines.text.is_empty();
        lines.text.extend_from_slice(text);
        if urgency == Urgency::Now || !lines.is_gathering || lines.text.len() > BYTES_MAX {
            return lines.write(output);
        }
        if is_first {
            self.signal.notify_one();
        }
        Ok(())
    }

    /// Writes what gathers, until no more is to gather.
    fn write_on(&self, output: &mut impl Write) {
        let mut lines = self.lines();
        while lines.is_gathering {
            if lines.text.is_empty() {
                lines = self.signal.wait(lines).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            lines = self.signal.wait_timeout(lines, TIME).unwrap_or_else(PoisonError::into_inner).0;
            // There is nobody to tell that the log cannot be written.
            let _ = lines.write(output);
        }
    }
}

impl Lines {
    /// Writes all, under the lock, so that the lines stay in order.
    fn write(&mut self, output: &mut impl Write) -> io::Result<()> {
        let written = output.write_all(&self.text);
        self.text.clear();
        written
    }
}

/// When a line must be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Urgency {
    Soon,
    Now,
}

/// Takes one line.
pub struct Line<'a> {
    shared: &'a Shared,
    urgency: Urgency,
}

impl Write for Line<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.shared.add(text, self.urgency, &mut io::stderr()).map(|()| text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Gathered {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { shared: &self.0, urgency: Urgency::Now }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a> {
        let urgency = if *event.level() <= Level::WARN { Urgency::Now } else { Urgency::Soon };
        Line { shared: &self.0, urgency }
    }
}

/// The thread that writes. Until it is started, and when this is dropped, lines do not gather.
pub struct Gathering {
    gathered: Gathered,
    thread: Option<JoinHandle<()>>,
}

impl Gathering {
    /// Begins to gather.
    pub fn start(gathered: &Gathered) -> io::Result<Self> {
        let shared = Arc::clone(&gathered.0);
        // The thread waits for the lock, or it would find that nothing is to gather.
        let mut lines = gathered.0.lines();
        let thread = thread::Builder::new().name("postrider-log".to_owned());
        let thread = thread.spawn(move || shared.write_on(&mut io::stderr()))?;
        lines.is_gathering = true;
        drop(lines);
        Ok(Self { gathered: gathered.clone(), thread: Some(thread) })
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        let mut lines = self.gathered.0.lines();
        lines.is_gathering = false;
        let _ = lines.write(&mut io::stderr());
        drop(lines);
        self.gathered.0.signal.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathering() -> Shared {
        let shared = Shared::default();
        shared.lines().is_gathering = true;
        shared
    }

    #[test]
    fn news_waits_and_what_is_urgent_takes_it_along() {
        let (shared, mut output) = (gathering(), Vec::new());
        shared.add(b"one\n", Urgency::Soon, &mut output).unwrap();
        shared.add(b"two\n", Urgency::Soon, &mut output).unwrap();
        assert!(output.is_empty());
        shared.add(b"three\n", Urgency::Now, &mut output).unwrap();
        assert_eq!(output, b"one\ntwo\nthree\n");
        shared.add(b"four\n", Urgency::Soon, &mut output).unwrap();
        assert_eq!(output, b"one\ntwo\nthree\n");
    }

    #[test]
    fn what_gathers_is_bounded() {
        let (shared, mut output) = (gathering(), Vec::new());
        let line = [b'x'; 1000];
        for _ in 0..200 {
            shared.add(&line, Urgency::Soon, &mut output).unwrap();
            assert!(shared.lines().text.len() <= BYTES_MAX);
        }
        assert!(output.len() >= 200 * line.len() - BYTES_MAX);
    }

    #[test]
    fn without_a_thread_lines_are_written_at_once() {
        let (shared, mut output) = (Shared::default(), Vec::new());
        shared.add(b"one\n", Urgency::Soon, &mut output).unwrap();
        assert_eq!(output, b"one\n");
        // It has nothing to do, and ends.
        shared.write_on(&mut output);
    }

    #[test]
    fn the_thread_writes_what_has_gathered() {
        let shared = Arc::new(gathering());
        shared.add(b"one\n", Urgency::Soon, &mut Vec::new()).unwrap();
        let writing = Arc::clone(&shared);
        let writer = thread::spawn(move || {
            let mut output = Vec::new();
            writing.write_on(&mut output);
            output
        });
        while !shared.lines().text.is_empty() {
            thread::yield_now();
        }
        shared.lines().is_gathering = false;
        shared.signal.notify_one();
        assert_eq!(writer.join().unwrap(), b"one\n");
    }
}
