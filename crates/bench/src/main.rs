//! The meter.
fn main() {}
