//! An SMTP or LMTP command line, without its line end. What is refused has a reply.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postrider_smtp_proto::parse_command;

fuzz_target!(|line: &[u8]| {
    match parse_command(line) {
        Ok(command) => drop(format!("{command:?}")),
        Err(error) => {
            let (code, _) = error.reply();
            assert!((500..600).contains(&code), "{error} is answered with {code}");
        }
    }
});
