//! A server's byte stream, framed and parsed. Framing must give the same responses however the stream is cut.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use postrider_imap_proto::client::{ResponseEvent, ResponseFramer, ResponseLimits, parse_response};
use postrider_imap_proto::mailbox_name::NameEncoding;

/// Small bounds, so that the fuzzer reaches them.
const LIMITS: ResponseLimits = ResponseLimits {
    line_bytes_max: 256,
    literal_bytes_max: 64,
    content_inline_bytes_max: 16,
    content_bytes_max: 512,
    response_bytes_max: 512,
    literals_max: 4,
    streamed_contents_max: 2,
};

/// Everything that comes out of the stream when it arrives in pieces of this many bytes, pieces of a content joined.
fn events(stream: &[u8], piece_bytes: usize) -> Vec<ResponseEvent> {
    let mut framer = ResponseFramer::new(LIMITS);
    let mut buffer = BytesMut::new();
    let mut events = Vec::new();
    let mut content = BytesMut::new();
    for piece in stream.chunks(piece_bytes) {
        buffer.extend_from_slice(piece);
        loop {
            match framer.next(&mut buffer) {
                ResponseEvent::Incomplete => break,
                ResponseEvent::ContentPiece(piece) => content.extend_from_slice(&piece),
                ResponseEvent::ContentEnd => {
                    events.push(ResponseEvent::ContentPiece(std::mem::take(&mut content).freeze()));
                    events.push(ResponseEvent::ContentEnd);
                }
                event => events.push(event),
            }
        }
    }
    events
}

fuzz_target!(|stream: &[u8]| {
    let whole = events(stream, stream.len().max(1));
    assert_eq!(whole, events(stream, 1));
    assert_eq!(whole, events(stream, 7));
    for event in &whole {
        if let ResponseEvent::Response(frame) = event {
            let response = parse_response(frame);
            if let postrider_imap_proto::client::Response::List(list) = &response {
                let _ = list.mailbox.name(NameEncoding::ModifiedUtf7);
            }
        }
    }
});
