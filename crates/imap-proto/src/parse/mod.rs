//! A whole command, as [`crate::framing`] cut it, to a value: one file per family of commands.
//!
//! Recursive descent by hand, so that errors tell what was expected, depth and counts are bounded, and octets of
//! literals are shared with the frame rather than copied. The grammar of both revisions is accepted at all times; where
//! the standard is ambiguous or clients are known to stray, leniency has a function `quirk_…` that names them.

use bytes::Bytes;

use crate::command::Command;

/// Bounds on what one command may hold, beyond what framing bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseLimits {
    /// How deep search keys may nest: `NOT`, `OR` and parentheses, each one level.
    pub search_depth_max: usize,
    /// Search keys in one command, nested ones included.
    pub search_keys_max: usize,
    /// Elements of any list: flags, attributes, header fields, patterns, part numbers, messages of an APPEND.
    pub list_elements_max: usize,
    /// Ranges in one sequence set.
    pub set_ranges_max: usize,
    /// Pairs in an ID command (RFC 2971 §3.3).
    pub id_pairs_max: usize,
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self {
            search_depth_max: 200,
            search_keys_max: 4096,
            list_elements_max: 4096,
            set_ranges_max: 16 * 1024,
            id_pairs_max: 30,
        }
    }
}

/// What kind of error it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseErrorKind {
    /// Against the grammar, or an unknown command.
    Syntax,
    /// Nested deeper than [`ParseLimits`] allows.
    TooDeep,
    /// More elements than [`ParseLimits`] allows.
    TooMany,
}

/// A command that cannot be understood. Answer `tag BAD message`, or `* BAD message` where there is no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// The command's tag, if that much was right.
    pub tag: Option<String>,
    /// What is wrong, for people; a single line of ASCII that quotes nothing secret.
    pub message: String,
    /// What kind of error it is.
    pub kind: ParseErrorKind,
}

/// Parses a command within the default limits.
pub fn parse_command(frame: &Bytes) -> Result<Command, ParseError> {
    parse_command_within(frame, &ParseLimits::default())
}
