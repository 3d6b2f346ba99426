//! Errors for people: one line that says what failed and why, and a hint that says what to do about it.

use std::fmt;

use anyhow::{Error, Result};

/// An error's hint, carried along as a layer of context that adds nothing to the message.
#[derive(Debug)]
struct Advice {
    message: String,
    hint: String,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Adds a hint to an error.
pub trait Advise<T> {
    /// Says what the person may do about the error.
    fn advise(self, hint: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<Error>> Advise<T> for Result<T, E> {
    fn advise(self, hint: impl Into<String>) -> Result<T> {
        self.map_err(|error| with_hint(error.into(), hint))
    }
}

/// The error with a hint.
pub fn with_hint(error: Error, hint: impl Into<String>) -> Error {
    let advice = Advice { message: error.to_string(), hint: hint.into() };
    error.context(advice)
}

/// The error and its causes on one line, without repeating what a cause's message already has.
pub fn one_line(error: &Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(|cause| cause.to_string()) {
        if line.is_empty() {
            line = cause;
        } else if !line.ends_with(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line.replace('\n', " ")
}

/// The outermost hint, if there is one.
pub fn hint(error: &Error) -> Option<&str> {
    error.downcast_ref::<Advice>().map(|advice| advice.hint.as_str())
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn a_hint_survives_further_context_and_leaves_the_message_alone() {
        let result: Result<()> = Err(anyhow!("no such file")).context("cannot read x").advise("make one");
        let error = result.context("cannot start").unwrap_err();
        assert_eq!(one_line(&error), "cannot start: cannot read x: no such file");
        assert_eq!(hint(&error), Some("make one"));
    }
}
