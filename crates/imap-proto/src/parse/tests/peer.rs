//! Our parser beside another that shares no code with it.

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::examples::mutated_examples;
use super::*;

const CASES: usize = 20_000;
const OCTETS: &[u8] = b" ()[]{}\"\\*%$.,:<>+-019azAZ/&~=";

/// Where we are stricter, on purpose: VANISHED's conditions, algorithms of THREAD that nobody offers, and the other's
/// quirk for spaces within ID's list.
fn is_known_difference(error: &ParseError, command: &[u8]) -> bool {
    error.message.starts_with("VANISHED needs")
        || error.message == "unknown threading algorithm"
        || command.windows(2).any(|pair| pair == b" )")
}

#[test]
fn what_another_parser_accepts_we_accept() {
    // The same cases in every run.
    let mut runner = TestRunner::deterministic();
    let commands = mutated_examples(proptest::sample::select(OCTETS));
    let mut accepted = 0;
    for _ in 0..CASES {
        let command = proptest::strategy::Strategy::new_tree(&commands, &mut runner).expect("a value").current();
        let line = [command.as_slice(), b"\r\n"].concat();
        if !CommandCodec::default().decode(&line).is_ok_and(|(rest, _)| rest.is_empty()) {
            continue;
        }
        accepted += 1;
        if let Err(error) = parse_command(&Bytes::copy_from_slice(&command)) {
            let text = String::from_utf8_lossy(&command);
            assert!(is_known_difference(&error, &command), "{text:?}: {error}");
        }
    }
    assert!(accepted > CASES / 20, "the peer accepted {accepted} only");
}
