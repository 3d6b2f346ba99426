//! A client's byte stream, framed and parsed. Framing must give the same commands however the stream is cut.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use postrider_imap_proto::{Frame, FrameLimits, Framer, parse_command};

/// Small bounds, so that the fuzzer reaches them.
const LIMITS: FrameLimits = FrameLimits {
    line_bytes_max: 256,
    literal_bytes_max: 64,
    append_bytes_max: 512,
    command_bytes_max: 1024,
    append_command_bytes_max: 2048,
    literals_max: 4,
};

/// Everything that comes out of the stream when it arrives in pieces of this many bytes.
fn frames(stream: &[u8], piece_bytes: usize) -> Vec<Frame> {
    let mut framer = Framer::new(LIMITS);
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for piece in stream.chunks(piece_bytes) {
        buffer.extend_from_slice(piece);
        loop {
            match framer.next(&mut buffer) {
                Frame::Incomplete => break,
                frame => frames.push(frame),
            }
        }
    }
    frames
}

fuzz_target!(|stream: &[u8]| {
    let whole = frames(stream, stream.len().max(1));
    assert_eq!(whole, frames(stream, 1));
    assert_eq!(whole, frames(stream, 7));
    for frame in &whole {
        if let Frame::Command(command) = frame {
            let _ = parse_command(command);
        }
    }
});
