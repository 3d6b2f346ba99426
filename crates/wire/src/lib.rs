//! Byte buffers, line and literal framing, and bounds that every text protocol shares.
//!
//! Here bytes become lines, and nothing more: no command of any protocol is known. All readers are given the
//! connection's buffer and cut pieces off its front, so a line is a slice of what was read, not a copy; none of them
//! looks at a byte twice, however small the portions are in which input arrives.

pub mod line;
pub mod literal;

pub use line::{Line, LineEnd, LineReader};
pub use literal::{LiteralAnnouncement, Synchronisation, announced_literal};
