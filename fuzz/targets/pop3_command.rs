//! A POP3 command line, without its line end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postrider_pop3_proto::parse_command;

fuzz_target!(|line: &[u8]| {
    let _ = parse_command(line);
});
