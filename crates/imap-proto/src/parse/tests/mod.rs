//! Tables of commands: the standards' own examples, the values they become, and what is refused.

mod examples;
mod peer;
mod refused;
mod values;

use super::*;

fn frame(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn parse(text: &str) -> Result<Command, ParseError> {
    parse_command(&frame(text))
}

fn body(text: &str) -> CommandBody {
    parse(&format!("a1 {text}")).unwrap_or_else(|error| panic!("{text}: {error}")).body
}
