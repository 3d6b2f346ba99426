//! The mail that both servers are filled with: seeded, so that a run can be repeated, and of the sizes that mail has.
//!
//! Sizes are log-normal: a median of 8 KiB and, with the few large messages, a mean of about 24 KiB. What is large is
//! large because of its attachments, as in real mailboxes; a megabyte of plain text is not mail.

use postrider_testkit::corpus::{Corpus, Kind};
use postrider_testkit::random::SplitMix64;

/// Half of the messages are smaller than this.
const MEDIAN_BYTES: f64 = 8192.0;
/// The spread of the logarithm of sizes; with it the mean is three times the median.
const SIGMA: f64 = 1.5;
/// No message is larger.
const BYTES_MAX: f64 = 4_194_304.0;
/// From here on a message has attachments.
const ATTACHMENTS_BYTES_MIN: usize = 49_152;

/// One message as it is given to a server.
#[derive(Debug)]
pub struct Message {
    /// The message, lines ended by CRLF.
    pub bytes: Vec<u8>,
    /// What APPEND says of it: flags and date, ready for the wire.
    pub append_arguments: String,
}

/// All messages of a run.
#[derive(Debug)]
pub struct Mail {
    /// The messages, in the order in which they are stored.
    pub messages: Vec<Message>,
}

impl Mail {
    /// `count` messages of the corpus that belongs to `seed`, with sizes around `median_bytes`.
    pub fn generate(seed: u64, count: usize, size: Size) -> Self {
        let mut corpus = Corpus::new(seed);
        let mut random = SplitMix64::new(seed ^ 0x5eed);
        let messages = (0..count)
            .map(|number| {
                let size_bytes = size.draw(&mut random);
                let kind = if size_bytes > ATTACHMENTS_BYTES_MIN { Kind::Attachments } else { pick_kind(&mut random) };
                Message { bytes: corpus.message_of(kind, size_bytes), append_arguments: append_arguments(number) }
            })
            .collect();
        Self { messages }
    }

    /// The message that belongs to a number; numbers go round.
    pub fn message(&self, number: usize) -> &Message {
        &self.messages[number % self.messages.len()]
    }

    /// Bytes of the first `count` messages.
    pub fn bytes_of_first(&self, count: usize) -> u64 {
        self.messages.iter().take(count).map(|message| message.bytes.len() as u64).sum()
    }

    /// Median and mean size in bytes.
    pub fn sizes(&self) -> (usize, usize) {
        let mut sizes: Vec<usize> = self.messages.iter().map(|message| message.bytes.len()).collect();
        sizes.sort_unstable();
        let median = sizes.get(sizes.len() / 2).copied().unwrap_or(0);
        (median, sizes.iter().sum::<usize>() / sizes.len().max(1))
    }
}

/// How large messages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// As in people's mailboxes.
    Real,
    /// About 2 KiB each, for runs with very many.
    Small,
}

impl Size {
    fn draw(self, random: &mut SplitMix64) -> usize {
        let bytes = match self {
            Self::Real => (MEDIAN_BYTES.ln() + SIGMA * normal(random)).exp(),
            Self::Small => 2048.0_f64.mul_add(0.5, 2048.0 * unit(random)),
        };
        bytes.clamp(600.0, BYTES_MAX) as usize
    }
}

/// The mixture of a usual mailbox; every kind of the corpus is in it.
fn pick_kind(random: &mut SplitMix64) -> Kind {
    match random.below(100) {
        0..30 => Kind::HtmlAlternative,
        30..52 => Kind::Plain,
        52..74 => Kind::Reply,
        74..84 => Kind::Attachments,
        84..89 => Kind::EncodedWords,
        89..93 => Kind::Utf8,
        93..96 => Kind::Nested,
        96..98 => Kind::EightBit,
        98 => Kind::LongLines,
        _ => Kind::EmptyBody,
    }
}

/// Half of the messages are seen; dates go from January 2025 to June 2026, in order.
fn append_arguments(number: usize) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = number / 1700 % 18;
    let flags = if number.is_multiple_of(2) { "(\\Seen)" } else { "()" };
    format!(
        "{flags} \"{:02}-{}-{} {:02}:{:02}:{:02} +0000\"",
        1 + number / 61 % 28,
        MONTHS[month % 12],
        2025 + month / 12,
        number / 3600 % 24,
        number / 60 % 60,
        number % 60
    )
}

/// A number from 0 to 1, 0 excluded.
fn unit(random: &mut SplitMix64) -> f64 {
    ((random.next_u64() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
}

/// A number of the normal distribution (Box and Muller).
fn normal(random: &mut SplitMix64) -> f64 {
    (-2.0 * unit(random).ln()).sqrt() * (std::f64::consts::TAU * unit(random)).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_mail() {
        let (median, mean) = Mail::generate(1, 5000, Size::Real).sizes();
        assert!((6_500..10_000).contains(&median), "median {median}");
        assert!((18_000..32_000).contains(&mean), "mean {mean}");
    }
}
