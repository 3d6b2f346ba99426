//! The one command that checks everything.
fn main() {}
